"""The lab itself: it comes up again after a crash, and leaves nothing when it goes down."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from lab import cluster, machines, network
from tests.lab.conftest import Lab


def test_up_works_after_a_crash(lab: Lab) -> None:
    """With a node and etcd killed, `up` brings the base state back."""
    machines.of(lab.settings).crash(lab.settings, lab.settings.nodes[0])
    for pid in network.processes(lab.settings, {"etcd"}):
        os.kill(pid, signal.SIGKILL)

    cluster.up(lab.settings)

    assert {name: lab.node(name)["runtime"].split(":")[0] for name in ("worker-1", "worker-2")} == {
        "worker-1": "docker",
        "worker-2": "docker",
    }
    lab.all_available()


def test_a_nodes_devices_are_its_own(lab: Lab) -> None:
    """What a node does to its console and its /dev/null is not done to this machine's: a getty changes their modes."""
    null = Path("/dev/null").stat()

    lab.on("worker-1", "chmod 0600 /dev/console /dev/null; chown 1:1 /dev/console; chmod 0666 /dev/null")

    now = Path("/dev/null").stat()
    assert (now.st_mode, now.st_uid, now.st_gid) == (null.st_mode, null.st_uid, null.st_gid)
    assert now.st_mode & 0o777 == 0o666


def test_down_leaves_nothing(lab: Lab) -> None:
    """No process, namespace, socket, mount, loop device or cgroup of the lab is left; `status` says that it is down."""
    pids = network.processes(lab.settings)
    assert pids

    cluster.down(lab.settings)

    assert [pid for pid in pids if Path(f"/proc/{pid}").exists() and state(pid) != "Z"] == []
    assert not network.exists(lab.settings)
    assert not lab.settings.sockets.exists()
    assert not lab.settings.connections.exists()
    # Other labs may be up beside it.
    own = f"{lab.settings.state}/"
    assert own not in Path("/proc/mounts").read_text()
    backing = [path.read_text() for path in Path("/sys/block").glob("loop*/loop/backing_file")]
    assert [path for path in backing if own in path] == []
    assert list(Path("/sys/fs/cgroup").glob(f"**/{lab.settings.name}-worker-*")) == []
    assert cluster.status(lab.settings) == ["the lab is down"]


def state(pid: int) -> str:
    """Give a process's state letter; "Z" is one that ended and waits for its parent, this very test."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
