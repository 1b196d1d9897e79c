"""Runs dbt in this process and releases the DuckDB files afterwards."""

import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

from firmpulse import bounds, openlineage, runlog, warehouse
from firmpulse.errors import BuildFailed, FirmpulseError
from firmpulse.long_work import BuildProgress
from firmpulse.settings import PROJECT_ROOT, Settings

DBT_PROJECT = PROJECT_ROOT / "dbt_project"
_FAILED = {"error", "fail", "runtime error"}
# Failed nodes listed in a message.
_SHOWN = 3
# Prefixes of dbt's own messages: about columns, counts and rows of unit tests.
_OF_DBT = ("Compilation Error", "Got ", "actual differs from expected")
# Prefixes that name a node, before the database's message.
_NAMING = ("Runtime Error", "Database Error", "Dependency Error", "Parsing Error")
_KIND = re.compile(r"[A-Z][A-Za-z ]+ Error(?=:)")
# Errors of a database about names in the SQL; any other may quote a cell.
_OF_NAMES = re.compile(
    "(Binder|Catalog|Parser|Dependency) Error|Constraint Error: NOT NULL constraint failed"
)


@dataclass(frozen=True)
class NodeOutcome:
    """One model or test that dbt ran."""

    name: str
    status: str
    seconds: float
    message: str


def target_path(settings: Settings) -> Path:
    """Folder of dbt's manifest and compiled SQL."""
    return settings.root / "dbt" / "target"


def build(
    settings: Settings,
    select: Sequence[str],
    variables: dict[str, str],
    *,
    full_refresh: bool = False,
    step: runlog.Step | None = None,
) -> tuple[NodeOutcome, ...]:
    """Run `dbt build` on the selected nodes, without the unit tests of their models.

    Args:
        settings: home folder.
        select: nodes, as dbt selects them.
        variables: of the project.
        full_refresh: rebuild incremental models from scratch.
        step: gets the nodes, and its run is the parent of their lineage; without it none is sent.

    Raises:
        BuildFailed: a model, a constraint or a data test failed; the message names the first ones.
    """
    arguments = ["build", "--select", *select]
    # Parsing writes the manifest, and the outcome is read from memory.
    arguments += ["--exclude-resource-type", "unit_test", "--no-write-json"]
    if full_refresh:
        arguments.append("--full-refresh")
    result = _invoke(settings, arguments, variables, BuildProgress())
    if step:
        step.nodes += [
            runlog.Node(r.node.name, str(r.node.resource_type), str(r.status), r.execution_time)
            for r in result.results
        ]
        if step.run:
            _tell_lineage(settings, result, step.run)
    return _nodes(result)


def build_on_spark(
    settings: Settings, select: Sequence[str], variables: dict[str, str]
) -> tuple[NodeOutcome, ...]:
    """Run `dbt build --target spark` in the Spark session of this process.

    Raises:
        BuildFailed: a model, a constraint or a data test failed; the message names the first ones.
    """
    arguments = ["build", "--select", *select]
    arguments += ["--exclude-resource-type", "unit_test", "--target", "spark"]
    return _nodes(_run_dbt([*arguments, *_common(settings, settings.spark_dir / "dbt", variables)]))


def _tell_lineage(settings: Settings, result: Any, parent: openlineage.Run) -> None:
    manifest = _manifest(settings)
    for outcome in result.results:
        node = outcome.node
        timing = next((t for t in outcome.timing if t.name == "execute"), None)
        if node.resource_type != "model" or timing is None or timing.started_at is None:
            continue
        behind = [
            manifest.sources.get(name) or manifest.nodes[name] for name in node.depends_on.nodes
        ]
        run = openlineage.Run(
            job=f"dbt.{node.name}",
            as_of=parent.as_of,
            reads=tuple(map(_table, behind)),
            writes=(_table(node),),
            started_at=timing.started_at.replace(tzinfo=UTC),
            parent=parent,
        )
        openlineage.started(settings, run)
        error = None if outcome.status == "success" else _said(str(outcome.message))
        openlineage.ended(settings, run, timing.completed_at.replace(tzinfo=UTC), error=error)


def _table(node: Any) -> openlineage.Table:
    columns = {name: column.data_type or "" for name, column in node.columns.items()}
    return openlineage.Table(str(node.relation_name).replace('"', ""), columns)


def unit_test(
    settings: Settings, select: Sequence[str] = ("test_type:unit",)
) -> tuple[NodeOutcome, ...]:
    """Run the unit tests of the models; their inputs must have been built once before.

    Raises:
        BuildFailed: a unit test failed; the message names the first ones.
    """
    return _nodes(_invoke(settings, ["test", "--select", *select, "--no-write-json"]))


def compiled(settings: Settings, select: Sequence[str]) -> dict[str, str]:
    """Return each selected model's SQL as of a build from scratch."""
    result = _invoke(settings, ["compile", "--select", *select, "--full-refresh"])
    nodes = (r.node for r in result.results)
    return {node.name: node.compiled_code for node in nodes if node.resource_type == "model"}


