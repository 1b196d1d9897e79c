"""A logistic regression as plain numbers: encode, add up, explain.

Each number is mapped to its rank in training, in [0, 1], by interpolation between quantiles, so
that neither units nor heavy tails matter; a missing one gets the median and sets a flag.
Each category becomes one indicator per level known from training.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from firmpulse.scale import FloatArray

_MEDIAN_RANK = 0.5


def row_sums(columns: FloatArray) -> FloatArray:
    """Return the sum of each row, shape (rows,), added from the first column to the last.

    A row's sum has the same bits for any other rows in the matrix. The bits of a matrix product, or
    of numpy's sum, depend on the number of rows and their memory layout.
    """
    total = np.zeros(len(columns))
    for column in np.ascontiguousarray(columns.T):
        total += column
    return total


@dataclass(frozen=True)
class Term:
    """One feature's encoding, coefficients and mean contribution in training."""

    feature: str
    # Ascending training values and their ranks in [0, 1]; empty for a category.
    values: tuple[float, ...]
    ranks: tuple[float, ...]
    # Levels with an indicator; empty for a number.
    levels: tuple[str, ...]
    # Number: rank and missing flag; category: one per level.
    coefficients: tuple[float, ...] = ()
    centre: float = 0.0

    def encode(self, column: pl.Series) -> FloatArray:
        """Return the encoded column, shape (rows, 2) for a number, (rows, levels) otherwise."""
        if self.levels:
            text = column.to_numpy()
            return np.column_stack([text == level for level in self.levels]).astype(np.float64)
        value = column.to_numpy().astype(np.float64)
        missing = np.isnan(value)
        rank = np.full(len(value), _MEDIAN_RANK)
        if self.values:
            rank[~missing] = np.interp(value[~missing], self.values, self.ranks)
        return np.column_stack([rank, missing.astype(np.float64)])

    def contribution(self, column: pl.Series) -> FloatArray:
        """Return the contribution to the log odds above the training mean, shape (rows,)."""
        return row_sums(self.encode(column) * np.asarray(self.coefficients)) - self.centre


@dataclass(frozen=True)
class Linear:
    """Log odds = intercept + sum of the terms' contributions; terms in feature order."""

    intercept: float
    terms: tuple[Term, ...]

    def contributions(self, matrix: pl.DataFrame) -> FloatArray:
        """Return the terms' contributions to the log odds, shape (rows, features)."""
        return np.column_stack([term.contribution(matrix[term.feature]) for term in self.terms])

    def logit(self, matrix: pl.DataFrame) -> FloatArray:
        """Return the log odds of default, shape (rows,)."""
        return self.intercept + row_sums(self.contributions(matrix))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Linear":
        """Return the model that `to_json` described."""
        terms = tuple(
            Term(
                feature=term["feature"],
                values=tuple(term["values"]),
                ranks=tuple(term["ranks"]),
                levels=tuple(term["levels"]),
                coefficients=tuple(term["coefficients"]),
                centre=term["centre"],
            )
            for term in content["terms"]
        )
        return cls(content["intercept"], terms)
