"""What a switch must have before it begins, and what of files survives it: on real files, with real attributes."""

from __future__ import annotations

import errno
import fcntl
import importlib
import json
import os
import shlex
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
from migrator.planning.checks import draining
from tests.test_node_modules import (
    Tree,
    digest,
    entry,
    inode,
    migrator_node,
    node_switch,
    preparation,
    put,
    removal,
    service,
    switching,
)
from tests.test_switch import NEW, OLD, Machine, Module, asked, carried, machine

__all__ = ["carried", "machine"]

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


# Nothing is begun that cannot be undone.


def unwritable_units(machine: Machine) -> None:
    """Put a file where systemd's folder would be."""
    (machine.folder / "a-file").touch()
    machine.units = machine.folder / "a-file" / "units"
    service.UNITS = str(machine.units)  # the fixture puts it back


def test_a_unit_that_cannot_be_written_begins_nothing(machine: Machine, carried: list[str]) -> None:
    """Neither forth nor back is half done: there is no journal, and asking for the old state finds nothing to do."""
    unwritable_units(machine)

    with pytest.raises(switching.NodeError, match="^nothing was changed: "):
        asked(machine, "forth")

    assert (carried, machine.journal.exists(), machine.state) == ([], False, OLD)
    assert asked(machine, "back") == ("unchanged", "no such switch was begun here")


