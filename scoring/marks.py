"""Record of a score's inputs without values: a digest per firm, and a mark per feature.

The digest shows whether anything differs, the marks show which features do. A mark is 16 bits of a
hashed value: it reveals no value, and misses a difference once in 65,536 times.
"""

import hashlib
import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from model.bundle import matrix_of

_Marks = npt.NDArray[np.uint16]


def digests(
    firms: pl.DataFrame, features: tuple[str, ...], categorical: tuple[str, ...]
) -> list[str]:
    """Return one SHA-256 per firm over its features in model order, to the last bit."""
    matrix = matrix_of(firms, features, categorical)
    numbers = _bits(matrix, [name for name in features if name not in categorical])
    texts = matrix.select(categorical).rows() if categorical else [()] * firms.height
    return [
        hashlib.sha256(row.tobytes() + "\x1f".join(text).encode()).hexdigest()
        for row, text in zip(numbers, texts, strict=True)
    ]


def marks(
    firms: pl.DataFrame, features: tuple[str, ...], categorical: tuple[str, ...]
) -> list[bytes]:
    """Return 2 bytes per feature in model order, one entry per firm."""
    matrix = matrix_of(firms, features, categorical)
    found = np.empty((firms.height, len(features)), dtype="<u2")
    for place, name in enumerate(features):
        if name in categorical:
            found[:, place] = [zlib.crc32(text.encode()) & 0xFFFF for text in matrix[name]]
        else:
            found[:, place] = _mixed(_bits(matrix, [name])[:, 0])
    return [row.tobytes() for row in found]


def differing(before: bytes, after: bytes, features: Sequence[str]) -> list[str]:
    """Return the features whose marks differ; all of them if the model has other features."""
    then, now = np.frombuffer(before, dtype="<u2"), np.frombuffer(after, dtype="<u2")
    if len(then) != len(features) or len(now) != len(features):
        return list(features)
    return [name for name, moved in zip(features, then != now, strict=True) if moved]


def _bits(matrix: pl.DataFrame, names: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Return the bits of numbers, shape (firms, names); "not observed" has one pattern."""
    values = np.empty((matrix.height, len(names)))
    for place, name in enumerate(names):
        values[:, place] = matrix[name].to_numpy()
    values[np.isnan(values)] = np.nan
    # Zero has two bit patterns but is one value.
    return (values + 0.0).view(np.uint64)


def _mixed(bits: npt.NDArray[np.uint64]) -> _Marks:
    """Return the top 16 bits of splitmix64. Source: Steele, Lea and Flood (2014)."""
    mixed = bits + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(48)).astype(np.uint16)
