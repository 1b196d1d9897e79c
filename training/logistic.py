"""Fit the logistic regression that every boosted candidate is held against."""

from dataclasses import replace

import numpy as np
import polars as pl

from firmpulse.bundle import matrix_of
from firmpulse.linear import Linear, Term
from firmpulse.scale import FloatArray
from training.boosted import FeatureList
from training.frozen import bads_of

_QUANTILES = np.linspace(0, 1, 41)
# A level seen less often shares the reference level, as unknown levels do.
_RAREST_LEVEL_SHARE = 0.02


def fit_linear(rows: pl.DataFrame, listed: FeatureList, c: float) -> Linear:
    """Return an L2-penalised logistic regression on the candidate's features.

    Args:
        rows: labelled rows.
        listed: features to use.
        c: inverse strength of the penalty, sklearn's C.
    """
    from sklearn.linear_model import LogisticRegression

    matrix = matrix_of(rows, listed.names, listed.categorical)
    terms = [_term(matrix[name]) for name in listed.names]
    terms = [term for term in terms if term.levels or term.values]
    encoded = [term.encode(matrix[term.feature]) for term in terms]
    model = LogisticRegression(C=c, max_iter=2_000)
    model.fit(np.hstack(encoded), bads_of(rows))
    weights = np.split(model.coef_[0], np.cumsum([part.shape[1] for part in encoded])[:-1])
    fitted = [
        replace(
            term,
            coefficients=tuple(float(w) for w in own),
            centre=float((part @ own).mean()),
        )
        for term, part, own in zip(terms, encoded, weights, strict=True)
    ]
    centres = sum(term.centre for term in fitted)
    return Linear(float(model.intercept_[0]) + centres, tuple(fitted))


def linear_prob(model: Linear, rows: pl.DataFrame, listed: FeatureList) -> FloatArray:
    """Return default probabilities, shape (rows,)."""
    logit = model.logit(matrix_of(rows, listed.names, listed.categorical))
    return np.asarray(1 / (1 + np.exp(-logit)), dtype=np.float64)


def _term(column: pl.Series) -> Term:
    if column.dtype == pl.String:
        return Term(column.name, values=(), ranks=(), levels=_levels(column))
    observed = column.drop_nans().to_numpy()
    if not len(observed):
        return Term(column.name, values=(), ranks=(), levels=())
    cuts = np.quantile(observed, _QUANTILES)
    # Equal cuts (a frequent value) share their mean rank.
    values, place = np.unique(cuts, return_inverse=True)
    ranks = np.bincount(place, weights=_QUANTILES) / np.bincount(place)
    return Term(column.name, tuple(values.tolist()), tuple(ranks.tolist()), levels=())


def _levels(column: pl.Series) -> tuple[str, ...]:
    counts = column.value_counts().filter(pl.col("count") >= _RAREST_LEVEL_SHARE * len(column))
    return tuple(sorted(counts[column.name].to_list()))
