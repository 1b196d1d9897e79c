"""The matrix builder on a hand-made store: which snapshot each row of a spine gets."""

from dataclasses import replace
from datetime import date

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from features import needed
from features.frame import frame
from features.permitted import withhold
from features.registry import FeatureMeta, Registry, from_manifest
from firmpulse import warehouse
from firmpulse.errors import ContractError, NotReadyError
from firmpulse.settings import Settings
from tests.credit_economy import Trained, trained_copy

A, B = "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"
STRANGER = "00000000-0000-0000-0000-00000000000f"


def _meta(name: str, view: str, kind: str = "number") -> FeatureMeta:
    return FeatureMeta(
        name=name, view=view, source="tax", dimension="scale", window="12m", unit="CNY",
        expected_sign="-", null_means="not observed", kind=kind, name_zh="名", name_en="name",
    )  # type: ignore[arg-type] # fmt: skip


REGISTRY = Registry(
    (
        _meta("sales", "feat_one"),
        _meta("industry", "feat_one", "category"),
        _meta("kwh", "feat_two"),
    )
)


@pytest.fixture
def store(settings: Settings) -> Settings:
    """Return a home with two views: A at three month ends, B at one."""
    with warehouse.connect(settings) as connection:
        connection.execute("create schema warehouse.features")
        connection.execute(
            f"""
            create table warehouse.features.firm_snapshots as
            select firm_id::uuid as firm_id, as_of::date as as_of from (values
                ('{A}', '2024-01-31'), ('{A}', '2024-02-29'), ('{A}', '2024-04-30'),
                ('{B}', '2024-02-29')
            ) as t(firm_id, as_of)
            """
        )
        connection.execute(
            "create table warehouse.features.feat_one as "
            "select *, month(as_of) * 10.0::double as sales, 'M' || month(as_of) as industry "
            "from warehouse.features.firm_snapshots"
        )
        connection.execute(
            "create table warehouse.features.feat_two as "
            "select *, case when month(as_of) = 4 then 4.5::double end as kwh "
            "from warehouse.features.firm_snapshots"
        )
    return settings


def _spine(*rows: tuple[str, date]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["firm_id", "as_of"], orient="row")


def test_each_row_gets_the_newest_snapshot_up_to_its_date(store: Settings) -> None:
    spine = _spine(
        (A, date(2024, 4, 29)),
        (STRANGER, date(2024, 4, 30)),
        (A, date(2024, 4, 30)),
        (A, date(2024, 1, 30)),
        (B, date(2024, 12, 31)),
        (A, date(2024, 4, 30)),
    ).with_columns(note=pl.int_range(6))
    with warehouse.connect(store) as connection:
        found = frame(connection, REGISTRY, spine, with_snapshot=True)
    assert found.columns == [
        "firm_id", "as_of", "note", "snapshot_on", "sales", "industry", "kwh",
    ]  # fmt: skip
    assert found["note"].to_list() == [0, 1, 2, 3, 4, 5]
    assert found.select("snapshot_on", "sales", "industry", "kwh").rows() == [
        (date(2024, 2, 29), 20.0, "M2", None),
        (None, None, None, None),
        (date(2024, 4, 30), 40.0, "M4", 4.5),
        (None, None, None, None),
        (date(2024, 2, 29), 20.0, "M2", None),
        (date(2024, 4, 30), 40.0, "M4", 4.5),
    ]


def test_a_snapshot_that_is_too_old_counts_as_none(store: Settings) -> None:
    # 29 February is 30 days before 30 March.
    spine = _spine((A, date(2024, 3, 30)), (A, date(2024, 3, 31)), (B, date(2024, 2, 29)))
    with warehouse.connect(store) as connection:
        found = frame(connection, REGISTRY, spine, ["sales"], max_age_days=30)
        same_day = frame(connection, REGISTRY, spine, ["sales"], max_age_days=0)
    assert found["sales"].to_list() == [20.0, None, 20.0]
    assert same_day["sales"].to_list() == [None, None, 20.0]


