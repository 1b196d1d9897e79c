"""Figures of one model on its out-of-time rows, drawn without a display."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from firmpulse import scale, stability
from firmpulse.scale import FloatArray
from training.metrics import measure

_INK, _BLUE, _RED, _GREY = "#1f2933", "#2563a8", "#c2413b", "#9aa5b1"
_CALIBRATION_BINS = 10
_TOP_FEATURES = 15
_DEPENDENCE = 6
_MOST_SHAP_ROWS = 3_000


def of_predictions(outcome: FloatArray, default_prob: FloatArray, title: str) -> dict[str, Any]:
    """Return ROC, KS, reliability, lift and score distribution by file name."""
    return {
        "roc.png": _roc(outcome, default_prob, title),
        "ks.png": _ks(outcome, default_prob, title),
        "reliability.png": _reliability(outcome, default_prob, title),
        "lift.png": _lift(outcome, default_prob, title),
        "score_distribution.png": _score_distribution(outcome, default_prob, title),
    }


def of_contributions(
    names: Sequence[str], contributions: FloatArray, values: FloatArray, title: str
) -> dict[str, Any]:
    """Return the SHAP summary and feature importance by file name.

    Args:
        names: features in order.
        contributions: SHAP values on the log odds, shape (rows, features).
        values: feature values, NaN for categories and for not observed, same shape.
        title: second line of each title.
    """
    mean_push = np.abs(contributions).mean(axis=0)
    top = np.argsort(mean_push)[::-1][:_TOP_FEATURES][::-1]
    labels = [names[i] for i in top]
    return {
        "shap_summary.png": _beeswarm(labels, contributions[:, top], values[:, top], title),
        "shap_dependence.png": _dependence(names, contributions, values, title),
        "feature_importance.png": _bars(labels, mean_push[top], title),
    }


def of_stability(
    train_prob: FloatArray, oot_prob: FloatArray, characteristics: pl.DataFrame, title: str
) -> dict[str, Any]:
    """Return how the score and the strongest features have moved since training, by file name.

    Args:
        train_prob: PDs of the training rows.
        oot_prob: PDs of the out-of-time rows.
        characteristics: feature and psi, the strongest feature first.
        title: second line of each title.
    """
    return {
        "psi_score.png": _score_shares(train_prob, oot_prob, title),
        "psi_features.png": _feature_psi(characteristics.head(_TOP_FEATURES), title),
    }


def numbers(matrix: pl.DataFrame) -> FloatArray:
    """Return a model's matrix with NaN for categories, shape (rows, features)."""
    columns = [
        column.to_numpy() if column.dtype == pl.Float64 else np.full(matrix.height, np.nan)
        for column in matrix
    ]
    return np.column_stack(columns)


def _axes(headline: str, title: str, x: str, y: str, height: float = 4.6) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, height), layout="constrained")
    axes = figure.subplots()
    axes.set_title(f"{headline}\n{title}", loc="left", fontsize=10, color=_INK)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e4e7eb", linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _cumulated(outcome: FloatArray, default_prob: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return shares of bads and goods at or above each distinct PD, from (0, 0) on."""
    order = np.argsort(-default_prob, kind="stable")
    bad, prob = outcome[order], default_prob[order]
    ends = np.flatnonzero(np.r_[np.diff(prob) != 0, True])
    bads, goods = np.cumsum(bad)[ends], np.cumsum(1 - bad)[ends]
    return np.r_[0, bads / bads[-1]], np.r_[0, goods / goods[-1]]


def _roc(outcome: FloatArray, default_prob: FloatArray, title: str) -> Any:
    bads, goods = _cumulated(outcome, default_prob)
    auc = measure(outcome, default_prob)["auc"]
    figure, axes = _axes(
        f"ROC: AUC {auc:.3f}", title, "share of good firms flagged", "share of bad firms flagged"
    )
    axes.plot([0, 1], [0, 1], color=_GREY, linestyle="--", linewidth=1)
    axes.plot(goods, bads, color=_BLUE, linewidth=2)
    axes.fill_between(goods, bads, goods, color=_BLUE, alpha=0.08)
    axes.set_aspect("equal")
    return figure


