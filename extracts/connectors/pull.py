"""Pull what providers offer: complete deliveries only, each once, into the inbox."""

import fcntl
import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from extracts import contracts, manifest
from extracts.connectors import providers, pull_delivery, pull_files
from extracts.connectors.errors import Unreachable
from extracts.connectors.folders import Store
from extracts.connectors.providers import Provider
from extracts.connectors.pull_delivery import Fetched, Offer
from extracts.connectors.pull_report import PulledDelivery, PullReport
from extracts.manifest import DeliveryRef
from extracts.mappings import manifests
from extracts.mappings.model import ExportMapping
from extracts.vault import records
from firmpulse import warehouse
from firmpulse.errors import ConfigurationError, DeliveryRefused, FileHeldError
from firmpulse.settings import Settings

_LOG = logging.getLogger(__name__)
_NOT_FROM_PROVIDER = (
    "a delivery of this delivery_id, not from this provider, waits in the inbox; ask the provider "
    "for a new delivery_id, or remove the one in the inbox"
)


@dataclass
class _Run:
    """What is known before a run, and what it finds."""

    settings: Settings
    source: str
    as_of: date
    # Delivery to the digest of its manifest.
    landed: Mapping[str, str]
    pulled: list[PulledDelivery] = field(default_factory=list)
    known: int = 0
    incomplete: int = 0
    not_due: int = 0
    problems: list[str] = field(default_factory=list)
    refused: list[tuple[DeliveryRef, str]] = field(default_factory=list)
    # Working folders that a later run may continue.
    begun: set[str] = field(default_factory=set)
    # Whether every provider could be listed.
    has_seen_all: bool = True

    @cached_property
    def providers_of_landed(self) -> Mapping[str, str]:
        """The provider of each landed delivery."""
        return manifests.landed(self.settings, self.source)

    def report_problem(self, provider: Provider, what: str) -> None:
        """Record a problem, and log it at once."""
        self.problems.append(f"{provider.name}: {what}")
        _LOG.warning("pull %s: %s: %s", self.source, provider.name, what)


def pull(settings: Settings, source: str, as_of: date) -> PullReport:
    """Bring every complete delivery that was handed over by `as_of` into the inbox.

    A provider or a delivery that fails is reported; the others are pulled. A repeated run fetches
    nothing twice, and continues where a run was interrupted.

    Raises:
        ConfigurationError: the file of providers is wrong.
        FileHeldError: another run pulls this source, or holds the vault.
    """
    mine = providers.load(settings, source)
    if not mine:
        return PullReport(source, as_of, 0, (), 0, 0, 0, ())
    with _alone(settings, source):
        run = _Run(settings, source, as_of, _landed(settings, source))
        for provider in mine:
            _pull_provider(run, provider)
        _forget_abandoned(run)
        _record_refused(run)
    return PullReport(
        source=source,
        as_of=as_of,
        providers=len(mine),
        pulled=tuple(run.pulled),
        known=run.known,
        incomplete=run.incomplete,
        not_due=run.not_due,
        problems=tuple(run.problems),
    )


def _pull_provider(run: _Run, provider: Provider) -> None:
    store = Store(run.settings, provider, provider.place)
    try:
        mapping = pull_files.mapping_of(run.settings, provider)
        for name in _safe(run, provider, store.folders()):
            try:
                _pull_delivery(run, store, provider, mapping, name)
            except Unreachable:
                raise
            except (ConfigurationError, DeliveryRefused) as problem:
                run.report_problem(provider, f"{name}: {problem}")
    except (ConfigurationError, Unreachable) as problem:
        run.has_seen_all = False
        again = f"firmpulse pull --source {run.source} --as-of {run.as_of}"
        run.report_problem(provider, f"{problem}; the next night tries again, or run: {again}")


def _safe(run: _Run, provider: Provider, names: Iterable[str]) -> Iterator[str]:
    """Yield the names that may become folders here; hidden ones are skipped silently."""
    unsafe = 0
    for name in names:
        if manifest.is_delivery_id(name):
            yield name
        elif not name.startswith("."):
            unsafe += 1
    if unsafe:
        run.report_problem(
            provider,
            f"folders that were passed over for their names: {unsafe}. A delivery_id has up to 64 "
            f"of a-z, 0-9, - and _, fewer than 15 letters or digits in a row; ask the provider to "
            f"rename them",
        )


def _pull_delivery(
    run: _Run, store: Store, provider: Provider, mapping: ExportMapping | None, name: str
) -> None:
    content = store.read(f"{name}/{manifest.NAME}", pull_delivery.MANIFEST_LIMIT_BYTES)
    if content is None and mapping is not None:
        _pull_plain(run, store, provider, mapping, name)
        return
    if content is None:
        run.incomplete += 1
        return
    offer = Offer(provider, name, content)
    waiting = _waiting(run, offer)
    if offer.manifest_sha256 in (run.landed.get(name), waiting and waiting.manifest_sha256):
        run.known += 1
        return
    ref = pull_delivery.begin(run.settings, offer, contracts.load())
    try:
        _require_free_id(run, offer, waiting)
        document = pull_delivery.checked(ref, provider)
        if document.delivered_on > run.as_of:
            run.not_due += 1
            return
        run.begun.add(name)
        fetched = pull_delivery.fetch(store, ref, document)
    except DeliveryRefused as refusal:
        run.refused.append((ref, str(refusal)))
        raise
    _take(run, provider, fetched)


