"""The lab's network: one namespace with a bridge, and a tap for each guest. Nothing outside it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from lab import shell
from lab.settings import GATEWAY, SPARE, Settings

_started: list[subprocess.Popen[bytes]] = []
"""Kept, because Python warns of a process that outlives the object standing for it; ours are meant to."""


def inside(settings: Settings, argv: Sequence[str | Path]) -> list[str]:
    """Give the command line that runs `argv` in the lab's namespace."""
    return ["ip", "netns", "exec", settings.name, *(str(word) for word in argv)]


def exists(settings: Settings) -> bool:
    """Tell whether the lab's namespace is there."""
    return Path("/run/netns", settings.name).exists()


def create(settings: Settings, *, taps: bool) -> None:
    """Make the namespace, its bridge with the gateway's address, the guests' taps, and routes to the pods.

    `taps` is whether the nodes are guests; a spare one always is.
    """
    shell.run(["ip", "netns", "add", settings.name])
    commands = [
        "link set lo up",
        "link add br0 type bridge",
        f"addr add {GATEWAY}/24 dev br0",
        "link set br0 up",
    ]
    for node in (*settings.nodes, SPARE) if taps else (SPARE,):
        commands += [f"tuntap add dev {node.tap} mode tap", f"link set {node.tap} master br0 up"]
    commands += [f"route add {node.pod_subnet} via {node.address}" for node in settings.nodes]
    shell.run(["ip", "-n", settings.name, "-batch", "-"], stdin="\n".join(commands))
    # Pods of one node reach those of another through the gateway, as through a router of a data centre.
    shell.run(inside(settings, ["sysctl", "-qw", "net.ipv4.ip_forward=1"]))


def processes(settings: Settings, names: Collection[str] | None = None) -> list[int]:
    """List the processes in the namespace, or those that the kernel knows by one of `names`.

    All of them were started by the lab.
    """
    if not exists(settings):
        return []
    pids = [int(pid) for pid in shell.run(["ip", "netns", "pids", settings.name]).split()]
    return [pid for pid in pids if names is None or process_name(pid) in names]


def destroy(settings: Settings) -> None:
    """End every process of the lab, then remove the namespace with all its interfaces."""
    if exists(settings):
        end(settings)
        shell.run(["ip", "netns", "del", settings.name])


def end(settings: Settings, *, names: Collection[str] | None = None) -> None:
    """Kill the lab's processes, or those of them that the kernel knows by one of `names`; return when they are gone.

    Nothing of theirs is kept: a lab starts from its snapshot. The caller and its parent are spared.
    """

    def meant() -> set[int]:
        spared = {os.getpid(), os.getppid()}
        return {pid for pid in processes(settings, names) if pid not in spared}

    for pid in meant():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while meant() and time.monotonic() < deadline:
        time.sleep(0.05)


def process_name(pid: int) -> str:
    """Give a process's name as the kernel abbreviates it; "" for one that is not there."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def beside(settings: Settings, argv: Sequence[str | Path]) -> list[str]:
    """Give the command line that runs `argv` likewise, with this machine's mounts: `ip netns` gives it another /sys."""
    return ["nsenter", f"--net=/run/netns/{settings.name}", *(str(word) for word in argv)]


def start(settings: Settings, argv: Sequence[str | Path], *, log: Path) -> subprocess.Popen[bytes]:
    """Start a long-lived process in the namespace, detached from this one, its output in `log`."""
    return start_detached(inside(settings, argv), log=log)


def start_detached(words: Sequence[str], *, log: Path) -> subprocess.Popen[bytes]:
    """Start a long-lived process, detached from this one, its output in `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd="/",
        )
    _started.append(process)
    return process
