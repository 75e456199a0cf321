"""Whatever keeps a part of Docker from going is found before anything is removed."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_cleanup import docker_data, docker_packages, docker_removal

docker_files = importlib.import_module("ansible.module_utils.migrator_docker_files")


# The package manager.


HOLD = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX); print(1, flush=True); sys.stdin.read()"
TRY = "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)"


@pytest.fixture
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Give dpkg's two locks, in another folder."""
    found = (str(tmp_path / "lock-frontend"), str(tmp_path / "lock"))
    monkeypatch.setattr(docker_packages, "LOCKS", found)
    return found


@pytest.mark.parametrize("which", [0, 1])
def test_another_program_at_dpkg_is_waited_for(which: int, locks: tuple[str, str]) -> None:
    """As long as it takes, but not for ever."""
    times = iter(range(10_000))
    other = subprocess.Popen([sys.executable, "-c", HOLD, locks[which]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout is not None
    other.stdout.readline()

    locked = pytest.raises(docker_removal.NodeError, match="has had dpkg locked for 300 s")
    with locked, docker_packages.turn(lambda: next(times) * 10, lambda _: None):
        pytest.fail("it is locked")

    with docker_packages.turn(sleep=lambda _: other.communicate()):
        pass


def test_nobody_else_begins_with_dpkg_meanwhile(locks: tuple[str, str]) -> None:
    """The lock before dpkg is held, and dpkg's own is free for it."""

    def taken() -> list[bool]:
        words = [[sys.executable, "-c", TRY, path] for path in locks]
        return [bool(subprocess.run(one, capture_output=True, check=False).returncode) for one in words]

    with docker_packages.turn():
        assert taken() == [True, False]

    assert taken() == [False, False]


# What is removed, and what changes meanwhile.


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Give a folder as Docker has it."""
    for name in ("overlay2/l", "containers/a", "volumes/db/_data"):
        (tmp_path / "docker" / name).mkdir(parents=True)
    (tmp_path / "docker/overlay2/layer").write_bytes(b"x" * 100_000)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/precious").touch()
    (tmp_path / "docker/overlay2/l/LINK").symlink_to(tmp_path / "mine")
    (tmp_path / "docker/overlay2/same").hardlink_to(tmp_path / "docker/overlay2/layer")
    return tmp_path / "docker"


def test_what_it_weighs(data: Path) -> None:
    """A file with two names once, and what a link leads to not at all; what is not there weighs nothing."""
    weight, stuck = docker_files.measured(str(data))

    assert stuck == []
    assert 100_000 < weight < 200_000
    assert docker_files.measured(str(data / "none")) == (0, [])


def test_a_volume_of_the_file_system_is_seen(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of btrfs has a device of its own, and no mount; what is mounted is not looked into."""
    place, lstat = str(data / "volumes/db/_data"), os.lstat

    def other(path: str) -> os.stat_result:
        found = lstat(path)
        return os.stat_result((*found[:2], found.st_dev + 1, *found[3:])) if path == place else found

    with monkeypatch.context() as patch:
        patch.setattr(docker_files.os, "lstat", other)
        found = list(docker_files.below(str(data), lstat(data), frozenset(), stuck := []))
        again = list(docker_files.below(str(data), lstat(data), frozenset((place,)), none := []))
    assert stuck == [f"{place} (a file system of its own)"]
    assert none == []
    assert place not in [path for path, _ in found + again]


def test_only_what_is_there_is_removed(data: Path) -> None:
    """With all below it; links go, and what they lead to stays."""
    problems: list[str] = []

    docker_files.delete(str(data / "overlay2"), problems)

    assert problems == []
    assert sorted(path.name for path in data.iterdir()) == ["containers", "volumes"]
    assert (data.parent / "mine/precious").exists()


def test_what_another_file_system_has_there_stays(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever mounts something while it is removed loses nothing, and its folders are not named too."""
    place = data / "volumes/db/_data"
    monkeypatch.setattr(docker_files.os.path, "ismount", lambda path: path == str(place))
    problems: list[str] = []

    docker_files.delete(str(data / "volumes"), problems)

    assert problems == [f"{place} stays: it belongs to another file system"]
    assert place.is_dir()


def test_what_vanishes_meanwhile_is_gone(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is beside it goes all the same."""
    listdir = os.listdir
    monkeypatch.setattr(docker_files.os, "listdir", lambda path: ["ghost", *listdir(path), "zz-ghost"])
    problems: list[str] = []

    docker_files.delete(str(data / "containers"), problems)
    docker_files.delete(str(data / "never was"), problems)

    assert problems == []
    assert not (data / "containers").exists()


def test_what_comes_meanwhile_is_told_once(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the folder that it keeps; its parents are not named too."""
    place, rmdir = data / "volumes/db/_data", os.rmdir

    def late(path: str) -> None:
        if path == str(place):
            (place / "late").touch()
        rmdir(path)

    monkeypatch.setattr(docker_files.os, "rmdir", late)
    problems: list[str] = []

    docker_files.delete(str(data / "volumes"), problems)

    assert problems == [f"{place}: Directory not empty"]


SHOWN: dict[str, Any] = {
    "running": [], "dependents": [], "mounts": [], "stuck": [], "special": [], "others": [], "strange": [], "shared": [],
    "refusal": "", "root": "/var/lib/docker", "packages": {"docker.io": "1"}, "containers": ["ci"], "volumes": ["db"],
    "data": [{"path": "/var/lib/docker/image", "bytes": 1}], "interfaces": ["docker0"], "files": ["/run/docker"],
    "rules": ["iptables -X DOCKER"],
}  # fmt: skip
MORE: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, ""),
    "less": ({"packages": {}, "containers": [], "volumes": [], "data": [], "interfaces": [], "files": [], "rules": []}, ""),
    "a container runs": ({"running": ["a", "b"]}, "containers of Docker run: a, b"),
    "a unit that needs it": ({"dependents": ["kubelet.service"]}, "these units need it: kubelet.service"),
    "something mounted": ({"mounts": ["/x"]}, "something is mounted in what would go, or from there: /x"),
    "something stuck": ({"stuck": ["/x (immutable)"]}, "this cannot be removed: /x (immutable)"),
    "a special store": ({"special": ["/x"]}, "no plain folder of files: /x"),
    "others' files": ({"others": ["/x"], "strange": ["/y"]}, "not only Docker's: /x, /y"),
    "a shared folder": ({"shared": ["/x"]}, "somebody else's data lies there: /x"),
    "packages that others need": ({"refusal": "no"}, "the packages cannot be removed alone: no"),
    "another folder": ({"root": "/elsewhere"}, "Docker's data is in /elsewhere now, not in /var/lib/docker"),
    "another package": ({"packages": {"docker.io": "1", "docker-ce": "2"}}, "a package that was not shown: docker-ce"),
    "a new container": ({"containers": ["ci", "new"]}, "a container that was not shown: new"),
    "a new volume": ({"volumes": ["db", "new"]}, "a volume that was not shown: new"),
    "a new part": ({"data": [{"path": "/x", "bytes": 1}]}, "a folder that was not shown: /x"),
    "a new bridge": ({"interfaces": ["docker0", "br-1"]}, "a interface that was not shown: br-1"),
    "a new file": ({"files": ["/x", "/y"]}, "a file that was not shown: /x, /y"),
    "a new rule": ({"rules": ["x"]}, "a rule that was not shown: x"),
    "two of them": ({"volumes": ["x"], "rules": ["x"]}, "a volume that was not shown: x; a rule that was not shown: x"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "said"), MORE.values(), ids=MORE)
def test_what_nobody_agreed_to_keeps_it_from_beginning(change: dict[str, Any], said: str) -> None:
    """It may have come since it was shown; what has gone since is no obstacle."""
    assert docker_removal.objection({**SHOWN, **change}, SHOWN) == said


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
