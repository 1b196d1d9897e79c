"""The back-test of the warnings as texts: for the terminal, as Markdown and as CSV."""

from collections.abc import Sequence

import polars as pl

from operations.backtest import MODEL, RULES, STATEMENTS, BackTest, Measured
from training.validation.pack import shown

HEADINGS = (
    "measure", "warning levels (rules)", "model", "statements", "rules over statements",
    "model over statements",
)  # fmt: skip
WORTH_HEADINGS = ("firms × months", "share", "defaults", "default rate", "lift", "median lead")
_LABELS = {
    "precision": ("episodes that default within the horizon", "share"),
    "recall": ("defaults with a timely warning", "share"),
    "pr_auc": ("PR-AUC of default within the horizon", "ratio"),
    "lead_days": ("median lead time of hits, days", "days"),
    "long_lead_share": ("hits with 90 days or more", "share"),
    "false_per_hit": ("false alerts per true one", "ratio"),
    "episodes": ("episodes", "days"),
    "hits": ("hits", "days"),
}


def title_of(measured: Measured) -> str:
    """Return the title of a table."""
    return (
        f"{measured.title}: {len(measured.days)} month ends {measured.days[0]} to "
        f"{measured.days[-1]}, {measured.firms:,} firms, {measured.rows:,} rows, "
        f"{measured.defaults} defaults (95 %, firms redrawn)"
    )


def table(measured: Measured) -> list[tuple[str, ...]]:
    """Return the measures as rows of texts under `HEADINGS`."""
    rows = []
    for name, (label, unit) in _LABELS.items():
        values, compared = measured.values[name], measured.against_statements[name]
        rows.append(
            (
                label,
                *(shown(values[ranking], unit) for ranking in (RULES, MODEL, STATEMENTS)),
                *(shown(compared[ranking].uplift, "share") for ranking in (RULES, MODEL)),
            )
        )
    return rows


def worth(frame: pl.DataFrame) -> list[tuple[str, ...]]:
    """Return levels or rules as rows of texts: the name, then `WORTH_HEADINGS`."""
    return [
        (
            row["name"], f"{row['rows']:,}", f"{row['row_share']:.1%}", f"{row['defaults']:,}",
            f"{row['default_rate']:.1%}", "–" if row["lift"] is None else f"{row['lift']:.1f}",
            "–" if row["lead_days"] is None else f"{row['lead_days']:.0f} d",
        )
        for row in frame.iter_rows(named=True)
    ]  # fmt: skip


def markdown(found: BackTest, title: str, about: str) -> str:
    """Return the back-test as a Markdown page."""
    parts = [f"# Back-test of the early warnings\n\n{title}.\n\n{about}\n"]
    for measured in (found.out_of_time, found.history):
        parts.append(f"## {title_of(measured)}\n\n{_markdown(HEADINGS, table(measured))}")
        for heading, rows in (("level found", measured.by_level), ("rule", measured.by_rule)):
            parts.append(_markdown((heading, *WORTH_HEADINGS), worth(rows)))
    return "\n".join(parts)


def csv(found: BackTest) -> str:
    """Return the measures as CSV: one row per table, measure and ranking."""
    rows = [
        {
            "rows": measured.title, "measure": name, "ranking": ranking,
            "value": value.value, "low": value.low, "high": value.high,
        }
        for measured in (found.out_of_time, found.history)
        for name, by_ranking in measured.values.items()
        for ranking, value in by_ranking.items()
    ]  # fmt: skip
    return pl.DataFrame(rows).write_csv()


def _markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
