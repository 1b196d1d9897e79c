"""A scorecard as plain numbers: bins, weights of evidence, points.

Its scoring needs only numpy; a test shows that it equals optbinning's prediction.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from firmpulse.scale import OFFSET, SLOPE, FloatArray

SCORECARD_FILE = "scorecard.json"
_HALF_A_ROW = 0.5


@dataclass(frozen=True)
class Characteristic:
    """One feature's bins; bin i holds values in [splits[i-1], splits[i]), the last the missing."""

    feature: str
    splits: tuple[float, ...]
    # Weight of evidence of each bin, ln(share of goods ÷ share of bads); the last is "missing".
    woe: tuple[float, ...]
    coefficient: float
    # Score points of each bin, rounded for reading; scoring uses the weights of evidence.
    points: tuple[int, ...]

    def weights_of_evidence(self, column: pl.Series) -> FloatArray:
        """Return the weight of evidence of each row, shape (rows,)."""
        return np.asarray(self.woe)[bins_of(column, self.splits)]


@dataclass(frozen=True)
class Scorecard:
    """Log odds of default = intercept + sum of coefficient · weight of evidence."""

    intercept: float
    characteristics: tuple[Characteristic, ...]
    trained_as_of: date
    frame_digest: str

    @property
    def features(self) -> tuple[str, ...]:
        """The features in the order of the characteristics."""
        return tuple(item.feature for item in self.characteristics)

    def default_prob(self, frame: pl.DataFrame) -> FloatArray:
        """Return default probabilities, shape (rows,)."""
        logit = np.full(frame.height, self.intercept)
        for item in self.characteristics:
            logit += item.coefficient * item.weights_of_evidence(frame[item.feature])
        return np.asarray(1 / (1 + np.exp(-logit)), dtype=np.float64)


def bins_of(column: pl.Series, splits: tuple[float, ...]) -> npt.NDArray[np.int64]:
    """Return the bin of each row, shape (rows,); missing values are in an extra last bin."""
    value = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    bins = np.searchsorted(np.asarray(splits), value, side="right")
    bins[np.isnan(value)] = len(splits) + 1
    return bins


def evidence_of(bins: npt.NDArray[np.int64], outcome: FloatArray, count: int) -> tuple[float, ...]:
    """Return the weight of evidence of each bin, ln(share of goods ÷ share of bads).

    A bin of one class gets half a row of each class: this is stronger evidence than the same bin
    with one row of the other class, but finite. An empty bin has evidence 0.

    Args:
        bins: bin of each row, shape (rows,).
        outcome: 1 for bad, 0 for good, shape (rows,); both occur.
        count: number of bins.

    Source: Siddiqi, Credit Risk Scorecards (2006); the half row is of Haldane (1956).
    """
    bads = np.bincount(bins, weights=outcome, minlength=count)
    goods = np.bincount(bins, minlength=count) - bads
    added = np.where((bads == 0) != (goods == 0), _HALF_A_ROW, 0.0)
    filled, overall = goods + bads > 0, np.log(goods.sum() / bads.sum())
    found = np.zeros(count)
    found[filled] = np.log(((goods + added)[filled]) / (bads + added)[filled]) - overall
    return tuple(found.tolist())


def points_of(
    intercept: float, coefficient: float, woe: tuple[float, ...], characteristics: int
) -> tuple[int, ...]:
    """Return the points of each bin; offset and intercept are distributed evenly.

    Source: Siddiqi, Credit Risk Scorecards (2006).
    """
    share = (OFFSET - SLOPE * intercept) / characteristics
    return tuple(round(share - SLOPE * coefficient * value) for value in woe)


def save(scorecard: Scorecard, folder: Path) -> None:
    """Write the scorecard into an existing folder as JSON."""
    content = asdict(scorecard) | {"trained_as_of": scorecard.trained_as_of.isoformat()}
    text = json.dumps(content, ensure_ascii=False, indent=1)
    (folder / SCORECARD_FILE).write_text(text, encoding="utf-8")


def load(folder: Path) -> Scorecard:
    """Read a scorecard from its folder."""
    content = json.loads((folder / SCORECARD_FILE).read_text(encoding="utf-8"))
    return Scorecard(
        intercept=content["intercept"],
        characteristics=tuple(_characteristic(item) for item in content["characteristics"]),
        trained_as_of=date.fromisoformat(content["trained_as_of"]),
        frame_digest=content["frame_digest"],
    )


def _characteristic(content: Mapping[str, Any]) -> Characteristic:
    return Characteristic(
        feature=content["feature"],
        splits=tuple(content["splits"]),
        woe=tuple(content["woe"]),
        coefficient=content["coefficient"],
        points=tuple(content["points"]),
    )
