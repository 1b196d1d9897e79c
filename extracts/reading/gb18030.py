"""Turns a GB18030 file into UTF-8, strictly; large files in a separate process.

Python's codec holds the interpreter's lock, so that files in one process would wait for each other.
Run as a script by `transcode`, from standard input to standard output; imports nothing of the
project, to start in 20 ms. Ends with 0, or with the number of the error.
"""

import codecs
import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

# A file of this size takes as long as starting a process.
ALONE_BYTES = 4 << 20
# Its text and its copy stay in the cache of a core.
_CHUNK_BYTES = 1 << 20
# Beside the numbers of the operating system, which are below 200.
_NO_GB18030 = 255


def transcode(path: Path, copy: Path) -> None:
    """Copy a GB18030 file to a file in UTF-8.

    Raises:
        UnicodeError: it is not GB18030.
        OSError: a file cannot be read or written.
    """
    with path.open("rb") as source, copy.open("wb") as target:
        if path.stat().st_size < ALONE_BYTES:
            _copy(source, target)
            return
        # The files are opened here: a process that outlives this one writes to no newer copy.
        run = subprocess.run(  # noqa: S603 — our own script, no shell
            [sys.executable, "-I", str(Path(__file__))], stdin=source, stdout=target, check=False
        )
    if run.returncode == _NO_GB18030:
        raise UnicodeError("the file is not GB18030")
    if run.returncode:
        number = run.returncode if run.returncode > 0 else errno.EINTR
        raise OSError(number, os.strerror(number), str(copy))


def _copy(source: BinaryIO, target: BinaryIO) -> None:
    decoder = codecs.getincrementaldecoder("gb18030")("strict")
    while chunk := source.read(_CHUNK_BYTES):
        target.write(decoder.decode(chunk).encode("utf-8"))
    target.write(decoder.decode(b"", True).encode("utf-8"))
    target.flush()


def main() -> int:
    """Copy standard input to standard output; return the number of the error."""
    try:
        _copy(sys.stdin.buffer, sys.stdout.buffer)
    except UnicodeError:
        return _NO_GB18030
    except OSError as error:
        return error.errno or 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
