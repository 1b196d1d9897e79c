"""The features, read from dbt's manifest; the YAML beside each model defines them."""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, get_args

from firmpulse import dbt_runner
from firmpulse.errors import ContractError
from firmpulse.settings import Settings
from firmpulse.sources import GRANTED_SOURCES

_META = ("name_zh", "dimension", "window", "unit", "expected_sign", "null_means")
_SIGNS = ("+", "-", "U")
_MONTHS = re.compile(r"(\d+)m")
# Change of a feature x when all sales of the last 12 months are multiplied by k: x·k, x/k,
# (1+x)·k−1, 1−(1−x)/k, x/(x+(1−x)·k).
UnderSales = Literal["proportional", "inverse", "growth", "margin", "inverse_share"]


@dataclass(frozen=True)
class FeatureMeta:
    """One feature, as its YAML defines it."""

    name: str
    view: str
    source: str
    dimension: str
    window: str
    unit: str
    # "+": a higher value means higher risk, "-": lower risk, "U": not monotone
    expected_sign: Literal["+", "-", "U"]
    null_means: str
    kind: Literal["number", "category"]
    name_zh: str
    name_en: str
    # Sources that a firm must have granted; if one is missing, the feature is not observed.
    sources: tuple[str, ...] = ()
    # None: it does not move with sales, or its change cannot be derived from the feature alone.
    under_sales: UnderSales | None = None
    # It moves with the calendar for most firms at once, such as with the Spring Festival.
    seasonal: bool = False
    # It follows how long the firm has been watched, such as the months observed.
    with_history: bool = False
    # A law or a practice changed on this day; windows that begin before mean something else.
    comparable_from: date | None = None
    # Lowest and highest value that it can have; None: no bound on that side.
    bounds: tuple[float | None, float | None] = (None, None)
    # Its view has rows at days of its own, each valid so many days; None: one row per snapshot.
    valid_days: int | None = None

    @property
    def window_months(self) -> int | None:
        """Months that a value looks back, None if not declared in months."""
        found = _MONTHS.fullmatch(self.window)
        return int(found[1]) if found else None


@dataclass(frozen=True)
class Registry:
    """All features in the order of their views and columns."""

    features: tuple[FeatureMeta, ...]

    def names(
        self,
        source: str | None = None,
        exclude_sources: Collection[str] = (),
        view: str | None = None,
    ) -> tuple[str, ...]:
        """Return feature names: of one source, of all sources but some, of one view.

        Raises:
            KeyError: there is no such view.
        """
        if view is not None and view not in self.views():
            raise KeyError(f"no feature view {view!r}; use one of {', '.join(self.views())}")
        return tuple(
            f.name
            for f in self.features
            if source in (None, f.source)
            and f.source not in exclude_sources
            and view in (None, f.view)
        )

    def categorical(self) -> tuple[str, ...]:
        """Return the names of category features."""
        return tuple(f.name for f in self.features if f.kind == "category")

    def tables(self) -> list[str]:
        """Return the full names of the views in the warehouse."""
        return [f"warehouse.features.{view}" for view in self.views()]

    def views(self) -> tuple[str, ...]:
        """Return the feature views, in order."""
        return tuple(dict.fromkeys(f.view for f in self.features))

    def __getitem__(self, name: str) -> FeatureMeta:
        """Return one feature; KeyError if there is none with that name."""
        for feature in self.features:
            if feature.name == name:
                return feature
        raise KeyError(f"no feature {name!r}; list them with: firmpulse features list")


def load(settings: Settings) -> Registry:
    """Return the registry from dbt's manifest; the project is parsed if it changed since."""
    return from_manifest(manifest(settings))


def manifest(settings: Settings) -> dict[str, Any]:
    """Return dbt's manifest; the project is parsed if it changed since."""
    path = dbt_runner.manifest_path(settings)
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def days_of_staging(settings: Settings) -> dict[str, str]:
    """Return masked table → its column with the day of a row, if it has one."""
    return _staging_meta(settings, "day")


def window_days(settings: Settings) -> dict[str, str]:
    """Return masked table → SQL of the day by which a grant's window admits its rows.

    Tables without one have rows from before the window too, such as a firm's registration.
    """
    return _staging_meta(settings, "window_day")


