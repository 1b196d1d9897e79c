"""Deliveries in the inbox that are small enough to be assessed at once."""

from extracts import contracts, manifest
from firmpulse.settings import Settings
from firmpulse.sources import SOURCES


def waiting(settings: Settings) -> dict[str, str]:
    """Return the waiting deliveries, as `source/delivery_id` → sha256 of the manifest.

    Deliveries with more than `arrival_rows` rows wait for the night, as do those with an
    unreadable manifest. Only the inbox is opened, so this may be called at any time.
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
