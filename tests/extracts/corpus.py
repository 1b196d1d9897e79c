"""A corpus of bad files: each kind of damage by providers or attackers.

`cases(seed, count)` is the same for the same seed. Nothing here is random at test time.
"""

import io
import json
import random
import zipfile
from collections.abc import Callable, Iterator
from csv import reader
from dataclasses import dataclass, field
from typing import Any

import openpyxl
import pyarrow
import pyarrow.parquet

from tests.extracts.inbox import FIRM, PAYMENT_HEADER, csv, payment

_HEADERS = PAYMENT_HEADER.split(",")
_ROWS = 6


@dataclass(frozen=True)
class BadFile:
    """One bad file of tax_payment and what its manifest says about it."""

    kind: str
    format: str
    content: bytes
    rows: int
    # False values in the manifest.
    entry: dict[str, Any] = field(default_factory=dict)


def lines(draw: random.Random, count: int = _ROWS) -> list[str]:
    """Return distinct good lines."""
    return [
        payment(item=f"{draw.randrange(10**9)}", amount=f"{draw.randrange(1, 9**9) / 100:.2f}")
        for _ in range(count)
    ]


def in_format(form: str, rows: list[str], header: str = PAYMENT_HEADER) -> bytes:
    """Return rows (lines of CSV) as a file of a format."""
    names = header.split(",")
    cells = [next(reader([row])) if '"' in row else row.split(",") for row in rows]
    if form == "csv":
        return csv(rows, header, "utf-8")
    if form == "jsonl":
        objects = [dict(zip(names, row, strict=False)) for row in cells]
        return "".join(json.dumps(o, ensure_ascii=False) + "\n" for o in objects).encode()
    target = io.BytesIO()
    if form == "xlsx":
        book = openpyxl.Workbook()
        for row in (names, *cells):
            book.worksheets[0].append(row)
        book.save(target)
    else:
        columns = {n: [row[i] if i < len(row) else None for row in cells]
                   for i, n in enumerate(names)}  # fmt: skip
        pyarrow.parquet.write_table(pyarrow.table(columns), target)
    return target.getvalue()


def _draw_format(draw: random.Random) -> str:
    return draw.choices(("csv", "jsonl", "parquet", "xlsx"), (6, 4, 4, 1))[0]


def _truncated(draw: random.Random) -> BadFile:
    form = _draw_format(draw)
    whole = in_format(form, lines(draw))
    return BadFile("truncated", form, whole[: draw.randrange(len(whole) - 8)], _ROWS)


def _random_bytes(draw: random.Random) -> BadFile:
    form = _draw_format(draw)
    content = bytearray(in_format(form, lines(draw)))
    for _ in range(draw.randrange(1, 9)):
        content[draw.randrange(len(content))] = draw.randrange(256)
    return BadFile("random bytes", form, bytes(content), _ROWS)


def _noise(draw: random.Random) -> BadFile:
    return BadFile("noise", _draw_format(draw), draw.randbytes(draw.randrange(1, 4000)), _ROWS)


def _wrong_encoding(draw: random.Random) -> BadFile:
    form = draw.choice(("csv", "jsonl"))
    text = in_format(form, lines(draw)).decode()
    encoding = draw.choice(("utf-16", "utf-16-be", "utf-32", "big5", "shift_jis"))
    return BadFile("wrong encoding", form, text.encode(encoding, "replace"), _ROWS)


def _mixed_encodings(draw: random.Random) -> BadFile:
    rows = lines(draw)
    mixed = csv(rows[:3], encoding="utf-8") + "".join(r + "\n" for r in rows[3:]).encode("gb18030")
    return BadFile("mixed encodings", "csv", mixed, _ROWS)


def _swapped_columns(draw: random.Random) -> BadFile:
    """Headers over columns of another type; two swapped dates cannot be detected."""
    names = _HEADERS.copy()
    while names == _HEADERS:
        first, second = draw.sample((0, 2, 5, 6), 2)
        names[first], names[second] = names[second], names[first]
    form = _draw_format(draw)
    return BadFile("swapped columns", form, in_format(form, lines(draw), ",".join(names)), _ROWS)


def _huge_field(draw: random.Random) -> BadFile:
    form = draw.choice(("csv", "jsonl"))
    row = payment(item="9" * draw.choice((200_000, 2_500_000)), amount="one")
    return BadFile("huge field", form, in_format(form, [*lines(draw, 2), row]), 3)


