"""Alternative shapes of a column in a file, as its contract declares them.

Banks and tax bureaus export one fact in several shapes: one amount column per direction, day and
time of day in separate columns, a number under either of two headers. A contract lists the
shapes that it accepts; `extracts.reading.headers` finds the shape of a file.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Part:
    """A column of a file that forms a contract column together with others."""

    # Counts as a header, and the manifest's `headers` may name it.
    name: str
    # The first one that a file has counts.
    headers: tuple[str, ...]
    scaled_headers: Mapping[str, Decimal]


@dataclass(frozen=True)
class SideBySide:
    """Several headers of the column in one file; the filled one has the value."""

    # Headers whose value has priority where `where`, SQL over the row, is true; elsewhere two
    # different values are a problem of the row.
    over: tuple[str, ...]
    where: str


@dataclass(frozen=True)
class DayAndClock:
    """A column for the day and one for the time of day, which may hold both."""

    day: Part
    clock: Part


@dataclass(frozen=True)
class ByDirection:
    """A column for each value of the column `direction`, in the order of `parts`."""

    direction: str
    parts: Mapping[str, Part]


@dataclass(frozen=True)
class Signed:
    """A sign that replaces the column `direction`."""

    direction: str
    positive: str
    negative: str


@dataclass(frozen=True)
class Alternatives:
    """The shapes of one column other than a single column with one of its headers."""

    # Headers used in a file without any other header of the column, in this order.
    fallback_headers: tuple[str, ...] = ()
    side_by_side: SideBySide | None = None
    day_and_clock: DayAndClock | None = None
    # One of the parts is filled; it gives both value and direction.
    split: ByDirection | None = None
    # The direction selects the part that is the value.
    chosen: ByDirection | None = None
    signed: Signed | None = None

    @property
    def parts(self) -> tuple[Part, ...]:
        """Every column that holds a part of the value."""
        both = (self.day_and_clock.day, self.day_and_clock.clock) if self.day_and_clock else ()
        pairs = [pair.parts.values() for pair in (self.split, self.chosen) if pair]
        return (*both, *(part for pair in pairs for part in pair))

    def check(self, values: Mapping[str, frozenset[str]]) -> None:
        """Check the directions against the allowed values of each column of the contract.

        Raises:
            ValueError: a direction is not a column, or has other values.
        """
        told = [(pair.direction, set(pair.parts)) for pair in (self.split, self.chosen) if pair]
        if self.signed:
            told.append((self.signed.direction, {self.signed.positive, self.signed.negative}))
        for direction, directions in told:
            if directions != values.get(direction, frozenset()):
                raise ValueError(
                    f"a column by direction needs one for each value of {direction!r}: "
                    f"{', '.join(sorted(directions))} are not"
                )

    @property
    def own_headers(self) -> Iterator[str]:
        """Headers of parts and fallbacks that are not headers of the column itself."""
        yield from self.fallback_headers
        for pair in (self.split, self.chosen):
            for part in pair.parts.values() if pair else ():
                yield from (*part.headers, *part.scaled_headers)


def read(own: Mapping[str, Any]) -> Alternatives:
    """Return what the custom properties of a column declare.

    Raises:
        KeyError: a declaration lacks a word.
        TypeError: it has one too many.
    """
    day_and_clock, signed, side = (own.get(k) for k in ("dayAndClock", "signed", "sideBySide"))
    return Alternatives(
        fallback_headers=tuple(own.get("fallbackHeaders", ())),
        side_by_side=side and SideBySide(tuple(side["over"]), side["where"]),
        day_and_clock=day_and_clock
        and DayAndClock(_part(day_and_clock["day"]), _part(day_and_clock["clock"])),
        split=_by_direction(own.get("splitByDirection")),
        chosen=_by_direction(own.get("chosenByDirection")),
        signed=signed and Signed(**signed),
    )


def _by_direction(declared: Mapping[str, Any] | None) -> ByDirection | None:
    if declared is None:
        return None
    units = declared.get("units", {})
    parts = {value: _part(part, units) for value, part in declared["columns"].items()}
    return ByDirection(declared["direction"], MappingProxyType(parts))


def _part(declared: Mapping[str, Any], units: Mapping[str, int] = MappingProxyType({})) -> Part:
    """Return a part; each header may end with a unit in brackets, such as 借方金额(万元)."""
    headers = declared["headers"]
    factors = {
        f"{header}({unit})": Decimal(factor) for unit, factor in units.items() for header in headers
    }
    return Part(declared["name"], tuple(headers), MappingProxyType(factors))
