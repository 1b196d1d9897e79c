"""A sample with more defaults than the portfolio: PDs and grades at the portfolio's level."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.special import expit, logit
from typer.testing import CliRunner

from cli import app, undated_training
from features.frame import frame
from firmpulse import tracking, warehouse
from firmpulse.errors import ConfigurationError
from firmpulse.settings import Settings
from model import bundle
from tests.credit_economy import AS_OF, CONFIG, REGISTRY, SNAPSHOTS, build_warehouse
from training import frozen, level, pipeline, versions
from training.validation import contest, subject
from training.validation.validate import ValidationReport

QUICK = replace(CONFIG, trials=0)


@pytest.fixture(scope="module")
def gathered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, pl.DataFrame]:
    """Return a home that has every default and a quarter of the good outcomes, and all outcomes."""
    settings = Settings(home=tmp_path_factory.mktemp("rate") / "home", memory_limit="2GB")
    build_warehouse(settings)
    with warehouse.connect(settings) as connection:
        everyone = connection.execute(
            "select cast(firm_id as varchar) as firm_id, as_of, outcome "
            "from warehouse.labels.default_12m where outcome <> 'indeterminate' order by 1, 2"
        ).pl()
        connection.execute(
            "delete from warehouse.labels.default_12m where outcome = 'good' "
            "and hash(firm_id::varchar || as_of::varchar) % 4 <> 0"
        )
    return settings, everyone


@pytest.fixture(scope="module")
def rate(gathered: tuple[Settings, pl.DataFrame]) -> float:
    """Return the true share of defaults of the dates that train and test."""
    days = pl.col("as_of").is_in([*SNAPSHOTS[:2], *SNAPSHOTS[5:7]])
    outcomes = gathered[1].filter(days)["outcome"]
    return float((outcomes == "bad").mean())


@pytest.fixture(scope="module")
def validated(gathered: tuple[Settings, pl.DataFrame], rate: float) -> ValidationReport:
    """Fit version 1 as the sample is, 2 at the level of the portfolio; validate the second."""
    settings, _ = gathered
    pipeline.sample(settings, AS_OF)
    pipeline.fit_candidate(settings, AS_OF, QUICK)
    pipeline.fit_statements(settings, AS_OF, QUICK)
    pipeline.fit_logistic(settings, AS_OF, QUICK)
    version = pipeline.fit_candidate(settings, AS_OF, replace(QUICK, portfolio_rate=rate)).version
    assert version == "2"
    return pipeline.validate(settings, AS_OF, version, QUICK)


def _prob(settings: Settings, version: str, rows: pl.DataFrame) -> np.ndarray:
    model = bundle.load(subject.files_of(settings, version))
    return np.asarray(model.default_prob(rows))


def _whole_oot(settings: Settings, everyone: pl.DataFrame) -> pl.DataFrame:
    """Return features of every firm out of time, also of those that are not in the sample."""
    with warehouse.connect(settings) as connection:
        oot = everyone.filter(pl.col("as_of").is_in(SNAPSHOTS[5:7]))
        return frame(connection, REGISTRY, oot, REGISTRY.names())


def test_pds_of_all_firms_add_up_to_their_defaults_only_with_the_portfolios_rate(
    gathered: tuple[Settings, pl.DataFrame], rate: float, validated: ValidationReport
) -> None:
    settings, everyone = gathered
    oot = _whole_oot(settings, everyone)
    bads = int((oot["outcome"] == "bad").sum())
    plain, anchored = (_prob(settings, version, oot) for version in "12")
    assert plain.sum() > 2 * bads
    assert 0.8 < anchored.sum() / bads < 1.25
    sample = frozen.read(settings, AS_OF).part("train", "oot")
    share = float((sample["outcome"] == "bad").mean())
    assert share > 2 * rate
    shift = np.log(rate / (1 - rate)) - np.log(share / (1 - share))
    assert logit(anchored) == pytest.approx(logit(plain) + shift)
    metrics = validated.metrics
    assert metrics["level/sample_rate"] == pytest.approx(share)
    assert metrics["level/portfolio_rate"] == pytest.approx(rate)
    assert metrics["level/portfolio_shift"] == pytest.approx(shift)


def test_the_sample_is_compared_at_its_own_level_and_grades_at_the_portfolios(
    gathered: tuple[Settings, pl.DataFrame], validated: ValidationReport
) -> None:
    settings, _ = gathered
    plain = versions.get(settings, "1").metrics
    for name in (
        "oot/auc",
        "oot/observed_expected",
        "level/shift",
        "oot_calibration/spiegelhalter_z",
    ):
        assert validated.metrics[name] == pytest.approx(plain[name])
    # Lower PDs fall into other grades.
    assert validated.metrics["oot_grades/hhi"] != pytest.approx(plain["oot_grades/hhi"])
    one, two = (versions.get(settings, version) for version in "12")
    for both in contest.paired(settings, one, two, QUICK).values():
        assert both.difference.value == pytest.approx(0, abs=1e-9)
    read = subject.read(settings, AS_OF, "2", QUICK)
    oot = read.frame.part("oot")
    assert read.model.default_prob(oot) == pytest.approx(_prob(settings, "1", oot))


def test_card_and_pack_say_both_rates(
    gathered: tuple[Settings, pl.DataFrame], rate: float, validated: ValidationReport
) -> None:
    settings, _ = gathered
    found = tracking.find_version(settings, tracking.CREDIT_MODEL, "2")
    assert found is not None
    page = validated.path.read_text(encoding="utf-8")
    for text in (found.description, page):
        assert "Level of the portfolio" in text
        assert f"{rate:.2%} of the portfolio do" in text
        assert f"{validated.metrics['level/portfolio_shift']:+.3f}" in text


def test_the_shift_is_kept_in_the_files_and_taken_back_exactly_once(
    gathered: tuple[Settings, pl.DataFrame], validated: ValidationReport
) -> None:
    settings, _ = gathered
    model = bundle.load(subject.files_of(settings, validated.version))
    assert model.bundle.portfolio_shift == pytest.approx(validated.metrics["level/portfolio_shift"])
    back = level.at_sample(model)
    assert back.bundle.portfolio_shift == 0
    assert level.at_sample(back) is back


def test_two_percent_of_a_sample_with_a_fifth_by_hand() -> None:
    found = level.Anchor(sample_rate=0.2, portfolio_rate=0.02)
    # Odds of 1 to 4 become odds of 1 to 49.
    assert expit(logit(0.2) + found.shift) == pytest.approx(0.02)
    assert found.shift == pytest.approx(np.log(4 / 49))


@pytest.mark.parametrize("given", ["2", "0", "1", "-0.1", "two", "nan", "2%"])
def test_a_rate_that_is_no_share_is_named(settings: Settings, given: str) -> None:
    said = CliRunner().invoke(
        app, ["train", "--as-of", str(AS_OF), "--portfolio-default-rate", given],
        env={"FIRMPULSE_HOME": str(settings.root)},
    )  # fmt: skip
    assert isinstance(said.exception, ConfigurationError)
    assert f"--portfolio-default-rate {given} is no share" in str(said.exception)


def test_the_rate_comes_from_the_banks_monthly_figures(settings: Settings) -> None:
    build_warehouse(settings)
    with warehouse.connect(settings) as connection:
        # Known on the day: the outcomes of the newest four quarters that are over.
        ((bads, rows),) = connection.execute(
            "select count(*) filter (outcome = 'bad'), count(*) from warehouse.labels.default_12m "
            "where outcome <> 'indeterminate' and as_of between '2024-10-01' and '2025-08-01'"
        ).fetchall()
    found = undated_training.portfolio_rate(settings, AS_OF, "monthly")
    assert found == pytest.approx(bads / rows)