def _staging_meta(settings: Settings, key: str) -> dict[str, str]:
    return {
        node["name"]: node["config"]["meta"][key]
        for node in manifest(settings)["nodes"].values()
        if node["resource_type"] == "model" and key in node["config"]["meta"]
    }


def from_manifest(manifest: Mapping[str, Any]) -> Registry:
    """Return the registry that a dbt manifest describes.

    Raises:
        ContractError: a feature lacks a part of its definition, has an unknown one, or has the name
            of another feature.
    """
    models = sorted(
        (
            node
            for node in manifest["nodes"].values()
            if node["resource_type"] == "model" and "feature_source" in node["config"]["meta"]
        ),
        key=lambda node: str(node["name"]),
    )
    features = tuple(f for node in models for f in _features(node))
    views: dict[str, str] = {}
    for feature in features:
        if (other := views.setdefault(feature.name, feature.view)) != feature.view:
            raise ContractError(
                f"{other}.yml and {feature.view}.yml both define {feature.name}; rename one of them"
            )
    return Registry(features)


def _features(node: Mapping[str, Any]) -> tuple[FeatureMeta, ...]:
    return tuple(_feature(node, column) for column in node["columns"].values() if _meta(column))


def _meta(column: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = column["config"]["meta"]
    return found


def _feature(node: Mapping[str, Any], column: Mapping[str, Any]) -> FeatureMeta:
    meta = _meta(column)
    missing = [key for key in _META if key not in meta]
    if missing or meta.get("expected_sign") not in _SIGNS:
        wrong = ", ".join(missing) or f"expected_sign {meta['expected_sign']!r}"
        raise ContractError(f"{node['name']}.yml: {column['name']} lacks a valid {wrong}")
    source = node["config"]["meta"]["feature_source"]
    sources = meta.get("sources", [source] if source in GRANTED_SOURCES else [])
    if not set(sources) <= set(GRANTED_SOURCES):
        raise ContractError(f"{node['name']}.yml: {column['name']} has unknown sources {sources}")
    under_sales = meta.get("under_sales")
    if under_sales not in (None, *get_args(UnderSales)):
        raise ContractError(
            f"{node['name']}.yml: {column['name']} has under_sales {under_sales!r}; "
            f"use one of {', '.join(get_args(UnderSales))}"
        )
    meaning = FeatureMeta(
        name=column["name"],
        view=node["name"],
        source=source,
        dimension=meta["dimension"],
        window=meta["window"],
        unit=meta["unit"],
        expected_sign=meta["expected_sign"],
        null_means=meta["null_means"],
        kind="category" if column["data_type"] == "varchar" else "number",
        name_zh=meta["name_zh"],
        name_en=column["description"],
        sources=tuple(sources),
        under_sales=under_sales,
        seasonal=bool(meta.get("seasonal", False)),
        with_history=bool(meta.get("with_history", False)),
        comparable_from=_day(node, column, meta.get("comparable_from")),
        bounds=_bounds(node, column),
        valid_days=node["config"]["meta"].get("valid_days"),
    )
    if meaning.comparable_from and meaning.window_months is None:
        raise ContractError(
            f"{node['name']}.yml: {column['name']} has comparable_from and the window "
            f"{meaning.window!r}; give the window in months, such as 12m"
        )
    return meaning


def _bounds(
    node: Mapping[str, Any], column: Mapping[str, Any]
) -> tuple[float | None, float | None]:
    if column["data_type"] == "varchar":
        return None, None
    written = _meta(column).get("bounds")
    match written:
        case [int() | float() | None as low, int() | float() | None as high] if (
            low is None or high is None or low < high
        ):
            return (None if low is None else float(low), None if high is None else float(high))
    raise ContractError(
        f"{node['name']}.yml: {column['name']} has bounds {written!r}; write its lowest and its "
        f"highest value, such as [0, 1], with null where there is none"
    )


def _day(node: Mapping[str, Any], column: Mapping[str, Any], written: object) -> date | None:
    if written is None:
        return None
    try:
        return date.fromisoformat(str(written))
    except ValueError as wrong:
        raise ContractError(
            f"{node['name']}.yml: {column['name']} has comparable_from {written!r}; "
            f"write a day, such as '2024-12-01'"
        ) from wrong
