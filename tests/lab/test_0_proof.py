"""Rehearsals with real containerds of Debian 12, 13 and testing, healthy and sabotaged, on nodes that stand in.

These need no guest. The nodes are namespaces of this machine (cgroup v1, no systemd); lab/standin.py makes them.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab import images, standin, waiting
from lab.errors import LabError
from lab.settings import Settings
from lab.standin import StandIn
from migrator.errors import CriError, HostProblemError, HostUnreachableError
from migrator.model.evidence import Evidence, NodeProfile, Outcome, Verdict, Via
from migrator.model.facts import FileFact
from migrator.model.plan import FileChange, MigrationPlan
from migrator.nodeconf.settings import Handler, RuntimeSettings
from migrator.probe_session.exercise import Around
from migrator.probe_session.rehearsal import rehearse
from migrator.probe_session.session import ProbeTools
from migrator.proof import privileges, verdict
from migrator.runtimes import containerd
from tests.witness_parts import Witness, joined

SUITES = ("bookworm", "trixie", "forky")
"""containerd 1.6, 1.7 and 2.1."""
NETWORK = {
    "cniVersion": "0.4.0",
    "name": "pods",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.88.0.0/24"}]]},
        },
    ],
}
_BOUNDING = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapBnd"))
LOWERS_SCORES = "SYS_RESOURCE" in (privileges.names(_BOUNDING.split()[1]) or ())
"""Whether this machine lets its root lower oom_score_adj (proc(5)); some that are containers themselves do not."""
BRIDGED = Path("/proc/sys/net/bridge/bridge-nf-call-iptables").exists()
"""Whether what passes a bridge passes iptables, by this machine's kernel."""
EXISTING = f"""
version = 2
[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    restrict_oom_score_adj = {str(not LOWERS_SCORES).lower()}
"""
"""The node's present configuration, which the plan changes."""
EXCUSED = frozenset() if LOWERS_SCORES else frozenset({"oom-score[b/peer]"})
"""A Guaranteed pod asks for -997, which the kernel refuses without CAP_SYS_RESOURCE: found, rightly, in all sessions."""


class HastyClock:
    """Lets time pass a thousand times as fast for those who wait, so that what stays is given up on soon."""

    def __init__(self) -> None:
        self._skipped = 0.0

    def now(self) -> float:
        """Give the seconds."""
        return time.monotonic() + self._skipped

    def sleep(self, seconds: float) -> None:
        """Wait a little."""
        time.sleep(seconds / 100)
        self._skipped += seconds * 10


Meddle = Callable[[StandIn, dict[str, Any]], None]


class NodeLine:
    """A line to a node that stands in: its real witness, and sockets through /proc; `meddling` comes before questions."""

    def __init__(self, node: StandIn, meddling: Mapping[str, Meddle]) -> None:
        self._node = node
        self._meddling = meddling
        self.witness = Witness(node.inside("python3", node.folder / "witness.py"), env=node.environment)

    def ask(self, question: str, /, *, deadline: float = 120, **words: Any) -> Any:
        """Ask the witness."""
        del deadline
        if "session" in words:
            self._node.sessions.add(words["session"])
        if meddle := self._meddling.get(question):
            meddle(self._node, words)
        try:
            told = self.witness.send(json.dumps({"id": 1, "question": question, "words": words}))
        except (ValueError, OSError) as error:
            raise HostUnreachableError("the witness has ended") from error
        if "problem" in told:
            raise HostProblemError(told["problem"])
        return told["answer"]

    def socket(self, path: str) -> str:
        """Give the socket as this machine sees it."""
        return f"unix:{self._node.at(path)}"

    def lost(self, path: str) -> str:
        """Know nothing: nothing is between."""
        del path
        return ""

    def unreached(self, path: str) -> bool:
        """Say no, for the same reason."""
        del path
        return False


@contextmanager
def line(node: StandIn, meddling: Mapping[str, Meddle] | None = None) -> Iterator[NodeLine]:
    """Give a line whose witness ends with it."""
    opened = NodeLine(node, meddling or {})
    try:
        yield opened
    finally:
        try:
            opened.witness.end()
        except BrokenPipeError:  # it was killed
            with opened.witness.process:
                pass


