"""The cash of each firm; pays what it can, in the order of the calls."""

from dataclasses import dataclass

import numpy as np

from simulator.population import Bools, Ints


@dataclass
class Purse:
    """Cash in cents per firm; never below zero."""

    cash: Ints

    def add(self, amount: Ints) -> None:
        """Take in money."""
        self.cash = self.cash + amount

    def pay_part(self, due: Ints) -> Ints:
        """Pay as much of `due` as possible and return the paid amount."""
        paid = np.minimum(self.cash, due)
        self.cash = self.cash - paid
        return paid

    def pay_whole(self, due: Ints, among: Bools | None = None) -> Bools:
        """Pay `due` where it can be paid in full (and `among` is true); return where."""
        able = self.cash >= due
        if among is not None:
            able &= among
        self.cash = self.cash - np.where(able, due, 0)
        return able
