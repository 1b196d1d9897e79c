"""Translates the SQL of the models from DuckDB's dialect to Spark's.

sqlglot supports both dialects and the types of all columns; the rules here cover the rest. Most are
about types: DuckDB's division gives doubles, the difference of two dates is a number of days, and
it skips nulls where Spark does not.
"""

from collections.abc import Mapping
from typing import ClassVar

import sqlglot
from sqlglot import exp, transforms
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.dialects.spark import Spark
from sqlglot.errors import ErrorLevel, SqlglotError
from sqlglot.generators.spark import SparkGenerator
from sqlglot.optimizer.annotate_types import TypeAnnotator, annotate_types
from sqlglot.optimizer.qualify import qualify

from firmpulse.errors import BuildFailed

Columns = Mapping[str, str]
"""Name of a column → its DuckDB type."""

# Functions that Spark has and sqlglot does not, or that features.spark.build adds.
_ON_SPARK = {
    "array_position", "array_repeat", "bit_count", "date_add", "date_sub", "link_graph",
    "make_ym_interval", "spring_festival", "trade_graph", "try_element_at",
}  # fmt: skip

# Aggregates that do not depend on the order, except in the last bits.
_SUMS = (exp.Sum, exp.Avg, exp.StddevPop, exp.RegrSlope, exp.Corr)

# Types that sqlglot does not have: those of our functions, see features.dbt_functions, and some of
# DuckDB's.
_RETURNS = {
    "spring_festival": "date",
    "list_position": "int",
    "list_median": "double",
    "to_months": "interval",
    "epoch_us": "bigint",
    "isfinite": "boolean",
}


class _Spark(Spark):
    """Spark as of version 4, which has QUALIFY."""

    class Generator(SparkGenerator):
        """Leaves QUALIFY unchanged."""

        TRANSFORMS: ClassVar = {
            **SparkGenerator.TRANSFORMS,
            exp.Select: transforms.preprocess([transforms.unnest_to_explode]),
        }


def translate(sql: str, tables: Mapping[str, Mapping[str, Columns]], columns: Columns) -> str:
    """Return a model's query as Spark SQL.

    Args:
        sql: a query in DuckDB's dialect, with tables named as schema.table.
        tables: schema → table → columns, of every table that the query reads.
        columns: columns of the query's result; each is cast to its type on DuckDB.

    Raises:
        BuildFailed: the query uses something that no rule translates.
    """
    try:
        query = sqlglot.parse_one(sql, read="duckdb")
        for select in query.find_all(exp.Select):
            _spell_out_using(select)
        query = qualify(query, schema=dict(tables), dialect="duckdb", quote_identifiers=False)
        query = annotate_types(
            query, schema=dict(tables), dialect="duckdb", expression_metadata=_TYPES
        )
    except SqlglotError as error:
        raise BuildFailed(f"this query cannot be translated for Spark: {error}") from error
    # Innermost first, so that a rule moves only translated parts.
    for node in reversed(list(query.find_all(exp.Expr))):
        _rewrite(node)
    for call in query.find_all(exp.Anonymous):
        if call.name.lower() not in _ON_SPARK:
            raise BuildFailed(
                f"no rule translates {call.name.lower()}() for Spark; add one to "
                "features/spark/dialect.py"
            )
    inner = query.sql(dialect=_Spark, unsupported_level=ErrorLevel.RAISE)
    casts = ", ".join(
        f"cast({name} as {spark_type(duckdb_type)}) as {name}"
        for name, duckdb_type in columns.items()
    )
    return f"select {casts} from ({inner})"  # noqa: S608 - names of a contract


def spark_type(duckdb_type: str) -> str:
    """Return the Spark type for all values of a DuckDB type."""
    kind = exp.DataType.build(duckdb_type, dialect="duckdb")
    return _plain(kind).sql(dialect="spark")


def _plain(kind: exp.DataType) -> exp.DataType:
    if kind.is_type("hugeint"):
        return exp.DataType.build("decimal(38, 0)")
    if kind.is_type("uuid"):
        return exp.DataType.build("text")
    return kind


def _spell_out_using(select: exp.Select) -> None:
    """Write `using (…)` as a comparison with the first table, as every model intends."""
    first = select.args["from_"].this.alias_or_name if select.args.get("from_") else None
    for join in select.args.get("joins") or []:
        if keys := join.args.pop("using", None):
            on = exp.and_(
                *(
                    exp.column(key.name, first).eq(exp.column(key.name, join.this.alias_or_name))
                    for key in keys
                )
            )
            join.set("on", on)


def _type_of_difference(annotator: TypeAnnotator, node: exp.Sub) -> exp.Expr:
    """Give the difference of two dates its type on DuckDB, a number of days."""
    if _is(node.left, "date") and _is(node.right, "date"):
        return annotator._set_type(node, exp.DType.BIGINT)  # the way of sqlglot's own dialects
    return annotator._annotate_binary(node)


def _type_of_call(annotator: TypeAnnotator, node: exp.Anonymous) -> exp.Expr:
    kind = _RETURNS.get(node.name.lower())
    return annotator._set_type(node, exp.DataType.build(kind) if kind else None)


_TYPES = {
    **DuckDB.EXPRESSION_METADATA,
    exp.Sub: {"annotator": _type_of_difference},
    exp.Anonymous: {"annotator": _type_of_call},
}