@dataclass(frozen=True)
class Sabotage:
    """What is wrong in one session."""

    suite: str
    kubelet: str = "cgroupfs"
    settings: Mapping[str, Any] = field(default_factory=dict)
    edit: tuple[str, str] = ("", "")
    """Text of the configuration, and what stands there instead."""
    wrapper: str = ""
    """Python that changes `spec`, the OCI specification of the container `name`, before runc reads it."""
    on_node: Callable[[StandIn], AbstractContextManager[None]] | None = None
    meddling: Mapping[str, Meddle] = field(default_factory=dict)
    plugins: str = ""
    """Folder of CNI plugins on the node, instead of the real ones."""
    data: str = "data"
    """Folder of the data."""
    network_needs_pods: bool = False


def version(node: StandIn) -> str:
    """Give the release's version."""
    return ".".join(map(str, node.release.version[:3]))


def planned(node: StandIn, how: Sabotage) -> MigrationPlan:
    """Plan the one file that counts, as planning writes it."""
    told = {
        "cgroup_driver": "cgroupfs",
        "cni_bin_dirs": (str(node.folder / how.plugins if how.plugins else node.plugins),),
        "cni_conf_dir": str(node.folder / "net.d"),
        "pause_image": images.PAUSE, **how.settings,
    }  # fmt: skip
    if how.wrapper:
        (node.folder / "wrapper").write_text(
            WRAPPER.format(body="\n".join(f"    {x}" for x in how.wrapper.splitlines()))
        )
        (node.folder / "wrapper").chmod(0o755)
        told["handlers"] = (Handler(name="runc", program=str(node.folder / "wrapper")),)
    text = containerd.write(EXISTING, RuntimeSettings(**told), node.release.version[:3])
    assert how.edit[0] in text
    text = text.replace(*how.edit) if how.edit[0] else text
    return MigrationPlan(
        host="stand-in", node="stand-in", machine_id="0" * 32, source="docker://20.10.24",
        target=f"containerd://{version(node)}", endpoint=containerd.ENDPOINT,
        files=(FileChange(path=containerd.CONFIG, content=text, before=FileFact(path=containerd.CONFIG)),),
        root=str(node.folder / how.data / "containerd"), network_needs_pods=how.network_needs_pods,
    )  # fmt: skip


WRAPPER = """#!/usr/bin/python3
import json, os, sys

if "create" in sys.argv:
    path = sys.argv[sys.argv.index("--bundle") + 1] + "/config.json"
    spec = json.load(open(path))
    name = spec["annotations"].get("io.kubernetes.cri.container-name", "")
    linux, process = spec["linux"], spec["process"]
{body}
    json.dump(spec, open(path, "w"))
os.execvp("runc", ["runc"] + sys.argv[1:])
"""


@contextmanager
def unchanged(node: StandIn) -> Iterator[None]:
    """Prove that the node is afterwards as it was before."""
    before = node.state()

    def changes() -> dict[str, set[str]]:
        after = node.state()
        return {what: set(after[what]) ^ set(before[what]) for what in before if after[what] != before[what]}

    try:
        yield
    finally:
        with suppress(LabError):  # what says more than "in vain" comes next
            waiting.until(lambda: not changes(), "the node is as it was", seconds=30, every=0.5)
        assert changes() == {}
        assert [path for word in node.sessions for path in node.cgroups(word)] == []


def session(node: StandIn, how: Sabotage, tell: Callable[[str], None] = lambda _: None) -> Evidence:
    """Rehearse on a node; nothing may be left of it, however it ends."""
    with how.on_node(node) if how.on_node else nullcontext():
        plan = planned(node, how)
        with unchanged(node):
            return rehearsed(node, how, plan, tell)


def rehearsed(
    node: StandIn, how: Sabotage, plan: MigrationPlan, tell: Callable[[str], None] = lambda _: None
) -> Evidence:
    """Rehearse a plan, for a kubelet that speaks CRI v1."""
    known = NodeProfile(
        node="stand-in", via=Via.KUBELET, runtime="containerd", runtime_version=version(node), low_level="runc",
        kubelet_version="1.26.15", cgroup="v1", cgroup_driver=how.kubelet, architecture="x86_64",
    )  # fmt: skip
    with line(node, how.meddling) as opened:
        bench = ProbeTools(line=opened, clock=HastyClock(), tell=tell)
        return rehearse(bench, plan, known, Around())


