"""A small warehouse with outcomes that depend on known features, for training and scoring tests.

600 firms, eight quarterly snapshots with outcomes and one night to score. A latent quality moves
the features and the outcome, so that the true AUC is known to be well between chance and one.
"""

import json
import uuid
from dataclasses import asdict, dataclass, replace
from datetime import date

import duckdb
import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa

from consent import store, wording
from consent.grants import PURPOSES, Grant
from consent.tables import GRANTS
from features.registry import FeatureMeta, Registry
from firmpulse import dbt_runner, warehouse
from firmpulse.calendar import add_months, month_end
from firmpulse.settings import Settings
from firmpulse.sources import MAIN_SOURCES
from tests import watch_tables
from tests.homes import made_once
from training import pipeline
from training.config import DEFAULT
from training.pipeline import FitReport
from training.sampling import SampleReport
from training.validation.validate import ValidationReport

AS_OF = date(2026, 10, 31)
SNAPSHOTS = tuple(month_end(add_months(date(2024, 1, 1), 3 * step)) for step in range(8))
FIRMS = 600
# The last firms appear only in the out-of-time snapshots.
LATE_FIRMS = 60
# Like the default, with fewer trials and draws.
CONFIG = replace(DEFAULT, trials=2, bootstrap_draws=200, segment_draws=50)
INDUSTRIES = ("C17", "C33", "F51", "G54", "I65")
# Firms of the scored night with too little history, by position.
INSUFFICIENT, THIN, PARTIAL = 0, 1, 2
# Individual businesses.
INDIVIDUAL = (12, 15)

# name, source, dimension, sign, kind, loading on the latent quality (good = high)
_SHAPES = (
    ("tax_sales_12m", "tax", "scale", "-", "number", 0.9),
    ("tax_sales_growth_12m", "tax", "growth", "-", "number", 0.4),
    ("tax_sales_cv_12m", "tax", "stability", "+", "number", -0.9),
    ("tax_top1_share_12m", "tax", "concentration", "+", "number", -0.6),
    ("tax_red_share_12m", "tax", "compliance", "U", "number", 0.0),
    ("bank_days_cash_6m", "bank", "liquidity", "-", "number", 0.8),
    ("supply_on_time_share_12m", "supply_chain", "supply chain", "-", "number", 0.5),
    ("power_growth_12m", "power", "activity", "-", "number", 0.5),
    ("cross_invoice_bank_gap_6m", "cross", "consistency", "+", "number", -0.4),
    ("profile_firm_age_months", "profile", "profile", "-", "number", 0.3),
    ("statement_leverage", "statement", "liquidity", "+", "number", -0.5),
    ("statement_margin", "statement", "growth", "-", "number", 0.4),
)


def _meta(name: str, source: str, dimension: str, sign: str, kind: str) -> FeatureMeta:
    return FeatureMeta(
        name=name,
        view=f"feat_{source}_monthly",
        source=source,
        dimension=dimension,
        window="12m",
        unit="1",
        expected_sign=sign,
        null_means="not observed",
        kind=kind,
        name_zh=f"指标 {name}",
        name_en=name.replace("_", " "),
        sources=(source,) if source in MAIN_SOURCES else (),
    )


REGISTRY = Registry(
    (
        *(_meta(*shape[:5]) for shape in _SHAPES),
        _meta("profile_observed_months", "profile", "profile", "U", "number"),
        _meta("profile_source_count", "profile", "profile", "U", "number"),
        _meta("profile_industry", "profile", "profile", "U", "category"),
        _meta("founder_report_age_months", "founder_credit", "profile", "U", "number"),
        _meta("project_running_count", "project_contracts", "scale", "-", "number"),
    )
)


_LABEL_COLUMNS = (
    "outcome, matured_at, matured_at as available_at, date '9999-12-31' as superseded_at"
)


def firm_id(position: int) -> str:
    """Return the token of the firm at a position."""
    return str(uuid.UUID(int=(position * 2654435761 + 12345) % 2**64 << 64 | position))


def build_warehouse(settings: Settings) -> None:
    """Write features, spine and labels."""
    random = np.random.default_rng(7)
    quality = random.normal(size=FIRMS)
    days = (*SNAPSHOTS, AS_OF)
    features = pl.concat([_features(random, quality, day) for day in days])
    labels = pl.concat([_labels(random, quality, day) for day in SNAPSHOTS])
    with warehouse.connect(settings) as connection:
        connection.execute("create schema if not exists warehouse.features")
        connection.execute("create schema if not exists warehouse.labels")
        connection.register("features_rows", features)
        connection.register("label_rows", labels)
        for view in sorted({feature.view for feature in REGISTRY.features}):
            names = [feature.name for feature in REGISTRY.features if feature.view == view]
            _create(connection, f"features.{view}", ", ".join(names), "features_rows")
        _create(connection, "features.firm_snapshots", "1 as through_seq", "features_rows")
        _create(connection, "labels.default_12m", _LABEL_COLUMNS, "label_rows")
        _insert(connection, "facts.fct_loan_monthly", _loans(labels))
        _insert(connection, "staging.stg_tax__registration", _registrations())
    watch_tables.build(settings)
    _write_manifest(settings)
    _write_grants(settings)


