"""Fit logistic regressions: unconstrained, or with the signs that the registry expects."""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from scipy.optimize import minimize
from scipy.special import expit

from firmpulse.scale import FloatArray
from model.bundle import matrix_of
from model.linear import Linear, Term
from training.boosted import FeatureList
from training.frozen import bads_of

_QUANTILES = np.linspace(0, 1, 41)
# A rarer level is merged into the reference level, as unknown levels are.
_RAREST_LEVEL_SHARE = 0.02
_FOLDS = 5
# Coefficients are accurate to about 1e-4.
_PRECISION = {"maxiter": 10_000, "ftol": 1e-10, "gtol": 1e-6}


def fit_linear(rows: pl.DataFrame, listed: FeatureList, c: float) -> Linear:
    """Return an L2-penalised logistic regression on the candidate's features.

    Args:
        rows: labelled rows.
        listed: features to use.
        c: inverse strength of the penalty, sklearn's C.
    """
    from sklearn.linear_model import LogisticRegression

    design = _design(rows, listed)
    model = LogisticRegression(C=c, max_iter=2_000)
    model.fit(design.columns, bads_of(rows))
    return _assemble(design, float(model.intercept_[0]), model.coef_[0])


def fit_signed(rows: pl.DataFrame, listed: FeatureList, c: float) -> Linear:
    """Return the logistic regression of `fit_linear` with expected signs on the ranks.

    Missing flags, levels and features without an expected sign are unconstrained.

    Source: bounded quasi-Newton, Byrd, Lu, Nocedal & Zhu (1995).
    """
    design = _design(rows, listed)
    intercept, weights = _minimise(design.columns, bads_of(rows), design.signs, c)
    return _assemble(design, intercept, weights)


def choose_strength(
    rows: pl.DataFrame, listed: FeatureList, strengths: tuple[float, ...], repeats: int, seed: int
) -> float:
    """Return the C with the lowest loss of `fit_signed` in cross-validation on these rows."""
    from sklearn.model_selection import RepeatedStratifiedKFold

    design, outcome = _design(rows, listed), bads_of(rows)
    cut = RepeatedStratifiedKFold(n_splits=_FOLDS, n_repeats=repeats, random_state=seed)
    losses = np.zeros(len(strengths))
    for seen, unseen in cut.split(outcome, outcome):
        for place, c in enumerate(strengths):
            intercept, weights = _minimise(design.columns[seen], outcome[seen], design.signs, c)
            logit = intercept + design.columns[unseen] @ weights
            losses[place] += _log_loss(logit, outcome[unseen])
    return strengths[int(np.argmin(losses))]


def linear_prob(model: Linear, rows: pl.DataFrame, listed: FeatureList) -> FloatArray:
    """Return default probabilities, shape (rows,)."""
    logit = model.logit(matrix_of(rows, listed.names, listed.categorical))
    return np.asarray(1 / (1 + np.exp(-logit)), dtype=np.float64)


@dataclass(frozen=True)
class _Design:
    """Labelled rows encoded for a regression; terms have no coefficients yet."""

    terms: tuple[Term, ...]
    # Shape (rows, columns); a term's columns are adjacent.
    columns: FloatArray
    # Columns of each term.
    widths: tuple[int, ...]
    # +1, −1 or 0 (free), shape (columns,).
    signs: FloatArray


def _design(rows: pl.DataFrame, listed: FeatureList) -> _Design:
    matrix = matrix_of(rows, listed.names, listed.categorical)
    terms, encoded, signs = [], [], []
    for name, constraint in zip(listed.names, listed.constraints, strict=True):
        term = _term(matrix[name])
        if not (term.levels or term.values):
            continue
        columns = term.encode(matrix[name])
        terms.append(term)
        encoded.append(columns)
        own = np.zeros(columns.shape[1])
        if term.values:
            own[0] = constraint
        signs.append(own)
    widths = tuple(columns.shape[1] for columns in encoded)
    return _Design(tuple(terms), np.hstack(encoded), widths, np.concatenate(signs))


def _assemble(design: _Design, intercept: float, weights: FloatArray) -> Linear:
    """Return the model with contributions centred on its training rows."""
    cuts = np.cumsum(design.widths)[:-1]
    parts = np.split(design.columns, cuts, axis=1)
    fitted = [
        replace(
            term,
            coefficients=tuple(float(w) for w in own),
            centre=float((part @ own).mean()),
        )
        for term, part, own in zip(design.terms, parts, np.split(weights, cuts), strict=True)
    ]
    return Linear(intercept + sum(term.centre for term in fitted), tuple(fitted))


def _minimise(
    columns: FloatArray, outcome: FloatArray, signs: FloatArray, c: float
) -> tuple[float, FloatArray]:
    """Return intercept and weights of the smallest penalised loss within the signs."""

    def loss(point: FloatArray) -> tuple[float, FloatArray]:
        weights = point[1:]
        logit = point[0] + columns @ weights
        off = expit(logit) - outcome
        value = _log_loss(logit, outcome) + float(weights @ weights) / (2 * c)
        return value, np.concatenate([[off.sum()], off @ columns + weights / c])

    bounds = [(0 if s > 0 else None, 0 if s < 0 else None) for s in signs]
    # Convex, so even an inexact last line search gives the minimum up to rounding.
    point = minimize(
        loss, np.zeros(len(signs) + 1), jac=True, method="L-BFGS-B",
        bounds=[(None, None), *bounds], options=_PRECISION,
    ).x  # fmt: skip
    return float(point[0]), np.asarray(point[1:])


def _log_loss(logit: FloatArray, outcome: FloatArray) -> float:
    return float(np.logaddexp(0, logit).sum() - outcome @ logit)


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
