"""What a person does about something that was found: look now, look soon."""

from dataclasses import dataclass

PROBLEM, WARNING = "problem", "warning"


@dataclass(frozen=True)
class Finding:
    """Something that somebody should look at."""

    severity: str
    subject: str
    text: str
    # What to do about it: a command that works as things are now, or a place to look.
    do: str