def _ks(outcome: FloatArray, default_prob: FloatArray, title: str) -> Any:
    bads, goods = _cumulated(outcome, default_prob)
    prob = np.r_[default_prob.max(), np.unique(default_prob)[::-1]]
    widest = int(np.argmax(bads - goods))
    figure, axes = _axes(
        f"KS {bads[widest] - goods[widest]:.3f} at PD {prob[widest]:.2%}",
        title,
        "default probability (log scale)",
        "cumulated share, from the riskiest down",
    )
    axes.semilogx(prob, bads, color=_RED, label="bad")
    axes.semilogx(prob, goods, color=_BLUE, label="good")
    axes.vlines(prob[widest], goods[widest], bads[widest], color=_INK, linestyle=":")
    axes.invert_xaxis()
    axes.legend(frameon=False)
    return figure


def _reliability(outcome: FloatArray, default_prob: FloatArray, title: str) -> Any:
    bins = np.array_split(np.argsort(default_prob, kind="stable"), _CALIBRATION_BINS)
    expected = np.array([default_prob[rows].mean() for rows in bins])
    observed = np.array([outcome[rows].mean() for rows in bins])
    sizes = np.array([len(rows) for rows in bins])
    errors = 1.96 * np.sqrt(np.maximum(observed * (1 - observed), 1e-9) / sizes)
    figure, axes = _axes(
        "Reliability by PD decile, with 95 % bars", title, "mean predicted PD", "observed bad rate"
    )
    limit = 1.05 * max(expected.max(), (observed + errors).max())
    axes.plot([0, limit], [0, limit], color=_GREY, linestyle="--", linewidth=1)
    axes.errorbar(
        expected, observed, yerr=errors, fmt="o", color=_BLUE, ecolor=_GREY, capsize=2, zorder=3
    )
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_ylim(bottom=0)
    return figure


def _lift(outcome: FloatArray, default_prob: FloatArray, title: str) -> Any:
    bins = np.array_split(np.argsort(-default_prob, kind="stable"), _CALIBRATION_BINS)
    lift = np.array([outcome[rows].mean() for rows in bins]) / outcome.mean()
    figure, axes = _axes(
        f"Lift: riskiest tenth {lift[0]:.1f} times the average",
        title,
        "tenth of firms, riskiest first",
        "bad rate ÷ average bad rate",
    )
    axes.bar(np.arange(1, len(lift) + 1), lift, color=_BLUE, width=0.75)
    axes.axhline(1, color=_INK, linewidth=1, linestyle="--")
    axes.set_xticks(np.arange(1, len(lift) + 1))
    return figure


