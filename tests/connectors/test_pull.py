"""Deliveries from a folder, an SFTP server and an S3 server arrive whole or not at all."""

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from extracts.connectors.pull import pull
from extracts.vault import nightly
from firmpulse.settings import Settings
from tests.connectors.conftest import BUCKET, Configure, There
from tests.connectors.servers import SshServer
from tests.extracts.inbox import AS_OF, csv, deliver, payment, permit, query


@pytest.fixture(params=["file", "sftp", "s3"])
def provider(
    request: pytest.FixtureRequest, there: There, sshd: SshServer
) -> "tuple[dict[str, Any], Any]":
    """Return a provider's entry, and a function that uploads the contents of its folder."""
    if request.param == "file":
        return {"uri": there.root.as_uri()}, lambda: None
    if request.param == "sftp":
        uri = f"sftp://127.0.0.1:{sshd.port}{there.root}"
        return {"uri": uri, "connection": request.getfixturevalue("sftp")}, lambda: None
    bucket, connection = request.getfixturevalue("bucket"), request.getfixturevalue("s3")
    entry = {"uri": f"s3://{BUCKET}/out", "connection": connection}
    return entry, lambda: there.upload(bucket)


def _files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_a_delivery_is_pulled_and_lands(
    settings: Settings,
    there: There,
    configure: Configure,
    provider: tuple[dict[str, Any], Any],
) -> None:
    entry, put_up = provider
    files = {"a.csv": csv([payment(amount="12.34")]), "空 b#1.csv": csv([payment(item="印花税")])}
    sent = deliver(there.settings, files)
    put_up()
    configure(entry)
    permit(settings)
    report = pull(settings, "tax", AS_OF)
    total = sum(len(content) for content in files.values())
    assert report.summary() == {
        "providers": 1,
        "pulled": 1,
        "files": 2,
        "bytes_fetched": total,
        "known": 0,
        "incomplete": 0,
        "not_due": 0,
        "problems": 0,
        "first_problem": None,
    }
    assert _files(settings.inbox / "tax" / "tax-1") == _files(sent)
    assert nightly.land(settings, "tax", AS_OF).summary()["rows_landed"] == 2
    assert query(settings, "select min(amount)::varchar from vault.raw.tax_payment") == [("12.34",)]

    # Whether it has landed or still waits, it is fetched once.
    again = pull(settings, "tax", AS_OF)
    assert (again.known, len(again.pulled), again.problems) == (1, 0, ())


def test_what_is_not_complete_or_not_due_stays_there(
    settings: Settings,
    there: There,
    configure: Configure,
    provider: tuple[dict[str, Any], Any],
) -> None:
    entry, put_up = provider
    half = deliver(there.settings, {"a.csv": csv([payment()])}, delivery_id="half")
    (half / "manifest.json").unlink()
    tomorrow = date(2024, 4, 1)
    deliver(there.settings, {"a.csv": csv([payment()])}, delivery_id="later", delivered=tomorrow)
    put_up()
    configure(entry)
    report = pull(settings, "tax", AS_OF)
    assert (report.incomplete, report.not_due, report.pulled, report.problems) == (1, 1, (), ())
    assert [path.name for path in (settings.inbox / "tax").iterdir()] == [".pulling"]
    assert [path.name for path in (settings.inbox / "tax" / ".pulling").iterdir()] == ["lock"]
    assert [one.delivery_id for one in pull(settings, "tax", tomorrow).pulled] == ["later"]


def test_a_changed_file_is_refused_and_the_others_come(
    settings: Settings,
    there: There,
    configure: Configure,
    provider: tuple[dict[str, Any], Any],
) -> None:
    entry, put_up = provider
    broken = deliver(there.settings, {"a.csv": csv([payment()])}, delivery_id="broken")
    (broken / "a.csv").write_bytes(csv([payment(amount="999.00")]))
    gone = deliver(there.settings, {"a.csv": csv([payment()])}, delivery_id="gone")
    (gone / "a.csv").unlink()
    deliver(there.settings, {"a.csv": csv([payment()])}, delivery_id="good")
    put_up()
    configure(entry)
    report = pull(settings, "tax", AS_OF)
    assert [one.delivery_id for one in report.pulled] == ["good"]
    assert len(report.problems) == 2
    assert "test: broken: file 1 does not match its sha256" in report.problems[0]
    assert "test: gone: file 1 of the manifest is not there" in report.problems[1]
    assert sorted(path.name for path in (settings.inbox / "tax").iterdir()) == [".pulling", "good"]
    refused = query(
        settings,
        "select delivery_id, status, as_of from warehouse.ops.deliveries order by delivery_id",
    )
    assert refused == [("broken", "refused", AS_OF), ("gone", "refused", AS_OF)]

    # The provider puts the right file up; the next run takes it.
    (broken / "a.csv").write_bytes(csv([payment()]))
    put_up()
    assert [one.delivery_id for one in pull(settings, "tax", AS_OF).pulled] == ["broken"]


