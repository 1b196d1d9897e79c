"""Plain files of a provider become a delivery by its mapping, from every kind of server."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from extracts.connectors.pull import pull
from extracts.vault import nightly
from firmpulse.errors import ConfigurationError
from firmpulse.settings import Settings
from operations import deliveries
from operations.delivery import REFUSED
from tests.connectors.conftest import BUCKET, Configure, There
from tests.connectors.servers import SshServer
from tests.extracts.exports import ACCOUNT, CCB, text
from tests.extracts.inbox import AS_OF, FIRM, grant, permit, query

NAME = "ccb-20240331"
SOURCE = {"source": "bank", "name": "example bank", "mapping": "ccb"}


@pytest.fixture(params=["file", "sftp", "s3"])
def provider(
    request: pytest.FixtureRequest, there: There, sshd: SshServer
) -> tuple[dict[str, Any], Callable[[], None]]:
    """Return a provider's entry, and a function that uploads the contents of its folder."""
    if request.param == "file":
        return {**SOURCE, "uri": there.root.as_uri()}, lambda: None
    if request.param == "sftp":
        uri = f"sftp://127.0.0.1:{sshd.port}{there.root}"
        return {
            **SOURCE, "uri": uri, "connection": request.getfixturevalue("sftp")
        }, lambda: None  # fmt: skip
    bucket, connection = request.getfixturevalue("bucket"), request.getfixturevalue("s3")
    entry = {**SOURCE, "uri": f"s3://{BUCKET}/out", "connection": connection}
    return entry, lambda: there.upload(bucket)


