"""Docker is removed only where nobody needs it, and nothing else goes with it."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import ansible.module_utils
import pytest

from migrator import data_files
from migrator.app import observe
from migrator.engine.context import ProbeSessions, Session, StepContext
from migrator.engine.executor import apply
from migrator.engine.migration import CLEANUP
from migrator.engine.steps import remove
from migrator.errors import StepFailedError
from migrator.hosts import HostResult
from migrator.inventory import Host
from migrator.model.docker_removal import Data, Removal
from migrator.model.host_settings import HostSettings
from migrator.model.node_requests import Cleanup
from migrator.model.plan import CleanupPlan, Severity
from migrator.planning import cleanup as cleaning
from migrator.planning.inputs import NodeInputs
from migrator.report import removal as report
from tests.fakes.clock import FakeClock
from tests.fakes.cluster import FakeCluster
from tests.fakes.hosts import FakeHosts
from tests.fakes.line import FakeLine
from tests.fakes.values import docker, facts, kubelet, node, pod, situation
from tests.test_node_modules import load

ansible.module_utils.__path__.append(str(data_files.folder("roles") / "docker_removal" / "module_utils"))
docker_data = importlib.import_module("ansible.module_utils.migrator_docker_data")
docker_network = importlib.import_module("ansible.module_utils.migrator_docker_network")
docker_packages = importlib.import_module("ansible.module_utils.migrator_docker_packages")
docker_removal = load("docker_removal", "docker_removal")
MIGRATED = node(runtime="containerd://1.6.20")
LEFT = Removal(
    packages={"docker.io": "20.10.24"},
    root="/var/lib/docker",
    data=(Data(path="/var/lib/docker/overlay2", bytes=3_000_000_000),),
    interfaces=("docker0",),
    rules=("iptables -w 10 -t filter -X DOCKER",),
    files=("/var/lib/dockershim",),
)


def now(removal: Removal = LEFT, **update: object) -> NodeInputs:
    """Give a migrated node with what is left there."""
    left = facts(docker=docker(containers=()))
    return replace(situation(**{"node": MIGRATED, "pods": (), "facts": left, **update}), removal=removal)


def planned(given: NodeInputs) -> CleanupPlan:
    """Plan it."""
    return cleaning.make(given, CLEANUP)


def test_what_goes_is_shown() -> None:
    """Packages, data with its size, files, interfaces and rules; the node is proved first."""
    made = planned(now())

    assert [(step.id, step.needed) for step in made.steps] == [
        ("prove", True),
        ("remove", True),
        ("prove-again", True),
    ]
    assert made.blockers == ()
    assert report.text(LEFT).splitlines() == [
        "  Packages that are removed, with the files that belong to them",
        "    docker.io 20.10.24",
        "  Data that is deleted, 3.00 GB",
        "    /var/lib/docker/overlay2  3,000.0 MB",
        "  Files that are deleted",
        "    /var/lib/dockershim",
        "  Interfaces that are deleted",
        "    docker0",
        "  Firewall rules that are removed",
        "    iptables -w 10 -t filter -X DOCKER",
    ]


def test_where_nothing_is_left_nothing_is_done() -> None:
    """A node that was cleaned up, or never had Docker."""
    assert not planned(now(Removal(root="/var/lib/docker"))).changes


AGAINST: Mapping[str, tuple[NodeInputs, str, str]] = {
    "not migrated": (now(node=node()), "docker-needed", "the kubelet reports docker://20.10.24"),
    "somebody's container runs": (now(LEFT.model_copy(update={"running": ("ci",)})), "docker-needed", "containers run in Docker: ci"),
    "a pod reaches into it": (now(pods=(pod("ci", host_paths=("/var/run/docker.sock",)),)), "docker-socket-mounts", "shop/ci"),
    "a unit needs it": (now(LEFT.model_copy(update={"dependents": ("kubelet.service",)})), "docker-needed", "units that need Docker's: kubelet.service"),
    "the kubelet's unit says so": (now(facts=facts(docker=docker(containers=()), kubelet=kubelet(requires=("docker.service",)))), "kubelet-needs-docker", ""),
    "it runs": (now(LEFT.model_copy(update={"active": ("docker.service",)})), "docker-active", "docker.service runs"),
    "something else in its folder": (now(LEFT.model_copy(update={"others": ("/data/volumes-of-mine",)})), "docker-removal", "not Docker's: /data/volumes-of-mine"),
    "a folder that is none of Docker's": (now(LEFT.model_copy(update={"strange": ("/data",)})), "docker-removal", "does not look like"),
    "containerd's data in it": (now(LEFT.model_copy(update={"shared": ("/var/lib/docker/containerd",)})), "docker-removal", "data of others"),
    "a container beside Kubernetes'": (now(LEFT.model_copy(update={"containers": ("ci",)})), "docker-containers", "go with Docker's data: ci"),
    "a named volume": (now(LEFT.model_copy(update={"volumes": ("db",)})), "docker-volumes", "go with Docker's data: db"),
    "packages that others need": (now(LEFT.model_copy(update={"refusal": "ci depends on docker.io"})), "docker-removal", "ci depends on"),
    "a store that is no folder": (now(LEFT.model_copy(update={"special": ("/var/lib/docker/zfs",)})), "docker-removal", "no plain folders"),
    "something that cannot go": (now(LEFT.model_copy(update={"stuck": ("/var/lib/docker/x (immutable)",)})), "docker-removal", "cannot be removed as it is: /var/lib/docker/x (immutable)"),
    "something mounted there": (now(LEFT.model_copy(update={"mounts": ("/var/lib/docker/x",)})), "docker-removal", "mounted in"),
    "another machine": (now(node=MIGRATED.model_copy(update={"machine_id": "f" * 32})), "wrong-machine", ""),
    "not Ready": (now(node=MIGRATED.model_copy(update={"ready": False})), "node-not-ready", ""),
}  # fmt: skip


@pytest.mark.parametrize(("given", "check", "said"), AGAINST.values(), ids=AGAINST)
def test_what_speaks_against_it(given: NodeInputs, check: str, said: str) -> None:
    """Each by its id; nothing is removed then."""
    found = [entry for entry in planned(given).blockers if entry.id == check]

    assert found
    assert any(said in entry.evidence for entry in found)


@pytest.mark.parametrize("check", ["docker-containers", "docker-volumes"])
def test_what_somebody_may_agree_to(check: str) -> None:
    """Singly."""
    left = LEFT.model_copy(update={"containers": ("ci",), "volumes": ("db",)})

    blockers = planned(replace(now(left), allow=frozenset({check}))).blockers

    assert {entry.id for entry in blockers} == {"docker-containers", "docker-volumes"} - {check}


def test_what_may_be_somebody_elses_is_told() -> None:
    """And stays."""
    left = LEFT.model_copy(update={"kept_rules": ("iptables -A INPUT -i docker0",), "plugged": ("br-0123456789ab",)})

    (found,) = [entry for entry in planned(now(left)).findings if entry.id == "docker-leftovers"]

    assert found.severity is Severity.INFORMS
    assert "br-0123456789ab, iptables -A INPUT -i docker0" in found.evidence


def test_what_goes_at_the_next_boot_is_nothing_to_do() -> None:
    """It is told, and keeps nobody from anything."""
    made = planned(now(Removal(root="/var/lib/docker", passing=("/run/docker",))))

    assert not made.changes
    assert [(entry.id, entry.severity) for entry in made.findings] == [("docker-leftovers", Severity.INFORMS)]
    assert "goes at the next boot by itself: /run/docker" in made.findings[0].evidence


def looked(removal: Removal) -> HostResult:
    """Give what the playbook returns."""
    return HostResult(host="worker-1", results={remove.TASK: {"removal": removal.model_dump(mode="json")}})


def run(answer: HostResult, live: Callable[..., Session]) -> tuple[StepContext, FakeHosts]:
    """Give a cleanup."""
    hosts = FakeHosts({"cleanup": answer}, {"worker-1": FakeLine()})
    cleanup = StepContext(
        id="c1", plan=planned(now()), target=HostSettings(proof="none"), hosts=hosts, cluster=FakeCluster([MIGRATED]),
        clock=FakeClock(), allow=frozenset(), tell=lambda _: None, sessions=ProbeSessions(live=live),
    )  # fmt: skip
    return cleanup, hosts


def test_hosts_are_asked_for_what_is_left() -> None:
    """All together, and each is planned from its own answer."""
    hosts = FakeHosts({"cleanup": looked(LEFT)})

    make = observe.cleanup([Host(name="worker-1", target=HostSettings())], hosts)

    assert make(situation(node=MIGRATED, pods=())).removal == LEFT
    assert hosts.calls == [Cleanup(state="look")]


def test_a_node_that_is_not_proved_keeps_its_docker() -> None:
    """Whatever migrator_proof says: there is no way back afterwards."""

    def refuse(*_: object) -> Session:
        raise StepFailedError("containers are not what they must be")

    cleanup, hosts = run(looked(Removal()), refuse)

    with pytest.raises(StepFailedError, match=r"(?s)'prove' failed: .*Nothing of it has to be taken back"):
        apply(cleanup, CLEANUP)
    assert hosts.calls == []


def test_no_more_is_removed_than_was_shown() -> None:
    """The node gets what was shown, and compares."""
    cleanup, hosts = run(looked(Removal()), lambda *_: None)  # type: ignore[arg-type, return-value]
    remove = [step for step in CLEANUP if step.id == "remove"]

    apply(cleanup, remove)

    assert hosts.calls == [Cleanup(state="absent", expected=LEFT)]


FILTER = """\
-P INPUT ACCEPT
-P FORWARD DROP
-P OUTPUT ACCEPT
-N CNI-FORWARD
-N DOCKER
-N DOCKER-FIREWALL
-N DOCKER-ISOLATION-STAGE-1
-N DOCKER-ISOLATION-STAGE-2
-N DOCKER-USER
-N KUBE-FORWARD
-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A FORWARD -i eth1 -j ACCEPT
-A FORWARD -s 10.0.0.0/8 ! -i docker0 -j DROP
-A INPUT -i docker0 -p udp -j ACCEPT
-A INPUT -j DOCKER-FIREWALL
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-USER -j RETURN
"""
NAT = """\
-P PREROUTING ACCEPT
-N DOCKER
-N KUBE-SERVICES
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
-A POSTROUTING -s 10.244.0.0/16 ! -o cni0 -j MASQUERADE
-A POSTROUTING -s 10.244.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
"""


def listing(monkeypatch: pytest.MonkeyPatch, **tables: str) -> None:
    """Have iptables list these rules; there is no ip6tables."""

    def shown(argv: list[str], **_: Any) -> tuple[int, str, str]:
        return (0, tables.get(argv[4], ""), "") if argv[0] == "iptables" else (127, "", "not installed")

    monkeypatch.setattr(docker_network, "run", shown)


def test_only_dockers_rules_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its chains, what jumps to them, and what names one of its bridges; no policy is touched."""
    listing(monkeypatch, filter=FILTER, nat=NAT)

    commands, kept = docker_network.rules({"docker0": ["172.17.0.0/16"]})

    assert kept == [
        "iptables -t filter -A FORWARD -s 10.0.0.0/8 ! -i docker0 -j DROP",
        "iptables -t filter -A INPUT -i docker0 -p udp -j ACCEPT",
        "iptables -t nat -A POSTROUTING -s 10.244.0.0/16 ! -o docker0 -j MASQUERADE",
    ]
    assert [command.removeprefix("iptables -w 10 -t ") for command in commands] == [
        "filter -D FORWARD -j DOCKER-USER",
        "filter -D FORWARD -j DOCKER-ISOLATION-STAGE-1",
        "filter -D FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
        "filter -D FORWARD -o docker0 -j DOCKER",
        "filter -D FORWARD -i docker0 '!' -o docker0 -j ACCEPT",
        "filter -F DOCKER",
        "filter -F DOCKER-ISOLATION-STAGE-1",
        "filter -F DOCKER-ISOLATION-STAGE-2",
        "filter -F DOCKER-USER",
        "filter -X DOCKER",
        "filter -X DOCKER-ISOLATION-STAGE-1",
        "filter -X DOCKER-ISOLATION-STAGE-2",
        "filter -X DOCKER-USER",
        "nat -D PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
        "nat -D OUTPUT '!' -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER",
        "nat -D POSTROUTING -s 172.17.0.0/16 '!' -o docker0 -j MASQUERADE",
        "nat -F DOCKER",
        "nat -X DOCKER",
    ]


