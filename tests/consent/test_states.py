"""A grant's life: given, in force, ended by date, by the firm or by use, purged, certified."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from consent import audit, wording
from consent.certificates import Certificate
from consent.grants import Grant
from consent.ledger import Ledger
from firmpulse.errors import GrantError
from firmpulse.settings import Settings
from tests.consent.test_ledger import DAY, FIRM, grant, token_of
from tests.consent.test_today import ClockAt

OTHER = "uscc:9152000071430580XT"
MONITOR = "POST_LOAN_MONITOR"
NIGHT = DAY - timedelta(days=1)


def states(settings: Settings, on: date, firm: str = FIRM) -> dict[str, str]:
    frame = Ledger(settings).status(token_of(settings, firm), on)
    return dict(zip(frame["authorization_id"], frame["state"], strict=True))


@pytest.mark.parametrize(
    ("day", "state"),
    [
        (date(2023, 12, 31), "GRANTED"),
        (date(2024, 1, 1), "ACTIVE"),
        (date(2024, 12, 31), "ACTIVE"),
        (date(2025, 1, 1), "EXPIRED"),
    ],
)
def test_the_dates_make_a_grant_active_and_expired(
    store_settings: Settings, day: date, state: str
) -> None:
    Ledger(store_settings).record([grant()])
    assert states(store_settings, day) == {"A-1": state}


def test_a_grant_that_expired_has_ended_the_day_after(store_settings: Settings) -> None:
    ledger = Ledger(store_settings)
    ledger.record([grant(1, keep_results=True), grant(2, valid_to=date(2025, 6, 30))])
    assert ledger.ended(date(2024, 12, 31)).is_empty()
    assert ledger.ended(date(2025, 1, 1)).rows() == [
        ("A-1", token_of(store_settings), "tax", "CREDIT_EVAL", True, "EXPIRED", date(2025, 1, 1))
    ]


def test_a_draft_is_in_force_once_it_is_signed(
    store_settings: Settings, clock_at: Callable[[date], None]
) -> None:
    clock_at(date(2030, 1, 1))
    ledger = Ledger(store_settings)
    assert ledger.record([grant(1), grant(2)], draft=True) == 2
    assert ledger.live(DAY).is_empty()
    assert ledger.ended(date(2030, 1, 1)).is_empty()
    assert states(store_settings, DAY) == {"A-1": "DRAFT", "A-2": "DRAFT"}
    assert ledger.sign(["A-1"], actor="form") == ["A-1"]
    assert ledger.sign(["A-1"], actor="form") == []
    assert ledger.live(DAY)["authorization_id"].to_list() == ["A-1"]


def test_revoking_chooses_by_source_and_purpose(store_settings: Settings) -> None:
    ledger, firm = Ledger(store_settings), token_of(store_settings)
    ledger.record(
        [
            grant(1),
            grant(2, source="bank"),
            grant(3, source="bank", purpose=MONITOR),
            grant(4, firm=OTHER),
        ]
    )
    end = {"on": DAY, "actor": "test"}
    assert ledger.revoke(firm, **end, sources=["bank"], purposes=[MONITOR]) == ["A-3"]
    assert ledger.revoke(firm, **end, sources=["bank"]) == ["A-2"]
    assert ledger.revoke(firm, **end) == ["A-1"]
    assert ledger.revoke(firm, **end) == []
    assert ledger.live(DAY)["authorization_id"].to_list() == ["A-4"]
    with pytest.raises(GrantError, match="no grant A-4 of this firm"):
        ledger.revoke(firm, **end, authorization_id="A-4")


@pytest.mark.parametrize("reason", ["call 13812345678", "914403001922038216", "x" * 201])
def test_a_reason_that_could_name_somebody_is_refused(settings: Settings, reason: str) -> None:
    ledger = Ledger(settings)
    ledger.record([grant()])
    with pytest.raises(GrantError, match="the reason contains"):
        ledger.revoke(token_of(settings), on=DAY, actor="test", reason=reason)
    assert ledger.live(DAY).height == 1


def test_an_assessment_is_used_up_and_monitoring_is_not(
    store_settings: Settings, clock_at: ClockAt
) -> None:
    clock_at(DAY)
    ledger = Ledger(store_settings)
    ledger.record([grant(1), grant(2, purpose=MONITOR)])
    assert ledger.consume(["A-1"], NIGHT, "night") == ["A-1"]
    assert ledger.consume(["A-1"], NIGHT, "night") == []
    assert ledger.live(DAY)["authorization_id"].to_list() == ["A-2"]
    clock_at(DAY + timedelta(days=1))
    assert ledger.ended(DAY + timedelta(days=1))["ended_as"].to_list() == ["CONSUMED"]
    with pytest.raises(GrantError, match="A-2 is for POST_LOAN_MONITOR"):
        ledger.consume(["A-2"], NIGHT, "night")
    with pytest.raises(GrantError, match="there is no grant A-9"):
        ledger.consume(["A-9"], NIGHT, "night")


def test_a_night_of_long_ago_uses_a_grant_up_with_the_day_it_is_run(
    store_settings: Settings, clock_at: ClockAt
) -> None:
    """Its results are read today; no data of the firm are erased before tomorrow."""
    clock_at(DAY)
    ledger, long_ago = Ledger(store_settings), date(2024, 2, 29)
    ledger.record([grant()])
    ledger.consume(["A-1"], long_ago, "night")
    assert ledger.ended(DAY).is_empty()
    assert ledger.withdrawn(NIGHT).to_list() == []
    assert ledger.live(long_ago)["authorization_id"].to_list() == ["A-1"]
    assert ledger.served(long_ago).to_list() == [token_of(store_settings)]
    assert ledger.live(NIGHT).is_empty()
    (row,) = ledger.status(token_of(store_settings), DAY).to_dicts()
    assert (row["state"], row["ended_on"]) == ("CONSUMED", DAY + timedelta(days=1))


def test_a_firm_is_withdrawn_when_nothing_is_left_in_force(
    store_settings: Settings, clock_at: ClockAt
) -> None:
    clock_at(NIGHT)
    ledger = Ledger(store_settings)
    ledger.record(
        [grant(1), grant(2, source="bank"), grant(3, firm=OTHER), grant(4, firm="demo:1")]
    )
    ledger.record([grant(5, firm="demo:2")], draft=True)
    ledger.consume(["A-3"], NIGHT, "night")
    assert ledger.withdrawn(NIGHT).to_list() == []
    clock_at(date(2025, 1, 1))
    ledger.revoke(token_of(store_settings), on=DAY, actor="test", sources=["bank"])
    assert ledger.withdrawn(DAY).to_list() == [token_of(store_settings, OTHER)]
    ledger.revoke(token_of(store_settings), on=DAY, actor="test")
    gone = sorted([token_of(store_settings), token_of(store_settings, OTHER)])
    assert ledger.withdrawn(DAY).to_list() == gone
    everyone = sorted([*gone, token_of(store_settings, "demo:1")])
    assert ledger.withdrawn(date(2025, 1, 1)).to_list() == everyone
    ledger.record([grant(6)])
    assert ledger.withdrawn(DAY).to_list() == [token_of(store_settings, OTHER)]


def certificate(settings: Settings, **changes: Any) -> Certificate:
    terms: dict[str, Any] = {
        "firm_id": token_of(settings),
        "on": DAY,
        "authorization_ids": ("A-1",),
        "sources": ("tax",),
        "scope": "everything",
        "deleted": {"vault.raw.tax_invoice": 12, "warehouse.facts": 3},
        "model_versions": ("credit_model v3",),
    }
    return Certificate(**(terms | changes))


def test_purged_grants_are_done_and_certified(store_settings: Settings) -> None:
    ledger, firm = Ledger(store_settings), token_of(store_settings)
    ledger.record([grant(1), grant(2, source="power")])
    with pytest.raises(GrantError, match="A-1 is not over on 2024-06-30"):
        ledger.purged(["A-1"], on=DAY, certificate_id=None)
    ledger.revoke(firm, on=DAY, actor="test", sources=["tax"])
    name = ledger.certify(certificate(store_settings))
    assert ledger.certify(certificate(store_settings, deleted={})) == name
    assert ledger.purged(["A-1"], on=DAY, certificate_id=name) == ["A-1"]
    assert ledger.purged(["A-1"], on=DAY, certificate_id=name) == []
    assert ledger.ended(DAY).is_empty()
    row = ledger.status(firm, DAY).row(1, named=True)
    assert (row["state"], row["ended_as"], row["ended_on"], row["purged_on"]) == (
        "PURGED", "REVOKED", DAY, DAY,
    )  # fmt: skip
    assert row["certificate_id"] == name
    issued = ledger.certificate(name)
    assert (issued.deleted["vault.raw.tax_invoice"], issued.model_versions) == (
        12, ("credit_model v3",),
    )  # fmt: skip
    assert ledger.certificates(firm) == [issued]
    erased = audit.entries(store_settings, action="ERASE")
    assert [entry.hash for entry in erased] == [issued.audit_hash]
    with pytest.raises(GrantError, match="no certificate C-0"):
        ledger.certificate("C-0")


def test_an_expired_grant_that_is_purged_says_how_it_ended(settings: Settings) -> None:
    ledger = Ledger(settings)
    ledger.record([grant()])
    ledger.purged(["A-1"], on=date(2025, 2, 1), certificate_id=None)
    row = ledger.status(token_of(settings), date(2025, 2, 1)).row(0, named=True)
    assert (row["state"], row["ended_as"], row["ended_on"]) == (
        "PURGED", "EXPIRED", date(2025, 1, 1),
    )  # fmt: skip
    assert ledger.live(DAY).is_empty()


def test_history_and_chain_tell_every_change(store_settings: Settings, clock_at: ClockAt) -> None:
    clock_at(NIGHT)
    ledger, firm = Ledger(store_settings), token_of(store_settings)
    ledger.record([grant(1)], actor="intake")
    ledger.record([grant(2, source="bank"), grant(3, firm=OTHER)], draft=True)
    ledger.sign(["A-2"], actor="form")
    ledger.consume(["A-1"], NIGHT, "night")
    clock_at(DAY)
    ledger.revoke(firm, on=DAY, actor="user x", reason="changed bank")
    ledger.purged(["A-1"], on=DAY, certificate_id=None, actor="dag")
    told = ledger.history(firm).select("event", "authorization_id", "actor", "reason").rows()
    assert told == [
        ("GRANT", "A-1", "intake", None),
        ("DRAFT", "A-2", "intake", None),
        ("SIGN", "A-2", "form", None),
        ("CONSUME", "A-1", "night", None),
        ("REVOKE", "A-2", "user x", "changed bank"),
        ("PURGE", "A-1", "dag", None),
    ]
    chained = [entry.action for entry in audit.entries(store_settings, subjects=[firm])]
    assert chained == ["GRANT", "DRAFT", "SIGN", "CONSUME", "REVOKE", "PURGE"]
    assert audit.verify(store_settings).entries == 7


def test_a_change_and_its_audit_entry_stand_or_fall_together(
    store_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(store_settings)
    ledger.record([grant()])

    def broken(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(audit.Trail, "append", broken)
        with pytest.raises(OSError, match="disk full"):
            ledger.revoke(token_of(store_settings), on=DAY, actor="test")
    assert ledger.live(DAY).height == 1
    assert ledger.history(token_of(store_settings)).height == 1


def test_live_is_asked_by_purpose_and_recipient(store_settings: Settings) -> None:
    ledger = Ledger(store_settings)
    ledger.record([grant(1), grant(2, purpose=MONITOR), grant(3, recipient="other-bank")])

    def found(**wanted: Any) -> list[str]:
        return sorted(ledger.live(DAY, "tax", **wanted)["authorization_id"])

    assert found(purposes=[MONITOR]) == ["A-2"]
    assert found(purposes=["CREDIT_EVAL", MONITOR]) == ["A-1", "A-2", "A-3"]
    assert found(recipient="other-bank") == ["A-3"]
    assert found(purposes=[]) == []


def test_the_text_is_known_or_hashed(store_settings: Settings) -> None:
    ledger = Ledger(store_settings)
    own = {"text_version": "our-bank-7"}

    def refused(grants: list[Grant], problem: str) -> None:
        with pytest.raises(GrantError, match=problem):
            ledger.record(grants)

    refused([grant(1, **own)], "add its text_sha256")
    refused([grant(1, text_sha256="a" * 64)], "a different text_sha256 than the text 2026-01")
    ledger.record([grant(1), grant(2, **own, text_sha256="b" * 64)])
    refused([grant(3, **own, text_sha256="c" * 64)], "than earlier grants by our-bank-7")
    status = ledger.status(token_of(store_settings), DAY)
    assert status["text_sha256"].to_list() == [SHA_2026_01, "b" * 64]


SHA_2026_01 = "bfc7e699824b3d0f1255035c5be86f7d7292d0e37685396834ec290b33234996"
SHA_2026_11 = "1e23d0ab1ed96dd1532a2239381692bd2878c1d11d456370249f7aac44755ac1"


def test_a_text_in_use_is_never_edited() -> None:
    assert wording.sha256("2026-01") == SHA_2026_01
    assert wording.sha256("2026-11") == SHA_2026_11
    assert wording.versions() == ("2026-01", "2026-11", "data-set", "open-data")
    for version in wording.versions():
        assert wording.text(version, "en").startswith("# ")
    assert "单独同意" in wording.text("2026-01")
    with pytest.raises(GrantError, match="no authorisation text 1999"):
        wording.text("1999")


def test_a_text_grants_the_sources_that_it_names(store_settings: Settings) -> None:
    ledger = Ledger(store_settings)
    public = {"source": "public_records"}
    with pytest.raises(
        GrantError,
        match="is of public_records, which the text 2026-01 does not name; the firm has to sign "
        "one that does, such as 2026-11",
    ):
        ledger.record([grant(1, **public)])
    named = [
        grant(2, **public, text_version="2026-11"),
        # A text that names no source in particular, and one of the bank's own.
        grant(3, **public, text_version="data-set"),
        grant(4, **public, text_version="our-bank-7", text_sha256="b" * 64),
    ]
    assert ledger.record([grant(5, source="project_contracts"), *named]) == 4
