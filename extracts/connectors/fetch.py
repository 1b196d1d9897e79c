"""What a night does before landing: request what is granted from each provider, and pull."""

from datetime import date
from typing import Any

from extracts.connectors.pull import pull
from extracts.connectors.requests import request
from firmpulse import runlog
from firmpulse.settings import Settings
from firmpulse.sources import SOURCES


def fetch(settings: Settings, as_of: date) -> dict[str, Any]:
    """Request and pull every source; return the counts of sources with a provider.

    A failing provider is counted with its first problem and does not stop the others.
    """
    found = {}
    with runlog.step(settings, as_of, "pull"):
        for source in SOURCES:
            requested = request(settings, source, as_of).summary()
            pulled = pull(settings, source, as_of).summary()
            if requested["providers"] or pulled["providers"]:
                found[source] = {"requested": requested, "pulled": pulled}
    return found
