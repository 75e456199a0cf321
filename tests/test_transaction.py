"""What a switch must have before it begins, and what of files survives it: on real files, with real attributes."""

from __future__ import annotations

import fcntl
import importlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migrator.hosts.runner import _LIMITS
from migrator.planning.checks import drain
from tests.test_node_modules import (
    Tree,
    digest,
    entry,
    inode,
    migrator_node,
    node_switch,
    put,
    removal,
    service,
    switching,
)

IMMUTABLE, APPEND_ONLY = 0x10, 0x20
history = importlib.import_module("ansible.module_utils.migrator_inspect_history")
inspect_files = importlib.import_module("ansible.module_utils.migrator_inspect_files")
journals = sys.modules[switching.Journal.__module__]


def has_attributes(folder: Path) -> bool:
    """Tell whether files there have extended attributes of every kind."""
    probe = folder / "probe"
    probe.touch()
    try:
        for name in ("user.a", "trusted.a", "security.selinux"):
            os.setxattr(probe, name, b"a")
    except OSError:
        return False
    finally:
        probe.unlink()
    return True


def flag(path: Path, wanted: int) -> None:
    """Set a file's flags, as chattr does."""
    descriptor = os.open(path, os.O_RDONLY)
    size = struct.calcsize("l") << 16 | ord("f") << 8
    try:
        has = struct.unpack("=Q", fcntl.ioctl(descriptor, 2 << 30 | size | 1, bytes(8)))[0]
        fcntl.ioctl(descriptor, 1 << 30 | size | 2, struct.pack("=Q", has & ~(IMMUTABLE | APPEND_ONLY) | wanted))
    finally:
        os.close(descriptor)


@pytest.fixture
def flagged() -> Iterator[Callable[[Path, int], None]]:
    """Give what sets flags, and takes them away afterwards."""
    changed: list[Path] = []

    def lock(path: Path, wanted: int) -> None:
        try:
            flag(path, wanted)
        except OSError as error:
            pytest.skip(f"no such flags here: {error}")
        changed.append(path)

    yield lock
    for path in changed:
        flag(path, 0)


def test_odd_signs_in_mount_points_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are written as octal numbers (proc(5))."""
    (tmp_path / "mountinfo").write_text("36 35 98:0 / /a\\040b\\134c rw - ext4 /dev/x rw\n")
    monkeypatch.setattr(inode, "MOUNTS", str(tmp_path / "mountinfo"))

    assert inode.mount_points() == {"/a b\\c"}


def test_a_read_only_file_system_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without trying to write."""
    real = os.statvfs(tmp_path)
    flags = [*real[:8], real.f_flag | os.ST_RDONLY, real[9]]
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(flags))

    assert inode.obstacle(str(tmp_path / "no" / "file")).endswith("is on a file system that is mounted read-only")


# Space.


def test_no_room_on_another_file_system_leaves_nothing(tmp_path: Path) -> None:
    """A part that was set aside already goes again."""
    journal = switching.Journal(str(tmp_path / "t"))

    with pytest.raises(OSError, match="No space left|File too large|Invalid"):
        journal.set_space_aside({str(tmp_path / "other"): 2**62})

    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []


# The node's own order.


def inspected(root: Path) -> Any:
    """Give what the inspection says of a node's switches."""
    return history.transactions(Tree(str(root)))


