"""Findings about runs: nights that failed, stopped halfway or are missing."""

from collections.abc import Iterator
from datetime import date, timedelta

from firmpulse.airflow import advice
from firmpulse.settings import Settings
from operations import nights
from operations.finding import PROBLEM, WARNING, Finding
from operations.nights import ElsewhereFailed, Night

# Older nights and gaps that are listed one by one.
_SHOWN = 5


def of_nights(
    settings: Settings, found: tuple[Night, ...], on: date, *, busy: bool = False
) -> Iterator[Finding]:
    """Yield the problems with the nights of the run log.

    Args:
        settings: home folder; what to do depends on whether its scheduler runs.
        found: nights, oldest first.
        on: today; the night due is that of the day before.
        busy: the log is that of the last publication, so later steps are unknown.
    """
    if not found:
        yield none(settings, on)
        return
    yield from _newest(settings, found[-1], busy=busy)
    yield from _older(settings, found[:-1])
    yield from _missing(settings, found, on - timedelta(days=2 if busy else 1))


def none(settings: Settings, on: date) -> Finding:
    """Return the finding that no night has run yet."""
    due = (on - timedelta(days=1)).isoformat()
    return Finding(
        PROBLEM, "night", f"no night has run yet in {settings.root}",
        advice.run(settings, "run_nightly", {"as_of": due}),
    )  # fmt: skip


def of_others(settings: Settings, failed: tuple[ElsewhereFailed, ...]) -> Iterator[Finding]:
    """Yield the steps of other DAGs whose last run failed."""
    for one in failed:
        day = "on" if one.dag == "honour_revocations" else "as_of"
        conf = {day: one.as_of.isoformat()}
        if one.dag == "train_model":
            conf["approver"] = "NAME"
        yield Finding(
            PROBLEM, "runs", f"{one.label} of {one.dag}, {one.as_of}, failed: {one.error}",
            f"fix it, then: {advice.run(settings, one.dag, conf)}",
        )  # fmt: skip


def _newest(settings: Settings, night: Night, *, busy: bool) -> Iterator[Finding]:
    again = _again(settings, night)
    for step in night.failed:
        yield Finding(
            PROBLEM, "night", f"{step.label} of {night.as_of} failed: {step.error}",
            f"fix it, then: {again}",
        )  # fmt: skip
    # The published log ends before its own publication.
    if night.published_at is None and not night.failed and not busy:
        last = night.steps[-1].label
        text = f"{night.as_of} was not published; its last step is {last}"
        yield Finding(PROBLEM, "night", text, again)


def _older(settings: Settings, before: tuple[Night, ...]) -> Iterator[Finding]:
    """Yield earlier nights that failed and have not been run again."""
    broken = [night for night in reversed(before) if night.failed or night.published_at is None]
    for night in broken[:_SHOWN]:
        said = [f"{step.label} failed: {step.error}" for step in night.failed]
        if night.published_at is None:
            said.append(f"it was not published, its last step is {night.steps[-1].label}")
        yield Finding(
            WARNING if night.published_at else PROBLEM, "night",
            f"{night.as_of}, an older night, is not fixed: {'; '.join(said)}",
            _again(settings, night),
        )  # fmt: skip
    if rest := broken[_SHOWN:]:
        yield Finding(
            PROBLEM if any(night.published_at is None for night in rest) else WARNING, "night",
            f"{len(rest)} more older nights are not fixed, the newest of them {rest[0].as_of}",
            _again(settings, rest[0]),
        )  # fmt: skip


def _missing(settings: Settings, found: tuple[Night, ...], due: date) -> Iterator[Finding]:
    newest = found[-1].as_of
    gaps = nights.missing(found, due)[::-1]
    for first, last in gaps[:_SHOWN]:
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        few = f"{len(days)} {'night is' if len(days) == 1 else 'nights are'} missing"
        where = (
            f"the newest is {newest}, due is {due}"
            if first > newest
            else f"between other nights, {first} to {last}"
        )
        yield Finding(PROBLEM, "night", f"{few}: {where}", advice.nights(settings, days))
    for first, last in gaps[_SHOWN : _SHOWN + 1]:
        yield Finding(
            PROBLEM, "night",
            f"{len(gaps) - _SHOWN} more gaps between older nights, the newest {first} to {last}",
            advice.nights(settings, [first]),
        )  # fmt: skip


def _again(settings: Settings, night: Night) -> str:
    return advice.run(settings, "run_nightly", {"as_of": night.as_of.isoformat()})
