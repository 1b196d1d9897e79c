"""Figures of the drivers of a version's score, and of changes since training."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from firmpulse import stability
from firmpulse.scale import FloatArray
from firmpulse.stability import PSI_MOVED, PSI_MUCH
from training.plots import BLUE, GREY, INK, RED, labelled_axes, png

_TOP_FEATURES = 15
_DEPENDENCE = 6
_MOST_SHAP_ROWS = 3_000
# Size with room for names of features.
_WITH_NAMES = (8.4, 5.8)


def of_contributions(
    names: Sequence[str], contributions: FloatArray, values: FloatArray, title: str
) -> dict[str, bytes]:
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
        "shap_summary.png": png(_beeswarm(labels, contributions[:, top], values[:, top], title)),
        "shap_dependence.png": png(_dependence(names, contributions, values, title)),
        "feature_importance.png": png(_bars(labels, mean_push[top], title)),
    }


def of_stability(
    train_prob: FloatArray, oot_prob: FloatArray, characteristics: pl.DataFrame, title: str
) -> dict[str, bytes]:
    """Return figures of the drift of score and strongest features since training, by file name.

    Args:
        train_prob: PDs of the training rows.
        oot_prob: PDs of the out-of-time rows.
        characteristics: feature and psi, the strongest feature first.
        title: second line of each title.
    """
    return {
        "psi_score.png": png(_score_shares(train_prob, oot_prob, title)),
        "psi_features.png": png(_feature_psi(characteristics.head(_TOP_FEATURES), title)),
    }


def numbers(matrix: pl.DataFrame) -> FloatArray:
    """Return a model's matrix with NaN for categories, shape (rows, features)."""
    columns = [
        column.to_numpy() if column.dtype == pl.Float64 else np.full(matrix.height, np.nan)
        for column in matrix
    ]
    return np.column_stack(columns)


def _beeswarm(labels: list[str], shap: FloatArray, values: FloatArray, title: str) -> Any:
    figure, axes = labelled_axes(
        "What moves the score (each dot a firm)",
        title,
        "push on the log odds of default",
        "",
        *_WITH_NAMES,
    )
    random = np.random.default_rng(0)
    shown = np.sort(random.permutation(len(shap))[:_MOST_SHAP_ROWS])
    for row in range(len(labels)):
        jitter = random.uniform(-0.32, 0.32, size=len(shown))
        place, push = row + jitter, shap[shown, row]
        rank = _ranks(values[shown, row])
        known = ~np.isnan(rank)
        axes.scatter(push[~known], place[~known], s=5, color=GREY, alpha=0.5, linewidths=0)
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
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    bar = figure.colorbar(dots, ax=axes, ticks=[0, 1], aspect=40, pad=0.01)
    bar.ax.set_yticklabels(["low", "high"], fontsize=8)
    bar.set_label("feature value; grey: category or not observed", fontsize=8)
    return figure


def _dependence(
    names: Sequence[str], contributions: FloatArray, values: FloatArray, title: str
) -> Any:
    """Return a small plot for each of the strongest numbers: its value against its effect."""
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
        axes.scatter(value[known], push[known], s=4, color=BLUE, alpha=0.35, linewidths=0)
        if known.any():
            low, high = np.quantile(value[known], [0.01, 0.99])
            margin = 0.05 * (high - low) or 1.0
            axes.set_xlim(low - margin, high + margin)
        axes.axhline(0, color=INK, linewidth=0.6)
        axes.set_title(names[column], fontsize=8, loc="left")
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def _score_shares(train_prob: FloatArray, oot_prob: FloatArray, title: str) -> Any:
    cuts = stability.decile_cuts(train_prob)
    before, now = stability.shares(train_prob, cuts), stability.shares(oot_prob, cuts)
    index = stability.population_stability_index(before, now)
    figure, axes = labelled_axes(
        f"PSI of the score: {index:.3f}", title, "decile of the PD in training, safest first",
        "share of rows",
    )  # fmt: skip
    place = np.arange(1, len(before) + 1)
    axes.bar(place - 0.2, before, width=0.4, color=GREY, label="training")
    axes.bar(place + 0.2, now, width=0.4, color=BLUE, label="out of time")
    axes.set_xticks(place)
    axes.set_ylim(top=1.2 * max(before.max(), now.max()))
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.legend(frameon=False, loc="upper center", ncols=2)
    return figure


def _feature_psi(characteristics: pl.DataFrame, title: str) -> Any:
    figure, axes = labelled_axes(
        "PSI of the strongest features", title, "PSI, log scale", "", *_WITH_NAMES
    )
    shown = characteristics.reverse()
    index = np.maximum(shown["psi"].to_numpy(), 1e-3)
    bounds = [(PSI_MUCH, RED), (PSI_MOVED, "#d08700"), (0.0, BLUE)]
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
    figure, axes = labelled_axes(
        "Feature importance", title, "mean |push| on the log odds", "", *_WITH_NAMES
    )
    axes.barh(range(len(labels)), mean_push, color=BLUE)
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    return figure
