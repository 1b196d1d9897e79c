"""The file of a bundle: a readable header, a signature over all, contents for one recipient.

First line: the header, JSON. Second line: an Ed25519 signature over the header line and what comes
after the second line, base64. Then the contents, compressed and encrypted with HPKE (RFC 9180:
X25519, HKDF-SHA-256, AES-256-GCM) to the recipient's public key, bound to the header.
"""

import base64
import hashlib
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hpke, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from firmpulse.errors import ConfigurationError, DeliveryRefused, WrongKeyError

FORMAT = 1
# Suites of algorithms; Chinese commercial cryptography would be another suite.
INTERNATIONAL = "intl"
_SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
# 128 bits: a second key with the same digits cannot be made.
_FINGERPRINT_DIGITS = 32
_MOST_BYTES = 1 << 30
# A table's name becomes a file name.
_TABLE = re.compile(r"[a-z][a-z_]{0,63}")

PublicKey = Ed25519PublicKey | X25519PublicKey


@dataclass(frozen=True)
class Header:
    """The public part of a bundle; it names no firm."""

    format: int
    suite: str
    recipient: str
    as_of: str
    created_at: str
    firms: int
    sender_key: str
    recipient_key: str
    # SHA-256 of the encrypted contents.
    sha256: str


def seal(
    contents: Mapping[str, Any],
    *,
    recipient: str,
    as_of: str,
    created_at: str,
    firms: int,
    to: X25519PublicKey,
    by: Ed25519PrivateKey,
) -> bytes:
    """Return the file of a bundle."""
    context = {
        "suite": INTERNATIONAL, "recipient": recipient, "as_of": as_of, "created_at": created_at,
    }  # fmt: skip
    plain = zlib.compress(json.dumps(contents, ensure_ascii=False).encode())
    sealed = _SUITE.encrypt(plain, to, info=_bytes(context))
    header = Header(
        format=FORMAT, firms=firms, sender_key=fingerprint(by.public_key()),
        recipient_key=fingerprint(to), sha256=hashlib.sha256(sealed).hexdigest(), **context,
    )  # fmt: skip
    line = _bytes(asdict(header))
    signature = base64.b64encode(by.sign(line + b"\n" + sealed))
    return b"\n".join((line, signature, sealed))


def verify(content: bytes, sender: Ed25519PublicKey) -> Header:
    """Return the header of a bundle after checking the sender's signature.

    Raises:
        DeliveryRefused: it is not a bundle, or was changed; ask the sender for it again.
        WrongKeyError: another key signed it.
    """
    line, signature, sealed = _parts(content)
    header = _header(line)
    if header.sender_key != fingerprint(sender):
        raise WrongKeyError(
            f"the bundle says that key {header.sender_key} signed it, the one given is "
            f"{fingerprint(sender)}; ask the sender which is right, over another channel"
        )
    try:
        sender.verify(base64.b64decode(signature, validate=True), line + b"\n" + sealed)
    except (InvalidSignature, ValueError):
        changed = "contents" if _digest(sealed) != header.sha256 else "header or signature"
        raise DeliveryRefused(
            f"the {changed} of the bundle changed after it was signed; ask for it again"
        ) from None
    return header


def unseal(content: bytes, sender: Ed25519PublicKey, key: X25519PrivateKey) -> dict[str, Any]:
    """Return the contents of a bundle, verified first.

    Raises:
        DeliveryRefused: it was changed, or its signed contents cannot be read.
        WrongKeyError: it is for another key.
    """
    header = verify(content, sender)
    if header.recipient_key != fingerprint(key.public_key()):
        raise WrongKeyError(
            f"the bundle is for key {header.recipient_key}, the one given is "
            f"{fingerprint(key.public_key())}"
        )
    context = {
        name: getattr(header, name) for name in ("suite", "recipient", "as_of", "created_at")
    }
    try:
        plain = _SUITE.decrypt(_parts(content)[2], key, info=_bytes(context))
    except InvalidTag:
        raise DeliveryRefused(
            "the contents of the bundle do not belong to its header; ask for it again"
        ) from None
    return _tables(plain)


def _tables(plain: bytes) -> dict[str, Any]:
    """Return the tables of decrypted contents."""
    unpacking = zlib.decompressobj()
    try:
        unpacked = unpacking.decompress(plain, _MOST_BYTES)
        found = json.loads(unpacked) if unpacking.eof else None
    except (zlib.error, ValueError):
        found = None
    if not isinstance(found, dict) or not all(map(_TABLE.fullmatch, found)):
        raise DeliveryRefused(
            f"the contents of the bundle have no tables, or more than {_MOST_BYTES >> 20} MiB; "
            f"its sender signed them like that, so inform the sender"
        )
    return found


def fingerprint(key: PublicKey) -> str:
    """Return the first digits of a SHA-256 of a public key, to be compared by voice or paper."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:_FINGERPRINT_DIGITS]


def to_pem(key: PublicKey) -> bytes:
    """Return a public key as text."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.PEM, form)


def encryption_key(pem: bytes) -> X25519PublicKey:
    """Read a recipient's public key.

    Raises:
        ConfigurationError: it is not such a key.
    """
    key = _loaded(pem)
    if not isinstance(key, X25519PublicKey):
        raise ConfigurationError("the file contains no X25519 public key; make one: " + _KEYGEN)
    return key


def verification_key(pem: bytes) -> Ed25519PublicKey:
    """Read a sender's public key.

    Raises:
        ConfigurationError: it is not such a key.
    """
    key = _loaded(pem)
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigurationError(
            "the file contains no Ed25519 public key; the sender prints it with: "
            "firmpulse lender public-key"
        )
    return key


def decryption_key(pem: bytes) -> X25519PrivateKey:
    """Read a recipient's private key.

    Raises:
        ConfigurationError: it is not such a key.
    """
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, X25519PrivateKey):
        raise ConfigurationError("the file contains no X25519 private key; make one: " + _KEYGEN)
    return key


_KEYGEN = "firmpulse lender keygen --to FOLDER"


def _loaded(pem: bytes) -> object:
    try:
        return serialization.load_pem_public_key(pem)
    except ValueError:
        return None


def _parts(content: bytes) -> tuple[bytes, bytes, bytes]:
    parts = content.split(b"\n", 2)
    if len(parts) < 3:
        raise DeliveryRefused("the file is not a bundle, or only a part of one; ask for it again")
    return parts[0], parts[1], parts[2]


def _header(line: bytes) -> Header:
    try:
        fields = json.loads(line)
        found = fields["format"]
        if found != FORMAT:
            raise DeliveryRefused(
                f"the bundle has format {found}, this version reads {FORMAT}; update Firmpulse"
            )
        header = Header(**fields)
        if header.suite != INTERNATIONAL:
            raise DeliveryRefused(
                f"the bundle needs the suite {header.suite!r}, this version has {INTERNATIONAL}; "
                f"ask the sender for that one"
            )
        return header
    except (ValueError, TypeError, KeyError):
        raise DeliveryRefused("the file has no header of a bundle; ask for it again") from None


def _digest(sealed: bytes) -> str:
    return hashlib.sha256(sealed).hexdigest()


def _bytes(fields: Mapping[str, Any]) -> bytes:
    return json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
