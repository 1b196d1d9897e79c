"""Refused deliveries and files: the reason, the record, and who is not affected."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from extracts.vault import nightly
from extracts.vault.landing import Counts
from firmpulse.settings import Settings
from tests.extracts.inbox import (
    AS_OF,
    FIRM,
    PAYMENT_HEADER,
    csv,
    deliver,
    payment,
    permit,
    query,
)

GOOD = csv([payment()])
IN_GB18030 = csv([payment()], encoding="gb18030")
LACKING = csv(["x,1"], "征收项目,已缴")


@pytest.mark.parametrize(
    ("content", "changes", "reason"),
    [
        (GOOD, {"entry": {"sha256": "0" * 64}}, "sha256 is not the manifest's"),
        (GOOD, {"rows": 7}, "the file has 1 rows and the manifest says 7"),
        (GOOD, {"entry": {"name": "gone.csv"}}, "the file that the manifest names is not there"),
        (LACKING, {}, "lacks the required column uscc (纳税人识别号)"),
        (GOOD[:60] + b"\xff\xff\xff" + GOOD[60:], {}, "UTF-8 with broken bytes"),
        (GOOD[3:60] + b"\xff" + GOOD[60:], {}, "UTF-8 with broken bytes"),
        (IN_GB18030[:90] + b"\xff" + IN_GB18030[90:], {}, "neither UTF-8 nor GB18030"),
        (IN_GB18030[:-2], {"rows": 1}, "neither UTF-8 nor GB18030"),
        (GOOD[:-4] + b"\0" + GOOD[-4:], {}, "contains NUL bytes"),
        (b"x" * 70_000, {"rows": 0}, "header row is longer than 65536 bytes"),
        (b"," * 5_000 + b"\n", {"rows": 0}, "has 5001 columns; at most 1000"),
        (b'"' + GOOD, {}, "header row cannot be read; its quotes are broken"),
        (csv([payment()], PAYMENT_HEADER + ",已缴税额"), {}, "two columns of the file are both"),
        (b"", {"rows": 0}, "the file has no header row"),
        (GOOD, {"entry": {"format": "parquet"}}, "the file is not Parquet"),
        (GOOD, {"entry": {"headers": {"已缴": "money"}}}, "name no contract column"),
        (
            csv([payment()], PAYMENT_HEADER.replace("已缴", "实缴(百万元)")),
            {"entry": {"headers": {"实缴(百万元)": "amount"}}},
            "the header of amount announces a unit that is not CNY",
        ),
    ],
)
def test_a_file_is_refused_and_the_other_lands(
    settings: Settings, content: bytes, changes: dict[str, Any], reason: str
) -> None:
    permit(settings)
    folder = deliver(settings, {"bad.csv": content}, **changes)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    deliver(settings, {"good.csv": csv([payment(item="good")])})
    good = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["files"] += good["files"]
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    report = nightly.land(settings, "tax", AS_OF)
    assert report.totals == Counts(read=1, landed=1)
    (problem,) = report.problems
    assert problem.startswith(("tax-1: bad.csv: ", "tax-1: gone.csv: "))
    assert reason in problem
    ((status, refusal),) = query(settings, "select status, refusal from warehouse.ops.deliveries")
    assert status == "landed"
    assert refusal.startswith("file 1: ")
    assert reason in refusal
    assert ".csv" not in refusal


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"manifest_version": 2}, "manifest_version"),
        ({"kind": "later"}, "kind"),
        ({"provider": f"branch {FIRM}"}, "provider"),
        ({"provider": f"branch {FIRM[:6]} {FIRM[6:12]} {FIRM[12:]}"}, "provider"),
        ({"files": [{"headers": {FIRM: 1}}]}, "files.0"),
        ({"delivered_at": "2024-03-31T22:00:00"}, "delivered_at"),
        ({"source": "bank"}, "source is not tax"),
        ({"delivery_id": "other"}, "delivery_id is not the name of its folder"),
        ({"files": [{"name": "a.csv"}]}, "files.0.table"),
        ({"entry": {"table": "bank_txn"}}, "for no table of tax; use tax_arrears"),
        ({"entry": {"name": "../../secret.csv"}}, "must be a path inside the delivery"),
        ({"entry": {"name": "pay*.csv"}}, "must be a path inside the delivery"),
        ({"entry": {"name": "pay[1].csv"}}, "must be a path inside the delivery"),
        ({"entry": {"name": "pay?.csv"}}, "must be a path inside the delivery"),
        ({"entry": {"name": "pay\n.csv"}}, "must be a path inside the delivery"),
        ({"delivered_at": "0001-01-01T00:00:00+14:00"}, "delivered_at"),
        ({"delivered_at": "9999-12-31T23:00:00-10:00"}, "delivered_at"),
        ({"delivered_at": "1999-12-31T12:00:00+08:00"}, "delivered_at"),
        ({"period_start": "1989-12-31"}, "between the years 1990 and 2100"),
        ({"period_end": "2101-01-01"}, "period_end"),
    ],
)
def test_a_wrong_manifest_is_refused_and_recorded(
    settings: Settings, changes: dict[str, Any], reason: str
) -> None:
    permit(settings)
    folder = deliver(settings, {"a.csv": GOOD}, delivery_id="tax-bad")
    document = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    document["files"][0] |= changes.pop("entry", {})
    (folder / "manifest.json").write_text(json.dumps(document | changes), encoding="utf-8")
    deliver(settings, {"a.csv": GOOD}, delivery_id="tax-good")
    report = nightly.land(settings, "tax", AS_OF)
    assert [(d.delivery_id, d.status) for d in report.deliveries] == [
        ("tax-bad", "refused"),
        ("tax-good", "landed"),
    ]
    assert reason in report.problems[0]
    assert FIRM not in report.problems[0]
    found = query(
        settings,
        "select delivery_id, delivery_seq, status, rows_read from warehouse.ops.deliveries "
        "order by delivery_id",
    )
    assert found == [("tax-bad", None, "refused", 0), ("tax-good", 1, "landed", 1)]


@pytest.mark.parametrize("content", [b"\xff{", b"[" * 100_000, b'{"source": "\\ud800"}', b""])
def test_a_manifest_that_is_no_json_is_refused(settings: Settings, content: bytes) -> None:
    folder = settings.inbox / "tax" / "tax-1"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_bytes(content)
    report = nightly.land(settings, "tax", AS_OF)
    assert "the manifest is not JSON" in report.problems[0]


def _plain_file_is_a_folder(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    (folder / "manifest.json").mkdir()


def _manifest_is_a_link(folder: Path) -> None:
    (folder / "manifest.json").rename(folder / "elsewhere.json")
    (folder / "manifest.json").symlink_to(folder / "elsewhere.json")


def _manifest_is_missing(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def _folder_is_a_link(folder: Path) -> None:
    elsewhere = folder.parents[1] / "elsewhere"
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)


def _file_is_a_link(folder: Path) -> None:
    (folder / "a.csv").rename(folder / "b.csv")
    (folder / "a.csv").symlink_to(folder / "b.csv")


@pytest.mark.parametrize(
    ("oddity", "reason"),
    [
        (_plain_file_is_a_folder, "manifest.json is not a plain file"),
        (_manifest_is_a_link, "manifest.json is not a plain file"),
        (_manifest_is_missing, "there is no manifest.json"),
        (_folder_is_a_link, "the delivery is a link"),
        (_file_is_a_link, "the file is a link"),
    ],
)
def test_an_odd_folder_is_refused_and_those_behind_it_land(
    settings: Settings, oddity: Callable[[Path], None], reason: str
) -> None:
    permit(settings)
    oddity(deliver(settings, {"a.csv": GOOD}, delivery_id="tax-0"))
    deliver(settings, {"a.csv": GOOD}, delivery_id="tax-1")
    (settings.inbox / "tax" / ".uploading").mkdir()
    (settings.inbox / "tax" / "read-me.txt").touch()
    report = nightly.land(settings, "tax", AS_OF)
    assert [(d.delivery_id, d.status) for d in report.deliveries] == [
        ("tax-0", "refused"),
        ("tax-1", "landed"),
    ]
    assert reason in report.problems[0]


def test_a_delivery_that_the_system_cannot_read_is_refused_and_the_next_lands(
    settings: Settings,
) -> None:
    permit(settings)
    too_long = {"name": "y" * 300}
    deliver(settings, {"a.csv": GOOD}, delivery_id="tax-0", entry=too_long)
    deliver(settings, {"a.csv": GOOD}, delivery_id="tax-1")
    report = nightly.land(settings, "tax", AS_OF)
    assert [d.status for d in report.deliveries] == ["refused", "landed"]
    assert report.problems == ("tax-0: the delivery cannot be read (OSError); look at its files",)


def test_a_query_that_fails_refuses_its_delivery_and_the_next_lands(settings: Settings) -> None:
    permit(settings)
    odd = {"constants": {"kind": f"{FIRM}\0"}}
    deliver(settings, {"a.csv": GOOD}, delivery_id="tax-0", entry=odd)
    deliver(settings, {"a.csv": GOOD}, delivery_id="tax-1")
    report = nightly.land(settings, "tax", AS_OF)
    assert [d.status for d in report.deliveries] == ["refused", "landed"]
    assert FIRM not in report.problems[0]


def test_a_changed_delivery_of_a_known_id_is_refused(settings: Settings) -> None:
    permit(settings)
    deliver(settings, {"a.csv": GOOD})
    nightly.land(settings, "tax", AS_OF)
    deliver(settings, {"a.csv": csv([payment(amount="1.00")])})
    report = nightly.land(settings, "tax", AS_OF)
    assert "has landed with another manifest" in report.problems[0]
    assert query(settings, "select amount::varchar from vault.raw.tax_payment") == [("100.00",)]
    records = query(
        settings, "select status, rows_landed from warehouse.ops.deliveries order by status"
    )
    assert records == [("landed", 1), ("refused", 0)]


def test_a_refused_delivery_lands_once_it_is_whole(settings: Settings) -> None:
    permit(settings)
    folder = deliver(settings, {"a.csv": GOOD})
    (folder / "a.csv").unlink()
    assert nightly.land(settings, "tax", AS_OF).deliveries[0].status == "refused"
    assert nightly.land(settings, "tax", AS_OF).deliveries[0].status == "refused"
    (folder / "a.csv").write_bytes(GOOD)
    assert nightly.land(settings, "tax", AS_OF).totals == Counts(read=1, landed=1)
    assert query(settings, "select status from warehouse.ops.deliveries") == [("landed",)]


def test_a_night_without_news_lands(settings: Settings) -> None:
    deliver(settings, {}, kind="increment")
    assert nightly.land(settings, "tax", AS_OF).problems == ()
    assert nightly.pending(settings, "tax", AS_OF) == []


def test_copies_made_for_reading_are_gone(settings: Settings) -> None:
    permit(settings)
    deliver(settings, {"a.csv": csv([payment()], encoding="gb18030")})
    nightly.land(settings, "tax", AS_OF)
    assert sorted(path.name for path in settings.inbox.iterdir()) == ["tax"]


@pytest.mark.parametrize(
    "name",
    [
        f"tax-{FIRM}",
        "tax.1",
        "Tax-1",
        "税",
        "t" * 15,
        "t-" * 33,
        "9144-0300-1922-0382-16",
        "tax-9144_0300_192203_8216",
        "6222-0212-3456-789",
        "91-35-01-00-m0-00-10-0y-43",
        "tax-1101-0119-9003-0717-7x",
    ],
)
def test_a_name_that_could_hold_an_identifier_leaves_no_trace(
    settings: Settings, name: str
) -> None:
    permit(settings)
    deliver(settings, {"a.csv": GOOD}, delivery_id=name)
    (refused,) = nightly.land(settings, "tax", AS_OF).deliveries
    assert refused.status == "refused"
    assert refused.delivery_id.startswith("unnamed-")
    assert "the folder's name is not a delivery_id" in refused.problems[0]
    ((record,),) = query(settings, "select deliveries::varchar from warehouse.ops.deliveries")
    assert name not in record
    assert name not in refused.problems[0]


@pytest.mark.parametrize("name", ["tax-20240131-02", "bank-history-of-2024-part-3-a"])
def test_a_long_name_that_holds_no_identifier_is_taken(settings: Settings, name: str) -> None:
    permit(settings)
    deliver(settings, {"a.csv": GOOD}, delivery_id=name)
    assert nightly.land(settings, "tax", AS_OF).problems == ()


def test_a_missing_file_of_a_landed_delivery_comes_under_a_new_id(settings: Settings) -> None:
    permit(settings)
    files = {"a.csv": csv([payment(item="a")]), "b.csv": csv([payment(item="b")])}
    folder = deliver(settings, files)
    (folder / "b.csv").unlink()
    report = nightly.land(settings, "tax", AS_OF)
    advice = "send it in a delivery with a new delivery_id"
    assert report.problems == (
        f"tax-1: b.csv: the file that the manifest names is not there; {advice}",
    )
    assert query(settings, "select refusal from warehouse.ops.deliveries") == [
        (f"file 2: the file that the manifest names is not there; {advice}",)
    ]
    deliver(settings, {"b.csv": files["b.csv"]}, delivery_id="tax-2")
    assert nightly.land(settings, "tax", AS_OF).totals == Counts(read=1, landed=1)


def test_a_refusal_is_recorded_for_each_night_it_lasted(settings: Settings) -> None:
    permit(settings)
    folder = deliver(settings, {"a.csv": GOOD}, rows=7)
    nights = [AS_OF, AS_OF + timedelta(days=1), AS_OF + timedelta(days=2)]
    for night in (nights[0], nights[1], nights[1]):
        nightly.land(settings, "tax", night)
    record = "select as_of, status from warehouse.ops.deliveries order by as_of"
    assert query(settings, record) == [(nights[0], "refused"), (nights[1], "refused")]
    (folder / "a.csv").write_bytes(GOOD)
    deliver(settings, {"a.csv": GOOD})
    nightly.land(settings, "tax", nights[2])
    assert query(settings, record) == [
        (nights[0], "refused"),
        (nights[1], "refused"),
        (nights[2], "landed"),
    ]
