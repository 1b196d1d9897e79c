"""The audit chain: every change behind its back is found, and nothing else."""

import json
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from consent import audit, heads, store
from consent.audit import Entry
from firmpulse.errors import AuditError, WrongKeyError
from firmpulse.keys import keyring
from firmpulse.settings import Settings

FIRM = "11111111-2222-3333-4444-555555555555"


def fill(settings: Settings, count: int = 6) -> list[str]:
    return audit.append_many(
        settings, [Entry("LAND", "test", FIRM, {"rows": number}) for number in range(count)]
    )


def tamper(settings: Settings, *statements: str) -> None:
    """Act like someone with full access to the database: drop the triggers first."""
    with store.writing(settings) as connection:
        if connection.dialect.name == "sqlite":
            for verb in ("update", "delete"):
                connection.execute(sa.text(f"drop trigger if exists audit_no_{verb}"))
        else:
            connection.execute(sa.text("drop trigger if exists audit_append_only on audit"))
        for statement in statements:
            connection.exec_driver_sql(statement)


def found(settings: Settings) -> dict[int, str]:
    return {finding.seq: finding.problem for finding in audit.verify(settings).findings}


def test_entries_follow_each_other(store_settings: Settings) -> None:
    first = audit.append(store_settings, "QUERY", actor="user x", sql="from latest_scores", rows=3)
    second = audit.append(store_settings, "LAND", actor="task y", subject=FIRM)
    one, two = audit.entries(store_settings)
    assert (one.seq, one.prev_hash, one.hash) == (1, "0" * 64, first)
    assert (two.seq, two.prev_hash, two.hash) == (2, first, second)
    assert (one.actor, one.action, one.subject) == ("user x", "QUERY", None)
    assert json.loads(one.details) == {"sql": "from latest_scores", "rows": 3}
    result = audit.verify(store_settings)
    assert (result.ok, result.entries, result.newest.hash, result.unsealed) == (True, 2, second, 0)


def test_an_empty_chain_is_whole(store_settings: Settings) -> None:
    result = audit.verify(store_settings)
    assert (result.ok, result.entries) == (True, 0)


def test_entries_are_found_by_firm_and_action(settings: Settings) -> None:
    fill(settings, 3)
    audit.append(settings, "QUERY", actor="test")
    assert [entry.seq for entry in audit.entries(settings, subjects=[FIRM])] == [1, 2, 3]
    assert [entry.seq for entry in audit.entries(settings, action="QUERY")] == [4]
    assert [entry.seq for entry in audit.entries(settings, limit=2)] == [3, 4]


@pytest.mark.parametrize("seq", [1, 3, 6])
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("actor", "'somebody else'"),
        ("action", "'PULL'"),
        ("details", "'{\"rows\":7}'"),
        ("subject", "null"),
        ("at", "'2020-01-01T00:00:00.000000+00:00'"),
        ("prev_hash", f"'{'a' * 64}'"),
        ("hash", f"'{'a' * 64}'"),
    ],
)
def test_a_changed_entry_is_found(
    store_settings: Settings, seq: int, column: str, value: str
) -> None:
    fill(store_settings)
    tamper(store_settings, f"update audit set {column} = {value} where seq = {seq}")
    assert seq in found(store_settings)


@pytest.mark.parametrize("seq", [1, 3, 6])
def test_a_removed_entry_is_found(store_settings: Settings, seq: int) -> None:
    fill(store_settings)
    tamper(store_settings, f"delete from audit where seq = {seq}")
    assert found(store_settings)[seq].startswith("missing")


def test_entries_cut_off_stay_found_when_others_are_added(store_settings: Settings) -> None:
    fill(store_settings)
    tamper(store_settings, "delete from audit where seq > 4")
    audit.append(store_settings, "QUERY", actor="test")
    fill(store_settings, 3)
    assert found(store_settings) == {6: "is not the entry that was sealed"}


def test_a_removed_entry_is_found_after_closing_the_gap(store_settings: Settings) -> None:
    hashes = fill(store_settings)
    tamper(
        store_settings,
        "delete from audit where seq = 3",
        "update audit set seq = seq - 1 where seq > 3",
        f"update audit set prev_hash = '{hashes[1]}' where seq = 3",
    )
    assert {3, 4, 5} <= set(found(store_settings))


def test_reordered_entries_are_found(store_settings: Settings) -> None:
    fill(store_settings)
    tamper(
        store_settings,
        "update audit set seq = -1 where seq = 3",
        "update audit set seq = 3 where seq = 4",
        "update audit set seq = 4 where seq = -1",
    )
    assert {3, 4} <= set(found(store_settings))


def test_an_entry_slipped_in_is_found(store_settings: Settings) -> None:
    fill(store_settings)
    tamper(
        store_settings,
        "insert into audit select 7, at, actor, action, subject, details, hash, hash "
        "from audit where seq = 6",
    )
    assert 7 in found(store_settings)


def test_an_emptied_chain_is_found(store_settings: Settings) -> None:
    fill(store_settings)
    tamper(store_settings, "delete from audit")
    assert found(store_settings) == {1: "missing: the sealed head is entry 6"}


def _corrupt(path: Path) -> None:
    path.write_text(path.read_text(encoding="ascii").replace('"seq": 6', '"seq": 4'), "ascii")


