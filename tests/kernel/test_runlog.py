"""The record of a step: how it ended, and its resources."""

import subprocess
import sys
from contextlib import suppress
from datetime import date

import pytest

from firmpulse import runlog, warehouse
from firmpulse.errors import BuildFailed, NotReadyError, told
from firmpulse.runlog import Node
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


@pytest.mark.parametrize("fails", [False, True])
def test_the_models_of_a_step_are_kept_with_it_also_if_it_failed(
    settings: Settings, *, fails: bool
) -> None:
    with suppress(BuildFailed), runlog.step(settings, DAY, "build", "facts") as step:
        step.nodes.append(Node("fct_a", "model", "success", 1.5))
        step.nodes.append(Node("unique_a", "test", "fail" if fails else "pass", 0.5))
        if fails:
            raise BuildFailed("dbt failed on 1 of 2 nodes")
    with runlog.step(settings, DAY, "score"):
        pass
    with warehouse.connect(settings) as connection:
        kept = connection.execute(
            "select state, node, kind, status, nodes.seconds from warehouse.ops.nodes "
            "inner join warehouse.ops.steps using (as_of, step, part, started_at) order by node"
        ).fetchall()
    state, status = ("failed", "fail") if fails else ("success", "pass")
    assert kept == [
        (state, "fct_a", "model", "success", 1.5),
        (state, "unique_a", "test", status, 0.5),
    ]


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
