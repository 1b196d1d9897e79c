"""What the headers of a file could be: columns of a contract, with confidence and reason."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import duckdb

from extracts.contracts import Column, Contract, normalise_header, normalise_text
from extracts.mappings import entries
from extracts.mappings.entries import targets
from extracts.mappings.included import Included
from extracts.mappings.model import UNITS
from extracts.mappings.seen import may_be_shown
from extracts.mappings.sight import Sight
from extracts.reading import headers
from extracts.reading.alternatives import DayAndClock
from extracts.reading.sql import literal
from firmpulse import yaml_files

# A header that is less like its column is left to the person.
LEAST_CONFIDENCE = 0.45
# Cells that are tried as a kind, and texts that are listed.
_TRIED_CELLS, _LISTED_TEXTS = 200, 12
_FORMATS = (
    "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%Y", "%d-%b-%Y", "%d %b %Y",
    "%b %d, %Y", "%y%m%d", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M:%S", "%d-%m-%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S",
    "%Y%m%d %H:%M:%S", "%Y.%m.%d %H.%M.%S", "%y-%m-%d", "%d/%m/%y", "%m/%d/%y",
)  # fmt: skip
_COMMA = re.compile(r"[-+]?\d{1,3}(?:[. ']?\d{3})*,\d{1,2}")
_OTHER_PARTY = re.compile("对方|对手|(?i:counterpart)")
_UNIT = re.compile(r"[(\[]?(?:单位[:/])?(分|元|千元|万元|度|千瓦时|万千瓦时|kWh|MWh)[)\]]?$")


@dataclass(frozen=True)
class Guess:
    """What a header of a file could be."""

    header: str
    # Column or part of the contract; null: not read.
    to: str | None
    confidence: float
    reason: str
    # Texts that the contract does not know, of an enum.
    unknown_texts: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    unit: str | None = None
    decimal: str = "."

    @property
    def needs_entry(self) -> bool:
        """Whether the mapping has to say it: the contract does not know it alone."""
        told = self.unknown_texts or self.formats or self.unit or self.decimal != "."
        return self.to is not None and (self.reason != KNOWN or bool(told))


KNOWN = "a header of the contract"


@cache
def _words() -> Mapping[str, Mapping[str, Sequence[str]]]:
    found: Mapping[str, Mapping[str, Sequence[str]]] = yaml_files.read(
        Path(__file__).with_name("words.yml")
    )
    return found


def guesses(
    connection: duckdb.DuckDBPyConnection, looked: Sight, contract: Contract
) -> tuple[Guess, ...]:
    """Return a guess for each header, in their order; each column is used once."""
    found: dict[int, Guess] = {}
    taken = set[str]()
    for place, guess in _known(looked.header, contract):
        if guess.to is not None:
            taken.add(guess.to)
            guess = _read_as(connection, guess, looked.column(place), contract)
        found[place] = guess
    likely = [
        (_likeness(connection, looked, place, target, contract), place, target)
        for place in range(len(looked.header)) if place not in found
        for target in _free(targets(contract), taken)
    ]  # fmt: skip
    for (confidence, reason), place, target in sorted(likely, key=lambda item: -item[0][0]):
        if confidence < LEAST_CONFIDENCE:
            break
        if place in found or target in taken or not _fits_beside(target, taken, contract):
            continue
        taken.add(target)
        guess = Guess(looked.header[place], target, round(confidence, 2), reason)
        found[place] = _read_as(connection, guess, looked.column(place), contract)
    return tuple(
        found.get(place, Guess(text, None, 0.0, "like no column")) if text.strip()
        else Guess(text, None, 0.0, "no header")
        for place, text in enumerate(looked.header)
    )  # fmt: skip


def _known(header: Sequence[str], contract: Contract) -> Iterator[tuple[int, Guess]]:
    """Yield the places of headers that the contract knows, with what the reader takes them for."""
    listed = headers.known_headers(contract)
    found: dict[str, list[tuple[int, str]]] = {}
    for place, text in enumerate(header):
        name = listed.get(headers.comparable(text))
        if name is not None:
            found.setdefault(name, []).append((place, text))
    for name, own in found.items():
        pair = next(
            (c.alternatives.day_and_clock for c in contract.columns if c.name == name), None
        )
        clock = _clock_beside(header, own, pair, contract) if pair else None
        if pair and clock is not None:
            yield own[0][0], Guess(own[0][1], pair.day.name, 1.0, KNOWN)
            yield clock, Guess(header[clock], pair.clock.name, 0.9, f"a time beside {own[0][1]}")
        elif len(own) == 1 or (pair is None and f"{name}_clock" not in targets(contract)):
            yield from ((place, Guess(text, name, 1.0, KNOWN)) for place, text in own)
        elif pair is None:
            # The contract reads one of the two; only a mapping says which is which.
            for (place, text), part in zip(own, (f"{name}_day", f"{name}_clock"), strict=False):
                yield place, Guess(text, part, 0.9, f"{KNOWN}, beside another of {name}")
        else:
            yield from _day_and_clock(own, pair)


def _clock_beside(
    header: Sequence[str], own: Sequence[tuple[int, str]], pair: DayAndClock, contract: Contract
) -> int | None:
    """Return the place of a time of day that only words know, beside the header of a day."""
    if len(own) != 1 or _plain(own[0][1]) not in map(_plain, pair.day.headers):
        return None
    words = set(map(_plain, _words().get(contract.table, {}).get(pair.clock.name, ())))
    return next((place for place, text in enumerate(header) if _plain(text) in words), None)


def _day_and_clock(
    own: Sequence[tuple[int, str]], pair: DayAndClock
) -> Iterator[tuple[int, Guess]]:
    """Yield the first header of the day and of the time of day; others are not read."""
    left = dict(own)
    for part in (pair.day, pair.clock):
        for listed in part.headers:
            wanted = normalise_header(listed)
            found = [p for p, text in left.items() if headers.comparable(text) == wanted]
            if found:
                yield found[0], Guess(left.pop(found[0]), part.name, 1.0, KNOWN)
                break
    yield from ((p, Guess(text, None, 0.0, "day and time are there")) for p, text in left.items())


def _free(offered: Mapping[str, str], taken: set[str]) -> list[str]:
    return [target for target in offered if target not in taken]


def _fits_beside(target: str, taken: set[str], contract: Contract) -> bool:
    """Whether a column can come beside the others: whole or in parts, not both."""
    owner = targets(contract)[target]
    parts = {name for name, whole in targets(contract).items() if whole == owner and name != owner}
    return not ((target in parts and owner in taken) or (target == owner and parts & taken))


def _likeness(
    connection: duckdb.DuckDBPyConnection,
    looked: Sight,
    place: int,
    target: str,
    contract: Contract,
) -> tuple[float, str]:
    """Return how likely a header brings a column, and why."""
    column = contract.column(targets(contract)[target])
    score, reason = _by_name(looked.header[place], target, column, contract)
    # Cells can only lower it, and to try them takes longest.
    if score < LEAST_CONFIDENCE:
        return 0.0, ""
    cells = looked.column(place)[:_TRIED_CELLS]
    if not cells:
        return score * 0.7, f"{reason}; no cell is filled"
    share = _readable(connection, target, column, cells)
    if share < 0.5:
        return score * 0.3, f"{reason}; few cells are of kind {column.kind}"
    return score * (0.7 + 0.3 * share), reason


def _by_name(text: str, target: str, column: Column, contract: Contract) -> tuple[float, str]:
    """Return how like a header is to the names of a column or part."""
    plain = _plain(text)
    if not plain:
        return 0.0, ""
    part = next((p for p in column.alternatives.parts if p.name == target), None)
    if part is not None:
        own = [target, *part.headers]
    elif target == column.name:
        own = [column.name, *column.headers, *column.alternatives.fallback_headers]
    else:
        own = [target]
    others = _words().get(contract.table, {}).get(target, ())
    if _OTHER_PARTY.search(plain) and not any(map(_OTHER_PARTY.search, (*own, *others))):
        # The account of the other side is never that of the firm.
        return 0.0, ""
    for other in others:
        if _plain(other) == plain:
            return 0.9, f"another word for {target}"
    best, like = 0.0, ""
    for name in (*own, *others):
        wanted = _plain(name)
        if plain == wanted:
            return 0.95, f"{name}, but for unit or brackets"
        short, long = sorted((plain, wanted), key=len)
        score = difflib.SequenceMatcher(None, plain, wanted).ratio() * 0.75
        if len(short) >= 2 and short in long:
            # What a header names stands at its end: 发生额借方 is 借方.
            end = 0.1 if long.endswith(short) else 0.0
            score = max(score, 0.5 + 0.4 * len(short) / len(long) + end)
        if score > best:
            best, like = score, name
    return best, f"like {like}"


def _plain(text: str) -> str:
    """Return a header without unit, brackets, punctuation and case."""
    folded = normalise_header(text).lower()
    folded = _UNIT.sub("", folded) if len(_UNIT.sub("", folded)) >= 2 else folded
    return re.sub(r"[^\w\u4e00-\u9fff/]", "", folded).replace("_", "")


def _readable(
    connection: duckdb.DuckDBPyConnection, target: str, column: Column, cells: Sequence[str]
) -> float:
    """Return the share of cells that could be values of a column."""
    if column.kind == "text":
        return 1.0
    if column.kind == "enum":
        # Unknown texts are mapped; many different ones are no enum.
        return 1.0 if len(set(cells)) <= max(_LISTED_TEXTS, len(column.values)) else 0.3
    if column.kind in ("tax_no", "code"):
        return sum(bool(re.search("[0-9]", cell)) for cell in cells) / len(cells)
    kind = "clock" if target.endswith("_clock") else column.kind
    share = _share_read(connection, kind, cells)
    if kind in ("decimal", "integer"):
        commas = sum(bool(_COMMA.fullmatch(cell)) for cell in cells) / len(cells)
        return max(share, commas)
    if share < 1 and kind in ("date", "timestamp", "month"):
        return max([share, *(_share_formatted(connection, f, cells) for f in _FORMATS)])
    return share


def _share_read(connection: duckdb.DuckDBPyConnection, kind: str, cells: Sequence[str]) -> float:
    macro = f"read_{kind}_text" if kind in ("decimal", "integer") else f"read_{kind}"
    return _average(connection, f"{macro}(t) is not null", cells)


def _share_formatted(
    connection: duckdb.DuckDBPyConnection, form: str, cells: Sequence[str]
) -> float:
    return _average(connection, f"try_strptime(t, {literal(form)}) is not null", cells)


def _average(connection: duckdb.DuckDBPyConnection, condition: str, cells: Sequence[str]) -> float:
    row = connection.execute(
        f"select avg(({condition})::int) from (select tidy(v) as t from (select unnest(?) as v))",  # noqa: S608 — ours
        [list(cells[:_TRIED_CELLS])],
    ).fetchone()
    return float(row[0] or 0.0) if row else 0.0


def _read_as(
    connection: duckdb.DuckDBPyConnection, guess: Guess, cells: Sequence[str], contract: Contract
) -> Guess:
    """Add to a guess how the file writes the column, where the contract does not read it."""
    column = contract.column(targets(contract)[str(guess.to)])
    if column.kind == "enum":
        unknown = (cell for cell in cells if normalise_text(cell) not in column.values)
        texts = dict.fromkeys(cell for cell in unknown if may_be_shown(cell))
        return replace(guess, unknown_texts=tuple(texts)[:_LISTED_TEXTS])
    if not cells:
        return guess
    kind = "clock" if str(guess.to).endswith("_clock") else column.kind
    # Labels of totals stand among the values.
    cells = [cell for cell in cells if any(map(str.isdigit, cell))]
    if kind in ("decimal", "integer"):
        return _number_as(guess, cells, column)
    if kind in ("date", "timestamp", "month") and _share_read(connection, kind, cells) < 0.5:
        fitting = [f for f in _FORMATS if _share_formatted(connection, f, cells) > 0.95]
        return replace(guess, formats=tuple(fitting))
    return guess


def _number_as(guess: Guess, cells: Sequence[str], column: Column) -> Guess:
    commas = sum(bool(_COMMA.fullmatch(cell)) for cell in cells)
    points = sum(bool(re.fullmatch(r"[-+]?\d+(?:,\d{3})*\.\d+", cell)) for cell in cells)
    decimal = "," if commas > points else "."
    unit = _UNIT.search(normalise_header(guess.header))
    told = unit[1] if unit and guess.reason != KNOWN else ""
    is_other = UNITS.get(column.unit or "", {}).get(told, 1) != 1
    return replace(guess, decimal=decimal, unit=told if is_other else None)


def as_included(like: Included, header: Sequence[str], contract: Contract) -> tuple[Guess, ...]:
    """Return what the included mapping says of each header."""
    told = entries.fields(like.block, contract)
    own = {headers.comparable(text): name for text, name in told["headers"].items()}
    known = headers.known_headers(contract)
    reason = f"as in the included mapping {like.name}"
    ignored = set(map(headers.comparable, told["ignored"]))
    found = []
    for text in header:
        plain = headers.comparable(text)
        to = None if plain in ignored else own.get(plain) or known.get(plain)
        found.append(Guess(text, to, 1.0, reason) if to else Guess(text, None, 0.0, "not read"))
    return tuple(found)
