"""A landing says how many of the announced rows are done."""

import pytest

from extracts.reading import chunks
from extracts.vault import nightly
from firmpulse import long_work
from firmpulse.settings import Settings
from tests.extracts.inbox import AS_OF, csv, deliver, payment, permit


@pytest.fixture(autouse=True)
def _small_and_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make each file a chunk, and each landing long."""
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 1)
    monkeypatch.setattr(long_work, "_EVERY_SECONDS", 0)


def test_rows_are_done_chunk_by_chunk_those_of_refused_files_too(settings: Settings) -> None:
    permit(settings)
    files = {
        "a.csv": csv([payment(amount="1.00"), payment(amount="2.00")]),
        "b.csv": b"no table\n\n",
        "c.csv": csv([payment(amount="3.00"), payment(amount="nonsense")]),
    }
    deliver(settings, files, rows=2)
    lines: list[str] = []
    with long_work.heard(lines.append):
        report = nightly.land(settings, "tax", AS_OF)
    assert len(report.problems) == 1
    assert lines == [
        "tax-1: 2 of 6 rows, 33 percent",
        "tax-1: 4 of 6 rows, 66 percent",
        "tax-1: 6 of 6 rows, 100 percent",
    ]


def test_a_delivery_of_moments_says_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    permit(settings)
    deliver(settings, {"a.csv": csv([payment()])})
    lines: list[str] = []
    with long_work.heard(lines.append):
        assert nightly.land(settings, "tax", AS_OF).totals.landed == 1
    assert lines == []
