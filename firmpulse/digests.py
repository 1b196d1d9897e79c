"""Digests of a file, and of a frame independent of row order and thread count."""

import hashlib
import json
from pathlib import Path

import polars as pl

# Sums over threads may differ in the last bits; the digest must not.
_FIGURES = 12
_CHUNK_ROWS = 20_000


def of_file(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def of_rows(rows: pl.DataFrame) -> str:
    """Return a SHA-256 over names, types and rows in (firm_id, as_of) order, to 12 figures."""
    schema = [[name, str(kind)] for name, kind in rows.schema.items()]
    content = hashlib.sha256(json.dumps(schema).encode())
    floats = [name for name, kind in rows.schema.items() if kind == pl.Float64]
    ordered = rows.sort("firm_id", "as_of").with_columns(pl.col(floats).round_sig_figs(_FIGURES))
    for start in range(0, ordered.height, _CHUNK_ROWS):
        text = ordered.slice(start, _CHUNK_ROWS).write_csv(include_header=False)
        content.update(text.encode())
    return content.hexdigest()
