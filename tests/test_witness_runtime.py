"""A private instance of a runtime: what the witness refuses to start, how systemd is told, what a removal never touches.

With a real containerd it is tried in tests/lab/test_0_witness.py.
"""

from __future__ import annotations

import base64
import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.witness_parts import FOLDER, put

base: Any = importlib.import_module("witness_base")
cni: Any = importlib.import_module("witness_cni")
removal: Any = importlib.import_module("witness_removal")
runtime: Any = importlib.import_module("witness_runtime")
starting: Any = importlib.import_module("witness_starting")
residue: Any = importlib.import_module("witness_residue")

ID = "ab" * 32


def program(folder: Path, name: str, script: str) -> None:
    """Put a program into a folder."""
    put(folder, {name: f"#!/bin/sh\n{script}\n"})
    (folder / name).chmod(0o755)


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"session": "../x"}, "'../x' is no name of a session"),
        ({"session": "abc"}, "'abc' is no name of a session"),
        ({"runtime": "docker"}, "docker cannot be started beside another one; known is containerd"),
        ({"root": "data"}, "'data' is no absolute path"),
        ({"program": "/no/such/containerd"}, "/no/such/containerd is not installed"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_made(
    tmp_path: Path, changed: dict[str, str], complaint: str
) -> None:
    """Each with what is wrong."""
    words = {
        "session": "ab12cd34",
        "runtime": "containerd",
        "program": "/bin/true",
        "config": "",
        "root": str(tmp_path),
    }

    with pytest.raises(base.WitnessError, match=complaint):
        starting.start_runtime(**{**words, **changed}, files={})

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("version", "expected"),
    [("252 (252.1-1)", {"--collect", "RuntimeMaxSec", "ExecStopPost"}), ("232", {"RuntimeMaxSec"}), ("219", set())],
)
def test_systemd_is_told_what_it_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, expected: set[str]
) -> None:
    """The unit ends by itself where that is possible, and has the limits of the service that it stands for."""
    shown = "LimitNOFILE=1048576\nLimitNPROC=infinity\nLimitCORE=\nOther=3"
    program(tmp_path, "systemctl", f'case "$1" in --version) echo "systemd {version}";; *) echo "{shown}";; esac')
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    words = starting.unit_words(runtime.Instance("ab12cd34", "/var/lib"), "containerd.service")

    told = " ".join(words)
    assert {name for name in ("--collect", "RuntimeMaxSec", "ExecStopPost") if name in told} == expected
    assert words[:3] == ["systemd-run", "--quiet", "--unit=migrator-rehearsal-ab12cd34.service"]
    assert {
        "--property=KillMode=control-group",
        "--property=LimitNOFILE=1048576",
        "--property=LimitNPROC=infinity",
    } <= set(words)
    assert "LimitCORE" not in told
    assert words[-1] == "--"


def test_a_tree_is_removed_without_following_links(tmp_path: Path) -> None:
    """What a link leads to stays; a folder that is not there is no error."""
    put(tmp_path, {"theirs/file": "kept", "ours/a/b/c": "", "ours/d": ""})
    (tmp_path / "ours/a/link").symlink_to(tmp_path / "theirs")

    assert removal.remove_tree(str(tmp_path / "ours")) == []
    assert removal.remove_tree(str(tmp_path / "ours")) == []

    assert [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))] == ["theirs", "theirs/file"]


def test_a_tree_with_a_mount_in_it_stays_whole(tmp_path: Path) -> None:
    """Somebody's data may be there; the mount point is named. Tried where the mount is nobody else's."""
    put(tmp_path, {"tree/a": "", "tree/in/x": ""})
    removing = f"import sys; sys.path.insert(0, {str(FOLDER)!r}); import witness_removal; print(witness_removal.remove_tree(sys.argv[1]))"
    script = 'mount -t tmpfs none "$1/in" && "$2" -c "$3" "$1"'
    words = ["unshare", "--map-root-user", "--mount", "sh", "-ec", script, "sh"]
    done = subprocess.run(
        [*words, tmp_path / "tree", sys.executable, removing], capture_output=True, text=True, check=False
    )
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"no mount can be made here: {done.stderr}")

    assert done.stdout == f"['{tmp_path}/tree/in']\n"
    assert sorted(path.name for path in (tmp_path / "tree").rglob("*")) == ["a", "in", "x"]


