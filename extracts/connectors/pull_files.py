"""Make a delivery of plain files, which have no manifest, by the mapping of their provider.

A folder of plain files is complete once a file whose name ends with `.ok` or `.done` is in it, put
last. Its name has the day of the hand-over. It is fetched once, whole: without hashes nothing shows
whether a part of an earlier run still belongs to it.
"""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath

from extracts import contracts, manifest
from extracts.connectors import pull_delivery
from extracts.connectors.folders import Store
from extracts.connectors.providers import Provider
from extracts.connectors.pull_delivery import Fetched
from extracts.manifest import DeliveryRef
from extracts.mappings import files, found, manifests, trial
from extracts.mappings.model import ExportMapping
from extracts.mappings.trial import Tried
from firmpulse.errors import ConfigurationError, ContractError, DeliveryRefused, NotReadyError
from firmpulse.settings import Settings

MARKERS = (".ok", ".done")
MOST_FILES = 10_000
_DAY = re.compile(r"(?<!\d)(20\d{2})[-_]?(\d{2})[-_]?(\d{2})(?!\d)")


@dataclass(frozen=True)
class PlainFiles:
    """A complete folder of plain files at a provider."""

    provider: Provider
    mapping: ExportMapping
    # Name of its folder, see manifest.is_delivery_id.
    delivery_id: str
    day: date
    # Names with sizes in bytes, without the markers.
    sizes: dict[str, int]


def mapping_of(settings: Settings, provider: Provider) -> ExportMapping | None:
    """Return the mapping of a provider's plain files; null if it puts manifests.

    Raises:
        ConfigurationError: there is no such mapping, it has mistakes, or is of another source.
    """
    if provider.mapping is None:
        return None
    try:
        mapping = files.load(settings, provider.mapping)
    except ContractError as error:
        raise ConfigurationError(f"its mapping {provider.mapping} is wrong: {error}") from None
    known = contracts.load()
    others = {known[block.table].source for block in mapping.files} - {provider.source}
    if others:
        raise ConfigurationError(
            f"its mapping {provider.mapping} has tables of {', '.join(sorted(others))}; its source "
            f"is {provider.source}; write a mapping and a provider for each source"
        )
    return mapping


def offered(
    store: Store, provider: Provider, mapping: ExportMapping, delivery_id: str
) -> PlainFiles | None:
    """Return a folder of plain files; null if it is not complete.

    Raises:
        DeliveryRefused: its name has no day.
    """
    sizes = store.files(delivery_id)
    markers = {name for name in sizes if "/" not in name and name.lower().endswith(MARKERS)}
    if not markers:
        return None
    names = sorted(name for name in sizes if name not in markers and found.may_count(name))
    return PlainFiles(
        provider, mapping, delivery_id, _day(delivery_id),
        {name: sizes[name] for name in names},
    )  # fmt: skip


def _day(delivery_id: str) -> date:
    """Return the day in the name of a folder."""
    told = _DAY.search(delivery_id)
    try:
        if told is not None:
            return date(*map(int, told.groups()))
    except ValueError:
        pass
    raise DeliveryRefused(
        "the folder's name has no day such as 20261102, on which it was handed over; ask the "
        "provider to put it into the name"
    )


def reference(plain: PlainFiles, folder: Path) -> DeliveryRef:
    """Return what is known of the delivery before its files are read."""
    document = manifests.manifest_of(
        plain.mapping, plain.provider.source, plain.delivery_id, (),
        at=manifests.evening(plain.day), provider=plain.provider.name,
    )  # fmt: skip
    return DeliveryRef(plain.provider.source, plain.delivery_id, folder, "", document, None)


