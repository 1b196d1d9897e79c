"""Rows as a firm looks that granted fewer sources: for learning, and for measuring their worth."""

from collections import Counter
from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
from polars.testing import assert_frame_equal

from features.permitted import withhold
from features.registry import FeatureMeta
from firmpulse.settings import Settings
from firmpulse.sources import MAIN_SOURCES, SUPPLEMENTS
from model.bundle import matrix_of
from tests.credit_economy import AS_OF, CONFIG, Trained
from training import boosted, frozen
from training.boosted import FeatureList
from training.frozen import FrozenFrame
from training.narrowed import again, narrowed, only_from, twice
from training.split import TRAIN

FIRMS = 12_000


def _meta(name: str, *sources: str) -> FeatureMeta:
    return FeatureMeta(
        name=name, view="v", source=sources[0] if sources else "profile", dimension="profile",
        window="12m", unit="1", expected_sign="U", null_means="none", kind="number",
        name_zh=name, name_en=name, sources=sources,
    )  # fmt: skip


METAS = (
    *(_meta(source, source) for source in (*MAIN_SOURCES, "founder_credit")),
    _meta("both", "tax", "bank"),
    _meta("age"),
    _meta("profile_source_count"),
)


def _rows(granted: dict[str, tuple[str, ...]]) -> pl.DataFrame:
    """Return two rows per firm: 1 for what its sources show, else null."""
    return pl.DataFrame(
        [
            {
                "firm_id": firm,
                **{s: 1.0 if s in sources else None for s in (*MAIN_SOURCES, "founder_credit")},
                "both": 1.0 if {"tax", "bank"} <= set(sources) else None,
                "age": 30.0,
                "profile_source_count": float(len(set(sources) & set(MAIN_SOURCES))),
            }
            for firm, sources in granted.items()
            for _ in range(2)
        ],
        schema={"firm_id": pl.String} | {meta.name: pl.Float64 for meta in METAS},
    )


def _left(rows: pl.DataFrame) -> list[tuple[str, ...]]:
    return [tuple(s for s in MAIN_SOURCES if row[s] is not None) for row in rows.to_dicts()]


def test_a_source_taken_away_is_not_observed() -> None:
    rows = pl.DataFrame({
        "firm_id": ["a", "b"],
        "tax": [1.0, 2.0],
        "bank": [3.0, 4.0],
        "profile_source_count": [4.0, 1.0],
    })  # fmt: skip
    grants = pl.DataFrame({"firm_id": ["a", "a", "b"], "source": ["tax", "power", "bank"]})
    assert only_from(rows, METAS, grants).to_dict(as_series=False) == {
        "firm_id": ["a", "b"],
        "tax": [1.0, None],
        "bank": [None, 4.0],
        "profile_source_count": [2.0, 1.0],
    }


def test_each_choice_of_fewer_sources_is_drawn_as_often_as_it_should() -> None:
    rows = _rows({f"firm {i:05}": ("tax", "bank", "power") for i in range(FIRMS)})
    found = narrowed(rows, METAS, seed=1)
    left = Counter(_left(found[::2]))
    # Either of three single sources or of three pairs, a sixth each.
    assert len(left) == 6
    assert all(abs(count / FIRMS - 1 / 6) < 0.02 for count in left.values())
    # Both rows of a firm lose the same sources.
    assert _left(found[::2]) == _left(found[1::2])
    assert found["both"].count() == sum({"tax", "bank"} <= set(sources) for sources in _left(found))
    assert found["profile_source_count"].to_list() == [float(len(s)) for s in _left(found)]
    assert found["age"].to_list() == rows["age"].to_list()


def test_a_firm_loses_only_sources_that_it_has_and_never_all() -> None:
    rows = _rows({
        "all": MAIN_SOURCES, "one": ("power",), "none": (), "founder": ("founder_credit", "bank"),
    })  # fmt: skip
    for seed in range(50):
        found = narrowed(rows, METAS, seed)
        by_firm = dict(zip(found["firm_id"], _left(found), strict=True))
        assert 1 <= len(by_firm["all"]) <= 3
        assert by_firm["one"] == ("power",)
        assert by_firm["none"] == ()
        assert by_firm["founder"] == ("bank",)
        founder = found.filter(pl.col("firm_id") == "founder")
        assert founder["founder_credit"].to_list() == [1.0, 1.0]


