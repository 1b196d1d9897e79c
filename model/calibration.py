"""From a model's raw log odds to calibrated ones; training chooses the map."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np

from firmpulse.scale import FloatArray

# Half the width over which a slope is measured, in log odds.
_STEP = 1e-6


@dataclass(frozen=True)
class Calibration(ABC):
    """A rising map of log odds."""

    kind: ClassVar[str]

    @abstractmethod
    def logit(self, raw_logit: FloatArray) -> FloatArray:
        """Return calibrated log odds, same shape."""

    @abstractmethod
    def shifted(self, by: float) -> "Calibration":
        """Return the map with `by` added to the calibrated log odds."""

    def apply(self, raw_logit: FloatArray) -> FloatArray:
        """Return calibrated PDs, same shape."""
        return np.asarray(1.0 / (1.0 + np.exp(-self.logit(raw_logit))), dtype=np.float64)

    def rise(self, start: float, raw_logit: FloatArray) -> FloatArray:
        """Return the mean slope of the map between `start` and each value, same shape."""
        distance = raw_logit - start
        near = np.abs(distance) < _STEP
        low = np.where(near, start - _STEP, start)
        high = np.where(near, start + _STEP, raw_logit)
        return np.asarray((self.logit(high) - self.logit(low)) / (high - low), dtype=np.float64)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"kind": self.kind, **asdict(self)}


@dataclass(frozen=True)
class Platt(Calibration):
    """Calibrated log odds = intercept + slope·raw; Platt (1999)."""

    kind: ClassVar[str] = "platt"
    slope: float
    intercept: float

    def logit(self, raw_logit: FloatArray) -> FloatArray:
        """Return calibrated log odds, same shape."""
        return np.asarray(self.intercept + self.slope * raw_logit, dtype=np.float64)

    def shifted(self, by: float) -> "Platt":
        """Return the map with `by` added to the calibrated log odds."""
        return replace(self, intercept=self.intercept + by)


@dataclass(frozen=True)
class Beta(Calibration):
    """Calibrated log odds = intercept + low·ln(s) − high·ln(1−s), s the raw PD.

    `low` is the slope where the raw PD is small, `high` where it is large; Platt has both equal.
    Source: Kull, Silva Filho & Flach, Beta calibration (2017).
    """

    kind: ClassVar[str] = "beta"
    low: float
    high: float
    intercept: float

    def logit(self, raw_logit: FloatArray) -> FloatArray:
        """Return calibrated log odds, same shape."""
        rising = self.high * np.logaddexp(0, raw_logit) - self.low * np.logaddexp(0, -raw_logit)
        return np.asarray(self.intercept + rising, dtype=np.float64)

    def shifted(self, by: float) -> "Beta":
        """Return the map with `by` added to the calibrated log odds."""
        return replace(self, intercept=self.intercept + by)


@dataclass(frozen=True)
class Isotonic(Calibration):
    """Straight lines between knots on the log odds; beyond the outer ones a separate slope.

    Steps would give many firms the same PD; lines through the steps' centres keep their order.
    Source: Oron & Flournoy, Centered Isotonic Regression (2017).
    """

    kind: ClassVar[str] = "isotonic"
    raw: tuple[float, ...]
    calibrated: tuple[float, ...]
    outer_slope: float

    def logit(self, raw_logit: FloatArray) -> FloatArray:
        """Return calibrated log odds, same shape."""
        inside = np.interp(raw_logit, self.raw, self.calibrated)
        below = np.minimum(raw_logit - self.raw[0], 0)
        above = np.maximum(raw_logit - self.raw[-1], 0)
        return np.asarray(inside + self.outer_slope * (below + above), dtype=np.float64)

    def shifted(self, by: float) -> "Isotonic":
        """Return the map with `by` added to the calibrated log odds."""
        return replace(self, calibrated=tuple(value + by for value in self.calibrated))


_KINDS: tuple[type[Calibration], ...] = (Platt, Beta, Isotonic)


def from_json(content: Mapping[str, Any]) -> Calibration:
    """Return the calibration that `to_json` described."""
    values = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in content.items()
        if name != "kind"
    }
    (kind,) = (kind for kind in _KINDS if kind.kind == content["kind"])
    return kind(**values)
