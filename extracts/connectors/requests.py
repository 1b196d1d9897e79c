"""Request extracts from providers, only for firms that have authorised them."""

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from consent import directory
from consent.ledger import Ledger
from extracts import contracts
from extracts.connectors import providers
from extracts.connectors.errors import Unreachable
from extracts.connectors.folders import Store
from extracts.connectors.providers import Provider
from firmpulse.errors import ConfigurationError
from firmpulse.settings import Settings

NAME = "request.jsonl"
# A larger request at the provider is treated as a different one.
_LIMIT_BYTES = 1 << 30
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class RequestReport:
    """What was requested from the providers of one source."""

    source: str
    as_of: date
    # Providers that take requests.
    providers: int
    firms: int
    # Requests that were put, and those already there with the same content.
    put: int
    unchanged: int
    # One sentence each, with the next step; no identifiers.
    problems: tuple[str, ...]

    def summary(self) -> dict[str, int | str | None]:
        """Return the report's numbers for a task's result."""
        return {
            "providers": self.providers,
            "firms": self.firms,
            "put": self.put,
            "unchanged": self.unchanged,
            "problems": len(self.problems),
            "first_problem": self.problems[0] if self.problems else None,
        }


@dataclass(frozen=True)
class _Request:
    """One file, the same for every provider of a source."""

    content: bytes
    # Tokens of the firms in it.
    firm_ids: tuple[str, ...]


def request(settings: Settings, source: str, as_of: date) -> RequestReport:
    """Put a request at every provider of a source that takes requests.

    It names the firms with a grant in force on `as_of` for the recipient of these settings, each
    with the widest window of its grants, which ends on `as_of`. Without a grant there is no
    request, unless an earlier one of the same day has to be emptied. Nothing stays in the home
    folder. A repeated run changes nothing while the grants stay the same.

    Raises:
        ConfigurationError: the file of providers is wrong.
    """
    takers = [one for one in providers.load(settings, source) if one.request_place is not None]
    if not takers:
        return RequestReport(source, as_of, 0, 0, 0, 0, ())
    if not any(c.grant_required for c in contracts.load().values() if c.source == source):
        raise ConfigurationError(
            f"{source} needs no grants and takes no requests; remove request_uri of "
            f"{takers[0].name} from {settings.providers_path.name}"
        )
    made, missing = _make(settings, source, as_of)
    put, problems = [], []
    if missing:
        problems.append(
            f"firms with a grant whose identifier is not in the vault, and which are not in the "
            f"request: {missing}; import their grants again"
        )
    for provider in takers:
        try:
            put.append(_put(settings, provider, made, as_of))
        except (ConfigurationError, Unreachable) as error:
            again = f"firmpulse request --source {source} --as-of {as_of}"
            problems.append(f"{provider.name}: {error}; run again: {again}")
    for problem in problems:
        _LOG.warning("request %s: %s", source, problem)
    return RequestReport(
        source=source,
        as_of=as_of,
        providers=len(takers),
        firms=len(made.firm_ids),
        put=put.count("put"),
        unchanged=put.count("unchanged"),
        problems=tuple(problems),
    )


def _make(settings: Settings, source: str, as_of: date) -> tuple[_Request, int]:
    """Return the request, and how many firms with a grant are missing from the directory."""
    live = Ledger(settings).live(as_of, source, recipient=settings.recipient)
    granted = (
        live.group_by("firm_id")
        .agg(
            pl.col("window_start").min(),
            pl.col("authorization_id").unique().sort(),
            pl.col("purpose").unique().sort(),
        )
        .sort("firm_id")
    )
    firms = directory.identifiers(settings, granted["firm_id"].to_list())
    rows = [row for row in granted.iter_rows(named=True) if row["firm_id"] in firms]
    lines = [_line(settings, row, firms, as_of) for row in rows]
    header = {
        "request_version": 1,
        "as_of": as_of.isoformat(),
        "source": source,
        "recipient": settings.recipient,
        "firms": len(lines),
        "sha256": hashlib.sha256(b"".join(lines)).hexdigest(),
    }
    content = b"".join([_json(header), *lines])
    return _Request(content, tuple(row["firm_id"] for row in rows)), len(granted) - len(rows)


def _line(
    settings: Settings, row: Mapping[str, Any], firms: Mapping[str, str], as_of: date
) -> bytes:
    return _json(
        {
            "firm": firms[row["firm_id"]],
            "window_start": row["window_start"].isoformat(),
            "window_end": as_of.isoformat(),
            "authorization_ids": row["authorization_id"],
            "purposes": row["purpose"],
            "recipient": settings.recipient,
        }
    )


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _put(settings: Settings, provider: Provider, made: _Request, as_of: date) -> str:
    """Put a request at a provider and return the result: put, unchanged or none."""
    if provider.request_place is None:
        return "none"
    store = Store(settings, provider, provider.request_place)
    name = f"{as_of.isoformat()}/{NAME}"
    there = store.read(name, _LIMIT_BYTES)
    if there == made.content:
        return "unchanged"
    if there is None and not made.firm_ids:
        return "none"
    # Recorded first: a request that was sent must not be missing from the chain.
    _record(settings, provider, made, as_of)
    store.write(name, made.content)
    return "put"


def _record(settings: Settings, provider: Provider, made: _Request, as_of: date) -> None:
    from consent import audit

    batch = {
        "source": provider.source,
        "provider": provider.name,
        "as_of": as_of.isoformat(),
        "request_sha256": hashlib.sha256(made.content).hexdigest(),
    }
    actor = audit.actor()
    total = audit.Entry("REQUEST", actor, None, {**batch, "firms": len(made.firm_ids)})
    each: Iterable[audit.Entry] = (
        audit.Entry("REQUEST", actor, firm_id, batch) for firm_id in made.firm_ids
    )
    audit.append_many(settings, [total, *each])
