"""The catalogue as static pages: one of all features, one per view; self-contained, printable."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from features.catalogue import Catalogue, Entry
from features.history import Shift
from firmpulse.stability import PSI_MOVED, PSI_MUCH

DIMENSIONS_ZH = {
    "scale": "规模", "growth": "成长", "stability": "稳定", "concentration": "集中度",
    "liquidity": "流动性", "compliance": "合规", "supply chain": "供应链", "activity": "活跃度",
    "consistency": "一致性", "profile": "概况",
}  # fmt: skip
INDEX = "index.html"


def write(catalogue: Catalogue, folder: Path) -> tuple[Path, ...]:
    """Write the pages into a folder and return their paths, the index first."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in pages(catalogue).items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return tuple(written)


def pages(catalogue: Catalogue) -> Mapping[str, str]:
    """Return file name → HTML, the index first."""
    environment = Environment(
        loader=PackageLoader("features"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "figure": figure, "bars": bars, "line": line, "shift_text": shift_text,
    }  # fmt: skip
    shared = {
        "catalogue": catalogue,
        "dimensions_zh": DIMENSIONS_ZH,
        "psi_moved": PSI_MOVED,
        "psi_much": PSI_MUCH,
    }
    found = {INDEX: environment.get_template("index.html.j2").render(shared)}
    for view in catalogue.sql:
        entries = [entry for entry in catalogue.entries if entry.meta.view == view]
        found[f"{view}.html"] = environment.get_template("view.html.j2").render(
            shared, view=view, entries=entries
        )
    return found


def figure(value: float | None) -> str:
    """Return a readable number: three or four digits, thousands separated, '–' for none."""
    if value is None or math.isnan(value):
        return "–"
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def shift_text(shift: Shift) -> str:
    """Return how far a feature moves with a short history: shift, spread, share without value."""
    lost = f"{shift.lost_share:.0%} lost" if shift.lost_share else ""
    if not shift.firms:
        return lost
    return f"{shift.shift:+.2f} {shift.spread:.2f} {lost}".strip()


def bars(entry: Entry, width: int = 260, height: int = 64) -> list[dict[str, Any]]:
    """Return the bars of a histogram: x, y, width and height in a box, and the label of each."""
    counts = entry.values.bars if entry.values else ()
    most = max((count for _, count in counts), default=0)
    if not most:
        return []
    step = width / max(len(counts), 8)
    return [
        {
            "x": round(step * place, 1),
            "y": round(height - height * count / most, 1),
            "width": round(step - 1, 1),
            "height": round(height * count / most, 1),
            "says": f"{label}: {count}",
        }
        for place, (label, count) in enumerate(counts)
    ]


def line(entry: Entry, width: int = 260, height: int = 40) -> str:
    """Return the PSI by date as points of an SVG polyline; its top is the highest or `PSI_MUCH`."""
    values = [psi for _, psi, _ in entry.drift]
    return " ".join(_points(values, width, height))


def _points(values: list[float], width: int, height: int) -> Iterator[str]:
    top = max([PSI_MUCH, *values])
    for place, value in enumerate(values):
        x = width * place / max(len(values) - 1, 1)
        yield f"{x:.1f},{height - height * value / top:.1f}"
