"""Unified social credit codes, account numbers and meter numbers of invented parties."""

import numpy as np
from numpy.typing import NDArray

_ALPHABET = np.frombuffer(b"0123456789ABCDEFGHJKLMNPQRTUWXY", dtype=np.uint8)
_ORGANISATION_WEIGHTS = np.array([3, 7, 9, 10, 5, 8, 4, 2])
_CODE_WEIGHTS = np.array([pow(3, position, 31) for position in range(17)])
_SERIALS = 31**6
_STRIDE = 400_000_009  # prime and not a multiple of 31: visits every serial once

Texts = NDArray[np.str_]


def uscc_codes(regions: NDArray[np.int64], *, offset: int, first: int = 0) -> Texts:
    """Return one valid, unique code per region (GB/T 2260, six digits), shape (n,).

    Args:
        regions: registering authority per party.
        offset: shifts the whole sequence, so that economies with other seeds have other parties.
        first: running number of the first party; codes of distinct numbers are distinct.

    Source: GB 32100-2015 (check character), GB 11714-1997 (organisation code).
    """
    count = len(regions)
    code = np.empty((count, 18), dtype=np.uint8)
    code[:, 0], code[:, 1] = ord("9"), ord("1")
    for position in range(6):
        code[:, 2 + position] = ord("0") + regions // 10 ** (5 - position) % 10
    code[:, 8], code[:, 9] = ord("M"), ord("A")
    serial = (offset + (first + np.arange(count, dtype=np.int64)) * _STRIDE) % _SERIALS
    for position in range(6):
        code[:, 10 + position] = _ALPHABET[serial // 31 ** (5 - position) % 31]
    code[:, 16] = _organisation_check(code[:, 8:16])
    values = np.zeros(256, dtype=np.int64)
    values[_ALPHABET] = np.arange(31)
    code[:, 17] = _ALPHABET[(31 - values[code[:, :17]] @ _CODE_WEIGHTS % 31) % 31]
    return code.view("S18").ravel().astype(np.str_)


def _organisation_check(body: NDArray[np.uint8]) -> NDArray[np.uint8]:
    values = np.where(body <= ord("9"), body - ord("0"), body - ord("A") + 10).astype(np.int64)
    check = 11 - values @ _ORGANISATION_WEIGHTS % 11
    digits = np.where(check == 10, ord("X"), ord("0") + check % 11)
    return digits.astype(np.uint8)


def digit_strings(numbers: NDArray[np.int64], width: int, prefix: str = "") -> Texts:
    """Return `prefix` + zero-padded numbers; for lists of parties, not for event rows."""
    padded = np.char.zfill(numbers.astype(np.str_), width)
    texts: Texts = np.char.add(prefix, padded).astype(np.str_)
    return texts
