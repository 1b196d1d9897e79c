"""The firms in a bundle, on hand-filled tables; and files that only a sender could spoil."""

import base64
import csv
import hmac
import json
import shutil
import zlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from typer.testing import CliRunner

import cli
from consent import audit, intake
from consent.ledger import Ledger
from firmpulse import warehouse
from firmpulse.calendar import CHINA
from firmpulse.errors import DeliveryRefused, NotReadyError, WrongKeyError
from firmpulse.keys import keyring, tokens
from firmpulse.settings import Settings
from firmpulse.stored_tables import SCORES, UNSCORED, WARNINGS, Table
from scoring import overrides, publish, store
from scoring.bundles import hand_over, sealed

NIGHT = date(2026, 10, 31)
MORNING = datetime(2026, 11, 1, 9, tzinfo=CHINA)
LENDER, OTHER = X25519PrivateKey.generate(), X25519PrivateKey.generate()
SENDER = Ed25519PrivateKey.generate()

# Firm → its grants: number, source, purpose, recipient, last day.
GRANTS = {
    "watched": [("W1", "tax", "POST_LOAN_MONITOR", "demo-bank", "2099-12-31")],
    "once": [("O1", "tax", "CREDIT_EVAL", "demo-bank", "2026-12-31")],
    "others": [("X1", "tax", "POST_LOAN_MONITOR", "other-bank", "2027-12-31")],
    "both": [
        ("B1", "tax", "POST_LOAN_MONITOR", "demo-bank", "2027-12-31"),
        ("B2", "power", "POST_LOAN_MONITOR", "other-bank", "2027-12-31"),
    ],
    "over": [
        ("E1", "tax", "POST_LOAN_MONITOR", "demo-bank", "2026-10-31"),
        ("E2", "tax", "MODEL_TRAINING", "demo-bank", "2027-12-31"),
    ],
    "young": [("Y1", "tax", "POST_LOAN_MONITOR", "demo-bank", "2027-12-31")],
    "young_both": [
        ("Z1", "tax", "POST_LOAN_MONITOR", "demo-bank", "2027-12-31"),
        ("Z2", "power", "POST_LOAN_MONITOR", "other-bank", "2027-12-31"),
    ],
}
UNRATED = ("young", "young_both")


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Record the grants, score the firms BB by all that they granted, publish the night."""
    settings = Settings(home=tmp_path_factory.mktemp("origin") / "home", memory_limit="2GB")
    lines = [
        json.dumps({
            "authorization_id": number, "firm": f"case:{firm}", "source": source,
            "purpose": purpose, "recipient": recipient, "window_start": "2023-10-31",
            "valid_from": "2026-10-01", "valid_to": last, "text_version": "2026-01",
        })
        for firm, grants in GRANTS.items()
        for number, source, purpose, recipient, last in grants
    ]  # fmt: skip
    (settings.inbox / "consent").mkdir(parents=True)
    (settings.inbox / "consent" / "grants.jsonl").write_text("\n".join(lines), "utf-8")
    intake.import_night(settings)
    _fill(settings, SCORES, [
        {
            "firm_id": _token(settings, firm), "grade": "BB",
            "grants": [number for number, _, purpose, *_ in grants if purpose != "MODEL_TRAINING"],
        }
        for firm, grants in GRANTS.items() if firm not in UNRATED
    ])  # fmt: skip
    _fill(settings, UNSCORED, [
        {"firm_id": _token(settings, firm), "reason": "insufficient_history"} for firm in UNRATED
    ])  # fmt: skip
    publish.publish(settings, NIGHT)
    for recipient, key in (("demo-bank", LENDER), ("other-bank", OTHER)):
        hand_over.register(settings, recipient, sealed.to_pem(key.public_key()))
    return settings


@pytest.fixture
def home(settings: Settings, origin: Settings) -> Settings:
    """Return a copy of that home."""
    shutil.copytree(origin.root, settings.root, symlinks=True)
    return settings


def _fill(settings: Settings, table: Table, rows: list[dict[str, Any]]) -> None:
    filled = [{**dict.fromkeys(table.columns), "as_of": NIGHT, **row} for row in rows]
    with warehouse.connect(settings) as connection:
        store.replace_firms(connection, table, pl.DataFrame(filled), NIGHT)


def _token(settings: Settings, firm: str) -> str:
    return str(tokens.firm_token(keyring.load(settings, "token_key"), f"case:{firm}"))


def _bundle(
    home: Settings, recipient: str = "demo-bank", at: datetime = MORNING
) -> tuple[hand_over.Bundle, dict[str, Any]]:
    made = hand_over.bundle(home, recipient, NIGHT, at)
    key = LENDER if recipient == "demo-bank" else OTHER
    return made, sealed.unseal(made.content, hand_over.signing_key(home).public_key(), key)


def _firms(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(row["firm"].removeprefix("case:") for row in rows)


def test_only_firms_that_granted_this_recipient(home: Settings) -> None:
    """`over` granted only training by the morning, `both` was also scored by another's grant."""
    made, opened = _bundle(home)
    assert _firms(opened["scores"]) == ["once", "watched"]
    assert _firms(opened["unscored"]) == ["young"]
    # `both` and `young_both`.
    assert (made.firms, made.left_out) == (3, 2)
    until = {row["firm"]: row["valid_until"] for row in opened["scores"]}
    assert until == {"case:watched": "2099-12-31", "case:once": "2026-12-31"}


