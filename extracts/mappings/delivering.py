"""Put the files of a folder into the inbox, as deliveries made by a mapping."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from extracts import manifest
from extracts.mappings import manifests, trial
from extracts.mappings.model import ExportMapping
from extracts.mappings.trial import Tried
from firmpulse import clock
from firmpulse.calendar import CHINA
from firmpulse.errors import ContractError, NotReadyError
from firmpulse.settings import Settings


@dataclass(frozen=True)
class Delivered:
    """A delivery that the files are."""

    source: str
    delivery_id: str
    # It has landed before; nothing was put into the inbox.
    has_landed: bool


def deliver(
    settings: Settings,
    name: str,
    mapping: ExportMapping,
    tried: Tried,
    *,
    delivered_on: date | None = None,
    partial: bool = False,
) -> list[Delivered]:
    """Put what was tried into the inbox; the same files become the same deliveries again.

    Args:
        settings: home with the inbox.
        name: of the mapping; deliveries are named after it.
        mapping: what the files are.
        tried: what `trial.run` read of them.
        delivered_on: day of the hand-over if the mapping does not say it; today by default.
        partial: deliver although patterns of the mapping take no file.

    Raises:
        ContractError: a file would be refused; nothing is delivered.
        NotReadyError: a pattern takes no file, or no row is good; nothing is delivered.
        ConfigurationError: the day is after today.
    """
    if tried.refused:
        raise ContractError(
            "nothing is delivered: " + "\n".join(f"{file}: {why}" for file, why in tried.refused)
        )
    if tried.without_files and not partial:
        raise NotReadyError(
            f"there is no {', '.join(tried.without_files)}; nothing is delivered. Add the files, "
            f"or deliver without them: --partial"
        )
    if tried.days is None:
        raise NotReadyError("no row of the files is good; nothing is delivered")
    at = mapping.delivered_at or manifests.evening(delivered_on or clock.today())
    day = clock.checked(at.astimezone(CHINA).date(), "the day of the delivery")
    found = []
    for source, entries in tried.entries.items():
        delivery_id = f"{name}-{source}"
        if mapping.delivered_at is None:
            delivery_id += f"-{day:%Y%m%d}-{manifests.digest(entries)}"
        has_landed = delivery_id in manifests.landed(settings, source)
        if not has_landed:
            document = manifests.manifest_of(
                mapping, source, delivery_id, entries, at=at, days=tried.days,
                kind="history" if mapping.delivered_at is not None
                else manifests.kind_of(settings, mapping.provider, source, delivery_id),
            )  # fmt: skip
            _place(settings, document, tried.paths)
        found.append(Delivered(source, delivery_id, has_landed))
    return found


def _place(settings: Settings, document: manifest.Manifest, paths: Mapping[str, Path]) -> None:
    """Put a delivery into the inbox; its manifest comes last, so that no half is landed."""
    folder = settings.inbox / document.source / document.delivery_id
    shutil.rmtree(folder, ignore_errors=True)
    for file in document.files:
        trial.put(paths[file.name], folder / file.name)
    (folder / manifest.NAME).write_text(manifests.text(document), encoding="utf-8")
