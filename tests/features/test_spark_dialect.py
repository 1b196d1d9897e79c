"""The translation of DuckDB's SQL to Spark; the Spark tests check that results are equal."""

from pathlib import Path

import pytest
import sqlglot

from features.spark.dialect import spark_type, translate
from firmpulse import dbt_runner
from firmpulse.errors import BuildFailed
from firmpulse.settings import Settings

TABLES = {
    "facts": {
        "bookings": {
            "firm_id": "uuid",
            "day": "date",
            "due": "date",
            "at": "timestamp",
            "amount": "decimal(18,2)",
            "days": "integer",
            "place": "bigint",
        }
    }
}


@pytest.mark.parametrize(
    ("duckdb", "spark"),
    [
        # DuckDB divides into doubles, Spark into decimals of few places.
        ("amount / days", "CAST(bookings.amount AS DOUBLE) / CAST(bookings.days AS DOUBLE)"),
        ("avg(amount)", "AVG(CAST(bookings.amount AS DOUBLE))"),
        ("day - due", "DATEDIFF(bookings.day, bookings.due)"),
        ("day + place", "DATE_ADD(bookings.day, CAST(bookings.place AS INT))"),
        ("last_day(day) - 5", "DATE_SUB(LAST_DAY(bookings.day), CAST(5 AS INT))"),
        ("day - interval 3 month", "bookings.day - INTERVAL '3' MONTH"),
        ("day - to_months(days)", "bookings.day - MAKE_YM_INTERVAL(0, bookings.days)"),
        # The month boundaries between them, not the full months.
        (
            "datediff('month', due, day)",
            "((YEAR(bookings.day) - YEAR(bookings.due)) * 12 "
            "+ MONTH(bookings.day) - MONTH(bookings.due))",
        ),
        # Rows without a value give none.
        (
            "max_by(amount, day)",
            "MAX_BY(bookings.amount, bookings.day) FILTER(WHERE NOT bookings.amount IS NULL)",
        ),
        (
            "arg_min(amount, day) filter (where days > 1)",
            "MIN_BY(bookings.amount, bookings.day) "
            "FILTER(WHERE bookings.days > 1 AND NOT bookings.amount IS NULL)",
        ),
        ("any_value(amount)", "ANY_VALUE(bookings.amount) IGNORE NULLS"),
        ("sum(amount order by day)", "SUM(bookings.amount)"),
        (
            "list(days) filter (where days > 1)",
            "NULLIF(COLLECT_LIST(bookings.days) FILTER(WHERE bookings.days > 1), ARRAY())",
        ),
        (
            "list_position(['A', 'B'], firm_id)",
            "NULLIF(ARRAY_POSITION(ARRAY('A', 'B'), bookings.firm_id), 0)",
        ),
        ("list(days)[2]", "TRY_ELEMENT_AT(NULLIF(COLLECT_LIST(bookings.days), ARRAY()), 2)"),
        (
            "epoch_us(at)",
            "TIMESTAMPDIFF(MICROSECOND, CAST('1970-01-01 00:00:00' AS TIMESTAMP_NTZ), bookings.at)",
        ),
        (
            "not isfinite(place)",
            "NOT (ABS(bookings.place) < CAST('infinity' AS DOUBLE) AND NOT ISNAN(bookings.place))",
        ),
        ("cast(place as hugeint)", "CAST(bookings.place AS DECIMAL(38, 0))"),
        ("cast(firm_id as uuid)", "CAST(bookings.firm_id AS STRING)"),
    ],
)
def test_an_expression_means_the_same_on_spark(duckdb: str, spark: str) -> None:
    query = f"select {duckdb} as found from facts.bookings group by all"
    assert f"SELECT {spark} AS found FROM" in translate(query, TABLES, {"found": "double"})


def test_using_means_the_first_table() -> None:
    query = (
        "select a.day from facts.bookings as a left join facts.bookings as b using (day) "
        "left join facts.bookings as c using (day)"
    )
    found = translate(query, TABLES, {"day": "date"})
    assert "ON a.day = b.day" in found
    assert "ON a.day = c.day" in found


def test_a_model_has_the_types_of_its_contract() -> None:
    found = translate(
        "select firm_id, place from facts.bookings",
        TABLES,
        {"firm_id": "uuid", "place": "hugeint"},
    )
    assert found.startswith(
        "select cast(firm_id as STRING) as firm_id, cast(place as DECIMAL(38, 0)) as place from ("
    )
    assert spark_type("timestamp") == "TIMESTAMP_NTZ"


def test_a_function_without_a_rule_is_refused() -> None:
    with pytest.raises(
        BuildFailed, match=r"no rule translates list_zip\(\) for Spark; add one to feat"
    ):
        translate("select list_zip([days], [place]) as x from facts.bookings", TABLES, {"x": "int"})


def test_a_list_in_an_order_is_refused() -> None:
    with pytest.raises(BuildFailed, match="depends on an order, which Spark does not keep"):
        translate("select list(days order by day) as x from facts.bookings", TABLES, {"x": "int"})


@pytest.mark.slow
def test_every_model_is_translated(tmp_path: Path) -> None:
    models = ("path:models/facts", "path:models/features", "path:models/labels")
    compiled = dbt_runner._invoke(
        Settings(home=tmp_path), ["compile", "--select", *models, "--no-write-json"]
    )
    manifest = dbt_runner._manifest(Settings(home=tmp_path))
    tables: dict[str, dict[str, dict[str, str]]] = {}
    for node in [*manifest.nodes.values(), *manifest.sources.values()]:
        if node.resource_type in ("model", "source") and node.columns:
            columns = {name: column.data_type for name, column in node.columns.items()}
            tables.setdefault(node.schema, {})[node.name] = columns
    nodes = [result.node for result in compiled.results]
    found = {node.name: node for node in nodes if node.resource_type == "model"}
    assert len(found) == 52
    for name, node in found.items():
        sql = node.compiled_code.replace('"warehouse".', "")
        spark = translate(sql, tables, tables[node.schema][name])
        assert sqlglot.parse_one(spark, read="spark").named_selects == list(node.columns)


def test_a_query_that_names_no_known_column_is_refused() -> None:
    with pytest.raises(BuildFailed, match="cannot be translated for Spark"):
        translate("select nothing_of_that_name from facts.bookings", TABLES, {"x": "double"})
