"""First look at a delivered file: is it the promised one, how is it encoded, what is in it."""

import codecs
import csv
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pyarrow
import pyarrow.parquet

from extracts.contracts import Contract, normalise_header
from extracts.manifest import DeliveredFile
from firmpulse.errors import DeliveryRefused

_CHUNK_BYTES = 8 << 20
_HEADER_BYTES = 1 << 16


@dataclass(frozen=True)
class Layout:
    """How the rows of a file are laid out; files that share it are read together."""

    format: str
    # Contract column to its position (CSV) or name (Parquet) in the file.
    positions: Mapping[str, int]
    names: tuple[str, ...]
    # Physical type of each name, Parquet only.
    types: tuple[str, ...]
    constants: Mapping[str, str]
    dropped: tuple[str, ...]

    @property
    def identity(self) -> tuple[object, ...]:
        """What two files must share to be read by one statement."""
        constants = tuple(sorted(self.constants.items()))
        return (self.format, tuple(self.positions.items()), self.names, self.types, constants)


@dataclass(frozen=True)
class Inspected:
    """A file that is worth reading."""

    file: DeliveredFile
    # Ordinal in the manifest, from 1.
    number: int
    # A UTF-8 or Parquet file; a transcoded copy for GB18030.
    path: Path
    encoding: str
    layout: Layout


def inspect(
    folder: Path, file: DeliveredFile, number: int, contract: Contract, scratch: Path
) -> Inspected:
    """Check a file against its manifest entry and its contract.

    Args:
        folder: the delivery.
        file: what the manifest says about the file.
        number: its ordinal in the manifest, from 1.
        contract: the table it is for.
        scratch: where a transcoded copy may be kept until the delivery has been read.

    Raises:
        DeliveryRefused: the file is missing, changed, in no known encoding, or lacks a column.
    """
    path = folder / file.name
    if not path.is_file():
        raise DeliveryRefused("the file that the manifest names is not there")
    if path.resolve() != folder.resolve() / file.name:
        raise DeliveryRefused("the file is a link; hand over the file itself")
    if file.format == "parquet":
        _check_digest(_digest(path), file)
        names, types = _parquet_columns(path, file)
        return Inspected(file, number, path, "parquet", _layout(file, contract, names, types))
    encoding, path = _as_utf8(path, file, scratch / f"{number}.csv")
    layout = _layout(file, contract, _csv_header(path), ())
    return Inspected(file, number, path, encoding, layout)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _check_digest(found: str, file: DeliveredFile) -> None:
    if found != file.sha256:
        raise DeliveryRefused("the file's sha256 is not the manifest's")


def _as_utf8(path: Path, file: DeliveredFile, copy: Path) -> tuple[str, Path]:
    """Return the encoding and a UTF-8 file: the delivered one, or a copy made from GB18030.

    DuckDB reads GB18030 through its encodings extension at 40,000 rows a second and loses
    rows where a character straddles two buffers; Python's codec does neither.
    """
    digest = hashlib.sha256()
    decoder = codecs.getincrementaldecoder("utf-8-sig")("strict")
    is_utf8 = True
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
            if is_utf8:
                is_utf8 = _decodes(decoder, chunk)
    is_utf8 = is_utf8 and _decodes(decoder, b"", final=True)
    _check_digest(digest.hexdigest(), file)
    if is_utf8:
        return "utf-8", path
    try:
        _transcode(path, copy)
    except UnicodeDecodeError as error:
        raise DeliveryRefused(
            f"the file is neither UTF-8 nor GB18030 (byte {error.start} of a block); "
            f"export it in one of them"
        ) from None
    return "gb18030", copy


def _decodes(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True


def _transcode(path: Path, copy: Path) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    decoder = codecs.getincrementaldecoder("gb18030")("strict")
    with path.open("rb") as stream, copy.open("wb") as target:
        while chunk := stream.read(_CHUNK_BYTES):
            target.write(decoder.decode(chunk).encode("utf-8"))
        target.write(decoder.decode(b"", True).encode("utf-8"))


def _csv_header(path: Path) -> tuple[str, ...]:
    with path.open("rb") as stream:
        start = stream.read(_HEADER_BYTES)
    # A cut character at the end of the block belongs to a later row.
    text = start.decode("utf-8-sig", errors="ignore")
    rows = csv.reader(text.splitlines(keepends=True))
    header = next(rows, None)
    if not header:
        raise DeliveryRefused("the file has no header row")
    return tuple(header)


def _parquet_columns(path: Path, file: DeliveredFile) -> tuple[tuple[str, ...], tuple[str, ...]]:
    try:
        opened = pyarrow.parquet.ParquetFile(path)
    except (pyarrow.ArrowException, OSError):
        raise DeliveryRefused("the file is not Parquet") from None
    with opened:
        if opened.metadata.num_rows != file.rows:
            raise wrong_row_count(opened.metadata.num_rows, file.rows)
        schema = opened.schema_arrow
        return tuple(schema.names), tuple(str(field.type) for field in schema)


def wrong_row_count(found: int, promised: int) -> DeliveryRefused:
    """Return the refusal of a file that holds another number of rows than promised."""
    return DeliveryRefused(f"the file has {found} rows and the manifest says {promised}")


def _layout(
    file: DeliveredFile, contract: Contract, names: tuple[str, ...], types: tuple[str, ...]
) -> Layout:
    lookup = {normalise_header(h): c.name for c in contract.columns for h in (c.name, *c.headers)}
    lookup |= {normalise_header(header): column for header, column in file.headers.items()}
    known = {column.name for column in contract.columns}
    if not {*file.headers.values(), *file.constants} <= known:
        raise DeliveryRefused("the manifest's headers or constants name no contract column")
    positions: dict[str, int] = {}
    dropped = []
    for position, name in enumerate(names):
        column = lookup.get(normalise_header(name))
        if column is None or column in file.constants:
            dropped.append(name)
        elif column in positions:
            raise DeliveryRefused(f"two columns of the file are both {column}")
        else:
            positions[column] = position
    for needed in contract.columns:
        if needed.required and needed.name not in positions and needed.name not in file.constants:
            raise DeliveryRefused(
                f"the file lacks the required column {needed.name} ({needed.headers[0]})"
            )
    return Layout(
        format=file.format,
        positions=MappingProxyType(positions),
        names=names,
        types=types,
        constants=MappingProxyType(dict(file.constants)),
        dropped=tuple(dropped),
    )