def test_open_switches_are_never_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many others there are, and whatever they are called."""
    monkeypatch.setattr(history, "MOST_FILES", 3)
    for number in range(9):
        line = {"action": "write files" if number == 0 else "done", "number": number, "at": number}
        put(tmp_path, {f"{history.TRANSACTIONS}/t{8 - number}/journal.jsonl": json.dumps(line) + "\n"})
    put(
        tmp_path,
        {f"{history.TRANSACTIONS}/huge/journal.jsonl": "x" * (2**20 + 1), f"{history.TRANSACTIONS}/none/x": ""},
    )

    found = inspected(tmp_path)

    assert sorted(found) == ["huge", "t0", "t1", "t2", "t8"]
    assert (found["huge"]["last"], found["t8"]["last"], found["t0"]["number"]) == ("damaged", "write files", 8)


def test_the_inspection_says_what_cannot_be_written(tmp_path: Path, flagged: Callable[[Path, int], None]) -> None:
    """It tries nothing: what it sees is known before the drain."""
    put(tmp_path, {"/etc/one": "", "/etc/good": "", "/etc/locked": "", "/etc/dir/x": "", "/etc/systemd/system/x": ""})
    os.link(tmp_path / "etc/one", tmp_path / "etc/two")
    flagged(tmp_path / "etc/locked", IMMUTABLE)
    flagged(tmp_path / "etc/dir", APPEND_ONLY)
    flagged(tmp_path / "etc/systemd/system", IMMUTABLE)

    found = inspect_files.unwritable(
        Tree(str(tmp_path)), ["/etc/one", "/etc/good", "/etc/locked", "/etc/dir/new", "/etc/new"]
    )

    assert found == {
        "/etc/one": "/etc/one has 2 names (hard links): the others would keep the old file",
        "/etc/locked": "/etc/locked is immutable (chattr +i)",
        "/etc/dir/new": "/etc/dir is append-only (chattr +a)",
        "/etc/systemd/system": "/etc/systemd/system is immutable (chattr +i)",
    }


# What a file is besides its bytes.

KINDS = st.dictionaries(
    st.sampled_from(("user.note", "user.other", "trusted.own", "security.selinux")), st.binary(min_size=1, max_size=40)
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(KINDS, st.sampled_from([0o600, 0o640, 0o644, 0o755]), st.sampled_from([0, 4711]))
def test_attributes_survive_forth_and_back(tmp_path: Path, attributes: dict[str, bytes], mode: int, uid: int) -> None:
    """The new file has them, and so has the old one when it is put back, with mode and owner."""
    if not has_attributes(tmp_path) or os.getuid() != 0:
        pytest.skip("no extended attributes of every kind here")
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    path = folder / "config"
    path.write_text("old")
    path.chmod(mode)
    os.chown(path, uid, uid)
    for name, value in attributes.items():
        os.setxattr(path, name, value)
    before = seen(path)
    work = switching.Files(switching.Journal(str(folder / "t")), [entry(path, "new", digest("old"))])

    work.write()
    assert {name: os.getxattr(path, name) for name in os.listxattr(path)} == attributes
    assert path.read_text() == "new"
    for name in os.listxattr(path):
        os.removexattr(path, name)
    work.restore()

    assert seen(path) == before
    assert work.problems == []


def seen(path: Path) -> tuple[Any, ...]:
    """Give all that matters of a file."""
    status = path.stat()
    return path.read_bytes(), status.st_mode, status.st_uid, status.st_gid, migrator_node.attributes_of(str(path))


def test_an_access_list_survives(tmp_path: Path) -> None:
    """It is an extended attribute, and the group's part of the mode is its mask."""
    path = tmp_path / "config"
    path.write_text("old")
    path.chmod(0o640)
    # acl(5) as linux/posix_acl_xattr.h has it: version 2, then tag, permissions and id of each entry.
    entries = [(1, 6, -1), (2, 4, 4711), (4, 4, -1), (16, 4, -1), (32, 0, -1)]
    try:
        os.setxattr(
            path, migrator_node.ACCESS, struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *one) for one in entries)
        )
    except OSError as error:
        pytest.skip(f"no access lists here: {error}")
    before = seen(path)
    work = switching.Files(switching.Journal(str(tmp_path / "t")), [entry(path, "new", digest("old"))])

    work.write()
    assert seen(path)[4] == before[4]
    work.restore()

    assert seen(path) == before


def test_what_cannot_be_kept_is_told(tmp_path: Path) -> None:
    """A file system may refuse an attribute; the bytes are put back all the same."""
    path = tmp_path / "config"
    path.write_text("old")
    work = switching.Files(switching.Journal(str(tmp_path / "t")), [entry(path, "new", digest("old"))])
    work.write()
    lines = (
        (tmp_path / "t" / "journal.jsonl").read_text().replace('"attributes": {}', '"attributes": {"no.such": "eA=="}')
    )
    (tmp_path / "t" / "journal.jsonl").write_text(lines)

    work.restore()

    assert path.read_text() == "old"
    assert "no.such" in work.problems[0]


