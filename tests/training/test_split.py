from datetime import date

import polars as pl
import pytest

from firmpulse.errors import NotReadyError
from training.config import TrainingConfig
from training.split import assign, complete_snapshots, folds

CONFIG = TrainingConfig()
QUARTERS = [
    date(2024, 1, 31), date(2024, 4, 30), date(2024, 7, 31), date(2024, 10, 31),
    date(2025, 1, 31), date(2025, 4, 30), date(2025, 7, 31), date(2025, 10, 31),
]  # fmt: skip
AS_OF = date(2026, 10, 31)


def labels(bad_every: int = 4, firms: int = 80) -> pl.DataFrame:
    rows = [
        {
            "firm_id": f"firm-{firm:03}",
            "as_of": day,
            "outcome": "bad" if firm % bad_every == 0 else "good",
            "matured_at": day.replace(year=day.year + 1, day=5, month=day.month % 12 + 1)
            if day.month < 12
            else date(day.year + 2, 1, 5),
        }
        for day in QUARTERS
        for firm in range(firms)
    ]
    return pl.DataFrame(rows)


def test_out_of_time_is_latest_and_training_windows_close_before_it() -> None:
    found = assign(labels(), AS_OF, CONFIG)
    days = {split: set(part["as_of"]) for (split,), part in found.group_by("split")}
    # 2025-10-31 matures on 2026-11-05, after the date.
    assert days["oot"] == {date(2025, 4, 30), date(2025, 7, 31)}
    # Windows of 2024-04-30 close on 2025-04-30; later snapshots are left out.
    assert days["train"] == {date(2024, 1, 31), date(2024, 4, 30)}


def test_each_row_is_held_out_once_and_with_all_rows_of_its_firm() -> None:
    rows = assign(labels(firms=400), AS_OF, CONFIG).filter(pl.col("split") == "train")
    held_out: list[int] = []
    for seen, unseen in folds(rows, CONFIG.folds, CONFIG.seed):
        assert not set(rows[seen]["firm_id"]) & set(rows[unseen]["firm_id"])
        share = (rows[unseen]["outcome"] == "bad").mean()
        assert share == pytest.approx(0.25, abs=0.03)
        held_out += unseen.tolist()
    assert sorted(held_out) == list(range(rows.height))


def test_fewer_bad_firms_than_folds_are_refused_with_numbers() -> None:
    with pytest.raises(NotReadyError, match="76 good and 4 bad firms, at least 5 of each"):
        assign(labels(bad_every=20), AS_OF, CONFIG)


def test_indeterminate_outcomes_are_kept_apart() -> None:
    some = labels().with_columns(
        pl.when(pl.col("firm_id") == "firm-001")
        .then(pl.lit("indeterminate"))
        .otherwise("outcome")
        .alias("outcome")
    )
    found = assign(some, AS_OF, CONFIG).filter(pl.col("firm_id") == "firm-001")
    assert set(found["split"]) == {"excluded"}


def test_order_of_the_rows_does_not_matter() -> None:
    shuffled = labels().sample(fraction=1, shuffle=True, seed=1)
    assert assign(shuffled, AS_OF, CONFIG).equals(assign(labels(), AS_OF, CONFIG))


def test_out_of_time_reaches_back_until_it_holds_a_default() -> None:
    later = pl.col("as_of") >= date(2025, 4, 30)
    calm = labels().with_columns(
        pl.when(later).then(pl.lit("good")).otherwise("outcome").alias("outcome")
    )
    with pytest.raises(NotReadyError, match="label windows"):
        # Three snapshots out of time leave only 2024-01-31 for training.
        assign(calm.filter(pl.col("as_of") > date(2024, 1, 31)), AS_OF, CONFIG)
    found = assign(calm, AS_OF, CONFIG)
    oot = set(found.filter(pl.col("split") == "oot")["as_of"])
    assert oot == {date(2025, 1, 31), date(2025, 4, 30), date(2025, 7, 31)}


def test_a_snapshot_that_is_mostly_unknown_is_not_complete() -> None:
    late = labels().with_columns(
        pl.when((pl.col("as_of") == date(2025, 7, 31)) & (pl.col("firm_id") > "firm-070"))
        .then(date(2027, 1, 1))
        .otherwise("matured_at")
        .alias("matured_at")
    )
    assert complete_snapshots(labels(), AS_OF, CONFIG)[-1] == date(2025, 7, 31)
    assert complete_snapshots(late, AS_OF, CONFIG)[-1] == date(2025, 4, 30)


def test_too_few_snapshots_are_refused_with_numbers() -> None:
    with pytest.raises(NotReadyError, match=r"1 snapshots have a complete 12-month outcome"):
        assign(labels(), date(2025, 3, 1), CONFIG)


def test_no_default_at_all_is_refused() -> None:
    with pytest.raises(NotReadyError, match="have no defaults or no good firms"):
        assign(labels(bad_every=10_000).filter(pl.col("firm_id") != "firm-000"), AS_OF, CONFIG)
