"""A private containerd started and ended by the witness, with a real containerd: nothing of it stays.

In namespaces of its own for mounts, network and processes, where only the witness changes anything. Needs no guest.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import parsers, runtimes, waiting
from lab.parsers import Containerd
from lab.settings import Settings
from migrator.proof import image
from tests.witness_parts import Witness, joined

SESSION = "ab12cd34"
CONFIG = """
version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"]
"""
PLACES = ("/run", "/opt", "/var/lib")
"""Where containerd and the witness make things; empty in these namespaces."""
CGROUPS = Path("/sys/fs/cgroup")


class Host:
    """Namespaces that stand for a host, and what is in them."""

    def __init__(self, release: Containerd, tools: Path, folder: Path) -> None:
        self.release, self.tools, self.folder = release, tools, folder
        self.program = str(release.folder / "usr/bin/containerd")
        (folder / "witness.py").write_text(joined())
        self.environment = {
            "PATH": f"{release.folder}/usr/bin:{tools}/usr/sbin:{os.environ['PATH']}",
            "LD_LIBRARY_PATH": f"{tools}/usr/lib/x86_64-linux-gnu",
        }
        spaces = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
        # A shell is the first process: it waits for what loses its parent.
        mounting = "".join(f"mount -t tmpfs none {place}\n" for place in PLACES)
        self.first = subprocess.Popen(
            [*spaces, "sh", "-ec", mounting + "while :; do sleep 0.05; done"], stdin=subprocess.DEVNULL
        )
        waiting.until(
            lambda: f"{PLACES[-1]}\n" in self.look("findmnt -no TARGET -t tmpfs"), "namespaces", seconds=10, every=0.05
        )
        self.witnesses: list[Witness] = []

    def inside(self, *words: str) -> list[str]:
        """Give a command that runs there."""
        children = Path(f"/proc/{self.first.pid}/task/{self.first.pid}/children").read_text().split()
        return ["nsenter", "--target", children[0] if children else "0", "--mount", "--net", "--pid", *words]

    def witness(self) -> Witness:
        """Start a witness there."""
        words = self.inside("python3", str(self.folder / "witness.py"))
        self.witnesses.append(Witness(words, env=self.environment))
        return self.witnesses[-1]

    def look(self, script: str) -> str:
        """Run a script there."""
        done = subprocess.run(self.inside("sh", "-ec", script), capture_output=True, text=True, check=False, env=None)
        return done.stdout

    def state(self) -> dict[str, str]:
        """Give everything that could stay."""
        return {
            "files": self.look(f"find {' '.join(PLACES)} {self.folder} | sort"),
            "mounts": self.look("findmnt -rno TARGET,SOURCE | sort"),
            "processes": self.look("ps -eo comm= | sort | grep -vxE 'ps|sort|grep|sh|sleep'"),
            "cgroups": "\n".join(str(path) for path in sorted(CGROUPS.glob(f"**/*{SESSION}*"))),
        }

    def start(self, witness: Witness, **changed: Any) -> Any:
        """Start the private instance."""
        words = {
            "session": SESSION, "runtime": "containerd", "program": self.program, "config": encoded(CONFIG),
            "files": {"net.d/10-x.conflist": encoded('{"dataDir": "@STATE@"}')}, "root": str(self.folder / "data/in"),
        }  # fmt: skip
        return witness.ask("start_runtime", **{**words, **changed})

    def run_container(self, identity: str) -> None:
        """Import the probe and run it, without CRI, so that nobody will remove it."""
        socket = f"/run/migrator-rehearsal-{SESSION}/containerd.sock"
        client = [str(self.release.folder / "usr/bin/ctr"), "--address", socket, "--namespace", "k8s.io"]
        archive = image.archive("x86_64").data
        words = ["images", "import", "--no-unpack", "-"]
        subprocess.run(
            self.inside(*client, *words), input=archive, check=True, env=self.environment, capture_output=True
        )
        words = [
            "run",
            "--detach",
            "--null-io",
            "--snapshotter",
            "native",
            "--cgroup",
            f"/migrator-{SESSION}/{identity}",
        ]
        subprocess.run(
            self.inside(*client, *words, image.REFERENCE, identity, "/probe", "wait"), check=True, env=self.environment
        )

    def end(self) -> None:
        """End it all."""
        for witness in self.witnesses:
            witness.process.kill()
            witness.end()
        self.first.kill()
        self.first.wait(20)


def encoded(text: str) -> str:
    """Give a text as the witness takes it."""
    return base64.b64encode(text.encode()).decode()


@pytest.fixture(scope="module", params=["bookworm", "forky"])
def release(request: pytest.FixtureRequest) -> Containerd:
    """Give an older and a newer containerd."""
    return parsers.containerd(Settings(), request.param)


@pytest.fixture
def host(release: Containerd) -> Iterator[Host]:
    """Give a host; its folder's path is short, for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="witness-"))
    made = Host(release, runtimes.low_level(Settings()), folder)
    yield made
    made.end()
    shutil.rmtree(folder, ignore_errors=True)


