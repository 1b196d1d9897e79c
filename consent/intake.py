"""Take grants in: check them, remember who the tokens stand for, write the ledger."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from consent.grants import Grant, parse
from consent.ledger import Ledger
from firmpulse import warehouse
from firmpulse.errors import GrantError, NotReadyError
from firmpulse.settings import Settings

_SHOWN = 20

_DIRECTORY_DDL = """
create table if not exists vault.ops.firm_directory (
    firm_id uuid primary key,
    -- Identifier in the form scheme:value.
    firm varchar not null
)
"""


@dataclass(frozen=True)
class IntakeReport:
    """What became of a file of grants."""

    # New in the ledger; grants that were known already are in neither count.
    recorded: int
    refused: int
    # One sentence per refused line; no identifiers.
    problems: tuple[str, ...]


def import_grants(settings: Settings, path: Path) -> IntakeReport:
    """Record the grants of a JSON-lines file; a second import of it changes nothing.

    Raises:
        NotReadyError: there is no such file.
        GrantError: a grant contradicts an earlier one of the same authorization_id.
    """
    if not path.is_file():
        raise NotReadyError(f"there is no file of grants at inbox/consent/{path.name}")
    grants, problems = _read(path)
    recorded = admit(settings, grants)
    return IntakeReport(recorded=recorded, refused=len(problems), problems=tuple(problems))


def import_night(settings: Settings) -> dict[str, Any]:
    """Record the night's grants where a file of them lies in the inbox.

    Returns:
        recorded, refused and the first problems, for a task's result.
    """
    path = settings.inbox / "consent" / "grants.jsonl"
    report = import_grants(settings, path) if path.is_file() else IntakeReport(0, 0, ())
    return {
        "recorded": report.recorded,
        "refused": report.refused,
        "problems": list(report.problems[:_SHOWN]),
    }


def admit(settings: Settings, grants: Iterable[Grant]) -> int:
    """Write checked grants to the ledger and their firms to the vault's directory.

    Returns:
        How many grants were new.
    """
    grants = list(grants)
    recorded = Ledger(settings).record(grants)
    firms = sorted({grant.firm for grant in grants})
    with warehouse.connect(settings, vault=True, warehouse=False) as connection:
        connection.execute(_DIRECTORY_DDL)
        connection.execute(
            "insert or ignore into vault.ops.firm_directory "
            "select token('firm', firm), firm from (select unnest($firms) as firm)",
            {"firms": firms},
        )
    return recorded


def _read(path: Path) -> tuple[list[Grant], list[str]]:
    grants, problems = [], []
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                grants.append(parse(line))
            except GrantError as error:
                problems.append(f"line {number}: {error}")
    return grants, problems
