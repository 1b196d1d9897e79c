import itertools

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from firmpulse.errors import NotReadyError
from training.claims import alerts
from training.claims.alerts import AlertTerms

START = np.datetime64("2024-01-31", "D")
NEVER = np.nan
TERMS = AlertTerms(alert_rate=0.1, horizon_days=184, min_lead_days=30, long_lead_days=90)


def _watch(
    firms: object, days: object, leads: object, prob: object, terms: AlertTerms = TERMS
) -> alerts.Watch:
    """Rows of one model; days since the start, and days to the default or NaN."""
    snapshot_dates = START + np.asarray(days).astype("timedelta64[D]")
    ahead = np.asarray(leads, dtype=float)
    known = ~np.isnan(ahead)
    default_dates = np.full(len(ahead), np.datetime64("NaT", "D"))
    default_dates[known] = snapshot_dates[known] + ahead[known].astype("timedelta64[D]")
    probs = {"model": np.asarray(prob, dtype=float)}
    return alerts.watch(np.asarray(firms), snapshot_dates, default_dates, probs, terms)


def _measured(watched: alerts.Watch) -> dict[str, float]:
    once = np.ones((1, len(watched.lead_days)))
    found = alerts.weighted(watched, once)
    return {name.removeprefix("model_"): float(value[0]) for name, value in found.items()}


def test_one_snapshot_by_hand() -> None:
    # Of 40 firms the first four are alerted: hits after 60 and 120 days, one too late, one never.
    leads = [60, 120, 29, NEVER, 80, 200, *[NEVER] * 34]
    found = _measured(_watch(range(40), np.zeros(40), leads, np.linspace(0.9, 0.1, 40)))
    assert found["episodes"] == pytest.approx(4)
    assert found["hits"] == pytest.approx(2)
    assert found["precision"] == pytest.approx(0.5)
    # Defaults within the horizon: after 60, 120, 29 and 80 days.
    assert found["recall"] == pytest.approx(0.5)
    assert found["lead_days"] == 90
    assert found["long_lead_share"] == pytest.approx(0.5)
    assert found["false_per_hit"] == pytest.approx(1)


@pytest.mark.parametrize(("lead", "hit"), [(29, 0), (30, 1), (184, 1), (185, 0)])
def test_a_hit_is_neither_too_late_nor_too_early(lead: int, hit: int) -> None:
    # The last firm's default lets recall be measured.
    leads = [lead, *[NEVER] * 8, 100]
    found = _measured(_watch(range(10), np.zeros(10), leads, np.linspace(0.9, 0.1, 10)))
    assert found["hits"] == pytest.approx(hit)
    assert found["recall"] == pytest.approx(hit / (2 if lead <= 184 else 1))


@pytest.mark.parametrize(("lead", "share"), [(89, 0), (90, 1)])
def test_a_lead_is_long_from_its_bound_on(lead: int, share: int) -> None:
    leads = [lead, *[NEVER] * 9]
    found = _measured(_watch(range(10), np.zeros(10), leads, np.linspace(0.9, 0.1, 10)))
    assert found["long_lead_share"] == share


def _alerted_throughout(days: list[int], default_day: int) -> dict[str, float]:
    """Ten firms; the first is alerted at every snapshot and defaults on a day."""
    firms, when = np.tile(np.arange(10), len(days)), np.repeat(days, 10)
    leads = np.where(firms == 0, default_day - when, NEVER)
    return _measured(_watch(firms, when, leads, np.where(firms == 0, 0.9, 0.1)))


def test_later_alerts_within_the_horizon_belong_to_the_first() -> None:
    found = _alerted_throughout([0, 91, 182], default_day=183)
    assert found["episodes"] == pytest.approx(1)
    assert found["lead_days"] == 183
    # The first alert came 250 days ahead; those after it open no episode that could hit.
    found = _alerted_throughout([0, 91, 182], default_day=250)
    assert (found["episodes"], found["hits"]) == pytest.approx((1, 0))
    # Beyond the horizon a new episode opens.
    found = _alerted_throughout([0, 91, 185], default_day=250)
    assert (found["episodes"], found["hits"]) == pytest.approx((2, 1))
    assert found["lead_days"] == 65
    # Seen from two snapshots, but one default.
    assert found["recall"] == pytest.approx(1)
    found = _alerted_throughout([0, 91, 184], default_day=250)
    assert (found["episodes"], found["hits"]) == pytest.approx((1, 0))


def test_ties_are_alerted_by_lot() -> None:
    # Four firms of equal PD at two snapshots, one alert each: the mean over all sixteen outcomes.
    firms, days = np.tile(np.arange(4), 2), np.repeat([0, 91], 4)
    leads = np.where(firms == 0, 160 - days, NEVER)
    terms = AlertTerms(alert_rate=0.25, horizon_days=184, min_lead_days=30, long_lead_days=90)
    found = _measured(_watch(firms, days, leads, np.full(8, 0.2), terms))
    lots = list(itertools.product(range(4), repeat=2))
    assert found["episodes"] == pytest.approx(np.mean([len({*lot}) for lot in lots]))
    assert found["hits"] == pytest.approx(np.mean([0 in lot for lot in lots]))
    # 160 days ahead at the first snapshot, 69 at the second if the first did not alert it.
    assert found["long_lead_share"] == pytest.approx((1 / 4) / (7 / 16))


