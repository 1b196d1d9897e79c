"""Intake of grants: check them, add their firms to the directory, write the ledger."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consent.codes import Codes
from consent.grants import Grant, parse
from consent.ledger import Ledger
from firmpulse import warehouse
from firmpulse.errors import GrantError, NotReadyError
from firmpulse.settings import Settings

_SHOWN = 20


@dataclass(frozen=True)
class IntakeReport:
    """The outcome of a file of grants."""

    # New in the ledger; already known grants are in neither count.
    recorded: int
    refused: int
    # One sentence per refused line; no identifiers.
    problems: tuple[str, ...]
    # Numbers of the refused lines, from 1.
    refused_lines: tuple[int, ...] = ()


def import_grants(settings: Settings, path: Path) -> IntakeReport:
    """Record the grants of a JSON-lines file; a second import of it changes nothing.

    A line that is not a grant, or changes a known one, is refused; the others are recorded.

    Raises:
        NotReadyError: there is no such file.
        WrongKeyError: the token key is not the one with which the ledger's tokens were made.
    """
    if not path.is_file():
        raise NotReadyError(f"there is no file of grants at inbox/consent/{path.name}")
    grants, problems = _read(path, Codes(settings))
    _check_token_key(settings)
    lines = list(grants)
    for index, problem in Ledger(settings).problems(grants.values()).items():
        del grants[lines[index]]
        problems[lines[index]] = f"the grant {problem}"
    recorded = admit(settings, grants.values())
    sentences = tuple(f"line {number}: {problems[number]}" for number in sorted(problems))
    return IntakeReport(recorded, len(problems), sentences, tuple(sorted(problems)))


def import_night(settings: Settings) -> dict[str, Any]:
    """Record the night's grants if the inbox has a file of them, and remove the file.

    Refused lines stay beside it as `grants.refused.jsonl`, for inspection.

    Returns:
        recorded, refused and the first problems, for a task's result.
    """
    folder = settings.inbox / "consent"
    path, taken = folder / "grants.jsonl", folder / "grants.taken.jsonl"
    # A killed night may have left the file that it had taken.
    reports = [_take(settings, taken)] if taken.is_file() else []
    if path.is_file():
        # Moved first: a file that a provider puts in its place meanwhile is for the next night.
        path.replace(taken)
        reports.append(_take(settings, taken))
    problems = [problem for report in reports for problem in report.problems]
    return {
        "recorded": sum(report.recorded for report in reports),
        "refused": sum(report.refused for report in reports),
        "problems": problems[:_SHOWN],
    }


def _take(settings: Settings, path: Path) -> IntakeReport:
    """Import a file of grants and keep only its refused lines, because it names firms."""
    report = import_grants(settings, path)
    if report.refused_lines:
        lines = path.read_bytes().split(b"\n")
        with path.with_name("grants.refused.jsonl").open("ab") as refused:
            refused.writelines(lines[number - 1] + b"\n" for number in report.refused_lines)
    path.unlink()
    return report


def admit(settings: Settings, grants: Iterable[Grant], *, actor: str = "intake") -> int:
    """Write checked grants to the ledger and their firms to the vault's directory.

    A firm whose data were erased does not return to the directory with its old grants.

    Returns:
        How many grants were new.
    """
    grants, ledger = list(grants), Ledger(settings)
    if not grants:
        return 0
    with warehouse.connect(settings, vault=True, warehouse=False) as connection:
        recorded = ledger.record(grants, actor=actor)
        present = ledger.unpurged([grant.authorization_id for grant in grants])
        firms = sorted({grant.firm for grant in grants if grant.authorization_id in present})
        connection.execute(
            "insert or ignore into vault.ops.firm_directory (firm_id, firm) "
            "select token('firm', firm), firm from (select unnest($firms) as firm)",
            {"firms": firms},
        )
    return recorded


def _check_token_key(settings: Settings) -> None:
    """Open the vault once: with a wrong key every grant would seem to be of another firm."""
    with warehouse.connect(settings, vault=True, warehouse=False):
        pass


def _read(path: Path, codes: Codes) -> tuple[dict[int, Grant], dict[int, str]]:
    """Return the grants and the problems, by number of their line."""
    grants, problems = {}, {}
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                grants[number] = parse(line, codes.problem)
            except GrantError as error:
                problems[number] = str(error)
    return grants, problems
