"""The feature store's guarantees, on random deliveries with late rows and corrections."""

import random
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from unittest.mock import patch

import hypothesis
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from extracts import contracts
from features import build, registry, slices
from features.frame import frame
from firmpulse import warehouse
from firmpulse.errors import BuildFailed
from firmpulse.settings import Settings
from tests import vault_rows
from tests.features import random_rows
from tests.features.conftest import RANDOM_NIGHT
from tests.homes import know_tokens
from tests.sizes import EXHAUSTIVE, sized

pytestmark = pytest.mark.slow

BUILT = ("facts", "features", "labels", "watch")
NIGHTS = tuple(random_rows.end_of(seq) for seq in ((1, 3, 6) if EXHAUSTIVE else (2, 6)))


def test_the_random_rows_fill_every_raw_table() -> None:
    assert {t for t, rows in random_rows.make(1).items() if rows} == set(contracts.load())


def _home(tmp_path: Path, name: str) -> Settings:
    # One token key for all homes of a test, so that firm_ids agree.
    return Settings(home=tmp_path / name, memory_limit="2GB", token_key="ab" * 32)


def _night(settings: Settings, as_of: date, *, full_refresh: bool = False) -> None:
    build.build(settings, as_of, "all", full_refresh=full_refresh)


def _land_and_build(
    settings: Settings,
    rows: dict[str, list[random_rows.Row]],
    seqs: Sequence[int],
    nights: Sequence[date],
) -> None:
    """Land the rows up to each delivery in turn, and build its night."""
    landed = 0
    for seq, night in zip(seqs, nights, strict=True):
        _land(settings, rows, landed, seq)
        landed = seq
        _night(settings, night)


def _land(
    settings: Settings, rows: dict[str, list[random_rows.Row]], after: int, through: int
) -> None:
    fresh = random_rows.known_by(rows, through)
    vault_rows.fill(
        settings,
        {t: [r for r in table if r["delivery_seq"] > after] for t, table in fresh.items()},
    )


def _everything(settings: Settings, schemas: Sequence[str]) -> dict[str, pl.DataFrame]:
    """Return each table of the schemas, rows in a fixed order."""
    with warehouse.connect(settings) as connection:
        tables = connection.execute(
            "select schema_name, table_name from duckdb_tables() "
            "where database_name = 'warehouse' and list_contains(?, schema_name)",
            [list(schemas)],
        ).fetchall()
        return {
            f"{schema}.{table}": connection.execute(
                f"select columns(*)::varchar from warehouse.{schema}.{table} order by all"
            ).pl()
            for schema, table in sorted(tables)
        }


def _assert_same(left: dict[str, pl.DataFrame], right: dict[str, pl.DataFrame]) -> None:
    assert list(left) == list(right)
    for name, rows in left.items():
        assert_frame_equal(rows, right[name], check_row_order=True)


