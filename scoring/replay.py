"""Recompute a published score, and report any differences.

The inputs of a score are the model version, the code, the features as known at its date, and the
grants then in force. Each is compared with the record of the score.
"""

from dataclasses import dataclass
from datetime import date

import duckdb
import polars as pl

from features import registry
from firmpulse import warehouse
from firmpulse.code_version import code_version
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings
from firmpulse.stored_tables import MARKS, REASONS, SCORES
from model.bundle import CreditModel
from scoring import batch, inputs, marks

# Columns about the origin of a score; the others are the score itself.
_ORIGIN = ("model_name", "model_version", "code_version")
_KEPT = f"select marks from warehouse.scoring.{MARKS.name} where firm_id = ? and as_of = ?"  # noqa: S608 - constant


@dataclass(frozen=True)
class Difference:
    """A part of a score that differs."""

    # A column of scores, `reasons` or `code_version`.
    part: str
    published: object
    replayed: object


@dataclass(frozen=True)
class Replay:
    """A recomputed score; without differences it equals the published one, bit for bit."""

    firm_id: str
    as_of: date
    model_version: str
    differences: tuple[Difference, ...]
    # Features of the model whose values differ.
    moved_features: tuple[str, ...] = ()

    @property
    def is_same(self) -> bool:
        """Whether the score, its reasons and its features equal the published ones bit for bit."""
        return not any(found.part != "code_version" for found in self.differences)


def replay(settings: Settings, firm_id: str, as_of: date) -> Replay:
    """Score one firm again with the model version that scored it, and compare.

    Args:
        settings: home folder.
        firm_id: token of the firm.
        as_of: date of the published score.

    Raises:
        NotReadyError: no such score is published, or its features or grants are gone.
    """
    published, reasons = _published(settings, firm_id, as_of)
    version = str(published["model_version"])
    model = inputs.load_model(settings, version)
    known = registry.load(settings)
    granted = inputs.assessable(settings, as_of, [firm_id])
    firms = inputs.read_firms(settings, as_of, known, model, granted)
    if firms.is_empty():
        raise NotReadyError(
            f"firm {firm_id} has no grant in force on {as_of} or no features of that date, so its "
            f"score cannot be recomputed; see: firmpulse consent status"
        )
    again = batch.score_firms(model, inputs.metas_of(known, model), firms, as_of)
    replayed = again.scores.row(0, named=True)
    columns = [name for name in SCORES.columns if name not in _ORIGIN]
    found = [
        Difference(name, published[name], replayed[name])
        for name in columns
        if published[name] != replayed[name]
    ]
    moved = _moved(settings, firm_id, as_of, model, again.marks["marks"].item())
    names = [name for name in REASONS.columns if name != "as_of"]
    now = again.reasons.sort("rank").select(names)
    if not reasons.select(names).equals(now):
        found.append(Difference("reasons", reasons["code"].to_list(), now["code"].to_list()))
    if published["code_version"] != code_version():
        found.append(Difference("code_version", published["code_version"], code_version()))
    return Replay(firm_id, as_of, version, tuple(found), moved)


def _published(
    settings: Settings, firm_id: str, as_of: date
) -> tuple[dict[str, object], pl.DataFrame]:
    """Return the published row of scores and rows of reasons."""
    with warehouse.connect_published(settings) as connection:
        key = [firm_id, as_of]
        scores = connection.execute("from scores where firm_id = ? and as_of = ?", key).pl()
        reasons = connection.execute(
            "from reasons where firm_id = ? and as_of = ? order by rank", key
        ).pl()
        if scores.is_empty():
            raise NotReadyError(
                f"no score of firm {firm_id} is published for {as_of}; its dates: "
                f"{_dates(connection, firm_id)}"
            )
    return scores.row(0, named=True), reasons


def _dates(connection: duckdb.DuckDBPyConnection, firm_id: str) -> str:
    rows = connection.execute(
        "select cast(as_of as varchar) from scores where firm_id = ? order by 1 desc limit 5",
        [firm_id],
    ).fetchall()
    return ", ".join(row[0] for row in rows) or "none"


def _moved(
    settings: Settings, firm_id: str, as_of: date, model: CreditModel, now: bytes
) -> tuple[str, ...]:
    """Return the model's features that differ from those used for the score."""
    with warehouse.connect(settings) as connection:
        kept = connection.execute(_KEPT, [firm_id, as_of]).fetchone()
    return tuple(marks.differing(kept[0], now, model.bundle.features)) if kept else ()