@pytest.mark.parametrize(
    ("damage", "problem"), [(Path.unlink, "is not on this machine"), (_corrupt, "was changed")]
)
def test_a_head_that_is_gone_or_changed_is_found_and_can_be_sealed_again(
    store_settings: Settings, damage: Callable[[Path], Any], problem: str
) -> None:
    fill(store_settings)
    damage(heads.path_of(store_settings))
    audit.append(store_settings, "QUERY", actor="test")
    assert problem in found(store_settings)[7]
    audit.seal(store_settings, actor="test", reason="backup restored")
    assert found(store_settings) == {}
    fill(store_settings, 2)
    tamper(store_settings, "delete from audit where seq = 10")
    assert found(store_settings) == {10: "missing: the sealed head is entry 10"}


def test_a_noted_entry_shows_a_chain_made_anew(settings: Settings) -> None:
    noted = (6, fill(settings)[-1])
    assert audit.verify(settings, noted=noted).ok
    tamper(settings, "delete from audit")
    heads.path_of(settings).unlink()
    fill(settings, 8)
    assert audit.verify(settings).ok
    assert [found.seq for found in audit.verify(settings, noted=noted).findings] == [6]


def test_sealing_again_hides_no_change(settings: Settings) -> None:
    fill(settings)
    tamper(settings, "update audit set actor = 'x' where seq = 2")
    audit.seal(settings, actor="test", reason="all is well")
    assert set(found(settings)) == {2}


def test_a_crash_before_sealing_is_no_finding(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(audit.Trail, "seal", lambda _: None)
        fill(settings, 3)
    result = audit.verify(settings)
    assert (result.ok, result.entries, result.unsealed) == (True, 3, 3)
    fill(settings, 1)
    assert audit.verify(settings).unsealed == 0


def test_a_transaction_that_fails_leaves_no_entry(store_settings: Settings) -> None:
    fill(store_settings, 2)
    broken = (Entry("LAND", "test", None, {"share": 1 / number}) for number in (2, 1, 0))
    with pytest.raises(ZeroDivisionError):
        audit.append_many(store_settings, broken)
    result = audit.verify(store_settings)
    assert (result.ok, result.entries) == (True, 2)


def test_another_key_is_told_from_tampering(settings: Settings) -> None:
    fill(settings)
    other = settings.model_copy(update={"audit_key": keyring.load(settings, "token_key")})
    with pytest.raises(WrongKeyError, match="FIRMPULSE_AUDIT_KEY"):
        audit.verify(other)
    with pytest.raises(WrongKeyError, match="FIRMPULSE_AUDIT_KEY"):
        audit.append(other, "QUERY", actor="test")


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        (Entry("GOSSIP", "test"), "no audit action GOSSIP"),
        (Entry("LAND", "test", "uscc:914403001922038216"), "token of a firm"),
        (Entry("LAND", "test", None, {"rows": [1]}), "neither text, number"),  # type: ignore[dict-item]
        (Entry("LAND", "test", None, {"rate": float("nan")}), "neither text, number"),
    ],
)
def test_what_does_not_belong_is_refused(settings: Settings, entry: Entry, problem: str) -> None:
    with pytest.raises(AuditError, match=problem):
        audit.append_many(settings, [Entry("LAND", "test"), entry])
    assert audit.verify(settings).entries == 0


def test_a_code_in_a_typed_text_is_not_kept(settings: Settings) -> None:
    sql = "from x where a = '914403001922038216' or b = 'uscc:9144030071526726xg' or c = 12345"
    audit.append(settings, "QUERY", actor="test", sql=sql)
    kept = json.loads(audit.entries(settings)[0].details)["sql"]
    assert kept == "from x where a = '(code)' or b = 'uscc:(code)' or c = 12345"


def _append(settings: Settings, count: int) -> None:
    for number in range(count):
        audit.append(settings, "LAND", actor="worker", number=number)


def test_four_processes_make_one_chain(store_settings: Settings) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_append, args=(store_settings, 200)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(300)
    assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]
    result = audit.verify(store_settings)
    assert (result.ok, result.entries, result.newest.seq, result.unsealed) == (True, 800, 800, 0)


def test_many_entries_at_once(store_settings: Settings) -> None:
    audit.append(store_settings, "LAND", actor="test")
    started = time.perf_counter()
    fill(store_settings, 10_000)
    assert time.perf_counter() - started < 3
    assert audit.verify(store_settings).entries == 10_001


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False,
    allow_infinity=False) | st.text()  # fmt: skip
TAMPERINGS = st.sampled_from(["change", "remove", "swap", "cut", "insert"])


@given(
    details=st.lists(st.dictionaries(st.text(min_size=1), SCALARS, max_size=3), min_size=3,
                     max_size=12),
    how=TAMPERINGS,
    place=st.integers(0, 10**6),
)  # fmt: skip
@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_chain_is_whole_until_it_is_touched(
    tmp_path_factory: pytest.TempPathFactory,
    details: list[dict[str, Any]],
    how: str,
    place: int,
) -> None:
    settings = Settings(home=tmp_path_factory.mktemp("home"))
    audit.append_many(settings, [Entry("LAND", "test", None, entry) for entry in details])
    assert audit.verify(settings).ok
    seq = 1 + place % (len(details) - 1)
    tamper(settings, *{
        "change": [f"update audit set actor = actor || ' ' where seq = {seq}"],
        "remove": [f"delete from audit where seq = {seq}"],
        "swap": [f"update audit set seq = -1 where seq = {seq}",
                 f"update audit set seq = {seq} where seq = {seq + 1}",
                 f"update audit set seq = {seq + 1} where seq = -1"],
        "cut": [f"delete from audit where seq > {seq}"],
        "insert": ["insert into audit select max(seq) + 1, max(at), 'test', 'LAND', null, '{}', "
                   "max(hash), max(hash) from audit"],
    }[how])  # fmt: skip
    assert not audit.verify(settings).ok
