"""A CSV file of a stranger: comma, semicolon or tab separated, UTF-8, with a header."""

import csv
from collections.abc import Sequence
from pathlib import Path

from hematovision.errors import UsageError


def read_table(table: Path, *, exact_below: str | None = None) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header as written, and of every row that is not blank its line number and its cells, stripped.

    `exact_below` is a header; where the table has it, cells are left as they are.

    UsageError where the file is no UTF-8 text or no readable CSV.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            header_line = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=max(",;\t", key=header_line.count))
            header = next(reader, [])
            exact = exact_below in header
            lines = ((reader.line_num, cells if exact else [cell.strip() for cell in cells]) for cells in reader)
            return header, [(number, cells) for number, cells in lines if any(cells)]
    except UnicodeDecodeError as error:
        raise UsageError(f"{table}: not UTF-8 text ({error}); save it as UTF-8") from error
    except (csv.Error, OSError) as error:
        raise UsageError(f"{table}: not a readable CSV file: {error}") from error


def column_names(header: Sequence[str]) -> list[str]:
    """Column names as they are compared: lower case, underscores for spaces."""
    return [name.strip().casefold().replace(" ", "_") for name in header]


def first_of(names: Sequence[str], aliases: Sequence[str]) -> int | None:
    """The position of the first alias that is a column, or None."""
    return next((names.index(alias) for alias in aliases if alias in names), None)
