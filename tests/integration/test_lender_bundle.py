"""Bundles for a lender: their contents, who can open them, and changed ones."""

import base64
import json
import zlib
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from consent import audit, directory
from consent.ledger import Ledger
from features import registry
from firmpulse import warehouse
from firmpulse.calendar import CHINA
from firmpulse.errors import ConfigurationError, DeliveryRefused, NotReadyError, WrongKeyError
from firmpulse.settings import Settings
from scoring.bundles import hand_over, sealed
from tests.integration.conftest import Assessed

LENDER = X25519PrivateKey.generate()
RECIPIENT = "demo-bank"


def _at(assessed: Assessed) -> datetime:
    return datetime(assessed.as_of.year, assessed.as_of.month, assessed.as_of.day, 9, tzinfo=CHINA)


@pytest.fixture(scope="module")
def made(assessed: Assessed) -> hand_over.Bundle:
    """Make the bundle of the night for the recipient of the simulated grants."""
    hand_over.register(assessed.settings, RECIPIENT, sealed.to_pem(LENDER.public_key()))
    return hand_over.bundle(assessed.settings, RECIPIENT, assessed.as_of, _at(assessed))


def _opened(assessed: Assessed, content: bytes) -> dict[str, Any]:
    sender = hand_over.signing_key(assessed.settings).public_key()
    return sealed.unseal(content, sender, LENDER)


def test_the_lender_gets_every_firm_by_its_code(assessed: Assessed, made: hand_over.Bundle) -> None:
    opened = _opened(assessed, made.content)
    with warehouse.connect_published(assessed.settings) as connection:
        published = connection.execute(
            "select firm_id, score, default_prob from latest_scores order by firm_id"
        ).fetchall()
    codes = directory.identifiers(assessed.settings, [firm for firm, _, _ in published])
    expected = {codes[firm]: (score, prob) for firm, score, prob in published}
    assert {
        row["firm"]: (row["score"], row["default_prob"]) for row in opened["scores"]
    } == expected
    assert made.left_out == 0
    assert all(row["firm"].startswith("uscc:") for row in opened["reasons"])
    assert {row["rank"] for row in opened["reasons"]} == {1, 2, 3, 4}
    assert opened["warnings"]
    assert all("…" in row["text_en"] or row["text_en"] for row in opened["warnings"])


def test_results_leave_and_nothing_they_rest_on(assessed: Assessed, made: hand_over.Bundle) -> None:
    opened = _opened(assessed, made.content)
    assert set(opened) == {"scores", "reasons", "warnings", "unscored"}
    columns = {name for rows in opened.values() for row in rows for name in row}
    assert columns <= {
        "firm", "as_of", "score", "grade", "default_prob", "warning_level", "coverage",
        "needs_review", "review_reasons", "grants", "model_version", "code_version",
        "feature_digest", "valid_until", "rank", "code", "text_zh", "text_en", "rule_id", "level",
        "source", "opened_on", "reason", "reason_zh", "reason_en", "help_zh", "help_en",
    }  # fmt: skip
    text = json.dumps(opened)
    assert not [name for name in registry.load(assessed.settings).names() if name in text]


def test_nothing_can_be_read_without_the_key(assessed: Assessed, made: hand_over.Bundle) -> None:
    opened = _opened(assessed, made.content)
    for firm in {row["firm"] for row in opened["scores"]}:
        assert firm.removeprefix("uscc:").encode() not in made.content
    with warehouse.connect_published(assessed.settings) as connection:
        tokens = connection.execute("select distinct firm_id from scores").fetchall()
    assert not [token for (token,) in tokens if token.encode() in made.content]


def test_the_standard_route_opens_it_too(assessed: Assessed, made: hand_over.Bundle) -> None:
    """Decrypt with only the primitives, like a lender's own program."""
    line, signature, rest = made.content.split(b"\n", 2)
    header = json.loads(line)
    sender = hand_over.signing_key(assessed.settings).public_key()
    sender.verify(base64.b64decode(signature), line + b"\n" + rest)
    info = json.dumps(
        {name: header[name] for name in ("as_of", "created_at", "recipient", "suite")},
        sort_keys=True, separators=(",", ":"),
    )  # fmt: skip
    suite = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
    plain = zlib.decompress(suite.decrypt(rest, LENDER, info=info.encode()))
    assert json.loads(plain) == _opened(assessed, made.content)


