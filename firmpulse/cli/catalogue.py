"""`firmpulse features list|show`: what is defined."""

from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from firmpulse.cli.feature_builds import backfill, drift, restated
from firmpulse.cli.leakage import check_leakage
from firmpulse.cli.progress import make_console
from firmpulse.errors import ConfigurationError
from firmpulse.settings import Settings

features_app = typer.Typer(no_args_is_help=True, help="The features and their definitions.")


@features_app.command("list")
def list_features(
    source: Annotated[str | None, typer.Option(help="Only features of this source.")] = None,
) -> None:
    """List the features with dimension, window and expected sign."""
    from features import registry

    # A name that is cut cannot be copied into `show`.
    names = Column("feature", no_wrap=True)
    table = Table(names, "source", "dimension", "window", "sign", "名称")
    features = registry.load(Settings()).features
    sources = sorted({feature.source for feature in features})
    if source is not None and source not in sources:
        raise ConfigurationError(f"no source {source!r}; there are {', '.join(sources)}")
    for feature in features:
        if source in (None, feature.source):
            table.add_row(
                feature.name, feature.source, feature.dimension, feature.window,
                feature.expected_sign, feature.name_zh,
            )  # fmt: skip
    make_console().print(table)


@features_app.command("show")
def show_feature(name: str) -> None:
    """Show one feature's definition."""
    from features import registry

    found = registry.load(Settings())
    if name not in found.names():
        raise ConfigurationError(f"no feature {name!r}; list them with: firmpulse features list")
    feature = found[name]
    table = Table(show_header=False)
    for field in feature.__dataclass_fields__:
        table.add_row(field, escape(str(getattr(feature, field))))
    make_console().print(table)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    features_app.command("check-leakage")(check_leakage)
    features_app.command()(backfill)
    features_app.command()(drift)
    features_app.command()(restated)
    app.add_typer(features_app, name="features")