@pytest.mark.parametrize(
    ("path", "ours"),
    [
        ("/migrator-ab12cd34/x", True),
        ("/migrator.slice/migrator-rehearsal.slice/migrator-rehearsal-ab12cd34.slice/cri-containerd-1.scope", True),
        ("/migrator-99999999/x", False),
        ("/kubepods/ab12cd34", False),
        ("/", False),
    ],
)
def test_a_cgroup_is_ours_by_both_names(path: str, *, ours: bool) -> None:
    """Migrator's and the session's: other sessions and other people's pods are not."""
    assert runtime.is_ours(runtime.Instance("ab12cd34", "/var/lib"), path) is ours


def test_containers_of_an_instance_are_known_from_its_own_files(tmp_path: Path) -> None:
    """From bundles and from the database, which is no text; where nothing is, nothing is known."""
    assert residue.identities(str(tmp_path), str(tmp_path)) == (set(), [])
    space = "/run/netns/cni-01234567-89ab-cdef-0123-456789abcdef"
    put(tmp_path, {f"state/{residue.BUNDLES}/{ID}/x": ""})
    database = tmp_path / "data" / residue.DATABASE
    database.parent.mkdir(parents=True)
    database.write_bytes(b"\x00\xff" + b'"ID":"' + b"cd" * 32 + b'","NetNSPath":"/var' + space.encode() + b'"\xfe')

    assert residue.identities(str(tmp_path / "state"), str(tmp_path / "data")) == ({ID, "cd" * 32}, [space])


def test_an_id_is_known_whatever_stands_beside_it(tmp_path: Path) -> None:
    """A database writes the next value where the last one ends."""
    database = tmp_path / "data" / residue.DATABASE
    database.parent.mkdir(parents=True)
    database.write_bytes(b"\x00" + b"cd" * 32 + b"ef" * 32 + b"0\x00")

    found, _ = residue.identities(str(tmp_path / "state"), str(tmp_path / "data"))

    assert {"cd" * 32, "ef" * 32} <= found


def test_plugins_give_back_in_reverse_what_they_gave(tmp_path: Path) -> None:
    """Each gets its own part of the configuration with the result; the record is gone afterwards."""
    network = {
        "name": "n",
        "cniVersion": "0.4.0",
        "plugins": [{"type": "one", "x": 1}, {"type": "two", "capabilities": {"portMappings": True}}, {"type": "none"}],
    }
    kept = {
        "containerId": ID, "ifName": "eth0", "config": base64.b64encode(json.dumps(network).encode()).decode(),
        "result": {"ips": []}, "capabilityArgs": {"portMappings": [8080], "other": 1}, "cniArgs": [["K8S_POD_NAME", "p"]],
    }  # fmt: skip
    path = f"/var/lib/cni/results/n-{ID}-eth0"
    root = put(tmp_path, {path: json.dumps(kept), "/var/lib/cni/results/n-other-eth0": "{}"})
    for name in ("one", "two"):
        program(tmp_path / "bin", name, f'echo "$CNI_COMMAND $CNI_ARGS $CNI_IFNAME {name} $(cat)" >> {tmp_path}/calls')

    assert cni.attachments({ID}, at=root) == [path]
    cni.release(path, "", (str(tmp_path / "bin"),), at=root)

    second, first = (tmp_path / "calls").read_text().splitlines()
    assert second.startswith("DEL K8S_POD_NAME=p eth0 two {")
    assert json.loads(second.partition("two ")[2])["runtimeConfig"] == {"portMappings": [8080]}
    assert json.loads(first.partition("one ")[2]) == {
        "type": "one",
        "x": 1,
        "name": "n",
        "cniVersion": "0.4.0",
        "prevResult": {"ips": []},
    }
    assert cni.attachments({ID}, at=root) == []