def test_incremental_nights_equal_a_full_refresh_and_a_rebuild_is_identical(
    tmp_path: Path,
) -> None:
    rows = random_rows.make(1)
    settings = _home(tmp_path, "home")
    seqs = [(night - random_rows.FIRST).days // 60 + 1 for night in NIGHTS]
    _land_and_build(settings, rows, seqs, NIGHTS)
    incremental = _everything(settings, BUILT)
    assert incremental["features.feat_tax_monthly"].height > 20
    # A division by zero is null, never infinite or NaN.
    texts = [column for table in incremental.values() for column in table]
    assert not any(column.is_in(["nan", "-nan", "inf", "-inf"]).any() for column in texts)

    _night(settings, NIGHTS[-1])
    _assert_same(_everything(settings, BUILT), incremental)

    _night(settings, NIGHTS[-1], full_refresh=True)
    _assert_same(_everything(settings, BUILT), incremental)


@given(
    seed=st.integers(10, 10_000),
    seqs=st.lists(st.integers(1, 6), min_size=2, max_size=4, unique=True),
    order=st.randoms(use_true_random=False),
)
@hypothesis.settings(max_examples=sized(1, 4), deadline=None)
def test_any_rows_landed_in_any_portions_give_what_a_full_refresh_gives(
    tmp_path_factory: pytest.TempPathFactory, seed: int, seqs: list[int], order: random.Random
) -> None:
    """Nights may also run for dates before others that have already run."""
    rows = random_rows.make(seed)
    settings = _home(tmp_path_factory.mktemp("any"), "home")
    nights = [random_rows.end_of(seq) for seq in seqs]
    order.shuffle(nights)
    _land_and_build(settings, rows, sorted(seqs), nights)
    incremental = _everything(settings, BUILT)
    _night(settings, nights[-1], full_refresh=True)
    _assert_same(_everything(settings, BUILT), incremental)


def test_nights_in_slices_equal_a_full_refresh_as_a_whole(tmp_path: Path) -> None:
    rows = random_rows.make(2)
    settings = _home(tmp_path, "home")
    landed = 0
    for night in NIGHTS:
        seq = (night - random_rows.FIRST).days // 60 + 1
        _land(settings, rows, landed, seq)
        landed = seq
        build.build(settings, night, "mask")
        # Three slices or more of each table. What a snapshot reads counts for each of them.
        with patch.object(slices, "rows_at_once", return_value=30):
            build.build(settings, night, "facts")
        with patch.object(slices, "rows_at_once", return_value=3000):
            build.build(settings, night, "features")
    in_slices = _everything(settings, BUILT)
    _night(settings, NIGHTS[-1], full_refresh=True)
    _assert_same(_everything(settings, BUILT), in_slices)


def test_an_interrupted_build_goes_on_with_the_slice_that_it_had_not_finished(
    random_home: Settings,
) -> None:
    """The sales of the firm with the last token are too large to add up, until corrected."""
    facts = "warehouse.facts.fct_tax_invoice_monthly"
    view = "warehouse.features.feat_invoice_monthly"
    of_last_firm = f"where firm_id = (select max(firm_id) from {facts})"

    def rebuild() -> None:
        with patch.object(slices, "rows_at_once", return_value=1000):
            build.backfill(random_home, ["feat_invoice_monthly"])

    def run(statement: str) -> list[tuple[object, ...]]:
        with warehouse.connect(random_home) as connection:
            return connection.execute(statement).fetchall()

    before = run(f"from {view} order by all")
    run(f"create table warehouse.main.kept as from {facts}")
    run(f"update {facts} set sales_cny = {'9' * 36} {of_last_firm}")
    with pytest.raises(BuildFailed, match="feat_invoice_monthly"):
        rebuild()
    assert run(f"from {view} order by all") == before

    run(f"update {view}__dbt_tmp set tax_sales_median_12m = -1")
    ((done,),) = run(f"select count(*) from {view}__dbt_tmp")
    assert 0 < int(str(done)) < len(before)
    run(f"delete from {facts}; insert into {facts} from warehouse.main.kept")
    rebuild()
    after = run(f"from {view} order by all")
    assert len(after) == len(before)
    # The first slices were not built a second time.
    assert run(f"select count(*) from {view} where tax_sales_median_12m = -1") == [(done,)]

    run("insert into warehouse.ops.nights values (date '2024-12-30')")
    build.backfill(random_home, ["feat_invoice_monthly"])
    assert run(f"from {view} order by all") == before
    assert run("select count(*) from duckdb_tables() where table_name like '%__dbt_tmp'") == [(0,)]


def test_what_became_known_later_changes_no_earlier_snapshot(
    settings: Settings, random_home: Settings
) -> None:
    cut = date(2024, 6, 30)
    # So that firm_ids agree.
    know_tokens(settings)
    known = {
        t: [r for r in table if r["available_at"] <= cut]
        for t, table in random_rows.make(3).items()
    }
    vault_rows.fill(settings, known)
    _night(settings, cut)
    tables = [("features", view) for view in registry.load(random_home).views()]
    tables += [
        ("watch", table)
        for table in ("watch_standing", "watch_bank_lenders", "watch_power_payments",
                      "watch_power_events")
    ]  # fmt: skip
    for schema, table in tables:
        left = vault_rows.features_of(settings, table, schema).filter(pl.col("as_of") <= cut)
        right = vault_rows.features_of(random_home, table, schema).filter(pl.col("as_of") <= cut)
        assert left.height > 0
        assert_frame_equal(left, right, check_exact=True)


def test_training_and_scoring_see_the_same_frame(random_home: Settings) -> None:
    names = registry.load(random_home)
    with warehouse.connect(random_home) as connection:
        spine = connection.execute(
            "select firm_id::varchar as firm_id, as_of from warehouse.features.firm_snapshots "
            "order by hash(as_of), firm_id"
        ).pl()
        training = frame(connection, names, spine)
        tonight = spine.filter(pl.col("as_of") == RANDOM_NIGHT)
        scoring = frame(connection, names, tonight)
        between = frame(connection, names, tonight.with_columns(as_of=pl.lit(date(2025, 1, 12))))
    assert scoring.height == 3
    same = training.join(tonight, on=["firm_id", "as_of"], how="semi")
    assert_frame_equal(same.sort("firm_id"), scoring.sort("firm_id"), check_exact=True)
    assert_frame_equal(between.drop("as_of"), scoring.drop("as_of"), check_exact=True)
