"""The unit tests beside the dbt models, run by dbt on a warehouse that was built once."""

from datetime import date

from features import build
from firmpulse import dbt_runner
from firmpulse.settings import Settings
from tests import vault_rows
from tests.features import random_rows


def test_unit_tests_of_the_models_pass_and_no_build_runs_them(settings: Settings) -> None:
    vault_rows.fill(settings, random_rows.known_by(random_rows.make(1), 1))
    nightly = build.build(settings, date(2024, 2, 29), "all")
    units = dbt_runner.unit_test(settings)
    assert {node.status for node in units} == {"pass"}
    assert not {node.name for node in nightly} & {node.name for node in units}
