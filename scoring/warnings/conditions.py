"""Conditions of rules as Polars expressions over a panel."""

import polars as pl

from scoring.warnings.forms import AnyOf, Condition, Rule
from scoring.warnings.measures import OUTAGE_DAYS

# Share of peers that do better, by condition.
_PEERS = "{} among peers"


def holds(rule: Rule) -> pl.Expr:
    """Return whether all lines of a rule hold; a line on an unobserved value does not hold."""
    lines = [
        pl.any_horizontal(_holds(part) for part in line.any)
        if isinstance(line, AnyOf)
        else _holds(line)
        for line in rule.when
    ]
    if rule.planned_outage_days is not None:
        lines.append(pl.col(OUTAGE_DAYS).fill_null(0) < rule.planned_outage_days)
    return pl.all_horizontal(lines)


def compared(condition: Condition, lag: int = 0) -> pl.Expr:
    """Return the value that is compared with the bound at a lag: the value, or its change."""
    value = pl.col(f"{condition.value}@{lag}")
    if condition.change is None:
        return value
    before = pl.col(f"{condition.value}@{lag + condition.change.months}")
    if condition.change.how == "difference":
        return value - before
    return pl.when(before > 0).then(value / before)


def shown(condition: Condition) -> pl.Expr:
    """Return the value that a warning shows; for peers, the share of them that does better."""
    if condition.worst_of_peers is not None:
        return pl.col(peers_column(condition))
    return compared(condition)


def is_worse_higher(condition: Condition, of_feature: bool) -> bool:
    """Return whether a higher compared value is worse.

    Args:
        condition: its bound decides, unless it is about peers.
        of_feature: whether a higher value of the feature means higher risk.
    """
    if condition.worst_of_peers is not None:
        return of_feature
    return condition.comparison in ("at_least", "above")


def peers_column(condition: Condition) -> str:
    """Return the name of the column with the share of peers that do better."""
    side = condition.comparison
    change = f" {condition.change.how} {condition.change.months}m" if condition.change else ""
    return _PEERS.format(f"{condition.value}{change} {side}")


def columns_read(rule: Rule) -> list[str]:
    """Return the panel's columns that a rule reads, in the order of its lines."""
    return list(
        dict.fromkeys(f"{c.value}@{lag}" for c in rule.conditions for lag in sorted(c.lags))
    )


def _holds(condition: Condition) -> pl.Expr:
    at_each = [_beyond(condition, lag) for lag in range(condition.months)]
    return pl.all_horizontal(at_each)


def _beyond(condition: Condition, lag: int) -> pl.Expr:
    if condition.worst_of_peers is not None:
        return (pl.col(peers_column(condition)) >= condition.bound).fill_null(value=False)
    value, bound = compared(condition, lag), condition.bound
    beyond = {
        "at_least": value >= bound,
        "above": value > bound,
        "at_most": value <= bound,
        "below": value < bound,
    }[condition.comparison]
    # NaN compares as the greatest number, but is not an observation.
    return (beyond & value.is_finite()).fill_null(value=False)
