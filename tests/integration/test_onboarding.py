"""The worked example of docs/onboarding.md, command by command: from an export to a score."""

import re
import shlex
import shutil
from pathlib import Path

from firmpulse import warehouse
from firmpulse.settings import PROJECT_ROOT
from tests.homes import copied
from tests.integration.conftest import Assessed, firmpulse

PAGE = PROJECT_ROOT / "docs" / "onboarding.md"
FIRM = "91350200MA00X1AB3Y"


def example() -> list[list[str]]:
    """Return the commands of the example."""
    section = PAGE.read_text(encoding="utf-8").split("\n## ")[1]
    blocks = re.findall(r"```sh\n(.*?)```", section, re.S)
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


def test_from_an_export_to_a_score(assessed: Assessed, tmp_path: Path) -> None:
    settings = copied(assessed.settings, tmp_path / "home")
    printed = ""
    for program, *arguments in example():
        if program == "cp":
            source, target = arguments
            shutil.copy(PROJECT_ROOT / source, settings.root / target.removeprefix("var/"))
            continue
        assert program == ".venv/bin/firmpulse"
        named = [str(PROJECT_ROOT / a) if a.startswith("docs/") else a for a in arguments]
        printed += firmpulse(settings, *named)
    section = PAGE.read_text(encoding="utf-8").split("\n## ")[1]
    (told,) = re.findall(r"^bank_txn: .*$", section, re.M)
    assert told in printed
    with warehouse.connect(settings, vault=True) as connection:
        landed = connection.execute(
            "select count(*), sum(amount) filter (where dc = 'IN')::varchar "
            "from vault.raw.bank_txn where firm = ?",
            [f"uscc:{FIRM}"],
        ).fetchall()
    # Added up in the export by hand.
    assert landed == [(132, "4615975.95")]
    with warehouse.connect_published(settings) as connection:
        scores = connection.execute(
            "select as_of::varchar, grade from scores where as_of = date '2026-11-01' and firm_id "
            "not in (select firm_id from scores where as_of < date '2026-11-01')"
        ).fetchall()
    assert [day for day, _ in scores] == ["2026-11-01"]
