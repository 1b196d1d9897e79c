"""Pages of the site generated from the code, and those at the top of the project."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from cli import COMMANDS
from cli.lazy import imported
from extracts import contract_page, contracts
from features import registry
from features.registry import Registry
from firmpulse import stored_tables
from firmpulse.settings import PROJECT_ROOT, Settings
from scoring import publish
from scoring.warnings import rules

_DOCS = PROJECT_ROOT / "docs"
# Page of the site → file of the project.
_TOP = {
    "index.md": "README.md",
    "architecture.md": "ARCHITECTURE.md",
    "contributing.md": "CONTRIBUTING.md",
    "zh/index.md": "README.zh.md",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not files of the folder."""
    for page, content in pages().items():
        files.append(File.generated(config, page, content=content))
    return files


def pages() -> dict[str, str]:
    """Return the generated pages: path within the site → Markdown."""
    made = {page: _moved((PROJECT_ROOT / name).read_text("utf-8"), page)
            for page, name in _TOP.items()}  # fmt: skip
    made["decisions/index.md"] = _decisions()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder))
        known = registry.load(settings)
        made |= {
            "reference/commands.md": "\n".join(_commands()),
            "reference/settings.md": "\n".join(_settings()),
            "reference/contracts.md": "\n".join(_contracts()),
            "reference/features.md": "\n".join(_features(known)),
            "reference/tables.md": "\n".join(_tables()),
            "reference/stored-tables.md": "\n".join(_stored_tables()),
            "reference/rules.md": "\n".join(_rules(settings, known)),
        }
    return made


def _moved(text: str, page: str) -> str:
    """Return a page of the project's top with its links as the site has them."""
    up = "../" * page.count("/")
    links = {name: up + site for site, name in _TOP.items()}

    def replaced(found: re.Match[str]) -> str:
        target, anchor = found[1], found[2] or ""
        if target == "docs/decisions/":
            target += "index.md"
        if target.startswith("docs/"):
            return f"]({up}{target.removeprefix('docs/')}{anchor})"
        if target in links:
            return f"]({links[target]}{anchor})"
        # A file of the code, which is not in the site.
        return "](#)" if (PROJECT_ROOT / target).exists() else found[0]

    return re.sub(r"\]\(([^)#:]+)(#[^)]*)?\)", replaced, text)


def _decisions() -> str:
    lines = ["# Decisions", "", "Why it is built as it is, one page per decision.", ""]
    for path in sorted(_DOCS.glob("decisions/[0-9]*.md")):
        title = path.read_text("utf-8").partition("\n")[0].lstrip("# ")
        lines.append(f"- [{title}]({path.name})")
    return "\n".join(lines)


def _commands() -> Iterator[str]:
    yield "# Commands\n"
    yield "Every command is called as `.venv/bin/firmpulse …`. An expected error is one sentence"
    yield "and exit code 1.\n"
    for name in sorted(COMMANDS):
        command = imported(name, COMMANDS)
        yield from _command(command, f"firmpulse {name}", click.Context(command))


def _command(command: Any, path: str, context: click.Context) -> Iterator[str]:
    commands = getattr(command, "commands", None)
    yield f"\n{'##' if path.count(' ') == 1 else '###'} {path}\n"
    yield _paragraph(command.help)
    if commands:
        for name in sorted(commands):
            yield from _command(commands[name], f"{path} {name}", context)
        return
    rows = []
    for parameter in command.params:
        if parameter.name == "help":
            continue
        is_option = isinstance(parameter, click.Option) or parameter.param_type_name == "option"
        names = ", ".join(parameter.opts) if is_option else str(parameter.name).upper()
        default = parameter.default() if callable(parameter.default) else parameter.default
        needed = "required" if parameter.required else _cell(default or "")
        rows.append((f"`{names}`", needed, _cell(getattr(parameter, "help", "") or "")))
    if rows:
        yield from _table(("option or argument", "default", "meaning"), rows)


