"""`firmpulse onboard`: from unknown files to the inbox, as a user types it."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli import app
from extracts.mappings import files, yaml_nodes
from extracts.mappings.model import ExportMapping, MappedColumn, MappedFiles
from firmpulse.errors import FirmpulseError
from firmpulse.settings import PROJECT_ROOT, Settings
from tests.extracts.exports import CCB, CMB, text
from tests.extracts.inbox import FIRM

LINES = [
    "日期,方向,金额,余额,对方户名",
    "2024-01-02,收,5.00,9.00,乙公司",
    "2024-01-03,付,1.00,8.00,丙公司",
    "2024-01-04,退,2.00,7.00,丁公司",
]


def onboard(settings: Settings, *arguments: str) -> Result:
    env = {"FIRMPULSE_HOME": str(settings.root), "COLUMNS": "240"}
    return CliRunner(env=env).invoke(app, ["onboard", *arguments])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "2024 bank").mkdir()
    (tmp_path / "2024 bank" / "流水.csv").write_bytes(text(LINES))
    return tmp_path / "2024 bank"


def test_a_constant_that_names_a_firm_is_told(settings: Settings, folder: Path) -> None:
    """No erasure reads mappings, so the firm would stay in one."""
    settings.mappings_dir.mkdir(parents=True)
    text_of_it = (
        'version: 1\nprovider: x\nfiles:\n  - pattern: "*.csv"\n    table: bank_txn\n'
        "    columns: {日期: booked_at, 方向: {to: dc, values: {付: OUT, 退: IN}}}\n"
        f"    constants: {{uscc: {FIRM}, account_no: '0062', ccy: CNY}}\n"
    )
    (settings.mappings_dir / "named.yml").write_text(text_of_it, encoding="utf-8")
    printed = onboard(settings, str(folder), "--name", "named", "--check").output
    for column in ("uscc", "account_no"):
        told = f"named.yml, block at line 4: the constant {column} identifies a firm"
        assert told in printed
        assert f"write {{{column}}} in the pattern" in printed
    assert "constant ccy" not in printed
    assert FIRM not in printed


def test_from_a_look_to_the_inbox(settings: Settings, folder: Path) -> None:
    looked = onboard(settings, str(folder))
    assert looked.exit_code == 0, looked.output
    path = settings.mappings_dir / "2024_bank.yml"
    assert f"Written: {path}" in looked.output
    assert f"firmpulse onboard '{folder}' --name 2024_bank --check" in looked.output
    # A name of the other side is not shown, only how long it is.
    assert "(3 characters)" in looked.output
    assert "乙公司" not in looked.output + path.read_text(encoding="utf-8")
    assert path.parent.stat().st_mode & 0o077 == 0
    assert (path.parent / "mapping.schema.json").is_file()

    unfinished = onboard(settings, str(folder), "--check")
    assert unfinished.exit_code == 1
    assert "2024_bank.yml line " in str(unfinished.exception)
    assert "say what uscc is in every row" in str(unfinished.exception)

    written = path.read_text(encoding="utf-8")
    assert written.startswith("# yaml-language-server: $schema=mapping.schema.json\n")
    for place, answer in (("付", "OUT"), ("退", "IN"), ("uscc", FIRM), ("account_no", "0062")):
        assert f'{place}: "?"' in written
        written = written.replace(f'{place}: "?"', f'{place}: "{answer}"')
    path.write_text(written.replace('退: "IN"', ""), encoding="utf-8")
    checked = onboard(settings, str(folder), "--check")
    assert checked.exit_code == 0, checked.output
    assert "bank_txn: 1 files, 3 rows, 2 would land, of 1 firms" in checked.output
    assert "退 1" in checked.output
    assert "in the block at line 7 of the mapping; null for nothing" in checked.output
    assert "乙公司" not in checked.output
    assert FIRM not in checked.output
    assert list(settings.inbox.rglob("*")) == []

    path.write_text(written, encoding="utf-8")
    delivered = onboard(settings, str(folder), "--deliver", "--delivered-on", "2024-03-31")
    assert delivered.exit_code == 0, delivered.output
    assert "3 rows, 3 would land" in delivered.output
    (place,) = (settings.inbox / "bank").iterdir()
    assert place.name.startswith("2024_bank-bank-20240331-")
    assert f"{place.name}: in the inbox" in delivered.output
    assert "Next: firmpulse night --as-of 2024-03-31" in delivered.output
    assert sorted(p.name for p in place.iterdir()) == ["manifest.json", "流水.csv"]
    # The files of the user stay.
    assert (folder / "流水.csv").read_bytes() == text(LINES)


def test_an_included_mapping_is_named_and_copied(settings: Settings, tmp_path: Path) -> None:
    looked = onboard(settings, str(CMB.write(tmp_path / "files")), "--name", "cmb_new")
    assert "header of the included mapping cmb" in looked.output
    checked = onboard(settings, str(tmp_path / "files"), "--name", "cmb_new", "--check")
    assert checked.exit_code == 0, checked.output
    assert "2 rows, 2 would land" in checked.output


def test_an_included_mapping_needs_no_proposal(settings: Settings, tmp_path: Path) -> None:
    checked = onboard(settings, str(CCB.write(tmp_path / "files")), "--name", "ccb", "--check")
    assert checked.exit_code == 0, checked.output
    assert "2 rows, 2 would land" in checked.output
    (told,) = (line for line in checked.output.splitlines() if "not read: " in line)
    assert "账户名称" in told


def test_a_refused_file_ends_with_1(settings: Settings, tmp_path: Path) -> None:
    folder = CCB.write(tmp_path / "files")
    (folder / FIRM / "new.csv").write_bytes(text(LINES))
    checked = onboard(settings, str(folder), "--name", "ccb", "--check")
    assert checked.exit_code == 1
    assert "new.csv refused: the header is not the one that the mapping was made for" in (
        checked.output
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--check"], "there is no mapping '2024_bank'; make it first: firmpulse onboard"),
        (["--name", "Bank"], "'Bank' is no name of a mapping"),
        (["--name", "914403001922038216"], "is no name of a mapping"),
        (["--table", "bank"], "there is no table 'bank'; use one of"),
        (["--name", "ccb"], "the mapping ccb exists; read the files by it"),
    ],
)
def test_a_wrong_option(settings: Settings, folder: Path, arguments: list[str], told: str) -> None:
    result = onboard(settings, str(folder), *arguments)
    assert result.exit_code == 1
    assert isinstance(result.exception, FirmpulseError)
    assert told in str(result.exception)


def test_a_proposal_again_keeps_the_old_one(settings: Settings, folder: Path) -> None:
    onboard(settings, str(folder))
    path = settings.mappings_dir / "2024_bank.yml"
    path.write_text("mine", encoding="utf-8")
    assert onboard(settings, str(folder)).exit_code == 1
    assert path.read_text(encoding="utf-8") == "mine"
    assert onboard(settings, str(folder), "--again").exit_code == 0
    assert path.with_suffix(".yml.old").read_text(encoding="utf-8") == "mine"
    assert "bank_txn" in path.read_text(encoding="utf-8")


def test_an_empty_folder(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    result = onboard(settings, str(tmp_path / "none"))
    assert result.exit_code == 1
    assert "has no file with a table" in str(result.exception)
    assert not settings.mappings_dir.exists()


@pytest.mark.parametrize(
    ("name", "mapping"),
    [
        ("Export 2024-01", "export_2024_01"), ("工行", "files"), ("a" * 40, "a" * 12),
        ("914403001922038216", "files"), ("_x_", "x"), ("2024010120240201", "files"),
    ],
)  # fmt: skip
def test_a_folder_names_its_mapping(
    settings: Settings, tmp_path: Path, name: str, mapping: str
) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "a.csv").write_bytes(text(LINES))
    assert onboard(settings, str(tmp_path / name)).exit_code == 0
    assert [p.stem for p in settings.mappings_dir.glob("*.yml")] == [mapping]


def test_the_example_of_the_documentation(settings: Settings) -> None:
    """Its finished mapping is the proposal with two corrections, and reads what the page says."""
    folder = str(PROJECT_ROOT / "docs" / "examples" / "bank-export")
    assert onboard(settings, folder, "--name", "example_bank").exit_code == 0
    path = settings.mappings_dir / "example_bank.yml"
    finished = (path.parent / path.name, PROJECT_ROOT / "docs" / "examples" / path.name)
    proposed, corrected = (yaml_nodes.read(p.read_text("utf-8"))[1] for p in finished)
    (block,) = proposed["files"]
    block["columns"]["方向"]["values"]["付"] = "OUT"
    block["columns"]["往来单位"] = "cp_name"
    assert proposed | {"provider": "example bank"} == corrected
    path.write_text(finished[1].read_text("utf-8"), encoding="utf-8")
    checked = onboard(settings, folder, "--name", "example_bank", "--check")
    page = (PROJECT_ROOT / "docs" / "onboarding.md").read_text("utf-8")
    example = page.split("\n## ")[1]
    (told,) = (line for line in example.splitlines() if line.startswith("bank_txn: "))
    assert told in checked.output
    assert "Quarantine" not in checked.output


def test_the_reference_of_the_documentation_is_a_mapping(tmp_path: Path) -> None:
    page = (PROJECT_ROOT / "docs" / "onboarding.md").read_text("utf-8")
    (text_of_it,) = re.findall(r"```yaml\n(.*?)```", page, re.S)
    (tmp_path / "example.yml").write_text(text_of_it, encoding="utf-8")
    (block,) = files.read(tmp_path / "example.yml").files
    for model in (MappedColumn, MappedFiles, ExportMapping):
        for name in model.model_fields:
            assert f"`{name}`" in page or f"`{name}: " in page or f"{name}:" in text_of_it, name
    assert block.one_of == {"amount": ("本币", "外币")}
    included = {path.stem for path in files.INCLUDED.glob("*.yml")}
    table = page.split("\n## Mappings that come with it")[1].split("\n## ")[0]
    assert included <= set(re.findall(r"`([a-z0-9_]+)`", table))
