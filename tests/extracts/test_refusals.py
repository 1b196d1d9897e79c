"""Deliveries and files that are not taken: the reason, the record, and who is not affected."""

import json
from typing import Any

import pytest

from extracts import nightly
from extracts.landing import Counts
from firmpulse.settings import Settings
from tests.extracts.inbox import (
    AS_OF,
    PAYMENT_HEADER,
    csv,
    deliver,
    payment,
    permit,
    query,
)

GOOD = csv([payment()])
LACKING = csv(["x,1"], "征收项目,已缴")


@pytest.mark.parametrize(
    ("content", "changes", "reason"),
    [
        (GOOD, {"entry": {"sha256": "0" * 64}}, "sha256 is not the manifest's"),
        (GOOD, {"rows": 7}, "the file has 1 rows and the manifest says 7"),
        (GOOD, {"entry": {"name": "gone.csv"}}, "the file that the manifest names is not there"),
        (LACKING, {}, "lacks the required column uscc (纳税人识别号)"),
        (GOOD[:60] + b"\xff\xff\xff" + GOOD[60:], {}, "neither UTF-8 nor GB18030"),
        (csv([payment()], PAYMENT_HEADER + ",已缴税额"), {}, "two columns of the file are both"),
        (b"", {"rows": 0}, "the file has no header row"),
        (GOOD, {"entry": {"format": "parquet"}}, "the file is not Parquet"),
        (GOOD, {"entry": {"headers": {"已缴": "money"}}}, "name no contract column"),
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
        ({"delivered_at": "2024-03-31T22:00:00"}, "delivered_at"),
        ({"source": "bank"}, "source is not tax"),
        ({"delivery_id": "other"}, "delivery_id is not the name of its folder"),
        ({"files": [{"name": "a.csv"}]}, "files.0.table"),
        ({"entry": {"table": "bank_txn"}}, "for no table of tax; known are tax_invoice"),
        ({"entry": {"name": "../../secret.csv"}}, "must be a path inside the delivery"),
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
    found = query(
        settings,
        "select delivery_id, delivery_seq, status, rows_read from warehouse.ops.deliveries "
        "order by delivery_id",
    )
    assert found == [("tax-bad", None, "refused", 0), ("tax-good", 1, "landed", 1)]


def test_a_manifest_that_is_no_json_is_refused(settings: Settings) -> None:
    folder = settings.inbox / "tax" / "tax-1"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_bytes(b"\xff{")
    report = nightly.land(settings, "tax", AS_OF)
    assert "the manifest is not JSON" in report.problems[0]


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
