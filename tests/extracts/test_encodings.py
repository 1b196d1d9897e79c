"""UTF-8 or GB18030: decided by the text, by the manifest, or not at all."""

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extracts.reading import encodings, gb18030
from extracts.reading.encodings import Encoding
from extracts.vault import nightly
from firmpulse.errors import DeliveryRefused, is_disk_full
from firmpulse.settings import Settings
from tests.extracts.inbox import AS_OF, csv, deliver, payment, permit, query

_ENGLISH = "uscc,tax_item,period_start,due_date,paid_at,amount,kind"
# Common characters whose two bytes in GB18030 are one letter in UTF-8 each: 统一 is CD B3 D2 BB.
_SOUND_IN_BOTH = "统一"


def read(folder: Path, content: bytes, told: Encoding | None = None) -> str:
    (folder / "a.csv").write_bytes(content)
    text = encodings.as_utf8(folder / "a.csv", folder / "b.csv", told)
    return text.path.read_text(encoding="utf-8")


def _common() -> list[str]:
    """Return the common characters of GB 2312, its rows 16 to 55."""
    pairs = [bytes([row + 0xA0, cell + 0xA0]) for row in range(16, 56) for cell in range(1, 95)]
    return [text for pair in pairs if (text := pair.decode("gb2312", "ignore"))]


COMMON = _common()
# Characters whose GB18030 bytes are also valid UTF-8, in any context.
TWICE_SOUND = [
    text
    for text in COMMON
    if text.encode("gb18030").decode("utf-8", "ignore").encode("utf-8") == text.encode("gb18030")
]


def test_text_that_is_sound_in_both_is_read_as_the_one_that_is_chinese(settings: Settings) -> None:
    permit(settings)
    line = payment(item=_SOUND_IN_BOTH).replace("正税", "TAX")
    content = csv([line], _ENGLISH, "gb18030")
    assert content.decode("utf-8")
    deliver(settings, {"a.csv": content})
    assert nightly.land(settings, "tax", AS_OF).problems == ()
    assert query(settings, "select tax_item from vault.raw.tax_payment") == [(_SOUND_IN_BOTH,)]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize(("told", "item"), [("utf-8", "Café"), ("gb18030", "Caf茅")])
def test_the_manifest_decides(settings: Settings, form: str, told: str, item: str) -> None:
    permit(settings)
    cells = payment(item="Café").replace("正税", "TAX").split(",")
    pairs = (f'"{name}": "{cell}"' for name, cell in zip(_ENGLISH.split(","), cells, strict=True))
    text = f"{_ENGLISH}\n{','.join(cells)}\n" if form == "csv" else f"{{{', '.join(pairs)}}}\n"
    deliver(settings, {f"a.{form}": text.encode()}, rows=1, entry={"encoding": told})
    assert nightly.land(settings, "tax", AS_OF).problems == ()
    assert query(settings, "select tax_item from vault.raw.tax_payment") == [(item,)]


@pytest.mark.parametrize("text", ["Café", "Müller & Söhne", "Ελλάδα", "Москва", "××"])
def test_text_that_does_not_tell_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DeliveryRefused, match="its text does not show which it is; name its"):
        read(tmp_path, text.encode())
    assert read(tmp_path, b"\xef\xbb\xbf" + text.encode()).endswith(text)


@pytest.mark.parametrize(
    ("content", "told", "reason"),
    [
        ("统一".encode("utf-16"), None, "the file is UTF-16; export it as UTF-8 or GB18030"),
        ("社会".encode("gb18030"), "utf-8", "UTF-8 with broken bytes"),
        (b"\xff\xff", "gb18030", "not GB18030, which the manifest says"),
    ],
)
def test_what_is_not_in_its_encoding_is_refused(
    tmp_path: Path, content: bytes, told: Encoding | None, reason: str
) -> None:
    with pytest.raises(DeliveryRefused, match=reason):
        read(tmp_path, content, told)


@given(
    st.text(st.sampled_from(COMMON), max_size=12) | st.text(st.sampled_from(TWICE_SOUND)),
    st.sampled_from(["utf-8", "gb18030"]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_chinese_text_is_read_in_the_wrong_encoding(
    tmp_path: Path, text: str, encoding: str
) -> None:
    try:
        found = read(tmp_path, f"item\n{text}\n".encode(encoding))
    except DeliveryRefused:
        # A few letters do not decide; in UTF-8 any Chinese letter does.
        assert encoding == "gb18030"
        assert len(text) < 10
    else:
        assert found == f"item\n{text}\n"


@pytest.fixture(params=[0, 1 << 30], ids=["own process", "this process"])
def _transcoding(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gb18030, "ALONE_BYTES", request.param)


@pytest.mark.usefixtures("_transcoding")
def test_every_character_arrives(tmp_path: Path) -> None:
    # Characters of one, two and four bytes, whatever is at the end of a read.
    text = "a统\U00020000一\n" * 300_000
    assert read(tmp_path, text.encode("gb18030")) == text


@pytest.mark.usefixtures("_transcoding")
@pytest.mark.parametrize("end", [b"\xff\xff", b"\xcd", b"\x81\x30\x81"])
def test_one_wrong_byte_refuses_the_file(tmp_path: Path, end: bytes) -> None:
    content = ("统一社会信用代码\n" * 100_000).encode("gb18030") + end
    with pytest.raises(DeliveryRefused, match="neither UTF-8 nor GB18030"):
        read(tmp_path, content)


@pytest.mark.usefixtures("_transcoding")
def test_a_full_disk_is_an_error_of_the_disk(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(("统一社会信用代码\n" * 100_000).encode("gb18030"))
    with pytest.raises(OSError, match="No space left") as full:
        gb18030.transcode(tmp_path / "a.csv", Path("/dev/full"))
    assert is_disk_full(full.value)


def test_a_transcoding_that_is_killed_is_no_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gb18030, "ALONE_BYTES", 0)
    monkeypatch.setattr(sys, "executable", "/bin/sh")
    monkeypatch.setattr(gb18030, "__file__", str(tmp_path / "script"))
    (tmp_path / "a.csv").write_bytes("统一".encode("gb18030"))
    (tmp_path / "script").write_text("kill -9 $$", encoding="ascii")
    with pytest.raises(OSError, match="Interrupted"):
        gb18030.transcode(tmp_path / "a.csv", tmp_path / "b.csv")
