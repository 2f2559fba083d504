"""The code stays readable: no function is longer than a screen."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = [
    path
    for folder in ("commands", "dae_tui", "models")
    for path in sorted((ROOT / folder).rglob("*.py"))
    # dae_tui/commands and dae_tui/models are links to the others.
    if not any(parent.is_symlink() for parent in path.parents)
]
MOST_LINES = 62
"""From `def` to the end, docstring included."""


def functions(source: str) -> Iterator[tuple[str, int]]:
    """The name and length of each function, but for those that are a command's list of options."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        decorators = map(ast.unparse, node.decorator_list)
        if not any(".command(" in decorator for decorator in decorators):
            assert node.end_lineno is not None
            yield node.name, node.end_lineno - node.lineno + 1


def test_functions_fit_on_a_screen() -> None:
    long = {
        f"{path.relative_to(ROOT)}: {name}": lines
        for path in SOURCES
        for name, lines in functions(path.read_text())
        if lines > MOST_LINES
    }
    assert not long


def test_lines_are_counted_and_commands_are_not() -> None:
    body = "\n".join(["    x = 1"] * 70)
    source = f"def long():\n{body}\n\n@app.command()\ndef command():\n{body}\n"
    assert dict(functions(source)) == {"long": 71}
