"""The record of a step: how it ended, and its resources."""

import subprocess
import sys
from datetime import date

import pytest

from firmpulse import runlog, warehouse
from firmpulse.errors import NotReadyError, told
from firmpulse.settings import Settings

DAY = date(2026, 10, 31)


def _steps(settings: Settings) -> list[tuple[object, ...]]:
    with warehouse.connect(settings) as connection:
        return connection.execute(
            "select step, part, state, rows_out, error, peak_mb from warehouse.ops.steps "
            "order by started_at"
        ).fetchall()


# A separate process, like each task: a process that did other work may not return freed memory.
_TWO_STEPS = """
from datetime import date
import numpy as np
from firmpulse import runlog
from firmpulse.settings import Settings
settings, day = Settings(), date(2026, 10, 31)
with runlog.step(settings, day, "land", "tax") as step:
    held = np.ones(30_000_000)
    step.rows_out = int(held.sum())
del held
with runlog.step(settings, day, "score"):
    pass
"""


def test_a_step_that_ends_well_leaves_its_rows_and_memory(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRMPULSE_HOME", str(settings.root))
    subprocess.run([sys.executable, "-c", _TWO_STEPS], check=True)  # noqa: S603 - this interpreter
    (land, score) = _steps(settings)
    assert land[:5] == ("land", "tax", "success", 30_000_000, None)
    assert isinstance(land[5], float)
    assert isinstance(score[5], float)
    # The second step does not inherit the 240 MB of the first.
    assert land[5] - score[5] > 100


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (NotReadyError("no features; run: firmpulse night\nand more"),
         "no features; run: firmpulse night\nand more"),
        (ValueError("914403001922038216"), "ValueError; its text is in the log of the task"),
    ],
)  # fmt: skip
def test_a_step_that_fails_says_why_and_no_more(
    settings: Settings, error: Exception, text: str
) -> None:
    with pytest.raises(type(error)), runlog.step(settings, DAY, "score"):
        raise error
    assert _steps(settings)[0][:5] == ("score", "", "failed", None, text)


def test_the_error_goes_on_where_the_warehouse_cannot_be_written(settings: Settings) -> None:
    settings.warehouse_path.parent.mkdir(parents=True, exist_ok=True)
    settings.warehouse_path.write_bytes(b"no database")
    with pytest.raises(NotReadyError, match="as it was"), runlog.step(settings, DAY, "score"):
        raise NotReadyError("as it was")


def test_long_messages_lose_their_middle_and_keep_what_to_do() -> None:
    said = told(NotReadyError(f"what is wrong\n{'x' * 9000}\nrun: firmpulse night"))
    assert len(said) <= 4000
    assert said.startswith("what is wrong")
    assert said.endswith("run: firmpulse night")
