"""One node without a machine: systemd in namespaces of its own, on disks of its own; the same doors as lab.qemu."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path

from lab import container_boot, guest_image, network, shell, waiting
from lab.errors import LabError
from lab.settings import GATEWAY, Node, Settings

_DATA = "/data"
_SHIM = f"""#!/bin/sh
case " $* " in
*" create "* | *" run "* | *" restore "* | *" exec "*)
    exec /usr/bin/python3 -IS {container_boot.REAL}/without.py "$0" "$@" ;;
esac
exec {container_boot.REAL}/${{0##*/}} "$@"
"""
"""Before runc and crun. Most of their calls start nothing, and need no Python to look at them."""
_INOTIFY = Path("/proc/sys/fs/inotify/max_user_instances")
_INOTIFY_INSTANCES = 8192
"""For all of root's programs together, on nodes too: a node takes 13, its systemd does not start without, and kernels
allow 128."""


def raw_disk(settings: Settings, image: Path) -> Path:
    """Give the guests' disk as it is, without qcow2 around it. No artefact: to compare its hash takes a minute."""
    made = settings.cache / "node-disks" / f"{image.name}.img"
    made.parent.mkdir(parents=True, exist_ok=True)
    with made.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            unfinished = made.with_suffix(".partial")
            shell.run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", image / guest_image.DISK, unfinished])
            unfinished.rename(made)
    return made


def obstacle(settings: Settings) -> str:
    """Say why nodes cannot be containers on this machine, found by trying; "" when they can."""
    words = [sys.executable, container_boot.__file__, "--try", f"{settings.name}-try"]
    try:
        said = shell.run(words, timeout=30).strip()
        device = shell.run(["losetup", "--find"], timeout=30).strip()
    except LabError as error:
        return str(error)
    return said or ("" if device else "there is no loop device")


def folder(settings: Settings, node: Node) -> Path:
    """Where a node's own files lie."""
    return settings.state / "nodes" / node.name


def _disks(settings: Settings, node: Node) -> list[Path]:
    return sorted(folder(settings, node).glob("*.img"))


def cgroup(settings: Settings, node: Node) -> str:
    """Name the node's cgroup, in every hierarchy."""
    return f"{settings.name}-{node.name}"


def log(settings: Settings, node: Node) -> Path:
    """Where what its boot says is kept."""
    return settings.state / "logs" / f"{node.name}.console"


def create_disk(settings: Settings, node: Node, image: Path, *, data: str = "", raw: Path | None = None) -> None:
    """Make its disks anew; `data` is the size of a second, empty one, "" for none; `raw` takes the image's place."""
    place = folder(settings, node)
    _detach(settings, node)  # a device whose file is gone has its space until somebody finds it
    shutil.rmtree(place, ignore_errors=True)
    (place / "root").mkdir(parents=True)
    _copy(raw or raw_disk(settings, image), place / "root.img")
    if data:
        shell.run(["truncate", "-s", data, place / "data.img"])


def _copy(source: Path, target: Path) -> None:
    shell.run(["cp", source, target])  # holes stay holes, and no zeros are looked for


def start(settings: Settings, node: Node, image: Path, *, snapshot: str | None = None, words: str = "") -> None:
    """Boot it, from a snapshot of its disks when one is named."""
    del image
    if int(_INOTIFY.read_text()) < _INOTIFY_INSTANCES:
        _INOTIFY.write_text(str(_INOTIFY_INSTANCES))
    if words:
        raise LabError(f"{node.name} has this machine's kernel: {words!r} needs a guest (MIGRATOR_LAB_NODES=guest)")
    if snapshot is not None:
        _put_back(settings, node, snapshot)
    place = folder(settings, node)
    loops = {path.stem: _attached(path) for path in _disks(settings, node)}
    told = container_boot.Told(
        name=node.name, folder=str(place), root=loops["root"], data=loops.get("data", ""), data_mount=_DATA,
        cgroup=cgroup(settings, node), address=node.address, gateway=GATEWAY, mac=node.mac, link=node.tap, bridge="br0",
        shim=_shim(place),
    )  # fmt: skip
    description = place / "told.json"
    description.write_text(json.dumps(told._asdict()))
    (place / "pid").write_text("")
    with contextlib.suppress(LabError):  # the end of one that is off
        shell.run(["ip", "-n", settings.name, "link", "delete", node.tap])
    command = [sys.executable, container_boot.__file__, str(description)]
    network.start_detached(network.beside(settings, command), log=log(settings, node))
    waiting.until(lambda: bool((place / "pid").read_text()), f"{node.name} is on", seconds=30, every=0.05)


def _attached(path: Path) -> str:
    """Give the block device of an image, of which there is one."""
    found = shell.run(["losetup", "--noheadings", "--output", "NAME", "--associated", path]).split()
    return found[0] if found else shell.run(["losetup", "--find", "--show", path]).strip()


def capable() -> bool:
    """Tell whether we have CAP_SYS_RESOURCE, without which nobody gets a negative oom score."""
    effective = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapEff"))
    return bool(int(effective.split()[1], 16) & container_boot.SYS_RESOURCE)


def _shim(place: Path) -> str:
    """Give the program that stands before low-level runtimes; "" on a machine that lacks nothing."""
    if capable():
        return ""
    copy = place / "runc"
    copy.write_text(_SHIM)
    copy.chmod(0o755)
    shutil.copy(Path(__file__).with_name("runc_shim.py"), place)
    return str(copy)


def init(settings: Settings, node: Node) -> int:
    """Give the process id of its systemd, 0 when it is off."""
    with contextlib.suppress(OSError, ValueError):
        pid = int((folder(settings, node) / "pid").read_text())
        if pid and Path(f"/proc/{pid}").exists():
            return pid
    return 0


def running(settings: Settings, node: Node) -> bool:
    """Tell whether it is on."""
    return bool(init(settings, node))


def pause(settings: Settings, node: Node) -> None:
    """Have all that it runs stand still."""
    _freeze(settings, node, "FROZEN")


def resume(settings: Settings, node: Node) -> None:
    """Have it go on."""
    _freeze(settings, node, "THAWED")


def _freeze(settings: Settings, node: Node, state: str) -> None:
    file = container_boot.CGROUPS / "freezer" / cgroup(settings, node) / "freezer.state"
    if file.exists():
        file.write_text(state)
        waiting.until(lambda: file.read_text().strip() == state, f"{node.name} is {state}", seconds=30, every=0.05)
        return
    own, frozen = container_boot.CGROUPS / cgroup(settings, node), int(state == "FROZEN")
    (own / "cgroup.freeze").write_text(str(frozen))
    events = own / "cgroup.events"
    waiting.until(lambda: f"frozen {frozen}" in events.read_text(), f"{node.name} is {state}", seconds=30, every=0.05)


def _snapshots(settings: Settings, node: Node, tag: str) -> Path:
    return settings.state / "snapshots" / tag / node.name


def save(settings: Settings, node: Node, tag: str) -> None:
    """Keep its disks under `tag`, as a power cut would leave them: it should be paused."""
    kept = _snapshots(settings, node, tag)
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    shell.run(["nsenter", "-t", str(init(settings, node)), "-m", "sync", "-f", "/"])
    for path in _disks(settings, node):
        shell.run(["blockdev", "--flushbufs", _attached(path)])
        _copy(path, kept / path.name)


def load(settings: Settings, node: Node, tag: str) -> None:
    """Cut its power, and boot it from the disks that were kept."""
    cut_power(settings, node)
    start(settings, node, Path(), snapshot=tag)


def _put_back(settings: Settings, node: Node, tag: str) -> None:
    _detach(settings, node)
    for path in _snapshots(settings, node, tag).glob("*.img"):
        _copy(path, folder(settings, node) / path.name)


def cut_power(settings: Settings, node: Node) -> None:
    """End all of it at once, and return when it is gone."""
    for pid in _supervisors(settings, node):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    with contextlib.suppress(OSError):  # what stands still does not end either
        _freeze(settings, node, "THAWED")
    waiting.until(lambda: not _supervisors(settings, node), f"{node.name} is off", seconds=30, every=0.05)
    _await_empty(settings, node)


def _supervisors(settings: Settings, node: Node) -> list[int]:
    description = str(folder(settings, node) / "told.json").encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if description in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def _await_empty(settings: Settings, node: Node) -> None:
    def empty() -> bool:
        files = [path / "cgroup.procs" for path in _cgroups(settings, node)]
        return not any(file.read_text().strip() for file in files)

    waiting.until(empty, f"nothing of {node.name} runs", seconds=30, every=0.05)


def _cgroups(settings: Settings, node: Node) -> list[Path]:
    """List the node's cgroups, the innermost first."""
    tops = [container_boot.CGROUPS / name / cgroup(settings, node) for name in container_boot.hierarchies()]
    return [Path(place) for top in tops for place, _, _ in os.walk(top, topdown=False)]


def _detach(settings: Settings, node: Node) -> None:
    for path in _disks(settings, node):
        for device in shell.run(["losetup", "--noheadings", "--output", "NAME", "--associated", path]).split():
            shell.run(["losetup", "--detach", device])


def crash(settings: Settings, node: Node) -> None:
    """Kill the process that keeps it on."""
    for pid in _supervisors(settings, node):
        os.kill(pid, signal.SIGKILL)


def remove(settings: Settings, node: Node) -> None:
    """End it and leave nothing of it on this machine but its disks: no process, cgroup or loop device."""
    with contextlib.suppress(OSError):
        _freeze(settings, node, "THAWED")
    cut_power(settings, node)
    _detach(settings, node)
    for path in _cgroups(settings, node):
        for _ in range(20):
            with contextlib.suppress(OSError):
                path.rmdir()
                break
            time.sleep(0.05)