def fetch(settings: Settings, store: Store, plain: PlainFiles) -> tuple[Fetched, int]:
    """Fetch the files that the mapping names and write their manifest.

    Returns:
        The delivery in its working folder, and the number of files that no pattern takes.

    Raises:
        DeliveryRefused: a file would be refused, a pattern takes none, or they are changing.
        Unreachable, AccessRefused: the next run begins anew.
    """
    place = pull_delivery.working_folder(settings, plain.provider.source)
    copies, folder = place / f".plain-{plain.delivery_id}", place / plain.delivery_id
    for leftover in (copies, folder):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        names = _named(plain)
        pull_delivery.require_room(place, 2 * sum(plain.sizes[name] for name in names))
        for number, name in enumerate(names, 1):
            _fetch_one(store, plain, copies / "files", name, number)
        tried = _tried(settings, plain, copies)
        ref = _ready(settings, plain, tried, folder)
    finally:
        shutil.rmtree(copies, ignore_errors=True)
    total = sum(plain.sizes[name] for name in names)
    return Fetched(ref, len(names), total, total), len(plain.sizes) - len(names)


def _named(plain: PlainFiles) -> list[str]:
    """Return the names that the mapping's patterns take, in order."""
    if len(plain.sizes) > MOST_FILES:
        raise DeliveryRefused(f"it has more than {MOST_FILES} files; ask for fewer, larger ones")
    taken = found.find(plain.mapping, [(Path(name), name) for name in plain.sizes])
    names = list(dict.fromkeys(file.name for file in taken))
    pull_delivery.require_plain(sorted(names))
    return sorted(names)


def _fetch_one(store: Store, plain: PlainFiles, folder: Path, name: str, number: int) -> None:
    target = folder / PurePosixPath(name)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        store.fetch(f"{plain.delivery_id}/{name}", target)
    except FileNotFoundError:
        raise DeliveryRefused(f"file {number} was taken away while it was fetched") from None
    if target.stat().st_size != plain.sizes[name]:
        raise DeliveryRefused(
            f"file {number} changed while it was fetched; ask the provider to put the marker "
            f"({' or '.join(MARKERS)}) last"
        )


def _tried(settings: Settings, plain: PlainFiles, copies: Path) -> Tried:
    """Read the fetched files by the mapping."""
    fetched = found.files_in(copies / "files") if copies.exists() else []
    try:
        tried = trial.read(settings, plain.mapping, fetched, copies / "trial")
    except NotReadyError as error:
        raise DeliveryRefused(str(error)) from None
    if tried.refused:
        raise DeliveryRefused(_why(tried.refused, [name for _, name in fetched]))
    if tried.without_files:
        raise DeliveryRefused(
            f"it has no {', '.join(tried.without_files)}, which its mapping names; ask the "
            f"provider for the missing files, or take the pattern out of the mapping"
        )
    return tried


def _why(refused: Sequence[tuple[str, str]], names: Sequence[str]) -> str:
    """Return the reasons without names of files, which may hold codes and accounts."""
    numbers = {manifest.fitting_name(name): number for number, name in enumerate(names, 1)}
    told = [f"file {numbers.get(name, '?')} of {len(names)}: {why}" for name, why in refused[:3]]
    more = f"; and {len(refused) - 3} files more" if len(refused) > 3 else ""
    return "; ".join(told) + more


def _ready(settings: Settings, plain: PlainFiles, tried: Tried, folder: Path) -> DeliveryRef:
    """Make the delivery: its files under the names of the manifest, and the manifest."""
    source = plain.provider.source
    entries = tried.entries.get(source, ())
    document = manifests.manifest_of(
        plain.mapping, source, plain.delivery_id, entries,
        at=manifests.evening(plain.day), days=tried.days, provider=plain.provider.name,
        kind=manifests.kind_of(settings, plain.provider.name, source, plain.delivery_id),
    )  # fmt: skip
    folder.mkdir(mode=0o700)
    for entry in entries:
        trial.put(tried.paths[entry.name], folder / entry.name)
    (folder / manifest.NAME).write_text(manifests.text(document), encoding="utf-8")
    return manifest.read(folder, source, contracts.load())