Nodes = Callable[[str], StandIn]


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """Give a node for each release, made when it is first asked for."""
    made: dict[str, StandIn] = {}
    with ExitStack() as undo:

        def node(suite: str) -> StandIn:
            if suite not in made:
                made[suite] = undo.enter_context(standin.stand_in(Settings(), suite))
                (made[suite].folder / "witness.py").write_text(joined())
                (made[suite].folder / "net.d").mkdir()
                (made[suite].folder / "net.d/10-pods.conflist").write_text(json.dumps(NETWORK))
            return made[suite]

        yield node


Sessions = Callable[[str], Evidence]


@pytest.fixture(scope="module")
def sessions(nodes: Nodes) -> Sessions:
    """Give what a session by this name saw; each is held once."""
    held: dict[str, Evidence] = {}

    def hold(name: str) -> Evidence:
        if name not in held:
            how = SABOTAGES[name]
            held[name] = session(nodes(how.suite), how)
        return held[name]

    return hold


def failed(found: Verdict) -> dict[str, str]:
    """Give what was found by each check that failed, but for what this machine cannot do."""
    return {entry.id: entry.found for entry in found.failed if entry.id not in EXCUSED}


# Healthy nodes.


@pytest.mark.parametrize("suite", SUITES)
def test_a_healthy_node_is_not_accused(sessions: Sessions, suite: str) -> None:
    """More than 200 checks pass and none fails; the session is whole, and nothing is left of it."""
    evidence = sessions(suite)
    found = verdict.judge(evidence)

    assert {entry.id for entry in found.failed} == EXCUSED
    assert (found.problems, evidence.left) == ((), ())
    passed = [entry for entry in found.checks if entry.outcome is Outcome.PASSED]
    assert len(passed) > 200
    unknown = {entry.id.partition("[")[0] for entry in found.checks if entry.outcome is Outcome.UNKNOWN}
    assert unknown <= UNKNOWN


UNKNOWN = {
    "apparmor", "apparmor-on",  # not in this machine's kernel
    "open-files",  # no setting says how many
    "service", "resolve", "egress",  # there is no cluster
    "kubelet-service", "runtime-service",  # nor systemd
    "cpu-enforced",  # where this machine has no time for it
    "module-br-netfilter", "bridge-netfilter", "forward-policy",  # by this machine's kernel
}  # fmt: skip


def test_a_network_that_asks_for_pods_is_replaced(sessions: Sessions) -> None:
    """The instance has one of its own: everything but what pods reach is proved, and nothing of it stays."""
    found = verdict.judge(sessions("a network for pods of the API server"))

    assert ({entry.id for entry in found.failed}, found.problems) == (EXCUSED, ())
    assert len(found.passed) > 190
    outcomes = {entry.id: entry.outcome for entry in found.checks}
    assert outcomes["pod-to-pod"] is Outcome.UNKNOWN
    assert outcomes["net-own[a/one]"] is Outcome.PASSED


def test_another_release_differs_as_announced(sessions: Sessions) -> None:
    """From containerd 1.6 to 2.1 ports and ping open to every user, and nothing else changes unannounced."""
    found = verdict.judge(sessions("forky"), sessions("bookworm"))

    assert [f"{entry.what}: {entry.before} → {entry.after}" for entry in found.unannounced] == []
    assert {entry.what.partition("[")[0] for entry in found.differences} >= {
        "sysctl-net.ipv4.ip_unprivileged_port_start", "sysctl-net.ipv4.ping_group_range",
    }  # fmt: skip


# Sabotage that a check finds.

LOOSE = """
linux["resources"].setdefault("cpu", {})
if name == "one":
    linux["resources"].pop("memory")
    for key in ("quota", "period"):
        linux["resources"]["cpu"].pop(key)
    linux["maskedPaths"], linux["readonlyPaths"] = [], []
    process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 1000, "hard": 1000}]
if name == "two":
    linux.pop("seccomp")
    process["noNewPrivileges"] = False
    for names in process["capabilities"].values():
        names.append("CAP_NET_RAW")
if name == "peer":
    linux["resources"]["cpu"]["shares"] = 512
    linux["cgroupsPath"] = linux["cgroupsPath"].replace("/b/", "-elsewhere/b/")
    for names in process["capabilities"].values():
        names.remove("CAP_CHOWN")
if name == "mounter":
    spec["root"]["readonly"] = True
"""
OPEN = """
def drop(kind):
    linux["namespaces"] = [entry for entry in linux["namespaces"] if entry["type"] != kind]
if name == "one":
    drop("pid")
if name == "two":
    drop("ipc")
if name == "peer":
    drop("uts")
    spec.pop("hostname", None)
if name == "mounter":
    drop("network")
    linux["rootfsPropagation"] = "shared"
    spec["mounts"].append({"destination": "/migrator-mount", "type": "bind", "source": os.path.dirname(sys.argv[0]) + "/shared",
                           "options": ["rbind", "rshared"]})
"""
BROKEN = """
sys.exit("no such kernel")
"""


