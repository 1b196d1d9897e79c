"""What a long build says while it runs, and where."""

import logging
from io import StringIO
from types import SimpleNamespace

import pytest
from rich.console import Console

from cli.progress import Progress
from firmpulse import dbt_runner, long_work
from firmpulse.errors import BuildFailed
from firmpulse.long_work import LOG, BuildProgress
from firmpulse.settings import Settings


def _started(nodes: int) -> SimpleNamespace:
    return SimpleNamespace(
        info=SimpleNamespace(name="ConcurrencyLine"), data=SimpleNamespace(node_count=nodes)
    )


def _said(line: str) -> SimpleNamespace:
    return SimpleNamespace(
        info=SimpleNamespace(name="JinjaLogInfo"), data=SimpleNamespace(msg=line)
    )


def _finished(name: str, seconds: float) -> SimpleNamespace:
    return SimpleNamespace(
        info=SimpleNamespace(name="NodeFinished"),
        data=SimpleNamespace(
            node_info=SimpleNamespace(node_name=name),
            run_result=SimpleNamespace(execution_time=seconds),
        ),
    )


def test_a_long_build_says_at_most_every_five_seconds_which_model_has_finished(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = 100.0
    progress = BuildProgress(lambda: now)
    now = 200.0
    with caplog.at_level(logging.INFO, LOG.name):
        progress(_started(71))
        for name, seconds, at in (
            ("feat_a", 2.0, 202.0), ("feat_b", 14.4, 214.0), ("feat_c", 4.0, 218.0),
            ("feat_d", 5.0, 219.0),
        ):  # fmt: skip
            now = at
            progress(_finished(name, seconds))
            progress(SimpleNamespace(info=SimpleNamespace(name="LogModelResult"), data=None))
        now = 230.0
        for place in (1, 2):
            progress(_said(f"feat_e: slice {place} of 9"))
    assert caplog.messages == [
        "2 of 71 models and tests, feat_b 14 s",
        "4 of 71 models and tests, feat_d 5 s",
        "feat_e: slice 1 of 9",
    ]


def test_dbt_reports_each_node_to_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(long_work, "_EVERY_SECONDS", 0.0)
    with caplog.at_level(logging.INFO, LOG.name):
        # Nothing has landed, so it fails.
        with pytest.raises(BuildFailed):
            dbt_runner.build(settings, ["stg_tax__invoice"], {"as_of": "2026-10-31"})
    assert caplog.messages == ["1 of 1 models and tests, stg_tax__invoice 0 s"]


def test_the_console_follows_it_and_nothing_else_does(caplog: pytest.LogCaptureFixture) -> None:
    console = Console(file=StringIO(), width=100)
    # Airflow, in this process, may have raised the level of all other loggers.
    with caplog.at_level(logging.INFO, LOG.name):
        with Progress(console).following():
            LOG.info("12 of 71 models and tests, feat_[a] 14 s")
        LOG.info("after it")
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "12 of 71 models and tests, feat_[a] 14 s" in shown
    assert "after it" not in shown
    assert caplog.messages == ["after it"]
