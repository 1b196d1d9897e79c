"""`firmpulse train --labels undated`: outcomes without dates, cross-validated in this process."""

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import date

from rich.console import Console
from rich.table import Table

from cli.progress import Progress, make_console
from cli.summary import interval
from firmpulse import warehouse
from firmpulse.errors import ConfigurationError, GateFailed
from firmpulse.settings import Settings
from training import labels, promotion, undated
from training.config import DEFAULT_UNDATED, MONTHLY
from training.metrics import Interval
from training.undated import CrossValidationReport


def is_all_there_is(settings: Settings, as_of: date) -> bool:
    """Return whether outcomes are known on a date, and none of them has a date."""
    with warehouse.connect(settings) as connection:
        return labels.are_undated_known(connection, as_of) and not labels.are_dated_known(
            connection, as_of
        )


def portfolio_rate(settings: Settings, as_of: date, given: str | None) -> float | None:
    """Return the portfolio's default rate as given, or from the bank's monthly figures.

    Raises:
        ConfigurationError: it is no share.
        NotReadyError: it is to be taken from monthly figures and none are known.
    """
    if given is None:
        return None
    if given == MONTHLY:
        with warehouse.connect(settings) as connection:
            return labels.portfolio_rate(connection, as_of)
    try:
        rate = float(given)
    except ValueError:
        rate = math.nan
    if not 0 < rate < 1:
        raise ConfigurationError(
            f"--portfolio-default-rate {given} is no share between 0 and 1; two percent are 0.02. "
            f"Or give the word monthly"
        )
    return rate


def run(settings: Settings, as_of: date, approver: str | None, rate: float | None) -> None:
    """Cross-validate, register and show; with an approver also promote."""
    console = make_console()
    progress = Progress(console)
    progress.heading(f"Cross-validating on outcomes without dates, as of {as_of}")
    config = replace(DEFAULT_UNDATED, portfolio_rate=rate)
    report = undated.cross_validate(settings, as_of, config=config)
    progress.done("cross-validate and register", progress.seconds, f"version {report.version}")
    show(report, console)
    if approver is not None:
        promotion.promote(settings, as_of, report.version, approver)
        console.print(
            f"Version {report.version} is champion; the next night scores with it.", markup=False
        )
        return
    gates = promotion.promote(settings, as_of, report.version, None).gates
    for gate in gates:
        console.print(f"{'holds' if gate.passed else 'does not hold'}: {gate}", markup=False)
    console.print(
        f"Version {report.version} is registered. If every gate holds, promote it with: "
        f"firmpulse models promote {report.version} --approver NAME",
        markup=False,
    )


def promote(
    settings: Settings, report: CrossValidationReport, approver: str, progress: Progress
) -> bool:
    """Promote the version and return True; without green gates say so and return False."""
    try:
        promotion.promote(settings, report.as_of, report.version, approver)
    except GateFailed as refusal:
        progress.say(f"no model was promoted, so nothing is scored: {refusal}")
        return False
    return True


def show(report: CrossValidationReport, console: Console) -> None:
    """Print how each model ranks unseen firms, and what that shows."""
    metrics = report.comparison.metrics
    table = Table(
        "model", "AUC (95 %)", "KS (95 %)",
        title=f"{report.firms} firms, {report.bads} defaulted; repeated stratified "
        f"cross-validation, {report.repeats} x {report.folds} folds; "
        f"registered: {report.registered}",
    )  # fmt: skip
    for name, measured in metrics.items():
        shown = (measured[metric] for metric in ("auc", "ks"))
        table.add_row(name, *(interval(m.value, m.low, m.high) for m in shown))
    console.print(table)
    if report.comparison.baseline is not None:
        _show_leads(metrics, report.comparison.baseline, console)
    console.print(
        f"[dim]Intervals come from redrawing firms; no model is refitted. With {report.bads} "
        "defaults, differences under 0.03 are noise, and no model is shown to be best. The "
        "outcomes have no date, so late inactivity may be a consequence of default.[/]"
    )


def _show_leads(
    metrics: Mapping[str, Mapping[str, Interval]], baseline: str, console: Console
) -> None:
    """Print the gain of each model over the best single feature on the same redrawn firms."""
    table = Table(
        "model", "AUC over pooled folds", f"AUC beyond {baseline} (95 %)", "shown to be",
        title="AUC compares firms of one fold; over pooled folds, firms scored by different models",
    )  # fmt: skip
    for name, measured in metrics.items():
        pooled = f"{measured['auc_pooled'].value:.3f}"
        if name == baseline:
            table.add_row(name, pooled, "", "")
            continue
        lead = measured["lead"]
        verdict = "better" if lead.low > 0 else "worse" if lead.high < 0 else "neither"
        shown = f"{lead.value:+.3f}  ({lead.low:+.3f} to {lead.high:+.3f})"
        table.add_row(name, pooled, shown, verdict)
    console.print(table)
