"""The champion on firms that are watched for less time, on simulated firms."""

from datetime import date

import numpy as np
import pytest
from typer.testing import CliRunner

from cli import app
from features import registry
from features.frame import frame
from firmpulse import tracking, warehouse
from firmpulse.errors import ConfigurationError
from model import bundle
from tests.integration.conftest import Assessed
from training.validation import short_history
from training.validation.short_history import Look

MATURED = date(2025, 9, 30)


@pytest.fixture(scope="module")
def looks(assessed: Assessed) -> tuple[Look, ...]:
    return short_history.check(assessed.settings, MATURED, 500, months=(100, 6))


def test_a_history_longer_than_all_that_is_known_changes_nothing(looks: tuple[Look, ...]) -> None:
    whole, longer, _ = looks
    assert (longer.mean_prob, longer.better, longer.worse) == (whole.mean_prob, 0, 0)
    assert (longer.auc, longer.observed_expected) == (whole.auc, whole.observed_expected)


def test_the_look_with_all_history_is_what_the_warehouse_says(
    assessed: Assessed, looks: tuple[Look, ...]
) -> None:
    settings, known = assessed.settings, registry.load(assessed.settings)
    with warehouse.connect(settings) as connection:
        outcomes = connection.execute(
            "select firm_id::varchar as firm_id, as_of, outcome from warehouse.labels.default_12m "
            "where as_of = ? and outcome in ('good', 'bad') "
            "and available_at <= date '2026-10-31' and superseded_at > date '2026-10-31' "
            "order by firm_id",
            [MATURED],
        ).pl()
        rows = frame(connection, known, outcomes, known.names())
    folder = tracking.model_folder(settings, tracking.CREDIT_MODEL, "1")
    prob = bundle.load(folder / "artifacts" / "bundle").default_prob(rows)
    bads = (outcomes["outcome"] == "bad").sum()
    whole = looks[0]
    assert (whole.firms, whole.bads) == (outcomes.height, bads)
    assert bads > 0
    assert whole.mean_prob == pytest.approx(prob.mean(), rel=1e-9)
    assert whole.observed_expected is not None
    assert whole.observed_expected.value == pytest.approx(bads / prob.sum(), rel=1e-9)
    assert sum(whole.tiers.values()) == whole.firms


def test_six_months_of_the_bank_alone_are_thin(assessed: Assessed, looks: tuple[Look, ...]) -> None:
    (_, alone) = short_history.check(assessed.settings, MATURED, 500, (6,), ("bank",))
    six = looks[2]
    assert set(alone.tiers) <= {"thin", "insufficient"}
    assert alone.tiers["thin"] > 0.9 * alone.firms
    assert set(six.tiers) > set(alone.tiers)
    assert 0 < six.better + six.worse
    assert alone.firms == six.firms
    assert 0 < alone.mean_prob < 1
    assert np.isfinite(alone.mean_prob)


def test_the_newest_night_has_no_outcomes(assessed: Assessed) -> None:
    whole, short = short_history.check(assessed.settings, assessed.as_of, 50, (3,))
    assert (whole.bads, whole.auc, whole.observed_expected) == (None, None, None)
    assert whole.firms == short.firms == 50


def test_an_unknown_source_is_told_with_those_there_are(assessed: Assessed) -> None:
    with pytest.raises(ConfigurationError, match="no source 'banks'; use one of tax, bank"):
        short_history.check(assessed.settings, MATURED, 50, (6,), ("banks",))


def test_the_command_shows_each_length(assessed: Assessed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRMPULSE_HOME", str(assessed.settings.root))
    said = CliRunner().invoke(
        app,
        ["models", "check-history", "--as-of", "2025-09-30", "--months", "6", "--source", "bank"],
        env={"COLUMNS": "160"},
    )
    assert said.exit_code == 0, said.output
    assert "6 months" in said.output
    assert "defaulted; short histories of bank alone" in said.output