def _rewrite(node: exp.Expr) -> None:
    """Replace one node of a typed tree that Spark would interpret differently."""
    match node:
        case exp.DataType():
            if (plain := _plain(node)) is not node:
                node.replace(plain)
        case exp.CTE():
            node.set("materialized", None)
        case exp.Div():
            node.set("this", _double(node.this))
            node.set("expression", _double(node.expression))
        case exp.Sub() | exp.Add() if _is(node.left, "date") and not _is(node.right, "interval"):
            _replace(node, _moved(node))
        case exp.Order() if isinstance(node.parent, _SUMS):
            # A fixed order gives the same bits each time on DuckDB; Spark has no fixed order.
            node.replace(node.this)
        case exp.Order() if isinstance(node.parent, exp.Func):
            raise BuildFailed(f"{node.parent.sql()} depends on an order, which Spark does not keep")
        case exp.Avg() | exp.Median():
            node.set("this", _double(node.this))
        case exp.DateDiff() if node.unit and node.unit.name.upper() == "MONTH":
            _replace(node, _months_between(node))
        case exp.ArrayAgg():
            # An empty collection is null on DuckDB. Spark drops nulls, so the model must too.
            whole = node.parent if isinstance(node.parent, exp.Filter) else node
            whole.replace(exp.func("nullif", whole.copy(), exp.Array()))
        case exp.ArgMax() | exp.ArgMin():
            _without_nulls(node)
        case exp.Bracket():
            _replace(node, _element(node))
        case exp.Anonymous():
            _rewrite_call(node)
        case _:
            pass


def _replace(node: exp.Expr, by: exp.Expr) -> None:
    by.type = node.type
    node.replace(by)


def _moved(node: exp.Add | exp.Sub) -> exp.Expr:
    """Return the days between two dates, or a date that many days later or earlier."""
    if _is(node.right, "date"):
        return exp.func("date_diff", node.left, node.right)
    function = "date_add" if isinstance(node, exp.Add) else "date_sub"
    return exp.Anonymous(this=function, expressions=[node.left, exp.cast(node.right, "int")])


def _months_between(node: exp.DateDiff) -> exp.Expr:
    """Return how many month boundaries are between two dates."""
    later, earlier = node.this, node.expression
    count = "(year({}) - year({})) * 12 + month({}) - month({})"
    return exp.paren(_parsed(count, later, earlier, later, earlier))


def _without_nulls(node: exp.ArgMax | exp.ArgMin) -> None:
    """Take the value of the highest or lowest row among the rows with a value."""
    known = exp.Not(this=exp.Is(this=node.this.copy(), expression=exp.Null()))
    if isinstance(node.parent, exp.Filter):
        where = node.parent.expression
        where.set("this", exp.and_(where.this, known))
    else:
        node.replace(exp.Filter(this=node.copy(), expression=exp.Where(this=known)))


def _element(node: exp.Bracket) -> exp.Expr:
    """Return one element, counted from one; null beyond the end."""
    index = node.expressions[0]
    if isinstance(index, exp.Literal):
        # The parser counts literal positions from zero.
        index = exp.Literal.number(int(index.name) + 1)
    return exp.Anonymous(this="try_element_at", expressions=[node.this, index])


def _rewrite_call(node: exp.Anonymous) -> None:
    arguments = node.expressions
    match node.name.lower():
        case "getvariable":
            # The bounds of a slice; Spark builds each table as a whole.
            _replace(node, exp.Null())
        case "list_position":
            place = exp.Anonymous(this="array_position", expressions=arguments)
            _replace(node, exp.func("nullif", place, exp.Literal.number(0)))
        case "to_months":
            _replace(
                node,
                exp.Anonymous(
                    this="make_ym_interval", expressions=[exp.Literal.number(0), *arguments]
                ),
            )
        case "epoch_us":
            # For a time without a zone, unchanged.
            since = "timestampdiff(microsecond, timestamp_ntz'1970-01-01 00:00:00', {})"
            _replace(node, _parsed(since, arguments[0]))
        case "isfinite":
            finite = "(abs({}) < double('infinity') and not isnan({}))"
            _replace(node, _parsed(finite, *arguments * 2))
        case "list_resize":
            filled = "slice(concat({}, array_repeat(cast({} as double), {})), 1, {})"
            values, length, padding = arguments
            _replace(node, _parsed(filled, values, padding, length, length))
        case "list_median":
            middle = (
                "transform(array(array_sort({})), a -> ("
                "a[cast((size(a) - 1) / 2 as int)] + a[cast(size(a) / 2 as int)]) / 2)[0]"
            )
            _replace(node, _parsed(middle, arguments[0]))
        case _:
            pass


def _parsed(pattern: str, *arguments: exp.Expr) -> exp.Expr:
    """Return an expression written in Spark's dialect, with arguments in its braces."""
    text = pattern.format(*(argument.sql(dialect="spark") for argument in arguments))
    return sqlglot.parse_one(text, read="spark")


def _double(node: exp.Expr) -> exp.Expr:
    return node if _is(node, "double") else exp.cast(node, "double")


def _is(node: exp.Expr, kind: str) -> bool:
    return node.type is not None and node.type.is_type(kind)
