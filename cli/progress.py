"""What a person sees while the pipeline works."""

import time
from contextlib import AbstractContextManager

from rich.console import Console
from rich.markup import escape

from firmpulse import long_work

_LEAST_WIDTH = 100


def make_console(*, stderr: bool = False) -> Console:
    """Return the console to print to; without a terminal, wide enough for the tables.

    Text from outside must be escaped: its brackets are not markup.
    """
    console = Console(soft_wrap=True, highlight=False, emoji=False, stderr=stderr)
    if not console.is_terminal:
        console.width = max(console.width, _LEAST_WIDTH)
    return console


class Progress:
    """Prints one line per finished step: time since the start, and time of the step."""

    def __init__(self, console: Console) -> None:
        """Start the clock."""
        self._console = console
        self._started = time.perf_counter()
        self.steps: list[tuple[str, float]] = []

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._started

    def heading(self, text: str) -> None:
        """Announce what starts now."""
        self._console.print(f"[dim]{self.seconds:6.1f} s[/]  [bold]{escape(text)}[/]")

    def say(self, text: str) -> None:
        """Print a line about the progress."""
        self._console.print(f"[dim]{self.seconds:6.1f} s    {escape(text)}[/]")

    def following(self) -> AbstractContextManager[None]:
        """Also print what long work says in this process."""
        return long_work.heard(self.say)

    def task(self, label: str, seconds: float, note: str, *, succeeded: bool) -> None:
        """Print a task that succeeded or failed."""
        if succeeded:
            self.done(label, seconds, note)
        else:
            self._console.print(
                f"[dim]{self.seconds:6.1f} s[/]    [red]failed[/] {escape(label)}: {escape(note)}"
            )

    def done(self, step: str, seconds: float, note: str = "") -> None:
        """Record and print a finished step."""
        self.steps.append((step, seconds))
        tail = f"  [dim]{escape(note)}[/]" if note else ""
        self._console.print(
            f"[dim]{self.seconds:6.1f} s[/]    [green]done[/]  {escape(f'{step:<34}')} "
            f"{seconds:6.1f} s{tail}"
        )
