from datetime import date, datetime

import duckdb

from firmpulse.airflow import servers
from firmpulse.calendar import CHINA
from firmpulse.settings import Settings


def test_the_lines_to_trigger_a_night_name_the_newest_published_one(settings: Settings) -> None:
    assert servers.newest_night(settings) == datetime.now(CHINA).date()

    settings.scores_dir.mkdir(parents=True)
    with duckdb.connect(str(settings.scores_path)) as published:
        published.execute("create table run_steps (as_of date, dag varchar)")
        published.execute("create table scores (as_of date)")
        published.execute(
            "insert into run_steps values ('2026-11-02', 'run_nightly'), "
            "('2026-11-03', 'run_nightly'), ('2026-11-04', 'assess_arrivals')"
        )
    assert servers.newest_night(settings) == date(2026, 11, 3)

    with duckdb.connect(str(settings.scores_path)) as published:
        published.execute("insert into scores values ('2026-11-02'), ('2026-11-04')")
    newest = servers.newest_night(settings)
    assert newest == date(2026, 11, 2)
    known = servers.Addresses("http://a", "http://m", "admin", "secret")
    assert '"as_of": "2026-11-02"' in servers.trigger_lines(known, newest)[1]