def replace_labels_by_loans(settings: Settings, *, unknown_from: int = FIRMS) -> None:
    """Give every firm a loan up to 25 days after each snapshot, with the snapshot's outcome.

    Nothing monthly is known any more. Firms from `unknown_from` on were not followed to the end.
    """
    with warehouse.connect(settings) as connection:
        labelled = connection.execute(
            "select cast(firm_id as varchar) as firm_id, as_of, outcome "
            "from warehouse.labels.default_12m where outcome <> 'indeterminate' order by 1, 2"
        ).pl()
        loans = _loans_of(labelled)
        followed = loans.filter(
            pl.col("firm_id").is_in([firm_id(position) for position in range(unknown_from)])
        )
        connection.execute("drop table warehouse.labels.default_12m")
        connection.execute("drop table warehouse.facts.fct_loan_monthly")
        connection.register("loan_rows", loans)
        connection.register("followed_rows", followed)
        connection.execute(
            "create table warehouse.staging.stg_lender__loan as select cast(firm_id as uuid) as "
            "firm_id, cast(loan_id as uuid) as loan_id, decided_on, 'GRANTED' as decision, "
            "1 as record_version, decided_on + 1 as available_at from loan_rows"
        )
        # Each firm is refused once, on the same day.
        connection.execute(
            "insert into warehouse.staging.stg_lender__loan select firm_id, uuid(), "
            "date '2025-08-11', 'REFUSED', 1, date '2025-08-12' from (select distinct firm_id "
            "from warehouse.staging.stg_lender__loan)"
        )
        connection.execute(
            "create table warehouse.labels.loan_outcome_12m as select cast(firm_id as uuid) as "
            "firm_id, cast(loan_id as uuid) as loan_id, decided_on as as_of, outcome, "
            "if(outcome = 'bad', decided_on + 200, null) as defaulted_on, "
            "cast(decided_on + interval 12 month as date) + 1 as matured_at, "
            "cast(decided_on + interval 12 month as date) + 1 as available_at, "
            "date '9999-12-31' as superseded_at from followed_rows"
        )


def _loans_of(labelled: pl.DataFrame) -> pl.DataFrame:
    days = np.random.default_rng(11).integers(1, 26, labelled.height)
    numbers = [str(uuid.UUID(int=place + 1)) for place in range(labelled.height)]
    return labelled.select(
        "firm_id",
        pl.Series("loan_id", numbers),
        (pl.col("as_of") + pl.duration(days=pl.Series(days))).alias("decided_on"),
        "outcome",
    )


def _write_grants(settings: Settings) -> None:
    """Grant everything; the firms of this economy have tokens but no identifiers."""
    terms = {
        "recipient": "demo-bank", "window_start": date(2023, 1, 1), "valid_from": date(2023, 1, 1),
        "valid_to": date(2028, 10, 31), "keep_results": False, "separate_consent": True,
        "grantor_role": "legal_representative", "text_version": "2026-01",
        "text_sha256": wording.sha256("2026-01"), "state": "GRANTED",
    }  # fmt: skip
    rows = [
        {
            "authorization_id": f"A-{position:04d}-{source}-{purpose}",
            "firm_id": firm_id(position),
            "source": source,
            "purpose": purpose,
            **terms,
        }
        for position in range(FIRMS)
        for source in MAIN_SOURCES
        for purpose in PURPOSES
        if purpose != "CREDIT_EVAL"
    ]
    with store.writing(settings) as connection:
        connection.execute(sa.insert(GRANTS), rows)


def _create(connection: duckdb.DuckDBPyConnection, table: str, columns: str, rows: str) -> None:
    connection.execute(
        f"create table warehouse.{table} as "
        f"select cast(firm_id as uuid) as firm_id, as_of, {columns} "
        f"from {rows}"
    )


def _insert(connection: duckdb.DuckDBPyConnection, table: str, rows: pl.DataFrame) -> None:
    watch_tables.create(connection, table)
    connection.register("new_rows", rows)
    connection.execute(f"insert into warehouse.{table} by name from new_rows")


def _write_manifest(settings: Settings) -> None:
    """Write the part of dbt's manifest that the registry reads."""
    nodes = {
        view: {
            "name": view,
            "resource_type": "model",
            "config": {
                "meta": {"feature_source": view.removeprefix("feat_").removesuffix("_monthly")}
            },
            "columns": {
                feature.name: {
                    "name": feature.name,
                    "description": feature.name_en,
                    "data_type": "double" if feature.kind == "number" else "varchar",
                    "config": {"meta": asdict(feature)},
                }
                for feature in REGISTRY.features
                if feature.view == view
            },
        }
        for view in REGISTRY.views()
    }
    target = dbt_runner.target_path(settings)
    target.mkdir(parents=True)
    (target / "manifest.json").write_text(json.dumps({"nodes": nodes}), encoding="utf-8")


