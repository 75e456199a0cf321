"""A runtime is one folder and one object: nobody else decides by its name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import migrator
from migrator.runtimes.registry import RUNTIMES

ROOT = Path(migrator.__file__).parent
NAMES = frozenset({*RUNTIMES, *(runtime.scheme for runtime in RUNTIMES.values())})
ORDINARY = {
    "planning/checks/catalogue.py": {"containerd"},  # a heading of the documentation
    "planning/checks/docker_commands.py": {"docker"},  # the program, in a shell's text
    "runtimes/docker/keys.py": {"containerd"},  # a key of daemon.json
}
"""Files in which a name is a word of something else."""


def named(node: ast.AST | None) -> set[str]:
    """Give the runtimes that a literal names, as itself, before "://", or in a list, set or tuple."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value.partition("://")[0]} & NAMES
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return {name for entry in node.elts for name in named(entry)}
    if isinstance(node, ast.MatchValue):
        return named(node.value)
    if isinstance(node, ast.Call):  # frozenset({...}), or a name that is computed on the way
        return {name for entry in node.args for name in named(entry)}
    return set()


def decisions(tree: ast.AST) -> Iterator[tuple[int, set[str]]]:
    """Find what compares with a runtime's name, or picks by it: each line, with the names."""
    for node in ast.walk(tree):
        found: set[str] = set()
        if isinstance(node, ast.Compare):
            found = {name for part in (node.left, *node.comparators) for name in named(part)}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in {"startswith", "endswith", "removeprefix", "replace"}:
                found = {name for part in node.args for name in named(part)}
        elif isinstance(node, ast.MatchValue):
            found = named(node)
        elif isinstance(node, ast.Dict):
            found = {name for key in node.keys for name in named(key)}
        elif isinstance(node, ast.Subscript):
            found = named(node.slice) if "RUNTIMES" in ast.dump(node.value) else set()
        elif isinstance(node, ast.ClassDef) and any("Enum" in ast.dump(base) for base in node.bases):
            found = {name for line in node.body if isinstance(line, ast.Assign) for name in named(line.value)}
        if found:
            yield getattr(node, "lineno", 0), found


def theirs(path: Path) -> set[str]:
    """Name the runtimes that a file may decide by: those of its own folder, and ordinary words."""
    parts = path.relative_to(ROOT).parts
    ordinary = ORDINARY.get(str(path.relative_to(ROOT)), set())
    if parts[0] != "runtimes" or len(parts) < 3:
        return ordinary
    own = [runtime for runtime in RUNTIMES.values() if parts[1] in {runtime.name, runtime.source}]
    return ordinary | {word for runtime in own for word in (runtime.name, runtime.scheme)}


def test_nobody_decides_by_the_name_of_a_runtime() -> None:
    """No comparison, no table and no choice of the program's names a runtime, but in that runtime's own folder."""
    found = [
        f"{path.relative_to(ROOT)}:{line}: {', '.join(sorted(names - theirs(path)))}"
        for path in sorted(ROOT.rglob("*.py"))
        for line, names in decisions(ast.parse(path.read_text()))
        if names - theirs(path)
    ]

    assert not found, "ask the runtime's object (migrator/runtimes/runtime.py) instead:\n" + "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        'runtime == "crio"',
        '"containerd" != runtime',
        'runtime in {"docker", "rkt"}',
        'runtime not in ("cri-o",)',
        'runtime in frozenset({"docker"})',
        'reported.startswith("docker://")',
        'reported.startswith(("docker://", "rkt://"))',
        '{"containerd": 1}[runtime]',
        'RUNTIMES["containerd"].root',
        'registry.RUNTIMES["crio"]',
        'match runtime:\n    case "crio":\n        pass',
        'match runtime:\n    case "rkt" | "docker":\n        pass',
        'class To(StrEnum):\n    CRIO = "crio"',
        'name.replace("crio", "x")',
    ],
)
def test_such_decisions_are_found(text: str) -> None:
    """In whatever form they are written."""
    assert list(decisions(ast.parse(text)))


@pytest.mark.parametrize(
    "text", ['Rule("cri-dockerd")', 'unit = "docker"', 'path == "/etc/docker"', 'kind = ("runc", "crio")']
)
def test_a_word_is_no_decision(text: str) -> None:
    """A name that nothing hangs on may stand where it stands."""
    assert not list(decisions(ast.parse(text)))
