"""What this machine can hold: open files, memory, the length of a word; and that their end is nobody's verdict."""

from __future__ import annotations

import errno
import gc
import json
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from migrator import local_capacity
from migrator.cri.channel import CriChannel
from migrator.cri.errors import Place
from migrator.engine import playbooks
from migrator.engine.context import StepContext
from migrator.engine.migration import STEPS
from migrator.errors import HostUnreachableError, InventoryError, StepFailedError
from migrator.hosts import HostResult, local_limits, runner
from migrator.hosts.remote_process import RemoteProcess
from migrator.hosts.socket_forward import SocketForward
from migrator.model.host_settings import HostSettings
from migrator.model.node_requests import Inspect, Request
from migrator.model.rollout_policy import Policy
from migrator.planning.plan import make
from migrator.rollout.schedule import Group, Member, batches, largest
from tests.fakes.clock import FakeClock
from tests.fakes.cluster import FakeCluster
from tests.fakes.hosts import FakeHosts
from tests.fakes.values import situation
from tests.test_work import World

MANY = 5000


class Some(Request):
    """A playbook of a test."""

    playbook = "some"


@contextmanager
def no_more_files() -> Iterator[None]:
    """Leave this process without a single file that it might open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    gc.collect()  # what earlier tests left open would be closed in the middle, and be a file again
    gc.disable()
    # Not so low that libraries, which keep what they have, find nothing.
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) + 50, hard))
    try:
        while True:
            try:
                taken.append(os.dup(0))
            except OSError:
                break
        yield
    finally:
        gc.enable()
        for number in taken:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_five_thousand_long_names_are_told_to_ansible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Far more than a word of a command line has; and no other host of the inventory is played on."""
    names = [
        f"ip-10-{n // 250}-{n % 250}-with-a-name-as-long-as-those-of-some-clouds.eu-central-1.compute.internal"
        for n in range(MANY)
    ]
    assert len(",".join(names)) > 3 * 128 * 1024
    (tmp_path / "inventory").write_text(
        "\n".join([*names, "another", "", "[all:vars]", "ansible_connection=local"]) + "\n"
    )
    task = {
        "name": "count",
        "ansible.builtin.debug": {"msg": "{{ ansible_play_hosts_all | length }}"},
        "run_once": True,
    }
    (tmp_path / "some.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [task]}]))
    monkeypatch.setattr(runner.data_files, "folder", lambda _: tmp_path)

    found = runner.AnsibleHosts(tmp_path / "inventory").play(Some(), names)

    assert found[names[0]].results["count"]["msg"] == MANY


@pytest.mark.parametrize("name", ["a,b", "a:b", "a b", "[0:1]", "a" * 60])
def test_a_temporary_folder_of_any_name_will_do(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Ansible would take its name apart, where the file of the hosts is in it."""
    monkeypatch.setattr(tempfile, "tempdir", str(Path("/srv") / name))
    assert local_limits.parent() == "/tmp"  # noqa: S108 - what is expected

    monkeypatch.setattr(tempfile, "tempdir", "/srv/a+b_c.d-e")
    assert local_limits.parent() is None


def test_an_ansible_that_ran_nothing_is_no_verdict(tmp_path: Path) -> None:
    """It may have been killed for its memory: whoever asked has had no answer, and may ask again."""
    (tmp_path / "inventory.yml").write_text("all: {hosts: [this, is, none]}\n")

    (result,) = runner.AnsibleHosts(tmp_path / "inventory.yml").play(Inspect(), ["this"]).values()

    assert result.unreachable
    assert result.problem


def test_a_playbook_that_no_file_is_left_for_is_no_verdict(tmp_path: Path) -> None:
    """It is told as a host that is out of reach, with what to do; steps wait for such a one."""
    (tmp_path / "inventory.yml").write_text("all: {hosts: {here: {ansible_connection: local}}}\n")
    hosts = runner.AnsibleHosts(tmp_path / "inventory.yml")

    with no_more_files():
        (result,) = hosts.play(Inspect(), ["here"]).values()

    assert result.unreachable
    assert result.problem.startswith("here could not be asked: this machine is at its limits (Too many open files)")


def test_a_line_that_no_file_is_left_for_is_out_of_reach(tmp_path: Path) -> None:
    """`HostUnreachableError` is waited for; any other error would end the step."""
    (tmp_path / "inventory.yml").write_text("all: {hosts: {here: {ansible_connection: local}}}\n")
    hosts = runner.AnsibleHosts(tmp_path / "inventory.yml")

    with no_more_files(), pytest.raises(HostUnreachableError, match="here could not be asked.*Too many open files"):
        hosts.line("here").__enter__()


def test_a_runtime_that_no_file_is_left_for_is_not_blamed(tmp_path: Path) -> None:
    """It listens, and was not even called."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "cri"))
        listener.listen()
        wire = CriChannel(Place("containerd", str(tmp_path / "cri")), seconds=5)
        try:
            with (
                no_more_files(),
                pytest.raises(HostUnreachableError, match="containerd could not be asked.*Too many open files"),
            ):
                wire.negotiate()
        finally:
            wire.close()


def test_a_relay_goes_on_when_there_are_files_again(tmp_path: Path) -> None:
    """Who connects meanwhile waits for it, or is told that it was this machine; nobody is told that all is closed."""
    holding = threading.Event()

    def start(_path: str, _until: float) -> RemoteProcess:
        holding.wait(10)
        raise HostUnreachableError("the host is away")

    relayed = SocketForward("w1", "/run/x", tmp_path / "0", start)
    try:
        with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as two, no_more_files():
            one.connect(str(tmp_path / "0"))  # for this one a file was taken before it came
            two.connect(str(tmp_path / "0"))
            until(lambda: "at its limits" in relayed.lost)
            assert relayed.unreached
            holding.set()
        with socket.socket(socket.AF_UNIX) as other:
            other.connect(str(tmp_path / "0"))
            assert other.recv(1) == b""
        until(lambda: relayed.lost == "the host is away")
    finally:
        relayed.close()


def until(reached: Callable[[], bool]) -> None:
    """Poll for at most 10 s."""
    end = time.monotonic() + 10
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (OSError(errno.EMFILE, "files"), True),
        (OSError(errno.ENOMEM, "memory"), True),
        (OSError(errno.EAGAIN, "processes"), True),
        (OSError(errno.ENOSPC, "room"), True),
        (RuntimeError("can't start new thread"), True),
        (MemoryError(), True),
        (OSError(errno.ENOENT, "no such file"), False),
        (RuntimeError("a bug"), False),
        (StepFailedError("containerd does not start"), False),
    ],
    ids=str,
)
def test_what_ends_here_is_told_apart(error: Exception, ours: bool) -> None:  # noqa: FBT001 - a column of the table
    """Only what this machine has too little of; a bug stays one, a verdict too."""
    assert local_limits.exhausted(error) is ours
    with pytest.raises(HostUnreachableError if ours else type(error)), local_limits.bounds("w1"):
        raise error