def _pull_plain(
    run: _Run, store: Store, provider: Provider, mapping: ExportMapping, name: str
) -> None:
    """Pull a folder of plain files, once: without a manifest nothing shows that it was changed."""
    if name in run.landed and run.providers_of_landed.get(name) != provider.name:
        raise DeliveryRefused(
            "a delivery of this name, not from this provider, has landed; ask the provider to put "
            "its own name into those of its folders"
        )
    if name in run.landed or _waits_from(run, provider, name):
        run.known += 1
        return
    plain = pull_files.offered(store, provider, mapping, name)
    if plain is None:
        run.incomplete += 1
        return
    if plain.day > run.as_of:
        run.not_due += 1
        return
    folder = pull_delivery.working_folder(run.settings, run.source) / name
    try:
        fetched, others = pull_files.fetch(run.settings, store, plain)
    except DeliveryRefused as refusal:
        run.refused.append((pull_files.reference(plain, folder), str(refusal)))
        raise
    _take(run, provider, fetched)
    if others:
        run.report_problem(
            provider,
            f"{name}: {others} files fit no pattern of the mapping and were not read; add them to "
            f"the mapping {provider.mapping}, or ask the provider to leave them out",
        )


def _waits_from(run: _Run, provider: Provider, name: str) -> bool:
    """Whether the delivery waits in the inbox.

    Raises:
        DeliveryRefused: another one of this name waits there.
    """
    folder = run.settings.inbox / run.source / name
    if not folder.exists():
        return False
    waiting = manifest.read(folder, run.source, contracts.load()).manifest
    if waiting is None or waiting.provider != provider.name:
        raise DeliveryRefused(_NOT_FROM_PROVIDER)
    return True


def _take(run: _Run, provider: Provider, fetched: Fetched) -> None:
    """Bring a fetched delivery into the inbox."""
    _record_pull(run, provider, fetched)
    pull_delivery.place(run.settings, fetched)
    run.pulled.append(
        PulledDelivery(
            provider.name, fetched.ref.delivery_id, fetched.files, fetched.bytes_fetched,
            fetched.bytes_total,
        )
    )  # fmt: skip


def _waiting(run: _Run, offer: Offer) -> DeliveryRef | None:
    """Return the delivery that waits in the inbox under an offer's id."""
    folder = run.settings.inbox / run.source / offer.delivery_id
    return manifest.read(folder, run.source, contracts.load()) if folder.exists() else None


def _require_free_id(run: _Run, offer: Offer, waiting: DeliveryRef | None) -> None:
    """Refuse an offer under the id of a delivery that this provider may not replace."""
    if offer.delivery_id in run.landed:
        raise DeliveryRefused(
            "a delivery of this delivery_id has landed with another manifest; "
            "ask the provider for a delivery with a new delivery_id"
        )
    if waiting is None:
        return
    if waiting.manifest is None or waiting.manifest.provider != offer.provider.name:
        raise DeliveryRefused(_NOT_FROM_PROVIDER)


def _record_pull(run: _Run, provider: Provider, fetched: Fetched) -> None:
    """Record the pull before the delivery becomes visible: rather twice than never."""
    from consent import audit

    audit.append(
        run.settings,
        "PULL",
        actor=audit.actor(),
        source=run.source,
        provider=provider.name,
        delivery_id=fetched.ref.delivery_id,
        manifest_sha256=fetched.ref.manifest_sha256,
        files=fetched.files,
        bytes=fetched.bytes_total,
    )


def _forget_abandoned(run: _Run) -> None:
    """Remove unfinished downloads that are no longer offered; they would stay forever."""
    if not run.has_seen_all:
        return
    for folder in pull_delivery.working_folder(run.settings, run.source).iterdir():
        if folder.is_dir() and folder.name not in run.begun:
            shutil.rmtree(folder)


def _record_refused(run: _Run) -> None:
    """Record refusals where landing records its own, so that they show with the deliveries."""
    if not run.refused:
        return
    with warehouse.connect(run.settings) as connection:
        for ref, reason in run.refused:
            records.record_refused(connection, ref, run.as_of, reason)


def _landed(settings: Settings, source: str) -> Mapping[str, str]:
    """Return the manifest digest of every landed delivery, and release the vault."""
    with warehouse.connect(settings, vault=True, warehouse=False) as connection:
        rows = connection.execute(
            "select delivery_id, manifest_sha256 from vault.ops.landed where source = ?", [source]
        ).fetchall()
    return dict(rows)


@contextmanager
def _alone(settings: Settings, source: str) -> Iterator[None]:
    """Lock the working folders of a source; the end of a process releases them."""
    folder = pull_delivery.working_folder(settings, source)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FileHeldError(
                f"another run pulls {source} into this home folder; wait for it to end"
            ) from None
        yield
