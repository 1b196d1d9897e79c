"""Make a frozen training frame again and say what, if anything, is another."""

from collections.abc import Mapping
from dataclasses import dataclass
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
    """A frozen frame beside the same frame drawn from what the warehouse holds now."""

    as_of: date
    digest: str
    digest_now: str
    frozen_rows: int
    # Rows that were frozen and went since, because a firm withdrew.
    erased_rows: int
    # Rows that stand in the frozen frame and are not drawn any more, and the other way round.
    only_frozen: int
    only_now: int
    # Column → rows of both whose value is another; also features that came or went.
    changed: Mapping[str, int]

    @property
    def same(self) -> bool:
        """Whether the frame drawn now is the frozen one, to the digest."""
        return self.digest == self.digest_now


def recreate(settings: Settings, as_of: date, config: TrainingConfig = DEFAULT) -> Recreation:
    """Draw the training frame of `as_of` again and compare it with the frozen one.

    Nothing is written. Later knowledge moves nothing; a firm that withdrew, or a feature that was
    defined anew, does, and is named.

    Raises:
        NotReadyError: nothing was sampled for `as_of`.
    """
    kept = frozen.read(settings, as_of)
    drawn = sampling.draw(settings, as_of, registry.load(settings), config)
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
