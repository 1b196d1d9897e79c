"""The rank of a firm among those of its industry and region."""

from collections.abc import Iterable

import polars as pl

from firmpulse import industries
from scoring.warnings import conditions
from scoring.warnings.forms import Condition
from scoring.warnings.measures import PROVINCE
from scoring.warnings.panel import INDUSTRY
from scoring.warnings.rules import RuleBook

_SECTION = "section"


def with_peers(rows: pl.DataFrame, book: RuleBook) -> pl.DataFrame:
    """Return the rows with the share of peers that do better, for each rule's first line.

    Peers are the other firms of the same division of GB/T 4754 and the same province. If fewer than
    `least_peers` of them have the value, they are those of its section and province; if these are
    too few as well, the share is null. Equal firms do not count as better.
    """
    sections = {
        code: found.letter
        for code in rows[INDUSTRY].drop_nulls().unique()
        if (found := industries.section_of(code)) is not None
    }
    placed = rows.with_columns(
        pl.col(INDUSTRY).replace_strict(sections, default=None, return_dtype=pl.String)
        .alias(_SECTION)
    )  # fmt: skip
    return placed.with_columns(_shares(_distinct(book), book)).drop(_SECTION)


def _distinct(book: RuleBook) -> Iterable[Condition]:
    """Return the conditions with distinct rankings; of equal ones, the first."""
    firsts: dict[str, Condition] = {}
    looked_at = [
        c
        for rule in book.rules
        for c in rule.conditions
        if c is rule.shown or c.worst_of_peers is not None
    ]
    for condition in looked_at:
        firsts.setdefault(conditions.peers_column(condition), condition)
    return firsts.values()


def _shares(wanted: Iterable[Condition], book: RuleBook) -> list[pl.Expr]:
    return [
        pl.coalesce(
            _better_off(condition, book, (INDUSTRY, PROVINCE)),
            _better_off(condition, book, (_SECTION, PROVINCE)),
        ).alias(conditions.peers_column(condition))
        for condition in wanted
    ]


def _better_off(condition: Condition, book: RuleBook, group: tuple[str, str]) -> pl.Expr:
    value = conditions.compared(condition)
    higher_is_worse = conditions.is_worse_higher(
        condition, book.higher_is_worse.get(condition.value, True)
    )
    # Ascending ranks count firms with a lower value, which do better if high is bad.
    better = value.rank("min", descending=not higher_is_worse).over(group) - 1
    others = value.count().over(group) - 1
    placed = pl.all_horizontal(pl.col(name).is_not_null() for name in group)
    return pl.when(placed & (others >= book.least_peers)).then(better / others)
