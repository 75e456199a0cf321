"""The CRI client, with real containerds of Debian 11, 12, 13 and testing that run containers on this machine.

These need no guest. Each containerd has namespaces of its own, in which everything ends.
"""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from lab import images, parsers, runtimes, waiting
from lab.runtimes import Private
from lab.settings import Settings
from migrator.cri import OWNER_LABEL, ContainerSpec, Runtime, SandboxSpec
from migrator.cri.client import connect
from migrator.cri.labels import labels
from migrator.cri.sweep import sweep
from migrator.errors import CriError, Fault
from tests.test_node_modules import carry_images

ROOT = Path(__file__).parents[2]
MIB = 2**20
SHORT = 2.0
"""Seconds after which a runtime counts as hung here."""
TALKS = ("-c", "echo hello; trap 'exit 7' TERM; while :; do sleep 0.1; done")
SOCKET, IMAGE = "MIGRATOR_CRI_SOCKET", "MIGRATOR_CRI_IMAGE"


@pytest.fixture(scope="module", params=parsers.SUITES)
def place(request: pytest.FixtureRequest) -> Iterator[Private]:
    """Give each containerd in turn, with the lab's images."""
    settings = Settings()
    with runtimes.private(settings, request.param) as here:
        for reference, layout in images.layouts(settings).items():
            here.load(reference, layout)
        yield here


@pytest.fixture
def client(place: Private) -> Iterator[Runtime]:
    """Give a client, with nothing of ours left by another test."""
    client = connected(place)
    sweep(client)
    yield client
    client.close()


def connected(place: Private) -> Runtime:
    """Connect when the daemon takes calls of CRI: containerd 2 has its socket before that."""
    made: list[Runtime] = []

    def takes_calls() -> bool:
        try:
            made.append(connect(f"unix:{place.socket}"))
        except CriError as error:
            if error.fault is not Fault.ABSENT:
                raise
        return bool(made)

    waiting.until(takes_calls, "containerd takes calls of CRI", seconds=60, every=0.2)
    return made[0]


def pod(name: str, folder: Path, cgroup: str, session: str = "s1") -> SandboxSpec:
    """Describe a sandbox."""
    return SandboxSpec(
        name=name, uid=f"uid-{name}", cgroup_parent=cgroup, log_directory=str(folder / name),
        labels=labels(session, name=name, uid=f"uid-{name}"),
    )  # fmt: skip


def container(within: SandboxSpec, image: str = images.BUSYBOX, **more: object) -> ContainerSpec:
    """Describe a container that goes on until it is asked to end."""
    own = within.labels | {"io.kubernetes.container.name": "one"}
    return ContainerSpec(name="one", image=image, args=TALKS, log_path="one.log", labels=own, **more)  # type: ignore[arg-type]


def saved_without_name(layout: Path, folder: Path) -> Path:
    """Write an image as `docker save NAME@DIGEST` does: its name is nowhere."""

    def blob(entry: Mapping[str, str]) -> bytes:
        return (layout / "blobs/sha256" / entry["digest"].partition(":")[2]).read_bytes()

    manifest = json.loads(blob(json.loads((layout / "index.json").read_text())["manifests"][0]))
    parts = {"config.json": blob(manifest["config"])}
    parts |= {f"{number}/layer.tar": blob(layer) for number, layer in enumerate(manifest["layers"])}
    told = [{"Config": "config.json", "RepoTags": None, "Layers": list(parts)[1:]}]
    archive = folder / "saved.tar"
    with tarfile.open(archive, "w") as tar:
        for name, data in (parts | {"manifest.json": json.dumps(told).encode()}).items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return archive


