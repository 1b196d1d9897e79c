"""Intake of grants: check them, add their firms to the directory, write the ledger."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consent.chain import Scalar
from consent.codes import Codes
from consent.grants import Grant, parse
from consent.ledger import Ledger
from firmpulse import warehouse
from firmpulse.errors import GrantError, NotReadyError
from firmpulse.settings import Settings

_SHOWN = 20


@dataclass(frozen=True)
class Refusal:
    """Why a line of a file of grants was refused, in a sentence without an identifier."""

    # From 1, titles and blank lines too.
    line: int
    problem: str
    # Of a table.
    column: str | None = None

    def __str__(self) -> str:
        """Return it as one sentence."""
        return f"line {self.line}{f', {self.column}' if self.column else ''}: {self.problem}"


@dataclass(frozen=True)
class IntakeReport:
    """The outcome of a file of grants, by line; a line of a table may hold several grants."""

    # Lines with a grant that is new in the ledger, and lines whose grants are all known already.
    recorded: int
    known: int
    refused: int
    # At least one per refused line, in the order of the lines.
    refusals: tuple[Refusal, ...]
    # New grants in the ledger.
    grants: int

    @property
    def problems(self) -> tuple[str, ...]:
        """One sentence per refusal."""
        return tuple(str(refusal) for refusal in self.refusals)

    @property
    def refused_lines(self) -> tuple[int, ...]:
        """Numbers of the refused lines."""
        return tuple(sorted({refusal.line for refusal in self.refusals}))


def import_grants(settings: Settings, path: Path, *, actor: str = "intake") -> IntakeReport:
    """Record the grants of a JSON-lines file; a second import of it changes nothing.

    A line that is not a grant, or changes a known one, is refused; the others are recorded.

    Raises:
        NotReadyError: there is no such file.
        WrongKeyError: the token key is not the one with which the ledger's tokens were made.
    """
    if not path.is_file():
        raise NotReadyError(f"there is no file of grants {path.name} in the folder {path.parent}")
    grants, refusals = _read(path, Codes(settings))
    return take(settings, {line: (grant,) for line, grant in grants.items()}, refusals, actor=actor)


def take(
    settings: Settings,
    offered: Mapping[int, Sequence[Grant]],
    refusals: Iterable[Refusal] = (),
    *,
    actor: str = "intake",
    reason: str | None = None,
    total: Mapping[str, Scalar] | None = None,
) -> IntakeReport:
    """Record checked grants line by line; the grants of a line are recorded together or not at all.

    Args:
        settings: where the ledger is.
        offered: the grants of each line.
        refusals: the lines that are no grants.
        actor: who records them.
        reason: why, if nobody signed them; see `Ledger.record`.
        total: details of one more audit entry; see `Ledger.record`.

    Raises:
        WrongKeyError: the token key is not the one with which the ledger's tokens were made.
    """
    _check_token_key(settings)
    ledger, refused = Ledger(settings), list(refusals)
    lines = [(line, grant) for line, grants in offered.items() for grant in grants]
    problems: dict[int, str] = {}
    for index, problem in ledger.problems(grant for _, grant in lines).items():
        problems.setdefault(lines[index][0], f"the grant {problem}")
    refused += [Refusal(line, problem) for line, problem in problems.items()]
    good = [(line, grant) for line, grant in lines if line not in problems]
    new = _lines_with_news(good, ledger.known([grant.authorization_id for _, grant in good]))
    added = admit(settings, [g for _, g in good], actor=actor, reason=reason, total=total)
    return IntakeReport(
        recorded=len(new),
        known=len({line for line, _ in good}) - len(new),
        refused=len({refusal.line for refusal in refused}),
        refusals=tuple(sorted(refused, key=lambda refusal: refusal.line)),
        grants=added,
    )


def _lines_with_news(grants: Iterable[tuple[int, Grant]], known: set[str]) -> set[int]:
    """Return the lines with a grant that is neither known nor on an earlier line."""
    seen, lines = set(known), set()
    for line, grant in grants:
        if grant.authorization_id not in seen:
            seen.add(grant.authorization_id)
            lines.add(line)
    return lines


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


def admit(
    settings: Settings,
    grants: Iterable[Grant],
    *,
    actor: str = "intake",
    reason: str | None = None,
    total: Mapping[str, Scalar] | None = None,
) -> int:
    """Write checked grants to the ledger and their firms to the vault's directory.

    A firm whose data were erased does not return to the directory with its old grants. `reason`
    and `total` are those of `Ledger.record`.

    Returns:
        How many grants were new.
    """
    grants, ledger = list(grants), Ledger(settings)
    if not grants:
        return 0
    with warehouse.connect(settings, vault=True, warehouse=False) as connection:
        recorded = ledger.record(grants, actor=actor, reason=reason, total=total)
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


def _read(path: Path, codes: Codes) -> tuple[dict[int, Grant], list[Refusal]]:
    """Return the grants by number of their line, and the lines that are none."""
    grants, refusals = {}, []
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                grants[number] = parse(line, codes.problem)
            except GrantError as error:
                refusals.append(Refusal(number, str(error)))
    return grants, refusals