def test_rules_that_cannot_be_read_are_not_taken_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program holds the lock, for example."""
    monkeypatch.setattr(
        docker_network, "run", lambda *_, **__: (4, "", "Another app is currently holding the xtables lock")
    )

    with pytest.raises(docker_removal.NodeError, match=r"rules cannot be read: iptables .* holding the xtables lock"):
        docker_network.rules({})


def test_rules_that_somebody_has_put_into_dockers_chain_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the chain and the jump to it."""
    own = "-A DOCKER-USER -s 192.0.2.0/24 -j DROP"
    listing(monkeypatch, filter=FILTER.replace("-A DOCKER-USER -j RETURN", f"{own}\n-A DOCKER-USER -j RETURN"))

    commands, kept = docker_network.rules({})

    assert kept == [f"iptables -t filter {own}"]
    assert not [command for command in commands if "DOCKER-USER" in command]


ROOTS = {
    "nothing said": ("", {}, "/var/lib/docker"),
    "on the command line": ("argv[]=/usr/bin/dockerd -H fd:// --data-root=/data/d/ ; ", {"data-root": "/no"}, "/data/d"),
    "with a space": ("argv[]=/usr/bin/dockerd -g /data/d ; ", {}, "/data/d"),
    "in its configuration": ("argv[]=/usr/bin/dockerd ; ", {"data-root": "/data/d"}, "/data/d"),
    "as it was called once": ("argv[]=/usr/bin/dockerd ; ", {"graph": "/data/d"}, "/data/d"),
    "in a variable": ("argv[]=/usr/bin/dockerd $OPTS ; }\nEnvironment=OPTS=--data-root=/data/d A=b", {}, "/data/d"),
    "in a part of a word": ("argv[]=/usr/bin/dockerd -g ${PLACE}/d ; }\nEnvironment=PLACE=/data", {}, "/data/d"),
}  # fmt: skip