def test_the_evening_before_its_end_a_grant_still_counts(home: Settings) -> None:
    _, opened = _bundle(home, at=datetime(2026, 10, 31, 22, tzinfo=CHINA))
    assert _firms(opened["scores"]) == ["once", "over", "watched"]


def test_a_one_off_assessment_is_handed_over_until_its_grant_would_have_ended(
    home: Settings,
) -> None:
    _, opened = _bundle(home, at=datetime(2026, 12, 31, 9, tzinfo=CHINA))
    assert _firms(opened["scores"]) == ["once", "watched"]
    _, opened = _bundle(home, at=datetime(2027, 1, 1, 9, tzinfo=CHINA))
    assert _firms(opened["scores"]) == ["watched"]


def test_another_recipient_gets_its_own_firms(home: Settings) -> None:
    _, opened = _bundle(home, "other-bank")
    assert _firms(opened["scores"]) == ["others"]
    assert opened["unscored"] == []


def test_a_bundle_of_nobody_is_not_made(home: Settings) -> None:
    Ledger(home).revoke(_token(home, "others"), on=NIGHT, actor="test")
    with pytest.raises(NotReadyError, match="all 2 firms of 'other-bank' are left out"):
        _bundle(home, "other-bank")


def test_warnings_of_a_source_that_was_not_granted_stay_here(home: Settings) -> None:
    young = _token(home, "young")
    _fill(home, WARNINGS, [
        {"firm_id": young, "rule_id": rule, "level": "yellow", "source": source}
        for rule, source in (("ours", "tax"), ("theirs", "bank"), ("grade", "model"))
    ])  # fmt: skip
    publish.publish_again(home)
    _, opened = _bundle(home)
    assert [row["rule_id"] for row in opened["warnings"]] == ["grade", "ours"]


def test_an_override_holds_for_the_grade_it_was_made_of(home: Settings) -> None:
    watched = _token(home, "watched")
    made = overrides.propose(home, watched, NIGHT, "CCC", "SITE_VISIT", "Li Wei")
    overrides.decide(home, made.override_id, "Zhang Min", approve=True)
    publish.publish_again(home)
    assert _grades(home)["case:watched"] == "CCC"
    _fill(home, SCORES, [{"firm_id": watched, "grade": "D", "grants": ["W1"]}])
    publish.publish_again(home)
    assert _grades(home)["case:watched"] == "D"


def _grades(home: Settings) -> dict[str, str]:
    return {row["firm"]: row["grade"] for row in _bundle(home)[1]["scores"]}


def _sealed(contents: Mapping[str, Any]) -> bytes:
    return sealed.seal(
        contents, recipient="demo-bank", as_of="2026-10-31", created_at="2026-11-01T09:00:00+08:00",
        firms=1, to=LENDER.public_key(), by=SENDER,
    )  # fmt: skip


def _signed(header: sealed.Header, rest: bytes) -> bytes:
    line = json.dumps(asdict(header)).encode()
    return b"\n".join((line, base64.b64encode(SENDER.sign(line + b"\n" + rest)), rest))


def test_every_flipped_bit_is_noticed() -> None:
    content = _sealed({"scores": [{"firm": "case:watched"}]})
    sealed.unseal(content, SENDER.public_key(), LENDER)
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1
        with pytest.raises((DeliveryRefused, WrongKeyError)):
            sealed.unseal(bytes(changed), SENDER.public_key(), LENDER)


def test_contents_belong_to_one_header() -> None:
    """Even its sender cannot attribute contents to another night."""
    content = _sealed({"scores": []})
    header = sealed.verify(content, SENDER.public_key())
    rest = content.split(b"\n", 2)[2]
    other = _signed(replace(header, as_of="2026-09-30"), rest)
    assert sealed.verify(other, SENDER.public_key()).as_of == "2026-09-30"
    with pytest.raises(DeliveryRefused, match="do not belong to its header; ask for it again"):
        sealed.unseal(other, SENDER.public_key(), LENDER)


def test_rfc_9180_by_hand_opens_the_contents() -> None:
    """Base mode of the standard, step by step, like a program without HPKE."""
    content = _sealed({"scores": [{"firm": "case:watched"}]})
    line, _, rest = content.split(b"\n", 2)
    header = json.loads(line)
    info = json.dumps(
        {name: header[name] for name in ("as_of", "created_at", "recipient", "suite")},
        separators=(",", ":"),
    ).encode()
    encapsulated, ciphertext = rest[:32], rest[32:]
    kem, suite = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x02"
    exchanged = LENDER.exchange(X25519PublicKey.from_public_bytes(encapsulated))
    own = LENDER.public_key().public_bytes_raw()
    shared = _expand(
        kem, _extract(kem, b"", b"eae_prk", exchanged), b"shared_secret", encapsulated + own, 32
    )
    context = (
        b"\x00"
        + _extract(suite, b"", b"psk_id_hash", b"")
        + _extract(suite, b"", b"info_hash", info)
    )
    secret = _extract(suite, shared, b"secret", b"")
    key = _expand(suite, secret, b"key", context, 32)
    nonce = _expand(suite, secret, b"base_nonce", context, 12)
    plain = zlib.decompress(AESGCM(key).decrypt(nonce, ciphertext, b""))
    assert json.loads(plain) == {"scores": [{"firm": "case:watched"}]}


