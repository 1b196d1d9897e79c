"""Exhaustive tests: a small member in `make test`, all in `make test-exhaustive`."""

import os

import pytest

EXHAUSTIVE = os.environ.get("FIRMPULSE_EXHAUSTIVE") == "1"


def sized(small: int, whole: int) -> int:
    """Return the number of repetitions of a test that could run any number of times."""
    return whole if EXHAUSTIVE else small


def exhaustive(small_member: str) -> pytest.MarkDecorator:
    """Return a mark for tests that only `make test-exhaustive` runs.

    Args:
        small_member: the tests that check the same guarantee in `make test`.
    """
    return pytest.mark.skipif(
        not EXHAUSTIVE, reason=f"make test-exhaustive runs it; in small: {small_member}"
    )
