"""Figures of one model on its out-of-time rows, drawn without a display."""

from io import BytesIO
from typing import Any

import numpy as np

from firmpulse import scale
from firmpulse.scale import FloatArray
from training.metrics import measure

INK, BLUE, RED, GREY = "#1f2933", "#2563a8", "#c2413b", "#9aa5b1"
_CALIBRATION_BINS = 10


def of_predictions(outcome: FloatArray, default_prob: FloatArray, title: str) -> dict[str, bytes]:
    """Return ROC, KS, reliability, lift and score distribution by file name."""
    figures = {
        "roc.png": _roc(outcome, default_prob, title),
        "ks.png": _ks(outcome, default_prob, title),
        "reliability.png": _reliability(outcome, default_prob, title),
        "lift.png": _lift(outcome, default_prob, title),
        "score_distribution.png": _score_distribution(outcome, default_prob, title),
    }
    return {name: png(figure) for name, figure in figures.items()}


def png(figure: Any) -> bytes:
    """Return a matplotlib figure as an image."""
    content = BytesIO()
    figure.savefig(content, format="png", dpi=110)
    return content.getvalue()


def labelled_axes(
    headline: str, title: str, x: str, y: str, width: float = 6.4, height: float = 4.6
) -> tuple[Any, Any]:
    """Return a figure and its axes with a headline, the title as its second line, and labels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.set_title(f"{headline}\n{title}", loc="left", fontsize=10, color=INK)
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
    figure, axes = labelled_axes(
        f"ROC: AUC {auc:.3f}", title, "share of good firms flagged", "share of bad firms flagged"
    )
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1)
    axes.plot(goods, bads, color=BLUE, linewidth=2)
    axes.fill_between(goods, bads, goods, color=BLUE, alpha=0.08)
    axes.set_aspect("equal")
    return figure


def _ks(outcome: FloatArray, default_prob: FloatArray, title: str) -> Any:
    bads, goods = _cumulated(outcome, default_prob)
    prob = np.r_[default_prob.max(), np.unique(default_prob)[::-1]]
    widest = int(np.argmax(bads - goods))
    figure, axes = labelled_axes(
        f"KS {bads[widest] - goods[widest]:.3f} at PD {prob[widest]:.2%}",
        title,
        "default probability (log scale)",
        "cumulated share, from the riskiest down",
    )
    axes.semilogx(prob, bads, color=RED, label="bad")
    axes.semilogx(prob, goods, color=BLUE, label="good")
    axes.vlines(prob[widest], goods[widest], bads[widest], color=INK, linestyle=":")
    axes.invert_xaxis()
    axes.legend(frameon=False)
    return figure


def _reliability(outcome: FloatArray, default_prob: FloatArray, title: str) -> Any:
    bins = np.array_split(np.argsort(default_prob, kind="stable"), _CALIBRATION_BINS)
    expected = np.array([default_prob[rows].mean() for rows in bins])
    observed = np.array([outcome[rows].mean() for rows in bins])
    sizes = np.array([len(rows) for rows in bins])
    errors = 1.96 * np.sqrt(np.maximum(observed * (1 - observed), 1e-9) / sizes)
    figure, axes = labelled_axes(
        "Reliability by PD decile, with 95 % bars", title, "mean predicted PD", "observed bad rate"
    )
    limit = 1.05 * max(expected.max(), (observed + errors).max())
    axes.plot([0, limit], [0, limit], color=GREY, linestyle="--", linewidth=1)
    axes.errorbar(
        expected, observed, yerr=errors, fmt="o", color=BLUE, ecolor=GREY, capsize=2, zorder=3
    )
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_ylim(bottom=0)
    return figure


def _lift(outcome: FloatArray, default_prob: FloatArray, title: str) -> Any:
    bins = np.array_split(np.argsort(-default_prob, kind="stable"), _CALIBRATION_BINS)
    lift = np.array([outcome[rows].mean() for rows in bins]) / outcome.mean()
    figure, axes = labelled_axes(
        f"Lift: riskiest tenth {lift[0]:.1f} times the average",
        title,
        "tenth of firms, riskiest first",
        "bad rate ÷ average bad rate",
    )
    axes.bar(np.arange(1, len(lift) + 1), lift, color=BLUE, width=0.75)
    axes.axhline(1, color=INK, linewidth=1, linestyle="--")
    axes.set_xticks(np.arange(1, len(lift) + 1))
    return figure


def _score_distribution(outcome: FloatArray, default_prob: FloatArray, title: str) -> Any:
    scores = scale.score(default_prob)
    edges = np.arange(scores.min() // 20 * 20, scores.max() + 21, 20)
    figure, axes = labelled_axes(
        "Scores of good and bad firms", title, "score", "share of the class"
    )
    for label, value, colour in (("good", 0, BLUE), ("bad", 1, RED)):
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
