"""The monthly look at the champion, on simulated firms: numbers against a second route."""

import numpy as np
import pytest

from firmpulse import bundle, scale, stability, tracking, warehouse
from operations import health
from scoring.publish import publish_again
from tests.integration.conftest import Assessed
from training import frozen


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


def test_what_cannot_be_told_yet_is_unknown_and_says_when(
    measured: dict[str, health.Measure],
) -> None:
    one = measured["observed_to_expected"]
    assert (one.value, one.light) == (None, "unknown")
    assert "told from 200 scores" in one.meaning


def test_measuring_again_replaces_and_analysts_see_it(
    assessed: Assessed, measured: dict[str, health.Measure]
) -> None:
    health.measure(assessed.settings, assessed.as_of)
    publish_again(assessed.settings)
    with warehouse.connect_published(assessed.settings) as connection:
        rows = connection.execute("select metric, light from model_health").fetchall()
    assert sorted(rows) == sorted((one.metric, one.light) for one in measured.values())


def test_matured_scores_are_held_against_their_outcomes(assessed: Assessed) -> None:
    """Scores of earlier quarters are put in by hand; their outcomes were delivered."""
    settings = assessed.settings
    with warehouse.connect(settings) as connection:
        before = connection.execute("from warehouse.scoring.scores").pl()
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
        ((count, bads),) = connection.execute(
            "select count(*), count(*) filter (default_prob > 0.01005) "
            "from warehouse.scoring.scores "
            "where as_of < ?",
            [assessed.as_of],
        ).fetchall()
    try:
        found = {one.metric: one for one in health.measure(settings, assessed.as_of)}
    finally:
        with warehouse.connect(settings) as connection:
            connection.execute(
                "delete from warehouse.scoring.scores where as_of < ?", [assessed.as_of]
            )
            connection.execute(
                "delete from warehouse.scoring.cleared_nights where as_of < ?", [assessed.as_of]
            )
            assert connection.execute("from warehouse.scoring.scores").pl().equals(before)
    assert found["matured_scores"].value == count
    assert found["auc"].value == 1.0
    expected = bads * 0.0101 + (count - bads) * 0.01
    assert found["observed_to_expected"].value == pytest.approx(bads / expected)
    # Several times as many defaults as expected: a red light.
    assert found["observed_to_expected"].light == "red"
