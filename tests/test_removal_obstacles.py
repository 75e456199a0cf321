"""Whatever keeps a part of Docker from going is found before anything is removed."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mounting import Mounting, mounting, removed, run_folder, with_run_folder
from tests.test_cleanup import Machine, docker_data, docker_packages, docker_removal

docker_files = importlib.import_module("ansible.module_utils.migrator_docker_files")
NET = "/proc/self/ns/net"


@pytest.fixture
def mount() -> Iterator[Mounting]:
    """Give what mounts."""
    with mounting() as made:
        yield made


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Give a node with a stopped Docker."""
    return with_run_folder(tmp_path, monkeypatch)


def namespace(path: str) -> str:
    """Give what a process's link to its namespace says."""
    return str(Path(path).readlink())


# Network namespaces that dockerd has left.


@pytest.mark.parametrize("times", [1, 3])
def test_the_namespace_that_dockerd_leaves_is_no_obstacle(times: int, machine: Machine, mount: Mounting) -> None:
    """Every node with a pod on the host's network has it since its boot, once for each start of dockerd."""
    for _ in range(times):
        mount(NET, run_folder(machine) / "netns" / "default")
    before = namespace(NET)

    now = docker_removal.look()
    assert now["namespaces"] == [str(run_folder(machine) / "netns" / "default")]
    assert docker_removal.objection(now, now) == ""
    assert docker_removal.absent(now) == []

    assert not run_folder(machine).exists()
    assert namespace(NET) == before


def test_a_process_keeps_its_namespace(machine: Machine, mount: Mounting) -> None:
    """Also one in which nothing else is mounted anywhere."""
    process = subprocess.Popen(["unshare", "--net", "sleep", "60"])
    try:
        own = f"/proc/{process.pid}/ns/net"
        for _ in range(200):
            if namespace(own) != namespace(NET):
                break
            subprocess.run(["sleep", "0.05"], check=True)
        mount(own, run_folder(machine) / "netns" / "0123456789ab")
        before = namespace(own)

        assert docker_removal.absent(docker_removal.look()) == []

        assert process.poll() is None
        assert namespace(own) == before
    finally:
        process.kill()
        process.wait()


