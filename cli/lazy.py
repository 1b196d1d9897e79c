"""A group that imports its commands when they are called, so that help is fast."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command


@dataclass(frozen=True)
class Lazy:
    """Where a command is, and its line in the help of its group."""

    # module:attribute of a function or of a Typer application.
    place: str
    help: str


def group_of(listed: Mapping[str, Lazy]) -> type[TyperGroup]:
    """Return a class of groups that have these commands, in this order."""

    class LazyGroup(TyperGroup):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            # What the help lists; suggestions for mistyped names come from it.
            self.commands = {name: TyperCommand(name, help=lazy.help)
                             for name, lazy in listed.items()}  # fmt: skip

        def resolve_command(self, ctx: Any, args: list[str]) -> Any:
            name, command, rest = super().resolve_command(ctx, args)
            return name, command and imported(str(name), listed), rest

    return LazyGroup


def imported(name: str, listed: Mapping[str, Lazy]) -> Any:
    """Import a command and return it as a click command."""
    module, _, attribute = listed[name].place.partition(":")
    found = getattr(import_module(module), attribute)
    if not isinstance(found, typer.Typer):
        single = typer.Typer(add_completion=False)
        single.command(name)(found)
        found = single
    command = get_command(found)
    command.name = name
    return command


def walk(listed: Mapping[str, Lazy]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the path and the command of each, imported; a group comes before what is in it."""
    for name in listed:
        yield from _inside(imported(name, listed), (name,))


def _inside(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from _inside(inner, (*path, name))
