"""What a bank's writer of exports is, and how cells are written."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import polars as pl

# Name below the folder, and content.
File = tuple[str, bytes]


@dataclass(frozen=True)
class Shape:
    """How one bank writes what it has."""

    # From bookings: columns of the contract, and `name` of the firm.
    bookings: Callable[[pl.DataFrame], Iterator[File]]
    # From the book of loans.
    loans: Callable[[pl.DataFrame], Iterator[File]]
    # From authorisations: number, uscc, name, sources, purposes, days.
    authorisations: Callable[[pl.DataFrame], File]


def parts(frame: pl.DataFrame, *columns: str) -> Iterator[tuple[tuple[str, ...], pl.DataFrame]]:
    """Yield the rows of each value of some columns, in their order."""
    for key, part in frame.partition_by(columns, as_dict=True, maintain_order=True).items():
        yield tuple(str(value) for value in key), part


def word(column: str, words: dict[str, str]) -> pl.Expr:
    """Return a column in the words of an export; null stays null."""
    return pl.col(column).replace_strict(words, return_dtype=pl.String)


def day(column: str, form: str) -> pl.Expr:
    """Return a date as text."""
    return pl.col(column).dt.strftime(form).alias(column)


def grouped(column: str) -> pl.Expr:
    """Return an amount with commas between thousands; null stays null."""
    return pl.col(column).map_elements(lambda amount: f"{amount:,.2f}", return_dtype=pl.String)
