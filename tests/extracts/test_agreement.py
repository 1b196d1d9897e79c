"""Contracts, reader, masking, dbt sources and expectations agree on every column.

Each table gets a base row and, per column, a row that differs from it in that column alone. They
are delivered as files, landed and masked by the real code; the result of the one difference is
compared with the contract.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from importlib import resources
from typing import Any

import jsonschema
import pytest
import yaml

from expectations import profiles
from expectations import suite as suites
from extracts import contracts
from extracts.contracts import Column, Contract
from extracts.vault import nightly
from extracts.vault.landing import Counts
from extracts.vault.purge import purge
from features import build
from firmpulse import dbt_runner, warehouse
from firmpulse.keys import keyring, tokens
from firmpulse.settings import Settings
from tests.extracts.inbox import AS_OF, csv, deliver, grant, permit
from tests.sizes import sized

pytestmark = pytest.mark.slow

SCHEME = "test"
TABLES = sorted(contracts.load())
BOOKKEEPING = {"row_id", "record_version", "delivery_seq", "available_at", "firm_id"}
# Firms of one file have the numbers of its rows behind its letter.
USUAL, ALIASED, SCALED = "A", "B", "C"

# Values of the base row and of the row that differs in the column.
BY_KIND = {
    "text": ("甲方文本", "乙方文本"),
    "code": ("CODE1", "CODE2"),
    "tax_no": ("OTHER1", "OTHER2"),
    "date": ("2024-01-10", "2024-02-11"),
    "month": ("2024-01-01", "2024-02-01"),
    "timestamp": ("2024-01-10 10:11:12", "2024-02-11 13:14:15"),
    "decimal": ("10.00", "20.00"),
    "integer": ("2015", "2016"),
    "boolean": ("否", "是"),
}
BY_COLUMN = {
    ("tax_invoice_line", "rate"): ("0.1300", "0.0600"),
    ("tax_invoice_summary", "active_days"): ("5", "6"),
    ("sc_terms", "net_days"): ("30", "60"),
    ("bank_txn", "ccy"): ("USD", "CNY"),
    ("bank_txn", "cp_account"): ("CODE8", "CODE1"),
    ("bank_txn", "cp_tax_no"): ("", "OTHER2"),
    ("bank_txn", "summary"): ("甲方文本", "乙方文本 电费"),
    ("bank_txn", "purpose"): ("甲方文本", "乙方文本 社保"),
    ("bank_txn", "txn_type"): ("甲方文本", "乙方文本 手续费"),
    ("founder_credit", "overdue_count_24m"): ("0", "9"),
    ("founder_credit", "longest_overdue_days_24m"): ("0", "99"),
    ("founder_credit", "guarantee_balance"): ("0.00", "500000.00"),
    ("shareholder", "share"): ("0.6000", "0.4000"),
}  # fmt: skip

Cells = dict[str, str]


def _pair(contract: Contract, column: Column) -> tuple[str, str]:
    special = BY_COLUMN.get((contract.table, column.name))
    if special:
        return special
    if column.kind == "enum":
        first, second, *_ = _texts_by_value(column).values()
        return first, second
    return BY_KIND[column.kind]


def _texts_by_value(column: Column) -> dict[str, str]:
    texts: dict[str, str] = {}
    for text, value in column.values.items():
        texts.setdefault(value, text)
    return texts


def _own_column(contract: Contract, row: Mapping[str, str]) -> str:
    """Return the column that names the firm of a row."""
    if "case" in contract.firm:
        return "seller_tax_no" if row["direction"] == "销项" else "buyer_tax_no"
    return contract.firm


def _base(contract: Contract, firm: str) -> Cells:
    row = {column.name: _pair(contract, column)[0] for column in contract.columns}
    return row | {_own_column(contract, row): firm}


def _rows(contract: Contract, file: str) -> list[Cells]:
    """Return the base row, then a row per column that differs in it; each of its own firm."""
    rows = [_base(contract, f"{file}0")]
    for number, column in enumerate(contract.columns, 1):
        row = _base(contract, f"{file}{number}")
        other = _pair(contract, column)[1]
        if column.name == "direction":
            row |= {"seller_tax_no": "OTHER1", "buyer_tax_no": f"{file}{number}"}
        if row[column.name] != f"{file}{number}":
            row[column.name] = other
        rows.append(row)
    return rows


def _file(contract: Contract, file: str, encoding: str) -> bytes:
    headers, factors = [], []
    for column in contract.columns:
        scaled = column.scaled_headers if file == SCALED else {}
        header = column.headers[0] if file == USUAL else column.headers[-1]
        header, factor = next(iter(scaled.items()), (header, Decimal(1)))
        headers.append(header)
        factors.append(factor)
    lines = []
    for row in _rows(contract, file):
        cells = zip(row.values(), factors, strict=True)
        scaled_cells = (c if factor == 1 else f"{Decimal(c) / factor:f}" for c, factor in cells)
        lines.append(",".join(scaled_cells))
    return csv(lines, ",".join(headers), encoding)


def _files(contract: Contract) -> dict[str, bytes]:
    encodings = {USUAL: "utf-8-sig", ALIASED: "gb18030", SCALED: "utf-8"}
    return {f"{file}.csv": _file(contract, file, e) for file, e in encodings.items()}


@dataclass(frozen=True)
class World:
    """The resulting rows, cells as text."""

    settings: Settings
    manifest: dict[str, Any]
    # Rows of the vault and of the staging model per table, by firm_id.
    raw: Mapping[str, Mapping[str, dict[str, str | None]]]
    staged: Mapping[str, Mapping[str, dict[str, str | None]]]
    # SQL types of the staging models.
    types: Mapping[str, Mapping[str, str]]
    frames: Mapping[str, Any]

    def firm(self, name: str) -> str:
        """Return the firm_id of a firm of these tests."""
        return self.token("firm", f"{SCHEME}:{name}")

    def token(self, domain: str, value: str) -> str:
        """Return the token that Python's own HMAC makes."""
        return str(tokens.token(keyring.load(self.settings, "token_key"), domain, value))

    def model(self, table: str) -> str:
        """Return the staging model of a table."""
        (model,) = _children(self.manifest, table)
        return str(model["name"])


