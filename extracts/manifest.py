"""What a provider says about a delivery: `manifest.json` beside its files."""

import codecs
import hashlib
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)

from extracts.column_reading import ColumnReading
from extracts.contracts import Contract
from firmpulse import clock, identifiers, uscc
from firmpulse.calendar import CHINA
from firmpulse.errors import DeliveryRefused

NAME = "manifest.json"

_DELIVERY_ID = re.compile(r"[a-z0-9_-]{1,64}")
# An identifier of a firm, an account or an invoice has at least 15.
_IDENTIFIER = re.compile(r"[A-Za-z0-9]{15}")
_SEPARATORS = re.compile(r"[^A-Za-z0-9]")
# However it is split: a night and a number have fewer, an account or an invoice has more.
_MAX_DIGITS = 14
_USCC_LENGTH = 18
# Files of history may be old; a hand-over is of our time.
YEARS_OF_HISTORY, _YEARS_OF_DELIVERY = range(1990, 2101), range(2000, 2101)
_UNFIT = frozenset("\\*?[")


def _leaves_the_vault(text: str) -> str:
    """Refuse text that could be an identifier: the warehouse and reports repeat it."""
    if _could_identify(text):
        raise ValueError(
            "must not have 15 letters or digits in a row, 15 digits, or a firm's code in pieces"
        )
    return text


def is_delivery_id(text: str) -> bool:
    """Whether a delivery may have this name: it becomes a folder name and leaves the vault."""
    return bool(_DELIVERY_ID.fullmatch(text)) and not _could_identify(text)


def _could_identify(text: str) -> bool:
    """Whether a text could hold an identifier, in one piece or split by hyphens and the like."""
    joined = _SEPARATORS.sub("", unicodedata.normalize("NFKC", text)).upper()
    windows = range(len(joined) - _USCC_LENGTH + 1)
    return (
        bool(_IDENTIFIER.search(text))
        or sum(character.isdigit() for character in joined) > _MAX_DIGITS
        or any(uscc.may_be_issued(joined[at : at + _USCC_LENGTH]) for at in windows)
    )


def _in(years: range) -> Callable[[date], date]:
    def checked(day: date) -> date:
        if day.year not in years:
            raise ValueError(f"must be between the years {years[0]} and {years[-1]}")
        return day

    return checked


ProviderName = Annotated[str, Field(max_length=64), AfterValidator(_leaves_the_vault)]
OfHistory = AfterValidator(_in(YEARS_OF_HISTORY))
OfOurTime = AfterValidator(_in(_YEARS_OF_DELIVERY))


class DeliveredFile(BaseModel):
    """One file of a delivery."""

    model_config = ConfigDict(frozen=True)

    name: str
    table: str
    format: Literal["csv", "parquet", "xlsx", "jsonl"]
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    rows: int = Field(ge=0)
    # Of CSV and JSON lines; detected from the text if not named.
    encoding: Literal["utf-8", "gb18030"] | None = None
    # Delimiter of a CSV file.
    delimiter: Literal[",", "\t", ";", "|"] = ","
    # Sheet of a workbook; the first visible one if none is named.
    sheet: str | None = Field(default=None, min_length=1, max_length=31)
    # Header in this file to contract column, for headers that are not in the contract.
    headers: Mapping[str, str] = {}
    # Values, as text, of contract columns that the file does not contain.
    constants: Mapping[str, str] = {}
    # Contract column, or part of one, to how this file writes it.
    readings: Mapping[str, ColumnReading] = {}
    # Headers that are not read, although the contract knows them.
    ignored: tuple[str, ...] = ()
    # Contract columns that several headers hold, one of them filled in each row.
    one_of: tuple[str, ...] = ()
    # Header to the texts of rows that are none, such as 小计; an empty text is an empty cell.
    not_rows: Mapping[str, tuple[str, ...]] = {}
    # Lines of the header; with two, merged cells of the first are joined with the second's.
    header_lines: int = Field(default=1, ge=1, le=3)
    # The header in the order of the file, if it must not have changed.
    header: tuple[str, ...] = ()

    @field_validator("name")
    @classmethod
    def _stays_inside(cls, name: str) -> str:
        path = PurePosixPath(name)
        is_inside = not path.is_absolute() and ".." not in path.parts and name not in ("", ".")
        # DuckDB would read a name with wildcards as a pattern.
        if not is_inside or set(name) & _UNFIT or not name.isprintable():
            raise ValueError("must be a path inside the delivery, without \\ * ? [ and line breaks")
        return name