@pytest.mark.parametrize("number", range(24))
@pytest.mark.parametrize("call", ["open", "posix_fallocate", "symlink", "rename"])
def test_whatever_fails_before_it_begins_leaves_nothing(
    machine: Machine, carried: list[str], monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    """The n-th call of each kind fails: either the switch goes through, or the node is exactly as before."""
    machine.request  # noqa: B018 - it makes the socket
    before, real, count = files_of(machine.folder), getattr(os, call), [0]

    def fails(*given: Any, **more: Any) -> Any:
        count[0] += 1
        if count[0] == number + 1 and not carried:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(*given, **more)

    said = ""
    with monkeypatch.context() as patch:
        patch.setattr(os, call, fails)
        try:
            said = asked(machine, "forth")[0]
        except (switching.NodeError, OSError) as error:
            said = str(error)
    assert said == "switched" or said.startswith("nothing was changed: ")
    if carried:
        assert machine.state == NEW
    else:
        assert (files_of(machine.folder), machine.state) == (before, OLD)


def files_of(folder: Path) -> dict[str, bytes]:
    """Give every file below a folder; the socket is made by asking."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "socket"
    }


def test_back_of_what_only_began_needs_nothing(machine: Machine, carried: list[str]) -> None:
    """No unit, no Docker, no room: nothing was done, and that is written down."""
    machine.ask()
    unwritable_units(machine)
    machine.fails = lambda what: what.startswith("start ")

    assert asked(machine, "back") == ("restored", "")
    assert (machine.actions, carried, machine.state) == (["begin", "undone"], [], OLD)
    assert not (machine.journal / "reserve").exists()


def test_a_unit_without_a_journal_goes_at_the_next_boot(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module was killed before it wrote the first line: nothing was begun."""
    machine.ask()
    (machine.journal / "journal.jsonl").unlink()
    monkeypatch.setattr(switching.sys, "argv", ["program", str(machine.journal)])

    switching.main()

    assert not (machine.units / service.NAME).exists()
    assert (machine.state, (machine.journal / "journal.jsonl").exists()) == (OLD, False)


def test_the_way_back_needs_no_writable_units(machine: Machine, carried: list[str]) -> None:
    """The unit is run from where the next boot forgets it, and that is said."""
    asked(machine, "forth")
    unwritable_units(machine)

    result = node_switch.back(Module(machine), switching.Journal(str(machine.journal)))

    assert (result["outcome"], machine.state, carried) == ("restored", OLD, ["begin", "undo"])
    assert "not after a reboot" in result["problems"][0]
    assert (machine.until_boot / service.NAME).exists()


@pytest.mark.parametrize("lock", [IMMUTABLE, APPEND_ONLY], ids=["immutable", "append-only"])
@pytest.mark.parametrize("which", ["the file", "its folder", "systemd's folder", "the kubelet's drop-ins"])
def test_what_chattr_has_locked_begins_nothing(
    machine: Machine, carried: list[str], flagged: Callable[[Path, int], None], which: str, lock: int
) -> None:
    """It is said which one; a lock is not lifted silently."""
    drop_ins = machine.units / "kubelet.service.d"
    drop_ins.mkdir(parents=True)
    path = {"the file": machine.config, "its folder": machine.folder, "systemd's folder": machine.units}.get(
        which, drop_ins
    )
    machine.request  # noqa: B018 - it makes the socket
    (machine.folder / "journals").mkdir()
    flagged(path, lock)

    with pytest.raises(switching.NodeError, match=rf"nothing was changed: .*{path.name}.* is (immutable|append-only)"):
        asked(machine, "forth")

    assert (carried, machine.journal.exists(), machine.state) == ([], False, OLD)


def test_a_file_with_two_names_begins_nothing(machine: Machine, carried: list[str]) -> None:
    """Replacing one name would leave the old file under the other."""
    os.link(machine.config, machine.folder / "other")

    with pytest.raises(switching.NodeError, match=r"has 2 names \(hard links\)"):
        asked(machine, "forth")
    assert carried == []


def test_a_mount_of_one_file_begins_nothing(
    machine: Machine, carried: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """rename(2) onto a mount point gives EBUSY."""
    mounts = machine.folder / "mountinfo"
    mounts.write_text(f"36 35 98:0 / {machine.config} rw - ext4 /dev/x rw\n")
    monkeypatch.setattr(inode, "MOUNTS", str(mounts))

    with pytest.raises(switching.NodeError, match="is mounted there by itself"):
        asked(machine, "forth")
    assert carried == []


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


@pytest.mark.usefixtures("carried")
def test_space_is_kept_until_cleanup(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is a main reason to go back: what was set aside at the beginning is used for that."""
    asked(machine, "forth")
    assert (machine.journal / "reserve").stat().st_size == 4 * 2**20
    full(monkeypatch)

    assert asked(machine, "back") == ("restored", "")
    assert machine.state == OLD
    assert not (machine.journal / "reserve").exists()


@pytest.mark.usefixtures("carried")
def test_without_space_the_way_back_is_tried_where_it_fits(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A switch of an older version has kept nothing: the little that is needed may be free."""
    asked(machine, "forth")
    (machine.journal / "reserve").unlink()
    full(monkeypatch)

    assert asked(machine, "back") == ("restored", "")
    assert machine.state == OLD


def test_where_nothing_fits_nothing_is_stopped(
    machine: Machine, carried: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node goes on serving."""
    asked(machine, "forth")
    (machine.journal / "reserve").unlink()
    full(monkeypatch)
    monkeypatch.setattr(preparation, "room", lambda _: 4096)

    with pytest.raises(switching.NodeError, match="nothing was changed: .*No space left on device"):
        asked(machine, "back")
    assert (machine.state, carried) == (NEW, ["begin"])


def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fill the disk."""

    def lacks(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", lacks)


@pytest.mark.usefixtures("carried")
def test_space_goes_with_docker(machine: Machine) -> None:
    """After a cleanup there is no way back; a switch that is not over keeps its own."""
    asked(machine, "forth")
    opened = switching.Journal(str(machine.folder / "journals" / "opened"))
    opened.set_space_aside()
    opened.write("begin", boot="x")

    journals.free_space(str(machine.folder / "journals"))

    assert not (machine.journal / "reserve").exists()
    assert Path(opened.reserve).exists()


@pytest.mark.usefixtures("carried")
def test_every_file_system_keeps_its_own_space(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is put back in /etc needs room there, wherever the journal is."""
    other = Path("/dev/shm") / f"migrator-test-{os.getpid()}"  # noqa: S108 - of this process alone
    if not other.parent.is_dir() or other.parent.stat().st_dev == machine.folder.stat().st_dev:
        pytest.skip("no second file system here")
    other.mkdir()
    try:
        machine.config = other / "config.toml"
        machine.config.write_text("old")
        assert asked(machine, "forth") == ("switched", "")
        kept = other / ".migrator-switch.reserve"
        assert kept.stat().st_blocks * 512 >= 256 * 2**10
        full(monkeypatch)
        assert asked(machine, "back") == ("restored", "")
        assert not kept.exists()
    finally:
        shutil.rmtree(other)


def test_no_room_on_another_file_system_leaves_nothing(tmp_path: Path) -> None:
    """A part that was set aside already goes again."""
    journal = switching.Journal(str(tmp_path / "t"))

    with pytest.raises(OSError, match="No space left|File too large|Invalid"):
        journal.set_space_aside({str(tmp_path / "other"): 2**62})

    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []


# The node's own order.


@pytest.mark.usefixtures("carried")
def test_switches_are_counted_by_the_node(machine: Machine) -> None:
    """Whatever they are called."""
    numbers = []
    for name in ("20261201-000000-w", "20261130-000000-w", "a"):
        folder = machine.folder / "journals" / name
        machine.config.write_text("old")
        preparation.ask(str(folder), machine.request, {})
        (line,) = switching.Journal(str(folder)).entries()
        numbers.append(line["number"])
        switching.Journal(str(folder)).write("undone")

    assert numbers == [1, 2, 3]
    shutil.rmtree(machine.folder / "journals" / "20261201-000000-w")
    assert preparation.following(str(machine.folder / "journals")) == 4


@pytest.mark.parametrize("text", ['{"action": "write files"}\n', '{"action": "broken"}\n', "damaged\n"])
def test_nothing_is_begun_beside_a_switch_that_is_not_over(machine: Machine, carried: list[str], text: str) -> None:
    """The plan says so too; on the node it is looked at right before."""
    put(machine.folder, {"journals/other/journal.jsonl": text, "journals/nothing/x": ""})

    with pytest.raises(switching.NodeError, match="nothing was changed: the switch other is not over"):
        asked(machine, "forth")
    assert (carried, machine.state) == ([], OLD)


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


@pytest.mark.parametrize("gone", [False, True], ids=["changed", "gone"])
def test_a_file_that_others_change_after_the_beginning_is_no_reason_to_break(machine: Machine, *, gone: bool) -> None:
    """Going back makes it what it was when it was replaced."""
    machine.ask()
    machine.config.unlink() if gone else machine.config.write_text("theirs")
    work = switching.Files(switching.Journal(str(machine.journal)), switching.asked(str(machine.journal))["files"])

    work.write()
    assert machine.config.read_text() == "new"
    work.restore()

    assert (machine.config.exists(), gone or machine.config.read_text()) == (not gone, gone or "theirs")


def test_a_user_that_goes_after_the_beginning_keeps_nothing_from_going_back(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request has numbers since then."""
    machine.ask()

    def gone(_: str) -> None:
        raise KeyError

    monkeypatch.setattr(journals.pwd, "getpwnam", gone)
    monkeypatch.setattr(journals.grp, "getgrnam", gone)

    assert machine.proceed() == "done"


class Docker:
    """Docker with one container that is being removed already, for a while."""

    def __init__(self, looks: int) -> None:
        """Have it there for so many looks."""
        self.looks, self.asked = looks, 0

    def answer(self, method: str, *_: Any, accept: tuple[int, ...] = (), **__: Any) -> Any:
        """Answer a request; 500 and 409 come before it is gone."""
        if method == "DELETE":
            self.asked += 1
            if self.asked == 1 and 500 not in accept:
                raise switching.NodeError("device or resource busy")
        return {"DockerRootDir": "/var/lib/docker"}

    def containers(self, **_: Any) -> list[dict[str, Any]]:
        """List them."""
        self.looks -= 1
        if self.looks == 2:
            raise switching.NodeError("no such container")  # it went while the list was made
        return [] if self.looks < 0 else [{"Id": "a" * 64, "Labels": {}}]


@pytest.mark.parametrize("looks", [0, 1, 5])
def test_a_removal_that_is_under_way_is_waited_for(looks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Docker says 409, or fails once since something uses its files; the switch is not undone for that."""
    docker = Docker(looks)
    monkeypatch.setattr(removal, "docker", docker.answer)
    monkeypatch.setattr(removal, "docker_containers", docker.containers)
    monkeypatch.setattr(removal, "AGAIN_SECONDS", 0)

    assert removal.remove_docker_containers([{"Id": "a" * 64, "Labels": {}, "State": "exited"}], ()) == []


def test_a_container_that_stays_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what Docker said last, after its time."""
    monkeypatch.setattr(removal, "docker", Docker(9**9).answer)
    monkeypatch.setattr(removal, "docker_containers", Docker(9**9).containers)
    monkeypatch.setattr(removal, "REMOVE_SECONDS", -1)

    with pytest.raises(switching.NodeError, match="Docker still has containers of Kubernetes: aaaaaaaaaaaa; device or"):
        removal.remove_docker_containers([{"Id": "a" * 64, "Labels": {}, "State": "exited"}], ())


@pytest.mark.parametrize(
    "printed", ["", "{", "null", "[]", '{"Spec": null}', '{"Spec": {"linux": {"namespaces": [1]}}}']
)
def test_a_client_that_prints_something_else_says_nothing(printed: str) -> None:
    """A container that is gone has no namespace to unmount."""
    assert [one for one in removal.namespaces_in(printed) if one] == []


@pytest.mark.parametrize("what", [ValueError("no JSON"), KeyError("Spec"), OSError(5, "I/O"), switching.NodeError("x")])
def test_whatever_the_new_runtime_leaves_keeps_nothing_from_serving(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, what: Exception
) -> None:
    """It is told, and the rest is done."""
    machine.ask()
    machine.proceed()

    def fails(*_: object) -> None:
        machine.cri.clear()
        raise what

    monkeypatch.setattr(switching, "remove_cri_containers", fails)
    switching.Journal(str(machine.journal)).write("undo")

    assert machine.proceed() == "undone"
    assert machine.state == OLD
    assert len(machine.last()["problems"]) == 1


# While it must stay down it stays down, and then it is the right one.

MEANWHILE = (
    "stop_kubelet",
    "remove_docker_containers",
    "write_files",
    "restore_files",
    "start_containerd",
    "start_docker",
)


@pytest.mark.parametrize("moment", MEANWHILE)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_nobody_starts_the_kubelet_meanwhile(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, moment: str, *, after: bool
) -> None:
    """monit, Puppet or a person may try at any moment, forth and back: it runs with one runtime's flags in the end."""
    real = getattr(switching.Switch, moment)

    def meddled(self: Any, *given: Any) -> None:
        if after:
            real(self, *given)
        machine.run(["systemctl", "start", "kubelet.service"])
        if moment != "stop_kubelet" or after:
            assert machine.process("kubelet.service") == (0, "")
        if not after:
            real(self, *given)

    monkeypatch.setattr(switching.Switch, moment, meddled)
    machine.ask()
    assert machine.proceed() == "done"
    assert machine.process("kubelet.service")[1] == "new"
    switching.Journal(str(machine.journal)).write("undo")

    assert machine.proceed() == "undone"
    assert machine.process("kubelet.service")[1] == "old"
    assert machine.state == OLD


def test_a_kubelet_that_others_started_with_the_new_flags_is_started_anew(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where nothing holds it: a start does nothing to a service that runs."""
    monkeypatch.setattr(service, "hold", lambda _: None)
    put = switching.Switch.restore_files

    def watchdog_first(self: Any) -> None:
        machine.run(["systemctl", "start", "kubelet.service"])
        put(self)

    monkeypatch.setattr(switching.Switch, "restore_files", watchdog_first)
    machine.ask()
    machine.healthy, machine.dies = False, lambda: machine.process("kubelet.service")[1] == "new"

    assert machine.proceed() == "undone"
    assert machine.process("kubelet.service")[1] == "old"


def test_a_hold_that_is_not_in_force_begins_nothing_else(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The drop-in must have been read; otherwise the kubelet runs on, and the node is as it was."""
    monkeypatch.setattr(service, "held", lambda: False)
    machine.ask()

    assert machine.proceed() == "undone"
    assert "anybody could start the kubelet" in machine.last()["cause"]
    assert machine.state == OLD


@pytest.mark.parametrize("end", ["done", "undone", "broken"])
def test_no_end_leaves_a_kubelet_that_cannot_start(machine: Machine, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    """Where it is broken, a person has to be able to start it; the next boot holds it again, and tries again."""
    machine.ask()
    monkeypatch.setattr(switching.sys, "argv", ["program", str(machine.journal)])
    failing = {
        "undone": {"restart containerd.service"},
        "broken": {"restart containerd.service", "start docker.service"},
    }
    machine.fails = lambda what: what in failing.get(end, ())

    switching.main()

    assert machine.actions[-1] == end
    assert not (machine.journal / "kubelet-held").exists()
    machine.run(["systemctl", "start", "kubelet.service"])
    assert machine.process("kubelet.service")[0]
    drop_in = machine.units / "kubelet.service.d" / "zz-migrator-switch.conf"
    assert drop_in.exists() == (machine.units / service.NAME).exists() == (end == "broken")


def test_at_boot_it_is_held_before_the_program_runs(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before it has said that it is ready, the unit lets the kubelet's start go on; the mark is there by then.

    Only in the middle of a switch: a unit that cannot run its program must not keep a kubelet down that serves.
    """
    machine.ask()
    unit = (machine.units / service.NAME).read_text().splitlines()
    (command,) = [shlex.split(line.partition("=-")[2]) for line in unit if line.startswith("ExecStartPre=-")]
    mark = machine.journal / "kubelet-held"
    hold = (machine.units / "kubelet.service.d" / "zz-migrator-switch.conf").read_text().splitlines()
    assert f"ConditionPathExists=!{mark}" in hold

    def made() -> bool:
        subprocess.run(command, check=False, capture_output=True)
        return mark.exists()

    assert not made()
    at = {}
    real = switching.Switch.timed

    def looked(self: Any, name: str, action: Any) -> None:
        real(self, name, action)
        mark.unlink(missing_ok=True)
        at[name] = made()

    monkeypatch.setattr(switching.Switch, "timed", looked)
    monkeypatch.setattr(switching.sys, "argv", ["program", str(machine.journal)])
    switching.main()

    assert machine.actions[-1] == "done"
    assert at == dict.fromkeys(at, True)
    assert len(at) == 5
    assert not made()


ONCE = ("start", "stop", "restart", "enable", "disable", "daemon-reload")


@pytest.mark.parametrize("which", ["forth", "back"])
@pytest.mark.parametrize("number", range(12))
def test_whatever_systemctl_fails_once_it_ends_wholly_old_or_new(machine: Machine, number: int, which: str) -> None:
    """The n-th change that systemd is asked for fails: forth it goes back, back it tries again."""
    machine.ask()
    if which == "back":
        machine.proceed()
        switching.Journal(str(machine.journal)).write("undo")
    count = [0]

    def fails(what: str) -> bool:
        count[0] += what.startswith(ONCE)
        return what.startswith(ONCE) and count[0] == number + 1

    machine.fails = fails

    end = machine.proceed()

    assert end == ("undone" if which == "back" or count[0] > number else "done")
    expected = NEW if end == "done" else OLD
    told = dict.fromkeys(["containerd at boot"])  # changes nothing that runs
    assert {**machine.state, **told} == {**expected, **told}


@pytest.mark.parametrize("call", ["open", "rename", "unlink", "listxattr", "fsync", "chmod"])
@pytest.mark.parametrize("number", range(16))
def test_whatever_file_operation_fails_once_the_way_back_ends(
    machine: Machine, carried: list[str], monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    """The n-th of each kind fails: the node is put back, or it was not touched yet and goes on serving."""
    assert asked(machine, "forth") == ("switched", "")
    real, count = getattr(os, call), [0]

    def fails(*given: Any, **more: Any) -> Any:
        count[0] += 1
        if count[0] == number + 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return real(*given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fails)
        try:
            said = asked(machine, "back")[0]
        except (switching.NodeError, OSError):
            said = "refused"

    if said == "restored":
        assert machine.state == OLD
    else:
        assert (said, machine.state, carried) == ("refused", NEW, ["begin"])
        assert asked(machine, "back") == ("restored", "")


def test_a_kubelet_with_other_words_than_planned_is_no_switch(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something else sets its flags; which ones differ is said, without their values."""
    machine.ask()
    real = machine.arguments
    monkeypatch.setattr(
        switching.migrator_units,
        "arguments",
        lambda process: ["--token=secret"] if real(process) == ["--as=new"] else real(process),
    )

    assert machine.proceed() == "undone"
    assert machine.last()["cause"] == "the kubelet was not started as the plan says: --token, --as"
    assert machine.state == OLD


def test_a_kubelet_with_other_words_than_before_is_told(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files are as they were: somebody had changed them before the switch without a restart."""
    machine.ask()
    machine.proceed()
    monkeypatch.setattr(switching.migrator_units, "arguments", lambda _: ["--v=2"])
    switching.Journal(str(machine.journal)).write("undo")

    assert machine.proceed() == "undone"
    assert machine.last()["problems"] == ["the kubelet does not run as before the switch: --v, --as"]
    assert machine.done.count("restart kubelet.service") == 3


def test_a_restart_must_give_another_process(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forth and back, for the kubelet and for containerd."""
    machine.active.add("containerd.service")
    machine.processes["containerd.service"] = (99, "old")
    monkeypatch.setattr(machine, "stop", lambda unit: Machine.stop(machine, unit) if "kubelet" in unit else None)
    machine.ask()

    assert machine.proceed() == "undone"
    assert "its process 99 is the one of before" in machine.last()["cause"]


# Times.


def test_the_limits_nest() -> None:
    """A container ends before its switch has to, that before another run gives up, and that before its playbook does."""
    steps = (
        removal.STOP_MOST_SECONDS, switching.FORTH_SECONDS, node_switch.LOCK_SECONDS, service.WAIT_SECONDS, _LIMITS["switch"] - 60,
    )  # fmt: skip
    assert list(steps) == sorted(set(steps))
    assert removal.STOP_MOST_SECONDS == draining.STOP_MOST_SECONDS


def test_a_long_grace_is_cut_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only where the container has not ended by itself before."""
    monkeypatch.setattr(removal, "STOP_MOST_SECONDS", 1)
    asked_for: list[str] = []

    def docker(_: str, path: str, **__: Any) -> None:
        asked_for.append(path)
        if "/slow/" in path:
            removal.time.sleep(1.01)

    monkeypatch.setattr(removal, "docker", docker)
    labels = {removal.GRACE: "1200", "io.kubernetes.pod.namespace": "shop", "io.kubernetes.pod.name": "agent"}

    told = removal.stop_containers([{"Id": "slow", "Labels": labels}, {"Id": "quick", "Labels": labels}])

    assert sorted(asked_for) == ["/containers/quick/stop?t=1", "/containers/slow/stop?t=1"]
    assert told == ["shop/agent was killed after 1 s; its pod has 1200 s to end"]


def test_a_switch_that_takes_too_long_goes_back(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing more is begun after its time; the way back takes as long as it takes."""
    monkeypatch.setattr(switching, "FORTH_SECONDS", 0)
    machine.ask()

    assert machine.proceed() == "undone"
    assert machine.last()["cause"] == "the switch has taken more than 0 s"
    assert machine.state == OLD


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
