"""Small decisions of planning, each by itself: what needs pods, where data goes, who keeps Docker running."""

from __future__ import annotations

import pytest

from migrator.model.facts import CniFacts, Disk, DockerContainer, FileFact
from migrator.model.plan import MigrationPlan
from migrator.planning import checks, cni, files, plan, steps
from migrator.planning.files import Written
from migrator.planning.translate_node import _keeps_root
from migrator.runtimes.registry import RUNTIMES
from tests.fakes import values
from tests.fakes.values import facts, pod, situation

OF_THE_NODE = (
    "bridge ptp macvlan ipvlan vlan host-device flannel weave-net loopback portmap bandwidth firewall tuning sbr vrf "
    "host-local static dhcp weave-ipam"
)


@pytest.mark.parametrize("plugin", OF_THE_NODE.split())
def test_a_network_of_the_node_needs_no_pods(plugin: str) -> None:
    """Such a plugin asks nobody but the runtime: a rehearsal can use it."""
    assert not cni.needs_pods(facts(cni=CniFacts(config="x", plugins=("bridge", plugin))))


@pytest.mark.parametrize("plugin", ["calico", "cilium-cni", "multus", "antrea"])
def test_a_network_of_the_cluster_needs_pods(plugin: str) -> None:
    """Such a plugin asks the API server for the pod."""
    assert cni.needs_pods(facts(cni=CniFacts(config="x", plugins=("portmap", plugin))))


PLAN = MigrationPlan(host="h", node="n", machine_id="m", source="s", target="t", endpoint="e")
SOCKET = {"host_paths": ("/var/run/docker.sock",)}


@pytest.mark.parametrize(
    ("pods", "retired"),
    [
        ((), True), ((pod("a"), pod("b", host_paths=("/var/log",))), True), ((pod("a", **SOCKET),), False),
        ((pod("a"), pod("b", **SOCKET)), False), ((pod("a", phase="Succeeded", **SOCKET),), True),
    ],
)  # fmt: skip
def test_docker_runs_for_one_pod_that_can_reach_it(pods: tuple[object, ...], *, retired: bool) -> None:
    """Whatever the others do; a finished one reaches for nothing."""
    alone = values.docker(containers=())

    assert steps.retire.decide(situation(pods=pods, facts=facts(docker=alone)), PLAN)[0] is retired


def test_docker_runs_for_containers_of_its_own() -> None:
    """They are nobody's but Docker's."""
    beside = DockerContainer(id="b", name="foreign", image="other:1", running=True, runtime="runc")

    needed, why = steps.retire.decide(situation(facts=facts(docker=values.docker(containers=(beside,)))), PLAN)

    assert not needed
    assert "foreign" in why


APART = (
    Disk(path="/var/lib/docker", mount="/data", kind="ext4", size=9, free=9),
    Disk(path="/var/lib/containerd", mount="/", kind="ext4", size=9, free=9),
)
BESIDE = DockerContainer(id="b", name="foreign", image="other:1", running=True, runtime="runc")
OURS = DockerContainer(id="a", name="k8s", image="web:1", running=True, pod_uid="u", runtime="runc")
ROOTS = {
    "on another disk": ({}, {}, "containerd", False),
    "on the same disk": ({"disks": ()}, {}, "containerd", True),
    "containers of others": ({}, {"containers": (OURS, BESIDE)}, "containerd", True),
    "containers of others in Docker's own containerd": ({}, {"containers": (OURS, BESIDE), "embedded": True}, "containerd", False),
    "containers of others do not matter to CRI-O": ({}, {"containers": (OURS, BESIDE)}, "crio", False),
}  # fmt: skip


@pytest.mark.parametrize(("host", "docker", "runtime", "stays"), ROOTS.values(), ids=ROOTS)
def test_where_data_stays(host: dict[str, object], docker: dict[str, object], runtime: str, *, stays: bool) -> None:
    """It follows Docker's to another disk, unless something is in the usual place already."""
    seen = facts(docker=values.docker(**({"containers": (OURS,)} | docker)))
    seen = values.changed(seen, {"host": values.changed(seen.host, {"disks": APART} | host)})

    assert bool(_keeps_root(seen, RUNTIMES[runtime])) is stays


def test_data_stays_where_containerd_has_some() -> None:
    """Images of Kubernetes are there already, or containers."""
    seen = facts(docker=values.docker(containers=(OURS,)), containerd=values.containerd(containers=2))
    seen = values.changed(seen, {"host": values.changed(seen.host, {"disks": APART})})

    assert "already" in _keeps_root(seen, RUNTIMES["containerd"])


