"""The search of hyper-parameters: a pure function, and not misled by luck."""

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import polars as pl
import pytest
from scipy.stats import norm, ttest_1samp
from sklearn.metrics import log_loss

from tests.credit_economy import AS_OF, Trained
from training import boosted, frozen, split, tuning
from training.config import DEFAULT
from training.frozen import FrozenFrame
from training.narrowed import narrowed
from training.split import TRAIN

QUICK = MappingProxyType(
    {
        "iterations": 40, "depth": 3, "learning_rate": 0.1, "l2_leaf_reg": 8.0, "rsm": 0.5,
        "early_stopping_rounds": 10,
    }
)  # fmt: skip
CONFIG = replace(DEFAULT, boosting=QUICK, trials=4, folds=3)


@pytest.fixture(scope="module")
def rows(trained: Trained) -> pl.DataFrame:
    """Return the training rows of the economy."""
    return frozen.read(trained.settings, AS_OF).part(TRAIN)


@pytest.fixture(scope="module")
def frame(trained: Trained) -> FrozenFrame:
    """Return the frozen frame of the economy."""
    return frozen.read(trained.settings, AS_OF)


@pytest.fixture(scope="module")
def listed(trained: Trained) -> boosted.FeatureList:
    """Return the candidate's features."""
    return boosted.candidate_features(frozen.read(trained.settings, AS_OF).learnable)


def test_a_search_is_repeated_to_the_bit(
    trained: Trained, frame: FrozenFrame, listed: boosted.FeatureList
) -> None:
    first = tuning.search(trained.settings, frame, listed, CONFIG)
    second = tuning.search(trained.settings, frame, listed, CONFIG)
    assert first.best == second.best
    assert first.trials.equals(second.trials)
    assert first.trials["trial"].to_list() == [0, 1, 2, 3]
    assert first.trials.row(0, named=True) | {"depth": 3, "rsm": 0.5} == first.trials.row(
        0, named=True
    )
    assert first.trials["depth"].is_between(2, 5).all()


def test_firms_held_out_are_predicted_by_whole_models(
    trained: Trained, rows: pl.DataFrame, listed: boosted.FeatureList
) -> None:
    """A model that is cut at fewer trees has another level than the candidate."""
    config = replace(CONFIG, boosting=MappingProxyType({**QUICK, "iterations": 300}), narrow_from=1)
    again = narrowed(rows, listed.definitions, config.seed)
    held_out = boosted.hold_out(trained.settings, rows, again, listed, config)
    counts = []
    for seen, unseen in split.folds(rows, config.folds, config.seed):
        whole = boosted.fit_trees(
            pl.concat([rows[seen], again[seen]]), listed, config.boosting, trained.settings,
            config.seed, stop_on=pl.concat([rows[unseen], again[unseen]]),
        )  # fmt: skip
        counts.append(whole.tree_count_)
        expected = boosted.raw_logit(whole, rows[unseen], listed, trained.settings)
        assert held_out.raw_logit[unseen].tobytes() == expected.tobytes()
    assert held_out.tree_count == np.median(counts) < max(counts)


def test_losses_are_those_of_firms_held_out(
    trained: Trained, frame: FrozenFrame, rows: pl.DataFrame, listed: boosted.FeatureList
) -> None:
    found = tuning.search(trained.settings, frame, listed, replace(CONFIG, trials=1))
    held_out = boosted.hold_out(trained.settings, rows, rows.clear(), listed, CONFIG)
    prob = 1 / (1 + np.exp(-held_out.raw_logit))
    assert found.trials["log_loss"][0] == pytest.approx(log_loss(frozen.bads_of(rows), prob))
    assert found.held_out is not None
    assert found.held_out.raw_logit.tobytes() == held_out.raw_logit.tobytes()


def test_a_lucky_trial_is_not_taken_and_a_better_one_is() -> None:
    trials = pl.DataFrame(
        {
            "trial": [0, 1, 2],
            "log_loss": [0.120, 0.118, 0.125],
            "gain": [0.0, 0.002, -0.005],
            "standard_error": [0.0, 0.0015, 0.001],
        }
    )
    # 1.33 standard errors. One-sided and shared by two, 10 % begins at 1.645, 20 % at 1.28.
    assert tuning._chosen(trials, 0.10) == 0
    assert tuning._chosen(trials, 0.20) == 1
    surer = trials.with_columns(standard_error=pl.Series([0.0, 0.001, 0.001]))
    # 2 standard errors: beyond 1.96, where 5 % shared by two begins, and not beyond 2.24.
    assert tuning._chosen(surer, 0.05) == 1
    assert tuning._chosen(surer, 0.025) == 0


def test_a_gain_is_paired_by_firm(
    trained: Trained, frame: FrozenFrame, rows: pl.DataFrame, listed: boosted.FeatureList
) -> None:
    far = replace(CONFIG, trials=2, boosting=QUICK | {"rsm": 1.0, "depth": 2})
    found = tuning.search(trained.settings, frame, listed, far).trials
    losses = []
    for trial in found.iter_rows(named=True):
        names = ("depth", "learning_rate", "l2_leaf_reg", "rsm")
        boosting = QUICK | {name: trial[name] for name in names}
        config = replace(CONFIG, boosting=boosting)
        raw = boosted.hold_out(trained.settings, rows, rows.clear(), listed, config).raw_logit
        losses.append(np.logaddexp(0, raw) - frozen.bads_of(rows) * raw)
    gains = pl.DataFrame({"firm": rows["firm_id"], "gain": losses[0] - losses[1]})
    by_firm = gains.group_by("firm").agg(pl.col("gain").sum())["gain"].to_numpy()
    # The t statistic of the firms' sums, by another route.
    ratio = found["gain"][1] / found["standard_error"][1]
    assert ratio == pytest.approx(ttest_1samp(by_firm, 0).statistic)
    assert norm.isf(0.05) == pytest.approx(1.645, abs=1e-3)


def test_without_trials_nothing_is_searched_and_large_samples_are_cut(
    trained: Trained, frame: FrozenFrame, rows: pl.DataFrame, listed: boosted.FeatureList
) -> None:
    none = tuning.search(trained.settings, frame, listed, replace(CONFIG, trials=0))
    assert none.best == QUICK
    assert none.held_out is None
    assert none.trials.is_empty()
    part = tuning._part_of(rows, replace(CONFIG, trial_rows=rows.height // 2))
    assert rows.height * 0.4 < part.height < rows.height * 0.6
    # Whole firms, in their original order.
    whole = rows.join(part.select("firm_id").unique(), on="firm_id", how="semi")
    assert part.equals(whole)
    cut = replace(CONFIG, trials=1, trial_rows=rows.height // 2)
    assert tuning.search(trained.settings, frame, listed, cut).held_out is None