def test_a_step_waits_for_a_machine_at_its_limits() -> None:
    """What the door gives then is an error that says nothing about the node."""
    told = local_limits.told("w1", OSError(errno.EMFILE, "Too many open files"))
    hosts = FakeHosts({"inspect": HostResult("w1", told, unreachable=True)})
    run = StepContext(
        "run",
        make(situation(), STEPS),
        HostSettings(),
        hosts,
        FakeCluster([]),
        FakeClock(),
        frozenset(),
        lambda _: None,
    )

    with pytest.raises(HostUnreachableError) as raised:
        playbooks.play(run, Inspect())

    assert not raised.value.verdict


def test_as_many_files_as_allowed_may_be_open() -> None:
    """The soft limit follows the hard one, to a sane number; a program that closes all it might have stays quick."""
    code = (
        "import resource\nfrom migrator import local_capacity\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))\n"
        "local_capacity.widen()\nprint(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    hard = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 10**6)
    for soft, most in ((256, 2048), (256, hard), (2048, 2048)):
        words = [sys.executable, "-c", code.format(soft=soft, hard=most)]
        told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        assert int(told) == min(most, 65536)


def test_a_control_group_that_allows_less_counts(tmp_path: Path) -> None:
    """Any of those above ours too; files kept in memory count as free."""
    deep = tmp_path / "sys/fs/cgroup/a/b"
    deep.mkdir(parents=True)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text("MemTotal: 9000000 kB\nMemAvailable: 8000000 kB\n")
    assert local_capacity.here(tmp_path).memory == 8_000_000 * 1024

    (tmp_path / "proc/self/cgroup").write_text("0::/a/b\n")
    for folder, most in ((deep, "max"), (deep.parent, "1000000")):
        (folder / "memory.max").write_text(f"{most}\n")
        (folder / "memory.current").write_text("600000\n")
        (folder / "memory.stat").write_text("anon 5\ninactive_file 100000\n")
    assert local_capacity.here(tmp_path).memory == 500_000


GROUPS = {
    "systemd's": ("4:memory:/a/b", "a", "a/b"),
    "a container's, which sees itself as the topmost": ("9:cpu,cpuacct:/docker/x\n4:memory:/docker/x", "", "docker"),
    "beside version 2": ("4:memory:/a/b\n1:name=systemd:/a/b\n0::/a/b", "a", "a/b"),
    "with another one": ("4:hugetlb,memory:/a/b", "a/b", "a"),
}


@pytest.mark.parametrize(("told", "limited", "unlimited"), GROUPS.values(), ids=GROUPS)
def test_a_control_group_of_the_first_version_counts(told: str, limited: str, unlimited: str, tmp_path: Path) -> None:
    """Many CI runners have it. One without a limit has a number that no machine's memory has."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text("MemTotal: 9000000 kB\nMemAvailable: 8000000 kB\n")
    (tmp_path / "proc/self/cgroup").write_text(f"{told}\n")
    for place, most in ((unlimited, 9223372036854771712), (limited, 1_000_000)):
        folder = tmp_path / "sys/fs/cgroup/memory" / place
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "memory.limit_in_bytes").write_text(f"{most}\n")
        (folder / "memory.usage_in_bytes").write_text("600000\n")
        (folder / "memory.stat").write_text("inactive_file 7\ntotal_inactive_file 100000\n")

    assert local_capacity.here(tmp_path).memory == 500_000


@pytest.mark.parametrize(
    ("files", "memory", "most"), [(1024, 2**40, 36), (65536, 2**30, 5), (10, 10, 1), (65536, 2**40, 2617)]
)
def test_how_many_fit(files: int, memory: int, most: int) -> None:
    """By whichever is less; one node at least is tried."""
    assert local_capacity.Room(files, memory).most == most


@pytest.mark.parametrize(("policy", "most"), [({"batch": "200"}, 200), ({"batch": "100%", "max_unavailable": "7"}, 7)])
def test_the_largest_batch_is_what_counts(policy: dict[str, str], most: int) -> None:
    """As many as may be away at once."""
    names = [f"w{number}" for number in range(300)]
    ordered = batches([Group(Policy(canaries=0, **policy), [Member(name) for name in names], frozenset(names))])

    found = largest(ordered)

    assert found is not None
    assert found.at_once == most


def test_a_batch_that_does_not_fit_is_refused_before_anything(tmp_path: Path) -> None:
    """Which does, is said."""
    world = World(tmp_path, batch="3", canaries=0)
    two = local_capacity.Room(files=160, memory=2**40)

    with pytest.raises(
        InventoryError,
        match="3 would be in work at once, and this machine has room for 2: .*25 open files.*160.*migrator_batch to 2",
    ):
        world.do(room=lambda: two)

    assert world.hosts.calls == []
    assert not list(tmp_path.iterdir())
    assert len(world.do(room=lambda: two, most=2).results) == 2


def test_of_nodes_that_serve_as_many_are_begun_as_fit(tmp_path: Path) -> None:
    """Nobody has to make batches smaller for the stages alone."""
    world = World(tmp_path, batch="3", canaries=0)
    two = local_capacity.Room(files=160, memory=2**40)
    working, most = [0], threading.Barrier(2, timeout=30)

    def stage() -> None:
        working.append(working[-1] + 1)
        most.wait()
        time.sleep(0.2)
        working.append(working[-1] - 1)

    world.staging = [stage, stage, lambda: working.append(working[-1] + 1)]
    steps = [step for step in STEPS if step.id == "stage"]

    rolled = world.do(room=lambda: two, steps=steps, serving=True)

    rolled.check()
    assert len(rolled.results) == 3
    assert max(working) == 2
