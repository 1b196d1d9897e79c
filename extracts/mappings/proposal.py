"""Propose a mapping for files of which nothing is known; a person corrects and confirms it."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import duckdb

from extracts import contracts
from extracts.contracts import Column, Contract, normalise_header, normalise_text
from extracts.mappings import sight
from extracts.mappings.files import targets
from extracts.mappings.model import UNITS
from extracts.mappings.sight import Sight
from extracts.reading import headers, macros
from extracts.reading.sql import literal
from firmpulse import uscc, yaml_files
from firmpulse.errors import DeliveryRefused, NotReadyError

# A header that is less like its column is left to the person.
LEAST_CONFIDENCE = 0.45
# Cells that are tried as a kind, and texts that are listed.
_TRIED_CELLS, _LISTED_TEXTS = 200, 12
# Longer texts are no marks of carried-over lines.
_LONGEST_MARK = 20
# What a person must fill in; `files.read` refuses it.
TO_SAY = "?"

_FORMATS = (
    "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%Y", "%d-%b-%Y", "%d %b %Y",
    "%b %d, %Y", "%y%m%d", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M:%S",
    "%m/%d/%Y %H:%M:%S", "%d-%m-%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S",
    "%Y%m%d %H:%M:%S", "%Y.%m.%d %H.%M.%S", "%y-%m-%d", "%d/%m/%y", "%m/%d/%y",
)  # fmt: skip
_COMMA = re.compile(r"[-+]?\d{1,3}(?:[. ']?\d{3})*,\d{1,2}")
_UNIT = re.compile(r"[(\[]?(?:单位[:/])?(分|元|千元|万元|度|千瓦时|万千瓦时|kWh|MWh)[)\]]?$")
_CARRIED = re.compile(
    r"承前|过次|承上|转下|期初|期末|小计|本页|本日合计|日终|(?i:subtotal|(opening|closing) balance|"
    r"(brought|carried) forward)"
)
_CODE = re.compile(r"(?<![0-9A-Z])[0-9A-Z]{18}(?![0-9A-Z])")


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


@dataclass(frozen=True)
class Block:
    """Files of one header, and the table that they most likely are."""

    sights: tuple[Sight, ...]
    pattern: str
    # Null: no table fits; the person names one.
    table: str | None
    # Tables with the share of their required columns that were found, best first.
    tables: Mapping[str, float]
    guesses: tuple[Guess, ...]
    # Required columns that no header brings.
    missing: tuple[str, ...]
    # Label above the header to a missing column.
    above: Mapping[str, str] = field(default_factory=dict)
    # Header to the texts of lines that look like carried-over balances or subtotals.
    not_rows: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Proposal:
    """What the files of a folder could be."""

    blocks: tuple[Block, ...]
    # Files that cannot be read, and why.
    unreadable: tuple[tuple[str, str], ...]


@cache
def _words() -> Mapping[str, Mapping[str, Sequence[str]]]:
    found: Mapping[str, Mapping[str, Sequence[str]]] = yaml_files.read(
        Path(__file__).with_name("words.yml")
    )
    return found


def propose(folder: Path, scratch: Path, table: str | None = None) -> Proposal:
    """Look at every file of a folder.

    Args:
        folder: with the files, in any subfolders.
        scratch: where copies may be kept.
        table: the contract that all of them are for, if known.

    Raises:
        NotReadyError: the folder has no file with a table.
    """
    sights, unreadable = list[Sight](), list[tuple[str, str]]()
    names = list[str]()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or path.name.startswith((".", "~$")):
            continue
        names.append(name)
        try:
            found = sight.look(path, name, scratch)
        except DeliveryRefused as refusal:
            unreadable.append((name, str(refusal)))
            continue
        sights += found
        if not found:
            unreadable.append((name, "it has no table"))
    if not sights:
        told = "; ".join(f"{name}: {why}" for name, why in unreadable[:3])
        raise NotReadyError(f"{folder} has no file with a table{': ' if told else ''}{told}")
    groups = list[list[Sight]]()
    for seen in sights:
        group = next((g for g in groups if sight.same_header(g[0], seen)), None)
        if group is None:
            groups.append([seen])
        else:
            group.append(seen)
    with duckdb.connect() as connection:
        macros.install(connection)
        blocks = [_block(connection, group, names, table) for group in groups]
    return Proposal(tuple(blocks), tuple(unreadable))


def _block(
    connection: duckdb.DuckDBPyConnection,
    group: Sequence[Sight],
    names: Sequence[str],
    table: str | None,
) -> Block:
    known = contracts.load()
    looked = _together(group)
    offered = [known[table]] if table else list(known.values())
    guessed = {c.table: _guesses(connection, looked, c) for c in offered}
    shares = {name: _share(looked, known[name], guesses) for name, guesses in guessed.items()}
    best = sorted(shares, key=lambda name: -shares[name])
    fits = best[0] if table or shares[best[0]] >= 0.5 else None
    tables = {name: round(shares[name], 2) for name in best[:3] if shares[name] > 0}
    pattern = _pattern([s.name for s in group], names)
    if fits is None:
        guesses = tuple(Guess(text, None, 0.0, "no table fits") for text in looked.header)
        return Block(tuple(group), pattern, None, tables, guesses, ())
    contract, guesses = known[fits], guessed[fits]
    missing = _missing(looked, contract, guesses)
    above = {label: name for name in missing if (label := _label(looked, contract.column(name)))}
    if "uscc" in missing and (coded := _with_code(pattern, group)):
        pattern = coded
        missing = tuple(name for name in missing if name != "uscc")
    return Block(
        tuple(group), pattern, fits, tables, guesses,
        tuple(name for name in missing if name not in above.values()), above,
        _carried(looked),
    )  # fmt: skip


def _together(group: Sequence[Sight]) -> Sight:
    """Return the first file with rows of all of them."""
    share = max(1, sight.SEEN_ROWS // len(group))
    rows = [row for one in group for row in one.rows[:share]]
    return replace(group[0], rows=tuple(rows[: sight.SEEN_ROWS]))


def _guesses(
    connection: duckdb.DuckDBPyConnection, looked: Sight, contract: Contract
) -> tuple[Guess, ...]:
    """Return a guess for each header, in their order; each column is used once."""
    listed = headers.known_headers(contract)
    found: dict[int, Guess] = {}
    taken = set[str]()
    for place, text in enumerate(looked.header):
        name = listed.get(headers.comparable(text))
        if name is not None:
            name = _clock_too(name, taken, contract)
            taken.add(name)
            cells = looked.column(place)
            found[place] = _read_as(connection, Guess(text, name, 1.0, KNOWN), cells, contract)
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


def _clock_too(name: str, taken: set[str], contract: Contract) -> str:
    """Return the part of a moment that a second header of it is: its time of day."""
    if name in taken and f"{name}_clock" in targets(contract):
        return f"{name}_clock"
    pair = next((c.alternatives.day_and_clock for c in contract.columns if c.name == name), None)
    return pair.clock.name if pair and name in taken else name


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
    if score == 0:
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
            score = max(score, 0.5 + 0.4 * len(short) / len(long))
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
        texts = dict.fromkeys(cell for cell in cells if normalise_text(cell) not in column.values)
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


def _missing(looked: Sight, contract: Contract, guesses: Sequence[Guess]) -> tuple[str, ...]:
    """Return the required columns that no header brings."""
    given = {guess.to for guess in guesses if guess.to is not None}
    for column in contract.columns:
        other = column.alternatives
        for pair in (other.split, other.chosen):
            if pair and {part.name for part in pair.parts.values()} <= given:
                given |= {column.name} | ({pair.direction} if pair is other.split else set())
        moment = {f"{column.name}_day", f"{column.name}_clock"}
        moment |= {p.name for p in other.parts} if other.day_and_clock else set()
        if moment & given:
            given.add(column.name)
        if other.signed and column.name in given and _has_signs(looked, guesses, column.name):
            given.add(other.signed.direction)
    return tuple(c.name for c in contract.columns if c.required and c.name not in given)


def _has_signs(looked: Sight, guesses: Sequence[Guess], name: str) -> bool:
    places = [place for place, guess in enumerate(guesses) if guess.to == name]
    cells = [cell for place in places for cell in looked.column(place)]
    return any(cell.startswith(("-", "+", "(", "−")) or cell.endswith("-") for cell in cells)


def _share(looked: Sight, contract: Contract, guesses: Sequence[Guess]) -> float:
    """Return how well a table fits: required columns that were found, and headers it explains."""
    required = [column.name for column in contract.columns if column.required]
    lacking = len(_missing(looked, contract, guesses))
    found = 1 - lacking / len(required)
    filled = [guess for guess in guesses if guess.header.strip()]
    told = sum(guess.confidence for guess in filled) / len(filled) if filled else 0.0
    return 0.6 * found + 0.4 * told if told else 0.0


def _label(looked: Sight, column: Column) -> str | None:
    """Return the label above the header that a column's value follows."""
    known = {normalise_header(text) for text in (
        *column.headers, *column.alternatives.fallback_headers,
        *({"账号", "卡号", "账户"} if column.name == "account_no" else ()),
    )}  # fmt: skip
    for line in looked.above:
        for place, cell in enumerate(line):
            label, mark, rest = normalise_header(cell).partition(":")
            follows = any(other.strip() for other in line[place + 1 :]) or bool(mark and rest)
            if label in known and follows:
                return label
    return None


