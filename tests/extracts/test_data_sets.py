"""Real files, as their providers left them, land completely."""

from datetime import date
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from consent.ledger import Ledger
from extracts.mappings import data_sets
from extracts.vault import nightly
from extracts.vault.landing import Counts
from firmpulse.errors import ConfigurationError, NotReadyError
from firmpulse.settings import Settings
from tests.extracts.inbox import query

REAL_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def real(name: str) -> Path:
    folder = REAL_DATA / name
    if not folder.is_dir():
        pytest.skip(f"the data set {name} is not beside the project")
    return folder


def test_an_unknown_data_set_is_named(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"use one of abc, .* cumcm2020c, .* yangzhong"):
        data_sets.deliver(settings, "other", tmp_path)


def test_a_folder_without_the_files_is_named(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(NotReadyError, match="output_invoice"):
        data_sets.deliver(settings, "cumcm2020c", tmp_path)


def test_a_small_folder_of_the_same_kind(settings: Settings, tmp_path: Path) -> None:
    header = "\ufeff,企业代号,发票号码,开票日期,{}单位代号,金额,税额,价税合计,发票状态\n"
    for direction, party in (("output", "购方"), ("input", "销方")):
        folder = tmp_path / f"credit_history_enterprise_{direction}_invoice"
        folder.mkdir()
        line = "{},E1,7,2018/5/6,P" + direction + ",200.0,26.0,226.0,{}\n"
        text = header.format(party) + line.format(0, "有效发票") + line.format(1, " 作废发票")
        (folder / "E1.csv").write_text(text, encoding="utf-8")
    (tmp_path / "companies.csv").write_text(
        "company_id,company_name,cohort,credit_rating,defaulted\n"
        # A line that names no firm is none.
        "E1,a,credit_history,D,true\nE2,b,no_credit_history,,\n ,c,no_credit_history,,\n",
        encoding="utf-8",
    )
    assert data_sets.deliver(settings, "cumcm2020c", tmp_path) == [
        "cumcm2020c-tax",
        "cumcm2020c-lender",
    ]
    as_of = data_sets.delivered_on(settings, "cumcm2020c")
    assert as_of == date(2020, 2, 29)
    assert nightly.land(settings, "tax", as_of).totals == Counts(read=4, landed=4)
    assert nightly.land(settings, "lender", as_of).totals == Counts(read=3, landed=2, quarantined=1)
    assert query(
        settings,
        "select firm, direction, seller_tax_no, buyer_tax_no, status, total::varchar, "
        "available_at from vault.raw.tax_invoice order by all",
    ) == [
        ("cumcm:E1", "IN", "Pinput", "E1", "NORMAL", "226.00", date(2018, 5, 7)),
        ("cumcm:E1", "IN", "Pinput", "E1", "VOID", "226.00", date(2018, 5, 7)),
        ("cumcm:E1", "OUT", "E1", "Poutput", "NORMAL", "226.00", date(2018, 5, 7)),
        ("cumcm:E1", "OUT", "E1", "Poutput", "VOID", "226.00", date(2018, 5, 7)),
    ]
    assert query(settings, "select firm, defaulted from vault.raw.outcome_label order by 1") == [
        ("cumcm:E1", True),
        ("cumcm:E2", None),
    ]
    live = Ledger(settings).live(as_of)
    assert sorted(set(live["purpose"])) == ["CREDIT_EVAL", "MODEL_TRAINING"]
    assert live["firm_id"].n_unique() == 2


def test_a_null_in_the_list_of_firms_is_no_firm(settings: Settings, tmp_path: Path) -> None:
    table = pyarrow.table(
        {"enterprise_id": [7, None, 7], "reading_date": [date(2015, 1, day) for day in (1, 1, 2)],
         "power_consumption": [5, 6, 7]}
    )  # fmt: skip
    pyarrow.parquet.write_table(table, tmp_path / "daily_power.parquet")
    data_sets.deliver(settings, "yangzhong_power", tmp_path)
    assert Ledger(settings).live(date(2016, 10, 1))["firm_id"].n_unique() == 1


@pytest.mark.slow
def test_cumcm2020c_lands_completely(settings: Settings) -> None:
    """Expected counts were computed from the files with Polars, duplicates per file."""
    data_sets.deliver(settings, "cumcm2020c", real("cumcm2020c"))
    as_of = data_sets.delivered_on(settings, "cumcm2020c")
    report = nightly.land(settings, "tax", as_of)
    assert report.totals == Counts(read=1_099_441, landed=1_087_776, duplicate=11_665)
    assert report.deliveries[0].tables[0].warnings == {
        "total_differs": 5,
        "red_but_positive": 0,
    }
    assert query(
        settings,
        "select direction, count(*), count(distinct firm) from vault.raw.tax_invoice "
        "group by direction order by direction",
    ) == [("IN", 600_638, 425), ("OUT", 487_138, 425)]
    assert nightly.land(settings, "lender", as_of).totals.landed == 425
    assert query(
        settings, "select defaulted, count(*) from vault.raw.outcome_label group by 1 order by 1"
    ) == [(False, 96), (True, 27), (None, 302)]


@pytest.mark.slow
def test_yangzhong_lands_completely(settings: Settings) -> None:
    data_sets.deliver(settings, "yangzhong_power", real("yangzhong_power"))
    report = nightly.land(settings, "power", data_sets.delivered_on(settings, "yangzhong_power"))
    assert report.totals == Counts(read=929_106, landed=929_106)
    assert query(settings, "select count(distinct firm) from vault.raw.power_reading") == [(1454,)]
