"""What the first run of simulated firms will take, from runs that were measured."""

import shutil
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from cli.progress import Progress
from firmpulse.errors import DiskError
from firmpulse.settings import Settings


@dataclass(frozen=True)
class Cost:
    """What a first run took or will take."""

    # Firms times months. A first run builds one date per month, so these are firm-dates too.
    firm_months: int
    seconds: float
    # Most at any moment, of all its processes, and in the home folder.
    memory_gb: float
    disk_gb: float


# Smallest first; on 2 cores that had other work too. Measured with, and printed in this form by:
#   python -m benchmarks.first_run --firms 500 2000 6000 --months 36
MEASURED = (
    Cost(18_000, 116, 1.2, 0.22),
    Cost(72_000, 239, 2.1, 0.70),
    Cost(216_000, 553, 4.2, 1.92),
    Cost(720_000, 1_037, 9.4, 5.7),
    # 100,000 firms x 24 months, which train no model; the memory limit of 8 GB holds from here on.
    Cost(2_400_000, 2_720, 9.5, 20.0),
)
# A forecast may be wrong, but not by this factor.
_SURELY = 2


def of(firm_months: int) -> Cost:
    """Return the expected cost: on the line between the nearest measured runs, or beyond them.

    A run smaller than all of them is expected to cost as much as the smallest.
    """
    wanted = max(firm_months, MEASURED[0].firm_months)
    pairs = list(pairwise(MEASURED))
    low, high = next((pair for pair in pairs if wanted <= pair[1].firm_months), pairs[-1])
    share = (wanted - low.firm_months) / (high.firm_months - low.firm_months)

    def between(first: float, second: float) -> float:
        return first + share * (second - first)

    return Cost(
        firm_months,
        between(low.seconds, high.seconds),
        # Larger builds are cut into slices.
        min(between(low.memory_gb, high.memory_gb), MEASURED[-1].memory_gb),
        between(low.disk_gb, high.disk_gb),
    )


def announce(settings: Settings, firms: int, months: int, progress: Progress) -> None:
    """Say what a first run will take, and whether the disk may be too small.

    Raises:
        DiskError: the disk is too small for it even if the forecast is wrong by a factor of two.
    """
    cost = of(firms * months)
    progress.say(in_words(cost))
    # What an interrupted first run has written counts towards the forecast.
    free_gb = (free_bytes(settings.root) + _held_bytes(settings.root)) / 1e9
    if free_gb >= cost.disk_gb:
        return
    text = (
        f"{firms:,} firms x {months} months need about {_gb(cost.disk_gb)} of disk, and the disk "
        f"of {settings.root} has {_gb(free_gb)} for them; make room, simulate fewer --firms or "
        f"--months, or choose a folder on another disk with FIRMPULSE_HOME"
    )
    if free_gb < cost.disk_gb / _SURELY:
        raise DiskError(text)
    progress.say(f"warning: {text}")


def free_bytes(folder: Path) -> int:
    """Return the free space on the disk of a folder, which need not exist yet."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(there).free


def in_words(cost: Cost) -> str:
    """Return a cost on one line, such as `about 4 minutes, 2 GB of memory, 1 GB of disk`."""
    return (
        f"about {_duration(cost.seconds)}, {_gb(cost.memory_gb)} of memory, "
        f"{_gb(cost.disk_gb)} of disk"
    )


def _duration(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    if minutes < 90:
        return f"{minutes} minute{'s' if minutes > 1 else ''}"
    return f"{minutes / 60:.0f} hours"


def _gb(size: float) -> str:
    return f"{size:.1f} GB" if size < 10 else f"{size:,.0f} GB"


def _held_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
