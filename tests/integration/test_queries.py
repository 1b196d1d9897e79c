"""The queries in the pages for analysts run on a published file; most find something."""

import re

import pytest

from firmpulse import warehouse
from firmpulse.settings import PROJECT_ROOT
from tests.integration.conftest import Assessed

_PAGES = [PROJECT_ROOT / "docs" / "scores.md", PROJECT_ROOT / "docs" / "zh" / "analyst.md"]
QUERIES = [
    query
    for page in _PAGES
    for query in re.findall(r"```sql\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
]
# One night of few firms is published here; queries for rare ones may find none.
_MAY_BE_EMPTY = (
    "from score_changes",
    "from migration",
    "from unscored",
    "from feature_drift",
    "from hidden_champions",
    "where least(",
)


def test_there_are_queries() -> None:
    assert len(QUERIES) >= 10


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.split("\n")[0][:40])
def test_a_query_of_the_docs_runs(assessed: Assessed, query: str) -> None:
    with warehouse.connect_published(assessed.settings) as connection:
        rows = connection.execute(query).fetchall()
    if not any(view in query for view in _MAY_BE_EMPTY):
        assert rows