def _settings() -> Iterator[str]:
    yield "# Settings\n"
    yield "Environment variables; `firmpulse settings` shows what each is set to.\n"
    rows = []
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{field.default}`"
        rows.append((f"`FIRMPULSE_{name.upper()}`", default, _cell(field.description or "")))
    yield from _table(("variable", "default", "meaning"), rows)


def _contracts() -> Iterator[str]:
    yield "# Data contracts\n"
    yield "The tables that providers deliver. `firmpulse contracts page` makes a separate"
    yield "page for [a provider's engineer](../providers.md).\n"
    for section in contract_page.sections(contracts.load()):
        for contract in section.contracts:
            yield f"\n## {contract.table} {contract.name_zh}\n"
            yield f"Source `{contract.source}`. A row is {_cell(contract.grain.en)}. Known from: "
            yield f"{_cell(contract.publication_lag.en)}.\n"
            rows = [
                (
                    f"`{column.name}`",
                    _cell(", ".join(column.headers)),
                    column.physical_type,
                    "required" if column.required else "",
                )
                for column in contract.columns
            ]
            yield from _table(("column", "headers", "type", ""), rows)


def _features(known: Registry) -> Iterator[str]:
    yield "# Features\n"
    yield "Possible inputs of a model version, one row per firm and date. Sign: `+` means"
    yield "that a higher value is a higher risk, `-` a lower one, `U` neither. With figures:"
    yield "`firmpulse features show NAME` and `firmpulse features catalogue`.\n"
    for view in known.views():
        yield f"\n## {view}\n"
        rows = [
            (
                f"`{feature.name}`", _cell(feature.name_zh), _cell(feature.name_en),
                feature.dimension, feature.window, feature.unit, _range(feature.bounds),
                f"`{feature.expected_sign}`",
                _cell(feature.null_means),
            )
            for feature in known.features
            if feature.view == view
        ]  # fmt: skip
        head = ("feature", "名称", "meaning", "dimension", "window", "unit", "bounds", "sign",
                "when missing")  # fmt: skip
        yield from _table(head, rows)


def _range(bounds: tuple[float | None, float | None]) -> str:
    return " to ".join("–" if end is None else f"{end:g}" for end in bounds)


def _tables() -> Iterator[str]:
    yield "# Published tables\n"
    yield "The tables for analysts in `scores.duckdb` and its Parquet copies.\n"
    for table in stored_tables.PUBLISHED:
        yield f"\n## {table.published_name}\n"
        yield f"{table.grain}\n"
        rows = [(f"`{name}`", column.kind, _cell(column.meaning))
                for name, column in table.published_columns.items()]  # fmt: skip
        yield from _table(("column", "type", "meaning"), rows)
    yield "\n## Views\n"
    yield from _table(
        ("view", "what it shows"),
        [(f"`{name}`", _cell(meaning)) for name, (meaning, _) in publish.VIEWS.items()],
    )


def _stored_tables() -> Iterator[str]:
    yield "# Stored tables\n"
    yield "Tables of the warehouse and the vault besides the rows of firms. dbt builds masked rows,"
    yield "facts, features and labels; raw rows are those of the [data contracts](contracts.md)."
    yield "Columns in bold identify a row of the table.\n"
    for table in sorted(stored_tables.ALL, key=lambda one: (one.schema, one.name)):
        if not table.databases:
            continue
        yield f"\n## {table.schema}.{table.name}\n"
        published = f" Published as `{table.published_name}`." if table.published_name else ""
        yield f"{table.grain} In the {' and the '.join(table.databases)}, written by"
        yield f"`{table.owner}`.{published}\n"
        rows = [
            (
                f"**`{name}`**" if name in table.key else f"`{name}`",
                column.kind,
                "required" if column.required else "",
                _cell(column.meaning),
            )
            for name, column in table.columns.items()
        ]
        yield from _table(("column", "type", "", "meaning"), rows)


def _rules(settings: Settings, known: Registry) -> Iterator[str]:
    yield "# Warning rules\n"
    yield "The packaged rules; `warning_rules.yml` in the home folder replaces"
    yield "them: [warnings](../warnings.md).\n"
    rows = [
        (f"`{rule.id}`", rule.level, rule.source,
         _cell("; ".join(str(condition) for condition in rule.conditions)),
         _cell(rule.zh), _cell(rule.en))
        for rule in rules.load(settings, known).rules
    ]  # fmt: skip
    yield from _table(("rule", "level", "source", "holds when", "中文", "English"), rows)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield ""
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join('---' for _ in head)} |"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def _paragraph(text: str | None) -> str:
    return (text or "").replace("\n    ", "\n")


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
