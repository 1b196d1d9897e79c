"""SQL of the columns that are composed of several cells of a row, with their checks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from extracts.contracts import Column, Contract, normalise_header
from extracts.reading import cells
from extracts.reading.alternatives import ByDirection, Signed
from extracts.reading.cells import Check
from extracts.reading.compositions import Composed
from extracts.reading.inspection import Layout
from extracts.reading.sql import ident, literal


def values(contract: Contract, composed: Composed) -> Mapping[str, str]:
    """Return SQL of each composed column, over the typed cells of a row."""
    column = contract.column(composed.column)
    other = column.alternatives
    if composed.how == "signed" and other.signed:
        return _signed(column, composed.cells[0], other.signed)
    if composed.how == "split" and other.split:
        return _split(column, composed.cells, other.split)
    if composed.how == "chosen" and other.chosen:
        return {column.name: _by_direction(composed.cells, other.chosen)}
    if composed.how == "day_and_clock":
        return {column.name: _moment(*composed.cells)}
    return {column.name: _filled(column, composed.cells)}


def checks(contract: Contract, composed: Composed, layout: Layout) -> Sequence[Check]:
    """Return the checks of composed columns; the first failed one names the problem."""
    column = contract.column(composed.column)
    value, whole = ident(column.name), _named(column, composed.cells)
    found = [
        replace(check, column=_named(column, [cell]))
        for cell in composed.cells
        for check in cells.checks(cell, layout)
    ]
    if composed.how in ("filled", "split"):
        several = _contradictory(column, composed)
        found.append(Check(whole, several, "'several_filled'", "'several'"))
    if composed.how == "day_and_clock":
        # A time column that also contains the day needs no day column, and is not a time of day.
        found = [
            replace(check, broken=f"{value} is null and {check.broken}", rule=literal(column.kind))
            for check in found
        ]
        whole = _named(column, composed.cells[:1])
    if column.required:
        rule = "'none_filled'" if composed.how in ("filled", "split") else "'required'"
        found.append(Check(whole, f"{value} is null", rule, "'empty'"))
    if column.bound:
        found.append(Check(whole, f"not ({value} {column.bound})", "'bound'", "'number'"))
    return found


def label(cell: Column, layout: Layout) -> str:
    """Return the name of a cell in the kept record of a bad row; parts by header in the file."""
    is_part = any(cell in composed.cells for composed in layout.composed)
    return cell.headers[0] if is_part else cell.name


def _named(column: Column, parts: Sequence[Column]) -> str:
    return f"{column.name} ({', '.join(cell.headers[0] for cell in parts)})"


def _signed(column: Column, cell: Column, signed: Signed) -> Mapping[str, str]:
    amount = ident(cell.name)
    direction = (
        f"case when {amount} < 0 then {literal(signed.negative)} "
        f"when {amount} > 0 then {literal(signed.positive)} end"
    )
    return {column.name: f"abs({amount})", signed.direction: direction}


def _split(column: Column, parts: Sequence[Column], split: ByDirection) -> Mapping[str, str]:
    """Return the amount that is not zero, and its direction; negative amounts stay negative."""
    amounts = [ident(cell.name) for cell in parts]
    filled = " ".join(
        f"when {amount} <> 0 then {literal(direction)}"
        for amount, direction in zip(amounts, split.parts, strict=True)
    )
    return {
        column.name: f"coalesce({', '.join(f'nullif({amount}, 0)' for amount in amounts)})",
        split.direction: f"case {filled} end",
    }


def _by_direction(parts: Sequence[Column], chosen: ByDirection) -> str:
    cases = " ".join(
        f"when {literal(direction)} then {ident(cell.name)}"
        for cell, direction in zip(parts, chosen.parts, strict=True)
    )
    return f"case {ident(chosen.direction)} {cases} end"


def _moment(day: Column, clock: Column) -> str:
    """Return SQL of the time of a row; a time column may include the day, or be empty."""
    told = cells.text(clock)
    return (
        f"case when {told} is null then {ident(day.name)} "
        f"when {ident(clock.name)} is not null "
        f"then cast({ident(day.name)} as date) + {ident(clock.name)} "
        f"else read_timestamp({told}) end"
    )


def _filled(column: Column, parts: Sequence[Column]) -> str:
    any_filled = f"coalesce({', '.join(ident(cell.name) for cell in parts)})"
    first = [ident(cell.name) for cell in parts if _goes_first(column, cell)]
    if not first:
        return any_filled
    preferred = f"coalesce({', '.join(first)}, {any_filled})"
    return f"case when {_where(column)} then {preferred} else {any_filled} end"


def _contradictory(column: Column, composed: Composed) -> str:
    """Return the condition that too many cells of a row are filled."""
    pairs = list(combinations(composed.cells, 2))
    if composed.how == "split":
        return " or ".join(f"({ident(a.name)} <> 0 and {ident(b.name)} <> 0)" for a, b in pairs)
    terms = []
    for a, b in pairs:
        differ = f"{ident(a.name)} <> {ident(b.name)}"
        is_told = _goes_first(column, a) != _goes_first(column, b)
        terms.append(f"({differ} and not coalesce({_where(column)}, false))" if is_told else differ)
    return " or ".join(terms)


def _where(column: Column) -> str:
    side = column.alternatives.side_by_side
    return side.where if side else "false"


def _goes_first(column: Column, cell: Column) -> bool:
    side = column.alternatives.side_by_side
    return side is not None and cell.headers[0] in map(normalise_header, side.over)