def _children(manifest: Mapping[str, Any], table: str) -> list[dict[str, Any]]:
    source = f"source.firmpulse.vault.{table}"
    return [n for n in manifest["nodes"].values() if source in n["depends_on"].get("nodes", ())]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    home = tmp_path_factory.mktemp("agreement")
    settings = Settings(home=home, memory_limit="2GB")
    known = contracts.load()
    sources = sorted({contract.source for contract in known.values()})
    most = max(len(contract.columns) for contract in known.values())
    firms = [f"{file}{n}" for file in (USUAL, ALIASED, SCALED) for n in range(most + 1)]
    granted = [source for source in sources if source != "lender"]
    permit(settings, *(
        grant(f"{SCHEME}:{firm}", source, authorization_id=f"{firm}-{source}")
        for firm in firms for source in granted
    ))  # fmt: skip
    for table, contract in known.items():
        delivery = {"delivery_id": table.replace("_", "-"), "id_scheme": SCHEME}
        deliver(settings, _files(contract), table=table, source=contract.source, **delivery)
    for source in sources:
        report = nightly.land(settings, source, AS_OF)
        assert not report.problems
        assert report.totals.landed == report.totals.read
    build.build(settings, AS_OF, "mask")
    manifest = json.loads(dbt_runner.parse(settings).read_text(encoding="utf-8"))
    with warehouse.connect(settings, vault=True) as connection:
        models = {table: _children(manifest, table)[0]["name"] for table in TABLES}

        def texts(relation: str, firm_id: str) -> dict[str, dict[str, str | None]]:
            query = f"select {firm_id} as by_firm, columns(*)::varchar from {relation}"
            rows = connection.execute(query).pl().cast({"by_firm": str}).to_dicts()
            return {row.pop("by_firm"): row for row in rows}

        types = {
            table: dict(connection.execute(
                "select column_name, data_type from duckdb_columns() "
                "where schema_name = 'staging' and table_name = ?", [model],
            ).fetchall())
            for table, model in models.items()
        }  # fmt: skip
        return World(
            settings=settings,
            manifest=manifest,
            raw={t: texts(f"vault.raw.{t}", "token('firm', firm)") for t in TABLES},
            staged={t: texts(f"warehouse.staging.{m}", "firm_id") for t, m in models.items()},
            types=types,
            frames={
                "delivery": profiles.deliveries(connection, AS_OF).frame,
                "masked": profiles.masked(connection, AS_OF),
            },
        )


@pytest.mark.parametrize("table", TABLES)
def test_contract_meets_the_schema_of_the_standard(table: str) -> None:
    package = resources.files("open_data_contract_standard")
    schema = json.loads((package / "schema.json").read_text(encoding="utf-8"))
    text = (contracts.FOLDER / f"{table}.yml").read_text(encoding="utf-8")
    jsonschema.validate(yaml.safe_load(text), schema)


def test_dbt_sources_are_the_contracts(world: World) -> None:
    sources = [s for s in world.manifest["sources"].values() if s["source_name"] == "vault"]
    assert {source["name"]: source["description"] for source in sources} == {
        table: contract.grain.en for table, contract in contracts.load().items()
    }


@pytest.mark.parametrize("table", TABLES)
def test_one_staging_model_masks_the_table_and_never_forgets(world: World, table: str) -> None:
    (model,) = _children(world.manifest, table)
    assert model["path"].startswith("staging/")
    assert model["config"]["full_refresh"] is False
    assert model["config"]["incremental_strategy"] == "append"
    assert model["config"]["contract"]["enforced"] is True
    assert model["columns"]["firm_id"]["data_type"] == "uuid"


