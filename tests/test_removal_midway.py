"""Once the packages are gone nothing ends a removal but a cut, and the next one completes it."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.mounting import Mounting, mounting, removed, with_run_folder
from tests.test_cleanup import Machine, docker_removal, stopped_docker

docker_files = importlib.import_module("ansible.module_utils.migrator_docker_files")


@pytest.fixture
def mount() -> Iterator[Mounting]:
    """Give what mounts."""
    with mounting() as made:
        yield made


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Give a node with a stopped Docker."""
    return with_run_folder(tmp_path, monkeypatch)


# What changes meanwhile.


def test_what_vanishes_meanwhile_is_gone(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is beside it goes all the same."""
    listdir = os.listdir
    monkeypatch.setattr(docker_files.os, "listdir", lambda path: ["ghost", *listdir(path), "zz-ghost"])
    problems: list[str] = []

    docker_removal.delete(str(machine.root / "containers"), problems)
    docker_removal.delete(str(machine.root / "never was"), problems)

    assert problems == []
    assert not (machine.root / "containers").exists()


def test_what_comes_meanwhile_is_told_once(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the folder that it keeps; its parents are not named too."""
    place = machine.root / "volumes" / "db" / "_data"
    rmdir = os.rmdir

    def late(path: str) -> None:
        if path == str(place):
            (place / "late").touch()
        rmdir(path)

    monkeypatch.setattr(docker_files.os, "rmdir", late)
    problems: list[str] = []

    docker_removal.delete(str(machine.root / "volumes"), problems)

    assert problems == [f"{place}: Directory not empty"]


def test_rules_and_bridges_are_looked_at_again(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that went by itself is gone; a bridge that got a member keeps its network, and is told."""

    def bridges() -> tuple[dict[str, list[str]], list[str]]:
        if not removed(machine):
            return {"docker0": [], "br-0123456789ab": []}, []
        return {} if "ip link delete" in machine.said else {"docker0": []}, ["br-0123456789ab"]

    def rules(free: dict[str, list[str]]) -> tuple[list[str], list[str]]:
        return [f"iptables -D x{number}" for number in range(len(free) + 1) if free], []

    monkeypatch.setattr(docker_removal, "bridges", bridges)
    monkeypatch.setattr(docker_removal, "rules", rules)
    now = docker_removal.look()
    assert len(now["rules"]) == 3

    problems = docker_removal.absent(now)

    assert problems == ["br-0123456789ab stays: something is plugged into it by now"]
    assert [said for said in machine.said if said.startswith(("ip", "iptables"))] == [
        "iptables -D x0", "iptables -D x1", "ip link delete",
    ]  # fmt: skip


def test_a_firewall_that_cannot_be_read_any_more_ends_nothing(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The packages are gone by then: the data goes too, and the rules are told."""
    now = docker_removal.look()

    def locked(_: object) -> None:
        if removed(machine):
            raise docker_removal.NodeError("xtables lock")

    monkeypatch.setattr(docker_removal, "rules", lambda free: locked(free) or ([], []))

    assert docker_removal.absent(now) == ["rules and bridges stay: xtables lock"]
    assert [path.name for path in machine.root.iterdir()] == ["lost+found"]


# What goes at the next boot.


def test_what_is_in_memory_only_is_told_and_not_failed(
    machine: Machine, mount: Mounting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither now nor by the next cleanup, which has nothing to do."""
    folder = mount.tmpfs(machine.root.parent / "memory") / "docker"
    (folder / "plugins").mkdir(parents=True)
    monkeypatch.setattr(docker_removal, "LEFT", (str(folder),))
    now = docker_removal.look()
    assert now["files"] == [str(folder)]
    remove = docker_removal.remove

    def meanwhile(seen: dict[str, Any]) -> Any:
        mount.tmpfs(folder / "plugins")
        return remove(seen)

    monkeypatch.setattr(docker_removal, "remove", meanwhile)

    problems = docker_removal.absent(now)

    assert problems == [
        f"{folder}/plugins stays: it belongs to another file system", f"{folder} goes at the next boot",
    ]  # fmt: skip
    assert not Path(docker_removal.RECORD).exists()
    after = docker_removal.look()
    assert after["passing"] == [str(folder)]
    assert not any(after[name] for name in ("files", "mounts", "stuck", "namespaces", "data", "packages", "refusal"))
    assert docker_removal.objection(after, after) == ""


def test_what_stays_on_a_disk_fails_and_is_found_by_the_next(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unreadable sector, say: all else is gone, what stays is named, and what was agreed to is remembered."""
    layer, unlink = str(machine.root / "overlay2" / "layer"), os.unlink

    def broken(path: str, **words: Any) -> None:
        if path == layer:
            raise OSError(5, "Input/output error")
        unlink(path, **words)

    with monkeypatch.context() as patch:
        patch.setattr(docker_files.os, "unlink", broken)
        with pytest.raises(docker_removal.NodeError, match="not all is gone: .*overlay2: .*layer: Input/output error"):
            docker_removal.absent(docker_removal.look())
    assert sorted(path.name for path in machine.root.iterdir()) == ["lost+found", "overlay2"]

    now = docker_removal.look()
    assert (now["strange"], now["containers"], docker_removal.objection(now, now)) == ([], [], "")
    assert docker_removal.absent(now) == []


# Cut short.


class CutError(BaseException):
    """The connection is lost, the power goes: nothing is caught any more."""


def cut(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """End it before its `at`th change."""
    left = iter(range(at))

    def counted(function: Callable[..., Any], changes: Callable[..., bool]) -> Callable[..., Any]:
        def one(*words: Any, **more: Any) -> Any:
            if changes(*words) and next(left, None) is None:
                raise CutError
            return function(*words, **more)

        return one

    for name in ("unlink", "rmdir"):
        monkeypatch.setattr(docker_files.os, name, counted(getattr(os, name), lambda *_: True))
    questions = ("dpkg-query", "cat", "--no-act", "config", "-S")
    monkeypatch.setattr(docker_removal, "run", counted(docker_removal.run, lambda argv: not set(argv) & set(questions)))


def test_a_removal_may_be_cut_short_anywhere(tmp_path: Path) -> None:
    """The next one needs no other consent than the first, and completes it."""
    at = 0
    while True:
        with pytest.MonkeyPatch.context() as outer:
            folder = tmp_path / str(at)
            folder.mkdir()
            machine = stopped_docker(folder, outer)
            shown = docker_removal.look()
            with outer.context() as inner:
                cut(inner, at)
                try:
                    docker_removal.absent(shown)
                except CutError:
                    whole = False
                else:
                    whole = True
            now = docker_removal.look()
            assert set(now["containers"]) <= set(shown["containers"]), at
            assert set(now["volumes"]) <= set(shown["volumes"]), at
            assert (now["strange"], docker_removal.objection(now, now)) == ([], ""), at
            assert docker_removal.absent(now) == [], at
            assert [path.name for path in machine.root.iterdir()] == ["lost+found"], at
            assert not (folder / "dockershim").exists(), at
            assert not Path(docker_removal.RECORD).exists(), at
        if whole:
            break
        at += 1
    assert at > 15


def test_a_container_that_came_after_the_cut_is_seen(machine: Machine) -> None:
    """Docker may have been started again; only what was half removed is known."""
    shown = docker_removal.look()
    docker_removal.write_file(docker_removal.RECORD, json.dumps(shown).encode(), 0o600)
    for name, text in (("half", None), ("new", '{"Name": "/new", "Config": {}}')):
        (machine.root / "containers" / name).mkdir()
        if text:
            (machine.root / "containers" / name / "config.v2.json").write_text(text)

    now = docker_removal.look()

    assert now["containers"] == ["ci", "new"]
    assert docker_removal.objection(now, shown) == "a container that was not shown: new"
