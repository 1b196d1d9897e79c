import hashlib
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from simulator import DeliveryCounts, Economy, deliver

ECONOMY = Economy(seed=3, firms=80, start=date(2023, 11, 1), months=14)
Files = Callable[[Path, str], pl.DataFrame]


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DeliveryCounts]:
    """One history delivery of a small economy; read-only."""
    inbox = tmp_path_factory.mktemp("history")
    return inbox, deliver(ECONOMY, inbox, through=ECONOMY.last_day)


def manifests(inbox: Path) -> list[tuple[Path, dict]]:
    """Return (folder, manifest) of every delivery."""
    found = sorted(inbox.glob("*/*/manifest.json"))
    return [(path.parent, json.loads(path.read_text("utf-8"))) for path in found]


def delivered(inbox: Path, table: str) -> pl.DataFrame:
    """Return all rows of a table over all deliveries, as in the files."""
    frames = []
    for folder, manifest in manifests(inbox):
        for entry in manifest["files"]:
            if entry["table"] == table:
                frames.append(read_file(folder / entry["name"]))
    return pl.concat(frames)


def read_file(path: Path) -> pl.DataFrame:
    if path.suffix == ".parquet":
        return pl.read_parquet(path)
    raw = path.read_bytes()
    text = raw.decode("utf-8-sig" if raw.startswith(b"\xef\xbb\xbf") else "gb18030")
    return pl.read_csv(text.encode("utf-8"), infer_schema=False)


def digests(inbox: Path) -> dict[str, str]:
    """Return the sha256 of every file below a folder."""
    files = (path for path in inbox.rglob("*") if path.is_file())
    return {
        str(path.relative_to(inbox)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }
