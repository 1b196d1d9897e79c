"""Charts as inline SVG: no script, no extra file, the same bytes each time.

Text stays text, so that it can be searched and uses the font of the page.
"""

import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

from markupsafe import Markup

INK, SOFT, LINE = "#1c2530", "#66717f", "#d9e0e8"
BLUE, TEAL, AMBER, RED, GREY = "#14508c", "#2a9d8f", "#e0a030", "#b3261e", "#b8c2cd"
SERIES = (BLUE, AMBER, TEAL, RED, GREY)
LEVELS = {"blue": "#4a7fc1", "yellow": "#e0b030", "orange": "#e07b28", "red": RED, "none": GREY}

FONT = "Noto Sans SC"
# Inches: the width of an A4 column, and of half of one.
WIDE, HALF = (7.2, 2.05), (3.55, 1.95)
_POINTS = 7.0
# Font sizes around a chart.
_PAD = 0.4
# Up to this many days are all labelled on the axis; beyond that the library chooses.
_FEW_DAYS = 10
Size = tuple[float, float]
Values = Sequence[float | None]


def font_file() -> str:
    """Return the path of the font for measuring charts and for PDFs."""
    return str(files("pylopdf_fonts_zh_cn").joinpath("NotoSansSC-Regular.otf"))


def lines(
    months: Sequence[date], series: Mapping[str, Values], size: Size = WIDE, unit: str = ""
) -> Markup:
    """Draw one line per series over months; a gap is a month that was not observed."""
    with _style():
        figure, axes = _axes(size, unit)
        for colour, (name, values) in zip(SERIES, series.items(), strict=False):
            axes.plot(
                range(len(months)), _numbers(values), color=colour, label=name, linewidth=1.3,
                marker="o", markersize=1.8,
            )  # fmt: skip
        _months(axes, months, size)
        _legend(axes, len(series))
        return _svg(figure)


def columns(
    months: Sequence[date],
    series: Mapping[str, Values],
    size: Size = WIDE,
    unit: str = "",
    line: Mapping[str, Values] | None = None,
) -> Markup:
    """Draw columns side by side over months, and lines over them on a second axis."""
    with _style():
        figure, axes = _axes(size, unit)
        width = 0.8 / max(len(series), 1)
        for place, (name, values) in enumerate(series.items()):
            at = [month - 0.4 + (place + 0.5) * width for month in range(len(months))]
            axes.bar(at, _numbers(values), width, color=SERIES[place], label=name)
        if line:
            other = axes.twinx()
            other.spines[["top", "right", "left"]].set_visible(False)
            other.tick_params(colors=SOFT)
            other.grid(visible=False)
            for place, (name, values) in enumerate(line.items()):
                colour = SERIES[len(series) + place]
                other.plot(
                    range(len(months)), _numbers(values), color=colour, linewidth=1.2, label=name
                )
                axes.plot([], [], color=colour, linewidth=1.2, label=name)
            other.set_ylim(bottom=0)
        if not any(value for values in series.values() for value in values):
            axes.set_ylim(0, 1)
        axes.axhline(0, color=LINE, linewidth=0.8)
        _months(axes, months, size)
        _legend(axes, len(series) + len(line or {}))
        return _svg(figure)


def bars(
    labels: Sequence[str], values: Sequence[float], size: Size = HALF, unit: str = ""
) -> Markup:
    """Draw horizontal bars, the first one on top, each with its value."""
    with _style():
        figure, axes = _axes(size, unit)
        places = range(len(labels))[::-1]
        axes.barh(list(places), values, 0.65, color=BLUE)
        axes.set_yticks(list(places), labels)
        axes.grid(visible=False)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
        for place, value in zip(places, values, strict=True):
            axes.annotate(
                f"{value:,.1f}", (value, place), xytext=(3, 0), textcoords="offset points",
                va="center", color=SOFT,
            )  # fmt: skip
        axes.set_xlim(right=max([*values, 1e-9]) * 1.18)
        return _svg(figure)


def histogram(
    labels: Sequence[str],
    counts: Sequence[float],
    size: Size = HALF,
    colours: Sequence[str] | None = None,
    unit: str = "",
) -> Markup:
    """Draw one column per label, each with its count."""
    with _style():
        figure, axes = _axes(size, unit)
        axes.bar(range(len(labels)), counts, 0.75, color=colours or BLUE)
        axes.set_xticks(range(len(labels)), labels)
        axes.set_yticks([])
        axes.grid(visible=False)
        axes.spines["left"].set_visible(False)
        for place, count in enumerate(counts):
            axes.annotate(
                f"{count:,.0f}", (place, count), xytext=(0, 2), textcoords="offset points",
                ha="center", color=SOFT,
            )  # fmt: skip
        axes.set_ylim(top=max([*counts, 1]) * 1.15)
        return _svg(figure)


