from datetime import date
from io import StringIO

from rich.console import Console

from cli import summary
from firmpulse.settings import Settings

NIGHT = date(2026, 10, 31)


def test_a_night_without_a_model_has_no_median(settings: Settings) -> None:
    console = Console(file=StringIO(), width=120)

    summary.show_scores(settings, NIGHT, console)

    assert console.file.getvalue() == (  # type: ignore[attr-defined]
        "No firm is scored for 2026-10-31; 0 unscored with a reason\n"
    )
