"""From an id on the screen to its code in one search: ids are written out where they are given."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

import migrator
from migrator.engine.migration import CLEANUP, REBOOT, ROLLBACK, STEPS, Step
from migrator.planning.checks.catalogue import RULES
from migrator.proof import checks as proof_checks
from migrator.proof.catalogue import RULES as PROOF_RULES
from migrator.proof.checks import cleanup

ROOT = Path(migrator.__file__).parent
# id: how many functions give it, where one subject has several
SEVERAL = {
    "unreadable-file": 2,  # the kubelet's files, and all others
    "unwritable": 2,  # what the switch writes, and where packages are put
    "overruled": 6,  # units, sysctl files, lists of modules; CRI-O's files, and registries'
    "crio-broken": 3,  # its configuration, registries.conf, and what cannot be read of either
    "package-conflict": 2,  # of any runtime, and Docker's own packages of containerd
    "containerd-imports": 2,  # what imports what, and what one file does
    "docker-socket-mounts": 2,  # before a migration, and before a cleanup
    "control-plane": 2,  # the second reads a pod's label of that name
}


def places(*folders: str) -> Iterator[tuple[str, set[str]]]:
    """Give each function, class or other statement of modules with the texts that stand in it."""
    for path in sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        if path.name == "catalogue.py":
            continue
        for part in ast.parse(path.read_text(encoding="utf-8")).body:
            name = getattr(part, "name", ast.unparse(part)[:30])
            yield (
                f"{path.stem}.{name}",
                {
                    word.value
                    for word in ast.walk(part)
                    if isinstance(word, ast.Constant) and isinstance(word.value, str)
                },
            )


CHECKS, ELSEWHERE = list(places("planning/checks")), list(places("planning", "rollout", "runtimes"))


@pytest.mark.parametrize("identity", RULES)
def test_a_findings_id_stands_in_the_function_that_gives_it(identity: str) -> None:
    """And in no other, but where one subject is looked at in several places; one that no check gives stands elsewhere."""
    found = [name for name, words in CHECKS if identity in words] or [
        name for name, words in ELSEWHERE if identity in words
    ]

    assert len(found) == SEVERAL.get(identity, 1), found


def test_no_findings_id_is_composed() -> None:
    """`found` is called with an id that is written out, or with one of a table in the same function."""
    for path in sorted((ROOT / "planning").rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "found":
                given = call.args[0]
                assert isinstance(given, ast.Constant | ast.Name | ast.Attribute | ast.IfExp), f"{path}:{call.lineno}"


@pytest.mark.parametrize("identity", PROOF_RULES)
def test_a_proofs_id_stands_beside_its_function(identity: str) -> None:
    """On one line of the table of checks, which names the function."""
    tables = {**proof_checks.OF_CONTAINERS, **proof_checks.OF_SESSION}
    source = inspect.getsource(proof_checks)

    assert source.count(f'\n    "{identity}": ') == (identity != proof_checks.RUNS)
    assert callable(tables[identity])


def test_each_kind_of_what_is_left_has_its_check() -> None:
    """They are written out one by one."""
    assert [f"left-{kind}" for kind in cleanup.KINDS] == [name for name in proof_checks.OF_SESSION if "left-" in name]


@pytest.mark.parametrize(
    ("step", "chosen"), [(step, chosen) for chosen in (STEPS, ROLLBACK, REBOOT, CLEANUP) for step in chosen],
    ids=lambda value: value.id if isinstance(value, Step) else "",
)  # fmt: skip
def test_a_steps_id_stands_beside_its_functions(step: Step, chosen: tuple[Step, ...]) -> None:
    """In one row of the tuple, which names what decides, does and undoes it."""
    literals = [
        word.value
        for path in [ROOT / "engine" / "migration.py"]
        for word in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(word, ast.Constant)
    ]  # fmt: skip

    assert step.id in literals
    assert [entry.id for entry in chosen].count(step.id) == 1
    assert inspect.getsource(step.act).startswith("def ")