@contextmanager
def shut(node: StandIn) -> Iterator[None]:
    """Forward nothing, and leak the addresses of pods."""
    node.look("iptables -P FORWARD DROP; iptables -A FORWARD -p tcp -j REJECT --reject-with tcp-reset")
    plugins = node.folder / "plugins"
    plugins.mkdir()
    for path in node.plugins.iterdir():
        (plugins / path.name).symlink_to(path)
    (plugins / "host-local").unlink()
    (plugins / "host-local").write_text(
        f'#!/bin/sh\n[ "$CNI_COMMAND" != DEL ] || exit 0\nexec {node.plugins}/host-local\n'
    )
    (plugins / "host-local").chmod(0o755)
    (node.folder / "net.d/10-pods.conflist").write_text(json.dumps(NETWORK))
    try:
        yield
    finally:
        node.look("sysctl -qw net.ipv4.ip_forward=1; iptables -P FORWARD ACCEPT; iptables -F FORWARD")


def forget(node: StandIn, _: dict[str, Any]) -> None:
    """Forward nothing, although the network's plugin had turned it on: as a service does that sets sysctls again."""
    node.look("sysctl -qw net.ipv4.ip_forward=0")


@contextmanager
def shared(node: StandIn) -> Iterator[None]:
    """Have a folder whose mounts are shared."""
    folder = node.folder / "shared"
    node.look(f"mkdir {folder}; mount --bind {folder} {folder}; mount --make-shared {folder}")
    try:
        yield
    finally:
        node.look(f"umount {folder}; rmdir {folder}")


@contextmanager
def exhausted(node: StandIn) -> Iterator[None]:
    """Have every address reserved for a container that is long gone."""
    folder = "/var/lib/cni/networks/pods"
    node.look(
        f"mkdir -p {folder}; for last in $(seq 1 254); do echo {'0' * 64} >{folder}/10.88.0.$last; done; touch {folder}/lock"
    )
    try:
        yield
    finally:
        node.look(f"rm -r {folder}")


SABOTAGES: Mapping[str, Sabotage] = {
    **{suite: Sabotage(suite) for suite in SUITES},
    "a loose low-level runtime": Sabotage("bookworm", wrapper=LOOSE),
    "namespaces left out": Sabotage("forky", wrapper=OPEN, on_node=shared),
    "a network that is shut": Sabotage("trixie", on_node=shut, plugins="plugins", meddling={"host": forget}),
    "the kubelet has systemd's driver": Sabotage("trixie", kubelet="systemd"),
    "the runtime has systemd's driver": Sabotage("bookworm", settings={"cgroup_driver": "systemd"}),
    "a wrong CNI folder": Sabotage("forky", settings={"cni_conf_dir": "/etc/cni/nowhere.d"}),
    "no pause image": Sabotage("bookworm", settings={"pause_image": "registry.invalid/pause:9"}),
    "no free address": Sabotage("trixie", on_node=exhausted),
    "no container can start": Sabotage("forky", wrapper=BROKEN),
    "a network for pods of the API server": Sabotage(
        "bookworm", settings={"cni_conf_dir": "/etc/cni/calico.d"}, network_needs_pods=True
    ),
}


@dataclass(frozen=True)
class Row:
    """Something wrong in a session, and what finds it."""

    session: str
    id: str
    found: str
    """Words of what the check found."""


