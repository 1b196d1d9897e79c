"""How often a test ends a process at a random moment: a few times in the gate, more when asked."""

import os


def kills(in_the_gate: int) -> int:
    """Return the number of kills: FIRMPULSE_KILLS, or what a test does by default."""
    return int(os.environ.get("FIRMPULSE_KILLS", in_the_gate))
