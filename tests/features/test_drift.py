"""Drift of one feature, by hand."""

import math
from dataclasses import replace

import polars as pl
import pytest

from features import drift
from features.registry import FeatureMeta
from firmpulse import warehouse
from firmpulse.settings import Settings


def _meta(name: str, kind: str = "number") -> FeatureMeta:
    return FeatureMeta(
        name=name, view="feat_x", source="tax", dimension="scale", window="12m", unit="CNY",
        expected_sign="-", null_means="not observed", kind=kind, name_zh="名", name_en="name",
    )  # type: ignore[arg-type] # fmt: skip


def test_deciles_of_the_training_rows_are_the_bins_and_missing_has_its_own() -> None:
    # 1..100 and 25 without a value: ten bins of 8 % each, 20 % missing.
    column = pl.Series("sales", [float(n) for n in range(1, 101)] + [None] * 25)
    found = drift.reference(column, _meta("sales"))
    assert found.row_count == 125
    assert found.cuts == pytest.approx([10.9, 20.8, 30.7, 40.6, 50.5, 60.4, 70.3, 80.2, 90.1])
    assert found.shares == pytest.approx([0.08] * 10 + [0.2])
    assert found.missing_share == pytest.approx(0.2)


def test_the_index_of_a_number() -> None:
    before = drift.Reference("sales", 100, (10.0,), (), (0.5, 0.4, 0.1))
    # Four of ten at or below 10, four above, two missing.
    rows = pl.DataFrame({"sales": [1.0, 10.0, 3.0, 4.0, 11.0, 12.0, 13.0, 14.0, None, None]})
    (row,) = drift.measure(rows, [before]).to_dicts()
    expected = -0.1 * math.log(0.4 / 0.5) + 0.1 * math.log(0.2 / 0.1)
    assert row.pop("psi") == pytest.approx(expected)
    assert row == {
        "feature": "sales",
        "row_count": 10,
        "missing_share": 0.2,
        "reference_missing_share": 0.1,
    }


def test_fewer_missing_values_than_in_training_are_no_drift() -> None:
    """Half of the training rows had too short a history; those with a value are compared."""
    before = drift.Reference("sales", 100, (10.0,), (), (0.25, 0.25, 0.5))
    rows = pl.DataFrame({"sales": [1.0, 3.0, 4.0, 5.0, 11.0, 12.0, 13.0, 14.0, None, None]})
    (row,) = drift.measure(rows, [before]).to_dicts()
    assert row["psi"] == pytest.approx(0)
    moved = pl.DataFrame({"sales": [1.0, 3.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, None, None]})
    (row,) = drift.measure(moved, [before]).to_dicts()
    assert row["psi"] == pytest.approx(-0.25 * math.log(0.5) + 0.25 * math.log(1.5))
    assert (row["missing_share"], row["reference_missing_share"]) == (0.2, 0.5)


def test_what_moves_as_the_history_grows_is_known() -> None:
    seen = drift.Reference("sales", 100, (10.0,), (), (0.25, 0.25, 0.5))
    never = drift.Reference("sales", 100, (), (), (0.0, 1.0))
    assert not drift.moves_by_construction(seen, _meta("sales"))
    assert drift.moves_by_construction(never, _meta("sales"))
    assert drift.moves_by_construction(seen, replace(_meta("sales"), with_history=True))


def test_the_index_of_a_category_counts_new_and_rare_ones_together() -> None:
    column = pl.Series("industry", ["C"] * 50 + ["F"] * 40 + ["Z"] * 4 + [None] * 6)
    before = drift.reference(column, _meta("industry", "category"))
    assert before.categories == ("C", "F")
    assert before.shares == pytest.approx([0.5, 0.4, 0.04, 0.06])
    rows = pl.DataFrame({"industry": ["C"] * 50 + ["F"] * 40 + ["NEW"] * 4 + [None] * 6})
    (row,) = drift.measure(rows, [before]).to_dicts()
    assert row["psi"] == pytest.approx(0)


def test_a_bin_that_empties_is_bounded() -> None:
    before = drift.Reference("sales", 100, (10.0,), (), (0.5, 0.5, 0.0))
    (row,) = drift.measure(pl.DataFrame({"sales": [1.0, 2.0]}), [before]).to_dicts()
    assert row["psi"] == pytest.approx(
        0.5 * math.log(1 / 0.5) + (1e-4 - 0.5) * math.log(1e-4 / 0.5)
    )


def test_a_feature_that_is_gone_or_never_observed_is_missing() -> None:
    gone = drift.Reference("old", 100, (10.0,), (), (0.5, 0.4, 0.1))
    never = drift.reference(pl.Series("sales", [None, None], dtype=pl.Float64), _meta("sales"))
    assert never.shares == (0.0, 1.0)
    rows = pl.DataFrame({"sales": [None, 3.0]})
    by_name = {row["feature"]: row for row in drift.measure(rows, [gone, never]).to_dicts()}
    assert by_name["old"]["missing_share"] == 1
    assert by_name["sales"]["missing_share"] == 0.5
    assert by_name["sales"]["reference_missing_share"] == 1


def test_references_are_kept_as_they_were(settings: Settings) -> None:
    rows = pl.DataFrame(
        {"sales": [float(n) for n in range(20)], "industry": ["C"] * 12 + ["F"] * 8}
    )
    metas = (_meta("sales"), _meta("industry", "category"))
    with warehouse.connect(settings) as connection:
        drift.keep_references(connection, "d1", rows, metas)
        drift.keep_references(connection, "d1", rows.head(5), metas)
        kept = drift.references_of(connection, "d1")
        assert drift.references_of(connection, "d2") == ()
    assert {item.feature: item for item in kept} == {
        meta.name: drift.reference(rows[meta.name], meta) for meta in metas
    }
