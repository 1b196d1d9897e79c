"""From default probability to score and grade.

Score = A + B·ln((1−PD)/PD); base 600 at good:bad odds 30:1, 40 points double the odds.
Source: Siddiqi, Credit Risk Scorecards (2006).
"""

import math

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_BASE_SCORE = 600.0
_BASE_ODDS = 30.0
_POINTS_TO_DOUBLE_ODDS = 40.0
LOWEST_SCORE, HIGHEST_SCORE = 300, 900

SLOPE = _POINTS_TO_DOUBLE_ODDS / math.log(2)
OFFSET = _BASE_SCORE - SLOPE * math.log(_BASE_ODDS)

# Upper bound of each grade's PD band; half-open [lower, upper), the last one closed at 1.
GRADE_UPPER_PD = {
    "AAA": 0.0020, "AA": 0.0040, "A": 0.0080, "BBB": 0.0150, "BB": 0.0280,
    "B": 0.0500, "CCC": 0.0900, "CC": 0.1600, "C": 1.0,
}  # fmt: skip
# A firm in default has this grade; it is assigned, not scored.
DEFAULTED = "D"
GRADES = (*GRADE_UPPER_PD, DEFAULTED)


def score(default_prob: FloatArray) -> npt.NDArray[np.int64]:
    """Return scores in 300–900, rounded half up; same shape as `default_prob` in (0, 1)."""
    safe = np.clip(default_prob, 1e-12, 1 - 1e-12)
    points = OFFSET + SLOPE * np.log((1 - safe) / safe)
    return np.clip(np.floor(points + 0.5), LOWEST_SCORE, HIGHEST_SCORE).astype(np.int64)


def grade(default_prob: FloatArray) -> npt.NDArray[np.str_]:
    """Return the grade of each PD; it depends on the PD, not on the rounded score."""
    bounds = np.array(list(GRADE_UPPER_PD.values()))[:-1]
    names = np.array(list(GRADE_UPPER_PD))
    return names[np.searchsorted(bounds, default_prob, side="right")]