def document(settings: Settings) -> str:
    """Return dbt's documentation of the project, as one self-contained page.

    It lists the models, their columns, tests and SQL, and no folder of this machine.
    """
    _invoke(settings, ["docs", "generate", "--static"])
    page = (target_path(settings) / "static_index.html").read_text(encoding="utf-8")
    for folder in (str(settings.root), str(PROJECT_ROOT)):
        # As escaped in JSON.
        page = page.replace(json.dumps(folder)[1:-1], "")
    return page


def manifest_path(settings: Settings) -> Path:
    """Return the path of the manifest, written anew if the project has a newer file."""
    path = target_path(settings) / "manifest.json"
    newest = max(file.stat().st_mtime for file in DBT_PROJECT.rglob("*") if file.is_file())
    if not path.exists() or path.stat().st_mtime < newest:
        return parse(settings)
    return path


def parse(settings: Settings) -> Path:
    """Write the manifest without touching any data; returns its path."""
    path = target_path(settings) / "manifest.json"
    written = _project(settings).written
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(written)
    return path


def _invoke(
    settings: Settings,
    arguments: list[str],
    variables: dict[str, str] | None = None,
    progress: BuildProgress | None = None,
) -> Any:
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    from firmpulse import dbt_plugin

    dbt_plugin.use(settings)
    # Parsing takes seconds and depends only on the project, not on variables or the home folder.
    manifest = None if arguments == ["parse"] else _manifest(settings)
    try:
        common = _common(settings, target_path(settings), variables or {})
        return _run_dbt([*arguments, *common], manifest, progress)
    finally:
        DuckDBConnectionManager.close_all_connections()


def _run_dbt(
    arguments: list[str], manifest: Any = None, progress: BuildProgress | None = None
) -> Any:
    from dbt.cli.main import dbtRunner

    logging.getLogger("dbt").setLevel(logging.ERROR)
    callbacks = [progress] if progress else []
    outcome = dbtRunner(manifest=manifest, callbacks=callbacks).invoke(arguments)
    if outcome.exception is not None:
        if own := _own_error(outcome.exception):
            raise own
        raise BuildFailed(f"dbt could not run: {outcome.exception}") from outcome.exception
    return outcome.result


def _own_error(error: BaseException | None) -> FirmpulseError | None:
    """Return our own error if dbt hit one when it opened the files."""
    while error is not None and not isinstance(error, FirmpulseError):
        error = error.__cause__ or error.__context__
    return error


def _common(settings: Settings, target: Path, variables: dict[str, str]) -> list[str]:
    return [
        "--vars", json.dumps({**bounds.VARIABLES, **variables}),
        "--project-dir", str(DBT_PROJECT),
        "--profiles-dir", str(DBT_PROJECT),
        "--target-path", str(target),
        "--log-path", str(settings.root / "dbt" / "logs"),
        "--log-level", "none",
        "--log-level-file", "info",
        "--no-use-colors",
    ]  # fmt: skip


@dataclass(frozen=True)
class _Project:
    """The parsed project; its manifest also as dbt wrote it, which names no home folder."""

    manifest: Any
    written: bytes


_parsed: _Project | None = None


def _project(settings: Settings) -> _Project:
    """Return the parsed project, once per process."""
    global _parsed
    if _parsed is None:
        manifest = _invoke(settings, ["parse"])
        _parsed = _Project(manifest, (target_path(settings) / "manifest.json").read_bytes())
    return _parsed


def _manifest(settings: Settings) -> Any:
    return _project(settings).manifest


def _nodes(result: Any) -> tuple[NodeOutcome, ...]:
    nodes = tuple(
        NodeOutcome(
            r.node.name,
            str(r.status),
            r.execution_time,
            _said(r.message or "") if str(r.status) in _FAILED else r.message or "",
        )
        for r in result.results
    )
    failed = [n for n in nodes if n.status in _FAILED]
    if any(warehouse.is_damage(r.message) for r in result.results if str(r.status) in _FAILED):
        raise warehouse.damaged("a page of the vault or of the warehouse")
    if failed:
        shown = "".join(f"\n  - {n.name}: {n.message}" for n in failed[:_SHOWN])
        more = f"\n  and {len(failed) - _SHOWN} more" if len(failed) > _SHOWN else ""
        raise BuildFailed(
            f"dbt failed on {len(failed)} of {len(nodes)} nodes:{shown}{more}\n"
            f"The SQL and the database's message are in dbt/logs/dbt.log of the home folder"
        )
    return nodes


def _said(message: str) -> str:
    """Return the safe part of a node's message; a database error that may quote cells as its kind.

    dbt names the model or test in the first line; the database's error follows.
    """
    lines = [line.strip() for line in message.strip().splitlines() if line.strip()]
    if not lines or lines[0].startswith(_OF_DBT):
        return message.strip()
    kind = next((k for line in lines if (k := _KIND.match(line)) and line != lines[0]), None)
    if kind is None:
        return lines[0] if lines[0].startswith(_NAMING) else "its text is in dbt's log"
    text = next(line for line in lines if line.startswith(kind[0]))
    said = text if _OF_NAMES.match(text) else f"{kind[0]}; its text may quote a cell"
    return f"{lines[0]}: {said}"
