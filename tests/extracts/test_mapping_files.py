"""Mappings as files: each mistake with its line, and no text that crashes the reader."""
# ruff: noqa: E501 - Chinese is wider than a letter

import random
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from extracts.mappings import files
from extracts.mappings.model import json_schema
from firmpulse.errors import ConfigurationError, ContractError
from firmpulse.settings import PROJECT_ROOT, Settings
from tests.sizes import sized

GOOD = """\
version: 1
provider: example bank
files:
  - pattern: "{uscc}/*.csv"
    table: bank_txn
    header: [No, 日期, 方向, 款, 存, "备注[ Remark ]", 外币]
    columns:
      No: txn_no
      日期: {to: booked_at, format: "%d/%m/%Y"}
      方向: {to: dc, values: {出: OUT, 入: 贷, "": null}}
      存: {to: balance, unit: 万元}
      "备注[ Remark ]": summary
    one_of:
      amount: [款, 外币]
    constants:
      account_no: 0062
      ccy: CNY
    not_rows: {"备注[ Remark ]": [承前页, ""]}
"""


def read(tmp_path: Path, text: str) -> str:
    """Return what is said of a mapping's text; empty for a good one."""
    path = tmp_path / "bank.yml"
    path.write_text(text, encoding="utf-8")
    try:
        files.read(path)
    except ContractError as error:
        return str(error)
    return ""


