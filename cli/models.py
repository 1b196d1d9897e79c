"""`firmpulse models …`: versions of the credit model, the champion, and rollback."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from cli import claims
from cli.model_history import check_history
from cli.progress import make_console
from firmpulse import tracking
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings
from training import promotion, proposals, versions
from training.validation import contest
from training.validation.validate import validate as validate_version
from training.versions import Comparison, Version

app = typer.Typer(
    no_args_is_help=True, help="List, compare, promote and withdraw versions of the credit model."
)
_IS_CHAMPION = "Version {} is champion; the next night scores with it."
_Number = Annotated[str, typer.Argument(help="Number of the version.")]
_Approver = Annotated[str, typer.Option(help="Who is responsible for it.")]
# What a model owner asks first; the rest is in MLflow.
_LISTED = {
    "oot/auc": "AUC",
    "oot/ks": "KS",
    "oot/observed_expected": "observed / expected",
    "stability/psi_score": "PSI",
}

# What a comparison shows, in this order.
_ROWS = (
    "oot", "oot_unseen", "level", "oot_calibration", "oot_grades", "worth", "stress", "stability",
    "train_held_out", "train",
)  # fmt: skip


@app.command("list")
def list_versions() -> None:
    """Show every version, newest first."""
    console, found = make_console(), versions.listed(Settings())
    if not found:
        console.print("No model was trained yet; run: firmpulse train --as-of DATE", markup=False)
        return
    table = Table("version", "alias", "trained as of", "data", *_LISTED.values(), "promoted")
    for version in found:
        table.add_row(
            version.version, ", ".join(version.aliases), str(version.trained_as_of or "–"),
            version.data_origin, *(_figure(version.metrics.get(name)) for name in _LISTED),
            _promoted(version),
        )  # fmt: skip
    console.print(table)
    console.print("AUC, KS and observed / expected: out of time.", markup=False)


@app.command()
def compare(
    first: Annotated[str, typer.Argument(help="A version, or an alias such as champion.")],
    second: Annotated[str, typer.Argument(help="Another one, such as challenger.")],
) -> None:
    """Compare two versions: metrics, parameters that differ, and which one is better."""
    settings, console = Settings(), make_console()
    found = versions.compare(settings, first, second)
    names = [
        f"version {side.version} ({', '.join(side.aliases) or 'no alias'})"
        for side in (found.first, found.second)
    ]
    table = Table(Column("metric", no_wrap=True), *names, "change")
    for name, (one, other) in sorted(found.metrics.items(), key=_place):
        if not name.endswith(("_low", "_high")):
            change = "–" if one is None or other is None else f"{other - one:+.4f}"
            table.add_row(
                name, _with_interval(found.first, name), _with_interval(found.second, name), change
            )
    console.print(table)
    table = Table(Column("parameter", no_wrap=True), *names)
    for name, (before, after) in found.parameters.items():
        table.add_row(name, before or "–", after or "–")
    if table.row_count:
        console.print(table)
    if not found.same_frame:
        console.print(
            "They were fitted and tested on different rows: the metrics are not comparable. "
            "Train both on one date to compare them.",
            markup=False,
        )
        return
    _show_contest(settings, found, names, console)


@app.command()
def validate(
    version: Annotated[str, typer.Argument(help="Number of the version, or an alias.")],
) -> None:
    """Measure a version again and write its validation pack as one page, also to MLflow."""
    settings, console = Settings(), make_console()
    found = versions.get(settings, version)
    report = validate_version(settings, versions.trained_as_of(found), found.version)
    red = [str(gate) for gate in report.gates if not gate.passed]
    console.print(
        f"Version {report.version}: {len(report.gates) - len(red)} of {len(report.gates)} gates "
        f"hold{''.join(f'; not held: {gate}' for gate in red)}",
        markup=False,
    )
    console.print(f"Validation pack: {report.path}", markup=False, soft_wrap=True)


@app.command()
def promote(
    version: _Number,
    approver: _Approver,
    because: Annotated[
        str, typer.Option(help="Reason, if it is significantly worse than the champion.")
    ] = "",
) -> None:
    """Make a version champion if all its gates are green; a worse one is only proposed."""
    settings, console = Settings(), make_console()
    found = versions.get(settings, version)
    report = promotion.promote(
        settings, versions.trained_as_of(found), found.version, approver, because=because
    )
    if report.proposed:
        console.print(
            f"Version {found.version} is proposed: {report.proposed}. Someone else decides: "
            f"firmpulse models decide {found.version} --approve --checker NAME",
            markup=False,
        )
        return
    console.print(_IS_CHAMPION.format(found.version), markup=False)


@app.command()
def decide(
    version: _Number,
    approve: Annotated[bool, typer.Option("--approve/--reject", help="The decision.")],
    checker: Annotated[str, typer.Option(help="Who decides; never the person who proposed it.")],
) -> None:
    """Promote a proposed version that is worse than the champion, or reject it."""
    made = proposals.decide(Settings(), version, checker, approve=approve)
    make_console().print(
        _IS_CHAMPION.format(made.version)
        if approve
        else f"Version {made.version}, proposed by {made.maker}, is rejected.",
        markup=False,
    )


@app.command()
def restore() -> None:
    """Set MLflow's alias `champion` back to the version that was promoted last."""
    version = versions.restore_alias(Settings())
    make_console().print(_IS_CHAMPION.format(version), markup=False)


@app.command()
def rollback(
    approver: _Approver, because: Annotated[str, typer.Option(help="Why it is withdrawn.")]
) -> None:
    """Withdraw the champion and make the previous one champion again."""
    restored, taken_back = versions.roll_back(Settings(), approver, because)
    make_console().print(
        f"Version {restored.version} is champion again instead of {taken_back.version}; "
        f"the next night scores with it.",
        markup=False,
    )


def _show_contest(
    settings: Settings, found: Comparison, names: list[str], console: Console
) -> None:
    """Print how much better the second is on the same draws of firms, or that neither is."""
    table = Table(
        "out of time", *names, "difference (95 %, paired)", "beyond chance",
        title="Both were fitted and tested on the same rows",
    )  # fmt: skip
    try:
        contested = contest.paired(settings, found.first, found.second)
    except NotReadyError as reason:
        console.print(f"Same rows, but no paired comparison: {reason}", markup=False)
        return
    for name, both in contested.items():
        gap = both.difference
        table.add_row(
            name, f"{both.baseline.value:.4f}", f"{both.candidate.value:.4f}",
            f"{gap.value:+.4f} ({gap.low:+.4f} to {gap.high:+.4f})",
            "no" if gap.low <= 0 <= gap.high else "yes",
        )  # fmt: skip
    console.print(table)


def _place(metric: tuple[str, object]) -> tuple[int, str]:
    """Return the position of a metric in a comparison; out-of-time metrics come first."""
    rows = metric[0].partition("/")[0]
    known = _ROWS.index(rows) if rows in _ROWS else len(_ROWS)
    return known, metric[0]


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _with_interval(version: Version, name: str) -> str:
    low, high = (version.metrics.get(bound) for bound in tracking.bounds_of(name))
    value = version.metrics.get(name)
    text = "–" if value is None else f"{value:.4f}"
    return text if low is None or high is None else f"{text} ({low:.3f} to {high:.3f})"


def _promoted(version: Version) -> str:
    if version.taken_back:
        return f"taken back {version.taken_back[:10]}"
    return (version.promoted_at or "–")[:10]


app.command("claims")(claims.show_claims)
app.command("check-history")(check_history)
