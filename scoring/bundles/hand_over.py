"""Make a bundle for a recipient, with the keys of both sides."""

import difflib
import re
from dataclasses import dataclass
from datetime import date, datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from consent import audit
from firmpulse.errors import ConfigurationError
from firmpulse.keys import keyring
from firmpulse.settings import Settings
from scoring.bundles import contents, sealed
from scoring.warnings import rules

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Bundle:
    """A bundle and its summary."""

    content: bytes
    firms: int
    left_out: int
    sha256: str


def bundle(settings: Settings, recipient: str, as_of: date, made_at: datetime) -> Bundle:
    """Return the bundle of a night for a recipient, and record it in the audit chain.

    Raises:
        ConfigurationError: the recipient's key is not registered.
        NotReadyError: that night is not published, or no firm has a grant for this recipient.
    """
    to = recipient_key(settings, recipient)
    found = contents.collect(settings, recipient, as_of, made_at.date(), rules.titles(settings))
    content = sealed.seal(
        found.tables,
        recipient=recipient,
        as_of=as_of.isoformat(),
        created_at=made_at.isoformat(timespec="seconds"),
        firms=len(found.firm_ids),
        to=to,
        by=signing_key(settings),
    )
    header = sealed.verify(content, signing_key(settings).public_key())
    entries = [
        audit.Entry("PROVIDE", audit.actor(), firm, _details(header)) for firm in found.firm_ids
    ]
    audit.append_many(settings, entries)
    return Bundle(content, len(found.firm_ids), found.left_out, header.sha256)


def _details(header: sealed.Header) -> dict[str, str | int]:
    return {
        "recipient": header.recipient, "as_of": header.as_of, "sha256": header.sha256,
        "firms": header.firms,
    }  # fmt: skip


def signing_key(settings: Settings) -> Ed25519PrivateKey:
    """Return the key that signs bundles; it is made on first use."""
    seed = keyring.load(settings, "signing_key").get_secret_value()
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))


def register(settings: Settings, recipient: str, pem: bytes) -> str:
    """Store a recipient's public key, replacing an earlier one; return its fingerprint.

    Raises:
        ConfigurationError: the name or the key is invalid.
    """
    if not _NAME.fullmatch(recipient):
        raise ConfigurationError(
            f"{recipient!r} is not a recipient's name: lower-case letters, digits, dots and "
            f"hyphens, as in the grants"
        )
    key = sealed.encryption_key(pem)
    settings.recipients_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = settings.recipients_dir / f"{recipient}.pem"
    path.write_bytes(sealed.to_pem(key))
    path.chmod(0o600)
    return sealed.fingerprint(key)


def recipient_key(settings: Settings, recipient: str) -> X25519PublicKey:
    """Return the registered public key of a recipient.

    Raises:
        ConfigurationError: none is registered.
    """
    path = settings.recipients_dir / f"{recipient}.pem"
    if not _NAME.fullmatch(recipient) or not path.exists():
        known = sorted(path.stem for path in settings.recipients_dir.glob("*.pem"))
        near = difflib.get_close_matches(recipient, known, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ConfigurationError(
            f"no key of {recipient!r} is registered; {hint}"
            f"firmpulse lender add {recipient} --public-key FILE"
        )
    return sealed.encryption_key(path.read_bytes())