def test_every_value_is_the_text_that_was_written(tmp_path: Path) -> None:
    """YAML would read 0062 as 50, No as false and a day as a date."""
    path = tmp_path / "bank.yml"
    text = GOOD.replace("ccy: CNY", "ccy: CNY\n      txn_no: 2024-01-02")
    text = text.replace("      No: txn_no\n", "").replace("header: [No, ", "header: [")
    path.write_text(text, encoding="utf-8")
    (block,) = files.read(path).files
    assert block.constants == {"account_no": "0062", "ccy": "CNY", "txn_no": "2024-01-02"}
    assert read(tmp_path, GOOD) == ""
    (block,) = files.read(path).files
    assert next(iter(block.columns)) == "No"
    assert block.columns["方向"].values == {"出": "OUT", "入": "贷", "": None}  # type: ignore[union-attr]
    assert block.line == 4


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("version: 1", "version: 2", "line 1: version: Input should be 1"),
        ("version: 1\n", "", "line 1: version: is missing; add it"),
        ("provider: example bank", "provider: 914403001922038216", "line 2: provider: "),
        ("    table: bank_txn\n", "", "line 4: files.table: is missing; add it"),
        ("bank_txn", "bank_tnx", "line 5: files.table: there is no table 'bank_tnx'; did you mean"),
        ("one_of:", "oneof:", "line 13: files.oneof: is not known here"),
        ("booked_at", "booked", "line 9: files.columns.日期.to: there is no column 'booked'; did"),
        ("summary", "nonsense", "line 12: files.columns.备注[ Remark ].to: there is no column"),
        ("%d/%m/%Y", "dd/mm/yyyy", "line 9: files.columns.日期.format: Value error, must be a fo"),
        ("%d/%m/%Y", "%d/%m/%Q", "line 9: files.columns.日期.format: "),
        ("入: 贷", "入: 进", "line 10: files.columns.方向.values.入: '进' is no dc; use OUT, IN or"),
        ("入: 贷", '入: "?"', "line 10: files.columns.方向.values.入: say which dc it is; use OUT"),
        ("unit: 万元", "unit: 万度", "line 11: files.columns.存.unit: '万度' cannot be converted to "
         "CNY; use 分, 元"),
        ("unit: 万元", "unit: 0", "line 11: files.columns.存.unit: "),
        ("unit: 万元", "unit: 0.00001", "line 11: files.columns.存.unit: "),
        ("No: txn_no", "No: summary", "line 12: files.columns.备注[ Remark ]: No is summary too; if "
         "one of the two is filled in each row, list both under one_of"),
        ("No: txn_no", "Nr: txn_no", "line 8: files.columns.Nr: there is no header 'Nr'; use one"),
        ("No: txn_no", "No: amount", "line 14: files.one_of.amount: No is amount too"),
        ("[款, 外币]", "[款]", "line 14: files.one_of.amount: needs at least two headers"),
        ("[款, 外币]", "[款, 存]", "line 14: files.one_of.amount: 存 has an entry already"),
        ("amount: [款", "amuont: [款", "line 14: files.one_of.amuont: there is no column 'amuont'"),
        ("ccy: CNY", 'ccy: "?"', "line 17: files.constants.ccy: say what ccy is in every row"),
        ("ccy: CNY", "ccy: 元", "line 17: files.constants.ccy: '元' is no ccy; use CNY, USD"),
        ("ccy: CNY", "uscc: 1", "line 17: files.constants.uscc: uscc has two values here; leave"),
        ("ccy: CNY", "balance: 1", "line 17: files.constants.balance: balance has a header too"),
        ("ccy: CNY", "ccy: CNY\n      ccy: USD", "line 17: files.constants.ccy: stands here twice"),
        ("{uscc}/*", "{uscc}/{uscc}", "line 4: files.pattern: has {uscc} twice"),
        ("{uscc}/*", "{firm}/*", "line 4: files.pattern.firm: there is no column 'firm'"),
        ("{uscc}/*", "**/" * 9, "line 4: files.pattern: has more than 8 of * ? and {}"),
        ("not_rows: {", "not_rows: {小结: [x], ", "line 18: files.not_rows.小结: there is no header"),
        ("      存: {to: balance, unit: 万元}\n", "", "line 6: files.header: the file lacks the "
         "required column balance (余额); name its header under columns, its value in every row"),
        ("{to: booked_at, f", "{to: txn_no, f", "line 9: "),
        ("日期: {to: booked_at", "日期: {to: voucher_no", "line 7: files.columns: voucher_no is no "
         "date and has no format"),
        ("    columns:\n", "    columns:\n      外 币: null\n", "line 15: files.one_of.amount: 外币 has "
         "an entry already"),
        ("files:\n", "files: &a\n", "line 3: has a reference"),
        ("example bank", "!!str x", "line 2: has a tag (!)"),
        ("example bank", "a: b", "line 2: is not YAML: mapping values are not allowed here"),
        ("example bank", '"\\0"', "line 2: has a control character"),
        ("example bank", '"\\ud83d"', "line 2: has a control character"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert GOOD.count(old) >= 1
    lines = read(tmp_path, GOOD.replace(old, new, 1)).split("\n")
    assert any(told in line for line in lines), lines
    assert all(line.startswith("bank.yml ") for line in lines)


def test_two_mistakes_are_told_at_once(tmp_path: Path) -> None:
    broken = GOOD.replace("booked_at", "booked").replace("入: 贷", "入: 进")
    assert [line.split(":")[0] for line in read(tmp_path, broken).split("\n")] == [
        "bank.yml line 9", "bank.yml line 10",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "line 1: file: must be a block of names and values"),
        ("- 1", "line 1: file: must be a block of names and values"),
        ("files: [x]", "line 1: files: must be a block of names and values"),
        ("files: []", "line 1: files: Tuple should have at least 1 item"),
        ("[" * 99, "line 1: has more than 20 levels"),
        ("? [a]\n: 1", "is not YAML: found unhashable key"),
        ("a: 1\n---\nb: 2", "line 2: is not YAML"),
        ("\x01", "is not YAML: it has a control character"),
        ("x" * (2 << 20), "has more than 1,048,576 characters"),
        ("- &a [*a]", "line 1: has a reference"),
    ],
)
def test_what_is_no_mapping_at_all(tmp_path: Path, text: str, told: str) -> None:
    assert told in read(tmp_path, text)


def test_a_file_of_another_encoding(tmp_path: Path) -> None:
    path = tmp_path / "bank.yml"
    path.write_bytes(GOOD.encode("gb18030"))
    with pytest.raises(ContractError, match=r"bank.yml is not UTF-8; save it as UTF-8"):
        files.read(path)


def _mutated(draw: random.Random, text: str) -> str:
    """Return a mapping with lines, words and signs changed."""
    for _ in range(draw.randrange(1, 5)):
        lines = text.split("\n")
        at, other = draw.randrange(len(lines)), draw.randrange(len(lines))
        kind = draw.randrange(8)
        if kind == 0:
            del lines[at]
        elif kind == 1:
            lines.insert(at, lines[other])
        elif kind == 2:
            lines[at], lines[other] = lines[other], lines[at]
        elif kind == 3:
            lines[at] = draw.choice(("", "  ", "    ", "\t")) + lines[at]
        elif kind == 4:
            lines[at] = lines[at].lstrip()
        else:
            place = draw.randrange(len(lines[at]) + 1)
            sign = draw.choice("{}[]:,'\"#&*!|>%@`?-~\\\n\t 款0a\u200b\ud7ff")
            lines[at] = lines[at][:place] + sign + lines[at][place + draw.randrange(3) :]
        text = "\n".join(lines)
    return text