def fitting_name(name: str) -> str:
    """Return a file's name without the characters that a manifest may not have."""
    return "".join("_" if c in _UNFIT or not c.isprintable() else c for c in name)


class Manifest(BaseModel):
    """One hand-over by a provider."""

    model_config = ConfigDict(frozen=True)

    manifest_version: Literal[1]
    delivery_id: str
    source: str
    provider: ProviderName
    kind: Literal["history", "increment"]
    period_start: Annotated[date, OfHistory]
    period_end: Annotated[date, OfHistory]
    delivered_at: Annotated[AwareDatetime, OfOurTime]
    # How the provider identifies firms; the rule of each scheme is in `firmpulse.identifiers`.
    id_scheme: str = Field(default=identifiers.USCC, pattern=f"^{identifiers.SCHEME_PATTERN}$")
    # Empty if the night had no data.
    files: tuple[DeliveredFile, ...]

    @property
    def delivered_on(self) -> date:
        """The day of the delivery in China."""
        return self.delivered_at.astimezone(CHINA).date()


@dataclass(frozen=True)
class DeliveryRef:
    """A delivery that waits in the inbox."""

    source: str
    # Name of its folder, or a substitute for a name that the warehouse must not repeat.
    delivery_id: str
    folder: Path
    manifest_sha256: str
    # Null when the manifest cannot be read; `problem` then says why.
    manifest: Manifest | None
    problem: str | None

    @property
    def delivered_at(self) -> datetime | None:
        """When the provider handed it over, null for an unreadable manifest."""
        return self.manifest.delivered_at if self.manifest else None


def read(folder: Path, source: str, contracts: Mapping[str, Contract]) -> DeliveryRef:
    """Return the delivery in `folder`; a wrong manifest becomes its `problem`."""
    content, manifest, problem = b"", None, None
    try:
        content = _content(folder)
        manifest = _checked(content, folder.name, source, contracts)
    except DeliveryRefused as refusal:
        problem = str(refusal)
    except OSError as error:
        problem = f"{NAME} cannot be read ({type(error).__name__})"
    digest = hashlib.sha256(content).hexdigest()
    delivery_id = folder.name if is_delivery_id(folder.name) else f"unnamed-{digest[:12]}"
    return DeliveryRef(source, delivery_id, folder, digest, manifest, problem)


def _content(folder: Path) -> bytes:
    path = folder / NAME
    if folder.is_symlink():
        raise DeliveryRefused("the delivery is a link; hand over the files themselves")
    if not path.exists() and not path.is_symlink():
        raise DeliveryRefused(f"there is no {NAME}; a delivery counts once it has one")
    if path.is_symlink() or not path.is_file():
        raise DeliveryRefused(f"{NAME} is not a plain file")
    return path.read_bytes()


def _checked(
    content: bytes, folder_name: str, source: str, contracts: Mapping[str, Contract]
) -> Manifest:
    if not is_delivery_id(folder_name):
        raise DeliveryRefused(
            "the folder's name is not a delivery_id: up to 64 of a-z, 0-9, - and _, "
            "fewer than 15 letters or digits in a row, fewer than 15 digits, "
            "and no firm's code in pieces"
        )
    try:
        manifest = Manifest.model_validate_json(content.removeprefix(codecs.BOM_UTF8))
    except ValidationError as error:
        raise DeliveryRefused(_first(error)) from None
    if manifest.delivered_on > (today := clock.today()):
        raise DeliveryRefused(
            f"the manifest's delivered_at is after today, which is {today} in China; "
            f"send it again with the time of the hand-over"
        )
    if manifest.delivery_id != folder_name:
        raise DeliveryRefused("the manifest's delivery_id is not the name of its folder")
    if manifest.source != source:
        raise DeliveryRefused(f"the manifest's source is not {source}, the name of its folder")
    for number, file in enumerate(manifest.files, 1):
        contract = contracts.get(file.table)
        if contract is None or contract.source != source:
            known = ", ".join(name for name, c in contracts.items() if c.source == source)
            raise DeliveryRefused(f"file {number} is for no table of {source}; use {known}")
    names = [file.name for file in manifest.files]
    if len(set(names)) < len(names):
        raise DeliveryRefused("the manifest names a file twice")
    return manifest


def _first(error: ValidationError) -> str:
    """Return where and what is wrong, without the value: a manifest may contain anything."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    if first["type"] == "json_invalid":
        return "the manifest is not JSON in UTF-8; send it again"
    # A fourth part would be a header that the provider chose.
    place = ".".join(str(part) for part in first["loc"][:3]) or "manifest"
    return f"the manifest is wrong: {place}: {first['msg']}"