def test_an_image_by_digest_is_carried(
    place: Private, client: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its containers run, whether a pod adds a tag to its name or not; nothing is pulled: there is no such registry."""
    name = f"registry.invalid/app@sha256:{'1' * 64}"
    archive = saved_without_name(images.layouts(Settings())[images.BUSYBOX], tmp_path)
    with archive.open("rb") as file:
        response = SimpleNamespace(status=200, read=file.read)
        monkeypatch.setattr(carry_images, "docker_open", lambda *_, **__: response)

        carry_images.carry(place.ctr("-n", "k8s.io"), name)

    waiting.until(lambda: bool(client.image(name)), "CRI has heard of the image", seconds=60, every=0.2)
    assert client.image(name.replace("@", ":1@")) == client.image(name)
    life(client, pod("d", tmp_path, place.cgroup), name, tmp_path)


def test_each_release_speaks_its_version(place: Private, client: Runtime) -> None:
    """Containerd 1.4 knows only v1alpha2, the others are asked by v1; the driver is known from 1.5 on."""
    release = ".".join(map(str, place.release.version))
    old = place.release.version < (1, 5)
    assert (client.version.name, client.version.api) == ("containerd", "v1alpha2" if old else "v1")
    assert client.version.version.startswith(release)
    status = client.status()
    assert (status.conditions["RuntimeReady"], status.conditions["NetworkReady"]) == ("", "")
    assert status.cgroup_driver == ("" if old else "cgroupfs")


def life(client: Runtime, within: SandboxSpec, image: str, logs: Path) -> None:
    """Run a sandbox with a container to its end, and look at it on the way."""
    sandbox = client.run_sandbox(within)
    shown = client.sandbox(sandbox)
    assert (shown.name, shown.uid, shown.ready, shown.labels) == (within.name, within.uid, True, dict(within.labels))
    assert re.fullmatch(r"[0-9a-f.:]+", shown.address)

    spec = container(within, image, memory=50 * MIB, cpu_quota=20_000, cpu_shares=512, seccomp="RuntimeDefault")
    one = client.create_container(sandbox, within, spec)
    assert client.container(one).state == "created"
    client.start_container(one)
    running = client.container(one)
    assert (running.state, running.sandbox, running.labels) == ("running", sandbox, dict(spec.labels))
    assert running.created_at <= running.started_at
    assert running.pid > 0

    done = client.execute(one, ("sh", "-c", "hostname; grep Seccomp: /proc/self/status; echo no >&2; exit 3"), 30)
    assert (done.stdout, done.stderr, done.exit_code) == (f"{within.name}\nSeccomp:\t2\n".encode(), b"no\n", 3)
    assert [entry.id for entry in client.sandboxes({OWNER_LABEL: "s1"})] == [sandbox]
    assert [entry.id for entry in client.containers({OWNER_LABEL: "s1"})] == [one]
    assert client.sandboxes({OWNER_LABEL: "s2"}) == ()
    assert (logs / within.name / "one.log").read_text().endswith(" stdout F hello\n")

    client.stop_container(one, 20)
    ended = client.container(one)
    assert (ended.state, ended.exit_code, ended.reason, ended.pid) == ("exited", 7, "Error", 0)
    assert ended.finished_at > ended.started_at
    client.remove_container(one)
    client.stop_sandbox(sandbox)
    client.remove_sandbox(sandbox)
    assert (client.sandboxes({OWNER_LABEL: "s1"}), client.containers({OWNER_LABEL: "s1"})) == ((), ())


def test_a_pod_lives_and_ends(place: Private, client: Runtime) -> None:
    """Everything that a session asks of a runtime, with its answers; no cgroup is left."""
    life(client, pod("a", place.folder, place.cgroup), images.BUSYBOX, place.folder)
    assert place.cgroups() == []


def test_limits_and_profiles_arrive(place: Private, client: Runtime) -> None:
    """What was asked for is in force: the fields of the messages are where this release looks for them."""
    within = pod("a", place.folder, place.cgroup)
    sandbox = client.run_sandbox(within)
    spec = container(
        within, memory=50 * MIB, cpu_quota=20_000, cpu_shares=512, oom_score_adj=900, dropped=("NET_RAW",),
        no_new_privileges=True, masked_paths=("/proc/version",), readonly_paths=("/proc/sys",),
    )  # fmt: skip
    one = client.create_container(sandbox, within, spec)
    client.start_container(one)

    groups = sorted(Path("/sys/fs/cgroup").glob(f"*{place.cgroup}/{one}"))
    read = {file.name: file.read_text().strip() for group in groups for file in group.iterdir() if file.name in _FILES}
    assert read == _FILES
    looked = client.execute(
        one, ("sh", "-c", "cat /proc/1/status /proc/1/oom_score_adj /proc/version; cat /proc/mounts"), 30
    )
    status, _, mounts = looked.stdout.decode().partition("\n900\n")
    assert re.search(r"^Seccomp:\t0$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE)
    assert re.search(r"^CapBnd:\t00000000a80405fb$", status, re.MULTILINE)
    assert re.search(r"^\S+ /proc/version ", mounts, re.MULTILINE)
    assert re.search(r"^\S+ /proc/sys \S+ ro,", mounts, re.MULTILINE)


_FILES = {
    "memory.limit_in_bytes": str(50 * MIB),
    "cpu.cfs_quota_us": "20000",
    "cpu.cfs_period_us": "100000",
    "cpu.shares": "512",
}


def test_a_running_pod_is_removed(client: Runtime, place: Private) -> None:
    """Neither the container nor the sandbox has to be stopped by us first, and what is gone may be removed again."""
    within = pod("a", place.folder, place.cgroup)
    sandbox = client.run_sandbox(within)
    one = client.create_container(sandbox, within, container(within))
    client.start_container(one)
    for _ in range(2):
        client.remove_container(one)
        client.stop_sandbox(sandbox)
        client.remove_sandbox(sandbox)
        client.stop_container(one, 1)
    assert (client.sandboxes({}), client.containers({})) == ((), ())


def test_refusals_are_the_runtimes_own_words(client: Runtime, place: Private) -> None:
    """An image that is not there, a program that is not there, a command that takes too long, an unknown container."""
    assert client.image("nowhere.invalid/x:1") == ""
    client.remove_image("nowhere.invalid/x:1")
    within = pod("a", place.folder, place.cgroup)
    sandbox = client.run_sandbox(within)
    with pytest.raises(CriError, match="create container one of a: .*nowhere.invalid/x:1.* not found"):
        client.create_container(sandbox, within, container(within, "nowhere.invalid/x:1"))
    one = client.create_container(sandbox, within, container(within))
    client.start_container(one)
    with pytest.raises(CriError, match="run `nope` in container one .*executable file not found") as raised:
        client.execute(one, ("nope",), 10)
    assert raised.value.fault is Fault.REFUSED
    with pytest.raises(CriError, match="run `sleep 9` in container one .*timeout 1s exceeded") as raised:
        client.execute(one, ("sleep", "9"), 1)
    assert raised.value.fault is Fault.REFUSED
    with pytest.raises(CriError, match="show container 0000000000000: ") as raised:
        client.container("0" * 64)
    assert raised.value.fault is Fault.MISSING


CRASHES = """
import os, signal, sys
from migrator.cri import ContainerSpec, SandboxSpec
from migrator.cri.client import connect
from migrator.cri.labels import labels

socket, cgroup, image = sys.argv[1:]
client = connect(socket)
within = SandboxSpec(name="a", uid="u", cgroup_parent=cgroup, labels=labels("crashed", name="a", uid="u"))
sandbox = client.run_sandbox(within)
own = labels("crashed", name="a", uid="u", container="one")
client.start_container(client.create_container(sandbox, within, ContainerSpec("one", image, ("-c", "sleep 1000"), labels=own)))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_session_left_is_found_and_removed(client: Runtime, place: Private) -> None:
    """A second client removes the pod of the first, leaves its own session's, and says what it did."""
    words = [sys.executable, "-c", CRASHES, str(place.socket), place.cgroup, images.BUSYBOX]
    assert subprocess.run(words, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    ours = client.run_sandbox(pod("b", place.folder, place.cgroup, session="s2"))
    assert len(client.sandboxes({})) == 2

    said = sweep(client, keep="s2")

    assert said == ("removed container one of session crashed", "removed sandbox a of session crashed")
    assert [entry.id for entry in client.sandboxes({})] == [ours]
    assert sweep(client) == ("removed sandbox b of session s2",)
    assert place.cgroups() == []


def test_a_stopped_daemon_is_hung(place: Private, client: Runtime) -> None:
    """Old connections and new ones notice at their deadline, and go on when it does."""
    quick = connect(str(place.socket), seconds=SHORT)
    started = time.monotonic()
    with place.stopped():
        for ask in (quick.status, lambda: connect(str(place.socket), seconds=SHORT)):
            with pytest.raises(CriError, match="did not answer within 2 s") as raised:
                ask()
            assert raised.value.fault is Fault.HUNG
    assert time.monotonic() - started < 20 * SHORT
    assert quick.status().conditions["RuntimeReady"] == ""
    assert client.status().conditions["RuntimeReady"] == ""
    quick.close()


def test_a_killed_daemon_is_lost_and_found_again(place: Private, client: Runtime) -> None:
    """A call in the middle ends at once; after the daemon's next start the pod, which lived on, is swept."""
    within = pod("a", place.folder, place.cgroup)
    sandbox = client.run_sandbox(within)
    one = client.create_container(sandbox, within, container(within))
    client.start_container(one)
    with ThreadPoolExecutor(1) as pool:
        started = time.monotonic()
        running = pool.submit(client.execute, one, ("sleep", "60"), 60)
        time.sleep(0.5)
        place.kill()
        error = running.exception(50)
    assert isinstance(error, CriError)
    assert error.fault is Fault.LOST
    assert "ended before it answered whether it could run `sleep 60`" in str(error)
    assert time.monotonic() - started < 50
    with pytest.raises(CriError, match="nobody listens on") as raised:
        connect(str(place.socket))
    assert raised.value.fault is Fault.ABSENT

    place.start()

    again = connected(place)
    assert again.container(one).state == "running"
    assert sweep(again) == ("removed container one of session s1", "removed sandbox a of session s1")
    again.close()
    assert place.cgroups() == []


@pytest.mark.parametrize("suite", parsers.SUITES)
def test_a_disabled_plugin_is_said_so(suite: str) -> None:
    """The daemon runs and answers; that it does not speak CRI is the message. Its folder is gone afterwards."""
    with runtimes.private(Settings(), suite, disabled=True) as here:
        with pytest.raises(CriError, match="CRI plugin is disabled or failed") as raised:
            connect(str(here.socket))
        assert raised.value.fault is Fault.DISABLED
    with pytest.raises(CriError, match="there is no socket"):
        connect(str(here.socket))


@contextmanager
def other() -> Iterator[Runtime]:
    """Give the runtime that the environment names."""
    if SOCKET not in os.environ:
        pytest.skip(f"{SOCKET} names no CRI socket of another runtime (CRI-O, cri-dockerd) on this machine")
    client = connect(os.environ[SOCKET])
    try:
        yield client
    finally:
        sweep(client)
        client.close()


def test_another_runtime_does_the_same(tmp_path: Path) -> None:
    """CRI-O or cri-dockerd, where there is one: the life of a pod, from an image with a shell that it has."""
    with other() as client:
        image = os.environ.get(IMAGE, images.BUSYBOX)
        if not client.image(image):
            pytest.skip(f"{os.environ[SOCKET]} has no image {image}; {IMAGE} may name one whose entry point is a shell")
        life(client, pod("a", tmp_path, ""), image, tmp_path)