@pytest.mark.parametrize("path", sorted(files.INCLUDED.glob("*.yml")), ids=lambda path: path.stem)
def test_no_changed_mapping_crashes(tmp_path: Path, path: Path) -> None:
    draw = random.Random(path.stem)  # noqa: S311 - test data, not a secret
    for text in (path.read_text(encoding="utf-8"), GOOD):
        for _ in range(sized(60, 600)):
            read(tmp_path, _mutated(draw, text))


_TEXT = st.text(alphabet="a款0?*{}%/ ,.\n\u3000", max_size=6) | st.sampled_from(
    ["amount", "dc", "bank_txn", "booked_at_clock", "OUT", "%d", "万元", "款", "日期", "1", "null"]
)
_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)
_COLUMN = st.fixed_dictionaries(
    {"to": _TEXT | st.sampled_from(["amount", "dc", "booked_at", "amount_in", "balance"])},
    optional={
        "values": st.dictionaries(_TEXT, _TEXT | st.none(), max_size=2), "format": _TEXT,
        "unit": _TEXT | st.floats() | st.integers(), "decimal": st.sampled_from([".", ",", ";"]),
        "positive": _TEXT, "digits": st.integers(0, 20) | _TEXT,
    },
)  # fmt: skip
_BLOCK = st.fixed_dictionaries(
    {"pattern": _TEXT, "table": st.just("bank_txn") | _TEXT},
    optional={
        "header": st.lists(_TEXT, max_size=5),
        "columns": st.dictionaries(_TEXT, _COLUMN | _TEXT | st.none(), max_size=4),
        "one_of": st.dictionaries(_TEXT, st.lists(_TEXT, max_size=3), max_size=2),
        "constants": st.dictionaries(_TEXT, _TEXT, max_size=3),
        "above_header": st.dictionaries(_TEXT, _TEXT, max_size=2),
        "not_rows": st.dictionaries(_TEXT, st.lists(_TEXT, max_size=2), max_size=2),
        "header_lines": st.integers(-1, 5) | _ANY,
        "sheet": _TEXT,
        "extra": _ANY,
    },
)  # fmt: skip
_DOCUMENT = st.fixed_dictionaries(
    {"version": st.just(1), "provider": st.just("x"), "files": st.lists(_BLOCK, max_size=2) | _ANY},
    optional={"delivered_at": _ANY, "id_scheme": _TEXT, "firms": _ANY},
)


@hypothesis_settings(max_examples=sized(150, 2000))
@given(_DOCUMENT | _ANY)
def test_no_document_crashes(tmp_path_factory: pytest.TempPathFactory, document: object) -> None:
    text = yaml.safe_dump(document, allow_unicode=True)
    read(tmp_path_factory.getbasetemp(), text)


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("icbc", True), ("bank_2024", True), ("a-b", True), ("", False), ("Bank", False),
        ("../x", False), ("工行", False), ("a" * 15, False), ("bank20240131", False),
        ("914403001922038216", False), ("x" * 60, False), ("a b", False),
    ],
)  # fmt: skip
def test_a_name_is_a_part_of_a_delivery_id(name: str, fits: bool) -> None:
    assert files.is_name(name) == fits


def test_a_mapping_of_the_home_folder_comes_first(settings: Settings) -> None:
    assert files.path_of(settings, "icbc").parent == files.INCLUDED
    settings.mappings_dir.mkdir(parents=True)
    (settings.mappings_dir / "icbc.yml").write_text(GOOD, encoding="utf-8")
    assert files.load(settings, "icbc").provider == "example bank"
    with pytest.raises(ConfigurationError, match=r"no mapping '../x'; use one of abc, abc_signed"):
        files.load(settings, "../x")


def test_the_schema_in_the_documentation_is_the_model() -> None:
    path = PROJECT_ROOT / "docs" / "mapping.schema.json"
    assert path.read_text(encoding="utf-8") == json_schema(), (
        "write it anew: python -c 'from extracts.mappings import model; "
        'print(model.json_schema(), end="")\' > docs/mapping.schema.json'
    )