def _present(day: date) -> np.ndarray:
    positions = np.arange(FIRMS)
    return positions if day >= date(2025, 4, 30) else positions[: FIRMS - LATE_FIRMS]


def _features(random: np.random.Generator, quality: np.ndarray, day: date) -> pl.DataFrame:
    present = _present(day)
    latent = quality[present]
    columns: dict[str, object] = {
        "firm_id": [firm_id(int(position)) for position in present],
        "as_of": [day] * len(present),
    }
    for name, source, _, _, _, loading in _SHAPES:
        noise = random.normal(size=len(present))
        value = loading * latent + noise
        if source == "power":
            value[random.random(len(present)) < 0.3] = np.nan
        columns[name] = value
    months = np.full(len(present), 24.0)
    sources = np.full(len(present), 4.0)
    months[INSUFFICIENT], months[THIN], sources[PARTIAL] = 2.0, 5.0, 3.0
    columns["profile_observed_months"] = months
    columns["profile_source_count"] = sources
    columns["profile_industry"] = [INDUSTRIES[position % len(INDUSTRIES)] for position in present]
    columns["founder_report_age_months"] = np.where(present % 7 == THIN, present % 3, np.nan)
    columns["project_running_count"] = np.where(present % 5 == 4, present % 4, np.nan)
    frame = pl.DataFrame(columns)
    return frame.with_columns(pl.col(pl.Float64).fill_nan(None))


def _labels(random: np.random.Generator, quality: np.ndarray, day: date) -> pl.DataFrame:
    present = _present(day)
    risk = 1 / (1 + np.exp(2.6 + 1.3 * quality[present]))
    outcome = np.where(random.random(len(present)) < risk, "bad", "good").astype(object)
    outcome[random.random(len(present)) < 0.03] = "indeterminate"
    matured = month_end(add_months(day, 12)).toordinal() + 5
    return pl.DataFrame(
        {
            "firm_id": [firm_id(int(position)) for position in present],
            "as_of": [day] * len(present),
            "outcome": outcome.tolist(),
            "matured_at": [date.fromordinal(matured)] * len(present),
        }
    )


def _loans(labels: pl.DataFrame) -> pl.DataFrame:
    """Return a loan of every firm by month, 90 days past due half a year after its first bad date.

    Firms with other outcomes pay on time; what they owed in between does not matter here.
    """
    bad = labels.filter(pl.col("outcome") == "bad")
    first = dict(bad.group_by("firm_id").agg(pl.col("as_of").min()).iter_rows())
    months = [add_months(date(2024, 1, 1), step) for step in range(33)]
    rows = [
        (firm, month, 90 if firm in first and month_end(month) > add_months(first[firm], 6) else 0)
        for firm in labels["firm_id"].unique().sort()
        for month in months
    ]
    known = pl.DataFrame(rows, schema=["firm_id", "month", "days_past_due"], orient="row")
    return known.with_columns(
        available_at=pl.col("month").dt.month_end(), superseded_at=pl.lit(date(9999, 12, 31))
    )


def _registrations() -> pl.DataFrame:
    """Return a registration of every firm; individual businesses belong to one person."""
    return pl.DataFrame(
        [
            {
                "firm_id": firm_id(position),
                "registration_type": "个体工商户" if position in INDIVIDUAL else "有限责任公司",
                "province_code": ("44", "33")[position % 2],
                "record_version": 1,
                "delivery_seq": 1,
                "available_at": date(2023, 1, 2),
            }
            for position in range(FIRMS)
        ]
    )


@dataclass(frozen=True)
class Trained:
    """A home with the sampled economy, all models fitted and the candidate validated."""

    settings: Settings
    sample: SampleReport
    candidate: FitReport
    baseline: FitReport
    logistic: FitReport
    validation: ValidationReport


def trained_copy(factory: pytest.TempPathFactory) -> Trained:
    """Return this worker's copy of the trained economy."""
    settings, made = made_once(factory, "credit-economy", _train)
    page = settings.validation_dir / made.validation.path.name
    return replace(made, settings=settings, validation=replace(made.validation, path=page))


def _train(settings: Settings) -> Trained:
    build_warehouse(settings)
    sample = pipeline.sample(settings, AS_OF)
    candidate = pipeline.fit_candidate(settings, AS_OF, CONFIG)
    return Trained(
        settings=settings,
        sample=sample,
        candidate=candidate,
        baseline=pipeline.fit_statements(settings, AS_OF, CONFIG),
        logistic=pipeline.fit_logistic(settings, AS_OF, CONFIG),
        validation=pipeline.validate(settings, AS_OF, candidate.version, CONFIG),
    )


def waiting_grant() -> Grant:
    """Return a live grant of a firm that has no rows yet."""
    return Grant(
        authorization_id="A-waiting",
        firm="uscc:914403001922038216",
        source="tax",
        purpose="POST_LOAN_MONITOR",
        recipient="demo-bank",
        window_start=date(2023, 11, 1),
        valid_from=date(2023, 11, 1),
        valid_to=date(2028, 10, 31),
        text_version="2026-01",
    )
