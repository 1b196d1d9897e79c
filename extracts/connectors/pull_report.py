"""What a run pulled, and what it could not pull."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class PulledDelivery:
    """A delivery that was put into the inbox."""

    provider: str
    delivery_id: str
    files: int
    # Transferred in this run; less than the total if an earlier run had begun.
    bytes_fetched: int
    bytes_total: int


@dataclass(frozen=True)
class PullReport:
    """What a run pulled from the providers of one source."""

    source: str
    as_of: date
    providers: int
    pulled: tuple[PulledDelivery, ...]
    # Landed, or waiting in the inbox.
    known: int
    # Without a manifest: the provider has not finished.
    incomplete: int
    # Handed over after `as_of`.
    not_due: int
    # One sentence each, with the next step; no identifiers or file names.
    problems: tuple[str, ...]

    def summary(self) -> dict[str, int | str | None]:
        """Return the report's numbers for a task's result."""
        return {
            "providers": self.providers,
            "pulled": len(self.pulled),
            "files": sum(delivery.files for delivery in self.pulled),
            "bytes_fetched": sum(delivery.bytes_fetched for delivery in self.pulled),
            "known": self.known,
            "incomplete": self.incomplete,
            "not_due": self.not_due,
            "problems": len(self.problems),
            "first_problem": self.problems[0] if self.problems else None,
        }