def test_every_model_with_rows_of_firms_names_the_firm(world: World) -> None:
    models = [n for n in world.manifest["nodes"].values() if n["resource_type"] == "model"]
    assert len(models) > len(TABLES)
    assert [m["name"] for m in models if "firm_id" not in m["columns"]] == []


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("file", [ALIASED, SCALED])
def test_every_header_leads_to_the_same_rows(world: World, table: str, file: str) -> None:
    contract = contracts.load()[table]
    for number, row in enumerate(_rows(contract, USUAL)):
        own = _own_column(contract, row)
        usual = world.raw[table][world.firm(f"{USUAL}{number}")]
        other = world.raw[table][world.firm(f"{file}{number}")]
        for column in contract.columns:
            if column.name != own:
                assert other[column.name] == usual[column.name], column.name
                assert (usual[column.name] is None) == (row[column.name] == ""), column.name


def _variants(table: str) -> Iterator[tuple[int, Column]]:
    """Columns by the number of the row that differs in them."""
    yield from enumerate(contracts.load()[table].columns, 1)


@pytest.mark.parametrize("table", TABLES)
def test_masking_does_what_the_contract_says(world: World, table: str) -> None:
    contract = contracts.load()[table]
    rows = _rows(contract, USUAL)
    base = world.staged[table][world.firm(f"{USUAL}0")]
    for number, column in _variants(table):
        staged = world.staged[table][world.firm(f"{USUAL}{number}")]
        moved = {n: staged[n] for n in staged if n not in BOOKKEEPING and staged[n] != base[n]}
        value = rows[number][column.name]
        if column.name == _own_column(contract, rows[number]):
            assert column.mask == "token:firm"
            assert moved == {}, column.name
        elif column.mask == "drop":
            assert moved == {}, column.name
        elif column.mask in ("keep", "category"):
            assert moved, f"{column.name} is {column.mask} and in no column of {world.model(table)}"
        else:
            domain = column.mask.removeprefix("token:")
            made = world.token(domain, f"{SCHEME}:{value}" if domain == "firm" else value)
            assert made in moved.values(), column.name
            types = {world.types[table][n] for n in moved if moved[n] == made}
            assert types == {"UUID"}, column.name
        if column.mask != "keep" and column.kind in ("text", "code", "tax_no"):
            cells = [cell for cell in staged.values() if cell is not None]
            assert not [cell for cell in cells if value in cell], column.name


@pytest.mark.parametrize("table", TABLES)
def test_only_masked_columns_hold_what_names_a_person(table: str) -> None:
    for column in contracts.load()[table].columns:
        if column.personal or column.level > "L2":
            assert column.mask != "keep", column.name


def test_the_suites_look_at_every_table(world: World) -> None:
    for name, frame in world.frames.items():
        suite = suites.load(name)
        columns = [e.arguments["column"] for e in suite.expectations if "column" in e.arguments]
        assert {suite.row, *columns} <= set(frame.columns), name
    tables = [name.split(" / ")[1] for name in world.frames["delivery"]["batch_table"]]
    assert sorted(tables) == TABLES
    assert set(world.frames["delivery"]["unaccounted_rows"]) == {0}
    assert len(world.frames["masked"]) == len(TABLES)
    assert set(world.frames["masked"]["lost_rows"]) == {0}


def test_a_night_of_one_day_later_masks_nothing_again(world: World) -> None:
    before = {table: len(rows) for table, rows in world.staged.items()}
    build.build(world.settings, date(2024, 4, 1), "mask", full_refresh=True)
    with warehouse.connect(world.settings) as connection:
        for table in TABLES:
            model = world.model(table)
            rows = connection.execute(f"select firm_id from warehouse.staging.{model}").fetchall()
            assert len(rows) == before[table], table


def test_every_row_that_comes_again_is_a_duplicate_before_and_after_its_purge(
    world: World,
) -> None:
    """The digest of a file's content equals that of the vault's content, in every table."""
    settings = world.settings
    for attempt in ("second", "third"):
        for table, contract in contracts.load().items():
            again = {"delivery_id": f"{attempt}-{table.replace('_', '-')}", "id_scheme": SCHEME}
            files = _files(contract)
            if attempt == "third":
                # What is kept of a purged row is that of its vault row, whichever file it was in.
                files = dict(list(files.items())[: sized(1, len(files))])
            deliver(settings, files, table=table, source=contract.source, **again)
        for source in sorted({contract.source for contract in contracts.load().values()}):
            totals = nightly.land(settings, source, AS_OF).totals
            assert totals == Counts(read=totals.read, duplicate=totals.read)
            assert totals.read > 0
        assert purge(settings, AS_OF + timedelta(days=settings.raw_days)).raw_rows.keys() == (
            set(TABLES) if attempt == "second" else set()
        )