def _bomb(draw: random.Random) -> BadFile:
    if draw.random() < 0.5:
        return BadFile("bomb", "parquet", _parquet_bomb(draw), 3_000_000)
    target = io.BytesIO(in_format("xlsx", lines(draw, 1)))
    with zipfile.ZipFile(target, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/image1.png", bytes(draw.randrange(9, 12) << 20))
    return BadFile("bomb", "xlsx", target.getvalue(), 1)


def _parquet_bomb(draw: random.Random) -> bytes:
    target = io.BytesIO()
    text = pyarrow.array([f"{draw.randrange(10)}"])
    column = pyarrow.DictionaryArray.from_arrays(
        pyarrow.nulls(3_000_000, pyarrow.int8()).fill_null(0), text
    )
    pyarrow.parquet.write_table(pyarrow.table(dict.fromkeys(_HEADERS, column)), target)
    return target.getvalue()


def _far_cell(draw: random.Random) -> BadFile:
    """Return a workbook of 5 kB whose last cell makes a dense reader request 500 GB."""
    book = openpyxl.Workbook()
    book.worksheets[0].append(_HEADERS)
    book.worksheets[0].append(lines(draw, 1)[0].split(","))
    book.worksheets[0]["XFD1048576"] = draw.randrange(9)
    target = io.BytesIO()
    book.save(target)
    return BadFile("far cell", "xlsx", target.getvalue(), 2)


_NAMES = (
    "../../manifest.json", "/etc/passwd", "a/../../b.csv", "..", ".", "", "*.csv", "[a-z].csv",
    "?.csv", "a\\b.csv", "a\n.csv", "./manifest.json/x", "a\u0000.csv", "link", "manifest.json",
)  # fmt: skip


def _path_trick(draw: random.Random) -> BadFile:
    name = draw.choice(_NAMES)
    return BadFile("path trick", "csv", csv(lines(draw)), _ROWS, {"name": name})


def _formula(draw: random.Random) -> BadFile:
    formula = draw.choice((
        '=HYPERLINK("http://example.org";"100")', "+cmd|' /C calc'!A0", "@SUM(A1:A9)", "=1+1",
        "-2+3+cmd|' /C calc'!A0",
    ))  # fmt: skip
    form = _draw_format(draw)
    rows = [*lines(draw, 3), payment(amount=formula), payment(formula), payment(paid=formula)]
    return BadFile("formula", form, in_format(form, rows), 6)


def _nul_bytes(draw: random.Random) -> BadFile:
    form = draw.choice(("csv", "jsonl", "parquet"))
    rows = [*lines(draw, 2), payment(amount="1\x00.00"), payment(f"{FIRM}\x00")]
    return BadFile("NUL", form, in_format(form, rows), 4)


def _repeated_header(draw: random.Random) -> BadFile:
    again = draw.choice(_HEADERS)
    header = f"{PAYMENT_HEADER},{again}"
    rows = [f"{row},1" for row in lines(draw)]
    form = draw.choice(("csv", "xlsx"))
    return BadFile("repeated header", form, in_format(form, rows, header), _ROWS)


def _wrong_manifest(draw: random.Random) -> BadFile:
    form = _draw_format(draw)
    entry: dict[str, Any] = draw.choice(
        ({"sha256": "0" * 64}, {"rows": _ROWS + 1}, {"rows": 0}, {"rows": 10**12})
    )
    return BadFile("wrong manifest", form, in_format(form, lines(draw)), _ROWS, entry)


def _wrong_format(draw: random.Random) -> BadFile:
    told, true = draw.sample(("csv", "jsonl", "parquet", "xlsx"), 2)
    return BadFile("wrong format", told, in_format(true, lines(draw)), _ROWS)


def _broken_quotes(draw: random.Random) -> BadFile:
    rows = lines(draw)
    at = draw.randrange(_ROWS)
    rows[at] = draw.choice((rows[at].replace(",", ',"', 1), f'"{rows[at]}', f'{rows[at]},"x"y'))
    return BadFile("broken quotes", "csv", csv(rows), _ROWS)


def _broken_lines(draw: random.Random) -> BadFile:
    form = draw.choice(("csv", "jsonl"))
    content = in_format(form, lines(draw, 3)).decode()
    odd = draw.choice((
        "[1]", "{", "null", '{"已缴": {"a": 1}}', '{"已缴": 1, "已缴": 2}', '{"已缴": NaN}',
        '{"已缴": "\\ud800"}', "[" * 5000, '"\\u0000"', FIRM, "x,y",
    ))  # fmt: skip
    return BadFile("broken lines", form, f"{content}\n{odd}\n\n{odd}\n".encode(), 5)


_KINDS: tuple[Callable[[random.Random], BadFile], ...] = (
    _truncated, _random_bytes, _noise, _wrong_encoding, _mixed_encodings, _swapped_columns,
    _path_trick, _formula, _nul_bytes, _repeated_header, _wrong_manifest, _wrong_format,
    _broken_quotes, _broken_lines,
)  # fmt: skip
# Slow to make or to read, so only a few.
_SLOW_KINDS = (_huge_field, _bomb, _far_cell)


def cases(seed: int, count: int) -> Iterator[BadFile]:
    """Return bad files of every kind in turn."""
    draw = random.Random(seed)  # noqa: S311 — test data, not a secret
    for number in range(count):
        kinds = _SLOW_KINDS if number % 50 == 0 else _KINDS
        yield kinds[number // (50 if number % 50 == 0 else 1) % len(kinds)](draw)