def unit(monkeypatch: pytest.MonkeyPatch, shown: str) -> None:
    """Have systemd show this of a stopped Docker."""
    monkeypatch.setattr(docker_data, "unit_active", lambda _: False)
    monkeypatch.setattr(docker_data, "run", lambda *_, **__: (0, f"ExecStart={{ path=/usr/bin/dockerd ; {shown}", ""))


@pytest.mark.parametrize(("shown", "document", "root"), ROOTS.values(), ids=ROOTS)
def test_where_the_data_is(
    shown: str, document: dict[str, str], root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Docker finds it, though it is stopped."""
    config = tmp_path / "daemon.json"
    config.write_text(json.dumps(document))
    monkeypatch.setattr(docker_data, "CONFIG", str(config))
    unit(monkeypatch, shown)

    assert docker_data.data_root() == root


def test_a_folder_that_is_a_link_is_where_it_leads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or what is mounted there would not be seen."""
    (tmp_path / "big").mkdir()
    (tmp_path / "docker").symlink_to(tmp_path / "big")
    monkeypatch.setattr(docker_data, "CONFIG", str(tmp_path / "none"))
    monkeypatch.setattr(docker_data, "ROOT", str(tmp_path / "docker"))
    unit(monkeypatch, "argv[]=/usr/bin/dockerd ; ")

    assert docker_data.data_root() == str(tmp_path / "big")


@pytest.mark.parametrize("text", ["{", "[]", '{"data-root": '])
def test_a_configuration_that_cannot_be_read_is_no_guess(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another folder than Docker's must not be taken for it."""
    (tmp_path / "daemon.json").write_text(text)
    monkeypatch.setattr(docker_data, "CONFIG", str(tmp_path / "daemon.json"))
    unit(monkeypatch, "argv[]=/usr/bin/dockerd ; ")

    with pytest.raises(docker_data.NodeError, match="the folder of Docker's data is not known"):
        docker_data.data_root()


def test_layers_that_are_mounted_elsewhere_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """An overlay's folders stand in its options."""
    rows = [
        ("overlay", "/run/x/rootfs", "rw,lowerdir=/data/docker/overlay2/l/A:/data/docker/overlay2/l/B,upperdir=/x/y"),
        ("/dev/sdb", "/data/docker/volumes", "rw"),
        ("/dev/sda", "/data/dockers", "rw,upperdir=/data/docker2/x"),
    ]
    monkeypatch.setattr(docker_data, "mounts", lambda: rows)

    assert docker_data.mounts_below("/data/docker") == ["/data/docker/volumes", "/run/x/rootfs"]
