"""Recreate a frozen training frame and report differences."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from features import registry
from firmpulse import digests
from firmpulse.settings import Settings
from training import frozen, sampling
from training.config import DEFAULT, TrainingConfig

_ROW = ("firm_id", "as_of")


@dataclass(frozen=True)
class Recreation:
    """A frozen frame beside the same frame drawn from the present warehouse."""

    as_of: date
    digest: str
    digest_now: str
    frozen_rows: int
    # Frozen rows that were erased since, because a firm withdrew.
    erased_rows: int
    # Rows that are in the frozen frame but are no longer drawn, and vice versa.
    only_frozen: int
    only_now: int
    # Column → rows in both with different values; also features that were added or removed.
    changed: Mapping[str, int]

    @property
    def same(self) -> bool:
        """Whether the frame drawn now has the digest of the frozen one."""
        return self.digest == self.digest_now


def recreate(settings: Settings, as_of: date, config: TrainingConfig = DEFAULT) -> Recreation:
    """Draw the training frame of `as_of` again and compare it with the frozen one.

    Nothing is written. Later knowledge changes nothing; a firm that withdrew, or a redefined
    feature, does, and is listed.

    Raises:
        NotReadyError: nothing was sampled for `as_of`.
    """
    kept = frozen.read(settings, as_of)
    same_labels = replace(config, labels=kept.labels)
    drawn = sampling.draw(settings, as_of, registry.load(settings), same_labels).rows
    return Recreation(
        as_of=as_of,
        digest=kept.digest,
        digest_now=digests.of_rows(drawn),
        frozen_rows=kept.frozen_rows,
        erased_rows=kept.frozen_rows - kept.rows.height,
        only_frozen=kept.rows.join(drawn, on=_ROW, how="anti").height,
        only_now=drawn.join(kept.rows, on=_ROW, how="anti").height,
        changed=_changed(kept.rows, drawn),
    )


def _changed(before: pl.DataFrame, now: pl.DataFrame) -> dict[str, int]:
    both = before.join(now, on=_ROW, suffix=" now")
    shared = [name for name in before.columns if name in now.columns and name not in _ROW]
    counts = both.select(
        pl.col(name).ne_missing(pl.col(f"{name} now")).sum().alias(name) for name in shared
    ).row(0, named=True)
    gone = [name for name in (*before.columns, *now.columns) if name not in (*shared, *_ROW)]
    return {name: count for name, count in counts.items() if count} | dict.fromkeys(
        gone, both.height
    )
