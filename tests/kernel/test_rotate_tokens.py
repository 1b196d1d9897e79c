"""`firmpulse vault rotate --tokens` has the same result after any interruption."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest

from cli import vault
from consent import retoken as ledger_tokens
from consent.ledger import Ledger
from firmpulse import warehouse
from firmpulse.airflow import homelock, services
from firmpulse.errors import FileHeldError, NotReadyError
from firmpulse.keys import keyring, renewal, retoken, tokens
from firmpulse.settings import Settings
from scoring import publish
from tests.consent.test_ledger import DAY, FIRM, grant

_NIGHT = date(2024, 7, 1)


@pytest.fixture
def home(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, clock_at: Callable[[date], None]
) -> Settings:
    """Return the settings of a home with a grant, a firm and its published score."""
    clock_at(_NIGHT + timedelta(days=1))
    monkeypatch.setenv("FIRMPULSE_HOME", str(settings.root))
    Ledger(settings).record([grant(1, purpose="POST_LOAN_MONITOR")])
    with warehouse.connect(settings, vault=True) as connection:
        connection.execute(
            "insert into vault.ops.firm_directory (firm_id, firm) "
            "select token('firm', $firm), $firm",
            {"firm": FIRM},
        )
        connection.execute(
            "insert into warehouse.scoring.scores (firm_id, as_of, score) "
            "select firm_id::varchar, $night, 612 from vault.ops.firm_directory",
            {"night": _NIGHT},
        )
    publish.publish(settings, _NIGHT)
    return settings


def everywhere(settings: Settings) -> dict[str, list[str]]:
    """Return the firm's token in each zone."""
    with warehouse.connect(settings, vault=True) as connection:
        found = {
            "vault": connection.execute(
                "select firm_id::varchar from vault.ops.firm_directory"
            ).fetchall(),
            "warehouse": connection.execute(
                "select firm_id from warehouse.scoring.scores"
            ).fetchall(),
        }
    with warehouse.connect_published(settings) as connection:
        found["published"] = connection.execute("select firm_id from latest_scores").fetchall()
    ledger = Ledger(settings).live(DAY)["firm_id"].to_list()
    return {zone: [str(value) for (value,) in rows] for zone, rows in found.items()} | {
        "ledger": ledger
    }


def token_of(settings: Settings) -> str:
    return str(tokens.firm_token(keyring.load(settings, "token_key"), FIRM))


def test_all_zones_move_together(home: Settings) -> None:
    before = token_of(home)
    assert set(map(tuple, everywhere(home).values())) == {(before,)}
    vault.rotate(token_keys=True)
    after = token_of(home)
    assert after != before
    assert everywhere(home) == {
        zone: [after] for zone in ("vault", "warehouse", "published", "ledger")
    }
    left = [
        path
        for path in home.scores_dir.rglob("*")
        if path.is_file() and before.encode() in path.read_bytes()
    ]
    assert left == []


@pytest.mark.parametrize("stage", ["ledger", "warehouse", "publish", "vault"])
def test_an_interrupted_rotation_is_finished_by_the_same_command(
    home: Settings, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    class Interrupted(Exception):
        pass

    def stop(*_: object, **__: object) -> None:
        raise Interrupted

    before = renewal.renew

    def stop_at_database(settings: Settings, name: str, *rows: renewal.Rows) -> object:
        return stop() if name == stage else before(settings, name, *rows)

    with monkeypatch.context() as patched:
        patched.setattr(renewal, "renew", stop_at_database)
        if stage == "ledger":
            patched.setattr(ledger_tokens, "advance", stop)
        if stage == "publish":
            patched.setattr(publish, "publish_again", stop)
        with pytest.raises(Interrupted):
            vault.rotate(token_keys=True)
    vault.rotate(token_keys=True)
    assert len(tokens.versions(keyring.load(home, "token_key"))) == 2
    assert [retoken.version(home, name) for name in ("vault", "warehouse")] == [2, 2]
    assert set(map(tuple, everywhere(home).values())) == {(token_of(home),)}


def test_nothing_to_rotate_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRMPULSE_HOME", str(settings.root))
    for token_keys in (True, False):
        with pytest.raises(NotReadyError, match="made when the first grants come in"):
            vault.rotate(token_keys=token_keys)


def test_no_key_changes_while_others_work_on_the_home(home: Settings) -> None:
    with homelock.alone(home), pytest.raises(FileHeldError, match="another run works"):
        vault.rotate()
    service = services.start(home, "airflow-scheduler", ["sleep", "60"], {}, "")
    try:
        with pytest.raises(FileHeldError, match="firmpulse down"):
            vault.rotate()
    finally:
        services.stop(home, service.name)
    vault.rotate()
