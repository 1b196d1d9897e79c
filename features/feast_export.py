"""The registry as a Feast repository: feature views over Parquet files of the features.

Files contain tokens and features of firms that may be assessed now, without the sources that a firm
did not grant. If features are served from them, they must be rewritten when a grant ends.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined

from consent import audit
from consent.grants import ASSESSMENT
from consent.ledger import Ledger
from features import build, registry
from features.frame import SNAPSHOTS, frame
from features.permitted import withhold
from firmpulse import origin, warehouse
from firmpulse.errors import NotReadyError
from firmpulse.settings import Settings

DEFINITIONS, STORE, DATA = "features.py", "feature_store.yaml", "data"
_STORE = """\
project: firmpulse
provider: local
registry: data/registry.db
offline_store:
  type: duckdb
online_store:
  type: sqlite
  path: data/online.db
entity_key_serialization_version: 3
"""


@dataclass(frozen=True)
class FeastReport:
    """What was written: view → rows of its Parquet file."""

    folder: Path
    as_of: date
    firms: int
    rows: Mapping[str, int]


def export(settings: Settings, folder: Path) -> FeastReport:
    """Write a Feast repository of all feature views into a folder and record it in the audit log.

    Raises:
        NotReadyError: no night was built yet, or no firm may be assessed.
    """
    newest = build.newest_night(settings)
    known = registry.load(settings)
    granted = Ledger(settings).live(newest, purposes=ASSESSMENT, recipient=settings.recipient)
    (folder / DATA).mkdir(parents=True, exist_ok=True)
    rows = {}
    with warehouse.connect(settings) as connection:
        spine = connection.execute(
            f"select firm_id::varchar as firm_id, as_of from {SNAPSHOTS} "  # noqa: S608 - a constant
            "where as_of <= ? order by all",
            [newest],
        ).pl()
        permitted = spine.join(granted, on="firm_id", how="semi", maintain_order="left")
        if permitted.is_empty():
            raise NotReadyError(f"no firm with features may be assessed on {newest}")
        whose = origin.of_deliveries(connection)
        for view in known.views():
            values = frame(connection, known, permitted, known.names(view=view))
            values = withhold(values, known.features, granted)
            # Feast uses timestamps; a snapshot is for its day, from midnight on.
            stamped = values.with_columns(pl.col("as_of").cast(pl.Datetime("us", "UTC")))
            stamped.write_parquet(folder / DATA / f"{view}.parquet")
            rows[view] = values.height
    text = _definitions(known, whose)
    (folder / DEFINITIONS).write_text(text, encoding="utf-8")
    (folder / STORE).write_text(_STORE, encoding="utf-8")
    firms = permitted["firm_id"].n_unique()
    audit.append(
        settings,
        "EXPORT",
        actor=audit.actor(),
        kind="feast",
        as_of=newest.isoformat(),
        firms=firms,
        rows=sum(rows.values()),
        recipient=settings.recipient,
    )
    return FeastReport(folder, newest, firms, rows)


def _definitions(known: registry.Registry, whose: str) -> str:
    environment = Environment(
        loader=PackageLoader("features"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # The template is Python, so every text is written with repr.
        autoescape=False,  # noqa: S701
    )
    environment.filters["repr"] = repr
    views = [
        (view, [meta for meta in known.features if meta.view == view]) for view in known.views()
    ]
    return environment.get_template("feast.py.j2").render(views=views, whose=whose)