def test_a_folder_with_a_space_in_its_name(machine: Machine, mount: Mounting, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel writes names in a way of its own."""
    folder = machine.root.parent / "a b" / "docker"
    mount(NET, folder / "netns" / "default")
    monkeypatch.setattr(docker_removal, "LEFT", (str(folder),))

    assert docker_removal.absent(docker_removal.look()) == []
    assert not folder.exists()


# Other mounts: where they are, and what is mounted.
Mount = Callable[[Machine, Mounting], Path]


def volume(machine: Machine) -> Path:
    """Give a folder in Docker's data."""
    return machine.root / "volumes" / "db" / "_data"


def elsewhere(machine: Machine) -> Path:
    """Make somebody's folder."""
    folder = machine.root.parent / "mine"
    folder.mkdir(exist_ok=True)
    (folder / "precious").write_text("x")
    return folder


MOUNTS: dict[str, Mount] = {
    "a tmpfs in the run folder": lambda it, mount: mount.tmpfs(run_folder(it) / "plugins"),
    "a folder of the same file system": lambda it, mount: mount(elsewhere(it), run_folder(it) / "x"),
    "a file of the same file system": lambda it, mount: mount(elsewhere(it) / "precious", run_folder(it) / "x.sock"),
    "the run folder itself": lambda it, mount: mount.tmpfs(run_folder(it)),
    "something else among the namespaces": lambda it, mount: mount.tmpfs(run_folder(it) / "netns" / "default"),
    "a file among the namespaces": lambda it, mount: mount(elsewhere(it) / "precious", run_folder(it) / "netns" / "x"),
    "a namespace in another folder": lambda it, mount: mount(NET, run_folder(it) / "mine" / "default"),
    "a namespace deeper down": lambda it, mount: mount(NET, run_folder(it) / "netns" / "x" / "default"),
    "a namespace of another kind": lambda it, mount: mount("/proc/self/ns/uts", run_folder(it) / "netns" / "uts"),
    "a namespace in Docker's data": lambda it, mount: mount(NET, it.root / "overlay2" / "netns" / "default"),
    "a namespace of dockershim's": lambda it, mount: mount(NET, it.root.parent / "dockershim" / "x"),
    "a checkpoint of dockershim's": lambda it, mount: mount.tmpfs(it.root.parent / "dockershim" / "sandbox"),
    "the folder of dockershim": lambda it, mount: mount(elsewhere(it), it.root.parent / "dockershim"),
    "a volume of the same file system": lambda it, mount: mount(elsewhere(it), volume(it)),
    "a store of its own": lambda it, mount: mount.tmpfs(it.root / "overlay2"),
    "a store on itself": lambda it, mount: mount(it.root / "overlay2", it.root / "overlay2"),
    "a volume that is used elsewhere": lambda it, mount: mount(volume(it), it.root.parent / "srv"),
    "checkpoints that are used elsewhere": lambda it, mount: mount(it.root.parent / "dockershim", it.root.parent / "srv"),
}  # fmt: skip


@pytest.mark.parametrize("make", MOUNTS.values(), ids=MOUNTS)
def test_any_other_mount_refuses_it_before_anything_is_removed(make: Mount, machine: Machine, mount: Mounting) -> None:
    """Wherever it is; the look says so to the plan, and the removal looks again."""
    shown = docker_removal.look()
    place = make(machine, mount)

    now = docker_removal.look()

    assert str(place) in now["mounts"]
    with pytest.raises(docker_removal.NodeError, match="nothing was removed: something is mounted in what would go"):
        docker_removal.absent(shown)
    assert not removed(machine)
    assert (machine.root / "overlay2").is_dir()
    assert not Path(docker_removal.RECORD).exists()


def test_a_disk_for_all_of_docker_is_no_obstacle(machine: Machine, mount: Mounting, tmp_path: Path) -> None:
    """Nor where it is mounted a second time, as a whole: nothing of others is in what goes."""
    disk = mount.tmpfs(tmp_path / "disk")
    (disk / "docker" / "image").mkdir(parents=True)
    (disk / "docker" / "containers").mkdir()
    (disk / "kubelet").mkdir()
    for name in ("image", "containers", "overlay2", "volumes"):
        subprocess.run(["rm", "-rf", machine.root / name], check=True)
    mount(disk / "docker", machine.root)

    now = docker_removal.look()
    assert (now["mounts"], [Path(entry["path"]).name for entry in now["data"]]) == ([], ["containers", "image"])
    docker_removal.absent(now)
    assert list((disk / "docker").iterdir()) == []
    assert (disk / "kubelet").is_dir()


def test_what_is_mounted_meanwhile_loses_nothing(
    machine: Machine, mount: Mounting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even what the same file system has elsewhere, which looks like a folder of Docker's."""
    mine, now = elsewhere(machine), docker_removal.look()
    unlink = os.unlink

    def meanwhile(path: str, **words: Any) -> None:
        if not mount.made:
            mount(mine, volume(machine))
        unlink(path, **words)

    monkeypatch.setattr(docker_files.os, "unlink", meanwhile)
    problems: list[str] = []
    for name in ("overlay2", "volumes"):
        docker_removal.delete(str(machine.root / name), problems)

    assert (mine / "precious").read_text() == "x"
    assert problems == [f"{volume(machine)} stays: it belongs to another file system"]
    assert now["mounts"] == []


# What is protected.


def chattr(flag: str, path: Path) -> Callable[[], object]:
    """Give a file an attribute; give what takes it away."""
    if subprocess.run(["chattr", f"+{flag}", path], capture_output=True, check=False).returncode != 0:
        pytest.skip("this file system has no attributes, or only root may set them")
    return lambda: subprocess.run(["chattr", f"-{flag}", path], check=True)


PROTECTED = {
    "a file": lambda it: it.root / "overlay2" / "layer",
    "a folder": volume,
    "a container's file": lambda it: it.root / "containers" / "ci" / "config.v2.json",
    "a part itself": lambda it: it.root / "image",
    "the folder of all": lambda it: it.root,
    "what dockershim has left": lambda it: it.root.parent / "dockershim",
    "in the run folder": lambda it: run_folder(it) / "libnetwork",
}


@pytest.mark.parametrize("flag", ["i", "a"])
@pytest.mark.parametrize("where", PROTECTED.values(), ids=PROTECTED)
def test_what_is_protected_refuses_it(where: Callable[[Machine], Path], flag: str, machine: Machine) -> None:
    """By chattr +i or +a: found before, and when that is taken away all goes."""
    place, shown = where(machine), docker_removal.look()
    unprotect = chattr(flag, place)
    try:
        why = {"i": "immutable", "a": "append-only"}[flag]
        assert any(f"{place} ({why})" in what for what in docker_removal.look()["stuck"])
        with pytest.raises(docker_removal.NodeError, match="nothing was removed: this cannot be removed"):
            docker_removal.absent(shown)
        assert not removed(machine)
    finally:
        unprotect()
    assert docker_removal.absent(docker_removal.look()) == []


def test_what_is_read_only_refuses_it(machine: Machine, mount: Mounting) -> None:
    """A disk that the kernel has mounted so after an error, for example."""
    mount(machine.root, machine.root)
    subprocess.run(["mount", "-o", "remount,bind,ro", machine.root], check=True)

    now = docker_removal.look()

    assert f"{machine.root} (read-only)" in now["stuck"]
    assert "this cannot be removed" in docker_removal.objection(now, now)


def test_a_volume_of_the_file_system_refuses_it(
    machine: Machine, mount: Mounting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of btrfs has a device of its own, and no mount."""
    place = str(mount.tmpfs(volume(machine)))
    mounted, rows = docker_data.mounted, docker_data.mounts
    monkeypatch.setattr(docker_data, "mounts", lambda: [row for row in rows() if row[1] != place])
    for module in (docker_data, docker_files, docker_removal):
        monkeypatch.setattr(module, "mounted", lambda: [entry for entry in mounted() if entry.place != place])

    now = docker_removal.look()

    assert now["stuck"] == [f"{place} (a file system of its own)"]
    assert "this cannot be removed" in docker_removal.objection(now, now)


def test_packages_whose_files_are_protected_are_refused(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package manager would stop in its middle."""
    program = machine.root.parent / "dockerd"
    program.touch()
    monkeypatch.setattr(docker_packages, "run", lambda *_, **__: (0, f"/.\n/usr\n{program}\n", ""))
    unprotect = chattr("i", program)
    try:
        assert docker_removal.look()["refusal"] == f"their files cannot be removed: {program} (immutable)"
    finally:
        unprotect()
    assert docker_removal.look()["refusal"] == ""


# The package manager.


def test_a_dpkg_that_was_interrupted_is_refused(machine: Machine, tmp_path: Path) -> None:
    """What it has begun is in numbered files."""
    (tmp_path / "updates").mkdir()
    assert docker_removal.look()["refusal"] == ""
    (tmp_path / "updates" / "0001").touch()

    now = docker_removal.look()

    assert "dpkg --configure -a" in docker_removal.objection(now, now)
    assert not removed(machine)


def test_a_dpkg_that_was_interrupted_in_a_removal_goes_on(machine: Machine, tmp_path: Path) -> None:
    """The removal was cut short there, and the next one completes it."""
    shown = docker_removal.look()
    docker_removal.write_file(docker_removal.RECORD, json.dumps(shown).encode(), 0o600)
    (tmp_path / "updates").mkdir()
    (tmp_path / "updates" / "0001").touch()

    assert docker_removal.absent(shown) == []
    assert removed(machine)


HOLD = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX); print(1, flush=True); sys.stdin.read()"
TRY = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)"


@pytest.mark.parametrize("which", [0, 1])
def test_another_program_at_dpkg_is_waited_for(which: int, machine: Machine) -> None:
    """And when it does not end, nothing was changed."""
    shown, times = docker_removal.look(), iter(range(10_000))
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, docker_packages.LOCKS[which]], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    assert other.stdin is not None
    other.stdout.readline()

    locked = pytest.raises(docker_removal.NodeError, match="has had dpkg locked")
    with locked, docker_packages.turn(lambda: next(times) * 10, lambda _: None):
        pytest.fail("it is locked")
    assert not removed(machine)

    def ends(_: float) -> None:
        other.communicate()

    with docker_packages.turn(sleep=ends):
        pass
    assert docker_removal.absent(shown) == []


