"""What contradicts itself in a mapping, or names what the contract does not have."""

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from extracts import contracts
from extracts.contracts import Column, Contract, normalise_header, normalise_text
from extracts.manifest import DeliveredFile
from extracts.mappings.entries import factor, fields, targets
from extracts.mappings.model import UNITS, ExportMapping, MappedColumn, MappedFiles
from extracts.mappings.yaml_nodes import Place
from extracts.reading import as_mapped, headers
from firmpulse.errors import DeliveryRefused

# What a person must fill in.
TO_SAY = "?"
_MOST_WILD = 8

Found = Iterator[tuple[Place, str]]


def contradictions(mapping: ExportMapping) -> Found:
    """Yield each mistake with its place."""
    known = contracts.load()
    for number, files in enumerate(mapping.files):
        place: Place = ("files", number)
        contract = known.get(files.table)
        if contract is None:
            yield (*place, "table"), _unknown("table", files.table, known)
            continue
        found = list(_of_block(files, contract))
        yield from (((*place, *inside), message) for inside, message in found)


def identifying_constants(mapping: ExportMapping) -> list[tuple[int, str]]:
    """Return the line of the block and the column of each constant of a firm or its account.

    These would stay in the mapping when the firm is erased.
    """
    known = contracts.load()
    return [
        (files.line, name)
        for files in mapping.files
        for name in files.constants
        if known[files.table].column(name).mask != "keep"
    ]


def _of_block(files: MappedFiles, contract: Contract) -> Found:
    found = [
        *_in_pattern(files), *_in_columns(files, contract), *_in_one_of(files, contract),
        *_in_values(files, contract), *_in_not_rows(files),
    ]  # fmt: skip
    # A reader would repeat what is named already.
    yield from found or _as_read(files, contract)


def _in_pattern(files: MappedFiles) -> Found:
    if sum(files.pattern.count(sign) for sign in "*?{") > _MOST_WILD:
        yield ("pattern",), f"has more than {_MOST_WILD} of * ? and {{}}; make it simpler"
    for name, count in Counter(files.placeholders).items():
        if count > 1:
            yield ("pattern",), f"has {{{name}}} twice; write * for one of them"


def _in_columns(files: MappedFiles, contract: Contract) -> Found:
    """Yield what is wrong with the headers of the block."""
    offered = targets(contract)
    texts = dict[str, str]()
    brought = dict[str, str]()
    for header, column in files.columns.items():
        place: Place = ("columns", header)
        if (twin := texts.setdefault(normalise_header(header), header)) != header:
            yield place, f"is {twin!r} but for spaces and width; leave one"
        if column is None:
            continue
        if column.to not in offered:
            yield (*place, "to"), _unknown("column", column.to, offered)
            continue
        if (twin := brought.setdefault(column.to, header)) != header:
            told = f"{twin} is {column.to} too; if one of the two is filled in each row, list"
            yield place, f"{told} both under one_of, else correct one"
        if files.header and normalise_header(header) not in map(normalise_header, files.header):
            yield place, _unknown("header", header, files.header)
        for inside, message in _in_reading(column, contract.column(offered[column.to])):
            yield (*place, *inside), message


def _in_reading(column: MappedColumn, meant: Column) -> Found:
    """Yield what is wrong with the way in which a column is read."""
    for text, value in column.values.items() if meant.kind == "enum" else ():
        if value is None or normalise_text(value) in meant.values:
            continue
        if value.strip() == TO_SAY:
            yield ("values", text), f"say which {meant.name} it is; {_allowed(meant)} or null"
        else:
            yield ("values", text), f"{value!r} is no {meant.name}; {_allowed(meant)} or null"
    if isinstance(column.unit, str) and factor(column.unit, meant.unit) is None:
        units = ", ".join(UNITS.get(meant.unit or "", {})) or "a factor"
        yield ("unit",), f"{column.unit!r} cannot be converted to {meant.unit}; use {units}"


def _in_one_of(files: MappedFiles, contract: Contract) -> Found:
    brought = {column.to: text for text, column in files.columns.items() if column is not None}
    texts = {normalise_header(text): text for text in files.columns}
    for name, listed in files.one_of.items():
        place: Place = ("one_of", name)
        if name not in targets(contract):
            yield place, _unknown("column", name, targets(contract))
        elif name in brought:
            yield place, f"{brought[name]} is {name} too; list it here or remove it"
        elif len(listed) < 2:
            yield place, "needs at least two headers"
        for header in listed:
            twin = texts.setdefault(normalise_header(header), header)
            if twin is not header:
                yield place, f"{header} has an entry already; leave one"


def _in_values(files: MappedFiles, contract: Contract) -> Found:
    """Yield what is wrong with columns that do not come from a header."""
    own = {column.name: column for column in contract.columns}
    told: dict[Place, str] = {
        **{("constants", name): name for name in files.constants},
        **{("above_header", label): name for label, name in files.above_header.items()},
        **{("pattern", name): name for name in files.placeholders},
    }
    counts = Counter(told.values())
    brought = {column.to for column in files.columns.values() if column} | set(files.one_of)
    for place, name in told.items():
        if name not in own:
            yield place, _unknown("column", name, own)
        elif counts[name] > 1:
            yield place, f"{name} has two values here; leave one"
        elif name in brought:
            yield place, f"{name} has a header too; leave the header or this"
    for name, value in files.constants.items():
        column = own.get(name)
        if value.strip() == TO_SAY:
            yield ("constants", name), f"say what {name} is in every row"
        elif column and column.kind == "enum" and normalise_text(value) not in column.values:
            yield ("constants", name), f"{value!r} is no {name}; {_allowed(column)}"


def _in_not_rows(files: MappedFiles) -> Found:
    for header in files.not_rows:
        if files.header and normalise_header(header) not in map(normalise_header, files.header):
            yield ("not_rows", header), _unknown("header", header, files.header)


def _as_read(files: MappedFiles, contract: Contract) -> Found:
    """Yield what a reader would say of a file that has the header of the block."""
    values = dict.fromkeys((*files.placeholders, *files.above_header.values()), TO_SAY)
    told = fields(files, contract)
    entry = DeliveredFile.model_validate({
        **told, "name": "file", "format": files.format or "csv", "sha256": "0" * 64, "rows": 0,
        "constants": {**values, **told["constants"]},
    })  # fmt: skip
    try:
        followed = as_mapped.contract_of(entry, contract)
    except DeliveryRefused as refusal:
        yield ("columns",), str(refusal)
        return
    try:
        if files.header:
            headers.match(entry, followed, files.header)
    except DeliveryRefused as refusal:
        yield ("header",), f"{refusal}; {_HOW_TO_BRING}"


_HOW_TO_BRING = (
    "name its header under columns, its value in every row under constants, or the label before it "
    "under above_header"
)


def _allowed(column: Column) -> str:
    return f"use {', '.join(dict.fromkeys(column.values.values()))}"


def _unknown(what: str, name: str, known: Iterable[str] | Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    meant = f"did you mean {near[0]}?" if near else f"use one of {', '.join(sorted(known))}"
    return f"there is no {what} {name!r}; {meant}"
