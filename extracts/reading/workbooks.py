"""Excel workbooks: guarded against archive bombs, read in a separate process that may fail."""

import json
import subprocess
import sys
import threading
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from extracts.reading import sheet_reader
from firmpulse.errors import DeliveryRefused

# A sheet of a million invoices unpacks to 600 MB at 10:1; repetitive ones reach 50:1.
MAX_UNPACKED_BYTES = 2 << 30
MAX_RATIO = 200
# Below this size no ratio is suspicious: an empty sheet has a high one.
RATIO_FREE_BYTES = 8 << 20
MAX_MEMBERS = 5_000
# A full sheet of 20 columns takes 2 GB.
MAX_MEMORY_BYTES = 4 << 30
MAX_SECONDS = 600
# Files are inspected several at once; the memory is for one sheet.
_ONE_AT_A_TIME = threading.Lock()

_OLD_WORKBOOK = bytes.fromhex("d0cf11e0a1b11ae1")


class SheetUnreadable(DeliveryRefused):
    """The process that reads a sheet gave no answer."""


def check(path: Path) -> None:
    """Check the archive's directory before anything is unpacked.

    Raises:
        DeliveryRefused: it is not a workbook, is an old one, or unpacks to too much.
    """
    with path.open("rb") as stream:
        if stream.read(len(_OLD_WORKBOOK)) == _OLD_WORKBOOK:
            raise DeliveryRefused(
                "the workbook is an old .xls or has a password; save it as .xlsx without one"
            )
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        raise DeliveryRefused("the file is not an Excel workbook (.xlsx)") from None
    unpacked = sum(member.file_size for member in members)
    if len(members) > MAX_MEMBERS or unpacked > MAX_UNPACKED_BYTES:
        raise DeliveryRefused(
            f"the workbook unpacks to {unpacked} bytes in {len(members)} parts; at most "
            f"{MAX_UNPACKED_BYTES} in {MAX_MEMBERS} are taken; split it"
        )
    if unpacked > max(RATIO_FREE_BYTES, MAX_RATIO * path.stat().st_size):
        raise DeliveryRefused(
            f"the workbook unpacks to more than {MAX_RATIO} times its size; save it again"
        )


def convert(
    path: Path,
    copy: Path,
    sheet: str | None = None,
    codes: Mapping[int, int] | None = None,
) -> frozenset[int]:
    """Write a sheet as UTF-8 CSV: the row's number, then its cells as text; no blank row.

    Args:
        path: a workbook that passed `check`.
        copy: where the CSV goes.
        sheet: its name; the first visible one if null.
        codes: positions of columns of identifiers to the fewest digits of those that are numbers;
            0 if that is not known, so that a number may have lost some.

    Returns:
        Positions of columns in which a cell is a number.

    Raises:
        DeliveryRefused: the workbook has no such sheet.
        SheetUnreadable: it cannot be read within the limits.
    """
    copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    positions = ",".join(f"{position}:{digits}" for position, digits in (codes or {}).items())
    return frozenset(_read("numeric", str(path), str(copy), sheet or "", positions))


def sheets(path: Path) -> tuple[str, ...]:
    """Return the names of the visible sheets of a workbook that passed `check`.

    Raises:
        SheetUnreadable: it cannot be read within the limits.
    """
    return tuple(_read("sheets", str(path), "", "", ""))


def _read(wanted: str, *arguments: str) -> list[Any]:
    """Return what the reader in its own process answers."""
    script = str(Path(sheet_reader.__file__))
    try:
        # Its error output may quote the file's content.
        with _ONE_AT_A_TIME:
            run = subprocess.run(  # noqa: S603 — our own script, no shell
                [sys.executable, "-I", script, *arguments, str(MAX_MEMORY_BYTES)],
                capture_output=True,
                timeout=MAX_SECONDS,
                check=False,
            )
        answer = json.loads(run.stdout) if run.returncode == 0 else {}
    except (subprocess.TimeoutExpired, ValueError):
        answer = {}
    if "refused" in answer:
        raise DeliveryRefused(answer["refused"])
    if wanted not in answer:
        raise SheetUnreadable(
            "the workbook cannot be read: it is damaged, or too large when unpacked; save it again"
        )
    found: list[Any] = answer[wanted]
    return found