def test_nobody_else_begins_with_dpkg_meanwhile(machine: Machine) -> None:
    """The lock before dpkg is held, and dpkg's own is free for it."""
    tried = [
        lambda path=path: subprocess.run([sys.executable, "-c", TRY, path], capture_output=True, check=False).returncode
        for path in docker_packages.LOCKS
    ]
    with docker_packages.turn():
        assert [bool(one()) for one in tried] == [True, False]

    assert [bool(one()) for one in tried] == [False, False]
    assert machine.said == []


# The kernel's list.


def line(place: str, root: str = "/", device: str = "8:1", kind: str = "ext4") -> str:
    """Write a line of /proc/self/mountinfo."""

    def written(text: str) -> str:
        return "".join(f"\\{ord(sign):03o}" if sign in " \t\n\\" else sign for sign in text)

    return f"36 35 {device} {written(root)} {written(place)} rw,noatime shared:1 master:2 - {kind} /dev/x rw - odd"


@given(
    st.text(st.characters(exclude_characters="\0", max_codepoint=0x7F), min_size=1), st.sampled_from(["nsfs", "ext4"])
)
def test_any_name_is_read(name: str, kind: str) -> None:
    """Names may have spaces, line ends and what looks like other fields in them."""
    found = docker_data.Mount(line(f"/{name}", f"/r{name}", kind=kind))

    assert (found.place, found.root, found.device, found.kind) == (f"/{name}", f"/r{name}", "8:1", kind)