def _frame(rows: pl.DataFrame, short: pl.DataFrame | None = None) -> FrozenFrame:
    days = [date(2025, 3, 31), date(2025, 6, 30)] * (rows.height // 2)
    training = rows.with_columns(as_of=pl.Series(days), split=pl.lit(TRAIN))
    return FrozenFrame(
        AS_OF, "", "", METAS, training, training.height, "",
        short=training.clear() if short is None else short,
    )  # fmt: skip


def test_few_defaults_are_learnt_whole_alone() -> None:
    rows = _rows({f"firm {i}": ("tax", "bank") for i in range(40)}).with_columns(
        outcome=pl.when(pl.col("firm_id") < "firm 3").then(pl.lit("bad")).otherwise(pl.lit("good"))
    )
    frame = _frame(rows)
    bad_firms = rows.filter(pl.col("outcome") == "bad")["firm_id"].n_unique()
    enough = replace(CONFIG, narrow_from=bad_firms)
    assert again(frame, METAS, enough).equals(narrowed(frame.rows, METAS, CONFIG.seed))
    assert twice(frame, METAS, enough).height == 2 * rows.height
    # Rows of a firm count once.
    assert bad_firms < rows.filter(pl.col("outcome") == "bad").height
    few = replace(CONFIG, narrow_from=bad_firms + 1)
    assert again(frame, METAS, few).is_empty()
    assert twice(frame, METAS, few).equals(frame.rows)


def test_a_row_with_a_shorter_history_is_learnt_so_the_second_time() -> None:
    rows = _rows({f"firm {i}": ("bank",) for i in range(20)}).with_columns(outcome=pl.lit("bad"))
    whole = _frame(rows)
    short = whole.rows.filter(
        pl.col("firm_id").is_in(["firm 3", "firm 7"]) & (pl.col("as_of") == date(2025, 6, 30))
    ).with_columns(bank=pl.lit(0.25), age=pl.lit(None, dtype=pl.Float64))
    found = again(_frame(rows, short), METAS, replace(CONFIG, narrow_from=1))
    keys = ["firm_id", "as_of", "outcome", "split"]
    assert found.select(keys).equals(whole.rows.select(keys))
    changed = found.filter(pl.col("bank") != 1.0)
    assert changed.select("firm_id", "as_of", "bank", "age").rows() == [
        ("firm 3", date(2025, 6, 30), 0.25, None),
        ("firm 7", date(2025, 6, 30), 0.25, None),
    ]
    # One source stays: nothing is taken away from firms that have one.
    others = found.join(changed, on=["firm_id", "as_of"], how="anti")
    assert others.equals(whole.rows.join(changed, on=["firm_id", "as_of"], how="anti"))


def test_the_draw_is_of_the_firm_and_the_seed_not_of_the_order() -> None:
    rows = _rows({f"firm {i}": ("tax", "bank", "power") for i in range(200)})
    found = narrowed(rows, METAS, seed=1)
    turned = narrowed(rows.reverse(), METAS, seed=1).reverse()
    assert_frame_equal(found, turned)
    assert not found.equals(narrowed(rows, METAS, seed=2))


def test_a_narrowed_training_row_is_the_row_that_scoring_would_read(trained: Trained) -> None:
    """The same firm and date, scored with the grants that stayed: equal to the last bit."""
    rows = frozen.read(trained.settings, AS_OF).part(TRAIN)
    listed = boosted.candidate_features(frozen.read(trained.settings, AS_OF).learnable)
    learnt = narrowed(rows, listed.definitions, CONFIG.seed)
    left = pl.DataFrame({
        "firm_id": rows["firm_id"],
        **{
            source: learnt.select(
                pl.any_horizontal(
                    pl.col(f.name).is_not_null()
                    for f in listed.definitions
                    if f.sources == (source,)
                )
            ).to_series()
            for source in MAIN_SOURCES
            if any(f.sources == (source,) for f in listed.definitions)
        },
    })  # fmt: skip
    main = left.unpivot(index="firm_id", variable_name="source", value_name="stays")
    extra = rows.select("firm_id").join(pl.DataFrame({"source": SUPPLEMENTS}), how="cross")
    grants = pl.concat([main.filter("stays").select("firm_id", "source"), extra]).unique()
    scored = withhold(rows, listed.definitions, grants)
    matrices = [
        matrix_of(part, listed.names, listed.categorical).drop("profile_source_count", strict=False)
        for part in (learnt, scored)
    ]
    assert_frame_equal(*matrices, check_exact=True)
    whole = matrix_of(rows, listed.names, listed.categorical)
    assert not whole.equals(matrices[0])


def test_a_firm_with_the_bank_alone_gets_the_level_of_its_bank_although_none_was_in_the_sample(
    settings: Settings,
) -> None:
    random = np.random.default_rng(3)
    bad = random.random(6_000) < 0.1
    rows = pl.DataFrame({
        "firm_id": [f"{i:05}" for i in range(6_000)],
        "outcome": np.where(bad, "bad", "good").tolist(),
        "tax": bad + random.normal(size=6_000),
        "bank": bad + random.normal(size=6_000),
    })  # fmt: skip
    listed = FeatureList(("tax", "bank"), (), (0, 0), METAS[:2])
    alone = rows.with_columns(tax=pl.lit(None, dtype=pl.Float64))

    def observed_expected(learnt: pl.DataFrame) -> float:
        trees = boosted.fit_trees(learnt, listed, {"iterations": 150, "depth": 3}, settings, 1)
        logit = boosted.raw_logit(trees, alone, listed, settings)
        return float(bad.sum() / (1 / (1 + np.exp(-logit))).sum())

    assert observed_expected(rows) > 1.5
    twice = pl.concat([rows, narrowed(rows, METAS, seed=1)])
    assert 0.9 < observed_expected(twice) < 1.1
