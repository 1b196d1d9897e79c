"""Propose a mapping for files of which nothing is known; a person corrects and confirms it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from extracts import contracts
from extracts.contracts import Column, Contract
from extracts.manifest import fitting_name
from extracts.mappings import found, guessing, included, patterns, sight
from extracts.mappings.guessing import Guess
from extracts.mappings.included import Included
from extracts.mappings.seen import may_be_shown
from extracts.mappings.sight import Sight
from extracts.reading import macros
from firmpulse.errors import DeliveryRefused, NotReadyError

_CARRIED = re.compile(
    r"承前|过次|承上|转下|期初|期末|小计|本页|本日合计|日终|(?i:subtotal|(opening|closing) balance|"
    r"(brought|carried) forward)"
)


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
    # The included mapping of which this is a block.
    like: Included | None = None


@dataclass(frozen=True)
class Proposal:
    """What the files of a folder could be."""

    blocks: tuple[Block, ...]
    # Files that cannot be read, and why.
    unreadable: tuple[tuple[str, str], ...]


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
    for path, name in found.files_in(folder):
        names.append(name)
        try:
            looked = sight.look(path, name, scratch)
        except DeliveryRefused as refusal:
            unreadable.append((fitting_name(name), str(refusal)))
            continue
        except OSError as error:
            unreadable.append((fitting_name(name), f"it cannot be read ({type(error).__name__})"))
            continue
        sights += looked
        if not looked:
            unreadable.append((fitting_name(name), "it has no table"))
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
    own = [one.name for one in group]
    pattern = patterns.of_files(own, names)
    coded = patterns.with_code(own, names)
    like = included.of(looked.header) if table is None else None
    if like is not None:
        return _as_included(group, looked, coded or pattern, like, has_code=coded is not None)
    offered = [known[table]] if table else list(known.values())
    guessed = {c.table: guessing.guesses(connection, looked, c) for c in offered}
    shares = {name: _share(looked, known[name], guesses) for name, guesses in guessed.items()}
    best = sorted(shares, key=lambda name: -shares[name])
    fits = best[0] if table or shares[best[0]] >= 0.5 else None
    tables = {name: round(shares[name], 2) for name in best[:3] if shares[name] > 0}
    if fits is None:
        guesses = tuple(Guess(text, None, 0.0, "no table fits") for text in looked.header)
        return Block(tuple(group), pattern, None, tables, guesses, ())
    contract, guesses = known[fits], guessed[fits]
    missing = _missing(looked, contract, guesses)
    above = {label: name for name in missing if (label := _label(looked, contract.column(name)))}
    missing = tuple(name for name in missing if name not in above.values())
    if "uscc" in missing and coded:
        pattern = coded
        missing = tuple(name for name in missing if name != "uscc")
    return Block(tuple(group), pattern, fits, tables, guesses, missing, above, _carried(looked))


def _as_included(
    group: Sequence[Sight], looked: Sight, pattern: str, like: Included, *, has_code: bool
) -> Block:
    """Return the block of an included mapping, for these files."""
    block = like.block
    contract = contracts.load()[block.table]
    above = {label: name for label, name in block.above_header.items()
             if next(found.after_label(looked.above, label), None)}  # fmt: skip
    lost = [*block.placeholders, *block.above_header.values()]
    given = {*above.values(), *(("uscc",) if has_code else ())}
    return Block(
        sights=tuple(group),
        pattern=pattern,
        table=block.table,
        tables={block.table: 1.0},
        guesses=guessing.as_included(like, looked.header, contract),
        missing=tuple(name for name in dict.fromkeys(lost) if name not in given),
        above=above,
        like=like,
    )


def _together(group: Sequence[Sight]) -> Sight:
    """Return the first file with rows of all of them."""
    share = max(1, sight.SEEN_ROWS // len(group))
    rows = [row for one in group for row in one.rows[:share]]
    return replace(group[0], rows=tuple(rows[: sight.SEEN_ROWS]))


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
    share = 1 - lacking / len(required)
    filled = [guess for guess in guesses if guess.header.strip()]
    told = sum(guess.confidence for guess in filled) / len(filled) if filled else 0.0
    return 0.6 * share + 0.4 * told if told else 0.0


def _label(looked: Sight, column: Column) -> str | None:
    """Return the label above the header that a column's value follows."""
    own = (
        *column.headers, *column.alternatives.fallback_headers,
        *(("卡号", "账户", "账户号", "银行账号") if column.name == "account_no" else ()),
    )  # fmt: skip
    return next((text for text in own if next(found.after_label(looked.above, text), None)), None)


def _carried(looked: Sight) -> dict[str, tuple[str, ...]]:
    """Return headers with the texts of lines that look carried over or added up."""
    marks: dict[str, tuple[str, ...]] = {}
    for place, header in enumerate(looked.header):
        texts = dict.fromkeys(
            cell for cell in looked.column(place)
            if may_be_shown(cell) and _CARRIED.search(cell)
        )  # fmt: skip
        if texts and header.strip():
            marks[header] = tuple(texts)
    return marks