NAMESPACES: dict[str, tuple[str, bool]] = {
    "dockerd's": (line("/run/docker/netns/default", "net:[4026531840]", "0:4", "nsfs"), True),
    "a sandbox's": (line("/run/docker/netns/0123456789ab", "net:[4026531840]", "0:4", "nsfs"), True),
    "one of Linux before 4.2": (line("/run/docker/netns/default", "/", "0:3", "nsfs"), True),
    "one of Linux before 3.19": (line("/run/docker/netns/default", "/1/ns/net", "0:3", "proc"), False),
    "one of another kind": (line("/run/docker/netns/default", "mnt:[4026531840]", "0:4", "nsfs"), False),
    "one that only is called so": (line("/run/docker/netns/default", "net:[1]", "0:50", "tmpfs"), False),
    "somebody's": (line("/run/netns/default", "net:[4026531840]", "0:4", "nsfs"), False),
    "one beside": (line("/run/docker2/netns/default", "net:[4026531840]", "0:4", "nsfs"), False),
    "one deeper down": (line("/run/docker/netns/a/b", "net:[4026531840]", "0:4", "nsfs"), False),
}


@pytest.mark.parametrize(("row", "own"), NAMESPACES.values(), ids=NAMESPACES)
def test_which_mounts_are_released(row: str, *, own: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Network namespaces in Docker's own folder, and nothing that only looks so."""
    monkeypatch.setattr(docker_data, "mounted", lambda: [docker_data.Mount(row)])

    assert bool(docker_data.namespaces("/run/docker")) is own


TABLES: dict[str, tuple[list[str], str, list[str]]] = {
    "nothing else": ([line("/")], "/var/lib/docker/volumes", []),
    "a copy": ([line("/"), line("/srv", "/var/lib/docker/volumes/db")], "/var/lib/docker/volumes", ["/srv"]),
    "a copy of all of it": ([line("/"), line("/srv", "/var/lib/docker/volumes")], "/var/lib/docker/volumes", ["/srv"]),
    "a copy of more": ([line("/"), line("/srv", "/var/lib")], "/var/lib/docker/volumes", []),
    "another name": ([line("/"), line("/srv", "/var/lib/docker/volumes2")], "/var/lib/docker/volumes", []),
    "another device": ([line("/"), line("/srv", "/var/lib/docker/volumes", "8:2")], "/var/lib/docker/volumes", []),
    "a disk of its own": ([line("/"), line("/var/lib/docker", "/", "8:2"), line("/srv", "/volumes/db", "8:2")], "/var/lib/docker/volumes", ["/srv"]),
    "a part of a disk": ([line("/"), line("/big", "/", "8:2"), line("/var/lib/docker", "/d", "8:2"), line("/srv", "/d/volumes/x", "8:2")], "/var/lib/docker/volumes", ["/srv"]),
    "what lies on top counts": ([line("/"), line("/d", "/a", "8:2"), line("/d", "/b", "8:3"), line("/srv", "/b/volumes", "8:3")], "/d/volumes", ["/srv"]),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "path", "found"), TABLES.values(), ids=TABLES)
def test_where_something_is_mounted_once_more(
    rows: list[str], path: str, found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What of a path is to be seen elsewhere, and would be removed there too."""
    monkeypatch.setattr(docker_data, "mounted", lambda: list(map(docker_data.Mount, rows)))

    assert docker_data.bound_from(path) == found