def _with_code(pattern: str, group: Sequence[Sight]) -> str | None:
    """Return the pattern with `{uscc}` where each path has a firm's code; null without one."""
    shapes = set()
    for one in group:
        codes = [code for code in _CODE.findall(one.name) if uscc.may_be_issued(code)]
        if len(codes) != 1:
            return None
        shapes.add(one.name.replace(codes[0], "{uscc}"))
    if len(shapes) == 1:
        return shapes.pop()
    suffix = Path(group[0].name).suffix
    if all(Path(shape).name == "{uscc}" + suffix for shape in shapes):
        return "**/{uscc}" + suffix
    if all("{uscc}/" in shape for shape in shapes):
        return "{uscc}/" + f"*{suffix}" if all(s.count("/") == 1 for s in shapes) else None
    return None


def _carried(looked: Sight) -> dict[str, tuple[str, ...]]:
    """Return headers with the texts of lines that look carried over or added up."""
    found: dict[str, tuple[str, ...]] = {}
    for place, header in enumerate(looked.header):
        texts = dict.fromkeys(
            cell for cell in looked.column(place)
            if len(cell) <= _LONGEST_MARK and _CARRIED.search(cell)
        )  # fmt: skip
        if texts and header.strip():
            found[header] = tuple(texts)
    return found


def _pattern(own: Sequence[str], names: Sequence[str]) -> str:
    """Return the shortest pattern that takes these files and no other of the folder."""
    if len(own) == 1:
        return own[0]
    for pattern in _patterns(own):
        shape = re.compile(re.escape(pattern).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*"))
        if {name for name in names if shape.fullmatch(name)} == set(own):
            return pattern
    return f"{_common(own)}*"


def _patterns(own: Sequence[str]) -> Iterator[str]:
    paths = [Path(name) for name in own]
    suffixes = {path.suffix for path in paths}
    end = suffixes.pop() if len(suffixes) == 1 else ""
    parents = {path.parent.as_posix() for path in paths}
    if len(parents) == 1:
        parent = parents.pop()
        inside = "" if parent == "." else f"{parent}/"
        yield f"{inside}*{end}"
        yield f"{inside}{_common([path.name for path in paths])}*{end}"
    yield f"*/*{end}"
    yield f"**/*{end}"
    ends = {path.name.split("_")[-1] for path in paths}
    if len(ends) == 1:
        yield f"**/*{ends.pop()}"


def _common(texts: Sequence[str]) -> str:
    first = min(texts)
    last = max(texts)
    place = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), 0)
    return first[:place]
