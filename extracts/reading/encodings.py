"""Text files in UTF-8: the delivered one, or a copy made from GB18030.

A few files, with little Chinese, are valid in both encodings. The manifest decides then, or the
text: in the wrong encoding it does not look like Chinese.
"""

import codecs
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from extracts.reading import gb18030, thresholds
from firmpulse.errors import DeliveryRefused

Encoding = Literal["utf-8", "gb18030"]

# How a file in UTF-16 starts.
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CHUNK_BYTES = 8 << 20
# Bytes that are decoded at once; their text stays in the cache of a core.
_PIECE_BYTES = 1 << 20
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]+")
# First bytes of the 6,763 characters of GB 2312, and of its level 1, the 3,755 common ones.
_KNOWN, _COMMON = range(0xB0, 0xF8), range(0xB0, 0xD8)
# Brackets, commas and quotation marks of Chinese text.
_PUNCTUATION = re.compile(r"[\u2010-\u2026\u3000-\u303f\uff01-\uffee]")
# Latin, Greek or Cyrillic alone, as in a European name.
_ONE_SCRIPT = re.compile(r"[\u0080-\u024f]*|[\u0370-\u03ff]*|[\u0400-\u052f]*")


@dataclass(frozen=True)
class Text:
    """A text file in UTF-8."""

    path: Path
    # Of the delivered file.
    encoding: Encoding
    # Whether all lines end in LF, or all in CR LF, as DuckDB requires.
    has_even_lines: bool


@dataclass
class _Scan:
    """State collected while a file is read chunk by chunk."""

    # Before the first CR their presence is enough.
    line_feeds: int = 0
    returns: int = 0
    pairs: int = 0
    ends_with_return: bool = False
    sample: str = ""

    def note(self, chunk: bytes) -> None:
        """Count the line ends of a chunk.

        Raises:
            DeliveryRefused: it contains NUL bytes.
        """
        if b"\0" in chunk:
            raise DeliveryRefused("the file contains NUL bytes; it is damaged or not a text file")
        if not self.returns and b"\r" not in chunk:
            # Most files have none, and need no counting.
            self.line_feeds += b"\n" in chunk
            return
        self.pairs += chunk.count(b"\r\n") + (self.ends_with_return and chunk[:1] == b"\n")
        self.returns += chunk.count(b"\r")
        self.line_feeds += chunk.count(b"\n")
        self.ends_with_return = chunk.endswith(b"\r")

    def take(self, text: str) -> None:
        """Add non-ASCII letters to the sample, up to its size."""
        most = thresholds.load().encoding.sample
        if len(self.sample) < most and not text.isascii():
            runs = islice(_BEYOND_ASCII.finditer(text), most)
            self.sample = (self.sample + "".join(run[0] for run in runs))[:most]

    @property
    def has_even_lines(self) -> bool:
        """Whether all lines end in LF, or all in CR LF."""
        return self.returns == 0 or self.returns == self.line_feeds == self.pairs


def as_utf8(path: Path, copy: Path, told: Encoding | None = None) -> Text:
    """Return a UTF-8 file: the delivered one, or a copy made from GB18030.

    DuckDB reads GB18030 through its encodings extension at 40,000 rows a second and loses
    rows where a character straddles two buffers. Python's codec loses none.

    Args:
        path: the delivered file.
        copy: where a copy goes.
        told: the encoding that the manifest names, if it does.

    Raises:
        DeliveryRefused: it is in neither encoding, could be in either, or holds NUL bytes.
    """
    with path.open("rb") as stream:
        if stream.read(2) in UTF16:
            raise DeliveryRefused("the file is UTF-16; export it as UTF-8 or GB18030")
    scan = _Scan()
    if told != "gb18030" and _is_utf8(path, scan, told) and (told or _looks_like_utf8(path, scan)):
        return Text(path, "utf-8", scan.has_even_lines)
    scan = _Scan()
    copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for chunk in _chunks(path):
        scan.note(chunk)
    try:
        gb18030.transcode(path, copy)
    except UnicodeError:
        other = "not GB18030, which the manifest says" if told else "neither UTF-8 nor GB18030"
        raise DeliveryRefused(f"the file is {other}; export it in one of them") from None
    return Text(copy, "gb18030", scan.has_even_lines)


def _is_utf8(path: Path, scan: _Scan, told: Encoding | None) -> bool:
    """Whether a file is valid UTF-8.

    Raises:
        DeliveryRefused: it is damaged UTF-8.
    """
    decoder = codecs.getincrementaldecoder("utf-8-sig")("strict")
    chunk, sample = b"", ""
    try:
        for chunk in _chunks(path):
            scan.note(chunk)
            sample = scan.sample
            for start in range(0, len(chunk), _PIECE_BYTES):
                scan.take(decoder.decode(chunk[start : start + _PIECE_BYTES]))
        sample = scan.sample
        decoder.decode(b"", True)
    except UnicodeDecodeError:
        if told or sample or _is_damaged_utf8(chunk):
            raise DeliveryRefused("the file is UTF-8 with broken bytes; export it again") from None
        return False
    return True


def _looks_like_utf8(path: Path, scan: _Scan) -> bool:
    """Whether a file of valid UTF-8 is UTF-8, and not GB18030 that happens to be valid UTF-8.

    Raises:
        DeliveryRefused: its text does not decide.
    """
    limits = thresholds.load().encoding
    with path.open("rb") as stream:
        has_mark = stream.read(3) == codecs.BOM_UTF8
    if has_mark or not scan.sample or _chinese(scan.sample, _KNOWN)[0] >= limits.chinese_share:
        return True
    other = _Scan()
    try:
        for text in _gb18030(path):
            other.take(text)
    except UnicodeError:
        return True
    share, letters = _chinese(other.sample, _COMMON)
    # Letters of a European name, two bytes each, look like Chinese ones in GB18030.
    is_name = bool(_ONE_SCRIPT.fullmatch(scan.sample))
    if share >= limits.sure_share and letters >= limits.sure_letters and not is_name:
        return False
    raise DeliveryRefused(
        "the file is valid in UTF-8 and in GB18030 and its text does not show which it is; "
        "name its encoding in the manifest, or export it with a byte order mark"
    )


def _chinese(sample: str, first_bytes: range) -> tuple[float, int]:
    """Return which share of the letters of a text is Chinese of GB 2312, and their number."""
    letters = common = 0
    for character in sample:
        if _PUNCTUATION.match(character) or _is_chinese(character, first_bytes):
            common += 1
        elif unicodedata.category(character)[0] in "PSZN":
            continue
        letters += 1
    return common / letters if letters else 0.0, letters


def _is_chinese(character: str, first_bytes: range) -> bool:
    try:
        return character.encode("gb2312")[0] in first_bytes
    except UnicodeEncodeError:
        return False


def _is_damaged_utf8(chunk: bytes) -> bool:
    """Whether most non-ASCII bytes are valid UTF-8; read as GB18030 they would be nonsense.

    In Chinese GB18030 text, a sixth of the characters happen to be valid UTF-8.
    """
    text = chunk.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    sound = sum(1 for character in text if character > "\x7f") - broken
    return chunk.startswith(codecs.BOM_UTF8) or sound > 2 * broken


def _gb18030(path: Path) -> Iterator[str]:
    """Yield the text of a file in pieces; `UnicodeError` if it is not GB18030."""
    decoder = codecs.getincrementaldecoder("gb18030")("strict")
    for chunk in _chunks(path):
        yield decoder.decode(chunk)
    yield decoder.decode(b"", True)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            yield chunk
