"""Folders of firms' reports, and removal of a firm's reports."""

from collections import Counter
from collections.abc import Collection
from datetime import date
from pathlib import Path

from firmpulse.settings import Settings


def folder(settings: Settings, as_of: date) -> Path:
    """Return the folder of the reports of firms of one date; a file is named by the token."""
    return settings.reports_dir / "firms" / as_of.isoformat()


def remove(settings: Settings, firm_ids: Collection[str]) -> Counter[str]:
    """Delete every report of the firms, return how many files of each went."""
    going, gone = set(firm_ids), Counter[str]()
    for path in (settings.reports_dir / "firms").glob("*/*"):
        firm_id = path.stem.rpartition("-")[0]
        if firm_id in going:
            path.unlink()
            gone[firm_id] += 1
    return gone
