"""A request lists only the firms with a live grant, each with its widest window."""

import hashlib
import json
import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from consent import audit
from consent.ledger import Ledger
from extracts.connectors.requests import request
from firmpulse import warehouse
from firmpulse.errors import ConfigurationError
from firmpulse.keys import keyring, tokens
from firmpulse.settings import Settings
from tests.connectors.conftest import BUCKET, Configure
from tests.connectors.servers import HOST, SshServer
from tests.extracts.inbox import AS_OF, FIRM, OTHER, grant, permit


@pytest.fixture(params=["file", "sftp", "s3"])
def inbox_there(
    request: pytest.FixtureRequest, tmp_path: Path, sshd: SshServer
) -> Iterator[tuple[dict[str, Any], Any]]:
    """Return a provider's entry, and a function that reads what was put there."""
    folder = tmp_path / "requests"
    folder.mkdir()

    def read() -> dict[str, bytes]:
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }

    if request.param == "file":
        yield {"uri": "file:///out", "request_uri": folder.as_uri()}, read
    elif request.param == "sftp":
        base = f"sftp://{HOST}:{sshd.port}"
        connection = request.getfixturevalue("sftp")
        entry = {"uri": f"{base}/out", "request_uri": f"{base}{folder}", "connection": connection}
        yield entry, read
    else:
        bucket = request.getfixturevalue("bucket")
        uris = {"uri": f"s3://{BUCKET}/out", "request_uri": f"s3://{BUCKET}/in"}
        entry = uris | {"connection": request.getfixturevalue("s3")}
        yield (
            entry,
            lambda: {
                item.key.removeprefix("in/"): item.get()["Body"].read()
                for item in bucket.objects.all()
            },
        )


def _lines(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines()]


def test_a_request_holds_live_grants_only(
    settings: Settings, configure: Configure, inbox_there: tuple[dict[str, Any], Any]
) -> None:
    entry, put = inbox_there
    configure(entry)
    permit(
        settings,
        grant(authorization_id="A-1", window_start=date(2023, 7, 1)),
        grant(authorization_id="A-2", purpose="CREDIT_EVAL", window_start=date(2023, 2, 1)),
        grant(authorization_id="A-3", window_start=date(2020, 1, 1), valid_to=date(2024, 3, 30)),
        grant(authorization_id="A-4", window_start=date(2020, 1, 1), recipient="another"),
        grant(authorization_id="A-5", window_start=date(2020, 1, 1), source="bank"),
        grant(f"uscc:{OTHER}", authorization_id="B-1", valid_from=date(2024, 4, 1)),
    )
    report = request(settings, "tax", AS_OF)
    assert report.summary() == {
        "providers": 1,
        "firms": 1,
        "put": 1,
        "unchanged": 0,
        "problems": 0,
        "first_problem": None,
    }
    found = put()
    assert list(found) == ["2024-03-31/request.jsonl"]
    header, *firms = _lines(found["2024-03-31/request.jsonl"])
    assert firms == [
        {
            "firm": f"uscc:{FIRM}",
            "window_start": "2023-02-01",
            "window_end": "2024-03-31",
            "authorization_ids": ["A-1", "A-2"],
            "purposes": ["CREDIT_EVAL", "POST_LOAN_MONITOR"],
            "recipient": "demo-bank",
        }
    ]
    body = found["2024-03-31/request.jsonl"].partition(b"\n")[2]
    assert header == {
        "request_version": 1,
        "as_of": "2024-03-31",
        "source": "tax",
        "recipient": "demo-bank",
        "firms": 1,
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    # No part of it stays here.
    left = [p for p in settings.root.rglob("*") if p.is_file() and FIRM.encode() in p.read_bytes()]
    assert left == []
    assert request(settings, "tax", AS_OF).summary()["unchanged"] == 1

    # A revoked firm is removed from the request of the same day, and no longer requested.
    revoke(settings)
    again = request(settings, "tax", AS_OF)
    assert (again.put, again.firms) == (1, 0)
    assert [line.get("firms") for line in _lines(put()["2024-03-31/request.jsonl"])] == [0]
    assert request(settings, "tax", date(2024, 4, 2)).put == 1
    next_day = put()["2024-04-02/request.jsonl"]
    assert FIRM.encode() not in next_day
    assert OTHER.encode() in next_day


def revoke(settings: Settings) -> None:
    """End every grant of FIRM."""
    firm_id = str(tokens.firm_token(keyring.load(settings, "token_key"), f"uscc:{FIRM}"))
    Ledger(settings).revoke(firm_id, on=AS_OF, actor="test", reason="asked to")


def test_without_a_grant_nothing_is_put(
    settings: Settings, configure: Configure, inbox_there: tuple[dict[str, Any], Any]
) -> None:
    entry, put = inbox_there
    configure(entry)
    assert request(settings, "tax", AS_OF).summary()["put"] == 0
    assert put() == {}
    assert audit.entries(settings, action="REQUEST") == []


def test_every_firm_of_a_request_is_in_the_audit_chain(
    settings: Settings, configure: Configure, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    configure({"uri": "file:///out", "request_uri": (tmp_path / "in").as_uri()})
    permit(settings, grant(), grant(f"uscc:{OTHER}"))
    request(settings, "tax", AS_OF)
    request(settings, "tax", AS_OF)
    key = keyring.load(settings, "token_key")
    expected = {str(tokens.firm_token(key, f"uscc:{code}")) for code in (FIRM, OTHER)}
    total, *each = audit.entries(settings, action="REQUEST")
    assert {entry.subject for entry in each} == expected
    assert len(each) == 2
    assert json.loads(total.details)["firms"] == 2
    assert total.subject is None


def test_a_firm_that_the_vault_does_not_know_is_counted(
    settings: Settings, configure: Configure, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    configure({"uri": "file:///out", "request_uri": (tmp_path / "in").as_uri()})
    permit(settings, grant())
    with warehouse.connect(settings, vault=True) as connection:
        connection.execute("delete from vault.ops.firm_directory")
    report = request(settings, "tax", AS_OF)
    assert (report.firms, report.put) == (0, 0)
    assert "not in the request: 1; import their grants again" in report.problems[0]


def test_a_provider_that_cannot_take_it_is_reported(
    settings: Settings, configure: Configure, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "file").touch()
    configure(
        {"name": "full", "uri": "file:///o", "request_uri": (tmp_path / "file" / "x").as_uri()},
        {"name": "good", "uri": "file:///o", "request_uri": (tmp_path / "in").as_uri()},
    )
    permit(settings, grant())
    report = request(settings, "tax", AS_OF)
    assert report.put == 1
    assert report.problems[0].startswith("full: the provider answers with an error")
    assert "firmpulse request --source tax --as-of 2024-03-31" in report.problems[0]


def test_a_source_without_grants_takes_no_requests(
    settings: Settings, configure: Configure
) -> None:
    configure({"source": "lender", "uri": "file:///out", "request_uri": "file:///in"})
    with pytest.raises(ConfigurationError, match="lender needs no grants"):
        request(settings, "lender", AS_OF)


def test_whoever_may_read_a_local_folder_may_read_the_request(
    settings: Settings, configure: Configure, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in").chmod(0o2750)
    configure({"uri": "file:///out", "request_uri": (tmp_path / "in").as_uri()})
    permit(settings, grant())
    before = os.umask(0o077)
    try:
        assert request(settings, "tax", AS_OF).put == 1
    finally:
        os.umask(before)
    assert (tmp_path / "in" / "2024-03-31").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "in" / "2024-03-31" / "request.jsonl").stat().st_mode & 0o777 == 0o640
