"""A firm's score has the same bits for any other firms in the batch."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date

import numpy as np
import polars as pl
import pytest
from catboost import CatBoostClassifier
from hypothesis import given, settings
from hypothesis import strategies as st

from features.registry import FeatureMeta
from firmpulse.scale import FloatArray
from model import bundle, stress
from model.bundle import Bundle, CreditModel
from model.calibration import Beta, Calibration, Isotonic, Platt
from model.linear import Linear, Term, row_sums
from model.reasons import DIMENSIONS
from scoring import batch
from training.scorecard import Characteristic, Scorecard

AS_OF = date(2026, 10, 31)
FIRMS, NUMBERS = 300, 119
INDUSTRY = "profile_industry"
LEVELS = ("C17", "F51", "I65")
SOURCES = ("tax", "bank", "power")
UNDER_SALES = (None, "proportional", "inverse", "growth", "margin", "inverse_share", "inverse")


def _meta(place: int) -> FeatureMeta:
    return FeatureMeta(
        name=f"feature_{place:03}", view="v", source=SOURCES[place % 3],
        dimension=DIMENSIONS[place % 4], window="12m", unit="1", expected_sign="U",
        null_means="not observed", kind="number", name_zh=f"指标{place}",
        name_en=f"feature {place}", under_sales=UNDER_SALES[place % 7],
    )  # fmt: skip


METAS = (
    *(_meta(place) for place in range(NUMBERS)),
    replace(_meta(NUMBERS), name=INDUSTRY, kind="category", dimension="profile", under_sales=None),
)
NAMES = tuple(meta.name for meta in METAS)


def _firms() -> pl.DataFrame:
    random = np.random.default_rng(11)
    values = random.lognormal(size=(FIRMS, NUMBERS))
    values[random.random(values.shape) < 0.2] = np.nan
    return pl.DataFrame(values, schema=list(NAMES[:-1])).with_columns(
        pl.col(NAMES[:-1]).fill_nan(None),
        pl.Series(INDUSTRY, random.choice([*LEVELS, "G54"], size=FIRMS)),
        firm_id=pl.format("firm-{}", pl.int_range(FIRMS)),
        as_of=pl.lit(AS_OF),
        coverage=pl.lit("full"),
        supplements=pl.lit([], dtype=pl.List(pl.String)),
        grants=pl.lit(["A-1"], dtype=pl.List(pl.String)),
        in_default=pl.int_range(FIRMS) % 50 == 0,
        is_individual=pl.lit(value=False),
        profile_observed_months=pl.lit(24.0),
        profile_source_count=pl.lit(4.0),
    )


def _linear(seed: int) -> Linear:
    random = np.random.default_rng(seed)
    grid = tuple(np.linspace(0, 1, 41).tolist())
    numbers = [
        Term(name, tuple(np.sort(random.lognormal(size=41)).tolist()), grid, (),
             tuple(random.normal(size=2).tolist()), float(random.normal()))
        for name in NAMES[:-1]
    ]  # fmt: skip
    industry = Term(INDUSTRY, (), (), LEVELS, tuple(random.normal(size=3).tolist()), 0.1)
    return Linear(-2.7, (*numbers, industry))


def _bundle(calibration: Calibration, linear: Linear | None) -> Bundle:
    return Bundle(NAMES, (INDUSTRY,), calibration, AS_OF, "digest", 2, 7, linear)


def _trees(firms: pl.DataFrame) -> CreditModel:
    risk = (
        firms["feature_003"].fill_null(1).to_numpy() + firms["feature_008"].fill_null(0).to_numpy()
    )
    bad = (risk > np.quantile(risk, 0.8)).astype(np.float64)
    pool = bundle.pool_of(bundle.matrix_of(firms, NAMES, (INDUSTRY,)), (INDUSTRY,), bad)
    trees = CatBoostClassifier(
        iterations=80, depth=4, thread_count=2, random_seed=7, verbose=False,
        allow_writing_files=False,
    ).fit(pool)  # fmt: skip
    return CreditModel(_bundle(Beta(0.9, 1.2, -0.1), None), trees)


ROWS = _firms()
ISOTONIC = Isotonic((-4.0, -2.2, 0.3), (-5.1, -2.0, 0.7), 0.8)
MODELS = {
    "linear": CreditModel(_bundle(Platt(0.93, -0.21), _linear(1))),
    "linear, straight lines": CreditModel(_bundle(ISOTONIC, _linear(2))),
    "trees": _trees(ROWS),
    "segmented": CreditModel(
        replace(_bundle(Platt(1.1, 0.05), _linear(3)), segment_by=INDUSTRY),
        segments={"F51": CreditModel(_bundle(Beta(0.9, 1.2, -0.1), _linear(4)))},
    ),
}


@st.composite
def _chosen(draw: st.DrawFn) -> list[int]:
    """Return positions of firms: one, few or many, in any order."""
    count = draw(st.one_of(st.just(1), st.integers(2, 9), st.integers(10, FIRMS)))
    order = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).permutation(FIRMS)
    return [int(place) for place in order[:count]]


def _published(model: CreditModel, firms: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    found = batch.score_firms(model, METAS, firms, AS_OF)
    return found.scores.sort("firm_id"), found.reasons.sort("firm_id", "rank")


@pytest.mark.parametrize("kind", MODELS)
def test_every_published_number_of_a_firm_is_its_own(kind: str) -> None:
    model = MODELS[kind]
    scores, reasons = _published(model, ROWS)
    assert reasons.height > FIRMS

    @settings(max_examples=25)
    @given(_chosen())
    def check(places: list[int]) -> None:
        firms = ROWS[places]
        some_scores, some_reasons = _published(model, firms)
        theirs = pl.col("firm_id").is_in(firms["firm_id"].to_list())
        assert some_scores.equals(scores.filter(theirs))
        assert some_reasons.equals(reasons.filter(theirs))

    check()


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("rows_at_once", [1, 7, 64])
def test_shap_in_batches_of_any_size_is_the_same(
    kind: str, rows_at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = MODELS[kind].contributions(ROWS)
    monkeypatch.setattr(bundle, "SHAP_BATCH_ROWS", rows_at_once)
    assert MODELS[kind].contributions(ROWS).tobytes() == whole.tobytes()


def _card() -> Scorecard:
    random = np.random.default_rng(5)
    items = [
        Characteristic(name, (0.5, 1.0, 2.0), tuple(random.normal(size=5).tolist()),
                       float(random.normal()), (0,) * 5)
        for name in NAMES[:-1]
    ]  # fmt: skip
    return Scorecard(-2.9, tuple(items), AS_OF, "digest")


def _predictions() -> Iterator[tuple[str, Callable[[pl.DataFrame], FloatArray]]]:
    yield "scorecard", _card().default_prob
    for kind, model in MODELS.items():
        for scenario in stress.SCENARIOS[:2]:
            yield (
                f"{kind}, {scenario.name}",
                lambda rows, model=model, scenario=scenario: model.default_prob(
                    stress.shocked(rows, METAS, scenario)
                ),
            )


@pytest.mark.parametrize(("name", "predict"), list(_predictions()))
def test_probabilities_of_scorecards_and_under_stress_are_too(
    name: str, predict: Callable[[pl.DataFrame], FloatArray]
) -> None:
    whole = predict(ROWS)

    @settings(max_examples=10)
    @given(_chosen())
    def check(places: list[int]) -> None:
        assert predict(ROWS[places]).tobytes() == whole[places].tobytes()

    check()


def test_log_odds_are_added_up_term_by_term() -> None:
    """In plain floating point, without batches."""
    linear, matrix = _linear(1), bundle.matrix_of(ROWS, NAMES, (INDUSTRY,))
    encoded = [term.encode(matrix[term.feature]).tolist() for term in linear.terms]
    expected = []
    for firm in range(FIRMS):
        total = 0.0
        for term, columns in zip(linear.terms, encoded, strict=True):
            push = 0.0
            for value, weight in zip(columns[firm], term.coefficients, strict=True):
                push += value * weight
            total += push - term.centre
        expected.append(linear.intercept + total)
    assert linear.logit(matrix).tolist() == expected


@settings(max_examples=50)
@given(st.integers(1, 130), st.integers(0, 2**32 - 1), st.sampled_from("CF"))
def test_a_row_is_added_up_from_its_first_column_to_its_last(
    width: int, seed: int, order: str
) -> None:
    table = np.random.default_rng(seed).lognormal(sigma=9, size=(9, width))
    expected = []
    for row in table.tolist():
        total = 0.0
        for value in row:
            total += value
        expected.append(total)
    assert row_sums(np.asarray(table, order=order)).tolist() == expected  # type: ignore[call-overload]
