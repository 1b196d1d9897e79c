"""Quoting of identifiers and literals for generated SQL."""

from collections.abc import Iterable


def ident(name: str) -> str:
    """Return a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def idents(names: Iterable[str], prefix: str = "") -> str:
    """Return quoted identifiers, comma separated, each with a `prefix` such as `s.`."""
    return ", ".join(prefix + ident(name) for name in names)


def literal(text: str) -> str:
    """Return a quoted SQL string."""
    return "'" + text.replace("'", "''") + "'"


def literals(texts: Iterable[str]) -> str:
    """Return a list literal of SQL strings."""
    return "[" + ", ".join(literal(text) for text in texts) + "]"
