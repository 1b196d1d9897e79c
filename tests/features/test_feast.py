"""The export for Feast, read by the real Feast if it is installed."""

import ast
import json
import os
import subprocess
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from consent import audit
from features import feast_export
from features.feast_export import FeastReport
from features.frame import frame
from firmpulse import warehouse
from firmpulse.settings import Settings
from tests.credit_economy import AS_OF, REGISTRY, build_warehouse

_LOOKUP = Path(__file__).with_name("feast_lookup.py")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Return a home with features and grants."""
    settings = Settings(home=tmp_path_factory.mktemp("feast") / "home", memory_limit="2GB")
    build_warehouse(settings)
    with warehouse.connect(settings) as connection:
        connection.execute("insert into warehouse.ops.nights values (?)", [AS_OF])
    return settings


@pytest.fixture(scope="module")
def exported(home: Settings) -> FeastReport:
    """Return its export."""
    return feast_export.export(home, home.root.parent / "repository")


def test_every_feature_is_declared_with_its_meaning(exported: FeastReport) -> None:
    text = (exported.folder / "features.py").read_text(encoding="utf-8")
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    fields = {
        keyword.value.value: {k.arg: ast.unparse(k.value) for k in call.keywords}
        for call in calls
        if ast.unparse(call.func) == "Field"
        for keyword in call.keywords
        if keyword.arg == "name" and isinstance(keyword.value, ast.Constant)
    }
    assert set(fields) == set(REGISTRY.names())
    for meta in REGISTRY.features:
        declared = fields[meta.name]
        assert declared["dtype"] == ("String" if meta.kind == "category" else "Float64")
        assert ast.literal_eval(declared["description"]) == meta.name_en
        assert ast.literal_eval(declared["tags"])["expected_sign"] == meta.expected_sign


def test_the_files_hold_the_frame_and_the_audit_log_knows(
    home: Settings, exported: FeastReport
) -> None:
    view = REGISTRY.views()[0]
    rows = pl.read_parquet(exported.folder / "data" / f"{view}.parquet")
    assert exported.rows[view] == rows.height > 1000
    assert rows.columns == ["firm_id", "as_of", *REGISTRY.names(view=view)]
    link = audit.entries(home)[-1]
    assert link.action == "EXPORT"
    assert json.loads(link.details)["kind"] == "feast"


def test_feast_gives_the_same_values_at_the_same_time(
    home: Settings, exported: FeastReport, tmp_path: Path
) -> None:
    interpreter = os.environ.get("FIRMPULSE_FEAST_PYTHON")
    if not interpreter:
        pytest.skip(
            "no Feast: make an environment with `pip install -r requirements-feast.txt` and name "
            "its interpreter in FIRMPULSE_FEAST_PYTHON"
        )
    feast = Path(interpreter).with_name("feast")
    subprocess.run([feast, "apply"], cwd=exported.folder, check=True, timeout=120)  # noqa: S603 - named by the caller
    newest = pl.read_parquet(exported.folder / "data" / f"{REGISTRY.views()[0]}.parquet")
    firms = newest["firm_id"].unique().sort().head(40).to_list()
    days = [date(2024, 5, 17), date(2025, 1, 31), AS_OF]
    spine = pl.DataFrame(
        [(firm, day) for firm in firms for day in days], schema=["firm_id", "as_of"], orient="row"
    )
    spine.write_parquet(tmp_path / "spine.parquet")
    names = ",".join(f"{meta.view}:{meta.name}" for meta in REGISTRY.features)
    arguments = [exported.folder, tmp_path / "spine.parquet", names, tmp_path / "found.parquet"]
    subprocess.run([interpreter, _LOOKUP, *arguments], check=True, timeout=300)  # noqa: S603 - as above
    found = pl.read_parquet(tmp_path / "found.parquet").with_columns(
        as_of=pl.col("event_timestamp").dt.date()
    )
    with warehouse.connect(home) as connection:
        expected = frame(connection, REGISTRY, spine)
    assert expected[REGISTRY.names()[0]].null_count() < expected.height
    assert_frame_equal(
        found.select(expected.columns).sort("firm_id", "as_of"), expected, check_exact=True
    )
