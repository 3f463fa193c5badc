"""Labels of different data sets, matched by what they mean."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

_SYNONYMS = {
    "ig": "immature_granulocyte",  # the folder name in the PBC set (Acevedo et al. 2020)
    "normoblast": "erythroblast",
    "nucleated_red_blood_cell": "erythroblast",
    "nrbc": "erythroblast",
    "thrombocyte": "platelet",
    "erythrocyte": "red_blood_cell",
    "rbc": "red_blood_cell",
    "leukocyte": "white_blood_cell",
    "leucocyte": "white_blood_cell",
    "wbc": "white_blood_cell",
}
"""Other words for the same thing. A finer class (band neutrophil, myelocyte) is no synonym of a coarser one."""


def canonical_label(label: str) -> str:
    """The form of a label by which classes of two data sets are compared; labels shown to people stay as given.

    Case, spaces, hyphens, a plural s and a remark in parentheses make no difference, and a few synonyms are known:
    `Immature Granulocytes(myelocytes, …)`, `immature-granulocyte` and `ig` all give `immature_granulocyte`.
    """
    text = unicodedata.normalize("NFKC", label).casefold()
    without_remark = re.sub(r"\([^()]*\)", " ", text)
    words = re.findall(r"[^\W_]+", without_remark) or re.findall(r"[^\W_]+", text)
    if not words:
        return label.strip()
    words[-1] = _singular(words[-1])
    joined = "_".join(words)
    return _SYNONYMS.get(joined, joined)


def match_labels(labels: Iterable[str], classes: Sequence[str]) -> dict[str, str]:
    """Which of `classes` each of `labels` stands for; a label without a counterpart is left out.

    A class of exactly that name wins; otherwise the one class with the same canonical form. Where two classes share it,
    neither is taken.
    """
    by_form: dict[str, list[str]] = {}
    for name in dict.fromkeys(classes):
        by_form.setdefault(canonical_label(name), []).append(name)
    matched = {}
    for label in dict.fromkeys(labels):
        found = [label] if label in classes else by_form.get(canonical_label(label), [])
        if len(found) == 1:
            matched[label] = found[0]
    return matched


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 2 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word
