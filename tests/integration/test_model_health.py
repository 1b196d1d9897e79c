"""The monthly check of the champion, on simulated firms: numbers against an independent route."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import polars as pl
import pytest

from firmpulse import scale, stability, tracking, warehouse
from model import bundle
from operations import health
from scoring.publish import publish_again
from tests.integration.conftest import Assessed
from training import frozen


class Earlier(NamedTuple):
    """Scores of earlier quarters, and how many of their firms defaulted."""

    count: int
    bads: int


@pytest.fixture(scope="module")
def measured(assessed: Assessed) -> dict[str, health.Measure]:
    found = health.measure(assessed.settings, assessed.as_of)
    return {one.metric: one for one in found}


def test_the_shift_of_the_score_is_that_of_deciles(
    assessed: Assessed, measured: dict[str, health.Measure]
) -> None:
    settings = assessed.settings
    one = measured["score_psi"]
    folder = tracking.model_folder(settings, tracking.CREDIT_MODEL, one.model_version)
    model = bundle.load(folder / "artifacts" / "bundle")
    learnt = np.sort(model.default_prob(frozen.read(settings, assessed.as_of).part("train")))
    with warehouse.connect(settings) as connection:
        now = connection.execute(
            "select default_prob from warehouse.scoring.scores where grade <> ?",
            [scale.DEFAULTED],
        ).pl()["default_prob"]
    cuts = np.unique(np.quantile(learnt, np.arange(1, 10) / 10))
    expected = np.histogram(learnt, [-np.inf, *np.nextafter(cuts, 2), np.inf])[0] / len(learnt)
    actual = np.histogram(now, [-np.inf, *np.nextafter(cuts, 2), np.inf])[0] / len(now)
    assert one.row_count == len(now)
    assert one.value == pytest.approx(stability.population_stability_index(expected, actual))
    level = measured["level_to_training"]
    assert level.value == pytest.approx(now.mean() / learnt.mean())
    assert level.row_count == len(now)


def test_the_level_is_compared_with_the_default_rate_of_firms_as_well_known(
    assessed: Assessed, measured: dict[str, health.Measure]
) -> None:
    """By another route: SQL over labels and features, tiers by hand."""
    tier = """
        case
            when coalesce(profile_observed_months, 0) < 3 then 'insufficient'
            when profile_observed_months < 6 or profile_source_count <= 1 then 'thin'
            when profile_source_count < 4 then 'partial or light_asset' else 'full'
        end"""
    with warehouse.connect(assessed.settings) as connection:
        rows = connection.execute(f"""
            select {tier} as tier, outcome = 'bad' as bad
            from warehouse.labels.default_12m as labels
            inner join warehouse.features.feat_profile_monthly using (firm_id, as_of)
            where superseded_at > '{assessed.as_of}' and labels.matured_at <= '{assessed.as_of}'
                and outcome in ('good', 'bad') and as_of in ('2025-06-30', '2025-09-30')
        """).pl()
        now = connection.execute(
            "select default_prob, if(coverage in ('partial', 'light_asset'), "
            "'partial or light_asset', coverage) as tier "
            "from warehouse.scoring.scores where grade <> ?",
            [scale.DEFAULTED],
        ).pl()
    defaults, average = rows["bad"].sum(), rows["bad"].mean()
    one = measured["level_to_matured"]
    if defaults < 20:
        assert (one.value, one.light, one.row_count) == (None, "unknown", defaults)
        return
    expected = 0.0
    for (name,), own in now.group_by("tier"):
        alike = rows.filter(pl.col("tier") == name)["bad"]
        expected += own.height * (alike.sum() + 500 * average) / (len(alike) + 500)
    # The two joined tiers are smoothed apart, so the rates are equal only nearly.
    assert one.value == pytest.approx(now["default_prob"].sum() / expected, rel=0.03)


@pytest.mark.parametrize(
    ("level", "light"),
    [
        (1.0, "green"),
        (0.91, "green"),
        (0.85, "yellow"),
        (1.2, "yellow"),
        (0.7, "red"),
        (1.3, "red"),
    ],
)
def test_a_level_that_moved_has_a_light(level: float, light: str) -> None:
    assert health._level_light(level) == light


def test_what_cannot_be_told_yet_is_unknown_and_says_when(
    measured: dict[str, health.Measure],
) -> None:
    one = measured["observed_to_expected"]
    assert (one.value, one.light) == (None, "unknown")
    assert "shown from 200 scores" in one.meaning


def test_measuring_again_replaces_and_analysts_see_it(
    assessed: Assessed, measured: dict[str, health.Measure]
) -> None:
    health.measure(assessed.settings, assessed.as_of)
    publish_again(assessed.settings)
    with warehouse.connect_published(assessed.settings) as connection:
        rows = connection.execute("select metric, light from model_health").fetchall()
    assert sorted(rows) == sorted((one.metric, one.light) for one in measured.values())


@pytest.fixture
def earlier(assessed: Assessed) -> Iterator[Earlier]:
    """Insert scores of earlier quarters by hand; their outcomes were delivered.

    Each was made the day after its date by a version that was trained before, as the run log and
    `model_versions` say.
    """
    settings = assessed.settings
    with warehouse.connect(settings) as connection:
        before = connection.execute("from warehouse.scoring.scores").pl()
        versions = connection.execute("from warehouse.scoring.model_versions").pl()
        connection.execute(
            """
            insert into warehouse.scoring.scores by name
            select newest.* replace (
                labels.firm_id as firm_id,
                labels.as_of as as_of, if(labels.outcome = 'bad', 0.0101, 0.01) as default_prob,
                'BB' as grade
            )
            from (
                select cast(firm_id as varchar) as firm_id, as_of, outcome
                from warehouse.labels.default_12m
                where available_at <= $as_of and superseded_at > $as_of
                    and outcome in ('good', 'bad')
            ) as labels
            cross join (from warehouse.scoring.scores limit 1) as first
            inner join warehouse.scoring.scores as newest on newest.firm_id = first.firm_id
            """,
            {"as_of": assessed.as_of},
        )
        connection.execute(
            "insert into warehouse.scoring.cleared_nights "
            "select distinct as_of from warehouse.scoring.scores on conflict do nothing"
        )
        connection.execute(
            "insert into warehouse.ops.steps by name "
            "select as_of, 'score' as step, '' as part, 'success' as state, 1.0 as seconds, "
            "cast(as_of + 1 as timestamp) as started_at "
            "from (select distinct as_of from warehouse.scoring.scores) where as_of < ?",
            [assessed.as_of],
        )
        connection.execute(
            "update warehouse.scoring.model_versions set trained_as_of = date '2000-01-01'"
        )
        ((count, bads),) = connection.execute(
            "select count(*), count(*) filter (default_prob > 0.01005) "
            "from warehouse.scoring.scores "
            "where as_of < ?",
            [assessed.as_of],
        ).fetchall()
    yield Earlier(count, bads)
    with warehouse.connect(settings) as connection:
        for table in ("scoring.scores", "scoring.cleared_nights", "ops.steps"):
            where = "as_of < ?" + (" and step = 'score'" if table == "ops.steps" else "")
            connection.execute(f"delete from warehouse.{table} where {where}", [assessed.as_of])
        connection.execute("delete from warehouse.scoring.model_versions")
        connection.execute("insert into warehouse.scoring.model_versions from versions")
        assert versions.height
        assert connection.execute("from warehouse.scoring.scores").pl().equals(before)


def _measured(assessed: Assessed) -> dict[str, health.Measure]:
    return {one.metric: one for one in health.measure(assessed.settings, assessed.as_of)}


def test_matured_scores_are_held_against_their_outcomes(
    assessed: Assessed, earlier: Earlier
) -> None:
    found = _measured(assessed)
    assert found["matured_scores"].value == earlier.count
    assert found["matured_scores_late"].value == found["matured_scores_learnt"].value == 0
    assert found["auc"].value == 1.0
    expected = earlier.bads * 0.0101 + (earlier.count - earlier.bads) * 0.01
    assert found["observed_to_expected"].value == pytest.approx(earlier.bads / expected)
    # Several times as many defaults as expected: a red light.
    assert found["observed_to_expected"].light == "red"


@pytest.mark.parametrize(
    ("made", "left_out"),
    [
        ("started_at = cast(as_of + 31 as timestamp)", 0),
        ("started_at = cast(as_of + 32 as timestamp)", 1),
        ("state = 'failed'", 1),
    ],
)
def test_scores_of_a_night_that_was_backfilled_are_no_evidence(
    assessed: Assessed, earlier: Earlier, made: str, left_out: int
) -> None:
    """A night without a record of timely scoring counts as late."""
    with warehouse.connect(assessed.settings) as connection:
        connection.execute(
            f"update warehouse.ops.steps set {made} where step = 'score' and as_of < ?",
            [assessed.as_of],
        )
    found = _measured(assessed)
    assert found["matured_scores_late"].value == left_out * earlier.count
    assert found["matured_scores"].value == (1 - left_out) * earlier.count
    assert ("auc" in found) == (not left_out)


def test_scores_for_dates_before_the_training_are_no_evidence(
    assessed: Assessed, earlier: Earlier
) -> None:
    """The version's own rows among them."""
    with warehouse.connect(assessed.settings) as connection:
        connection.execute(
            "update warehouse.scoring.model_versions set trained_as_of = ?", [assessed.as_of]
        )
    found = _measured(assessed)
    assert found["matured_scores_learnt"].value == earlier.count
    assert found["matured_scores_late"].value == found["matured_scores"].value == 0
    assert found["observed_to_expected"].light == "unknown"
