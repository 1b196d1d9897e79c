"""The commands for the firm and for compliance, as typed."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from cli import app
from consent import audit, store
from consent.certificates import Certificate
from consent.ledger import Ledger
from firmpulse import warehouse
from firmpulse.errors import FirmpulseError
from firmpulse.settings import Settings
from tests.consent.test_ledger import DAY, FIRM, grant, token_of

CODE = FIRM.removeprefix("uscc:")


@dataclass(frozen=True)
class Result:
    """The output of a command."""

    returncode: int
    stdout: str
    stderr: str


def firmpulse(home: Path, *arguments: str) -> Result:
    result = CliRunner().invoke(app, arguments, env={"FIRMPULSE_HOME": str(home), "COLUMNS": "140"})
    if isinstance(result.exception, FirmpulseError):
        return Result(1, result.stdout, str(result.exception))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Result(result.exit_code, result.stdout, result.stderr)


def done(home: Path, *arguments: str) -> str:
    result = firmpulse(home, *arguments)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_one_call_grants_the_main_sources_without_training(settings: Settings) -> None:
    grant_all = ("consent", "grant", CODE.lower(), "--all", "--from", "2026-01-31")
    said = done(settings.root, *grant_all)
    assert "granted 已授权 8" in said
    assert "separate consent recorded 已登记单独同意" in said
    status = Ledger(settings).status(token_of(settings), DAY)
    rows = status.select(
        "source", "purpose", "window_start", "valid_from", "valid_to", "separate_consent"
    )
    begin, month, year = "2026-01-31", "2026-03-01", "2027-01-30"
    assert sorted(tuple(map(str, row)) for row in rows.rows()) == [
        ("bank", "CREDIT_EVAL", "2025-07-31", begin, month, "True"),
        ("bank", "POST_LOAN_MONITOR", "2025-07-31", begin, year, "True"),
        ("power", "CREDIT_EVAL", "2023-01-31", begin, month, "False"),
        ("power", "POST_LOAN_MONITOR", "2023-01-31", begin, year, "False"),
        ("supply_chain", "CREDIT_EVAL", "2023-01-31", begin, month, "False"),
        ("supply_chain", "POST_LOAN_MONITOR", "2023-01-31", begin, year, "False"),
        ("tax", "CREDIT_EVAL", "2023-01-31", begin, month, "False"),
        ("tax", "POST_LOAN_MONITOR", "2023-01-31", begin, year, "False"),
    ]
    assert "already in force 已在授权中 8" in done(settings.root, *grant_all)
    assert Ledger(settings).status(token_of(settings), DAY).height == 8
    with warehouse.connect(settings, vault=True, warehouse=False) as connection:
        firms = connection.execute("select firm from vault.ops.firm_directory").fetchall()
    assert firms == [(FIRM,)]


def test_chosen_terms_are_kept(settings: Settings) -> None:
    done(
        settings.root, "consent", "grant", CODE, "--source", "founder_credit", "--purpose",
        "MODEL_TRAINING", "--from", "2026-01-31", "--until", "2026-02-28", "--window-start",
        "2025-01-01", "--keep-results", "--recipient", "other-bank", "--role", "founder",
    )  # fmt: skip
    row = Ledger(settings).status(token_of(settings), DAY).row(0, named=True)
    assert (row["source"], row["purpose"], row["recipient"], row["grantor_role"]) == (
        "founder_credit", "MODEL_TRAINING", "other-bank", "founder",
    )  # fmt: skip
    assert (str(row["window_start"]), str(row["valid_to"])) == ("2025-01-01", "2026-02-28")
    assert row["keep_results"]
    assert row["separate_consent"]


def test_the_firm_looks_and_withdraws_at_any_time(
    settings: Settings, clock_at: Callable[[date], None]
) -> None:
    clock_at(DAY)
    Ledger(settings).record([grant(1), grant(2, source="bank")])
    on = ("--on", "2024-06-30")
    shown = done(settings.root, "consent", "status", CODE, *on)
    assert re.search(r"tax\s+CREDIT_EVAL\s+ACTIVE", shown)
    assert "生效中" in shown
    revoke = ("consent", "revoke", CODE, "--source", "bank", "--reason", "changed bank", *on)
    assert "revoked 已撤回 1: A-2" in done(settings.root, *revoke)
    assert "没有可撤回的授权" in done(settings.root, *revoke)
    assert Ledger(settings).live(DAY)["authorization_id"].to_list() == ["A-1"]
    history = done(settings.root, "consent", "history", CODE)
    assert re.search(r"REVOKE\s+bank", history)
    assert "changed bank" in history
    assert CODE not in shown + history


def test_a_certificate_is_shown_in_both_languages(settings: Settings) -> None:
    ledger = Ledger(settings)
    ledger.record([grant()])
    name = ledger.certify(
        Certificate(
            token_of(settings),
            DAY,
            ("A-1",),
            ("tax",),
            "all rows",
            {"vault.raw.t": 1234},
            ("credit v3",),
        )
    )
    shown = done(settings.root, "consent", "certificate", name)
    for part in ("删除证明", name, "vault.raw.t", "1,234", "credit v3", "税务", "2024-06-30"):
        assert part in shown
    assert name in done(settings.root, "consent", "status", CODE)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["grant", f"{CODE[:17]}7", "--all"], "does not match its check character"),
        (["grant", CODE], "name what is granted"),
        (["grant", CODE, "--source", "bnk"], "there is no source bnk; use one of tax, bank"),
        (["grant", CODE, "--source", "tax", "--purpose", "FUN"], "there is no purpose FUN"),
        (["grant", CODE, "--all", "--from", "soon"], "a date must look like 2026-10-31"),
        (["grant", CODE, "--all", "--until", "2001-01-01"], "is before the first day"),
        (["revoke", CODE, "--source", "bnk"], "there is no source bnk"),
        (["revoke", CODE, "--authorization", "A-9"], "there is no grant A-9"),
        (["certificate", "C-1"], "there is no certificate C-1"),
    ],
)
def test_what_is_mistyped_is_named(settings: Settings, arguments: list[str], words: str) -> None:
    result = firmpulse(settings.root, "consent", *arguments)
    assert result.returncode == 1
    assert words in result.stderr
    assert Ledger(settings).status(token_of(settings), DAY).is_empty()


def test_verify_names_a_changed_entry_and_exits_with_1(settings: Settings) -> None:
    Ledger(settings).record([grant(number) for number in range(5)])
    whole = done(settings.root, "audit", "verify")
    assert "The audit chain is whole: 5 entries" in whole
    (head,) = re.findall(r"--head (5:[0-9a-f]{64})", whole)
    done(settings.root, "audit", "verify", "--head", head)
    with store.writing(settings) as connection:
        connection.execute(sa.text("drop trigger audit_no_update"))
        connection.execute(sa.text("update audit set actor = 'x' where seq = 3"))
    broken = firmpulse(settings.root, "audit", "verify")
    assert broken.returncode == 1
    assert "entry 3 changed" in broken.stdout
    assert "The audit chain is broken" in broken.stdout
    assert firmpulse(settings.root, "audit", "verify", "--head", "x").returncode == 1


def test_entries_are_listed_by_firm(settings: Settings) -> None:
    Ledger(settings).record([grant(1), grant(2, firm="demo:1")])
    audit.append(settings, "QUERY", actor="user x", sql="select [b]1[/b]")
    shown = done(settings.root, "audit", "list")
    assert "select [b]1[/b]" in shown
    mine = done(settings.root, "audit", "list", "--subject", CODE, "--action", "grant")
    assert "A-1" in mine
    assert "A-2" not in mine
    assert "no audit action" in firmpulse(settings.root, "audit", "list", "--action", "x").stderr


def test_a_lost_head_is_sealed_again_with_a_reason(settings: Settings) -> None:
    Ledger(settings).record([grant()])
    settings.audit_head_path.unlink()
    assert firmpulse(settings.root, "audit", "verify").returncode == 1
    done(settings.root, "audit", "seal", "--reason", "restored from a backup")
    done(settings.root, "audit", "verify")
