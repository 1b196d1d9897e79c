"""All data of a firm's report, read for many firms with one query per table.

Only data known at the date are used, and only sources with a grant in force then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import duckdb
import polars as pl

from consent.grants import ASSESSMENT
from consent.ledger import Ledger
from features import registry
from features.registry import Registry
from firmpulse import scale, warehouse
from firmpulse.calendar import add_months, last_complete_month
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings
from model import coverage, stress
from model.bundle import CreditModel
from scoring import inputs
from scoring.pages import facts
from scoring.warnings import measures

MONTHS = 24
Row = dict[str, Any]


@dataclass(frozen=True)
class Stressed:
    """The effect of a scenario on a firm's score, all else unchanged."""

    scenario: stress.Scenario
    default_prob: float
    score: int
    grade: str


@dataclass(frozen=True)
class Dossier:
    """One firm at one date."""

    firm_id: str
    as_of: date
    # The last 24 complete months, oldest first.
    months: tuple[date, ...]
    # Rows of the published tables; a history ends with the newest.
    score: Row
    scores: list[Row]
    reasons: list[Row]
    warnings: list[Row]
    levels: list[Row]
    override: Row | None
    champion: Row | None
    model: Row
    # Feature → value, None if not observed.
    features: Row
    # Feature → its Chinese and English name.
    names: Mapping[str, tuple[str, str]]
    # Feature → share of the firms of the same division at or below it.
    percentiles: Mapping[str, float]
    stressed: tuple[Stressed, ...]
    # Grants in force for the recipient, and their sources.
    grants: list[Row]
    granted: frozenset[str]
    # Fact → month → row; facts of sources that are not granted are absent.
    monthly: Mapping[str, Mapping[date, Row]] = field(default_factory=dict)
    # Fact → its first known month, which may be before `months`.
    firsts: Mapping[str, date] = field(default_factory=dict)
    # Day → balance of all accounts.
    balances: list[tuple[date, float]] = field(default_factory=list)
    # Direction → share and amount of each of the largest counterparties, largest first.
    partners: Mapping[str, list[Row]] = field(default_factory=dict)
    # Open receivables by time overdue.
    ageing: Row | None = None
    registration: Row | None = None
    tax_grades: list[Row] = field(default_factory=list)
    # Source without monthly facts → newest month in which something of it became known.
    until: Mapping[str, date] = field(default_factory=dict)
    # Inputs of warnings other than features, such as the days by which a power bill is late.
    measures: Row = field(default_factory=dict)

    @property
    def final_grade(self) -> str:
        """The valid grade: that of an approved override, else the model's."""
        return str((self.override or self.score)["grade"])

    @property
    def level(self) -> str | None:
        """The warning level in force, None before the firm was first checked."""
        return str(self.levels[-1]["level"]) if self.levels else None

    @property
    def stale(self) -> frozenset[str]:
        """Sources whose extract is overdue."""
        return frozenset(self.levels[-1]["stale_sources"] if self.levels else ())

    def has(self, source: str) -> bool:
        """Whether the source is granted and any of its data were observed."""
        return source in self.granted and any(
            self.monthly.get(fact) for fact in facts.OF_SOURCE[source]
        )


def read(settings: Settings, as_of: date, firm_ids: Sequence[str] | None = None) -> list[Dossier]:
    """Return the dossier of each of the firms, or of every scored firm, in order of firm_id.

    Raises:
        NotReadyError: a firm has no score at `as_of`, or no grant in force.
    """
    known = registry.load(settings)
    live = Ledger(settings).live(as_of, purposes=ASSESSMENT, recipient=settings.recipient)
    with warehouse.connect(settings) as connection:
        scored = _of_night(connection, "scores", as_of).filter(
            pl.col("firm_id").is_in(live["firm_id"].unique().to_list())
        )
        wanted = sorted(set(firm_ids) if firm_ids is not None else set(scored["firm_id"]))
        _refuse_missing(set(wanted) - set(scored["firm_id"]), as_of)
        tables = _published(connection, as_of, wanted)
        collected = facts.collect(connection, as_of, wanted, last_complete_month(as_of), MONTHS)
        measured = measures.read(connection, as_of, pl.DataFrame({"firm_id": wanted}), live)
    version = str(tables["scores"].row(-1, named=True)["model_version"]) if wanted else ""
    model = inputs.load_model(settings, version) if wanted else None
    granted = live.filter(pl.col("firm_id").is_in(wanted))
    everyone = _features(settings, as_of, known, model, live) if model else pl.DataFrame()
    names = {feature.name: (feature.name_zh, feature.name_en) for feature in known.features}
    shocked = _stressed(known, model, everyone, wanted) if model else {}
    return [
        replace(
            _dossier(firm, as_of, tables, collected, granted, everyone, names, shocked),
            measures=measured.row(by_predicate=pl.col("firm_id") == firm, named=True),
        )
        for firm in wanted
    ]


def _refuse_missing(missing: set[str], as_of: date) -> None:
    if missing:
        raise NotReadyError(
            f"firm {min(missing)} has no score on {as_of}, or no grant in force that names this "
            f"recipient; check with: firmpulse consent status FIRM"
        )


