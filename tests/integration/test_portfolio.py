"""A bank's whole portfolio, by the commands of docs/onboarding.md, from files to a scored night."""

import re
import shlex
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import openpyxl
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from cli.simulate import PORTFOLIO_MONTHS, SEED
from firmpulse import warehouse
from firmpulse.settings import PROJECT_ROOT, Settings
from simulator import Economy, bank, invoices, power
from simulator.world import World, build_world
from tests.homes import know_tokens
from tests.integration.conftest import command, firmpulse

PAGE = PROJECT_ROOT / "docs" / "onboarding.md"
SECTION = "A bank's whole portfolio"
# Few, but enough for the gates.
FIRMS = 150
# Commands whose DAG needs a process of its own.
IN_PROCESS = ("night", "train")
DAY = date(2026, 11, 1)


def commands(bank_name: str) -> list[list[str]]:
    """Return the commands of the page, for one of its banks."""
    (section,) = (
        part for part in PAGE.read_text(encoding="utf-8").split("\n## ") if part.startswith(SECTION)
    )
    blocks = re.findall(r"```sh\n(.*?)```", section, re.S)
    lines = [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]
    return [words for words in lines if any(f"var/{bank_name}" in word for word in words)]


def run(settings: Settings, folder: Path, bank_name: str, words: list[str]) -> str:
    """Run a command of the page in the home of a test, with fewer firms."""
    files, home = f"var/{bank_name}/files", f"var/{bank_name}/home"
    words = [word.replace(files, str(folder)).replace(home, str(settings.root)) for word in words]
    program, *arguments = words
    if program == "export":
        return ""
    if program == "cp":
        source, target = arguments
        shutil.copy(PROJECT_ROOT / source, target)
        return ""
    assert program == ".venv/bin/firmpulse"
    if arguments[:2] == ["simulate", "portfolio"]:
        arguments += ["--firms", str(FIRMS)]
    called = firmpulse if arguments[0] in IN_PROCESS else command
    return called(settings, *arguments)