ROWS = (
    Row("a loose low-level runtime", "cgroup-path[b/peer]", "-elsewhere/b/"),
    Row("a loose low-level runtime", "memory-limit[a/one]", "no limit"),
    Row("a loose low-level runtime", "memory-enforced", "exit 0"),
    Row("a loose low-level runtime", "cpu-quota[a/one]", "no limit"),
    Row("a loose low-level runtime", "cpu-weight[b/peer]", "512 shares"),
    Row("a loose low-level runtime", "seccomp[a/two]", "0, no filter"),
    Row("a loose low-level runtime", "no-new-privileges[a/two]", "not set"),
    Row("a loose low-level runtime", "capabilities-bounding[a/two]", "more: NET_RAW"),
    Row("a loose low-level runtime", "capabilities-effective[b/peer]", "not: CHOWN"),
    Row("a loose low-level runtime", "exec-confined[b/peer]", "capabilities: "),
    Row("a loose low-level runtime", "masked-paths[a/one]", "/proc/keys"),
    Row("a loose low-level runtime", "readonly-paths[a/one]", "/proc/sys"),
    Row("a loose low-level runtime", "rootfs-writable[c/mounter]", "ro"),
    Row("namespaces left out", "pid-own[a/one]", "pid:["),
    Row("namespaces left out", "processes-visible[a/one]", "more"),
    Row("namespaces left out", "ipc-own[a/two]", "ipc:["),
    Row("namespaces left out", "ipc-pod", "seen by "),
    Row("namespaces left out", "uts-own[b/peer]", "uts:["),
    Row("namespaces left out", "hostname[b/peer]", "stand-in"),
    Row("namespaces left out", "net-own[c/mounter]", "net:["),
    Row("namespaces left out", "mount-unseen", "on the host"),
    Row("a network that is shut", "ip-forward", "0"),
    Row("a network that is shut", "left-address", "/var/lib/cni/networks/pods/10.88.0."),
    *(() if not BRIDGED else (
        Row("a network that is shut", "forward-policy", "DROP"),
        Row("a network that is shut", "pod-to-pod", "no connection"),
    )),
    Row("the kubelet has systemd's driver", "cgroup-path[a/one]", ".slice:cri-containerd:"),
    Row("the kubelet has systemd's driver", "cgroup-driver[a/one]", "cgroupfs"),
    Row("the kubelet has systemd's driver", "runtime-driver", "cgroupfs"),
    Row("the runtime has systemd's driver", "container-runs[a/one]", "for systemd cgroups"),
    Row("the runtime has systemd's driver", "runtime-driver", "systemd"),
    Row("a wrong CNI folder", "network-ready", "cni plugin not initialized"),
    Row("a wrong CNI folder", "container-runs[a/one]", "cni plugin not initialized"),
    Row("no pause image", "container-runs[b/peer]", 'failed to pull image "registry.invalid/pause:9"'),
    Row("no free address", "container-runs[a/one]", "no IP addresses available"),
    Row("no container can start", "container-runs[c/mounter]", "failed to create shim task"),
)  # fmt: skip
CONSEQUENCES: Mapping[str, set[str]] = {
    "a loose low-level runtime": {
        "capabilities-bounding", "capabilities-permitted", "capabilities-effective", "exec-confined", "swap-limit",
        "cpu-enforced",  # where this machine has the time for it
        "mount-unseen",  # nothing can be mounted where nothing can be written
    },
    "namespaces left out": {
        "first-process", "sandbox-net", "sandbox-ipc", "sandbox-uts", "ipc-shared", "pod-address", "port-same",
        "pod-to-pod", "host-to-peer",  # the name that answers is the host's
        "left-interface",  # those that such a container sees are the host's
    },
    "a network that is shut": {"pod-to-pod-back"},
    "the kubelet has systemd's driver": {"cgroup-name", "cgroup-controllers"},
}  # fmt: skip
"""What else fails in a session because of that."""


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.session}: {row.id}")
def test_sabotage_is_found(sessions: Sessions, row: Row) -> None:
    """The check that is there for it fails, and says what it found."""
    found = failed(verdict.judge(sessions(row.session)))

    assert row.found in found.get(row.id, "it passed unseen")


@pytest.mark.parametrize("name", sorted({row.session for row in ROWS}))
def test_nothing_else_is_accused(sessions: Sessions, name: str) -> None:
    """Checks of what was not touched do not fail."""
    found = {identity.partition("[")[0] for identity in failed(verdict.judge(sessions(name)))}
    meant = {row.id.partition("[")[0] for row in ROWS if row.session == name}

    assert found - CONSEQUENCES.get(name, set()) == meant - CONSEQUENCES.get(name, set())


def test_fewer_open_files_are_found_against_a_baseline(sessions: Sessions) -> None:
    """Nothing says how many files a container may open, but what was before does."""
    found = verdict.judge(sessions("a loose low-level runtime"), sessions("bookworm"))

    assert [entry.after for entry in found.unannounced if entry.what == "rlimit-open-files[a/one]"] == ["1000:1000"]


