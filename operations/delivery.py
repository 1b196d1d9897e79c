"""One delivery as shown to people: its verdict, and the reason in a sentence."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from extracts.manifest import DeliveryRef

LANDED, IN_PART, REFUSED, BROKEN = "landed", "landed in part", "refused", "broke its checks"
WAITING, INCOMPLETE = "waiting", "incomplete"
VERDICTS = (LANDED, IN_PART, REFUSED, BROKEN, WAITING, INCOMPLETE)


@dataclass(frozen=True)
class TableCounts:
    """One table of a delivery: the outcome of its announced rows; landed include restated."""

    table: str
    status: str
    delivered: int
    landed: int
    restated: int
    duplicate: int
    refused_by_gate: int
    quarantined: int
    in_refused_files: int
    # Lines of its files that are titles or totals, not rows; null for none.
    notes: str | None


@dataclass(frozen=True)
class Problem:
    """A problem of rows, a file or the delivery; see `ops.delivery_problems`."""

    table: str | None
    file_no: int | None
    problem: str
    rule: str | None
    column: str | None
    value_class: str | None
    rows: int
    reason: str | None
    # From the vault; null and empty if it was not queried.
    file: str | None = None
    lines: tuple[int, ...] = ()


@dataclass(frozen=True)
class Check:
    """A suite that the delivery failed, and why a person accepted it."""

    suite: str
    broke: str
    accepted_because: str | None


@dataclass(frozen=True)
class Delivery:
    """One delivery."""

    source: str
    delivery_id: str
    provider: str | None
    # Night in which it landed or was last refused; null while it waits.
    as_of: date | None
    delivered_at: datetime | None
    verdict: str
    sentence: str
    tables: tuple[TableCounts, ...]
    problems: tuple[Problem, ...]
    checks: tuple[Check, ...]
    # Whether any of it is in the inbox.
    in_inbox: bool


def sentence(
    verdict: str,
    as_of: date | None,
    tables: Sequence[TableCounts],
    problems: Sequence[Problem],
    checks: Sequence[Check],
    ref: DeliveryRef | None,
    pulled: tuple[int, int] | None,
) -> str:
    """Return the outcome of a delivery in a sentence, with the reason and the next step.

    Args:
        verdict: one of VERDICTS.
        as_of: night in which it landed or was last refused.
        tables: its counts.
        problems: its problems.
        checks: the suites that it failed.
        ref: its part in the inbox.
        pulled: number of pulled files and their total, while it is being pulled.
    """
    if verdict == INCOMPLETE:
        here, of = pulled or (0, 0)
        return f"pulled but incomplete: {here} of {of} files are here; the next pull continues"
    if verdict == WAITING:
        return _waits(ref)
    if verdict == REFUSED:
        reason = next((one.reason for one in problems if one.reason), "see the log of that night")
        stays = "it stays in the inbox and is tried again every night"
        left = stays if ref else "it is no longer in the inbox"
        return f"refused in the night of {as_of}: {reason}; {left}"
    counts = _counts(tables)
    said = f"landed in the night of {as_of}: {counts}"
    for check in checks:
        if check.accepted_because is None:
            said += f"; it broke the checks of {check.suite} and stops every night: {check.broke}"
        else:
            said += f"; it had broken {check.suite} and was accepted: {check.accepted_because}"
    again = [one.reason for one in problems if one.table is None and one.reason]
    return said + "".join(f"; sent again under this id and refused: {reason}" for reason in again)


def _waits(ref: DeliveryRef | None) -> str:
    if ref is None or ref.manifest is None:
        return f"not landed yet: it waits in the inbox, and will be refused: {ref and ref.problem}"
    return (
        f"not landed yet: it waits in the inbox and lands in the night of "
        f"{ref.manifest.delivered_on} or the next one"
    )


def _counts(tables: Sequence[TableCounts]) -> str:
    parts = [
        (sum(one.duplicate for one in tables), "known already"),
        (sum(one.refused_by_gate for one in tables), "without a grant"),
        (sum(one.quarantined for one in tables), "in quarantine"),
        (sum(one.in_refused_files for one in tables), "in refused files"),
    ]
    landed = sum(one.landed for one in tables)
    delivered = sum(one.delivered for one in tables)
    others = "".join(f", {count:,} {words}" for count, words in parts if count)
    return f"{landed:,} of {delivered:,} rows are stored{others}"