@pytest.mark.parametrize(
    "name",
    [
        "../../../escaped.csv",
        "/etc/hostname",
        "manifest.json",
        "sub//a.csv",
        "./a.csv",
        "x" * 300 + ".csv",
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(
    settings: Settings, there: There, configure: Configure, name: str, tmp_path: Path
) -> None:
    folder = deliver(there.settings, {"a.csv": csv([payment()])})
    document = json.loads((folder / "manifest.json").read_text())
    document["files"][0]["name"] = name
    (folder / "manifest.json").write_text(json.dumps(document))
    (tmp_path / "escaped.csv").write_bytes(csv([payment()]))
    configure({"uri": there.root.as_uri()})
    before = _files(tmp_path / "provider")
    report = pull(settings, "tax", AS_OF)
    assert len(report.problems) == 1
    assert name not in report.problems[0]
    assert report.pulled == ()
    assert not any(path.name == "escaped.csv" for path in settings.root.rglob("*"))
    assert [path.name for path in (settings.inbox / "tax").iterdir()] == [".pulling"]
    assert _files(tmp_path / "provider") == before


def test_a_file_that_is_also_a_folder_is_refused(
    settings: Settings, there: There, configure: Configure
) -> None:
    folder = deliver(
        there.settings, {"a": csv([payment()]), "b": csv([payment()])}, entry={"format": "csv"}
    )
    document = json.loads((folder / "manifest.json").read_text())
    document["files"][1]["name"] = "a/b"
    (folder / "manifest.json").write_text(json.dumps(document))
    configure({"uri": there.root.as_uri()})
    assert "is in a folder that is also a file" in pull(settings, "tax", AS_OF).problems[0]


def test_folders_with_odd_names_are_counted_and_not_named(
    settings: Settings, there: There, configure: Configure
) -> None:
    for name in ("914403001922038216", "Umsatz", "a b", ".hidden"):
        deliver(there.settings, {"a.csv": csv([payment()])}, delivery_id=name)
    configure({"uri": there.root.as_uri()})
    (problem,) = pull(settings, "tax", AS_OF).problems
    assert "passed over for their names: 3" in problem
    assert "9144" not in problem


def test_a_landed_delivery_that_was_changed_is_reported(
    settings: Settings, there: There, configure: Configure
) -> None:
    deliver(there.settings, {"a.csv": csv([payment()])})
    configure({"uri": there.root.as_uri()})
    permit(settings)
    pull(settings, "tax", AS_OF)
    nightly.land(settings, "tax", AS_OF)
    deliver(there.settings, {"a.csv": csv([payment(amount="1.00")])})
    report = pull(settings, "tax", AS_OF)
    assert report.pulled == ()
    assert "has landed with another manifest" in report.problems[0]
    assert "new delivery_id" in report.problems[0]


def test_a_waiting_delivery_that_its_provider_replaced_is_replaced(
    settings: Settings, there: There, configure: Configure
) -> None:
    deliver(there.settings, {"a.csv": csv([payment()])})
    configure({"uri": there.root.as_uri()})
    pull(settings, "tax", AS_OF)
    sent = deliver(there.settings, {"a.csv": csv([payment(amount="1.00")])})
    assert len(pull(settings, "tax", AS_OF).pulled) == 1
    assert _files(settings.inbox / "tax" / "tax-1") == _files(sent)
    assert [path.name for path in (settings.inbox / "tax" / ".pulling").iterdir()] == ["lock"]


def test_a_provider_takes_no_other_providers_delivery_id(
    settings: Settings, there: There, configure: Configure
) -> None:
    deliver(settings, {"a.csv": csv([payment()])}, provider="another")
    mine = _files(settings.inbox / "tax" / "tax-1")
    deliver(there.settings, {"a.csv": csv([payment(amount="1.00")])})
    configure({"uri": there.root.as_uri()})
    (problem,) = pull(settings, "tax", AS_OF).problems
    assert "not from this provider, waits in the inbox" in problem
    assert _files(settings.inbox / "tax" / "tax-1") == mine


def test_a_manifest_of_another_provider_is_refused(
    settings: Settings, there: There, configure: Configure
) -> None:
    deliver(there.settings, {"a.csv": csv([payment()])}, provider="sim-tax")
    configure({"uri": there.root.as_uri()})
    (problem,) = pull(settings, "tax", AS_OF).problems
    assert "provider is not the name that providers.yml has" in problem


def test_every_pull_is_in_the_audit_chain(
    settings: Settings, there: There, configure: Configure
) -> None:
    from consent import audit

    deliver(there.settings, {"a.csv": csv([payment()])})
    configure({"uri": there.root.as_uri()})
    pull(settings, "tax", AS_OF)
    pull(settings, "tax", AS_OF)
    (entry,) = audit.entries(settings, action="PULL")
    details = json.loads(entry.details)
    assert (details["source"], details["delivery_id"], details["files"]) == ("tax", "tax-1", 1)


def test_links_and_pipes_of_a_local_provider_are_no_files(
    settings: Settings, there: There, configure: Configure, tmp_path: Path
) -> None:
    piped = deliver(there.settings, {"a.csv": csv([payment()])}, delivery_id="piped")
    (piped / "manifest.json").unlink()
    os.mkfifo(piped / "manifest.json")
    linked = deliver(there.settings, {"a.csv": csv([payment()])}, delivery_id="linked")
    (linked / "a.csv").rename(tmp_path / "elsewhere.csv")
    (linked / "a.csv").symlink_to(tmp_path / "elsewhere.csv")
    configure({"uri": there.root.as_uri()})
    report = pull(settings, "tax", AS_OF)
    assert (report.incomplete, report.pulled) == (1, ())
    assert "linked: file 1 of the manifest is not there" in report.problems[0]
