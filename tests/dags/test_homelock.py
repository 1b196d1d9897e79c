import multiprocessing
import time
from multiprocessing.synchronize import Event

import pytest

from firmpulse.airflow import dagrun, homelock
from firmpulse.errors import FileHeldError
from firmpulse.settings import Settings


def _work(settings: Settings, holds: Event) -> None:
    with homelock.alone(settings):
        holds.set()
        time.sleep(60)


def test_a_second_run_waits_for_the_first_even_if_that_is_killed(settings: Settings) -> None:
    context = multiprocessing.get_context("spawn")
    holds = context.Event()
    other = context.Process(target=_work, args=(settings, holds))
    other.start()
    try:
        assert holds.wait(60)
        with pytest.raises(FileHeldError, match="another run works on this home folder"):
            dagrun.run_dag(settings, "run_nightly", {"as_of": "2026-10-31"})
    finally:
        other.kill()
        other.join()

    with homelock.alone(settings):
        pass