def put(there: There, name: str = NAME, marker: str = "all.ok", **files: bytes) -> Path:
    folder = there.root / name
    for path, content in (files or CCB.files).items():
        target = folder / path.replace("__", "/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    if marker:
        (folder / marker).touch()
    return folder


def test_plain_files_are_pulled_and_land(
    settings: Settings,
    there: There,
    configure: Configure,
    provider: tuple[dict[str, Any], Callable[[], None]],
) -> None:
    entry, put_up = provider
    put(there)
    put(there, "ccb-20240330", marker="")
    put(there, "ccb-20240401")
    put_up()
    configure(entry)
    permit(settings, grant(source="bank"))
    report = pull(settings, "bank", AS_OF)
    assert [(one.provider, one.delivery_id, one.files) for one in report.pulled] == [
        ("example bank", NAME, 1)
    ]
    assert (report.incomplete, report.not_due, report.problems) == (1, 1, ())
    waiting = settings.inbox / "bank" / NAME
    manifest = json.loads((waiting / "manifest.json").read_text())
    assert (manifest["provider"], manifest["kind"]) == ("example bank", "history")
    assert manifest["delivered_at"] == "2024-03-31T22:00:00+08:00"
    assert (manifest["period_start"], manifest["period_end"]) == ("2024-01-10", "2024-01-11")
    assert [file["rows"] for file in manifest["files"]] == [2]
    assert (waiting / FIRM / "ccb.csv").read_bytes() == CCB.files[f"{FIRM}/ccb.csv"]
    left = (settings.inbox / "bank" / ".pulling").iterdir()
    assert [path.name for path in left] == ["lock"]

    assert pull(settings, "bank", AS_OF).known == 1
    assert nightly.land(settings, "bank", AS_OF).problems == ()
    assert query(settings, "select dc, amount::varchar from vault.raw.bank_txn order by all") == [
        ("IN", "2500.00"), ("OUT", "40000.00"),
    ]  # fmt: skip
    again = pull(settings, "bank", date(2024, 4, 1))
    assert (again.known, [one.delivery_id for one in again.pulled]) == (1, ["ccb-20240401"])
    manifest = json.loads((settings.inbox / "bank/ccb-20240401/manifest.json").read_text())
    assert manifest["kind"] == "increment"


def pull_one(settings: Settings, there: There, configure: Configure, **changes: Any) -> list[str]:
    """Pull from a folder; return the problems."""
    configure({**SOURCE, "uri": there.root.as_uri(), **changes})
    return list(pull(settings, "bank", AS_OF).problems)


@pytest.mark.parametrize("marker", ["all.ok", "x.DONE", ".done"])
def test_markers(settings: Settings, there: There, configure: Configure, marker: str) -> None:
    put(there, marker=marker)
    assert pull_one(settings, there, configure) == []
    assert (settings.inbox / "bank" / NAME).is_dir()


def test_a_changed_export_is_refused_by_name_and_shown(
    settings: Settings, there: There, configure: Configure
) -> None:
    lines = CCB.files[f"{FIRM}/ccb.csv"].decode("utf-8-sig").split("\r\n")
    changed = text([lines[0].replace("币种", "交易币别"), *lines[1:3]])
    put(there, **{f"{FIRM}__ccb.csv": changed})
    put(there, "ccb-20240330")
    (problem,) = pull_one(settings, there, configure)
    assert "example bank: ccb-20240331: file 1 of 1: the header is not the one that" in problem
    assert "new: 交易币别; gone: 币种" in problem
    assert FIRM not in problem
    assert [path.name for path in sorted((settings.inbox / "bank").glob("[!.]*"))] == [
        "ccb-20240330"
    ]
    found = deliveries.find(deliveries.known(settings).deliveries, NAME)
    assert (found.verdict, found.provider) == (REFUSED, "example bank")
    assert "gone: 币种" in found.sentence
    # The provider puts it right; the next night takes it.
    put(there)
    assert pull_one(settings, there, configure) == []
    assert (settings.inbox / "bank" / NAME / "manifest.json").is_file()


@pytest.mark.parametrize(
    ("name", "files", "told"),
    [
        ("ccb-x", {}, "the folder's name has no day such as 20261102"),
        ("ccb-20240231", {}, "the folder's name has no day such as 20261102"),
        (NAME, {"a.csv": b"x"}, r"there is no {uscc}/* among the 0 files"),
        (NAME, {f"{FIRM}__a.csv": b""}, "file 1 of 1: the file has no header row"),
        (NAME, {f"{FIRM}__a.pdf": b"%PDF"}, "file 1 of 1: its ending '.pdf' shows no format"),
    ],
)
def test_what_cannot_be_taken(
    settings: Settings, there: There, configure: Configure, name: str, files: dict[str, bytes],
    told: str,
) -> None:  # fmt: skip
    put(there, name, **files)
    (problem,) = pull_one(settings, there, configure)
    assert told in problem
    assert FIRM not in problem
    assert list((settings.inbox / "bank").glob("[!.]*")) == []
    assert [p.name for p in (settings.inbox / "bank" / ".pulling").iterdir()] == ["lock"]


def test_files_that_no_pattern_takes_are_counted(
    settings: Settings, there: There, configure: Configure
) -> None:
    put(there, **{**CCB.files, "readme.txt": b"x", "a__b__c.csv": b"x"})
    (problem,) = pull_one(settings, there, configure)
    assert "2 files fit no pattern of the mapping and were not read" in problem
    assert (settings.inbox / "bank" / NAME / FIRM / "ccb.csv").is_file()
    assert not (settings.inbox / "bank" / NAME / "readme.txt").exists()


def test_a_missing_pattern_is_refused(
    settings: Settings, there: There, configure: Configure
) -> None:
    mapping = 'version: 1\nprovider: x\nfiles:\n  - {pattern: "{uscc}/*.csv", table: bank_txn}\n'
    settings.mappings_dir.mkdir(parents=True)
    (settings.mappings_dir / "two.yml").write_text(
        f'{mapping}  - {{pattern: "accounts.csv", table: bank_account}}\n', encoding="utf-8"
    )
    put(there)
    (problem,) = pull_one(settings, there, configure, mapping="two")
    assert "it has no accounts.csv, which its mapping names" in problem


@pytest.mark.parametrize(
    ("mapping", "told"),
    [
        ("none", "there is no mapping 'none'; use one of"),
        ("etax", "its mapping etax has tables of tax; its source is bank"),
        ("broken", "its mapping broken is wrong: broken.yml line 1: provider: is missing"),
    ],
)
def test_a_wrong_mapping_stops_no_other_provider(
    settings: Settings, there: There, configure: Configure, mapping: str, told: str
) -> None:
    settings.mappings_dir.mkdir(parents=True)
    (settings.mappings_dir / "broken.yml").write_text("version: 1\n", encoding="utf-8")
    put(there)
    configure(
        {**SOURCE, "name": "one", "uri": there.root.as_uri(), "mapping": mapping},
        {**SOURCE, "uri": there.root.as_uri()},
    )
    report = pull(settings, "bank", AS_OF)
    assert [one.provider for one in report.pulled] == ["example bank"]
    (problem,) = report.problems
    assert told in problem


def test_a_manifest_comes_first(settings: Settings, there: There, configure: Configure) -> None:
    folder = put(there)
    (folder / "manifest.json").write_text("{}")
    (problem,) = pull_one(settings, there, configure)
    assert "the manifest is wrong" in problem


def test_another_providers_delivery_of_the_same_name(
    settings: Settings, there: There, configure: Configure
) -> None:
    put(there)
    (settings.inbox / "bank" / NAME).mkdir(parents=True)
    (problem,) = pull_one(settings, there, configure)
    assert "not from this provider, waits in the inbox" in problem


def test_links_are_no_files(
    settings: Settings, there: There, configure: Configure, tmp_path: Path
) -> None:
    folder = put(there)
    (tmp_path / "secret.csv").write_bytes(CCB.files[f"{FIRM}/ccb.csv"])
    (folder / FIRM / "link.csv").symlink_to(tmp_path / "secret.csv")
    assert pull_one(settings, there, configure) == []
    names = [path.name for path in (settings.inbox / "bank" / NAME / FIRM).iterdir()]
    assert names == ["ccb.csv"]


def test_accounts_in_paths_stay_in_the_vault(
    settings: Settings, there: There, configure: Configure
) -> None:
    put(there, **{f"{FIRM}__{ACCOUNT}__a.csv": b"x,y\n1,2\n"})
    (problem,) = pull_one(settings, there, configure, mapping="icbc_transfers")
    assert ACCOUNT not in problem
    assert "file 1 of 1: " in problem


def test_two_providers_with_folders_of_one_name(
    settings: Settings, there: There, configure: Configure, tmp_path: Path
) -> None:
    permit(settings, grant(source="bank"))
    put(there)
    assert pull_one(settings, there, configure) == []
    assert nightly.land(settings, "bank", AS_OF).totals.landed == 2
    other = There(settings.model_copy(update={"home": tmp_path / "other"}))
    put(other)
    (problem,) = pull_one(settings, other, configure, name="other bank")
    assert "not from this provider, has landed" in problem
    assert pull_one(settings, there, configure) == []


def test_hidden_files_are_not_fetched(
    settings: Settings, there: There, configure: Configure
) -> None:
    put(there, **{**CCB.files, f"{FIRM}__.part.csv": b"x", ".tmp__a.csv": b"x"})
    assert pull_one(settings, there, configure) == []
    names = [path.name for path in (settings.inbox / "bank" / NAME / FIRM).iterdir()]
    assert names == ["ccb.csv"]


def test_a_provider_is_not_named_by_a_code(
    settings: Settings, there: There, configure: Configure
) -> None:
    put(there)
    with pytest.raises(ConfigurationError, match=r"providers\.0\.name"):
        pull_one(settings, there, configure, name=FIRM)
