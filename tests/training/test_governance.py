"""Only the last promotion in the audit chain is champion; a worse one needs two persons."""

import json
from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from cli import app
from consent import audit, champion
from consent.tables import AUDIT
from firmpulse import tracking
from firmpulse.errors import (
    AuditError,
    ConfigurationError,
    GateFailed,
    ModelChangedError,
    NotPromotedError,
    NotReadyError,
)
from firmpulse.settings import Settings
from operations import health, status
from scoring import batch, restated
from tests import credit_economy
from training import pipeline, promotion, proposals, versions

AS_OF, CONFIG = credit_economy.AS_OF, credit_economy.CONFIG
WEAK = replace(CONFIG, trials=0, boosting=MappingProxyType({"iterations": 3, "depth": 1}))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Version 1 is champion; version 2 is worse, and its logged metrics are those of version 1."""
    settings = credit_economy.trained_copy(tmp_path_factory).settings
    pipeline.promote(settings, AS_OF, "1", "Li Wei")
    assert pipeline.fit_candidate(settings, AS_OF, WEAK).version == "2"
    client = tracking.client(settings)
    first, second = (client.get_model_version(tracking.CREDIT_MODEL, one).run_id for one in "12")
    for name, value in client.get_run(first).data.metrics.items():
        client.log_metric(second, name, value, step=1)
    return settings


def _move(settings: Settings, version: str) -> None:
    """Move the alias like someone on MLflow's page."""
    client = tracking.client(settings)
    client.set_registered_model_alias(tracking.CREDIT_MODEL, tracking.CHAMPION, version)


def _of_models(settings: Settings) -> list[tuple[str, str]]:
    # The rules in force read features that this economy lacks, so `look` cannot be used.
    return [(one.severity, one.text) for one in status._models(settings, None)]


@pytest.fixture
def moved(home: Settings) -> Iterator[Settings]:
    """Version 2 has the alias, but was not promoted."""
    _move(home, "2")
    yield home
    _move(home, "1")


def test_a_moved_alias_scores_nothing_and_says_what_to_do(moved: Settings) -> None:
    told = (
        "MLflow names version 2 of firmpulse-credit champion, but the last promotion in the audit "
        r"chain is of version 1 \(.*, Li Wei\)\. Restore it with: firmpulse models restore"
    )
    for reader in (
        lambda: batch.score(moved, AS_OF),
        lambda: health.measure(moved, AS_OF),
        lambda: restated.restated(moved, AS_OF),
        lambda: versions.get(moved, "champion"),
    ):
        with pytest.raises(NotPromotedError, match=told):
            reader()
    ((severity, text),) = _of_models(moved)
    assert severity == status.PROBLEM
    assert "no night scores: MLflow names version 2" in text


