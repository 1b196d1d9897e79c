"""Bring one delivery of a provider into the inbox: whole or not at all."""

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from extracts import manifest
from extracts.connectors.folders import Store
from extracts.connectors.providers import Provider
from extracts.contracts import Contract
from extracts.manifest import DeliveredFile, DeliveryRef, Manifest
from firmpulse import digests
from firmpulse.errors import DeliveryRefused
from firmpulse.settings import Settings

MANIFEST_LIMIT_BYTES = 16 << 20
_LONGEST_NAME_BYTES = 255
# Left free on the disk: landing needs space too.
_RESERVE_BYTES = 256 << 20
_CHUNK_BYTES = 8 << 20


@dataclass(frozen=True)
class Offer:
    """A delivery that a provider has completed: its manifest is there."""

    provider: Provider
    # Name of its folder, see manifest.is_delivery_id.
    delivery_id: str
    content: bytes

    @property
    def manifest_sha256(self) -> str:
        """The digest by which landing identifies a delivery."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Fetched:
    """A delivery in its working folder, complete and matching its manifest."""

    ref: DeliveryRef
    files: int
    # Bytes transferred in this run, and in total.
    bytes_fetched: int
    bytes_total: int


def working_folder(settings: Settings, source: str) -> Path:
    """Return the folder of deliveries in transit; landing ignores it."""
    return settings.inbox / source / ".pulling"


def begin(settings: Settings, offer: Offer, contracts: Mapping[str, Contract]) -> DeliveryRef:
    """Store an offer's manifest in its working folder and read it.

    What an earlier run fetched under the same manifest stays.
    """
    folder = working_folder(settings, offer.provider.source) / offer.delivery_id
    path = folder / manifest.NAME
    if not path.is_file() or path.read_bytes() != offer.content:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        path.write_bytes(offer.content)
    return manifest.read(folder, offer.provider.source, contracts)


def checked(ref: DeliveryRef, provider: Provider) -> Manifest:
    """Return the manifest of a delivery that may be fetched.

    Raises:
        DeliveryRefused: the manifest is wrong, another provider's, or names files whose
            paths collide.
    """
    if ref.manifest is None:
        raise DeliveryRefused(ref.problem or "the manifest cannot be read")
    if ref.manifest.provider != provider.name:
        raise DeliveryRefused(
            "the manifest's provider is not the name that providers.yml has for this uri"
        )
    require_plain([file.name for file in ref.manifest.files])
    return ref.manifest


def require_plain(names: Sequence[str]) -> None:
    """Refuse names of files that lead elsewhere, or whose paths collide.

    Raises:
        DeliveryRefused: the message has the number of the file, not its name.
    """
    paths = {name: PurePosixPath(name) for name in names}
    for number, name in enumerate(names, 1):
        is_inside = not paths[name].is_absolute() and ".." not in paths[name].parts
        if str(paths[name]) != name or paths[name] == PurePosixPath(manifest.NAME) or not is_inside:
            raise DeliveryRefused(f"file {number} has a name that is not a plain relative path")
        if any(
            len(part.encode(errors="replace")) > _LONGEST_NAME_BYTES for part in paths[name].parts
        ):
            raise DeliveryRefused(f"file {number} has a name that is too long")
        if any(parent in paths.values() for parent in paths[name].parents):
            raise DeliveryRefused(f"file {number} is in a folder that is also a file")


def fetch(store: Store, ref: DeliveryRef, document: Manifest) -> Fetched:
    """Fetch the files of a delivery, each from where it stopped.

    Raises:
        DeliveryRefused: a file is missing or differs from the manifest.
        Unreachable, AccessRefused: what arrived is kept for the next try.
    """
    sizes = [_remote_size(store, ref, number, file) for number, file in _numbered(document)]
    targets = [ref.folder / file.name for file in document.files]
    require_room(ref.folder, sum(sizes) - sum(_size(target) for target in targets))
    fetched = 0
    for (number, file), size, target in zip(_numbered(document), sizes, targets, strict=True):
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fetched += _fetch_file(store, ref, file, number, size, target)
    return Fetched(ref, len(targets), fetched, sum(sizes))


def place(settings: Settings, fetched: Fetched) -> None:
    """Move a fetched delivery into the inbox by one rename.

    A waiting delivery with the same id that its provider replaced is moved aside first. Between the
    two renames there is no delivery, but never half of one.
    """
    ref = fetched.ref
    target = settings.inbox / ref.source / ref.delivery_id
    if target.exists():
        aside = working_folder(settings, ref.source) / f".replaced-{ref.delivery_id}"
        shutil.rmtree(aside, ignore_errors=True)
        target.rename(aside)
        ref.folder.rename(target)
        shutil.rmtree(aside, ignore_errors=True)
    else:
        ref.folder.rename(target)
    _flush(target.parent)


def _numbered(document: Manifest) -> list[tuple[int, DeliveredFile]]:
    return list(enumerate(document.files, 1))


def _remote_size(store: Store, ref: DeliveryRef, number: int, file: DeliveredFile) -> int:
    size = store.size(f"{ref.delivery_id}/{file.name}")
    if size is None:
        raise _missing(number)
    return size


def _fetch_file(
    store: Store, ref: DeliveryRef, file: DeliveredFile, number: int, size: int, target: Path
) -> int:
    """Fetch a file and check it; start over once if it differs from the manifest.

    The first try may continue a file that the provider has since replaced.
    """
    fetched = 0
    for _ in range(2):
        if _size(target) > size:
            target.unlink()
        before = _size(target)
        # An empty file is created too.
        if before < size or not target.exists():
            try:
                store.fetch(f"{ref.delivery_id}/{file.name}", target)
            except FileNotFoundError:
                raise _missing(number) from None
        fetched += _size(target) - before
        if _size(target) == size and digests.of_file(target) == file.sha256:
            return fetched
        target.unlink()
    raise DeliveryRefused(
        f"file {number} does not match its sha256 in the manifest; it was fetched again and is "
        f"removed. Ask the provider to put file and manifest again"
    )


def _missing(number: int) -> DeliveryRefused:
    return DeliveryRefused(
        f"file {number} of the manifest is not there; a manifest must be put last, after every file"
    )


def require_room(folder: Path, needed_bytes: int) -> None:
    """Refuse a delivery that does not fit on the disk.

    Raises:
        DeliveryRefused: the message has both sizes.
    """
    free = shutil.disk_usage(folder).free
    if needed_bytes > max(free - _RESERVE_BYTES, 0):
        raise DeliveryRefused(
            f"it needs {needed_bytes / 1e9:.1f} GB and the disk of the inbox has "
            f"{free / 1e9:.1f} GB free; make room, and the next run pulls it"
        )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _flush(folder: Path) -> None:
    """Make a rename survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
