"""CSV files that commands write for people."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from firmpulse.errors import ConfigurationError


def named(to: Path | None) -> Path | None:
    """Return the name of a file to write, checked before any work is done.

    Raises:
        ConfigurationError: it has another ending.
    """
    if to is not None and to.suffix.lower() != ".csv":
        raise ConfigurationError(f"--to {to} must end in .csv")
    return to


def write(to: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write the file.

    Raises:
        ConfigurationError: it cannot be written.
    """
    try:
        # The byte order mark lets Excel recognise UTF-8.
        with to.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            writer.writerows(rows)
    except OSError as error:
        raise ConfigurationError(f"--to {to}: {error.strerror}; name a file to write") from None
