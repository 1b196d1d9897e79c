"""Deliveries in the inbox that are small enough to be assessed at once."""

from extracts import contracts, manifest
from firmpulse.settings import Settings
from firmpulse.sources import SOURCES


def waiting(settings: Settings) -> dict[str, str]:
    """Return the deliveries that wait, as `source/delivery_id` → sha256 of the manifest.

    Those of more rows than `arrival_rows` wait for the night, and so do those whose manifest
    cannot be read. Nothing but the inbox is opened: it may be asked at any time.
    """
    known = contracts.load()
    found = {}
    for source in SOURCES:
        for folder in sorted((settings.inbox / source).glob("[!.]*")):
            if not (folder / manifest.NAME).is_file():
                continue
            ref = manifest.read(folder, source, known)
            if ref.manifest is None:
                continue
            if sum(file.rows for file in ref.manifest.files) <= settings.arrival_rows:
                found[f"{source}/{ref.delivery_id}"] = ref.manifest_sha256
    return found
