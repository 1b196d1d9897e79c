"""What a contract says about its natural key: whether rows that share it may be different."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

# Rows of one delivery that share a key and differ are different bookings; or versions of one row,
# of which the last counts; or states of one row, which a history lists one after the other.
BOOKINGS, VERSIONS, STATES = "bookings", "versions", "states"


@dataclass(frozen=True)
class KeyTrust:
    """What rows of one delivery that share a natural key and differ are, and why."""

    repeats_are: str
    # Columns in which two bookings under one key differ; empty unless `repeats_are` bookings.
    apart: tuple[str, ...]
    # Share of a delivery's rows above which such rows cause a warning; null for no warning.
    warn_above: float | None
    why_en: str
    why_zh: str


def read(value: Mapping[str, Any], names: Collection[str]) -> KeyTrust:
    """Return the trust of a contract's `keyRepeats`; `names` are its columns.

    Raises:
        KeyError: a part is missing.
        ValueError: a part contradicts the contract.
    """
    trust = KeyTrust(
        repeats_are=value["are"],
        apart=tuple(value.get("apart", ())),
        warn_above=value.get("warnAbove"),
        why_en=value["why"]["en"],
        why_zh=value["why"]["zh"],
    )
    if trust.repeats_are not in (BOOKINGS, VERSIONS, STATES):
        raise ValueError(f"keyRepeats: {trust.repeats_are!r} must be bookings, versions or states")
    if bool(trust.apart) != (trust.repeats_are == BOOKINGS):
        raise ValueError("keyRepeats: only bookings, and always bookings, have `apart`")
    if unknown := [name for name in trust.apart if name not in names]:
        raise ValueError(f"keyRepeats names no column: {unknown[0]!r}")
    if trust.repeats_are == STATES and trust.warn_above is not None:
        raise ValueError("keyRepeats: states are expected and need no warnAbove")
    if trust.warn_above is not None and not 0 <= trust.warn_above < 1:
        raise ValueError(f"keyRepeats: warnAbove is a share from 0 to 1, not {trust.warn_above}")
    return trust


def warning(trust: KeyTrust, key: str, sharing: int, read_rows: int) -> str | None:
    """Return a warning if more of a delivery's rows share their key than the contract allows."""
    if trust.warn_above is None or sharing <= trust.warn_above * read_rows:
        return None
    outcome = {
        BOOKINGS: "each is kept as a separate booking",
        VERSIONS: "of each key only the last row counts",
    }[trust.repeats_are]
    return (
        f"{sharing:,} of {read_rows:,} rows share their key ({key}) with another row that differs; "
        f"{outcome}; ask the provider which number distinguishes its rows"
    )
