"""Inputs of a night's scoring: the model, the firms with grants, and their features."""

from collections.abc import Collection, Sequence
from datetime import date

import polars as pl

from consent.grants import ASSESSMENT
from consent.ledger import Ledger
from expectations import quarantine
from features.frame import SNAPSHOTS, frame
from features.permitted import withhold
from features.registry import FeatureMeta, Registry
from firmpulse import tracking, warehouse
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings
from firmpulse.sources import MAIN_SOURCES
from model import bundle, coverage
from model.bundle import CreditModel
from scoring.standing import standing
from scoring.warnings.measures import require


def load_model(settings: Settings, version: str) -> CreditModel:
    """Return a registered version of the credit model."""
    folder = tracking.model_folder(settings, tracking.CREDIT_MODEL, version)
    return bundle.load(folder / "artifacts" / "bundle")


def assessable(
    settings: Settings, as_of: date, firm_ids: Collection[str] | None = None
) -> pl.DataFrame:
    """Return the grants in force that let this recipient assess a firm, one row per grant."""
    live = Ledger(settings).live(as_of, purposes=ASSESSMENT, recipient=settings.recipient)
    return live if firm_ids is None else live.filter(pl.col("firm_id").is_in(list(firm_ids)))


def set_aside(settings: Settings, as_of: date) -> pl.DataFrame:
    """Return firm_id, text_zh and text_en of firms that a check has set aside before scoring."""
    with warehouse.connect(settings) as connection:
        return quarantine.held(connection, as_of)


def read_firms(
    settings: Settings,
    as_of: date,
    known: Registry,
    model: CreditModel,
    granted: pl.DataFrame,
    extra: Sequence[str] = (),
) -> pl.DataFrame:
    """Return one row per firm with a grant and a snapshot at `as_of`.

    Columns: keys, the model's features, coverage and its inputs, supplements, grants
    (authorisation numbers), in_default, is_individual.

    Args:
        settings: home folder.
        as_of: date of the scores.
        known: definitions of the features.
        model: the model whose features are read.
        granted: authorization_id, firm_id and source of the grants that allow an assessment;
            features from other sources are null.
        extra: features to read besides the model's.

    Raises:
        NotReadyError: no features were built for `as_of`.
    """
    names = dict.fromkeys((*model.bundle.features, *coverage.COVERAGE_FEATURES, *extra))
    with warehouse.connect(settings) as connection:
        spine = connection.execute(
            f"select cast(firm_id as varchar) as firm_id, as_of from {SNAPSHOTS} "  # noqa: S608 - constant
            f"where as_of = ? order by firm_id",
            [as_of],
        ).pl()
        if spine.is_empty():
            # A night may have no firm; then all that granted are listed as unscored.
            require(connection, "features.firm_snapshots", as_of)
        permitted = spine.join(granted, on="firm_id", how="semi", maintain_order="left")
        rows = frame(connection, known, permitted, list(names))
        stands = standing(connection, as_of)
    main = pl.col("source").is_in(MAIN_SOURCES)
    grants = granted.group_by("firm_id").agg(
        pl.col("source").filter(main).n_unique().alias("granted"),
        pl.col("authorization_id").sort().alias("grants"),
    )
    fewer = pl.min_horizontal(coverage.SOURCE_COUNT, pl.col("granted").cast(pl.Float64))
    return (
        withhold(rows, known.features, granted)
        .join(grants, on="firm_id", how="left", maintain_order="left")
        .join(stands, on="firm_id", how="left", maintain_order="left")
        .with_columns(
            fewer.alias(coverage.SOURCE_COUNT),
            pl.col("in_default", "is_individual").fill_null(value=False),
        )
        .drop("granted")
        .with_columns(coverage.tier(), coverage.supplements())
    )


def metas_of(known: Registry, model: CreditModel) -> tuple[FeatureMeta, ...]:
    """Return the definitions of the model's features, in its order.

    Raises:
        NotReadyError: a feature of the model no longer exists.
    """
    by_name = {feature.name: feature for feature in known.features}
    gone = [name for name in model.bundle.features if name not in by_name]
    if gone:
        raise NotReadyError(
            f"the champion reads {len(gone)} features that no longer exist (first: {gone[0]}); "
            f"train and promote a new version"
        )
    return tuple(by_name[name] for name in model.bundle.features)
