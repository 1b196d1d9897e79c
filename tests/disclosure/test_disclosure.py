import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.disclosure import QuasiIdentifier, anonymise

PLACE = QuasiIdentifier(
    "place", {"town": pl.col("place"), "county": pl.col("place").str.head(1), "any": pl.lit("*")}
)
YEAR = QuasiIdentifier(
    "year",
    {
        "year": pl.col("_year"),
        "decade": pl.format("{}0s", pl.col("_year") // 10),
        "any": pl.lit("*"),
    },
)


def _frame(rows: list[tuple[str | None, int | None, str | None]]) -> pl.DataFrame:
    schema = {"place": pl.String, "_year": pl.Int64, "grade": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_a_column_is_coarsened_no_more_than_needed() -> None:
    rows = [(f"A{n % 2}", 2010 + n, "AB"[n // 2 % 2]) for n in range(10)]
    done = anonymise(_frame(rows), [PLACE, YEAR], "grade")
    assert dict(done.levels) == {"place": "town", "year": "decade"}
    assert (done.classes, done.smallest_class, done.rows_left_out) == (2, 5, 0)
    assert done.rows["year"].unique().to_list() == ["2010s"]
    assert done.rows["place"].unique().sort().to_list() == ["A0", "A1"]


def test_a_class_of_one_grade_is_not_told() -> None:
    rows = [("A0", 2010, "A")] * 9
    assert anonymise(_frame(rows), [PLACE, YEAR], "grade").rows.is_empty()
    assert anonymise(_frame(rows), [PLACE, YEAR], "grade", diversity=1).smallest_class == 9


def test_a_missing_grade_is_no_second_grade() -> None:
    rows = [("A0", 2010, "A")] * 8 + [("A0", 2010, None)] * 2
    assert anonymise(_frame(rows), [PLACE, YEAR], "grade").rows.is_empty()


def test_a_lone_row_is_left_out_rather_than_all_coarsened() -> None:
    rows = [("A0", 2010, "AB"[n % 2]) for n in range(99)] + [("B7", 1980, "A")]
    done = anonymise(_frame(rows), [PLACE, YEAR], "grade")
    assert dict(done.levels) == {"place": "town", "year": "year"}
    assert (len(done.rows), done.rows_left_out) == (99, 1)


def test_fewer_rows_than_k_give_nothing() -> None:
    rows = [("A0", 2010, grade) for grade in "ABAB"]
    done = anonymise(_frame(rows), [PLACE, YEAR], "grade")
    assert (len(done.rows), done.rows_left_out, done.classes) == (0, 4, 0)
    empty = anonymise(_frame([]), [PLACE, YEAR], "grade")
    assert (len(empty.rows), empty.rows_left_out) == (0, 0)


firms = st.tuples(
    st.one_of(st.none(), st.sampled_from(["A0", "A1", "B0", "B1", "C5"])),
    st.one_of(st.none(), st.integers(1990, 2025)),
    st.one_of(st.none(), st.sampled_from("ABC")),
)


@given(st.lists(firms, max_size=60), st.integers(2, 8), st.integers(1, 3))
@settings(deadline=None)
def test_every_class_has_k_firms_and_l_grades(
    rows: list[tuple[str | None, int | None, str | None]], k: int, diversity: int
) -> None:
    done = anonymise(_frame(rows), [PLACE, YEAR], "grade", k=k, diversity=diversity)
    classes: dict[tuple[str, str], list[str]] = {}
    for place, _, grade, year in done.rows.iter_rows():
        classes.setdefault((place, year), []).append(grade)
    for grades in classes.values():
        assert len(grades) >= k
        assert len({grade for grade in grades if grade is not None}) >= diversity
    assert len(done.rows) + done.rows_left_out == len(rows)
    assert len(classes) == done.classes
    assert min(map(len, classes.values()), default=0) == done.smallest_class
