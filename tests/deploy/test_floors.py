"""Every package has its floor, and all files beside its code are packed with it."""

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

from firmpulse.settings import PROJECT_ROOT

# Besides the packages: tests, and what only runs from a checkout.
NOT_INSTALLED = {"tests", "benchmarks", "docs"}


def _packages() -> set[str]:
    return {path.parent.name for path in PROJECT_ROOT.glob("*/__init__.py")} - NOT_INSTALLED


def test_every_package_is_on_a_floor() -> None:
    """A package unknown to import-linter would not be checked."""
    content = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text("utf-8"))
    linter = content["tool"]["importlinter"]
    (floors,) = (found for found in linter["contracts"] if found["type"] == "layers")
    on_floors = [name for floor in floors["layers"] for name in floor.split(" | ")]
    assert sorted(on_floors) == sorted(_packages()) == sorted(linter["root_packages"])
    # Its types are checked too; DAG files consist of decorators without types.
    assert {*content["tool"]["mypy"]["packages"], "dags"} == _packages()


def test_what_is_beside_the_code_is_packed_with_it(tmp_path: Path) -> None:
    # Building writes into the built folder.
    source = tmp_path / "source"
    for name in _packages():
        shutil.copytree(
            PROJECT_ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT_ROOT / name, source)
    files = {
        path.relative_to(source).as_posix() for path in source.glob("*/**/*") if path.is_file()
    }
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    subprocess.run(  # noqa: S603 - our own command
        [*command, "--quiet", "--wheel-dir", str(tmp_path), str(source)],
        check=True, timeout=300, capture_output=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        assert {name for name in packed.namelist() if ".dist-info/" not in name} == files
    assert len(files) > 300