def _extract(suite: bytes, salt: bytes, label: bytes, key: bytes) -> bytes:
    return hmac.digest(salt, b"HPKE-v1" + suite + label + key, "sha256")


def _expand(suite: bytes, key: bytes, label: bytes, info: bytes, length: int) -> bytes:
    """Expand to at most one block."""
    text = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.digest(key, text + b"\x01", "sha256")[:length]


def test_a_suite_that_is_not_built_is_named() -> None:
    content = _sealed({"scores": []})
    header = replace(sealed.verify(content, SENDER.public_key()), suite="gm")
    with pytest.raises(DeliveryRefused, match="suite 'gm', this version has intl"):
        sealed.verify(_signed(header, b""), SENDER.public_key())


@pytest.mark.parametrize(
    "plain",
    [b"no zlib", zlib.compress(b"{"), zlib.compress(b"[]"), zlib.compress(b'{"../../x": []}')],
)
def test_contents_that_are_no_tables_are_refused(plain: bytes) -> None:
    """File names come from the contents: they must not lead out of the lender's folder."""
    header = sealed.verify(_sealed({"scores": []}), SENDER.public_key())
    names = ("as_of", "created_at", "recipient", "suite")
    info = json.dumps(
        {name: getattr(header, name) for name in names}, sort_keys=True, separators=(",", ":")
    ).encode()
    suite = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
    content = _signed(header, suite.encrypt(plain, LENDER.public_key(), info=info))
    with pytest.raises(DeliveryRefused, match="have no tables"):
        sealed.unseal(content, SENDER.public_key(), LENDER)


def test_keys_lie_where_only_their_owner_reads(home: Settings) -> None:
    hand_over.signing_key(home)
    files: list[Path] = [home.keys_dir / "signing_key", home.recipients_dir / "demo-bank.pem"]
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600, 0o600]


def test_both_sides_by_their_commands(
    home: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRMPULSE_HOME", str(home.root))
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder in (ours, theirs):
        folder.mkdir()
    told = _run("lender", "keygen", "--to", str(theirs / "keys"))
    private, public = (theirs / "keys" / f"bundle_{kind}.pem" for kind in ("private", "public"))
    assert private.stat().st_mode & 0o777 == 0o600
    fingerprint = told.rsplit(maxsplit=1)[-1]
    assert _run("lender", "add", "demo-bank", "--public-key", str(public)).split()[-1] == (
        fingerprint
    )
    sender = theirs / "sender.pem"
    sender.write_bytes(sealed.to_pem(hand_over.signing_key(home).public_key()))
    assert sender.read_text("ascii") in _run("lender", "public-key")
    _run("lender", "bundle", "demo-bank", "--as-of", "2026-10-31", "--to", str(ours))
    file = ours / "firmpulse-demo-bank-2026-10-31.fpb"
    arguments = (str(file), "--sender-key", str(sender))
    assert "for demo-bank" in _run("lender", "verify", *arguments)
    night = theirs / "night"
    _run("lender", "open", *arguments, "--private-key", str(private), "--to", str(night))
    assert sorted(path.name for path in night.iterdir()) == [
        "reasons.csv", "scores.csv", "unscored.csv", "warnings.csv"
    ]  # fmt: skip
    with (night / "scores.csv").open(encoding="utf-8-sig", newline="") as scores:
        rows = list(csv.DictReader(scores))
    assert list(rows[0])[:5] == ["firm", "as_of", "score", "grade", "default_prob"]
    assert ("case:watched", "BB", "W1") in {
        (row["firm"], row["grade"], row["grants"]) for row in rows
    }


def test_no_bundle_is_written_where_firms_are_erased(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRMPULSE_HOME", str(home.root))
    for place in (home.root, home.root / "scores" / "x.fpb"):
        result = CliRunner().invoke(
            cli.app,
            ["lender", "bundle", "demo-bank", "--as-of", "2026-10-31", "--to", str(place)],
        )
        assert "is in the home folder" in str(result.exception)
    assert not list(home.root.rglob("*.fpb"))
    assert audit.entries(home, action="PROVIDE") == []


def test_each_firm_can_be_told_what_was_handed_over(home: Settings) -> None:
    made, _ = _bundle(home)
    (entry,) = audit.entries(home, action="PROVIDE", subjects=[_token(home, "once")])
    assert json.loads(entry.details) == {
        "recipient": "demo-bank", "as_of": "2026-10-31", "sha256": made.sha256, "firms": 3,
    }  # fmt: skip


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(cli.app, list(arguments))
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output