def grouped(
    labels: Sequence[str], series: Mapping[str, Values], size: Size = WIDE, unit: str = ""
) -> Markup:
    """Draw columns side by side over labels, one colour per series."""
    with _style():
        figure, axes = _axes(size, unit)
        width = 0.8 / max(len(series), 1)
        for place, (name, values) in enumerate(series.items()):
            at = [label - 0.4 + (place + 0.5) * width for label in range(len(labels))]
            axes.bar(at, _numbers(values), width, color=SERIES[place], label=name)
        axes.set_xticks(range(len(labels)), labels)
        _legend(axes, len(series))
        return _svg(figure)


def curve(days: Sequence[date], values: Values, size: Size = WIDE, unit: str = "") -> Markup:
    """Draw a daily curve with its area."""
    with _style():
        figure, axes = _axes(size, unit)
        numbers = _numbers(values)
        axes.fill_between(days, numbers, step="post", color=BLUE, alpha=0.15, linewidth=0)
        axes.step(days, numbers, where="post", color=BLUE, linewidth=1.0)
        axes.margins(x=0)
        if len(days) <= _FEW_DAYS:
            axes.set_xticks(list(days), [f"{day:%m-%d}" for day in days])
        axes.set_ylim(bottom=min(0.0, *(v for v in numbers if v == v)) if numbers else 0)
        return _svg(figure)


def intervals(
    labels: Sequence[str],
    values: Sequence[float],
    lows: Sequence[float],
    highs: Sequence[float],
    size: Size = WIDE,
    unit: str = "",
) -> Markup:
    """Draw one point per label with its interval, the first one on top."""
    with _style():
        figure, axes = _axes(size, unit)
        places = list(range(len(labels)))[::-1]
        axes.hlines(places, lows, highs, color=GREY, linewidth=3)
        axes.plot(values, places, "o", color=BLUE, markersize=4)
        axes.set_yticks(places, labels)
        axes.grid(visible=False)
        for place, value in zip(places, values, strict=True):
            axes.annotate(
                f"{value:.3f}", (value, place), xytext=(0, 5), textcoords="offset points",
                ha="center", color=INK,
            )  # fmt: skip
        axes.set_ylim(-0.6, len(labels) - 0.3)
        axes.spines["left"].set_visible(False)
        return _svg(figure)


def _numbers(values: Values) -> list[float]:
    return [float("nan") if value is None else float(value) for value in values]


@cache
def _registered() -> str:
    from matplotlib import font_manager

    font_manager.fontManager.addfont(font_file())
    return FONT


def _style() -> AbstractContextManager[None]:
    import matplotlib as mpl

    return mpl.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "firmpulse",
            "font.family": [_registered()],
            "font.size": _POINTS,
            "axes.unicode_minus": False,
            "axes.edgecolor": LINE,
            "axes.labelcolor": SOFT,
            "axes.grid": True,
            "axes.grid.axis": "y",
            "axes.axisbelow": True,
            "grid.color": "#eceff3",
            "grid.linewidth": 0.7,
            "xtick.color": SOFT,
            "ytick.color": SOFT,
            "xtick.major.size": 0,
            "ytick.major.size": 0,
            "text.color": INK,
        }
    )


def _axes(size: Size, unit: str) -> tuple[Any, Any]:
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import TightLayoutEngine
    from matplotlib.ticker import FuncFormatter

    # One pass over the text sizes; the constrained layout needs two.
    figure = Figure(figsize=size, layout=TightLayoutEngine(pad=_PAD))
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    if unit:
        axes.set_title(unit, loc="left", fontsize=_POINTS, color=SOFT, pad=3)
    return figure, axes


def _months(axes: Any, months: Sequence[date], size: Size) -> None:
    every = 1 if len(months) <= 8 else 3 if size[0] > HALF[0] else 6
    shown = [place for place in range(len(months)) if (len(months) - 1 - place) % every == 0]
    axes.set_xticks(shown, [f"{months[place]:%Y-%m}" for place in shown])
    axes.set_xlim(-0.6, len(months) - 0.4)


def _legend(axes: Any, count: int) -> None:
    if count > 1:
        axes.legend(
            loc="lower right", bbox_to_anchor=(1, 1), ncols=count, frameon=False,
            borderaxespad=0, handlelength=1.2, columnspacing=1.2,
        )  # fmt: skip


def _svg(figure: Any) -> Markup:
    """Return only the `svg` element; it fills the given width."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    target = io.StringIO()
    canvas: Any = FigureCanvasSVG(figure)
    canvas.print_svg(target, metadata={"Date": None, "Creator": None})
    text = target.getvalue()
    return Markup(_with_own_ids(text[text.index("<svg") :]))  # noqa: S704 - made here; Matplotlib escapes labels


def _with_own_ids(svg: str) -> str:
    """Return the chart with its ids made unique, for pages with many charts."""
    ids = set(re.findall(r' id="([^"]+)"', svg))
    referred = ids & set(re.findall(r"#([^\s\")]+)", svg))
    mark = hashlib.sha256(svg.encode()).hexdigest()[:8]
    kept = re.sub(
        r' id="([^"]+)"', lambda m: f' id="{m[1]}-{mark}"' if m[1] in referred else "", svg
    )
    return re.sub(r"#([^\s\")]+)", lambda m: f"#{m[1]}-{mark}" if m[1] in referred else m[0], kept)
