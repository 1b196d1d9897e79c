"""A contract as one file follows it: what the manifest says of that file is in its columns."""

from dataclasses import replace

from extracts.contracts import Column, Contract
from extracts.manifest import DeliveredFile
from extracts.reading.alternatives import Alternatives, DayAndClock, Part, SideBySide, Signed
from firmpulse.errors import DeliveryRefused

# A time of day is read as a timestamp is, or as a clock; a day as a date.
_FORMATTED = ("date", "month", "timestamp", "clock")
_NUMBERS = ("decimal", "integer")
_NAMES = ("code", "tax_no")


def contract_of(file: DeliveredFile, contract: Contract) -> Contract:
    """Return the contract with what the manifest says about this file's columns.

    Raises:
        DeliveryRefused: the manifest names no column of the contract, or says of one what does
            not fit its kind.
    """
    told = {*file.readings, *file.headers.values(), *file.one_of}
    if not told and not file.constants:
        return contract
    columns = tuple(_column(column, contract, file, told) for column in contract.columns)
    known = {column.name for column in columns}
    parts = {part.name for column in columns for part in column.alternatives.parts}
    if not (told <= known | parts and set(file.constants) <= known):
        raise DeliveryRefused("the manifest's headers or constants name no contract column")
    return replace(contract, columns=columns)


def _column(column: Column, contract: Contract, file: DeliveredFile, told: set[str]) -> Column:
    other = _alternatives(column, file, told)
    own = file.readings.get(column.name, column.reading)
    parts = {p.name: file.readings[p.name] for p in other.parts if p.name in file.readings}
    for name, reading in {column.name: own, **parts}.items():
        if reading.format and column.kind not in _FORMATTED:
            raise DeliveryRefused(f"{name} is no date and has no format")
        if (reading.factor or reading.decimal != ".") and column.kind not in _NUMBERS:
            raise DeliveryRefused(f"{name} is no number and has neither a factor nor a decimal")
        if reading.digits and column.kind not in _NAMES:
            raise DeliveryRefused(f"{name} is no number of a contract, account or firm: no digits")
    if own.positive is not None:
        other = replace(other, signed=_signed(column, contract, own.positive))
    return replace(column, alternatives=other, reading=own, part_readings=parts)


def _alternatives(column: Column, file: DeliveredFile, told: set[str]) -> Alternatives:
    """Return the shapes of a column, with those that only a mapping can name."""
    other = column.alternatives
    if column.name in file.one_of and other.side_by_side is None:
        other = replace(other, side_by_side=SideBySide((), "false"))
    day, clock = f"{column.name}_day", f"{column.name}_clock"
    if column.kind == "timestamp" and other.day_and_clock is None and {day, clock} & told:
        parts = (Part(name, (), {}) for name in (day, clock))
        other = replace(other, day_and_clock=DayAndClock(*parts))
    return other


def _signed(column: Column, contract: Contract, positive: str) -> Signed:
    signed = column.alternatives.signed
    if signed is None:
        raise DeliveryRefused(f"{column.name} has no sign that says a direction")
    directions = set(contract.column(signed.direction).values.values())
    if positive not in directions:
        raise DeliveryRefused(
            f"positive of {column.name} must be one of {', '.join(sorted(directions))}"
        )
    (negative,) = (value for value in directions if value != positive)
    return Signed(signed.direction, positive, negative)
