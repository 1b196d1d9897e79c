"""Read mappings; every mistake is named with its line."""

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import yaml
from pydantic import ValidationError

from extracts import contracts
from extracts.contracts import Contract, normalise_header, normalise_text
from extracts.mappings.model import UNITS, ExportMapping, MappedColumn, MappedFiles
from firmpulse import yaml_files
from firmpulse.errors import ConfigurationError, ContractError
from firmpulse.settings import Settings

INCLUDED = Path(__file__).parent / "included"

Place = tuple[str | int, ...]


def names(settings: Settings) -> tuple[str, ...]:
    """Return the names of the mappings in the home folder and in the package."""
    folders = (settings.mappings_dir, INCLUDED)
    return tuple(sorted({path.stem for folder in folders for path in folder.glob("*.yml")}))


def path_of(settings: Settings, name: str) -> Path:
    """Return the file of a mapping; one in the home folder comes before one in the package.

    Raises:
        ConfigurationError: there is none of this name.
    """
    for folder in (settings.mappings_dir, INCLUDED):
        path = folder / f"{name}.yml"
        if name.replace("-", "_").isidentifier() and path.is_file():
            return path
    known = ", ".join(names(settings))
    raise ConfigurationError(
        f"there is no mapping {name!r}; use one of {known}, or make one: firmpulse onboard FOLDER"
    )


def load(settings: Settings, name: str) -> ExportMapping:
    """Return a mapping by name.

    Raises:
        ConfigurationError: there is none of this name.
        ContractError: its file has mistakes; the message has a line for each.
    """
    return read(path_of(settings, name))


