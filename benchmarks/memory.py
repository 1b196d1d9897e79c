"""The memory of a process, as benchmarks print it."""

import re
from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak_mb() -> float:
    """Return the largest resident set of this process so far, in MB; 0 where unknown.

    Steps of the run log begin to count anew.
    """
    if not _STATUS.exists():
        return 0.0
    found = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text(encoding="ascii"))
    return int(found[1]) / 1e3 if found else 0.0