def test_an_older_journal_is_put_back(tmp_path: Path) -> None:
    """Its lines say nothing of attributes."""
    path = tmp_path / "config"
    path.write_text("old")
    work = switching.Files(switching.Journal(str(tmp_path / "t")), [entry(path, "new", digest("old"))])
    work.write()
    lines = [json.loads(line) for line in (tmp_path / "t" / "journal.jsonl").read_text().splitlines()]
    for line in lines:
        line.pop("attributes", None)
    (tmp_path / "t" / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    work.restore()

    assert (path.read_text(), work.problems) == ("old", [])


def test_new_files_and_folders_get_the_label_of_their_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where SELinux is on; a program that fails is told."""
    (tmp_path / "enforce").touch()
    words = []
    monkeypatch.setattr(journals, "SELINUX", str(tmp_path / "enforce"))
    monkeypatch.setattr(journals, "run", lambda argv, **_: words.append(argv) or (127, "", "not installed"))
    old = tmp_path / "old"
    old.write_text("old")
    work = switching.Files(
        switching.Journal(str(tmp_path / "t")), [entry(old, "x", digest("old")), entry(tmp_path / "new" / "f", "x")]
    )

    work.write()

    assert words == [["restorecon", str(tmp_path / "new")], ["restorecon", str(tmp_path / "new" / "f")]]
    assert len(work.problems) == 2


# What vanishes meanwhile.


def test_links_and_reservations_may_vanish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else removes them between the look and the deed."""
    monkeypatch.setattr(removal, "POD_LOGS", str(tmp_path))
    (tmp_path / "0.log").symlink_to("/var/lib/docker/containers/x")
    (tmp_path / "1.log").symlink_to("/var/lib/docker/containers/y")
    real = os.unlink
    monkeypatch.setattr(os, "unlink", lambda path: (real(path), real(path)))

    removal.remove_log_links("/var/lib/docker")
    reservation = tmp_path / "10.0.0.1"
    reservation.write_text("gone\n")
    removal.release_addresses([(str(reservation), "gone"), (str(tmp_path / "10.0.0.2"), "gone")])
    kept = tmp_path / "kept"
    kept.write_text("{}")
    removal.migrator_cni.release(str(kept), "", ())

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "printed", ["", "{", "null", "[]", '{"Spec": null}', '{"Spec": {"linux": {"namespaces": [1]}}}']
)
def test_a_client_that_prints_something_else_says_nothing(printed: str) -> None:
    """A container that is gone has no namespace to unmount."""
    assert [one for one in removal.namespaces_in(printed) if one] == []


# Times.


def test_the_limits_nest() -> None:
    """A container ends before its switch has to, that before another run gives up, and that before its playbook does."""
    steps = (
        removal.STOP_MOST_SECONDS, switching.FORTH_SECONDS, node_switch.LOCK_SECONDS, service.WAIT_SECONDS, _LIMITS["switch"] - 60,
    )  # fmt: skip
    assert list(steps) == sorted(set(steps))
    assert removal.STOP_MOST_SECONDS == drain.STOP_MOST_SECONDS


def test_a_program_that_cannot_be_run_says_so(tmp_path: Path) -> None:
    """A folder, or a file without permission, in the place of a program."""
    assert journals.run([str(tmp_path)], check=False)[0] == 126
    with pytest.raises(switching.NodeError, match="cannot be run: Permission denied"):
        journals.run([str(tmp_path)])


def test_real_lists_of_attributes_are_those_of_the_system(tmp_path: Path) -> None:
    """As lsattr shows the flags."""
    path = tmp_path / "f"
    path.touch()
    if (
        shutil.which("chattr") is None
        or subprocess.run(["chattr", "+i", path], capture_output=True, check=False).returncode
    ):
        pytest.skip("no chattr here")
    try:
        assert inode.lock_of(str(path)) == "immutable (chattr +i)"
    finally:
        subprocess.run(["chattr", "-i", path], check=True)
    assert inode.lock_of(str(path)) == inode.lock_of("/dev/null") == inode.lock_of("/no/such") == ""
