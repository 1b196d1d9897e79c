"""Read mappings; every mistake is named with its line."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml
from pydantic import ValidationError

from extracts import contracts
from extracts.manifest import is_delivery_id
from extracts.mappings import checks, yaml_nodes
from extracts.mappings.model import ExportMapping
from extracts.mappings.yaml_nodes import NotTexts, Place
from firmpulse.errors import ConfigurationError, ContractError
from firmpulse.settings import Settings

INCLUDED = Path(__file__).parent / "included"


def is_name(text: str) -> bool:
    """Whether a mapping may be called so: deliveries are named after it."""
    sources = {contract.source for contract in contracts.load().values()}
    return text != "" and all(
        is_delivery_id(f"{text}-{source}-20261231-abcdefgh") for source in sources
    )


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
        if is_name(name) and path.is_file():
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
        node, document = yaml_nodes.read(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise ContractError(f"{path.name} is not UTF-8; save it as UTF-8") from None
    except OSError as error:
        raise ContractError(f"{path} cannot be read: {error.strerror}") from None
    except NotTexts as error:
        line = f" line {error.line}" if error.line else ""
        raise ContractError(f"{path.name}{line}: {error}") from None
    try:
        mapping = ExportMapping.model_validate(document)
    except ValidationError as error:
        raise ContractError(_told(path, node, list(_distinct(error, node)))) from None
    if found := [*yaml_nodes.repeated(node), *checks.contradictions(mapping)]:
        raise ContractError(_told(path, node, found))
    lines = (yaml_nodes.line_of(node, ("files", n)) for n in range(len(mapping.files)))
    placed = (files.at(line) for files, line in zip(mapping.files, lines, strict=True))
    return mapping.model_copy(update={"files": tuple(placed)})


# What pydantic says in words of Python, by its kind.
_IN_WORDS = {
    "extra_forbidden": "is not known here; correct or remove it",
    "missing": "is missing; add it",
    "model_type": "must be a block of names and values",
    "dict_type": "must be a block of names and values",
    "mapping_type": "must be a block of names and values",
    "tuple_type": "must be a list",
    "string_type": "must be a text; put it in quotes",
}


def _distinct(error: ValidationError, node: yaml.Node | None) -> Iterator[tuple[Place, str]]:
    """Yield each place with its error once; a value of several kinds has one for each kind."""
    seen = set[Place]()
    for found in error.errors(include_input=False, include_url=False, include_context=False):
        place = yaml_nodes.known_part(node, found["loc"])
        if found["type"] == "missing":
            place = (*place, found["loc"][-1])
        is_consequence = found["type"] == "too_short" and any(
            other[: len(place)] == place for other in seen
        )
        if place not in seen and not is_consequence:
            seen.add(place)
            yield place, _IN_WORDS.get(found["type"], found["msg"])


def _told(path: Path, node: yaml.Node | None, found: Sequence[tuple[Place, str]]) -> str:
    """Return a line for each mistake; the line in the file says which block of several it is."""
    return "\n".join(
        f"{path.name} line {yaml_nodes.line_of(node, place)}: "
        f"{'.'.join(part for part in place if isinstance(part, str)) or 'file'}: {message}"
        for place, message in found
    )