def _score_distribution(outcome: FloatArray, default_prob: FloatArray, title: str) -> Any:
    scores = scale.score(default_prob)
    edges = np.arange(scores.min() // 20 * 20, scores.max() + 21, 20)
    figure, axes = _axes("Scores of good and bad firms", title, "score", "share of the class")
    for label, value, colour in (("good", 0, _BLUE), ("bad", 1, _RED)):
        own = scores[outcome == value]
        axes.hist(
            own,
            bins=edges,
            weights=np.full(len(own), 1 / len(own)),
            color=colour,
            alpha=0.55,
            label=f"{label} ({len(own):,})",
        )
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.legend(frameon=False)
    return figure


def _beeswarm(labels: list[str], shap: FloatArray, values: FloatArray, title: str) -> Any:
    figure, axes = _axes(
        "What moves the score (each dot a firm)", title, "push on the log odds of default", "", 6.2
    )
    random = np.random.default_rng(0)
    shown = np.sort(random.permutation(len(shap))[:_MOST_SHAP_ROWS])
    for row in range(len(labels)):
        jitter = random.uniform(-0.32, 0.32, size=len(shown))
        place, push = row + jitter, shap[shown, row]
        rank = _ranks(values[shown, row])
        known = ~np.isnan(rank)
        axes.scatter(push[~known], place[~known], s=5, color=_GREY, alpha=0.5, linewidths=0)
        dots = axes.scatter(
            push[known],
            place[known],
            c=rank[known],
            cmap="coolwarm",
            vmin=0,
            vmax=1,
            s=5,
            alpha=0.7,
            linewidths=0,
        )
    axes.axvline(0, color=_INK, linewidth=0.8)
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    bar = figure.colorbar(dots, ax=axes, ticks=[0, 1], aspect=40, pad=0.01)
    bar.ax.set_yticklabels(["low", "high"], fontsize=8)
    bar.set_label("feature value; grey: category or not observed", fontsize=8)
    return figure


def _dependence(
    names: Sequence[str], contributions: FloatArray, values: FloatArray, title: str
) -> Any:
    """Return a small plot for each of the strongest numbers: its value against its push."""
    from matplotlib.figure import Figure

    is_number = ~np.isnan(values).all(axis=0)
    order = np.argsort(np.abs(contributions).mean(axis=0) * is_number)[::-1]
    figure = Figure(figsize=(9.6, 6.4), layout="constrained")
    figure.suptitle(f"Value of a feature against its push on the log odds\n{title}", fontsize=10)
    grid = figure.subplots(2, _DEPENDENCE // 2)
    shown = np.sort(np.random.default_rng(0).permutation(len(values))[:_MOST_SHAP_ROWS])
    for axes, column in zip(grid.flat, order[:_DEPENDENCE], strict=False):
        value, push = values[shown, column], contributions[shown, column]
        known = ~np.isnan(value)
        axes.scatter(value[known], push[known], s=4, color=_BLUE, alpha=0.35, linewidths=0)
        if known.any():
            low, high = np.quantile(value[known], [0.01, 0.99])
            margin = 0.05 * (high - low) or 1.0
            axes.set_xlim(low - margin, high + margin)
        axes.axhline(0, color=_INK, linewidth=0.6)
        axes.set_title(names[column], fontsize=8, loc="left")
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _score_shares(train_prob: FloatArray, oot_prob: FloatArray, title: str) -> Any:
    cuts = stability.decile_cuts(train_prob)
    before, now = stability.shares(train_prob, cuts), stability.shares(oot_prob, cuts)
    index = stability.population_stability_index(before, now)
    figure, axes = _axes(
        f"PSI of the score: {index:.3f}", title, "tenth of the PD in training, safest first",
        "share of rows",
    )  # fmt: skip
    place = np.arange(1, len(before) + 1)
    axes.bar(place - 0.2, before, width=0.4, color=_GREY, label="training")
    axes.bar(place + 0.2, now, width=0.4, color=_BLUE, label="out of time")
    axes.set_xticks(place)
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.legend(frameon=False)
    return figure


def _feature_psi(characteristics: pl.DataFrame, title: str) -> Any:
    figure, axes = _axes("PSI of the strongest features", title, "PSI, log scale", "", 5.2)
    shown = characteristics.reverse()
    index = np.maximum(shown["psi"].to_numpy(), 1e-3)
    bounds = [(0.25, _RED), (0.1, "#d08700"), (0.0, _BLUE)]
    colours = [next(colour for bound, colour in bounds if value >= bound) for value in index]
    axes.barh(range(len(index)), index, color=colours)
    axes.set_xscale("log")
    for bound, colour in bounds[:2]:
        axes.axvline(bound, color=colour, linestyle="--", linewidth=1)
    axes.set_yticks(range(len(index)), shown["feature"].to_list(), fontsize=8)
    return figure


def _ranks(values: FloatArray) -> FloatArray:
    """Return mid-ranks in [0, 1], NaN where not observed."""
    ranks = np.full(len(values), np.nan)
    known = ~np.isnan(values)
    if known.any():
        ordered = np.sort(values[known])
        below = np.searchsorted(ordered, values[known], side="left")
        upto = np.searchsorted(ordered, values[known], side="right")
        ranks[known] = (below + upto) / (2 * len(ordered))
    return ranks


def _bars(labels: list[str], mean_push: FloatArray, title: str) -> Any:
    figure, axes = _axes("Feature importance", title, "mean |push| on the log odds", "", 5.2)
    axes.barh(range(len(labels)), mean_push, color=_BLUE)
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    return figure
