"""Open files and memory of this machine for each node at work over SSH, beside what `local_capacity` counts with.

As many names as are asked for stand for the hosts of an inventory in turn: each has an SSH connection, a line with its
witness, and two connections to its runtime; then a playbook runs beside all of them at once. Files are those of this
process; memory is the proportional set size (proc(5), smaps_rollup) of it and of all that it started, ssh too.
With the lab: `python -m lab run env PYTHONPATH=. python bench/lines.py ~/.cache/migrator-lab/labs/NAME/inventory.yml`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import yaml

from lab import waiting
from migrator import local_capacity
from migrator.cri.client import connect
from migrator.hosts import HostSession
from migrator.hosts.runner import AnsibleHosts
from migrator.model.node_requests import Inspect

SOCKET = "/run/containerd/containerd.sock"
MARK = "MIGRATOR_BENCH"
"""Whatever we start has this variable, also what leaves our session, as ssh does that stays for others."""
AT_ONCE = 4
"""Lines that are opened at a time: sshd turns away who comes when ten others have not logged in yet (MaxStartups)."""
EVERY = 0.2


def names(inventory: Path, count: int, folder: Path) -> Path:
    """Write an inventory in which so many names stand for the hosts of another, each with connections of its own."""
    asked = subprocess.run(["ansible-inventory", "-i", inventory, "--list"], capture_output=True, text=True, check=True)
    known = json.loads(asked.stdout)["_meta"]["hostvars"]
    hosts: dict[str, Any] = {}
    for number in range(count):
        name = sorted(known)[number % len(known)]
        variables = dict(known[name])
        address = variables.pop("ansible_host", name)
        more = variables.pop("ansible_ssh_common_args", "")
        # Ansible names a connection by host, port and user: by the address they would all share one.
        hosts[f"n{number}"] = {
            **{key: value for key, value in variables.items() if key.startswith("ansible_")},
            "ansible_ssh_common_args": f"{more} -o HostName={address} -o HostKeyAlias={address}",
            "ansible_ssh_args": "-C -o ControlMaster=auto -o ControlPersist=5s",  # the next count begins without them
        }
    path = folder / "inventory.yml"
    path.write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
    return path


def ours(mark: str) -> list[int]:
    """List this process and all that it has started."""
    found = [os.getpid()]
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{MARK}={mark}".encode() in (place / "environ").read_bytes().split(b"\0"):
                found.append(int(place.name))
    return sorted({*found})


def used(mark: str) -> tuple[int, int]:
    """Give the open files of this process, and the bytes of memory of it and what it started."""
    memory = 0
    for pid in ours(mark):
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            memory += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return len(list(Path("/proc/self/fd").iterdir())), memory


class Peak:
    """The most that was used while a `with` block ran."""

    def __init__(self, mark: str) -> None:
        """Begin with nothing."""
        self._mark = mark
        self._over = threading.Event()
        self._looking = threading.Thread(target=self._look)
        self.files = self.memory = 0

    def __enter__(self) -> Self:
        """Look again and again."""
        self._looking.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._over.set()
        self._looking.join()

    def _look(self) -> None:
        while not self._over.wait(EVERY):
            files, memory = used(self._mark)
            self.files, self.memory = max(self.files, files), max(self.memory, memory)


@contextlib.contextmanager
def at_work(hosts: AnsibleHosts, chosen: list[str]) -> Iterator[None]:
    """Have a line to each host, with its witness and two connections to its runtime."""
    with contextlib.ExitStack() as opened, ThreadPoolExecutor(AT_ONCE) as workers:

        def begin(host: str) -> None:
            line: HostSession = opened.enter_context(hosts.line(host))
            line.ask("hello")
            for _ in range(2):
                opened.callback(connect(line.socket(SOCKET)).close)

        list(workers.map(begin, chosen))
        yield


def measure(inventory: Path, count: int, mark: str) -> None:
    """Work on so many hosts at once; print what each takes."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        hosts, chosen = AnsibleHosts(names(inventory, count, Path(folder))), [f"n{number}" for number in range(count)]
        files, memory = used(mark)
        with at_work(hosts, chosen):
            rest_files, rest_memory = used(mark)
            began = time.monotonic()
            with Peak(mark) as peak, ThreadPoolExecutor(count) as workers:
                problems = list(workers.map(lambda host: hosts.play(Inspect(), [host])[host].problem, chosen))
            seconds = time.monotonic() - began
    if any(problems):
        raise SystemExit(next(filter(None, problems)))
    for what, more_files, more_memory in (
        ("their lines rest", rest_files, rest_memory),
        (f"a playbook runs beside each, {seconds:.0f} s", peak.files, peak.memory),
    ):
        print(
            f"{count} hosts, {what}: {(more_files - files) / count:.1f} files and "
            f"{(more_memory - memory) / count / 2**20:.0f} MiB each; "
            f"{local_capacity.FILES} and {local_capacity.MEMORY // 2**20} are counted",
            flush=True,
        )


def main() -> None:
    """Measure and print."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    asked.add_argument("inventory", type=Path)
    asked.add_argument("--counts", default="2,8,16")
    given = asked.parse_args()
    os.environ[MARK] = mark = secrets.token_hex(8)
    local_capacity.widen()
    for count in map(int, given.counts.split(",")):
        measure(given.inventory, count, mark)
        waiting.until(lambda: ours(mark) == [os.getpid()], "all that was started has ended", seconds=120, every=EVERY)


if __name__ == "__main__":
    main()
