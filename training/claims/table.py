"""The measured claims as table rows and as flat metrics."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from training.claims.comparison import Comparison
from training.claims.measure import Claims
from training.metrics import Interval

Value = Interval | float | None

# Metrics for comparing two versions; each is a separate chart in MLflow.
_HEADLINES = (
    "iso_risk_both", "iso_approval", "joint_holds", "warning_precision", "warning_lead_days",
    "coverage_share_of_types", "found_share",
)  # fmt: skip

# Name of a warning measure → unit, English and Chinese label.
_WARNING_LABELS = {
    "precision": ("share", "Episodes that default within the horizon", "预警命中率"),
    "recall": ("share", "Defaults with a timely warning", "违约预警覆盖率"),
    "pr_auc": ("ratio", "PR-AUC of default within the horizon", "预警期内违约的 PR-AUC"),
    "lead_days": ("days", "Median lead time of hits", "命中预警的提前天数中位数"),
    "long_lead_share": ("share", "Hits with a long lead time", "长提前期命中占比"),
    "false_per_hit": ("ratio", "False alerts per true one", "每次命中对应的误报数"),
    "episodes": ("episodes", "Alert episodes", "预警事件数"),
    "hits": ("episodes", "Hits", "命中数"),
}
_COVERAGE_LABELS = {
    "share_of_types": ("Types of firm covered", "覆盖的企业类型占比"),
    "share_of_firms": ("Firms of judged types covered", "已评估类型中被覆盖企业占比"),
    "share_of_all_firms": ("All firms covered", "全部企业中被覆盖企业占比"),
    "ranking_share_of_types": ("Types of firm ranked well", "排序能力达标的企业类型占比"),
}
CELL_LABELS = {
    "both": ("approved by both", "两者均通过"),
    "swap_in": ("swapped in", "换入"),
    "swap_out": ("swapped out", "换出"),
    "neither": ("declined by both", "两者均拒绝"),
}


@dataclass(frozen=True)
class TableRow:
    """One measure of both models; None if there is no such number."""

    name: str
    baseline: Value
    candidate: Value
    # Candidate minus baseline, in the unit; a share's is in points.
    difference: Value
    # Candidate over baseline minus 1.
    uplift: Value
    # 'share', 'ratio', 'days', 'rows', 'firms', 'episodes' or 'yes_no'.
    unit: str
    label: str
    label_zh: str


def table(claims: Claims) -> tuple[TableRow, ...]:
    """Return every measure, in the order of the claims."""
    return (
        *_approvals(claims),
        *_swaps(claims),
        *(
            _compared(f"warning_{name}", claims.warnings[name], *labels)
            for name, labels in _WARNING_LABELS.items()
        ),
        *_coverage(claims),
        *_found(claims),
    )


def metrics(claims: Claims) -> dict[str, Interval | float]:
    """Return `worth/<row>_<column>` → value of the headlines, without those that have none.

    Columns are baseline, candidate, difference and uplift, such as
    `worth/iso_risk_both_uplift`. If a row has only one, as for `worth/joint_holds`, the metric has
    the row's name. The other rows are only in the table.
    """
    found: dict[str, Interval | float] = {}
    for row in table(claims):
        if row.name not in _HEADLINES:
            continue
        columns = ("baseline", "candidate", "difference", "uplift")
        values = {column: getattr(row, column) for column in columns}
        known = {column: value for column, value in values.items() if _is_known(value)}
        alone = sum(value is not None for value in values.values()) == 1
        for column, value in known.items():
            found[f"worth/{row.name}" if alone else f"worth/{row.name}_{column}"] = value
    return found


def _is_known(value: Value) -> bool:
    if isinstance(value, Interval):
        return all(math.isfinite(part) for part in (value.value, value.low, value.high))
    return value is not None and math.isfinite(value)


def _compared(name: str, found: Comparison, unit: str, label: str, label_zh: str) -> TableRow:
    return TableRow(
        name, found.baseline, found.candidate, found.difference, found.uplift, unit, label, label_zh
    )


def _of_candidate(name: str, value: Value, unit: str, label: str, label_zh: str) -> TableRow:
    return TableRow(name, None, value, None, None, unit, label, label_zh)


def _plain(
    name: str, baseline: float, candidate: float, unit: str, label: str, label_zh: str
) -> TableRow:
    return TableRow(name, baseline, candidate, candidate - baseline, None, unit, label, label_zh)


def _approvals(claims: Claims) -> list[TableRow]:
    joint, larger = claims.joint, f"{claims.config.larger_share:.1%}"
    return [
        _compared(
            "iso_risk", claims.iso_risk, "share",
            "Approval share at the baseline's bad rate", "同等坏账率下的通过率",
        ),
        _compared(
            "iso_risk_both", claims.iso_risk_both, "share",
            "Largest approval share at that bad rate, of both", "同等坏账率下双方各自的最大通过率",
        ),
        _compared(
            "iso_approval", claims.iso_approval, "share",
            "Bad rate at the same approval share", "同等通过率下的坏账率",
        ),
        _compared(
            "joint", joint.bad_rate, "share",
            f"Bad rate if the candidate approves {larger}", f"坏账率（候选模型通过 {larger}）",
        ),
        _of_candidate(
            "joint_least_bad_rate", joint.least_bad_rate, "share",
            f"Lowest bad rate at {larger} or more", f"通过 {larger} 及以上时的最低坏账率",
        ),
        _of_candidate(
            "joint_possible", float(joint.possible), "yes_no",
            "The baseline's bad rate leaves room for the claim", "基准坏账率是否留有改善空间",
        ),
        _of_candidate(
            "joint_holds", float(joint.holds), "yes_no",
            "More approved and a lower bad rate at once", "通过率与坏账率是否同时达标",
        ),
        _of_candidate(
            "joint_support", joint.support, "share",
            "Share of draws in which both hold at once", "同时达标的重抽样占比",
        ),
    ]  # fmt: skip


def _swaps(claims: Claims) -> list[TableRow]:
    swaps, rows = claims.swap_set, []
    for name, (label, label_zh) in CELL_LABELS.items():
        cell = swaps.cells[name]
        counts: dict[str, tuple[Value, str, str, str]] = {
            "rows": (cell.rows, "rows", "Rows", "笔数"),
            "firms": (float(cell.firms), "firms", "Firms", "企业数"),
            "bads": (cell.bads, "rows", "Bad rows", "坏账笔数"),
            "bad_rate": (swaps.bad_rates[name], "share", "Bad rate of rows", "坏账率"),
        }
        rows += [
            _of_candidate(f"{name}_{count}", value, unit, f"{what} {label}", f"{label_zh}{what_zh}")
            for count, (value, unit, what, what_zh) in counts.items()
        ]
    swapped = ("Bad rate of rows swapped out, and in", "换出与换入的坏账率")
    rows.append(_compared("swapped", swaps.swapped, "share", *swapped))
    for times, inferred in swaps.inferred.items():
        labels = (
            f"Bad rate, swap-ins inferred at {times:g} times the odds",
            f"坏账率（换入按 {times:g} 倍违约比推断）",
        )
        rows.append(_compared(f"inferred_x{times:g}", inferred, "share", *labels))
    return rows


def _coverage(claims: Claims) -> list[TableRow]:
    old, new = claims.coverage["baseline"], claims.coverage["candidate"]
    return [
        _plain(f"coverage_{name}", getattr(old, name), getattr(new, name), "share", *labels)
        for name, labels in _COVERAGE_LABELS.items()
    ]


def _found(claims: Claims) -> list[TableRow]:
    if claims.found is None:
        return []
    counts: Mapping[str, float] = claims.found_firms
    return [
        _compared(
            "found_share", claims.found, "share",
            "Firms of interest approved", "重点企业通过占比",
        ),
        _plain(
            "found_firms", counts["baseline"], counts["candidate"], "firms",
            "Number of firms of interest approved, on average", "重点企业通过数",
        ),
    ]  # fmt: skip


def frame(claims: Claims) -> pl.DataFrame:
    """Return every measure as a row: name, label, label_zh, unit, and each column with its ends."""
    columns = ("baseline", "candidate", "difference", "uplift")
    rows = []
    for row in table(claims):
        found: dict[str, str | float | None] = {
            "name": row.name, "label": row.label, "label_zh": row.label_zh, "unit": row.unit,
        }  # fmt: skip
        for column in columns:
            value = getattr(row, column)
            ends = (
                (value.value, value.low, value.high)
                if isinstance(value, Interval)
                else (value, None, None)
            )
            found |= dict(zip((column, f"{column}_low", f"{column}_high"), ends, strict=True))
        rows.append(found)
    return pl.DataFrame(rows, infer_schema_length=None).fill_nan(None)
