"""Where the table begins and ends in a CSV file or a sheet: titles above it, totals below.

A line above the header is not a row, unless it fills every cell that a row needs. A line below
the rows is a total if it is labelled as one, is at the end, and could not land as a row: a cell
that every row has is empty, and all other cells are numbers. In doubt a line is a row and goes to
quarantine.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from extracts.reading import thresholds
from firmpulse.errors import DeliveryRefused

Cells = Sequence[str]

# Cells of a total beside its label: a number, possibly with a currency sign, or dashes.
_SUM = re.compile(r"[¥$]?[-+(]?[¥$]?[0-9][0-9,]*\.?[0-9]*\)?-?[元%]?|[-/*]+")


@dataclass(frozen=True)
class Skipped:
    """Lines of a file that are not rows and are listed in the report, counted from 1."""

    above: tuple[int, ...] = ()
    totals: tuple[int, ...] = ()
    # Number of lines that a mapping says are no rows.
    named: int = 0

    @property
    def counts(self) -> frozenset[int]:
        """How many lines more than rows a provider may have counted.

        None, the totals, or every line but the first.
        """
        return frozenset({0, len(self.totals), len(self.above) + len(self.totals)})

    def __str__(self) -> str:
        """Return the lines as text."""
        parts = []
        if self.above:
            parts.append(f"{_lines(self.above)} above the header skipped")
        if self.totals:
            parts.append(f"{_lines(self.totals)} below the rows taken for a total")
        if self.named:
            parts.append(f"{self.named} lines that the mapping says are no rows")
        return ", ".join(parts)


@dataclass(frozen=True)
class Bounds:
    """Distinguishes the table of a contract from the lines above and below it."""

    # Contract column to its position under a header; `DeliveryRefused` if it is not a header.
    match: Callable[[tuple[str, ...]], object]
    # Positions under a header that every row fills.
    required: Callable[[tuple[str, ...]], frozenset[int]]
    # Number of cells of a line that are headers of the contract.
    known: Callable[[tuple[str, ...]], int]

    def header(self, lines: Sequence[Cells | None]) -> int:
        """Return the place of the header among the first lines; null stands for no readable line.

        The first line with every required column; if there is none, the one with the most
        headers, so that a refusal names what it lacks.
        """
        known: list[int] = []
        for place, cells in enumerate(lines):
            known.append(self.known(tuple(cells)) if cells else 0)
            if cells and known[place] and self._is_header(tuple(cells)):
                return place
        if any(known):
            return known.index(max(known))
        return next((place for place, cells in enumerate(lines) if cells != []), 0)

    def _is_header(self, cells: tuple[str, ...]) -> bool:
        try:
            self.match(cells)
        except DeliveryRefused:
            return False
        return True

    def could_be_row(self, header: tuple[str, ...], cells: Cells) -> bool:
        """Whether a line above the header fills every cell that a row needs.

        A line that begins with a label, such as 账号：, says something of the account.
        """
        filled = _filled(cells)
        is_told = bool(filled) and cells[min(filled)].strip().endswith((":", "："))
        return len(filled) > 1 and not is_told and self.required(header) <= filled

    def is_total(self, header: tuple[str, ...], cells: Cells) -> bool:
        """Whether a line at the end of the table is a total and could not be a row."""
        filled = _filled(cells)
        labels = {place for place in filled if _is_label(cells[place])}
        return (
            bool(labels)
            and bool(self.required(header) - filled)
            and all(_is_sum(cells[place]) for place in filled - labels)
        )


def may_hold_total(line: str) -> bool:
    """Whether a line contains a label of totals: a quick check before the exact one."""
    text = _letters(line)
    return any(label in text for label in thresholds.load().totals)


def _filled(cells: Cells) -> frozenset[int]:
    return frozenset(place for place, cell in enumerate(cells) if cell.strip())


def _is_label(cell: str) -> bool:
    words = thresholds.load()
    return _letters(cell).rstrip(words.counted_in) in words.totals


def _letters(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).lower()
    return "".join(character for character in folded if character.isalpha())


def _is_sum(cell: str) -> bool:
    text = "".join(unicodedata.normalize("NFKC", cell).split())
    return bool(_SUM.fullmatch(text.replace("—", "-").replace("–", "-")))


def _lines(numbers: tuple[int, ...]) -> str:
    if len(numbers) == 1:
        return f"line {numbers[0]}"
    return f"lines {', '.join(map(str, numbers))}"