def test_a_file_keeps_its_owner_and_mode() -> None:
    """A plan changes what it says; a new file is root's."""
    before = FileFact(path="/etc/x", exists=True, content="a", mode="0640", owner="ann", group="adm", sha256="0" * 64)
    seen = facts(files={"/etc/x": before})

    changes = files.changes(
        seen, (Written(path="/etc/x", content="b"), Written(path="/etc/new", content="c", mode="0600"))
    )

    assert [(entry.path, entry.content, entry.mode, entry.owner, entry.group) for entry in changes] == [
        ("/etc/x", "b", "0640", "ann", "adm"),
        ("/etc/new", "c", "0600", "root", "root"),
    ]
    assert files.changes(seen, (Written(path="/etc/x", content="a"),)) == ()


_RUNTIME, _IMAGES = "plugins.'io.containerd.cri.v1.runtime'", "plugins.'io.containerd.cri.v1.images'"
KEYS = {
    "cgroup_driver": f"[{_RUNTIME}.containerd.runtimes.runc.options]\nSystemdCgroup = true",
    "pause_image": f"[{_IMAGES}.pinned_images]\nsandbox = 'a'",
    "cni_bin_dirs": f"[{_RUNTIME}.cni]\nbin_dirs = ['/a']",
    "cni_conf_dir": f"[{_RUNTIME}.cni]\nconf_dir = '/a'",
    "config_path": f"[{_IMAGES}.registry]\nconfig_path = '/a'",
    "storage": f"[{_IMAGES}]\nsnapshotter = 'zfs'",
    "default_handler": f"[{_RUNTIME}.containerd]\ndefault_runtime_name = 'a'",
    "registries": f"[{_IMAGES}.registry.mirrors.'docker.io']\nendpoint = ['https://a']",
    "root": "root = '/x'",
    "state": "state = '/x'",
}
DROP_IN = "/etc/containerd/conf.d/99-site.toml"
IMPORTING = 'version = 3\nimports = ["/etc/containerd/conf.d/*.toml"]\n'


def imported(text: str) -> list[str]:
    """Give what is found of a file that containerd 2.1 imports: it merges sections, so that only keys count."""
    seen = facts(
        containerd=values.containerd(version="2.1.0"),
        files=values.files(containerd=IMPORTING) | {DROP_IN: values.file(DROP_IN, text)},
    )
    found = checks.findings(situation(facts=seen), values.draft())
    return [entry.evidence for entry in found if entry.id == "containerd-imports"]


@pytest.mark.parametrize(("name", "text"), KEYS.items(), ids=KEYS)
def test_an_imported_file_has_the_last_word_over_our_keys(name: str, text: str) -> None:
    """Each key that a plan writes, and what says where containerd's data are."""
    (found,) = imported(f"version = 3\n{text}\n")

    assert found == f"{DROP_IN} is imported and has the last word on {name}, over what the plan writes"


def test_an_imported_file_may_not_move_containerd() -> None:
    """Where its socket is is what the plan says."""
    (found,) = imported("[grpc]\naddress = '/x'\n")

    assert found == f"{DROP_IN} is imported and sets grpc"


@pytest.mark.parametrize(
    "text",
    [
        "[plugins.'io.containerd.cri.v1.runtime']\nmax_container_log_line_size = 1",
        "[debug]\nlevel = 'debug'\nformat = 'json'",
        "[metrics]\naddress = '127.0.0.1:1338'",
        "[plugins.'io.containerd.cri.v1.images']\nmax_concurrent_downloads = 2",
    ],
)
def test_an_imported_file_may_say_other_things(text: str) -> None:
    """They are the user's, where Docker had nothing of their kind."""
    assert imported(f"version = 3\n{text}\n") == []


@pytest.mark.parametrize(
    ("version", "runtime", "installs"),
    [("1.6.20", "docker://20.10.24", False), ("", "docker://20.10.24", True), ("", "containerd://1.6.20", False), ("1.6.20", "containerd://1.6.20", False)],
)  # fmt: skip
def test_what_is_missing_is_installed(version: str, runtime: str, *, installs: bool) -> None:
    """On a node that is not migrated yet."""
    seen = facts(containerd=values.containerd(version=version))

    assert plan.make(situation(facts=seen, node=values.node(runtime=runtime)), ()).installs is installs