def test_features_come_in_the_wished_order_or_by_view(store: Settings) -> None:
    spine = _spine((A, date(2024, 4, 30)))
    with warehouse.connect(store) as connection:
        listed = frame(connection, REGISTRY, spine, ["kwh", "sales"])
        by_view = frame(connection, REGISTRY, spine, REGISTRY.names(view="feat_one"))
        none = frame(connection, REGISTRY, spine, [])
        empty = frame(connection, REGISTRY, spine.clear())
    assert listed.row(0)[2:] == (4.5, 40.0)
    assert by_view.columns[2:] == ["sales", "industry"]
    assert none.columns == ["firm_id", "as_of"]
    assert empty.schema["sales"] == pl.Float64
    assert empty.schema["industry"] == pl.String
    with pytest.raises(KeyError, match="no feature view 'feat_three'; use one of feat_one"):
        REGISTRY.names(view="feat_three")
    with warehouse.connect(store) as connection, pytest.raises(KeyError, match="features list"):
        frame(connection, REGISTRY, spine, ["turnover"])


def test_arrow_in_gives_the_same_as_arrow(store: Settings) -> None:
    spine = _spine((A, date(2024, 4, 30)), (B, date(2024, 1, 1))).with_columns(note=pl.lit(1))
    with warehouse.connect(store) as connection:
        expected = frame(connection, REGISTRY, spine)
        found = frame(connection, REGISTRY, spine.to_arrow())
    assert isinstance(found, pa.Table)
    assert pl.from_arrow(found).equals(expected)


@pytest.mark.parametrize(
    ("spine", "message"),
    [
        (pl.DataFrame({"firm_id": [A]}), "the spine lacks as_of"),
        (_spine((A, date(2024, 1, 1))).with_columns(as_of=None), "rows without as_of"),
        (_spine(("91440300192203821K", date(2024, 1, 1))), "a firm_id that is not a token"),
        (pl.DataFrame({"firm_id": [A], "as_of": ["31.1.2024"]}), "an as_of that is not a date"),
    ],
)
def test_a_spine_that_cannot_be_matched_is_told(
    store: Settings, spine: pl.DataFrame, message: str
) -> None:
    with warehouse.connect(store) as connection, pytest.raises(ContractError, match=message):
        frame(connection, REGISTRY, spine)


@pytest.mark.parametrize("form", ["polars", "arrow"])
@pytest.mark.parametrize(
    ("own", "with_snapshot", "message"),
    [
        ("kwh", False, r"already has 1 of the columns that are added \(first: kwh\)"),
        ("snapshot_on", True, r"first: snapshot_on"),
    ],
)
def test_a_spine_with_a_column_named_like_a_feature_is_refused(
    store: Settings, form: str, own: str, with_snapshot: bool, message: str
) -> None:
    rows = _spine((A, date(2024, 4, 30))).with_columns(pl.lit(7.0).alias(own))
    spine = rows if form == "polars" else rows.to_arrow()
    with warehouse.connect(store) as connection:
        with pytest.raises(ContractError, match=message):
            frame(connection, REGISTRY, spine, ["sales", "kwh"], with_snapshot=with_snapshot)
        kept = frame(connection, REGISTRY, rows, ["sales"])
    assert kept.select(own, "sales").rows() == [(7.0, 40.0)]


def test_an_arrow_spine_with_two_columns_of_one_name_is_refused(store: Settings) -> None:
    spine = _spine((A, date(2024, 4, 30))).to_arrow().append_column("firm_id", pa.array(["x"]))
    with (
        warehouse.connect(store) as connection,
        pytest.raises(ContractError, match="the spine has two columns firm_id"),
    ):
        frame(connection, REGISTRY, spine)


def test_a_column_named_like_the_mark_of_a_grant_is_refused() -> None:
    rows = pl.DataFrame({"firm_id": [A], "sales": [1.0], "granted tax": [True]})
    granted = pl.DataFrame({"firm_id": [B], "source": ["tax"]})
    meta = replace(_meta("sales", "feat_one"), sources=("tax",))
    assert withhold(rows.drop("granted tax"), [meta], granted)["sales"].to_list() == [None]
    with pytest.raises(ContractError, match="a column is named 'granted tax'"):
        withhold(rows, [meta], granted)