def _drawn(seed: int, decimals: int) -> dict[str, np.ndarray]:
    """Sixty firms at four snapshots, some missing."""
    random = np.random.default_rng(seed)
    firms, days = np.tile(np.arange(60), 4), np.repeat([0, 91, 182, 274], 60)
    risk = np.tile(random.normal(size=60), 4)
    default_day = np.tile(np.where(random.random(60) < 0.4, random.integers(20, 500, 60), 9_999), 4)
    kept = (default_day > days) & (random.random(240) < 0.9)
    leads = np.where(default_day < 9_999, default_day - days, np.nan)
    near = np.nan_to_num(1 / np.maximum(leads, 1), nan=0)
    prob = 1 / (1 + np.exp(2 - risk - 40 * near - random.normal(size=240)))
    return {
        name: column[kept]
        for name, column in {
            "firms": firms, "days": days, "leads": leads, "prob": np.round(prob, decimals),
        }.items()
    }  # fmt: skip


@pytest.mark.parametrize("seed", [7, 8, 9])
def test_measures_agree_with_a_walk_over_the_alerts(seed: int) -> None:
    drawn = _drawn(seed, decimals=12)
    # A quarter of 36 rows is whole.
    places = [np.flatnonzero(drawn["days"] == day)[:36] for day in np.unique(drawn["days"])]
    drawn = {name: column[np.concatenate(places)] for name, column in drawn.items()}
    last_open: dict[int, int] = {}
    opened = []
    for start in range(0, 144, 36):
        alerted = start + np.argsort(-drawn["prob"][start : start + 36])[:9]
        for row in alerted.tolist():
            firm, day = drawn["firms"][row], drawn["days"][row]
            if day - last_open.get(firm, -9_999) > 184:
                last_open[firm] = day
                opened.append(row)
    leads = [drawn["leads"][row] for row in opened if 30 <= drawn["leads"][row] <= 184]
    defaults = len(set(drawn["firms"][drawn["leads"] <= 184]))
    terms = AlertTerms(alert_rate=0.25, horizon_days=184, min_lead_days=30, long_lead_days=90)
    found = _measured(_watch(*drawn.values(), terms))
    assert len(opened) < 36
    assert found["episodes"] == pytest.approx(len(opened))
    assert found["hits"] == pytest.approx(len(leads))
    assert found["precision"] == pytest.approx(len(leads) / len(opened))
    assert found["recall"] == pytest.approx(len(leads) / defaults)
    assert found["lead_days"] == np.median(leads)
    assert found["long_lead_share"] == pytest.approx(np.mean(np.array(leads) >= 90))


def test_pr_auc_agrees_with_sklearn() -> None:
    drawn = _drawn(11, decimals=1)
    expected = average_precision_score(drawn["leads"] <= 184, drawn["prob"])
    assert _measured(_watch(*drawn.values()))["pr_auc"] == pytest.approx(expected, abs=1e-12)


def test_weights_count_as_repeated_firms() -> None:
    drawn = _drawn(5, decimals=1)
    times = np.random.default_rng(6).integers(0, 4, size=60)[drawn["firms"]]
    weights = times[None, :].astype(float)
    by_weight = alerts.weighted(_watch(*drawn.values()), weights)
    repeated = {name: np.repeat(column, times) for name, column in drawn.items()}
    copy = np.concatenate([np.arange(count) for count in times])
    repeated["firms"] = repeated["firms"] + 60 * copy
    by_firm = _measured(_watch(*repeated.values()))
    assert {name.removeprefix("model_") for name in by_weight} == by_firm.keys()
    for name, value in by_weight.items():
        assert value[0] == pytest.approx(by_firm[name.removeprefix("model_")], abs=1e-9), name


def test_the_median_is_numpys_where_weights_are_whole() -> None:
    # 40 hits of distinct leads among 100 rows, all of them alerted.
    random = np.random.default_rng(2)
    leads = np.where(np.arange(100) < 40, random.permutation(np.arange(30, 130))[:100], NEVER)
    terms = AlertTerms(alert_rate=0.5, horizon_days=184, min_lead_days=30, long_lead_days=90)
    prob = np.linspace(0.9, 0.1, 100)
    for hits in (39, 40):
        some = np.where(np.arange(100) < hits, leads, NEVER)
        found = _measured(_watch(range(100), np.zeros(100), some, prob, terms))
        assert found["lead_days"] == np.median(some[:hits])


def test_no_hit_leaves_no_lead_time() -> None:
    leads = [*[NEVER] * 9, 100]
    found = _measured(_watch(range(10), np.zeros(10), leads, np.linspace(0.9, 0.1, 10)))
    assert found["precision"] == 0
    assert np.isnan([found["lead_days"], found["long_lead_share"], found["false_per_hit"]]).all()


def test_rows_without_a_pd_are_alerted_last() -> None:
    prob = [NEVER, 0.9, *[0.1] * 8]
    leads = [100, 100, *[NEVER] * 8]
    found = _measured(_watch(range(10), np.zeros(10), leads, prob))
    assert found["precision"] == pytest.approx(1)
    assert found["recall"] == pytest.approx(0.5)
    # The first default is found at once, the other with all rows.
    assert found["pr_auc"] == pytest.approx((1 + 2 / 10) / 2)


def test_warnings_need_defaults_to_warn_of() -> None:
    with pytest.raises(NotReadyError, match="none of the 10 rows defaults within 184 days"):
        _watch(range(10), np.zeros(10), [185, *[NEVER] * 9], np.full(10, 0.1))
