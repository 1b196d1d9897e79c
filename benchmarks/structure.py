"""The structure of the code in numbers; prints one line per measure.

Run: python -m benchmarks.structure [FOLDER]
FOLDER is another checkout to measure. SQL counts where a text of a Python module begins with a
word of SQL; the longest import path is the longest chain of modules each of which imports the next.
"""

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

_BESIDE = {"tests", "benchmarks", "docs", "dbt_project"}
_SQL = re.compile(
    r"\s*(?:--.*\n\s*)*(?:select|with|from|insert|create|delete|update|copy|attach)\b",
    re.IGNORECASE,
)


def main() -> None:
    """Print the table."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    found = modules(folder)
    by_folder: dict[str, int] = {}
    for path in found.values():
        name = path.parent.relative_to(folder).as_posix()
        by_folder[name] = by_folder.get(name, 0) + 1
    _line("modules", len(found))
    _line("lines", sum(len(path.read_text("utf-8").splitlines()) for path in found.values()))
    for name, count in sorted(by_folder.items(), key=lambda entry: -entry[1])[:6]:
        _line(f"modules in {name}/", count)
    trees = {name: ast.parse(path.read_text("utf-8")) for name, path in found.items()}
    late = {name: len(_inside_functions(tree)) for name, tree in trees.items()}
    _line("imports inside functions", sum(late.values()))
    of_commands = sum(count for name, count in late.items() if "cli" in name.split("."))
    _line("... of them in the command line", of_commands)
    chain = _longest(trees)
    _line("longest import path", len(chain))
    print("  " + " > ".join(chain))
    sql = {name: sum(lines_of(text) for _, text in sql_texts(tree)) for name, tree in trees.items()}
    _line("lines of SQL in texts of Python", sum(sql.values()))
    _line("... number of modules with SQL", sum(count > 0 for count in sql.values()))
    tests = [path for path in (folder / "tests").rglob("test_*.py")]
    kinds: dict[str, int] = {}
    for path in tests:
        kind = path.relative_to(folder / "tests").parts[0]
        kinds[kind] = kinds.get(kind, 0) + len(
            re.findall(r"^def test_", path.read_text("utf-8"), re.M)
        )
    _line("test functions", sum(kinds.values()))
    for kind, count in sorted(kinds.items()):
        _line(f"... in tests/{kind}", count)


def _line(name: str, value: int) -> None:
    print(f"{name:<40}{value:>8,}")


def modules(folder: Path) -> dict[str, Path]:
    """Return dotted name → file of all modules of the packages."""
    tops = [path.parent for path in folder.glob("*/__init__.py") if path.parent.name not in _BESIDE]
    paths = sorted(path for top in tops for path in top.rglob("*.py"))
    return {_dotted(path.relative_to(folder)): path for path in paths}


def _dotted(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def _inside_functions(tree: ast.Module) -> list[ast.AST]:
    return [
        node
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]


def sql_texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and text of the SQL in a module; `{x}` stands for each value put into one."""
    for line, text in _texts(tree):
        if _SQL.match(text) and re.search(r"\s(?:from|into|table|view|set|values)\s", text):
            yield line, text


def lines_of(text: str) -> int:
    """Return how many lines of a text are not blank."""
    return len([line for line in text.splitlines() if line.strip()])


def _texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    formed = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    parts = {id(part) for node in formed for part in node.values}
    # A docstring may begin with "Update" or "From".
    parts |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in formed:
        values = (str(p.value) if isinstance(p, ast.Constant) else "{x}" for p in node.values)
        yield node.lineno, "".join(values)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.lineno, node.value


def _longest(trees: Mapping[str, ast.Module]) -> list[str]:
    """Return the longest chain of imports at the top of modules; there are no circles."""
    imported = {name: sorted(_imported(tree, trees) - {name}) for name, tree in trees.items()}

    @cache
    def below(name: str) -> tuple[str, ...]:
        chains = (below(other) for other in imported[name])
        return (name, *max(chains, key=len, default=()))

    return list(max((below(name) for name in trees), key=len))


def _imported(tree: ast.Module, known: Mapping[str, ast.Module]) -> set[str]:
    found = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in known else node.module for name in names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & set(known)


if __name__ == "__main__":
    main()
