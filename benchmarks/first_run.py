"""What the first `firmpulse run` costs; prints one line of `cli.forecast.MEASURED` per size.

Run: python -m benchmarks.first_run --firms 500 2000 --months 36
Each size runs in an empty home folder. Memory is that of all its processes, disk that of the home
folder, both the most that was seen, once a second.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil


def main() -> None:
    """Measure each number of firms."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--firms", type=int, nargs="+", default=[500, 2000])
    parser.add_argument("--months", type=int, default=36)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    for firms in options.firms:
        with tempfile.TemporaryDirectory(dir=options.work) as home:
            print(_measured(Path(home), firms, options.months), flush=True)


def _measured(home: Path, firms: int, months: int) -> str:
    started, memory, disk = time.perf_counter(), 0, 0
    command = ["run", "--firms", str(firms), "--months", str(months)]
    with subprocess.Popen(
        [sys.executable, "-c", "from cli import main; main()", *command],
        env=os.environ | {"FIRMPULSE_HOME": str(home)},
        stdout=sys.stderr,
    ) as run:
        while run.poll() is None:
            memory, disk = max(memory, _memory(run.pid)), max(disk, _disk(home))
            time.sleep(1)
    if run.returncode:
        sys.exit(f"the run of {firms} firms failed")
    seconds = time.perf_counter() - started
    return f"Cost({firms * months:_}, {seconds:.0f}, {memory / 1e9:.1f}, {disk / 1e9:.2f}),"


def _memory(pid: int) -> int:
    """Return the resident memory of a process and its children."""
    found = 0
    try:
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            found += process.memory_info().rss
    except psutil.NoSuchProcess:
        # One has just ended.
        pass
    return found


def _disk(folder: Path) -> int:
    found = 0
    for path in folder.rglob("*"):
        try:
            found += path.stat().st_blocks * 512 if path.is_file() else 0
        except FileNotFoundError:
            # Just removed.
            continue
    return found


if __name__ == "__main__":
    main()
