"""How often a test ends a process at a random moment: few times in the gate, more when asked."""

import os

KILLS = int(os.environ.get("FIRMPULSE_KILLS", "8"))
