"""The names that docs/architecture.md asks for: no constant with two values, no pronoun for a variable."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODULES = sorted(path for package in ("curbd", "lrfit") for path in (ROOT / package).rglob("*.py"))
PRONOUNS = {"each", "it", "its", "mine", "of", "one", "other", "ours", "that", "theirs", "this", "told", "which"}
TREES = {str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8")) for path in MODULES}


def constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Name and value of the constants of a module."""
    for node in tree.body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name) and target.id.isupper():
                    yield target.id, ast.unparse(node.value)


def test_no_constant_has_two_values() -> None:
    values = defaultdict(set)
    for module, tree in TREES.items():
        for name, value in constants(tree):
            values[name].add((value, module))
    twice = {name: sorted(found) for name, found in values.items() if len({value for value, _ in found}) > 1}
    assert not twice


def test_no_variable_is_a_pronoun() -> None:
    names = {
        (module, node.arg if isinstance(node, ast.arg) else node.id)
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.arg) or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    }
    assert not sorted((module, name) for module, name in names if name in PRONOUNS)