def test_the_alias_is_put_back_by_a_command(
    moved: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRMPULSE_HOME", str(moved.root))
    said = CliRunner().invoke(app, ["models", "restore"])
    assert said.output == "Version 1 is champion; the next night scores with it.\n"
    assert batch.score(moved, AS_OF).champion == "1"
    assert all(severity != status.PROBLEM for severity, _ in _of_models(moved))


def test_an_alias_that_was_removed_is_no_champion_either(home: Settings) -> None:
    client = tracking.client(home)
    client.delete_registered_model_alias(tracking.CREDIT_MODEL, tracking.CHAMPION)
    with pytest.raises(NotPromotedError, match=r"names no version .* last promotion .* version 1"):
        batch.score(home, AS_OF)
    assert versions.restore_alias(home) == "1"


def test_an_alias_without_any_promotion_is_refused(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    settings = credit_economy.trained_copy(tmp_path_factory).settings
    assert batch.score(settings, AS_OF).champion is None
    _move(settings, "1")
    with pytest.raises(NotPromotedError, match="the audit chain has no promotion; promote it"):
        batch.score(settings, AS_OF)
    with pytest.raises(NotReadyError, match="no version was ever promoted"):
        versions.restore_alias(settings)


def test_other_files_under_the_promoted_number_are_refused(home: Settings) -> None:
    """Someone replaced the files, and the digest that MLflow stores beside them."""
    client = tracking.client(home)
    key = tracking.CREDIT_MODEL, "1", tracking.FILES_DIGEST
    own = client.get_model_version(*key[:2]).tags[tracking.FILES_DIGEST]
    client.set_model_version_tag(*key, "0" * 64)
    try:
        with pytest.raises(NotPromotedError, match="differ from what Li Wei promoted on"):
            batch.score(home, AS_OF)
        with pytest.raises(ModelChangedError, match="not in MLflow as it was promoted"):
            versions.restore_alias(home)
    finally:
        client.set_model_version_tag(*key, own)
    assert champion.champion(home) is not None


@pytest.fixture
def open_store(home: Settings) -> Iterator[sa.Engine]:
    """Drop what guards the chain's rows, like someone with full access to the database."""
    engine = sa.create_engine(home.control_db_url)
    with engine.begin() as connection:
        guards = connection.execute(
            sa.text("select name, sql from sqlite_master where type = 'trigger'")
        ).fetchall()
        for name, _ in guards:
            connection.execute(sa.text(f"drop trigger {name}"))
    yield engine
    with engine.begin() as connection:
        for _, statement in guards:
            connection.execute(sa.text(statement))
    engine.dispose()


def test_a_promotion_that_was_forged_in_the_control_store_is_refused(
    home: Settings, open_store: sa.Engine
) -> None:
    (entry,) = audit.entries(home, action="PROMOTE")
    of_entry = AUDIT.c.seq == entry.seq
    forged = json.dumps(json.loads(entry.details) | {"version": "2"}, sort_keys=True)
    _move(home, "2")
    with open_store.begin() as connection:
        connection.execute(sa.update(AUDIT).where(of_entry).values(details=forged))
    with pytest.raises(AuditError, match="the audit chain is broken"):
        batch.score(home, AS_OF)
    # Or the entry is gone, as if there had been no promotion.
    with open_store.begin() as connection:
        connection.execute(sa.delete(AUDIT).where(of_entry))
    _move(home, "1")
    with pytest.raises(AuditError, match="the audit chain is broken"):
        champion.champion(home)
    with open_store.begin() as connection:
        connection.execute(sa.insert(AUDIT), [entry.row()])
    assert champion.champion(home) is not None


def test_what_a_tag_of_mlflow_says_makes_no_earlier_champion(home: Settings) -> None:
    client = tracking.client(home)
    key = tracking.CREDIT_MODEL, "2", versions.PROMOTED_AT
    client.set_model_version_tag(*key, "2020-01-01T00:00:00+00:00")
    try:
        with pytest.raises(
            NotReadyError, match="version 1 is champion and there is none before it"
        ):
            versions.roll_back(home, "Li Wei", "alerts doubled")
    finally:
        client.delete_model_version_tag(*key)


def test_a_worse_candidate_takes_a_reason_and_a_second_person(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRMPULSE_HOME", str(home.root))
    worse = "version 2 .* is worse than the champion, version 1, beyond chance: auc 0"
    with pytest.raises(GateFailed, match=worse):
        promotion.promote(home, AS_OF, "2", "Wang Fang", CONFIG)
    with pytest.raises(NotReadyError, match="no promotion of version 2 waits"):
        proposals.decide(home, "2", "Zhao Min", approve=True)

    report = promotion.promote(
        home, AS_OF, "2", "Wang Fang", CONFIG, because="version 1 reads a source that ends"
    )
    assert (report.promoted, champion.named(home).version) == (False, "1")  # type: ignore[union-attr]
    assert "difference -0." in str(report.proposed)
    assert any("is proposed by Wang Fang: version 1 reads" in text for _, text in _of_models(home))
    with pytest.raises(ConfigurationError, match="someone else must decide it"):
        proposals.decide(home, "2", "ｗａｎｇ  fang", approve=True)
    with pytest.raises(ConfigurationError, match="--checker"):
        proposals.decide(home, "2", " ", approve=True)

    proposals.decide(home, "2", "Zhao Min", approve=False)
    with pytest.raises(NotReadyError, match="no promotion of version 2 waits"):
        proposals.decide(home, "2", "Zhao Min", approve=True)

    why = ["--approver", "Wang Fang", "--because", "version 1 reads a source that ends"]
    said = CliRunner().invoke(app, ["models", "promote", "2", *why], env={"COLUMNS": "400"})
    assert "firmpulse models decide 2 --approve --checker NAME" in said.output
    said = CliRunner().invoke(app, ["models", "decide", "2", "--approve", "--checker", "Zhao Min"])
    assert said.output == "Version 2 is champion; the next night scores with it.\n"
    details = json.loads(audit.entries(home, action="PROMOTE")[-1].details)
    assert (details["approver"], details["checker"]) == ("Wang Fang", "Zhao Min")
    assert details["because"] == "version 1 reads a source that ends"
    assert batch.score(home, AS_OF).champion == "2"

    # Better than the champion: by one person, as always.
    assert promotion.promote(home, AS_OF, "1", "Li Wei", CONFIG).promoted
    # A promotion ends earlier proposals.
    assert proposals.pending(home) == {}
    restored, taken_back = versions.roll_back(home, "Li Wei", "alerts doubled")
    assert (restored.version, taken_back.version) == ("2", "1")