def read(path: Path) -> ExportMapping:
    """Return the mapping of a file.

    Raises:
        ContractError: it has mistakes; the message has a line for each.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml_files.parse(text)
    except UnicodeDecodeError:
        raise ContractError(f"{path.name} is not UTF-8; save it as UTF-8") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise ContractError(f"{path.name}{line} is not YAML; correct it") from None
    try:
        mapping = ExportMapping.model_validate(document)
    except ValidationError as error:
        raise ContractError(_told(path, node, list(_distinct(error)))) from None
    if found := list(_contradictions(mapping)) + list(_repeated(node)):
        raise ContractError(_told(path, node, found))
    return mapping


def _distinct(error: ValidationError) -> Iterator[tuple[Place, str]]:
    """Yield each place with its error once; a value of several kinds has one for each kind."""
    seen = set()
    for found in error.errors(include_input=False, include_url=False, include_context=False):
        place = _short(found["loc"])
        if place not in seen:
            seen.add(place)
            yield place, found["msg"]


def _short(place: Sequence[str | int]) -> Place:
    """Return a place without the names of kinds that pydantic adds."""
    return tuple(part for part in place if not (isinstance(part, str) and "[" in part)
                 and part != "MappedColumn")  # fmt: skip


def _told(path: Path, node: yaml.Node | None, found: Sequence[tuple[Place, str]]) -> str:
    lines = [
        f"{path.name} line {_line(node, place)}: {'.'.join(map(str, place)) or 'file'}: {message}"
        for place, message in found
    ]
    return "\n".join(lines)


def _line(node: yaml.Node | None, place: Place) -> int:
    """Return the line of the value at a place, or of the nearest one around it."""
    line = node.start_mark.line + 1 if node else 1
    for part in place:
        found = _inside(node, part)
        if found is None:
            return line
        key, node = found
        line = key.start_mark.line + 1
    return line


def _inside(node: yaml.Node | None, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((k, v) for k, v in node.value if str(k.value) == str(part)), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


def _repeated(node: yaml.Node | None, place: Place = ()) -> Iterator[tuple[Place, str]]:
    """Yield keys that stand twice in one block: YAML would keep the last one without a word."""
    if isinstance(node, yaml.MappingNode):
        counts = Counter(key.value for key, _ in node.value)
        yield from (((*place, key), "stands here twice") for key, n in counts.items() if n > 1)
        for key, value in node.value:
            yield from _repeated(value, (*place, key.value))
    if isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from _repeated(value, (*place, number))


def _contradictions(mapping: ExportMapping) -> Iterator[tuple[Place, str]]:
    known = contracts.load()
    for number, files in enumerate(mapping.files):
        place: Place = ("files", number)
        contract = known.get(files.table)
        if contract is None:
            yield (*place, "table"), _unknown("table", files.table, known)
            continue
        yield from _prefixed(place, _in_columns(files, contract))
        yield from _prefixed(place, _in_names(files, contract))


def _prefixed(place: Place, found: Iterator[tuple[Place, str]]) -> Iterator[tuple[Place, str]]:
    yield from (((*place, *inside), message) for inside, message in found)


def _in_columns(files: MappedFiles, contract: Contract) -> Iterator[tuple[Place, str]]:
    """Yield what is wrong with the headers of one table."""
    brought: dict[str, str] = {}
    for header, column in files.columns.items():
        if column is None:
            continue
        place: Place = ("columns", header)
        if column.to not in targets(contract):
            yield (*place, "to"), _unknown("column", column.to, targets(contract))
            continue
        if column.to in brought:
            yield (
                place,
                (
                    f"{brought[column.to]} is {column.to} too; if one of the two is filled in each "
                    f"row, list both under one_of, else correct one"
                ),
            )
        brought.setdefault(column.to, header)
        yield from _prefixed(place, _in_reading(column, contract))
    for name, headers in files.one_of.items():
        if name not in targets(contract):
            yield ("one_of", name), _unknown("column", name, targets(contract))
        elif name in brought:
            yield ("one_of", name), f"{brought[name]} is {name} too; list it here or remove it"
        elif len(headers) < 2:
            yield ("one_of", name), "needs at least two headers"


def _in_reading(column: MappedColumn, contract: Contract) -> Iterator[tuple[Place, str]]:
    """Yield what is wrong with the way in which a column is read."""
    owner = targets(contract)[column.to]
    meant = contract.column(owner)
    if column.values and meant.kind == "enum":
        for text, value in column.values.items():
            if value is not None and normalise_text(value) not in meant.values:
                allowed = ", ".join(dict.fromkeys(meant.values.values()))
                yield ("values", text), f"{value!r} is no value of {owner}; use {allowed} or null"
    if isinstance(column.unit, str) and factor(column.unit, meant.unit) is None:
        units = ", ".join(UNITS.get(meant.unit or "", {})) or "a factor"
        yield ("unit",), f"{column.unit!r} cannot be converted to {meant.unit}; use {units}"


def _in_names(files: MappedFiles, contract: Contract) -> Iterator[tuple[Place, str]]:
    """Yield what is wrong with columns that do not come from a header."""
    own = {column.name for column in contract.columns}
    told = {
        **{("constants", name): name for name in files.constants},
        **{("above_header", label): name for label, name in files.above_header.items()},
        **{("pattern", name): name for name in files.placeholders},
    }
    counts = Counter(told.values())
    for place, name in told.items():
        if name not in own:
            yield place, _unknown("column", name, own)
        elif counts[name] > 1:
            yield place, f"{name} has two values here; leave one"
    for header, _ in files.not_rows.items():
        if files.header and normalise_header(header) not in map(normalise_header, files.header):
            yield ("not_rows", header), "is no header of the file"
    for name, value in files.constants.items():
        column = next((c for c in contract.columns if c.name == name), None)
        if value.strip() == "?":
            yield ("constants", name), f"say what {name} is in every row"
        elif column and column.kind == "enum" and normalise_text(value) not in column.values:
            allowed = ", ".join(dict.fromkeys(column.values.values()))
            yield ("constants", name), f"{value!r} is no value of {name}; use {allowed}"


def targets(contract: Contract) -> Mapping[str, str]:
    """Return what a header can bring, with the column that it belongs to: columns and parts."""
    found = {}
    for column in contract.columns:
        found[column.name] = column.name
        found |= {part.name: column.name for part in column.alternatives.parts}
        if column.kind == "timestamp":
            found |= {f"{column.name}_day": column.name, f"{column.name}_clock": column.name}
    return found


def factor(unit: str, wanted: str | None) -> Decimal | None:
    """Return the factor from a unit, or a number as text, to the unit of a contract."""
    return UNITS.get(wanted or "", {}).get(unit)


def _unknown(what: str, name: str, known: Mapping[str, object] | set[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    meant = f"did you mean {near[0]}?" if near else f"use one of {', '.join(sorted(known))}"
    return f"there is no {what} {name!r}; {meant}"
