"""From a row of a table to its grants: one per source and purpose."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from consent import wording
from consent.grants import (
    SENSITIVE_SOURCES,
    Grant,
    Problem,
    identifier,
    of_terms,
    usual_window_start,
)
from consent.offers import usual_end
from extracts.grants.columns import BY_NAME, FIELDS
from firmpulse.errors import GrantError


@dataclass(frozen=True)
class Terms:
    """What a table does not say itself."""

    # Scheme of identifiers without one.
    scheme: str
    # Of rows without a recipient.
    recipient: str
    # Checks a code.
    problem: Problem


@dataclass(frozen=True)
class Wrong:
    """What is wrong with a row, in a sentence that follows the name of the column."""

    problem: str
    # Label of the column, None for the whole row.
    column: str | None = None


def grants_of(cells: Mapping[str, str], terms: Terms) -> tuple[tuple[Grant, ...], list[Wrong]]:
    """Return the grants of a row, or everything that is wrong with it.

    Args:
        cells: tidy texts by the name of their column.
        terms: what the table does not say.
    """
    row, wrong = _read(cells, terms)
    wrong += _contradictions(row)
    if wrong:
        return (), wrong
    try:
        return tuple(_grants(row, terms)), []
    except GrantError as error:
        return (), [Wrong(str(error).removeprefix("grant: ").removeprefix("Value error, "))]


def _read(cells: Mapping[str, str], terms: Terms) -> tuple[dict[str, Any], list[Wrong]]:
    row: dict[str, Any] = {}
    wrong = []
    for field in FIELDS:
        cell = cells.get(field.name, "")
        if not cell and field.required:
            wrong.append(Wrong("is empty; fill it", field.label))
        if not cell:
            continue
        try:
            row[field.name] = field.read(cell)
            if field.name == "firm":
                row["firm"] = identifier(cell, terms.problem, scheme=terms.scheme)
        except GrantError as error:
            wrong.append(Wrong(str(error).removeprefix("firm: "), field.label))
    return row, wrong


def _contradictions(row: Mapping[str, Any]) -> Iterator[Wrong]:
    """Yield what is wrong with cells that are right by themselves."""
    first, last = row.get("valid_from"), row.get("valid_to")
    if first and last and last < first:
        yield Wrong(
            f"{last} is before the first day {first}; correct one of them",
            BY_NAME["valid_to"].label,
        )
    separate = [source for source in row.get("sources", ()) if source in SENSITIVE_SOURCES]
    if separate and not row.get("separate_consent"):
        names = ", ".join(f"{wording.ZH[source]} {source}" for source in separate)
        yield Wrong(
            f"{names} needs separate consent; write 是 yes if the grantor gave it, or leave it out "
            f"of this row",
            BY_NAME["separate_consent"].label,
        )


def _grants(row: Mapping[str, Any], terms: Terms) -> Iterator[Grant]:
    """Yield the grants, each checked like a single one.

    Raises:
        GrantError: one is no grant.
    """
    begin: date = row["valid_from"]
    for source in row["sources"]:
        for purpose in row["purposes"]:
            yield of_terms(
                {
                    # A form may be listed on several rows, one per source.
                    "authorization_id": f"{row['authorization_id']}-{source}-{purpose}",
                    "firm": row["firm"],
                    "source": source,
                    "purpose": purpose,
                    "recipient": row.get("recipient", terms.recipient),
                    "window_start": row.get("window_start", usual_window_start(source, begin)),
                    "valid_from": begin,
                    "valid_to": row.get("valid_to", usual_end(purpose, begin)),
                    **{name: row[name] for name in _AS_THEY_ARE if name in row},
                },
                terms.problem,
            )


_AS_THEY_ARE = ("text_version", "keep_results", "grantor_role", "text_sha256", "separate_consent")
