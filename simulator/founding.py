"""When firms and their accounts were founded, and when an extract first shows them."""

import numpy as np

from simulator.population import Bools, Ints
from simulator.world import World


def opened_day(world: World) -> Ints:
    """Return the day on which each firm was founded, in days since 1970, (firms,)."""
    firms = world.firms
    first = int(firms.born.min())
    last = int(firms.born.max())
    starts = np.array([world.day(month) for month in range(first, last + 1)])
    # Some weeks before the first sales, so that every document is younger than its firm.
    return starts[firms.born - first] - 25 + np.arange(len(firms)) * 7 % 15


def first_seen(world: World, month: int, day: Ints) -> Bools:
    """Return which days are in a month; month 0 includes all earlier days."""
    start, end = world.day(month), world.day(month + 1)
    seen: Bools = (day < end) & ((day >= start) | (month == 0))
    return seen