# Sabotage that keeps a session from its end.


@contextmanager
def small(node: StandIn) -> Iterator[None]:
    """Have a file system of its own for the data."""
    folder = node.folder / "small"
    node.look(f"mkdir {folder}; mount -t tmpfs -o size=8m none {folder}")
    try:
        yield
    finally:
        node.look(f"umount {folder}; rmdir {folder}")


def fill(node: StandIn, _: dict[str, Any]) -> None:
    """Leave no room in it."""
    node.look(f"cat /dev/zero >{node.folder}/small/rest || true")


def empty(node: StandIn, _: dict[str, Any]) -> None:
    """Take that away again."""
    node.look(f"rm {node.folder}/small/rest")


def damage(_: StandIn, words: dict[str, Any]) -> None:
    """Change a byte of the archive on its way."""
    data = bytearray(base64.b64decode(words["archive"]))
    data[1000] ^= 1
    words["archive"] = base64.b64encode(bytes(data)).decode()


def kill(node: StandIn, _: dict[str, Any]) -> None:
    """Kill the private containerd."""
    node.look("pkill -KILL -f '^containerd --config /run/migrator-rehearsal-'")


def crash(node: StandIn, _: dict[str, Any]) -> None:
    """Kill the private containerd and the witness."""
    kill(node, {})
    node.look("pkill -KILL -f 'witness.py$'")


@contextmanager
def locked(node: StandIn) -> Iterator[None]:
    """Have another session at work."""
    with line(node) as other:
        other.ask("lock", session="0123abcd", who="somebody")
        yield


BROKEN_OFF: Mapping[str, tuple[Sabotage, str]] = {
    "CRI disabled": (
        Sabotage("bookworm", edit=("version = 2", 'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]')),
        "CRI plugin is disabled or failed",
    ),
    "a setting of the wrong kind": (
        Sabotage("forky", edit=("version = 3", "version = 3\ntemp = 7")),
        "start_runtime: it ended: .*cannot decode TOML integer",
    ),
    "a snapshotter that is not there": (
        Sabotage("trixie", settings={"storage": "zfs"}), "CRI plugin is disabled or failed"
    ),
    "image store full": (
        Sabotage("trixie", data="small", on_node=small, meddling={"import_image": fill, "stop_runtime": empty}),
        "does not take the probe's image: .*the store's filesystem is full",
    ),
    "image archive damaged": (
        Sabotage("bookworm", meddling={"import_image": damage}), "import_image: the archive is damaged: its SHA-256"
    ),
    "another session at work": (
        Sabotage("forky", on_node=locked), "somebody has been probing this node since .*0123abcd.*waited for"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN_OFF)
def test_a_session_that_cannot_begin_says_why(nodes: Nodes, name: str) -> None:
    """The message has the cause, and nothing is left."""
    how, words = BROKEN_OFF[name]

    with pytest.raises((HostUnreachableError, CriError), match=words):
        session(nodes(how.suite), how)


def test_a_runtime_that_is_killed_is_a_problem(nodes: Nodes) -> None:
    """What was seen until then stays, the verdict is not good, and all is removed."""
    evidence = session(nodes("trixie"), Sabotage("trixie", meddling={"shared_memory_end": kill}))

    assert any("the session broke off" in entry for entry in evidence.problems)
    assert all(entry.outside for entry in evidence.containers)
    assert not verdict.judge(evidence).good


def test_an_old_session_is_found_and_removed(nodes: Nodes) -> None:
    """A session whose witness and runtime were killed leaves its containers; the next one ends them first, and is a good one."""
    node = nodes("bookworm")
    crashed, healthy = Sabotage("bookworm", meddling={"shared_memory_end": crash}), Sabotage("bookworm")
    said: list[str] = []
    with unchanged(node):
        with pytest.raises(HostUnreachableError, match="the witness has ended"):
            rehearsed(node, crashed, planned(node, crashed))
        assert node.look("pgrep -c -f '^/probe wait'").strip() == "4"

        evidence = rehearsed(node, healthy, planned(node, healthy), said.append)

    assert re.fullmatch("removes what the rehearsal [0-9a-f]{8} left", said[0])
    assert (failed(verdict.judge(evidence)), evidence.problems, evidence.left) == ({}, (), ())