def test_a_view_with_days_of_its_own_gives_its_newest_row_while_that_is_valid(
    store: Settings,
) -> None:
    with warehouse.connect(store) as connection:
        connection.execute(
            f"""
            create table warehouse.features.loan_terms as
            select firm_id::uuid as firm_id, as_of::date as as_of, amount::double as amount
            from (values
                ('{A}', '2024-01-10', 100), ('{A}', '2024-02-10', null), ('{A}', '2024-03-10', 300),
                ('{STRANGER}', '2024-03-10', 900)
            ) as t(firm_id, as_of, amount)
            """
        )
        terms = replace(_meta("amount", "loan_terms"), valid_days=20)
        known = Registry((*REGISTRY.features, terms))
        spine = _spine(
            (A, date(2024, 1, 9)),
            (A, date(2024, 1, 10)),
            (A, date(2024, 1, 30)),
            (A, date(2024, 1, 31)),
            (A, date(2024, 2, 15)),
            (A, date(2024, 3, 30)),
            (B, date(2024, 3, 30)),
            # No snapshot is needed.
            (STRANGER, date(2024, 3, 12)),
        )
        found = frame(connection, known, spine, ["sales", "amount"])
    assert found["amount"].to_list() == [None, 100, 100, None, None, 300, None, 900]
    assert found["sales"].to_list() == [None, None, None, 10, 10, 20, 20, None]


def test_two_views_with_a_feature_of_one_name_are_refused() -> None:
    meta = {
        "name_zh": "名", "dimension": "scale", "window": "12m", "unit": "CNY",
        "expected_sign": "-", "null_means": "not observed", "bounds": [0, 1],
    }  # fmt: skip
    column = {
        "name": "sales", "description": "Sales", "data_type": "double", "config": {"meta": meta},
    }  # fmt: skip
    nodes = {
        view: {
            "resource_type": "model", "name": view, "columns": {"sales": column},
            "config": {"meta": {"feature_source": "tax"}},
        }
        for view in ("feat_one", "feat_two")
    }  # fmt: skip
    with pytest.raises(ContractError, match=r"feat_one\.yml and feat_two\.yml both define sales"):
        from_manifest({"nodes": nodes})


def test_any_spine_agrees_with_a_join_by_inequality(store: Settings) -> None:
    days = [date(2024, month, day) for month in range(1, 6) for day in (1, 15, 28)]
    spine = _spine(*[(firm, day) for firm in (A, B, STRANGER) for day in days])
    with warehouse.connect(store) as connection:
        found = frame(connection, REGISTRY, spine, ["sales"])
        connection.register("spine_by_hand", spine)
        expected = _by_inequality(connection)
    assert found["sales"].to_list() == expected
    assert found["sales"].null_count() == 15 + 6 + 3


def _by_inequality(connection: duckdb.DuckDBPyConnection) -> list[float | None]:
    rows = connection.execute(
        """
        select sales from spine_by_hand as spine
        left join warehouse.features.feat_one as one
            on one.firm_id::varchar = spine.firm_id and one.as_of <= spine.as_of
        qualify row_number() over (
            partition by spine.firm_id, spine.as_of order by one.as_of desc
        ) = 1
        order by spine.firm_id, spine.as_of
        """
    ).fetchall()
    return [sales for (sales,) in rows]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Return the trained economy."""
    return trained_copy(tmp_path_factory)


def test_a_model_version_tells_what_it_needs(trained: Trained, settings: Settings) -> None:
    found = needed.of_version(trained.settings, trained.candidate.version)
    assert len(found) == trained.candidate.features
    assert found == needed.of_version(trained.settings, "challenger")
    with pytest.raises(NotReadyError, match="no version '99'"):
        needed.of_version(trained.settings, "99")
    with pytest.raises(NotReadyError, match="no version 'champion'"):
        needed.of_version(settings, "champion")
