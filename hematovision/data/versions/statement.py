"""What a data set says of itself: source, licence, citation, quoted from the files beside its pictures."""

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from hematovision.errors import UsageError

DESCRIPTIONS = ("dataset.yaml", "dataset.yml")
MOST_BYTES = 1_000_000
_LINES, _WIDTH = 6, 400
_TELLING = re.compile(r"licen[cs]|copyright|\bcc[ -](by|0)|\bdoi\b|\bcit(e|ation)\b|\bsource\b|synthetic", re.I)
_FRONT_MATTER = re.compile(r"\A---\s*\n(.*?)\n---\s*(\n|\Z)", re.DOTALL)


class Quote(BaseModel):
    """Words of a file, as they stand there."""

    model_config = ConfigDict(frozen=True)

    file: str
    text: str


class Statement(BaseModel):
    """Origin and terms of a data set; None or empty where its files do not state them."""

    model_config = ConfigDict(frozen=True)

    source: str | None = None
    licence: str | None = None
    citation: str | None = None
    version: str | None = None
    quotes: list[Quote] = Field(default_factory=list)


def statement_files(path: Path) -> list[Path]:
    """The files in a data set's folder that state its terms: dataset.yaml, README, LICENSE; by name."""
    folder = path if path.is_dir() else path.parent
    named = re.compile(r"(licen[cs]e|copying|readme)(\.(md|txt|rst))?|dataset\.ya?ml", re.IGNORECASE)
    try:
        found = sorted(file for file in folder.iterdir() if named.fullmatch(file.name))
    except OSError as error:
        raise UsageError(f"{folder}: the folder cannot be listed: {error.strerror}") from error
    return [file for file in found if _is_plain(file)]


def read_statement(path: Path) -> Statement:
    """What the files beside the pictures state; a README one folder up is quoted where it names the data set.

    A `dataset.yaml` goes before a README's front matter, and that before a LICENSE file.

    Raises:
        UsageError: a dataset.yaml that is no mapping.
    """
    files = statement_files(path)
    described = [_described(file) for file in files if file.name.casefold() in DESCRIPTIONS]
    readmes = [file for file in files if file.name.casefold().startswith("readme")]
    fields = [*described, *(_front_matter(_text(file)) for file in readmes)]
    licences = [file for file in files if file.name.casefold().startswith(("licen", "copying"))]
    title = next((lines[0] for file in licences if (lines := _lines(_text(file)))), None)
    return Statement(
        source=_first(fields, "source", "url", "homepage"),
        licence=_first(fields, "licence", "license") or title,
        citation=_first(fields, "citation", "cite"),
        version=_first(fields, "version"),
        quotes=list(_quotes(path, licences, readmes)),
    )


def _is_plain(file: Path) -> bool:
    return file.is_file() and not file.is_symlink() and file.stat().st_size <= MOST_BYTES


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8-sig", errors="replace")


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _described(file: Path) -> dict[str, str]:
    import yaml

    try:
        content = yaml.safe_load(_text(file))
    except yaml.YAMLError as problem:
        raise UsageError(f"{file}: not valid YAML: {problem}") from problem
    if not isinstance(content, dict):
        raise UsageError(f"{file}: must map names such as source, licence, citation to words")
    return _words(content)


def _front_matter(text: str) -> dict[str, str]:
    import yaml

    found = _FRONT_MATTER.match(text)
    try:
        content = yaml.safe_load(found.group(1)) if found else None
    except yaml.YAMLError:
        return {}  # a README is prose: a rule of dashes on top makes it no YAML
    return _words(content) if isinstance(content, dict) else {}


def _words(content: dict[object, object]) -> dict[str, str]:
    plain = {str(name).casefold(): value for name, value in content.items() if value is not None}
    return {
        name: ", ".join(map(str, value)) if isinstance(value, list) else str(value).strip()
        for name, value in plain.items()
        if not isinstance(value, dict)
    }


def _first(fields: list[dict[str, str]], *names: str) -> str | None:
    return next((found[name] for found in fields for name in names if found.get(name)), None)


def _quotes(path: Path, licences: list[Path], readmes: list[Path]) -> Iterator[Quote]:
    for file in licences:
        lines = _lines(_text(file))
        chosen = lines[:1] + [line for line in lines[1:] if line.casefold().startswith("copyright")]
        yield from _quoted(file.name, chosen)
    for file in readmes:
        yield from _quoted(file.name, [line for line in _lines(_text(file)) if _TELLING.search(line)])
    if path.is_dir():
        named = re.compile(rf"(?<![\w-]){re.escape(path.name)}(?![\w-])")
        for file in statement_files(path.parent):
            if file.name.casefold().startswith("readme"):
                yield from _quoted(f"../{file.name}", [line for line in _lines(_text(file)) if named.search(line)])


def _quoted(name: str, lines: list[str]) -> Iterator[Quote]:
    short = [line if len(line) <= _WIDTH else line[: _WIDTH - 1] + "…" for line in lines[:_LINES]]
    if short:
        yield Quote(file=name, text="\n".join(short))
