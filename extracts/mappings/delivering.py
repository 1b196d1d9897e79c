"""Put the files of a folder into the inbox, as deliveries made by a mapping."""

import json
import shutil
from collections.abc import Mapping
from datetime import date, datetime, time
from pathlib import Path

from extracts import manifest
from extracts.mappings import trial
from extracts.mappings.model import ExportMapping
from extracts.mappings.trial import Tried
from firmpulse import clock, warehouse
from firmpulse.calendar import CHINA
from firmpulse.errors import ContractError, NotReadyError
from firmpulse.settings import Settings

# Time of day of a hand-over of which only the day is said.
_EVENING = time(22, tzinfo=CHINA)


def deliver(
    settings: Settings,
    name: str,
    mapping: ExportMapping,
    tried: Tried,
    *,
    delivered_on: date | None = None,
    partial: bool = False,
) -> list[str]:
    """Put what was tried into the inbox; the same files become the same deliveries again.

    Args:
        settings: home with the inbox.
        name: of the mapping; deliveries are named after it.
        mapping: what the files are.
        tried: what `trial.run` read of them.
        delivered_on: day of the hand-over if the mapping does not say it; today by default.
        partial: deliver although patterns of the mapping take no file.

    Returns:
        The ids of the deliveries.

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
    day = clock.checked(delivered_on or clock.today(), "--delivered-on")
    at = mapping.delivered_at or min(datetime.combine(day, _EVENING), clock.now())
    ids = []
    for source, entries in tried.entries.items():
        delivery_id = f"{name}-{source}"
        if mapping.delivered_at is None:
            delivery_id += f"-{day:%Y%m%d}-{trial.digest(entries)}"
        document = trial.manifest_of(
            mapping, source, delivery_id, entries,
            kind=_kind(settings, mapping, source),
            period_start=mapping.period_start or tried.days[0],
            period_end=mapping.period_end or tried.days[1],
            delivered_at=at,
        )  # fmt: skip
        _place(settings, document, tried.paths)
        ids.append(delivery_id)
    return ids


def _kind(settings: Settings, mapping: ExportMapping, source: str) -> str:
    """Return history for the first delivery of a provider, increment for later ones.

    Rows of a history were known when they happened; late rows and corrections of an increment are
    known from its delivery on.
    """
    if mapping.delivered_at is not None:
        return "history"
    waiting = (settings.inbox / source).glob(f"*/{manifest.NAME}")
    offered = {json.loads(path.read_bytes()).get("provider") for path in waiting}
    if mapping.provider in offered:
        return "increment"
    with warehouse.connect(settings) as connection:
        if not warehouse.is_built(connection, "ops.deliveries"):
            return "history"
        row = connection.execute(
            "select count(*) from warehouse.ops.deliveries where source = ? and provider = ? "
            "and delivery_seq is not null",
            [source, mapping.provider],
        ).fetchone()
    return "increment" if row and row[0] else "history"


def _place(settings: Settings, document: manifest.Manifest, paths: Mapping[str, Path]) -> None:
    """Put a delivery into the inbox; its manifest comes last, so that no half is landed."""
    folder = settings.inbox / document.source / document.delivery_id
    shutil.rmtree(folder, ignore_errors=True)
    for file in document.files:
        target = folder / file.name
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        trial.put(paths[file.name], target)
    text = document.model_dump_json(indent=1, exclude_defaults=True)
    (folder / manifest.NAME).write_text(text + "\n", encoding="utf-8")