@pytest.mark.parametrize(
    ("place", "part"),
    [(40, "header or signature"), (-1, "contents"), (-1000, "contents")],
)
def test_a_changed_byte_is_refused(
    assessed: Assessed, made: hand_over.Bundle, place: int, part: str
) -> None:
    content = bytearray(made.content)
    content[place] ^= 1
    with pytest.raises(DeliveryRefused, match=f"{part}|no header"):
        _opened(assessed, bytes(content))


def test_a_changed_signature_is_refused(assessed: Assessed, made: hand_over.Bundle) -> None:
    line, signature, rest = made.content.split(b"\n", 2)
    other = base64.b64encode(bytes(64))
    assert len(other) == len(signature)
    with pytest.raises(DeliveryRefused, match="header or signature"):
        _opened(assessed, b"\n".join((line, other, rest)))


def test_other_keys_open_and_verify_nothing(assessed: Assessed, made: hand_over.Bundle) -> None:
    sender = hand_over.signing_key(assessed.settings).public_key()
    with pytest.raises(WrongKeyError, match="the bundle is for key"):
        sealed.unseal(made.content, sender, X25519PrivateKey.generate())
    with pytest.raises(WrongKeyError, match="signed it"):
        sealed.verify(made.content, Ed25519PrivateKey.generate().public_key())


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "not a bundle"), (b"x\ny\nz", "no header"), (b'{"format":9}\n\n', "format 9")],
)
def test_what_is_no_bundle_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(DeliveryRefused, match=reason):
        sealed.verify(content, Ed25519PrivateKey.generate().public_key())


def test_a_firm_that_has_withdrawn_is_not_handed_over(
    assessed: Assessed, made: hand_over.Bundle
) -> None:
    ledger = Ledger(assessed.settings)
    before = {row["firm"] for row in _opened(assessed, made.content)["scores"]}
    code = min(before)
    grants = ledger.live(assessed.as_of, recipient=RECIPIENT)
    tokens = directory.identifiers(assessed.settings, grants["firm_id"].unique().to_list())
    token = next(token for token, firm in tokens.items() if firm == code)
    other = Settings(home=assessed.settings.home.parent / "withdrawn", memory_limit="2GB")
    _copy(assessed.settings.root, other.root)
    Ledger(other).revoke(token, on=assessed.as_of, actor="test")
    left = hand_over.bundle(other, RECIPIENT, assessed.as_of, _at(assessed))
    assert {row["firm"] for row in _opened(assessed, left.content)["scores"]} == before - {code}


def _copy(origin: Path, target: Path) -> None:
    import shutil

    ignored = shutil.ignore_patterns("mlflow", "inbox", "dbt", "data_docs", "airflow")
    shutil.copytree(origin, target, ignore=ignored, symlinks=True)


def test_every_firm_handed_over_is_in_the_audit_chain(
    assessed: Assessed, made: hand_over.Bundle
) -> None:
    found = audit.entries(assessed.settings, action="PROVIDE", limit=1000)
    entries = [json.loads(entry.details) for entry in found if made.sha256 in entry.details]
    assert len(entries) == made.firms > 100
    assert {entry["recipient"] for entry in entries} == {RECIPIENT}
    assert len({entry.subject for entry in found}) >= made.firms


def test_unknown_recipients_and_nights_name_the_next_step(
    assessed: Assessed, made: hand_over.Bundle
) -> None:
    at = _at(assessed)
    with pytest.raises(ConfigurationError, match="did you mean demo-bank"):
        hand_over.bundle(assessed.settings, "demo-bnak", assessed.as_of, at)
    with pytest.raises(NotReadyError, match=f"the newest nights: {assessed.as_of}"):
        hand_over.bundle(assessed.settings, RECIPIENT, assessed.as_of.replace(day=1), at)
    hand_over.register(assessed.settings, "other-bank", sealed.to_pem(LENDER.public_key()))
    with pytest.raises(NotReadyError, match="no firm has a grant to 'other-bank'"):
        hand_over.bundle(assessed.settings, "other-bank", assessed.as_of, at)
    with pytest.raises(ConfigurationError, match="no X25519 public key"):
        hand_over.register(assessed.settings, "third", b"no key")
