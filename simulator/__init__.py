"""A simulated economy of small firms that writes what providers would deliver."""

from simulator.delivery import deliver
from simulator.economy import Economy
from simulator.files import DeliveryCounts
from simulator.truth import truth

__all__ = ["DeliveryCounts", "Economy", "deliver", "truth"]
