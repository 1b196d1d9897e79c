"""Manifests of deliveries that a mapping makes."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Literal

from extracts import contracts, manifest
from extracts.manifest import DeliveredFile, Manifest
from extracts.mappings.model import ExportMapping
from firmpulse import warehouse
from firmpulse.calendar import CHINA
from firmpulse.settings import Settings

# Time of day of a hand-over of which only the day is said: the same files are the same delivery.
_EVENING = time(22, tzinfo=CHINA)
# A manifest has no other years; a row may have.
_FIRST_DAY = date(manifest.YEARS_OF_HISTORY[0], 1, 1)
_LAST_DAY = date(manifest.YEARS_OF_HISTORY[-1], 12, 31)

Kind = Literal["history", "increment"]


def evening(day: date) -> datetime:
    """Return the time of a hand-over on a day."""
    return datetime.combine(day, _EVENING)


def manifest_of(
    mapping: ExportMapping,
    source: str,
    delivery_id: str,
    entries: Sequence[DeliveredFile],
    *,
    at: datetime,
    kind: Kind = "history",
    days: tuple[date, date] | None = None,
    provider: str | None = None,
) -> Manifest:
    """Return the manifest of a delivery.

    Args:
        mapping: what the files are.
        source: of the delivery; its entries are for tables of it.
        delivery_id: name of its folder.
        entries: its files.
        at: hand-over.
        kind: history for the first one of a provider.
        days: first and last day of the rows, if the mapping does not say the period.
        provider: name in the manifest if it is not the mapping's.
    """
    first, last = days or (at.date(), at.date())
    return Manifest(
        manifest_version=1,
        delivery_id=delivery_id,
        source=source,
        provider=provider or mapping.provider,
        kind=kind,
        period_start=mapping.period_start or max(first, _FIRST_DAY),
        period_end=mapping.period_end or min(last, _LAST_DAY),
        delivered_at=at,
        id_scheme=mapping.id_scheme,
        files=tuple(entries),
    )


def text(document: Manifest) -> str:
    """Return a manifest as its file."""
    return document.model_dump_json(indent=1, exclude_defaults=True) + "\n"


def kind_of(settings: Settings, provider: str, source: str, delivery_id: str) -> Kind:
    """Return history for the first delivery of a provider, increment for later ones.

    Rows of a history were known when they happened; late rows and corrections of an increment are
    known from its delivery on.
    """
    for folder in (settings.inbox / source).glob("[!.]*/"):
        if folder.name != delivery_id:
            waiting = manifest.read(folder, source, contracts.load()).manifest
            if waiting is not None and waiting.provider == provider:
                return "increment"
    others = (p for name, p in landed(settings, source).items() if name != delivery_id)
    return "increment" if provider in others else "history"


def landed(settings: Settings, source: str) -> Mapping[str, str]:
    """Return the landed deliveries of a source with their providers."""
    with warehouse.connect(settings) as connection:
        if not warehouse.is_built(connection, "ops.deliveries"):
            return {}
        return dict(connection.execute(
            "select distinct delivery_id, provider from warehouse.ops.deliveries "
            "where source = ? and delivery_seq is not null and provider is not null",
            [source],
        ).fetchall())  # fmt: skip


def digest(entries: Sequence[DeliveredFile]) -> str:
    """Return eight letters that depend on the content of the files and on how they are read."""
    told = json.dumps(sorted(file.model_dump_json() for file in entries))
    content = hashlib.sha256(told.encode()).hexdigest()
    return "".join(chr(ord("a") + int(character, 16)) for character in content[:8])
