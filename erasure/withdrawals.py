"""What must be erased after grants have ended, firm by firm."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from consent import today
from consent.grants import ASSESSMENT, TRAINING
from consent.ledger import Ledger
from firmpulse.settings import Settings


@dataclass(frozen=True)
class Withdrawal:
    """One firm whose authorisation has ended, in part or in full."""

    firm_id: str
    # Ended grants whose erasure is not certified yet.
    authorization_ids: tuple[str, ...]
    # Sources without a grant in force: their rows are erased.
    sources: frozenset[str]
    # Whether rows of training frames are erased.
    training: bool
    # Whether computed and published scores are erased.
    results: bool
    # No grant is in force: all data are erased.
    whole: bool
    # No future grant either: the firm's directory entry is also erased.
    forgotten: bool

    @property
    def destroys(self) -> bool:
        """Whether any row is erased; not if other grants cover the same data."""
        return self.whole or bool(self.sources) or self.training or self.results

    @property
    def scope(self) -> str:
        """Return in one line what is erased."""
        if self.whole:
            return "all data; results stay as granted" if not self.results else "all data"
        parts = [f"source {source}" for source in sorted(self.sources)]
        parts += ["training frames"] if self.training else []
        parts += ["results"] if self.results else []
        return ", ".join(parts) or "nothing: other grants cover the same data"


def due(settings: Settings, on: date) -> tuple[Withdrawal, ...]:
    """Return the firms with ended grants whose data is not erased yet, in the order of firm_id.

    Raises:
        ConfigurationError: the day is after today.
    """
    ledger = Ledger(settings)
    ended = ledger.ended(on)
    if ended.is_empty():
        return ()
    going = ended.select("firm_id").unique()
    live = ledger.live(on, recipient=settings.recipient).join(going, on="firm_id", how="semi")
    earlier = ledger.ended(on, purged=True).join(going, on="firm_id", how="semi")
    upcoming = set(ledger.upcoming(on))
    return tuple(
        _withdrawal(
            firm_id,
            _of(ended, firm_id),
            _of(earlier, firm_id),
            _of(live, firm_id),
            returns=firm_id in upcoming,
        )
        for firm_id in going["firm_id"].sort()
    )


def withheld(settings: Settings) -> list[str]:
    """Return the firms whose scores must no longer be published, for any night."""
    return [firm.firm_id for firm in due(settings, today.surely(settings)) if firm.results]


def _of(grants: pl.DataFrame, firm_id: str) -> list[dict[str, Any]]:
    return grants.filter(pl.col("firm_id") == firm_id).to_dicts()


def _withdrawal(
    firm_id: str,
    gone: list[dict[str, Any]],
    earlier: list[dict[str, Any]],
    standing: list[dict[str, Any]],
    *,
    returns: bool,
) -> Withdrawal:
    live_sources = {grant["source"] for grant in standing}
    live_purposes = {grant["purpose"] for grant in standing}
    trained = _sources(gone, TRAINING) - _sources(standing, TRAINING)
    assessments = [grant for grant in (*gone, *earlier) if grant["purpose"] in ASSESSMENT]
    return Withdrawal(
        firm_id=firm_id,
        authorization_ids=tuple(sorted(grant["authorization_id"] for grant in gone)),
        sources=frozenset({grant["source"] for grant in gone} - live_sources),
        training=bool(trained) or not standing,
        results=bool(assessments)
        and live_purposes.isdisjoint(ASSESSMENT)
        and not all(_keeps_results(grant) for grant in assessments),
        whole=not standing,
        forgotten=not standing and not returns,
    )


def _sources(grants: Iterable[dict[str, Any]], purpose: str) -> set[str]:
    return {grant["source"] for grant in grants if grant["purpose"] == purpose}


def _keeps_results(grant: dict[str, Any]) -> bool:
    """Return whether results may stay: as granted, or as the result of a one-off assessment."""
    return bool(grant["keep_results"]) or grant["ended_as"] == "CONSUMED"