CONTAINER = "c0ffee" + "0123456789" * 5 + "abcdefab"


def crash(host: Host) -> None:
    """Kill the witness and containerd; shim and container go on."""
    host.look("kill -9 $(pgrep -f witness.py)")
    host.look(f"kill -9 $(pgrep -f 'containerd --config /run/migrator-rehearsal-{SESSION}')")


HOW: dict[str, Callable[[Host], None]] = {"orderly": lambda _: None, "after a crash": crash}


@pytest.mark.parametrize("how", HOW.values(), ids=HOW)
def test_nothing_of_an_instance_stays(host: Host, how: Callable[[Host], None]) -> None:
    """Files, mounts, processes and cgroups are as before, though a container still ran; ending it twice is no error."""
    before = host.state()
    witness = host.witness()

    answer = host.start(witness)
    host.run_container(CONTAINER)
    during = host.state()
    assert answer == {"socket": f"/run/migrator-rehearsal-{SESSION}/containerd.sock", "unit": ""}
    assert [entry["active"] for entry in witness.ask("sessions")] == [True]
    assert witness.ask("pids", ids=[CONTAINER])[CONTAINER] > 0
    named = {entry["kind"] for entry in witness.ask("left", ids=[CONTAINER])}
    assert named >= {"cgroup", "process", "mount", "state"}
    assert all(during[key] != before[key] for key in before)
    how(host)
    witness = host.witness()

    assert witness.ask("stop_runtime", session=SESSION) == {"left": []}
    assert witness.ask("stop_runtime", session=SESSION) == {"left": []}
    assert witness.ask("sessions") == []
    assert witness.ask("left", ids=[CONTAINER], words=[SESSION]) == []
    for one in host.witnesses:
        one.end()
    assert host.state() == before


def test_files_get_their_real_places(host: Host) -> None:
    """The control host does not know the folders; the texts have them when containerd reads them."""
    host.start(host.witness())

    written = host.look(f"cat /run/migrator-rehearsal-{SESSION}/files/net.d/*")

    assert written == f'{{"dataDir": "/run/migrator-rehearsal-{SESSION}/state"}}'


def test_an_instance_that_does_not_start_is_explained_and_removed(host: Host) -> None:
    """The problem has containerd's own words; nothing stays of the attempt."""
    before = host.state()
    witness = host.witness()

    with pytest.raises(AssertionError, match=r"start_runtime: it ended: .*toml") as caught:
        host.start(witness, config=encoded("version = [[["))

    assert "could not be removed" not in str(caught.value)
    witness.end()
    assert host.state() == before


def test_the_probes_image_comes_and_goes(host: Host) -> None:
    """With containerd's own client, and nothing of it stays in the store."""
    witness = host.witness()
    place = {"runtime": "containerd", "socket": host.start(witness)["socket"], "reference": image.REFERENCE}
    archive = image.archive("x86_64")
    given = {"archive": base64.b64encode(archive.data).decode(), "sha256": archive.sha256}

    assert witness.ask("import_image", **place, **given) == {"had": False}
    assert witness.ask("import_image", **place, **given) == {"had": True}
    assert witness.ask("remove_image", **place) == {"had": True}
    assert witness.ask("remove_image", **place) == {"had": False}

    client = f"{host.release.folder}/usr/bin/ctr --address {place['socket']} --namespace k8s.io"
    assert host.look(f"{client} images list -q; {client} content list -q; {client} snapshots list | tail -n +2") == ""

    assert "damaged" in witness.problem("import_image", **place, **{**given, "sha256": "0"})
    damaged = archive.data[:4096]
    given = {"archive": base64.b64encode(damaged).decode(), "sha256": hashlib.sha256(damaged).hexdigest()}
    assert "`ctr images import` failed" in witness.ask("import_image", **place, **given)["refused"]


def test_what_others_have_is_left_alone(host: Host) -> None:
    """A socket, a namespace, a reservation and a folder that are not the instance's outlive its end."""
    host.look("mkdir -p /run/containerd/s /run/netns /var/lib/cni/networks/theirs /opt/containerd/bin")
    host.look(
        "touch /run/netns/cni-theirs /opt/containerd/bin/tool; printf 'f00d\\r\\neth0' > /var/lib/cni/networks/theirs/10.1.1.1"
    )
    before = host.state()
    witness = host.witness()
    host.start(witness)
    host.look("touch /run/netns/cni-later; printf 'beef' > /var/lib/cni/networks/theirs/10.1.1.2")

    assert witness.ask("stop_runtime", session=SESSION) == {"left": []}

    witness.end()
    host.look("rm /run/netns/cni-later /var/lib/cni/networks/theirs/10.1.1.2")
    assert host.state() == before