def _of_night(connection: duckdb.DuckDBPyConnection, table: str, as_of: date) -> pl.DataFrame:
    query = f"from warehouse.scoring.{table} where as_of = ? order by all"
    return connection.execute(query, [as_of]).pl()


def _published(
    connection: duckdb.DuckDBPyConnection, as_of: date, firm_ids: list[str]
) -> dict[str, pl.DataFrame]:
    """Return rows up to `as_of` of the firms, by table; all rows of models."""
    firms = "where as_of <= ? and list_contains(?, firm_id) order by firm_id, as_of"
    tables = (
        "scores", "reasons", "warnings", "warning_levels", "overrides", "hidden_champions",
    )  # fmt: skip
    found = {
        table: connection.execute(f"from warehouse.scoring.{table} {firms}", [as_of, firm_ids]).pl()
        for table in tables
    }
    found["models"] = connection.execute("from warehouse.scoring.model_versions").pl()
    return found


def _features(
    settings: Settings,
    as_of: date,
    known: Registry,
    model: CreditModel,
    live: pl.DataFrame,
) -> pl.DataFrame:
    """Return every assessable firm with all features, for percentiles among peers."""
    return inputs.read_firms(settings, as_of, known, model, live, extra=known.names())


def _stressed(
    known: Registry, model: CreditModel, everyone: pl.DataFrame, firm_ids: list[str]
) -> dict[str, tuple[Stressed, ...]]:
    firms = everyone.filter(pl.col("firm_id").is_in(firm_ids))
    metas = inputs.metas_of(known, model)
    found: dict[str, list[Stressed]] = {firm: [] for firm in firms["firm_id"]}
    for scenario in stress.SCENARIOS:
        prob = model.default_prob(stress.shocked(firms, metas, scenario))
        for firm, one, points, grade in zip(
            firms["firm_id"], prob, scale.score(prob), scale.grade(prob), strict=True
        ):
            found[firm].append(Stressed(scenario, float(one), int(points), str(grade)))
    return {firm: tuple(results) for firm, results in found.items()}


def _dossier(
    firm: str,
    as_of: date,
    tables: Mapping[str, pl.DataFrame],
    collected: facts.Collected,
    live: pl.DataFrame,
    everyone: pl.DataFrame,
    names: Mapping[str, tuple[str, str]],
    shocked: Mapping[str, tuple[Stressed, ...]],
) -> Dossier:
    def rows(table: str, *, tonight: bool = False) -> list[Row]:
        own = tables[table].filter(pl.col("firm_id") == firm)
        return (own.filter(pl.col("as_of") == as_of) if tonight else own).to_dicts()

    scores = rows("scores")
    grants = live.filter(pl.col("firm_id") == firm).sort("source", "purpose").to_dicts()
    granted = frozenset(grant["source"] for grant in grants)
    # An override is for one grade of the model; a night scored again may give another.
    approved = [
        one
        for one in rows("overrides", tonight=True)
        if one["status"] == "approved" and one["model_grade"] == scores[-1]["grade"]
    ]
    champions = rows("hidden_champions", tonight=True)
    model = tables["models"].filter(pl.col("model_version") == scores[-1]["model_version"])
    last = last_complete_month(as_of)
    own = collected.of(firm, granted)
    return Dossier(
        firm_id=firm,
        as_of=as_of,
        months=tuple(add_months(last, step - MONTHS + 1) for step in range(MONTHS)),
        score=scores[-1],
        scores=scores,
        reasons=sorted(rows("reasons", tonight=True), key=lambda row: row["rank"]),
        warnings=rows("warnings", tonight=True),
        levels=rows("warning_levels"),
        override=approved[-1] if approved else None,
        champion=champions[0] if champions else None,
        model=model.row(0, named=True) if model.height else {},
        features=everyone.filter(pl.col("firm_id") == firm).row(0, named=True),
        names=names,
        percentiles=_percentiles(everyone, firm),
        stressed=shocked.get(firm, ()) if scores[-1]["grade"] != scale.DEFAULTED else (),
        grants=grants,
        granted=granted,
        **own,
    )


_PEERS_AT_LEAST = 10
_COMPARED = (
    "tax_sales_mean_12m", "tax_sales_growth_12m_yoy", "tax_sales_cv_12m", "tax_customer_hhi_12m",
    "tax_vat_burden_12m", "bank_days_cash_6m", "supply_on_time_share_12m", "power_growth_12m_yoy",
)  # fmt: skip


def _percentiles(everyone: pl.DataFrame, firm: str) -> dict[str, float]:
    own = everyone.filter(pl.col("firm_id") == firm)
    if "profile_industry" not in everyone.columns or own["profile_industry"].item() is None:
        return {}
    peers = everyone.filter(pl.col("profile_industry") == own["profile_industry"].item())
    found = {}
    for name in _COMPARED:
        if name not in everyone.columns or own[name].item() is None:
            continue
        values = peers[name].drop_nulls()
        if values.len() >= _PEERS_AT_LEAST:
            found[name] = float((values <= own[name].item()).mean() or 0)
    return found


def observed_months(dossier: Dossier) -> int:
    """Return the months since the first known fact of any source."""
    return int(dossier.features.get(coverage.OBSERVED_MONTHS) or 0)
