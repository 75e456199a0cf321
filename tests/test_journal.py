"""The journal on a node's disk, and files that are replaced: each line and each file is durable before what follows."""

from __future__ import annotations

import importlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.test_node_modules import migrator_node, service, switching

files = importlib.import_module("ansible.module_utils.migrator_files")
Journal = files.Journal


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give what was done to files, in its order: what was synced, and what was renamed or removed."""
    found: list[str] = []
    real = {name: getattr(os, name) for name in ("fsync", "rename", "unlink")}

    def fsync(descriptor: int) -> None:
        found.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        real["fsync"](descriptor)

    def rename(old: str, new: str) -> None:
        found.append(f"rename {Path(old).name} {Path(new).name}")
        real["rename"](old, new)

    def unlink(path: str) -> None:
        real["unlink"](path)
        found.append(f"unlink {Path(path).name}")

    for function in (fsync, rename, unlink):
        monkeypatch.setattr(os, function.__name__, function)
    return found


def test_a_line_is_durable_before_its_action(tmp_path: Path, done: list[str]) -> None:
    """The file and its entry in the folder: a power cut may come at any time."""
    Journal(str(tmp_path / "t")).write("stop the kubelet")

    assert done == ["sync journal.jsonl", "sync t"]


def test_a_file_is_whole_before_it_takes_its_place(tmp_path: Path, done: list[str]) -> None:
    """Its bytes are on the disk, then it is renamed, then the folder is."""
    migrator_node.write_file(str(tmp_path / "f"), b"x", 0o640, os.getuid(), os.getgid())

    assert done == ["sync .migrator-f.new", "rename .migrator-f.new f", f"sync {tmp_path.name}"]
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o640


def test_a_removal_is_durable(tmp_path: Path, done: list[str]) -> None:
    """And one of what is not there does nothing."""
    (tmp_path / "f").touch()

    assert migrator_node.remove_file(str(tmp_path / "f"))
    assert not migrator_node.remove_file(str(tmp_path / "f"))
    assert not migrator_node.remove_file(str(tmp_path / "f" / "x"))
    assert done == ["unlink f", f"sync {tmp_path.name}"]


@pytest.mark.parametrize("call", ["fsync", "chown", "chmod", "rename"])
def test_a_file_that_cannot_be_written_leaves_nothing(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither half a file nor another old one."""
    (tmp_path / "f").write_text("old")

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, fails)

    with pytest.raises(OSError, match="No space left"):
        migrator_node.write_file(str(tmp_path / "f"), b"new", 0o600, os.getuid(), os.getgid())
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("f", "old")]


def test_owner_and_mode_are_given_before_it_takes_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody ever sees it with others."""
    given: list[tuple[str, ...]] = []
    monkeypatch.setattr(
        os, "chown", lambda path, uid, gid: given.append(("chown", Path(path).name, str(uid), str(gid)))
    )

    migrator_node.write_file(str(tmp_path / "f"), b"x", 0o604, 4711, 4712)

    assert given == [("chown", ".migrator-f.new", "4711", "4712")]
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o604


def test_a_torn_line_did_not_happen(tmp_path: Path) -> None:
    """What a power cut left incomplete is not read, and goes when the next line is written."""
    journal = Journal(str(tmp_path))
    journal.write("begin")
    with (tmp_path / "journal.jsonl").open("a") as file:
        file.write('{"action": "write fi')
    assert [line["action"] for line in journal.entries()] == ["begin"]

    journal.write("undo")

    assert [line["action"] for line in journal.entries()] == ["begin", "undo"]


@pytest.mark.parametrize("line", [b"{", b"[]", b"1", b"null", b'"x"', b"{}", b"\xff", b'{"act\xff": 1}'])
def test_a_damaged_line_is_named(line: bytes, tmp_path: Path) -> None:
    """With the journal and its number: what it said to put back would be forgotten."""
    journal = Journal(str(tmp_path))
    journal.write("begin")
    with (tmp_path / "journal.jsonl").open("ab") as file:
        file.write(line + b"\n")
    journal.write("undo")

    with pytest.raises(switching.NodeError, match=r"line 2 of the journal .*/journal.jsonl is damaged"):
        journal.entries()


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('{"action": "done"}\n', False),
        ('{"action": "undone"}\n', False),
        ('{"action": "broken"}\n', True),
        ('{"action": "write files"}\n', True),
        ("damaged\n", True),
        ("", True),
    ],
)
def test_space_is_given_free_where_a_switch_is_over(text: str, tmp_path: Path, *, kept: bool) -> None:
    """After a cleanup there is no way back; one that is not over keeps its own."""
    journal = Journal(str(tmp_path / "t"))
    journal.set_space_aside()
    Path(journal.path).write_text(text)
    (tmp_path / "lock").touch()

    files.free_space(str(tmp_path))
    files.free_space(str(tmp_path / "none"))

    assert Path(journal.reserve).exists() is kept


def test_all_that_was_set_aside_is_given_free(tmp_path: Path) -> None:
    """On other file systems too, as the first line says."""
    journal, other = Journal(str(tmp_path / "t")), tmp_path / "other"
    journal.set_space_aside({str(other): 4096})
    journal.write("begin", reserves=[str(other)])
    assert (other.stat().st_size, Path(journal.reserve).stat().st_size) == (4096, files.RESERVE)
    assert journal.reserves() == [journal.reserve, str(other)]

    journal.use_space()

    assert not other.exists()
    assert not Path(journal.reserve).exists()


SPOILT: dict[str, tuple[Callable[[dict[str, Any]], Any], bool]] = {
    "as they shall be": (lambda _: None, True),
    "one of them is another": (lambda paths: paths["b"].write_text("theirs"), False),
    "one of them is gone": (lambda paths: paths["a"].unlink(), False),
}


@pytest.mark.parametrize(("spoil", "written"), SPOILT.values(), ids=SPOILT)
def test_files_are_written_when_all_are(
    spoil: Callable[[dict[str, Any]], Any], tmp_path: Path, *, written: bool
) -> None:
    """One that is not yet is enough for there to be something to do."""
    from tests.test_node_modules import entry

    paths = {name: tmp_path / name for name in "ab"}
    for name, path in paths.items():
        path.write_text(name)
    spoil(paths)

    wanted = files.Files(Journal(str(tmp_path / "t")), [entry(path, name) for name, path in paths.items()])

    assert wanted.written() is written


def test_the_program_runs_without_ansible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written to the node's disk is whole: the standard library is enough."""
    folder = tmp_path / "t"
    monkeypatch.setattr(service, "UNITS", str(tmp_path / "units"))
    service.install_program(str(folder))

    # Without a request there is nothing that it could do to this machine.
    monkeypatch.setenv("PATH", str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", PROGRAM, folder / "program", folder, tmp_path / "units"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    (line,) = (folder / "journal.jsonl").read_text().splitlines()
    assert json.loads(line)["cause"] == f"request.json is not in {folder}"


PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from ansible.module_utils import migrator_service
migrator_service.UNITS = migrator_service.UNITS_UNTIL_BOOT = sys.argv.pop()
del sys.argv[1]
import runpy
runpy.run_path(sys.path[0], run_name="__main__")
"""
"""Runs the program of a folder, with systemd's folders elsewhere."""
