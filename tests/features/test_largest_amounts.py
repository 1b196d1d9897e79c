"""One firm's rows have the largest amounts that a column holds; no other firm notices."""

import re
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from features import build, history, registry
from firmpulse.keys import keyring, tokens
from firmpulse.settings import Settings
from tests import vault_rows
from tests.features import random_rows
from tests.homes import know_tokens

pytestmark = pytest.mark.slow

ABSURD, *_ = random_rows.FIRMS
# Their sum then fits into no column.
COPIES = 30


def _largest(table: str) -> dict[str, Decimal]:
    """Return each decimal column of a raw table → its largest value."""
    found = {}
    for column, kind in vault_rows.types_of(table).items():
        if match := re.fullmatch(r"decimal\((\d+), ?(\d+)\)", kind, re.IGNORECASE):
            digits, scale = map(int, match.groups())
            found[column] = Decimal(10**digits - 1).scaleb(-scale)
    return found


def _absurd(table: str, rows: list[random_rows.Row]) -> list[random_rows.Row]:
    """Return the rows, those of one firm many times over and with the largest amounts."""
    largest = _largest(table)
    found = [row for row in rows if row["firm"] != f"uscc:{ABSURD}"]
    for row in (row for row in rows if row["firm"] == f"uscc:{ABSURD}"):
        amounts = {name: most for name, most in largest.items() if row.get(name) is not None}
        found += [
            row | amounts | {"row_id": row["row_id"] + 1_000_000 * copy} for copy in range(COPIES)
        ]
    return found


def _home(folder: Path, rows: dict[str, list[random_rows.Row]]) -> Settings:
    settings = Settings(home=folder, memory_limit="2GB")
    know_tokens(settings)
    vault_rows.fill(settings, rows)
    build.build(settings, random_rows.end_of(6), "all")
    return settings


def test_the_largest_amounts_of_one_firm_stop_no_other(tmp_path: Path) -> None:
    plain = random_rows.make(4)
    usual = _home(tmp_path / "usual", plain)
    other = _home(tmp_path / "other", {table: _absurd(table, plain[table]) for table in plain})
    key = keyring.load(usual, "token_key")
    absurd = pl.col("firm_id") == str(tokens.firm_token(key, f"uscc:{ABSURD}"))
    # A position among all firms is not a firm's own.
    for view in set(registry.load(usual).views()) - history.OF_ALL_FIRMS:
        expected, got = (vault_rows.features_of(home, view) for home in (usual, other))
        assert_frame_equal(got.filter(~absurd), expected.filter(~absurd))
        assert got.filter(absurd).height
