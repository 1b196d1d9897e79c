"""The program's commands, as called by a benchmark."""

import os
import subprocess
import sys
from pathlib import Path

_PROGRAM = Path(sys.executable).with_name("firmpulse")


def firmpulse(home: Path, *arguments: str) -> None:
    """Run a command on a home folder, silently; raises CalledProcessError if it fails."""
    subprocess.run(
        [str(_PROGRAM), *arguments],
        env={**os.environ, "FIRMPULSE_HOME": str(home)},
        check=True,
        stdout=subprocess.DEVNULL,
    )
