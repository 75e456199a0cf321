"""One guest: a QEMU process with its own disk, console log and control socket."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import uuid
from pathlib import Path
from typing import TextIO

from lab import acceleration, emulator, guest_image, network, shell, waiting
from lab.errors import LabError
from lab.settings import GATEWAY, Node, Settings


def process_name(node: Node) -> str:
    """Give what the kernel calls the guest's process."""
    return f"qemu-{node.name}"[:15]


def disk(settings: Settings, node: Node) -> Path:
    """Where the guest's own changes and its snapshots live."""
    return settings.state / "disks" / f"{node.name}.qcow2"


def _data_disk(settings: Settings, node: Node) -> Path:
    return settings.state / "disks" / f"{node.name}-data.qcow2"


def console(settings: Settings, node: Node) -> Path:
    """Where everything that the guest's kernel and services print is kept."""
    return settings.state / "logs" / f"{node.name}.console"


def create_disk(settings: Settings, node: Node, image: Path, *, data: str = "") -> None:
    """Make an empty overlay over the shared image, forgetting what the guest had before.

    `data` is the size of a second, empty disk, for example "3G"; "" for none.
    """
    path = disk(settings, node)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    shell.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", image / guest_image.DISK, path])
    second = _data_disk(settings, node)
    second.unlink(missing_ok=True)
    if data:
        shell.run(["qemu-img", "create", "-q", "-f", "qcow2", second, data])


def start(settings: Settings, node: Node, image: Path, *, snapshot: str | None = None, words: str = "") -> None:
    """Start the guest, from a snapshot of its running state when one is named, with more words for its kernel."""
    settings.sockets.mkdir(parents=True, exist_ok=True)
    command = [
        emulator.program(settings), *acceleration.options(settings, image),
        "-name", f"{node.name},process={process_name(node)}",
        "-uuid", str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{node.name}.{settings.name}")),
        "-m", str(settings.memory_mib), "-smp", str(settings.cpus),
        "-kernel", image / "vmlinuz", "-initrd", image / "initrd.img",
        "-append", _kernel_arguments(node, words),
        *_drives(settings, node),
        "-netdev", f"tap,id=net0,ifname={node.tap},script=no,downscript=no",
        "-device", f"virtio-net-pci,netdev=net0,mac={node.mac},romfile=",  # it boots from no network
        "-device", "virtio-rng-pci",
        "-nodefaults", "-display", "none", "-no-user-config",
        "-chardev", f"file,id=console,path={console(settings, node)},append=on",
        "-serial", "chardev:console",
        "-qmp", f"unix:{_socket(settings, node)},server=on,wait=off",
    ]  # fmt: skip
    if snapshot is not None:
        command += ["-loadvm", snapshot]
    process = network.start(
        settings, [str(word) for word in command], log=settings.state / "logs" / f"{node.name}.qemu"
    )
    waiting.until(
        lambda: _socket(settings, node).exists() or process.poll() is not None,
        f"QEMU of {node.name} opens its control socket", seconds=60, every=0.1,
    )  # fmt: skip
    if process.poll() is not None:
        raise LabError(f"QEMU of {node.name} ended at once; see {settings.state / 'logs' / f'{node.name}.qemu'}")


def _drives(settings: Settings, node: Node) -> list[str]:
    paths = [path for path in (disk(settings, node), _data_disk(settings, node)) if path.exists()]
    return [
        word for path in paths for word in ("-drive", f"file={path},format=qcow2,if=virtio,cache=unsafe,discard=unmap")
    ]


def _kernel_arguments(node: Node, words: str) -> str:
    return (
        f"{words} "
        "root=/dev/vda rw console=ttyS0 net.ifnames=0 panic=5 apparmor=1 security=apparmor "
        # What only costs time here: the emulated clocks are one clock, and nobody attacks.
        "tsc=reliable mitigations=off "
        f"ip={node.address}::{GATEWAY}:255.255.255.0:{node.name}:eth0:none systemd.hostname={node.name}"
    )


def _socket(settings: Settings, node: Node) -> Path:
    return settings.sockets / f"{node.name}.qmp"


def monitor(settings: Settings, node: Node, line: str) -> str:
    """Give QEMU's monitor one line and return its answer. Raises `LabError` when QEMU is gone."""
    try:
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(120)
            channel.connect(str(_socket(settings, node)))
            stream = channel.makefile("rw")
            stream.readline()  # the greeting
            _ask(stream, "qmp_capabilities", {})
            return str(_ask(stream, "human-monitor-command", {"command-line": line})).strip()
    except OSError as error:
        raise LabError(f"{node.name} has no running QEMU ({error}); `python -m lab status` tells more") from error


def _ask(stream: TextIO, command: str, arguments: dict[str, str]) -> object:
    stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
    stream.flush()
    while True:
        answer = json.loads(stream.readline() or '{"error": {"desc": "the connection ended"}}')
        if "error" in answer:
            raise LabError(f"QEMU refused {command}: {answer['error']['desc']}")
        if "return" in answer:
            return answer["return"]


def running(settings: Settings, node: Node) -> bool:
    """Tell whether the guest's QEMU answers."""
    try:
        monitor(settings, node, "info status")
    except LabError:
        return False
    return True


def save(settings: Settings, node: Node, tag: str) -> None:
    """Keep the guest's memory and disk under `tag`. The guest should be paused."""
    answer = monitor(settings, node, f"savevm {tag}")
    if answer:
        raise LabError(f"{node.name} could not be saved: {answer}")


def load(settings: Settings, node: Node, tag: str) -> None:
    """Put the guest's memory and disk back to `tag`, going on."""
    pause(settings, node)
    answer = monitor(settings, node, f"loadvm {tag}")
    if answer:
        raise LabError(f"{node.name} could not be put back to {tag!r}: {answer}")
    resume(settings, node)


def pause(settings: Settings, node: Node) -> None:
    """Have the guest stand still."""
    monitor(settings, node, "stop")


def resume(settings: Settings, node: Node) -> None:
    """Have it go on."""
    monitor(settings, node, "cont")


def quit_guest(settings: Settings, node: Node) -> None:
    """End the guest as a power cut would."""
    with contextlib.suppress(LabError):  # QEMU may be gone before it answers
        monitor(settings, node, "quit")


def cut_power(settings: Settings, node: Node) -> None:
    """End the guest so, and return when it is gone."""
    quit_guest(settings, node)
    waiting.until(lambda: not running(settings, node), f"QEMU of {node.name} is gone", seconds=30)


def crash(settings: Settings, node: Node) -> None:
    """Kill its QEMU."""
    for pid in network.processes(settings, {process_name(node)}):
        os.kill(pid, signal.SIGKILL)


def remove(settings: Settings, node: Node) -> None:
    """End it as a power cut would, and remove its control socket."""
    quit_guest(settings, node)
    _socket(settings, node).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # others are in it
        settings.sockets.rmdir()
