"""Findings and their urgency: look now, look soon."""

from dataclasses import dataclass

PROBLEM, WARNING = "problem", "warning"


@dataclass(frozen=True)
class Finding:
    """Something that needs attention."""

    severity: str
    subject: str
    text: str
    # What to do about it: a command that works at present, or a place to look.
    do: str
