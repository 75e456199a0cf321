"""Each check finds what it is for, and nothing on a healthy node."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from migrator import versions
from migrator.model.facts import (
    CniFacts,
    Credential,
    CrioFacts,
    Disk,
    DockerContainer,
    DockerUnits,
    FileFact,
    Fleeting,
    NodeFacts,
    Package,
    Reservation,
    Transaction,
    UnitFacts,
)
from migrator.model.fate import Fate, KeyFate
from migrator.model.host_settings import HostSettings
from migrator.model.kubernetes import (
    MACHINES,
    NO_DISRUPTION,
    NO_SCALE_DOWN,
    Budget,
    ClusterFacts,
    DaemonSet,
    Pod,
    Requirement,
    RuntimeClass,
)
from migrator.model.plan import FileChange, MigrationPlan, Severity
from migrator.nodeconf.settings import Endpoint, Handler, Proxy, Registry
from migrator.planning import checks, steps
from migrator.planning.checks.catalogue import RULES, page
from migrator.planning.checks.docker_users import needing_docker
from migrator.planning.checks.findings import listed
from migrator.planning.cluster_capacity import ClusterCapacity, Resources
from migrator.planning.cluster_capacity import fleet as summed
from migrator.planning.inputs import NodeInputs, Translation
from migrator.runtimes.destination import Destination
from tests.fakes import values
from tests.fakes.values import CLOCK, GIB, PAUSE, draft, facts, fleet, image, node, pod, settings, situation

DOCUMENT = Path(__file__).parent.parent / "docs" / "checks.md"
WARN, BLOCK, INFORM = Severity.WARNS, Severity.BLOCKS, Severity.INFORMS
CONFIG = "/etc/containerd/config.toml"
DAEMON = "/etc/docker/daemon.json"
UNDERSCORE = "/etc/containerd/certs.d/reg_5000_/hosts.toml"
HUB = "/etc/containerd/certs.d/docker.io/hosts.toml"
NVIDIA = "/usr/bin/nvidia-container-runtime"
V2 = 'version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]\nruntime_type = "io.containerd.runc.v2"\n'


JOURNAL = "/var/lib/migrator/transactions"


def in_memory(where: str, *paths: str) -> dict[str, Fleeting]:
    """Give paths that a reboot takes away."""
    return {path: Fleeting(where=where) for path in paths}


@dataclass(frozen=True)
class Case:
    """A situation, and what has to be found in it."""

    check: str
    severity: Severity
    fact: str
    """What is known of the world that makes this a danger, with its source."""
    now: NodeInputs
    drafted: Translation
    says: str = ""
    """Words that the evidence must have."""


def case(
    check: str, severity: Severity, fact: str, now: NodeInputs | None = None, *, says: str = "", **drafted: Any
) -> Case:
    """Give a case; what is not said is as on the healthy node."""
    return Case(check, severity, fact, now or situation(), draft(**drafted), says)


def on(**update: object) -> NodeInputs:
    """Give a node with other facts."""
    return situation(facts=facts(**update))


def kubelet(**update: object) -> NodeInputs:
    """Give a node with another kubelet."""
    return on(kubelet=values.kubelet(**update))


def docker(**update: object) -> NodeInputs:
    """Give a node with another Docker."""
    return on(docker=values.docker(**update))


def containerd(**update: object) -> NodeInputs:
    """Give a node with another containerd."""
    return on(containerd=values.containerd(**update))


def host(**update: object) -> NodeFacts:
    """Give facts of another machine."""
    return facts(host=values.changed(facts().host, update))


def with_drop_in(name: str, text: str, *, environment: str = "") -> NodeInputs:
    """Give a node whose containerd has a drop-in of the user's, and perhaps a file of variables."""
    path = f"{DROP_INS}/{name}"
    files = values.files() | {path: values.file(path, f"[Service]\n{text}\n")}
    if environment:
        files[VARIABLES] = values.file(VARIABLES, environment)
    unit = values.containerd(
        fragments=(values.CONTAINERD_UNIT, path), environment_files=(VARIABLES,) if environment else ()
    )
    return on(containerd=unit, files=files)


def docker_unit(text: str) -> NodeInputs:
    """Give a node whose Docker has a drop-in of the user's."""
    path = "/etc/systemd/system/docker.service.d/own.conf"
    unit = values.docker(fragments=(values.DOCKER_UNIT, path))
    return on(docker=unit, files=values.files() | {path: values.file(path, text)})


def proxied(address: str) -> NodeInputs:
    """Give a node whose Docker has a proxy, and whose containerd was given one by hand."""
    there = with_drop_in("own.conf", "Environment=HTTP_PROXY=http://by-hand:3128")
    return replace(
        there, facts=there.facts.model_copy(update={"docker": values.docker(environment={"http_proxy": address})})
    )


def with_sysctls(path: str, text: str) -> NodeInputs:
    """Give a node with a file of sysctls of somebody's."""
    return on(files=values.files() | {path: values.file(path, text)})


def with_modprobe(text: str, path: str = "/etc/modprobe.d/cis.conf", **update: str) -> NodeInputs:
    """Give a node with a list of modules of somebody's, and perhaps others by path."""
    more = {path: text, **{f"/{name}": other for name, other in update.items()}}
    return on(files=values.files() | {name: values.file(name, content) for name, content in more.items()})


def with_unit(text: str, **update: object) -> NodeInputs:
    """Give a node whose kubelet's unit says more."""
    return on(kubelet=values.kubelet(**update), files=values.files(kubelet_unit=f"{text}\n{values.UNIT_TEXT}"))


def cni(**update: object) -> NodeInputs:
    """Give a node with another network."""
    return on(cni=values.changed(facts().cni, update))


def pods(*names: str, **update: object) -> NodeInputs:
    """Give a node with pods that are alike."""
    return situation(pods=tuple(pod(name, **update) for name in names))


def aiming(version: str, **update: object) -> NodeInputs:
    """Give a node whose cluster will be upgraded to `version`."""
    return replace(on(**update), target=HostSettings(kubernetes_target=version))


def elsewhere(image: str, annotations: Mapping[str, str] | None = None) -> NodeInputs:
    """Give a cluster in which some pod is of this image, on another node than ours, whose annotations these are."""
    others = ClusterFacts(pods=(pod("x", node="worker-2", images=(image,)),))
    around = replace(fleet(), competitors=summed(others).competitors)
    return situation(fleet=around, node=node(annotations=annotations or {}))


def flags(*more: str) -> tuple[str, ...]:
    """Give the kubelet's command line with more flags."""
    return (*values.kubelet().arguments, *more)


def fate(key: str, what: Fate, reason: str = "") -> tuple[KeyFate, ...]:
    """Give the fate of one key."""
    return (KeyFate(key=key, fate=what, reason=reason),)


def change(path: str, content: str) -> tuple[FileChange, ...]:
    """Give one drafted file."""
    return (FileChange(path=path, content=content, before=FileFact(path=path)),)


def budget(name: str, **update: object) -> Budget:
    """Give a budget for pods with the label app=web."""
    plain = Budget(namespace="shop", name=name, match_labels={"app": "web"}, disruptions_allowed=1)
    return values.changed(plain, update)


def beside(name: str, **update: object) -> DockerContainer:
    """Give a container that is not Kubernetes'."""
    return DockerContainer(id=name, name=name, image="other:1", running=True).model_copy(update=update)


def package(name: str, version: str = "1.6.20", **update: object) -> Package:
    """Give an installed package."""
    return Package(name=name, version=version).model_copy(update=update)


def importing(release: str, main: int, imported: int) -> NodeInputs:
    """Give a node with this containerd, whose configuration of one version imports a file of another."""
    path = "/etc/containerd/conf.d/99-nvidia.toml"
    text = IMPORTING.replace("version = 2", f"version = {main}")
    return on(
        containerd=values.containerd(version=release),
        kubelet=values.kubelet(version="1.23.17"),
        files=values.files(containerd=text) | {path: values.file(path, f"version = {imported}\n")},
    )


CRIO = HostSettings(runtime="crio")
CRIO_OURS = "/etc/crio/crio.conf.d/20-migrator.conf"
REG_D = "/etc/containers/registries.conf.d"


def crio_beside(files: Mapping[str, str], image: str = "registry.example/web:1", **update: object) -> NodeInputs:
    """Give a node that gets CRI-O and has these files."""
    more = {path: values.file(path, text) for path, text in files.items()}
    return replace(pods("x", images=(image,)), facts=facts(files=values.files() | more, **update), target=CRIO)


def unread(path: str) -> NodeInputs:
    """Give a node that gets CRI-O and has a file that is no text."""
    bad = values.file(path, "").model_copy(update={"problem": "it is not UTF-8"})
    return replace(crio_beside({}), facts=facts(files=values.files() | {path: bad}))


def registry(text: str) -> tuple[FileChange, ...]:
    """Give our drop-in of registries.conf."""
    return change(f"{REG_D}/zz-migrator.conf", f'unqualified-search-registries = ["docker.io"]\n{text}')


A_REG = '[[registry]]\nprefix = "a.example"\nlocation = "a.example"\n'
DROP_INS = "/etc/systemd/system/containerd.service.d"
VARIABLES = "/etc/default/containerd"
LIMIT = change(f"{DROP_INS}/zz-migrator.conf", "[Service]\nLimitNOFILE=1048576\n")
PROXY = change(f"{DROP_INS}/zz-migrator.conf", '[Service]\nEnvironment="HTTP_PROXY=http://proxy:3128"\n')
MODULES = change("/etc/modules-load.d/migrator.conf", "# ours\noverlay\nbr_netfilter\n")
SYSCTL = change("/etc/sysctl.d/zz-migrator.conf", "net.ipv4.ip_forward = 1\n")
ONE_WEB = fleet(replicas={("shop", "ReplicaSet/web"): 1})
NONE_LEFT = budget("b", disruptions_allowed=0)
FULL = fleet(free={"worker-2": Resources(50, GIB, 100)}, total=Resources(50, GIB, 100))
SMALL = (Disk(path="/var/lib/containerd", mount="/", size=GIB, free=GIB // 4),)


SIGNED = Registry(name="s.example", server=Endpoint(url="https://s.example", clients=(("/c/a.crt", "/c/a.key"),)))


def kept_file(text: str) -> NodeInputs:
    """Give a node whose user has written a registry's file."""
    path = "/etc/containerd/certs.d/s.example/hosts.toml"
    return on(files=values.files() | {path: values.file(path, text)})


def containerd_of_2(*, nested: bool) -> NodeInputs:
    """Give a node with containerd 2.1 and a drop-in that says what its file says, and imports one that does not."""
    table = '[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]\nSystemdCgroup = {}\n'
    texts = {
        "/etc/containerd/conf.d/n.toml": "version = 3\n"
        + 'imports = ["../last.toml"]\n' * nested
        + table.format("true"),
        "/etc/containerd/last.toml": "version = 3\n" + table.format("false"),
    }
    main = 'version = 3\nimports = ["/etc/containerd/conf.d/*.toml"]\n' + table.format("true")
    more = {path: values.file(path, text) for path, text in texts.items()}
    return on(files=values.files(containerd=main) | more, containerd=values.containerd(version="2.1.9"))


IMPORTING = 'version = 2\nimports = ["/etc/containerd/conf.d/*.toml"]\n'
NVIDIA_DROP_IN = 'version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd]\ndefault_runtime_name = "nvidia"\n'


def bare_importing(coming: str, imported: int) -> NodeInputs:
    """Give a node without containerd, for which this release would come, and a file that a configuration imports."""
    there = importing("", 2, imported).facts
    return situation(facts=there.model_copy(update={"candidates": {"containerd": coming} if coming else {}}))


def importing_of_2(said: str, main: str = "") -> NodeInputs:
    """Give a node with containerd 2.1 and a drop-in that says this."""
    path = "/etc/containerd/conf.d/n.toml"
    text = 'version = 3\nimports = ["/etc/containerd/conf.d/*.toml"]\n' + main
    return on(
        files=values.files(containerd=text) | {path: values.file(path, "version = 3\n" + said)},
        containerd=values.containerd(version="2.1.9"),
    )


OF_2 = Destination(runtime="containerd", version=(2, 1), kubelet=(1, 20))
RUNTIMES_OF_2 = 'plugins."io.containerd.cri.v1.runtime".containerd.runtimes'
OTHER_HANDLER = f'[{RUNTIMES_OF_2}.nvidia.options]\nBinaryName = "/usr/bin/nvidia"\n'
OTHER_RUNC = f'[{RUNTIMES_OF_2}.runc.options]\nBinaryName = "/usr/bin/nvidia"\n'
UBUNTU = {"os": "Ubuntu 24.04 LTS", "os_id": "ubuntu"}
CASES = {
    # the machine
    "another machine": case("wrong-machine", BLOCK, "a Node has its host's machine-id", on(machine_id="f" * 32)),
    "no machine-id": case("wrong-machine", BLOCK, "a Node has its host's machine-id", on(machine_id=""), says="none"),
    "a clone": case("wrong-machine", BLOCK, "cloned guests share a machine-id", on(addresses=("10.0.0.9",)), says="10.0.0.9"),
    "control plane": case("control-plane", BLOCK, "the API server dies in the step", situation(node=node(control_plane=True))),
    "NotReady": case("node-not-ready", BLOCK, "Ready is what the proof compares", situation(node=node(ready=False))),
    "pressure": case("node-pressure", BLOCK, "the kubelet evicts under pressure", situation(node=node(pressures=("DiskPressure",))), says="DiskPressure"),
    "no systemd": case("no-systemd", BLOCK, "the switch is a systemd job", situation(facts=host(systemd=False))),
    "a part that was not read": case("facts-incomplete", BLOCK, "nothing unread is absent", on(problems=("CNI could not be read: OSError: x",)), says="CNI"),
    "cordoned": case("cordoned", INFORM, "we undo only what we did", situation(node=node(unschedulable=True))),
    "k3s": case("installation", BLOCK, "k3s embeds kubelet and containerd", kubelet(installation="k3s"), says="k3s"),
    "RKE": case("installation", BLOCK, "RKE's kubelet is a Docker container", kubelet(installation="rke")),
    "RKE2": case("installation", BLOCK, "RKE2 brings containerd", kubelet(installation="rke2")),
    "k0s": case("installation", BLOCK, "k0s brings containerd", kubelet(installation="k0s")),
    "MicroK8s": case("installation", BLOCK, "MicroK8s is a snap", kubelet(installation="microk8s")),
    "kops": case("installation", BLOCK, "nodeup writes the files anew", kubelet(installation="kops")),
    "kubespray": case("installation-managed", WARN, "kubespray migrate_docker2containerd.md", kubelet(installation="kubespray")),
    "a clock ahead": case("clock-skew", BLOCK, "heartbeats carry the host's clock", situation(facts=host(clock=CLOCK + 40)), says="40 s ahead"),
    "a clock behind": case("clock-skew", BLOCK, "heartbeats carry the host's clock", situation(facts=host(clock=CLOCK - 99)), says="99 s behind"),
    "a switch cut short": case("half-migrated", BLOCK, "each action is journaled first", on(transactions={"old": Transaction(last="done"), "t7": Transaction(last="stop kubelet")}), says="t7"),
    "a budget that wants all its pods": case("budget-never", BLOCK, "k/k pkg/controller/disruption: desiredHealthy is then expectedPods", situation(pods=(pod("web"),), fleet=fleet(budgets=(budget("all", disruptions_allowed=0, never=True),))), says="wants every pod"),
    "a budget whose selector is an expression": case("budget-exhausted", WARN, "apimachinery, LabelSelector", situation(pods=(pod("web"),), fleet=fleet(budgets=(budget("some", match_labels={}, expressions=(Requirement(key="app", operator="In", values=("web", "x")), Requirement(key="gone", operator="DoesNotExist")), disruptions_allowed=0),))), says="shop/some"),
    "a journal that cannot be read": case("half-migrated", BLOCK, "what it said to put back would be forgotten", on(transactions={"t7": Transaction(last="damaged")}), says="t7 is damaged"),
    "a nightly job": case("docker-callers", WARN, "a socket that is disabled starts nothing", on(docker_callers=("/etc/cron.d/backup",)), says="/etc/cron.d/backup"),
    "a switch cut short, by a clock that is behind": case("half-migrated", BLOCK, "control hosts make the names", on(transactions={"20261201-000000-w": Transaction(last="undone"), "20261130-120000-w": Transaction(last="write files")}), says="20261130-120000-w is at 'write files'"),
    "two switches cut short": case("half-migrated", BLOCK, "each says that it is the node's last", on(transactions={"t1": Transaction(last="undo", number=1), "t2": Transaction(last="broken", number=2)}), says="not over: t1, t2"),
    "a number and a time that disagree": case("half-migrated", BLOCK, "the one that is undone must be the last one", on(transactions={"a": Transaction(last="done", number=2, at=1), "b": Transaction(last="undone", number=1, at=2)}), says="counts a as its last switch, and its clock says b"),
    "a file that cannot be replaced": case("unwritable", BLOCK, "ioctl_iflags(2)", on(unwritable={CONFIG: f"{CONFIG} is immutable (chattr +i)"}), says="immutable", files=change(CONFIG, "")),
    "a folder in which nothing can be made": case("unwritable", BLOCK, "ioctl_iflags(2)", on(unwritable={"/etc/containerd/certs.d": "/etc/containerd/certs.d is append-only (chattr +a)"}), says="append-only", files=change(HUB, "")),
    "a later drop-in of CRI-O's": case("overruled", BLOCK, "crio.conf.d(5)", crio_beside({"/etc/crio/crio.conf.d/99-own": "[crio.runtime]\ncgroup_manager = 'cgroupfs'\n"}), says="99-own has the last word on crio.runtime.cgroup_manager", files=change(CRIO_OURS, "[crio.runtime]\ncgroup_manager = 'systemd'\n")),
    "a file that CRI-O refuses": case("crio-broken", BLOCK, "UpdateFromPath reads every file", crio_beside({"/etc/crio/crio.conf.d/.x.swp": "x"}), says="/etc/crio/crio.conf.d/.x.swp"),
    "a runtime that nothing describes": case("crio-broken", BLOCK, "cri-o 1.34, validating runtime config", crio_beside({}, crio=CrioFacts(version="1.34.1")), says="default runtime runc", files=change(CRIO_OURS, "[crio.runtime]\ndefault_runtime = 'runc'\n")),
    "a file of CRI-O's that cannot be read": case("crio-broken", BLOCK, "UpdateFromPath reads every file", unread("/etc/crio/crio.conf.d/x"), says="/etc/crio/crio.conf.d/x: it is not UTF-8"),
    "registries that are refused": case("crio-broken", BLOCK, "cri-o pkg/config: invalid registries", crio_beside({f"{REG_D}/a.conf": "[registries.block]\nregistries = ['x']\n"}), says=f"{REG_D}/a.conf is of the first format", files=registry("")),
    "a later entry of a registry": case("overruled", BLOCK, "updateWithConfigurationFrom", crio_beside({f"{REG_D}/zzz.conf": f"{A_REG}blocked = true\n"}), says=f"{REG_D}/zzz.conf has the last word on registry a.example", files=registry(A_REG)),
    "a domain as long as a registry": case("overruled", BLOCK, "findRegistryWithParsedConfig, the first of two as long", crio_beside({"/etc/containers/registries.conf": '[[registry]]\nprefix = "*.example"\nlocation = "m.example"\n'}), says="*.example from m.example", files=registry(A_REG)),
    "a later search": case("overruled", BLOCK, "updateWithConfigurationFrom", crio_beside({f"{REG_D}/zzz.conf": 'unqualified-search-registries = ["quay.example"]\n'}), says="unqualified-search-registries", files=registry("")),
    "root's own registries": case("overruled", BLOCK, "newConfigWrapperWithHomeDir", crio_beside({"/root/.config/containers/registries.conf": ""}), says="is read instead of", files=registry("")),
    "a longer prefix": case("images-elsewhere", WARN, "containers-registries.conf(5), prefix", crio_beside({"/etc/containers/registries.conf": '[[registry]]\nprefix = "a.example/team"\nlocation = "b.example"\n'}), says="a.example/team from b.example", files=registry(A_REG)),
    "a registry of pods that is blocked": case("images-elsewhere", WARN, "containers-registries.conf(5), blocked", crio_beside({"/etc/containers/registries.conf": '[[registry]]\nlocation = "registry.example"\nblocked = true\n'}), says="registry.example is blocked", files=registry("")),
    "an alias of a pod's image": case("images-elsewhere", WARN, "containers-registries.conf(5), aliases", crio_beside({f"{REG_D}/shortnames.conf": '[aliases]\n"centos" = "quay.io/centos/centos"\n'}, "centos:7"), says="centos for quay.io/centos/centos", files=registry("")),
    "a limit of a later drop-in": case("overruled", BLOCK, "systemd.unit(5): drop-ins in the order of their names", with_drop_in("zzz.conf", "LimitNOFILE=65536"), says="zzz.conf has the last word on LimitNOFILE", files=LIMIT),
    "a proxy of a file of variables": case("overruled", BLOCK, "systemd.exec(5): EnvironmentFile= beats Environment=", with_drop_in("a.conf", f"EnvironmentFile=-{VARIABLES}", environment="HTTP_PROXY=http://old:3128\n"), says=f"{VARIABLES} has the last word on HTTP_PROXY", files=PROXY),
    "a sysctl of a later file": case("overruled", BLOCK, "sysctl.d(5)", with_sysctls("/etc/sysctl.d/zzz-cis.conf", "net.ipv4.ip_forward=0\n"), says="zzz-cis.conf has the last word on net.ipv4.ip_forward", files=SYSCTL),
    "a sysctl of a later file, beside ours of before": case("overruled", BLOCK, "sysctl.d(5)", on(files=values.files() | {path: values.file(path, f"net.ipv4.ip_forward={value}\n") for path, value in (("/etc/sysctl.d/zz-migrator.conf", 1), ("/usr/lib/sysctl.d/zzz.conf", 0))}), says="/usr/lib/sysctl.d/zzz.conf"),
    "a module that a list refuses": case("overruled", BLOCK, "systemd module-util.c, KMOD_PROBE_APPLY_BLACKLIST", with_modprobe("# CIS\nblacklist br-netfilter\n"), says="/etc/modprobe.d/cis.conf keeps br_netfilter from being loaded at boot", files=MODULES),
    "a module for which something else is done": case("overruled", BLOCK, "modprobe.d(5), install", with_modprobe("install overlay \\\n  /bin/true\n"), says="'install overlay /bin/true'", files=MODULES),
    "a module for which another is inserted": case("overruled", BLOCK, "modprobe.d(5), install", with_modprobe("install overlay /sbin/insmod /x/other.ko\n"), says="insmod /x/other.ko", files=MODULES),
    "a module that the boot loader refuses": case("overruled", BLOCK, "kernel-parameters.txt, module_blacklist", situation(facts=host(refused_modules=("br_netfilter",))), says="the kernel's command line refuses br_netfilter", files=MODULES),
    "no place for our own unit": case("unwritable", BLOCK, "mount(8)", on(unwritable={"/etc/systemd/system": "/etc is on a file system that is mounted read-only"}), says="read-only"),
    "a package for a system that is read-only": case("unwritable", BLOCK, "ostree-prepare-root(1): /usr is read-only", on(containerd=values.containerd(version=""), unwritable={"/usr": "/usr is on a file system that is mounted read-only"}), says="containerd has to be installed, and /usr is on"),
    "a journal in memory": case("files-in-memory", BLOCK, "tmpfs(5)", on(fleeting=in_memory("the tmpfs at /var", JOURNAL)), says=f"{JOURNAL}: the tmpfs at /var, which a reboot empties"),
    "files in memory": case("files-in-memory", BLOCK, "overlayfs.rst", on(fleeting=in_memory("the overlay at /etc, whose upper folder /run/etc is on the tmpfs at /run", CONFIG)), says=f"{CONFIG}: the overlay at /etc, whose upper folder /run/etc is on the tmpfs at /run", files=change(CONFIG, "")),
    "a file whose folder is in memory": case("files-in-memory", BLOCK, "tmpfs(5)", on(fleeting=in_memory("the tmpfs at /etc", "/etc/containerd/certs.d")), says=f"{HUB}: the tmpfs at /etc", files=change(HUB, "")),
    "an overlay whose upper folder is out of sight": case("files-in-memory", WARN, "casper: upperdir=/cow/upper", on(fleeting={JOURNAL: Fleeting(where="the overlay at /, whose upper folder /cow/upper is not to be seen from here", certain=False)}), says="/cow/upper"),
    "data in memory": case("data-in-memory", BLOCK, "tmpfs(5)", on(fleeting=in_memory("the tmpfs at /var/lib/containerd", "/var/lib/containerd")), says="kept in /var/lib/containerd: the tmpfs at"),
    "data in a folder of Docker's that is in memory": case("data-in-memory", BLOCK, "tmpfs(5)", on(fleeting=in_memory("the tmpfs at /data", "/data/docker")), says="/data/docker/migrator-containerd", settings=settings(root="/data/docker/migrator-containerd")),
    "data on an overlay whose upper folder is out of sight": case("data-in-memory", WARN, "casper: upperdir=/cow/upper", on(fleeting={"/var/lib/containerd": Fleeting(where="the overlay at /, whose upper folder /cow/upper is not to be seen from here", certain=False)})),
    "a pod that stays and takes its time": case("long-grace-period", WARN, "k8s core/v1 terminationGracePeriodSeconds", pods("x", owner="DaemonSet/x", ends_within=301), says="shop/x"),
    "containers in both": case("half-migrated", BLOCK, "k/k#61327", containerd(containers=3), says="containerd has 3"),
    "the kubelet left Docker": case("half-migrated", BLOCK, "k/k#61327", kubelet(arguments=flags("--container-runtime=remote", "--container-runtime-endpoint=unix:///run/containerd/containerd.sock")), says="k8s_web"),
    "migrated, Docker still runs": case("half-migrated", BLOCK, "k/k#61327", situation(node=node(runtime="containerd://1.6.20")), says="k8s_web"),
    "a dead socket": case("leftovers", INFORM, "kubeadm 1.24 errors with several sockets", on(leftovers=("/run/cri-dockerd.sock",))),
    "a folder for a socket": case("leftovers", BLOCK, "deckhouse 031 step; kops#11589", on(leftovers=("/run/containerd/containerd.sock/",)), says="containerd.sock"),
    "a folder that was read": case("leftovers", BLOCK, "kops#11589", on(leftovers=("/run/x.sock",), files={"/run/x.sock": FileFact(path="/run/x.sock", exists=True, problem="is a directory")})),
    "a file that cannot be read": case("unreadable-file", BLOCK, "nothing is guessed", problems=("/etc/docker/daemon.json, line 2: x",), settings=None, says="line 2"),
    # the source
    "CRI-O": case("source-runtime", BLOCK, "only Docker is proven", situation(node=node(runtime="cri-o://1.20.0"))),
    "cri-dockerd": case("cri-dockerd", BLOCK, "k/k#97252: dockershim left in 1.24", kubelet(version="1.24.0")),
    "cri-dockerd before 1.24": case("cri-dockerd", BLOCK, "cri-dockerd has a CRI socket", kubelet(arguments=flags("--container-runtime=remote", "--container-runtime-endpoint=unix:///run/cri-dockerd.sock"))),
    "kubelet stopped": case("kubelet-stopped", BLOCK, "flags are read from the process", kubelet(active=False, arguments=())),
    "no kubelet": case("kubelet-stopped", BLOCK, "flags are read from the process", kubelet(version="", active=False, arguments=())),
    "Docker stopped": case("docker-stopped", BLOCK, "containers are read from Docker", on(docker=None, docker_problem="dockerd: exit 1"), says="exit 1"),
    # versions
    "containerd 2, kubelet 1.20": case("cri-version", BLOCK, "containerd 2.0 dropped v1alpha2", containerd(version="2.1.0"), says="v1alpha2"),
    "containerd 1.5, kubelet 1.26": case("cri-version", BLOCK, "k/k#110618; containerd#7863", on(containerd=values.containerd(version="1.5.9"), kubelet=values.kubelet(version="1.26.0"))),
    "a containerd that tears slow containers down": case("runtime-faulty", BLOCK, "containerd#13483", on(containerd=values.containerd(version="2.3.1"), kubelet=values.kubelet(version="1.23.17")), says="torn down at once (containerd#13483"),
    "a sandbox image by digest": case("runtime-faulty", BLOCK, "containerd#13529", on(containerd=values.containerd(version="2.3.3"), kubelet=values.kubelet(version="1.23.17")), settings=settings(pause_image="registry.k8s.io/pause:3.10@sha256:0"), says="tag and digest"),
    "a containerd that may not start again": case("runtime-faulty", WARN, "containerd#13609", on(containerd=values.containerd(version="2.2.5"), kubelet=values.kubelet(version="1.23.17")), says="failed to reserve sandbox name"),
    "containerd 1.2": case("runtime-version", BLOCK, "dialect 2 came with 1.3", containerd(version="1.2.13")),
    "no containerd": case("runtime-install", INFORM, "docker.io without containerd", containerd(version="", active=False)),
    "to CRI-O": case("runtime-unsupported", BLOCK, "there is no switch to it", situation(target=CRIO)),
    "CRI-O of another minor": case("crio-minor", BLOCK, "CRI-O's minor is Kubernetes'", replace(on(crio=CrioFacts(version="1.24.6")), target=CRIO)),
    "kubelet 1.18 on cgroup v2": case("cgroup-v2-kubelet", BLOCK, "kind#2082", kubelet(version="1.18.0")),
    "kubelet 1.31 on cgroup v1": case("cgroup-v1", WARN, "maintenance since 1.31", situation(facts=values.changed(host(cgroup="v1"), {"kubelet": values.kubelet(version="1.31.0")}))),
    "kubelet 1.35 on cgroup v1": case("cgroup-v1", BLOCK, "k/k#134298", situation(facts=values.changed(host(cgroup="hybrid"), {"kubelet": values.kubelet(version="1.35.0")})), says="hybrid"),
    "kubelet 1.35 told to bear it": case("cgroup-v1", WARN, "failCgroupV1: false", situation(facts=values.changed(host(cgroup="v1"), {"kubelet": values.kubelet(version="1.35.0"), "files": values.files(config="failCgroupV1: false\n")}))),
    "containerd 1.6.2": case("cni-version-bugs", WARN, "kubernetes.io, CNI plugin-related errors", containerd(version="1.6.2")),
    "support ended": case("runtime-eol", INFORM, "containerd RELEASES.md: 1.6 until 2025-08-23", says="2025-08-23"),
    "a package ahead": case("runtime-jump", WARN, "containerd#12727: 1.7 to 2.2", on(containerd=values.containerd(version="1.7.12"), packages=(package("containerd", "2.2.1-0ubuntu1"),)), says="2.2.1"),
    "a package far ahead": case("runtime-jump", WARN, "containerd docs/containerd-2.0.md", on(containerd=values.containerd(version="1.7.34"), packages=(package("containerd.io", "2.4.0-1"),)), says="2.4.0-1"),
    "AppArmor 4": case("apparmor-signals", WARN, "runc#4281; containerd#10123", situation(facts=values.changed(host(**UBUNTU), {"containerd": values.containerd(version="1.7.12")}))),
    # the next Kubernetes
    "1.29 wants 1.6.27": case("kubernetes-target-runtime", WARN, "containerd RELEASES.md", aiming("1.33"), says="Kubernetes 1.29"),
    "1.36 wants containerd 2": case("kubernetes-target-runtime", WARN, "containerd RELEASES.md", aiming("1.36", containerd=values.containerd(version="1.7.30")), says="Kubernetes 1.36"),
    "1.26 with containerd 1.5": case("kubernetes-target-cri", WARN, "k/k#110618", aiming("1.26", containerd=values.containerd(version="1.5.9")), says="from 1.26 on"),
    "1.35 with cgroup v1": case("kubernetes-target-cgroup-v1", WARN, "k/k#134298", replace(situation(facts=host(cgroup="v1")), target=HostSettings(kubernetes_target="1.35.1")), says="1.35"),
    "1.27 with our own flag": case("kubernetes-target-flags", WARN, "k/k#114017", aiming("1.27"), says="--container-runtime (from 1.27 on)"),
    "1.36 with containerd 1": case("kubernetes-target-cgroup-driver", WARN, "KEP-4033; website#55954", aiming("1.36"), says="until Kubernetes 1.35"),
    "a flag that may go": case("removed-flags", INFORM, "its help text in 1.20.2", kubelet(arguments=flags("--seccomp-profile-root=/x")), says="probably from 1.23 on"),
    "CRI-O of another CRI": case("cri-version", BLOCK, "CRI-O 1.26 has v1 alone", replace(on(crio=CrioFacts(version="1.27.0")), target=CRIO), says="CRI-O 1.27.0 speaks CRI v1"),
    "flags of later": case("removed-flags", INFORM, "k/k#133779", says="--pod-infra-container-image (from 1.35 on)"),
    # packages
    "two vendors": case("package-conflict", BLOCK, "containerd.io replaces containerd and runc", on(packages=(package("containerd.io"), package("runc")))),
    "docker-ce without containerd": case("package-conflict", BLOCK, "kubespray#8431", on(packages=(package("docker-ce"),), containerd=values.containerd(version="")), says="docker-ce"),
    "held": case("package-held", WARN, "apt-mark hold", on(packages=(package("containerd", held=True),))),
    "held and needed": case("package-held", BLOCK, "apt-mark hold", on(packages=(package("runc", held=True),), containerd=values.containerd(version=""))),
    # the kubelet
    "a flag from nowhere": case("kubelet-flags", BLOCK, "ai-platform#5", kubelet(arguments=flags("--docker-endpoint=unix:///x")), says="--docker-endpoint"),
    "a flag whose value differs": case("kubelet-flags", BLOCK, "the process has what it was started with", kubelet(arguments=flags("--v=5", "--docker-tls")), says="--v (5, files: not set)"),
    "a flag without a value": case("kubelet-flags", BLOCK, "the process has what it was started with", kubelet(arguments=flags("--docker-tls")), says="--docker-tls ("),
    "a kubelet that a wrapper starts": case("kubelet-flags", BLOCK, "the words after it are the kubelet's", on(files=values.files(kubelet_drop_in=values.DROP_IN_TEXT.replace("ExecStart=/usr/bin/kubelet", "ExecStart=/usr/bin/taskset -c 0,1 /usr/bin/kubelet"))), says="/usr/bin/taskset starts the kubelet"),
    "a kubelet that is fetched by Docker": case("kubelet-needs-docker", BLOCK, "gardener's kubelet.service", with_unit("[Service]\nExecStartPre=/usr/bin/docker run --rm -v /opt/bin:/opt/bin hyperkube cp kubelet /opt/bin"), says="ExecStartPre=/usr/bin/docker run"),
    "a kubelet that waits for Docker in a shell": case("kubelet-needs-docker", BLOCK, "systemd.service(5)", with_unit("[Service]\nExecStartPre=/bin/sh -c 'until docker info; do sleep 1; done'"), says="until docker info"),
    "a kubelet that is started if Docker says so": case("kubelet-needs-docker", BLOCK, "systemd.service(5), ExecCondition=", with_unit("[Service]\nExecCondition=curl --unix-socket /var/run/docker.sock http://d/_ping"), says="ExecCondition="),
    "a program that may need Docker": case("kubelet-needs-docker", WARN, "nobody can tell", with_unit("[Service]\nExecStartPre=/opt/bin/wait-for-docker.sh"), says="whether it works without it is not known"),
    "a call whose failure is borne": case("kubelet-needs-docker", WARN, "sh(1), ||", with_unit("[Service]\nExecStartPre=/bin/sh -c 'docker rm -f kubelet || true'"), says="it fails without Docker"),
    "a command that may fail": case("kubelet-needs-docker", WARN, "terraform-ignition-kubernetes", with_unit("[Service]\nExecStartPre=-/bin/docker rm kubelet"), says="it fails without Docker"),
    "a command of its end": case("kubelet-needs-docker", WARN, "terraform-ignition-kubernetes", with_unit("[Service]\nExecStop=/usr/bin/docker stop kubelet"), says="ExecStop="),
    "a kubelet that is a container": case("kubelet-needs-docker", BLOCK, "public units of hyperkube", on(files=values.files(kubelet_drop_in="[Service]\nExecStart=\nExecStart=/usr/bin/docker run --net=host hyperkube kubelet\n")), says="the kubelet is a container of Docker's"),
    "a kubelet that is a part of Docker": case("kubelet-needs-docker", BLOCK, "systemd.unit(5), PartOf=", with_unit("[Unit]\nPartOf=docker.service"), says="PartOf=docker.service"),
    "a kubelet that stops with Docker": case("kubelet-needs-docker", BLOCK, "systemd.unit(5), StopPropagatedFrom=", with_unit("[Unit]\nStopPropagatedFrom=docker.service")),
    "a kubelet bound to Docker's socket": case("kubelet-needs-docker", BLOCK, "systemd.unit(5), BindsTo=", with_unit("[Unit]\nBindsTo=docker.socket cri-docker.service"), says="docker.socket"),
    "a kubelet that wants a file of Docker's": case("kubelet-needs-docker", BLOCK, "systemd.unit(5), ConditionPathExists=", with_unit("[Unit]\nConditionPathExists=/var/run/docker.sock"), says="ConditionPathExists"),
    "a kubelet that wants what is in Docker's folder": case("kubelet-needs-docker", BLOCK, "systemd.unit(5), ConditionDirectoryNotEmpty=", replace(with_unit("[Unit]\nConditionDirectoryNotEmpty=|/data/docker/overlay2"), facts=with_unit("[Unit]\nConditionDirectoryNotEmpty=|/data/docker/overlay2").facts.model_copy(update={"docker": values.docker(root="/data/docker")})), says="ConditionDirectoryNotEmpty"),
    "a kubelet that wants cri-dockerd's socket": case("kubelet-needs-docker", BLOCK, "systemd.unit(5)", with_unit("[Unit]\nConditionPathExists=/run/cri-dockerd.sock")),
    "a kubelet that wants Docker's folder": case("kubelet-needs-docker", BLOCK, "systemd.unit(5), AssertPathIsDirectory=", with_unit("[Unit]\nAssertPathIsDirectory=/var/lib/docker"), says="AssertPathIsDirectory"),
    "systemd knows of another unit that stops it": case("kubelet-needs-docker", BLOCK, "links in .requires folders, units that name this one", kubelet(stops_with=("docker.service",)), says="PartOf=docker.service"),
    "a kubelet in a container of its own": case("kubelet-elsewhere", BLOCK, "Mirantis Kubernetes Engine", on(kubelet=values.kubelet(version="", active=False, arguments=(), fragments=()), docker=values.docker(containers=(beside("ucp-kubelet", image="mirantis/ucp-hyperkube:3.4.15"),))), says="ucp-kubelet"),
    "a wrapper that starts a kubelet in a container": case("kubelet-elsewhere", BLOCK, "terraform-ignition-kubernetes, kubelet-wrapper", on(kubelet=values.kubelet(program="/usr/bin/systemd-inhibit"), docker=values.docker(containers=(beside("kubelet", image="quay.io/coreos/hyperkube:v1.10.5"),))), says="kubelet (quay.io/coreos/hyperkube:v1.10.5)"),
    "a kubelet of a snap": case("kubelet-elsewhere", BLOCK, "Charmed Kubernetes", kubelet(active=False, arguments=(), fragments=()), says="there is no kubelet.service"),
    "the unit requires Docker": case("kubelet-needs-docker", BLOCK, "machine-controller#1099", kubelet(requires=("docker.service",))),
    "the unit wants Docker": case("kubelet-needs-docker", WARN, "kubespray's kubelet.service", kubelet(wants=("docker.socket",))),
    "dynamic configuration": case("kubelet-config", BLOCK, "--dynamic-config-dir, until 1.24", kubelet(arguments=flags("--dynamic-config-dir=/x")), says="--dynamic-config-dir"),
    "another image service": case("kubelet-config", BLOCK, "--image-service-endpoint", kubelet(arguments=flags("--image-service-endpoint=unix:///x")), says="unix:///x"),
    "another image service in its file": case("kubelet-config", BLOCK, "imageServiceEndpoint, since 1.27", on(files=values.files(config="cgroupDriver: systemd\nimageServiceEndpoint: unix:///y\n")), says="unix:///y"),
    # Docker's settings
    "a lost key": case("docker-settings-lost", BLOCK, "init has no analogue", fates=fate("init", Fate.LOST, "no runtime does that"), says="init (no runtime does that)"),
    "an unknown key": case("docker-unknown-key", BLOCK, "moby daemon/config", fates=fate("colour", Fate.UNKNOWN), says="colour"),
    "containerd image store": case("docker-image-store", BLOCK, "moby 29", docker(containerd_store=True)),
    "an API on the network": case("docker-remote-api", WARN, "hosts in daemon.json", on(files=values.files(daemon='{"hosts": ["unix:///x", "tcp://0.0.0.0:2375"]}')), says="tcp://0.0.0.0:2375"),
    "an API by a flag": case("docker-remote-api", WARN, "dockerd -H", docker(arguments=("-H", "tcp://127.0.0.1:2375"))),
    "a containerd of its own": case("docker-embedded-containerd", INFORM, "moby libcontainerd supervisor", docker(embedded=True, containers=())),
    "its containers would be lost": case("docker-embedded-containerd", WARN, "moby looks for the system's socket", docker(embedded=True), says="foreign"),
    "a handler without program": case("low-level-runtime-missing", BLOCK, "fails with the first pod", settings=settings(handlers=(Handler(name="nvidia", program=NVIDIA),)), says=NVIDIA),
    "no runc": case("low-level-runtime-missing", BLOCK, "runc.v2 needs runc", on(low_level={})),
    "another default": case("default-runtime", INFORM, "dockershim used Docker's default", docker(default_runtime="crun")),
    "a silent registry": case("insecure-registry-silent", WARN, "containerd hosts.go: scheme must be known", docker(insecure={"reg:5000": "", "ok:5000": "http"}), says="reg:5000"),
    "a registry of the user's": case("registries-kept", INFORM, "theirs is never replaced", kept=("reg:5000",)),
    "a registry of the user's that lacks a mirror": case("registries-kept", BLOCK, "theirs is never replaced, and Docker's mirror would not be asked", on(files=values.files() | {HUB: values.file(HUB, 'server = "https://registry-1.docker.io"\n')}), kept=("docker.io",), settings=settings(registries=(Registry(name="docker.io", server=Endpoint(url="https://registry-1.docker.io"), mirrors=(Endpoint(url="https://mirror.corp"),)),)), says="does not name https://mirror.corp"),
    "a proxy with a password in daemon.json": case("proxy-credentials", BLOCK, "daemon.json proxies, since 23.0", on(files=values.files() | {DAEMON: values.file(DAEMON, '{"proxies": {"http-proxy": "http://me:sha256-abc@proxy:3128"}}')})),
    "a proxy with a password and no scheme": case("proxy-credentials", BLOCK, "Go takes such a proxy for HTTP", docker(environment={"HTTP_PROXY": "me:sha256-abc@proxy:3128"})),
    "a proxy with a password": case("proxy-credentials", BLOCK, "plans carry no secrets", docker(environment={"HTTP_PROXY": "http://me:sha256-abc@proxy:3128"}), says="http://proxy:3128"),
    "a proxy with a token": case("proxy-credentials", BLOCK, "GitHub's and others' tokens are users without a password", docker(environment={"HTTP_PROXY": "sha256:0123456789abcdef@proxy:3128"}), says="http://proxy:3128"),
    "the same, translated": case("proxy-credentials", BLOCK, "daemon.json proxies, since 23.0", settings=settings(proxy=Proxy(https="http://me:x@proxy:3128"))),
    "a proxy that only containerd has": case("other-proxy", WARN, "kind#688", with_drop_in("http-proxy.conf", 'Environment="HTTPS_PROXY=http://old:3128" "no_proxy=.corp"'), says="gives containerd.service HTTPS_PROXY, NO_PROXY"),
    "certificates of Docker's own unit": case("docker-environment", WARN, "containerd#7039", docker_unit('[Service]\nEnvironment="GODEBUG=x509ignoreCN=0" SSL_CERT_DIR=/corp\n'), says="GODEBUG, SSL_CERT_DIR"),
    "a slice of Docker's own": case("docker-unit", WARN, "giantswarm/k8scloudconfig#848", docker_unit("[Service]\nSlice=kubereserved.slice\n"), says="Slice=kubereserved.slice"),
    "labels that Docker did not give": case("selinux-appears", WARN, "kops#15487", on(files=values.files(containerd=V2 + '[plugins."io.containerd.grpc.v1.cri"]\nenable_selinux = true\n'))),
    "a containerd that is no service": case("containerd-elsewhere", BLOCK, "docker.com, install from binaries", containerd(fragments=(), active=False), says="without containerd.service"),
    "an import that replaces the whole table": case("containerd-imports", BLOCK, "containerd 1.x, mergeConfig", on(files=values.files(containerd=IMPORTING) | {"/etc/containerd/conf.d/n.toml": values.file("/etc/containerd/conf.d/n.toml", NVIDIA_DROP_IN)}), says="as a whole"),
    "an import of an import with the last word": case("containerd-imports", BLOCK, "containerd 2.x, mergeConfig", containerd_of_2(nested=True), destination=Destination(runtime="containerd", version=(2, 1), kubelet=(1, 20)), says="/etc/containerd/last.toml is imported and has the last word on cgroup_driver"),
    "an import that is missing": case("containerd-imports", BLOCK, "containerd 1.5 on, LoadConfig", on(files=values.files(containerd='version = 2\nimports = ["none.toml"]\n')), says="imports /etc/containerd/none.toml, which is not there"),
    "zfs without a dataset": case("zfs-dataset", BLOCK, "containerd/zfs README", settings=settings(storage="zfs"), says="/var/lib/containerd/io.containerd.snapshotter.v1.zfs"),
    "a registry's file behind an underscore": case("registries-kept", BLOCK, "containerd docs/hosts.md, Port Handling", on(files=values.files() | {UNDERSCORE: values.file(UNDERSCORE, 'server = "https://reg:5000"\n[host."https://reg:5000"]\n')}), kept=("reg:5000",), settings=settings(registries=(Registry(name="reg:5000", server=Endpoint(url="http://reg:5000")),)), says="reg_5000_/hosts.toml does not name http://reg:5000"),
    "a registry's file without the client certificate": case("registries-kept", BLOCK, "containerd docs/hosts.md, client", kept_file('server = "https://s.example"\n[host."https://s.example"]\nca = "a.crt"\n'), kept=("s.example",), settings=settings(registries=(SIGNED,)), says="no client certificate for https://s.example"),
    "a registry's file with a client certificate for its host": case("registries-kept", INFORM, "containerd docs/hosts.md, client", kept_file('server = "https://s.example"\n[host."https://s.example"]\nclient = [["a.crt", "a.key"]]\n'), kept=("s.example",), settings=settings(registries=(SIGNED,)), says="already for s.example"),
    "a registry's file with a client certificate for its server": case("registries-kept", INFORM, "containerd docs/hosts.md, client", kept_file('server = "https://s.example"\nclient = "both.pem"\n[host."https://m.example"]\n'), kept=("s.example",), settings=settings(registries=(SIGNED,)), says="already for s.example"),
    "a registry's file without a host": case("registries-kept", BLOCK, "containerd 1.x, getSortedHosts", on(files=values.files() | {UNDERSCORE: values.file(UNDERSCORE, 'server = "http://reg:5000"\n')}), kept=("reg:5000",), settings=settings(registries=(Registry(name="reg:5000", server=Endpoint(url="http://reg:5000")),)), says="no [host] table"),
    "a name that is only a part of another": case("registries-kept", BLOCK, "hosts.toml is read, not searched", on(files=values.files() | {HUB: values.file(HUB, 'server = "https://registry-1.docker.io"\n# not https://mirror\n[host."https://mirror.corp"]\n')}), kept=("docker.io",), settings=settings(registries=(Registry(name="docker.io", server=Endpoint(url="https://registry-1.docker.io"), mirrors=(Endpoint(url="https://mirror"),)),)), says="does not name https://mirror,"),
    "a data folder of the user's, nearly full": case("disk-space", BLOCK, "containerd-config.toml(5), root", replace(docker(images=(image(PAUSE), image("web:1", size=GIB))), facts=facts(docker=values.docker(images=(image(PAUSE), image("web:1", size=GIB))), host=values.changed(facts().host, {"disks": (*facts().host.disks, Disk(path="/mnt/ssd/containerd", mount="/mnt/ssd", size=20 * GIB, free=3 * GIB))}), files=values.files(containerd='version = 2\nroot = "/mnt/ssd/containerd"\n'))), says="below /mnt/ssd/containerd"),
    "a credential helper": case("credential-helpers", WARN, "kubelet reads auths only", on(credentials=(Credential(path="/var/lib/kubelet/config.json", sha256="x", helpers=("ecr-login",)),)), says="ecr-login"),
    "root's login": case("docker-login", INFORM, "containerd reads no docker login", on(credentials=(Credential(path="/root/.docker/config.json", sha256="x", registries=("reg",)),))),
    # containerd
    "another configuration": case("containerd-elsewhere", BLOCK, "containerd(8)", containerd(arguments=("--config", "/etc/site/c.toml")), says="reads /etc/site/c.toml"),
    "another socket by option": case("containerd-elsewhere", BLOCK, "containerd(8)", containerd(arguments=("--address=/run/site/c.sock",)), says="listens at /run/site/c.sock"),
    "another socket in its file": case("containerd-elsewhere", BLOCK, "containerd-config.toml(5)", on(files=values.files(containerd='version = 2\n[grpc]\naddress = "/run/site/c.sock"\n')), says="listens at /run/site/c.sock"),
    "an import that this containerd does not know": case("containerd-imports", BLOCK, "containerd 1.7 config.go, ValidateVersion", importing("1.7.28", 2, 3), says="knows none after 2"),
    "an import that the containerd to come does not know": case("containerd-imports", BLOCK, "containerd 1.7 config.go, ValidateVersion", bare_importing("1.7.28-1", 3), says="containerd 1.7.28 knows none after 2"),
    "an import with another handler of the same name": case("containerd-imports", BLOCK, "containerd 2.x, mergeConfig", importing_of_2(OTHER_RUNC), destination=OF_2, says="has the last word on handlers.runc"),
    "an import with another folder": case("containerd-imports", BLOCK, "its disk is not the one whose space is judged", importing_of_2('root = "/data/containerd"\n'), destination=OF_2, says="has the last word on root"),
    "an import against the folder of the plan": case("containerd-imports", BLOCK, "containerd-config.toml(5)", importing_of_2('root = "/data/containerd"\n', 'root = "/docker/containerd"\n'), destination=OF_2, settings=settings(root="/docker/containerd"), says="has the last word on root"),
    "an import against the level of the plan": case("containerd-imports", BLOCK, "containerd-config.toml(5)", importing_of_2('[debug]\nlevel = "warn"\n'), destination=OF_2, settings=settings(log_level="debug"), says="has the last word on log_level"),
    "an import that silences its main file": case("containerd-imports", BLOCK, "containerd#12891; CAREN#1613", importing("2.1.9", 2, 3), says="loses the main file's settings of CRI"),
    "an import that keeps containerd from starting": case("containerd-imports", BLOCK, "containerd#13939", importing("2.3.4", 3, 4), says="does not start with that"),
    "an import that turns CRI off": case("containerd-imports", BLOCK, "lists are appended: containerd-config.toml(5)", on(files=values.files(containerd=IMPORTING) | {"/etc/containerd/conf.d/off.toml": values.file("/etc/containerd/conf.d/off.toml", 'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n')}), says="turns io.containerd.grpc.v1.cri off"),
    "ports that an old containerd cannot open": case("low-ports", BLOCK, "containerd 1.6: enable_unprivileged_ports", containerd(version="1.4.13"), settings=settings(unprivileged_ports=True), destination=Destination(runtime="containerd", version=(1, 4), kubelet=(1, 20)), says="ports below 1024"),
    "passwords in its file": case("containerd-credentials", BLOCK, "plans carry no secrets", on(files=values.files() | {CONFIG: FileFact(path=CONFIG, exists=True, hidden=True)}), problems=(f"{CONFIG} holds credentials",)),
    "CRI is off": case("containerd-disabled-cri", INFORM, "containerd#8139: containerd.io's config.toml", on(files=values.files(containerd='disabled_plugins = ["cri"]\n'))),
    "CRI is off, it says": case("containerd-disabled-cri", INFORM, "containerd#8139", containerd(cri="disabled")),
    "CRI fails": case("containerd-broken", BLOCK, "a failed plugin does not stop containerd", containerd(cri="error")),
    "BindsTo containerd": case("containerd-shared", WARN, "units of 18.09 and 19.03", docker(requires=("containerd.service",)), says="foreign"),
    "a restart ends shims": case("containerd-shared", WARN, "systemd.kill(5): control-group is the default", on(docker=values.docker(containerd="unix:///run/containerd/containerd.sock"), containerd=values.containerd(unit=values.changed(values.containerd().unit, {"kill_mode": "control-group"}))), says="KillMode=control-group: a restart of it ends the shims of foreign"),
    "one containerd for both": case("containerd-shared", INFORM, "shims outlive it", docker(containerd="unix:///var/run/containerd/containerd.sock")),
    # cgroups
    "drivers differ": case("cgroup-driver", BLOCK, "dockershim refused that", docker(cgroup_driver="cgroupfs")),
    "drafted with another": case("cgroup-driver-after", BLOCK, "containerd#7276", settings=settings(cgroup_driver="cgroupfs")),
    "cgroupfs under systemd": case("cgroupfs-on-systemd", WARN, "kubernetes.io, cgroup drivers", on(docker=values.docker(cgroup_driver="cgroupfs"), files=values.files(config="{}\n")), settings=settings(cgroup_driver="cgroupfs")),
    # network
    "no CNI configuration": case("no-cni", BLOCK, "one is inherited", cni(config="", configs=())),
    "no folder": case("cni-plugins", BLOCK, "bin_dir is one folder before 2.1", settings=settings(cni_bin_dirs=()), says="no single folder"),
    "a plugin missing": case("cni-plugins", BLOCK, "bin_dir is one folder before 2.1", cni(plugins=("bridge", "calico")), says="calico"),
    "no loopback": case("cni-plugins", BLOCK, "go-cni WithLoNetwork", cni(folders={"/usr/lib/cni": ("bridge", "host-local", "portmap")}), says="loopback"),
    "podman is there too": case("cni-order", WARN, "the first file wins", cni(configs=("10-lab.conflist", "87-podman-bridge.conflist")), says="87-podman"),
    "hostPort without portmap": case("host-ports", BLOCK, "portMappings is a plugin's business", situation(facts=cni(plugins=("bridge", "host-local")).facts, pods=(pod("edge", host_ports=(80,)),)), says="shop/edge"),
    # who uses Docker
    "docker.sock": case("docker-socket-mounts", BLOCK, "kubernetes.io, telemetry agents", pods("ci", host_paths=("/var/run/docker.sock",)), says="shop/ci (/var/run/docker.sock)"),
    "a parent of docker.sock": case("docker-socket-mounts", BLOCK, "a folder shows what is in it", pods("ci", host_paths=("/var/run",))),
    "/run": case("docker-socket-mounts", BLOCK, "a folder shows what is in it", pods("ci", host_paths=("/run/",))),
    "an API by a socket of the user's": case("docker-remote-api", WARN, "flatcar.org, Customizing Docker", on(docker_units=DockerUnits(starters={"docker.socket": ("/run/docker.sock",), "docker-tcp.socket": ("[::]:2375",)})), says="served on [::]:2375 (docker-tcp.socket)"),
    "an API by a word of the command line": case("docker-remote-api", WARN, "dockerd(8)", docker(arguments=("-Htcp://0.0.0.0:2375",)), says="tcp://0.0.0.0:2375"),
    "a socket of the user's": case("docker-units", INFORM, "systemd.socket(5), Service=", on(docker_units=DockerUnits(starters={"docker-tcp.socket": ("[::]:2375",)})), says="docker-tcp.socket starts Docker"),
    "a timer that starts Docker": case("docker-units", WARN, "systemd.timer(5), Unit=", on(docker_units=DockerUnits(starters={"night.timer": ()}, needing=("ci.service", "kubelet.service"))), says="ci.service, night.timer needs Docker"),
    "a socket that needs Docker, beside another unit": case("docker-units", WARN, "systemd.unit(5), PartOf=", on(docker_units=DockerUnits(starters={"docker-tcp.socket": ()}, needing=("ci.service", "docker-tcp.socket"))), says="ci.service needs Docker"),
    "a unit that wants Docker": case("docker-units", WARN, "systemd.unit(5), Wants=", on(docker_units=DockerUnits(wanting=("agent.service",))), says="each start of agent.service"),
    "the whole host": case("docker-socket-mounts", BLOCK, "a folder shows what is in it", pods("ci", host_paths=("/",))),
    "inside Docker's folder": case("docker-socket-mounts", BLOCK, "the root moves with the runtime", replace(docker(root="/data/docker"), pods=(pod("log", host_paths=("/data/docker/containers",)),))),
    "dockershim.sock": case("docker-socket-mounts", BLOCK, "k/k#97252", pods("ci", host_paths=("/var/run/dockershim.sock",))),
    "cri-dockerd.sock": case("docker-socket-mounts", BLOCK, "cri-dockerd's socket", pods("ci", host_paths=("/run/cri-dockerd.sock",))),
    "a DaemonSet": case("docker-socket-daemonsets", INFORM, "kops#11589", situation(fleet=fleet(daemon_sets=(DaemonSet(namespace="m", name="cadvisor", host_paths=("/var/run",)),))), says="m/cadvisor"),
    # who else works on the node
    "puppet": case("configuration-management", WARN, "puppet(8)", on(agents=("puppet.service", "/etc/cron.d/pull (ansible-pull)")), says="/etc/cron.d/pull (ansible-pull), puppet.service may put back"),
    "unattended upgrades": case("automatic-upgrades", INFORM, "unattended-upgrades", on(agents=("apt-daily-upgrade.timer", "needrestart")), says="apt-daily-upgrade.timer, needrestart may upgrade"),
    "an autoscaler": case("node-reapers", WARN, "cluster-autoscaler FAQ", elsewhere("registry.k8s.io/autoscaling/cluster-autoscaler-arm64:v1.20.3"), says="shop/ReplicaSet/web removes nodes that are empty"),
    "an autoscaler, told otherwise": case("node-reapers", WARN, "cluster-autoscaler FAQ", elsewhere("k8s.gcr.io/cluster-autoscaler:v1.20.3", {NO_SCALE_DOWN: "false"})),
    "karpenter": case("node-reapers", WARN, "karpenter docs, Disruption", elsewhere("public.ecr.aws/karpenter/controller:1.0.0@sha256:1"), says="replaces nodes"),
    "kured": case("node-reapers", WARN, "kured docs", elsewhere("ghcr.io/kubereboot/kured:1.16.0"), says="reboots nodes"),
    "a descheduler": case("node-reapers", WARN, "descheduler docs", elsewhere("registry.k8s.io/descheduler/descheduler:v0.31.0"), says="evicts pods"),
    "draino": case("node-reapers", WARN, "planetlabs/draino", elsewhere("planetlabs/draino:latest"), says="drains nodes"),
    "a node problem detector": case("node-reapers", WARN, "kubernetes/node-problem-detector", elsewhere("registry.k8s.io/node-problem-detector/node-problem-detector:v0.8.19"), says="reports conditions"),
    "a Machine": case("node-reapers", WARN, "Cluster API, MachineHealthCheck", situation(node=node(annotations={MACHINES[0]: "md-0-abc"})), says="Machine md-0-abc"),
    "a Machine of OpenShift": case("node-reapers", WARN, "OpenShift, MachineHealthCheck", situation(node=node(annotations={MACHINES[1]: "openshift-machine-api/w"})), says="openshift-machine-api/w"),
    "NVIDIA's toolkit": case("runtime-writers", WARN, "gpu-operator#712", pods("toolkit", owner="DaemonSet/nvidia-container-toolkit-daemonset", images=("nvcr.io/nvidia/k8s/container-toolkit:v1.18.0-ubuntu20.04",)), says="shop/DaemonSet/nvidia-container-toolkit-daemonset on this node writes the NVIDIA runtime"),
    "Kata's installer": case("runtime-writers", WARN, "kata-containers#13108", pods("kata", owner="DaemonSet/kata-deploy", images=("quay.io/kata-containers/kata-deploy:3.20.0",)), says="Kata"),
    # the drain
    "an emptyDir": case("local-storage", BLOCK, "kubectl filters.go, localStorage", pods("cache", empty_dirs=("data",)), says="shop/cache"),
    "a bare pod": case("unmanaged-pods", BLOCK, "kubectl filters.go, unreplicated", pods("toolbox", owner="")),
    "the only pod": case("single-replica", WARN, "it is away while it moves", situation(fleet=ONE_WEB)),
    "all ready pods": case("all-ready-pods", WARN, "a drain evicts them one right after the other", situation(pods=(pod("web-1"), pod("web-2")), fleet=fleet(serving={("shop", "ReplicaSet/web"): 2})), says="all ready pods of shop/ReplicaSet/web are on this node"),
    "the only ready one of two": case("all-ready-pods", WARN, "the other is ready nowhere", situation(fleet=fleet(serving={("shop", "ReplicaSet/web"): 1}))),
    "the only one of each ReplicaSet": case("all-ready-pods", WARN, "deployment/sync.go: both are of one Deployment", situation(pods=(pod("a", owner="ReplicaSet/web-1", labels={"pod-template-hash": "1"}), pod("b", owner="ReplicaSet/web-2", labels={"pod-template-hash": "2"})), fleet=fleet(replicas={("shop", "Deployment/web"): 2}, serving={("shop", "Deployment/web"): 2})), says="shop/Deployment/web"),
    "two budgets on a pod": case("several-budgets", BLOCK, "eviction.go: 500", situation(fleet=fleet(budgets=(budget("b"), budget("c")))), says="b, c"),
    "an exhausted budget": case("budget-exhausted", WARN, "eviction.go: 429", situation(fleet=fleet(budgets=(NONE_LEFT,))), says="shop/b"),
    "no CPU elsewhere": case("capacity", BLOCK, "the scheduler counts requests", situation(fleet=FULL), says="50 of 100 mCPU"),
    "no other node": case("capacity", BLOCK, "the scheduler needs a node", situation(fleet=ClusterCapacity()), says="0 of 1 pods"),
    # pods on the new runtime
    "an unknown handler": case("runtime-class-handlers", WARN, "dockershim knew only docker", situation(fleet=fleet(runtime_classes=(RuntimeClass(name="old", handler="docker"),)), pods=(pod("x", runtime_class="old"),)), says="shop/x"),
    "fewer capabilities": case("crio-capabilities", WARN, "cri-o#3119", situation(target=CRIO), says="NET_RAW"),
    "containerd 2 not started": case("ulimits-change", WARN, "its unit lost LimitNOFILE", containerd(version="2.1.0", limits={}), says="1024:524288"),
    # images and disk
    "an image is gone": case("images-missing", WARN, "rke2#1830", pods("x", images=("nginx",)), says="nginx"),
    "built here": case("node-only-images", INFORM, "kURL#2855", docker(images=(image(PAUSE), image("web:1", digests=()))), says="web:1"),
    "leaves too little": case("disk-space", BLOCK, "imagefs.available<15%", replace(docker(images=(image(PAUSE), image("web:1", size=40_000_000))), facts=host(disks=SMALL)), says="15%"),
}  # fmt: skip


def found_in(entry: Case) -> list[tuple[str, Severity, str]]:
    """Run the checks."""
    return [(finding.id, finding.severity, finding.evidence) for finding in checks.findings(entry.now, entry.drafted)]


@pytest.mark.parametrize("entry", CASES.values(), ids=CASES)
def test_a_danger_has_a_name(entry: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check of that id fires with that severity, and names what it saw."""
    if entry.check == "runtime-faulty":  # all faulty ones are of releases that are not configured yet
        monkeypatch.setattr(versions, "SUPPORTED_CONTAINERD", ((1, 4), (2, 3)))
    found = found_in(entry)

    assert any(
        check == entry.check and severity is entry.severity and entry.says in evidence
        for check, severity, evidence in found
    ), found


@dataclass(frozen=True)
class Failure:
    """A way in which migrations by other tools failed, and where it is seen here before it happens."""

    what: str
    issues: str
    seen: Case


def failure(what: str, issues: str, check: str, now: NodeInputs | None = None, **drafted: Any) -> Failure:
    """Give a failure that a check sees."""
    return Failure(what, issues, case(check, RULES[check].severity, issues, now, **drafted))


FAILURES = {
    1: failure("Docker's containers outlive the move, unseen by the kubelet", "k/k#61327, deckhouse#2337", "half-migrated", kubelet(arguments=flags("--container-runtime=remote", "--container-runtime-endpoint=/run/containerd/containerd.sock"))),
    2: failure("kubelet and runtime use different cgroup drivers, and the node is Ready all the same", "containerd#7276, containerd#4857, kubespray#8122", "cgroup-driver-after", settings=settings(cgroup_driver="cgroupfs")),
    3: failure("an edit hits the wrong table and does nothing", "Faisal-Hajari/ai-platform#5, geerlingguy/ansible-role-containerd#24, containers/nri-plugins#576", "cgroup-driver-after", files=change(CONFIG, V2 + "[plugins.cri.systemd]\nSystemdCgroup = true\n")),
    4: failure("the packaged configuration turns CRI off", "containerd#8139, containerd#4581, k/k#131164, containerd#14121", "containerd-disabled-cri", containerd(cri="disabled")),
    6: failure("a flag that the kubelet no longer knows keeps it from starting", "kubeone#2924, voxpupuli/puppet-k8s#64, kURL#4451, canonical/microk8s#3861", "kubernetes-target-flags", aiming("1.35")),
    7: failure("addresses stay reserved, or are given out twice", "calico#4502, KubeMarine#208", "stale-addresses", cni(reservations=(Reservation(network="lab", address="10.88.0.7", container="gone"),))),
    8: failure("it works until the first reboot", "kubernetes/website#36336", "not-persistent", files=change("/etc/modules-load.d/migrator.conf", "overlay\n")),
    26: failure("a hardening file turns forwarding off", "moby#47966, kops#9551", "sysctl-contradicted", with_sysctls("/etc/sysctl.d/99-cis.conf", "net.ipv4.ip_forward = 0\n"), files=SYSCTL),
    9: failure("the FORWARD policy turns over", "deckhouse#470, moby#28257", "forward-policy", situation(facts=host(forward_policy="DROP"))),
    10: failure("mirrors and insecure registries are lost", "website#30843, containerd#4938, containerd#8835", "docker-settings-lost", fates=fate("insecure-registries.10.0.0.0/8", Fate.LOST, "a network cannot be said")),
    11: failure("registry passwords are lost", "kubermatic/operating-system-manager#570, containerd#10916", "credential-helpers", on(credentials=(Credential(path="/root/.docker/config.json", sha256="x", helpers=("pass",)),))),
    12: failure("the pause image is collected, or cannot be pulled", "k/k#81756, rke2#1830, containerd#10270", "images-missing", docker(images=(image("web:1"),))),
    14: failure("logs change their place and format", "containerd#8579, cri-o#897, k/k#61327", "log-agents", pods("agent", host_paths=("/var/log/",), images=("fluent/fluent-bit:1.9",))),
    15: failure("a drain never ends", "kubectl#172, k/k#91141, longhorn#1286, kubernetes.core#711", "budget-never", situation(fleet=replace(ONE_WEB, budgets=(NONE_LEFT,)))),
    16: failure("packages exclude each other", "kubespray#8431, docker/docker-install#230", "package-conflict", on(packages=(package("containerd.io"), package("containerd")))),
    17: failure("Docker is taken from those who need it", "kubespray#10530, kubespray#8693", "foreign-containers", docker(containers=(beside("ceph-osd"),))),
    18: failure("etcd ran in Docker", "kubespray#7420, kubespray#8528", "etcd-in-docker", docker(containers=(beside("etcd1", image="quay.io/coreos/etcd:v3.4.13"),))),
    19: failure("pods mount Docker's socket", "kops#11589", "docker-socket-mounts", pods("ci", host_paths=("/var/run/docker.sock",))),
    20: failure("the GPU runtime is lost", "k8s-device-plugin#314, nvidia-container-toolkit#1404, kubespray#12277", "gpu-runtime", docker(runtimes={"nvidia": NVIDIA})),
    21: failure("kubenet ends with dockershim", "k/k#100707, Azure/aks-engine#1723", "no-cni", kubelet(arguments=flags("--network-plugin=kubenet"))),
    22: failure("limits on open files differ", "containerd#7566, edgelesssys/constellation#2815, containerd#8579", "ulimits-change", containerd(limits={"nofile": "1024:524288"})),
    23: failure("AppArmor keeps pods Terminating on Ubuntu 24.04", "runc#4281, kURL#5354", "apparmor-signals", situation(facts=host(**UBUNTU))),
    24: failure("two image stores fill the disk", "kubespray#8485", "disk-space", situation(facts=host(disks=SMALL))),
    25: failure("containerd 1 becomes 2 under the node", "containerd#12727, containerd#12415, openperouter#314, kubespray#13285, azimuth-cloud/capi-helm-charts#838, rke2#10613, deckhouse#6446", "containerd-imports", on(files=values.files(containerd=IMPORTING) | {"/etc/containerd/conf.d/99-nvidia.toml": values.file("/etc/containerd/conf.d/99-nvidia.toml", NVIDIA_DROP_IN)})),
}  # fmt: skip
"""What broke elsewhere. Two are no findings. Number 5, a cri-socket annotation that kubeadm trips over (kubeadm#2597,
kubeadm#2364, epiphany#2919, k/k#110634), is a step: `test_an_old_annotation_is_a_step`. Number 13, images that are carried
and not found (kURL#2855, containerd#13494, tsouza/cerberus#3589), does not happen: tests/lab/test_0_cri."""


@pytest.mark.parametrize(
    "entry", FAILURES.values(), ids=[f"{number}-{entry.seen.check}" for number, entry in FAILURES.items()]
)
def test_what_broke_elsewhere_is_seen_before(entry: Failure) -> None:
    """Each known failure shows as a finding in a situation that leads to it, and not on the healthy node."""
    healthy = {finding.id for finding in checks.findings(situation(), draft())} - {"foreign-containers"}

    assert entry.seen.check in {check for check, _, _ in found_in(entry.seen)}
    assert entry.seen.check not in healthy


def test_all_failures_are_dealt_with() -> None:
    """Of the 26 known failures none is forgotten."""
    assert {*FAILURES, 5, 13} == set(range(1, 27))


def test_an_old_annotation_is_a_step() -> None:
    """Kubeadm's annotation is changed while it names another socket than the new runtime's."""
    plan = MigrationPlan(
        host="h", node="n", machine_id="m", source="s", target="t", endpoint="unix:///run/containerd/containerd.sock"
    )

    assert steps.annotate.decide(situation(), plan)[0]


def test_a_healthy_node_is_not_accused() -> None:
    """Nothing blocks or warns on the node that the lab's workers are like."""
    assert [entry for entry in checks.findings(situation(), draft()) if entry.severity is not INFORM] == []


def quiet(now: NodeInputs | None = None, **drafted: Any) -> tuple[NodeInputs, Translation]:
    """Give a situation in which a check must stay silent."""
    return now or situation(), draft(**drafted)


UNSET = "[Service]\nExecStartPre=/usr/bin/docker ps\nExecStartPre=\n[Unit]\nConditionPathExists=/run/docker.sock\nConditionFileNotEmpty="
WITH_LOG = "[Unit]\nWants=docker.service\n"
QUIET = {
    "an earlier drop-in of CRI-O's": ("overruled", quiet(crio_beside({"/etc/crio/crio.conf.d/10-crio.conf": "[crio.runtime]\ncgroup_manager = 'cgroupfs'\n"}), files=change(CRIO_OURS, "[crio.runtime]\ncgroup_manager = 'systemd'\n"))),
    "a runtime that CRI-O knows": ("crio-broken", quiet(crio_beside({}, crio=CrioFacts(version="1.34.1")), files=change(CRIO_OURS, "[crio.runtime]\ndefault_runtime = 'crun'\n"))),
    "registries of the first format": ("crio-broken", quiet(crio_beside({"/etc/containers/registries.conf": "[registries.block]\nregistries = ['x.example']\n"}), files=registry(A_REG))),
    "an earlier entry of a registry": ("overruled", quiet(crio_beside({f"{REG_D}/a.conf": f"{A_REG}blocked = true\n"}), files=registry(A_REG))),
    "a copy that nobody reads": ("overruled", quiet(crio_beside({f"{REG_D}/zzz.conf.bak": f"{A_REG}blocked = true\n"}), files=registry(A_REG))),
    "an alias that Docker would resolve so": ("images-elsewhere", quiet(crio_beside({f"{REG_D}/shortnames.conf": '[aliases]\n"nginx" = "docker.io/library/nginx"\n"centos" = "quay.io/centos/centos"\n'}, "nginx:1"), files=registry(""))),
    "a limit of an earlier drop-in": ("overruled", quiet(with_drop_in("override.conf", "LimitNOFILE=65536"), files=LIMIT)),
    "a limit that is said twice": ("overruled", quiet(with_drop_in("zzz.conf", "LimitNOFILE=1048576"), files=LIMIT)),
    "a variable of another name": ("overruled", quiet(with_drop_in("zzz.conf", "Environment=GODEBUG=x"), files=PROXY)),
    "a proxy that Docker has too": ("other-proxy", quiet(proxied("http://proxy:3128"))),
    "a proxy with a password, given by hand": ("other-proxy", quiet(proxied("http://me:sha256-abc@proxy:3128"))),
    "an empty proxy": ("other-proxy", quiet(with_drop_in("a.conf", "Environment=HTTP_PROXY= http_proxy="))),
    "a sysctl of an earlier file": ("overruled", quiet(with_sysctls("/etc/sysctl.d/99-cis.conf", "net.ipv4.ip_forward=0\n"), files=SYSCTL)),
    "a list of other modules": ("overruled", quiet(with_modprobe("blacklist overlayfs\n#blacklist overlay\noptions overlay metacopy=on\ninstall nf_x /bin/true\n"), files=MODULES)),
    "a command that loads the module": ("overruled", quiet(with_modprobe("install overlay /sbin/modprobe --ignore-install overlay && logger x\n"), files=MODULES)),
    "a command that inserts the module's file": ("overruled", quiet(with_modprobe("install br_netfilter /sbin/insmod /lib/modules/$(uname -r)/kernel/net/bridge/br-netfilter.ko.xz\n"), files=MODULES)),
    "a list that another one hides": ("overruled", quiet(with_modprobe("blacklist overlay\n", "/usr/lib/modprobe.d/a.conf", **{"etc/modprobe.d/a.conf": "# nothing\n"}), files=MODULES)),
    "a module that is a part of the kernel": ("overruled", quiet(replace(with_modprobe("blacklist overlay\n"), facts=with_modprobe("blacklist overlay\n").facts.model_copy(update={"host": values.changed(facts().host, {"built_in": ("overlay",)})})), files=MODULES)),
    "a sysctl of the same value": ("sysctl-contradicted", quiet(with_sysctls("/etc/sysctl.d/99-k8s.conf", "net/ipv4/ip_forward = 1\n"), files=SYSCTL)),
    "commands and conditions that are taken back": ("kubelet-needs-docker", quiet(with_unit(UNSET))),
    "a condition that Docker is not there": ("kubelet-needs-docker", quiet(with_unit("[Unit]\nConditionPathExists=!/run/docker.sock"))),
    "a condition on files that only sound so": ("kubelet-needs-docker", quiet(with_unit("[Unit]\nConditionPathExists=/usr/local/bin/docker-cleanup\nConditionPathExists=/var/lib/docker-images\nAssertPathExists=/etc/docker"))),
    "a condition on what lies beside Docker's folder": ("kubelet-needs-docker", quiet(replace(with_unit("[Unit]\nConditionPathExists=/data/docker-images"), facts=with_unit("[Unit]\nConditionPathExists=/data/docker-images").facts.model_copy(update={"docker": values.docker(root="/data/docker")})))),
    "an order behind Docker": ("kubelet-needs-docker", quiet(with_unit("[Unit]\nAfter=docker.service docker.socket"))),
    "a group of Docker's": ("kubelet-needs-docker", quiet(with_unit("[Service]\nExecStartPre=/usr/sbin/groupadd -f docker\nExecStartPre=/bin/sh -c 'test -S /run/docker.sock || true'"))),
    "a program whose name begins alike": ("kubelet-needs-docker", quiet(with_unit("[Service]\nExecStartPre=/opt/dockerless/bin/prepare --docker-free"))),
    "a proxy of hyperkube's image": ("kubelet-elsewhere", quiet(on(kubelet=values.kubelet(program="/usr/local/bin/hyperkube"), docker=values.docker(containers=(beside("kube-proxy", image="quay.io/coreos/hyperkube:v1.15"),))))),
    "a kubelet that is stopped": ("kubelet-elsewhere", quiet(kubelet(active=False, arguments=()))),
    "a proxy of Docker's unit": ("docker-environment", quiet(docker_unit("[Service]\nEnvironment=HTTPS_PROXY=http://p DOCKER_OPTS=-D\n"))),
    "variables of Docker's command line": ("docker-environment", quiet(docker_unit("[Service]\nEnvironment=MORE=-D\nExecStart=\nExecStart=/usr/bin/dockerd $MORE\n"))),
    "a slice that both have": ("docker-unit", quiet(docker_unit("[Service]\nSlice=\nRestart=always\n"))),
    "zfs on a dataset of its own": ("zfs-dataset", quiet(situation(facts=host(disks=(Disk(path="/var/lib/containerd", mount="/var/lib/containerd/io.containerd.snapshotter.v1.zfs", kind="zfs"),))), settings=settings(storage="zfs"))),
    "an endpoint of Docker's for images, which goes": ("kubelet-config", quiet(on(kubelet=values.kubelet(arguments=flags("--image-service-endpoint=unix:///var/run/dockershim.sock")), files=values.files(default="KUBELET_EXTRA_ARGS=--image-service-endpoint=unix:///var/run/dockershim.sock\n")), files=change("/etc/default/kubelet", "KUBELET_EXTRA_ARGS=\n"))),
    "a data folder of the user's with room": ("disk-space", quiet(situation(facts=facts(docker=values.docker(images=(image(PAUSE), image("web:1", size=4 * GIB))), host=values.changed(facts().host, {"disks": (Disk(path="/var/lib/containerd", mount="/", size=GIB, free=GIB // 4), Disk(path="/mnt/ssd/containerd", mount="/mnt/ssd", size=200 * GIB, free=190 * GIB))}), files=values.files(containerd='version = 2\nroot = "/mnt/ssd/containerd"\n'))))),
    "Docker's own socket": ("docker-remote-api", quiet(on(docker_units=DockerUnits(starters={"docker.socket": ("/run/docker.sock", "@docker")})))),
    "Docker's own units": ("docker-units", quiet(on(docker_units=DockerUnits(starters={"docker.socket": ("/run/docker.sock",)}, needing=("kubelet.service",), wanting=("kubelet.service",))))),
    "an autoscaler that spares the node": ("node-reapers", quiet(elsewhere("k8s.gcr.io/cluster-autoscaler:v1.20.3", {NO_SCALE_DOWN: "true"}))),
    "karpenter that spares the node": ("node-reapers", quiet(elsewhere("public.ecr.aws/karpenter/controller:1.0.0", {NO_DISRUPTION: "true"}))),
    "an application whose name sounds so": ("node-reapers", quiet(elsewhere("corp/my-cluster-autoscaler-dashboard:1"))),
    "a toolkit on another node": ("runtime-writers", quiet(elsewhere("nvcr.io/nvidia/k8s/container-toolkit:v1.18.0"))),
    "a mount beside Docker's": ("docker-socket-mounts", quiet(pods("log", host_paths=("/var/log", "/run/xtables.lock")))),
    "a finished pod with an emptyDir": ("local-storage", quiet(pods("job", empty_dirs=("tmp",), phase="Succeeded"))),
    "a finished bare pod": ("unmanaged-pods", quiet(pods("once", owner="", phase="Failed"))),
    "a static pod": ("unmanaged-pods", quiet(pods("edge", owner="", mirror=True))),
    "a DaemonSet's emptyDir": ("local-storage", quiet(pods("agent", owner="DaemonSet/agent", empty_dirs=("tmp",)))),
    "DaemonSets' pods need no room": ("capacity", quiet(replace(pods("agent", owner="DaemonSet/agent"), fleet=ClusterCapacity()))),
    "a Job's pods": ("all-ready-pods", quiet(replace(pods("j", owner="Job/j"), fleet=fleet(serving={("shop", "Job/j"): 1})))),
    "one that is not ready": ("all-ready-pods", quiet(replace(pods("web", ready=False), fleet=fleet(serving={})))),
    "one of two that are ready": ("all-ready-pods", quiet(situation(fleet=fleet(serving={("shop", "ReplicaSet/web"): 2})))),
    "the only one of its ReplicaSet": ("single-replica", quiet(replace(pods("web", owner="ReplicaSet/web-1", labels={"pod-template-hash": "1"}), fleet=fleet(replicas={("shop", "Deployment/web"): 2})))),
    "a Job's only pod": ("single-replica", quiet(replace(pods("j", owner="Job/j"), fleet=fleet(replicas={("shop", "Job/j"): 1})))),
    "a Pending pod's budget": ("budget-exhausted", quiet(replace(pods("web", phase="Pending"), fleet=fleet(budgets=(NONE_LEFT,))))),
    "a budget elsewhere": ("budget-exhausted", quiet(situation(fleet=fleet(budgets=(budget("b", namespace="x", disruptions_allowed=0),))))),
    "cilium gives host ports": ("host-ports", quiet(situation(facts=cni(plugins=("cilium-cni",), folders={"/usr/lib/cni": ("cilium-cni", "loopback")}).facts, pods=(pod("e", host_ports=(80,)),)))),
    "a pod of the host's network": ("host-ports", quiet(situation(facts=cni(plugins=("bridge",)).facts, pods=(pod("e", host_ports=(80,), host_network=True),)))),
    "a limit that the draft carries": ("ulimits-change", quiet(containerd(limits={"nofile": "1:2"}), files=change("/etc/systemd/system/containerd.service.d/l.conf", "[Service]\nLimitNOFILE=9\n"))),
    "an agent without log folders": ("log-agents", quiet(pods("a", images=("fluent/fluent-bit:1",)))),
    "an import that says the same": ("containerd-imports", quiet(containerd_of_2(nested=False), destination=Destination(runtime="containerd", version=(2, 1), kubelet=(1, 20)))),
    "an import of the same version": ("containerd-imports", quiet(importing("2.1.9", 3, 3))),
    "an import where nobody knows what comes": ("containerd-imports", quiet(bare_importing("", 3))),
    "an import that the containerd to come knows": ("containerd-imports", quiet(bare_importing("1.7.28-1", 2))),
    "an import with a handler of its own": ("containerd-imports", quiet(importing_of_2(OTHER_HANDLER), destination=OF_2)),
    "an import of the usual folders": ("containerd-imports", quiet(importing_of_2('root = "/var/lib/containerd"\nstate = "/run/containerd"\n'), destination=OF_2)),
    "an import of the folder of the plan": ("containerd-imports", quiet(importing_of_2('root = "/docker/containerd"\n', 'root = "/docker/containerd"\n'), destination=OF_2, settings=settings(root="/docker/containerd"))),
    "an import of logs and metrics": ("containerd-imports", quiet(importing_of_2('[debug]\nlevel = "warn"\nformat = "json"\n[metrics]\naddress = "127.0.0.1:1338"\n[plugins."io.containerd.cri.v1.images"]\nmax_concurrent_downloads = 9\n'), destination=OF_2)),
    "a faulty containerd that is not configured": ("runtime-faulty", quiet(on(containerd=values.containerd(version="2.3.1"), kubelet=values.kubelet(version="1.30.0")))),
    "one that may fail and is not configured": ("runtime-faulty", quiet(on(containerd=values.containerd(version="2.2.5"), kubelet=values.kubelet(version="1.23.17")))),
    "an older import": ("containerd-imports", quiet(importing("2.3.4", 4, 3))),
    "a newer import, merged right": ("containerd-imports", quiet(importing("2.3.5", 3, 4))),
    "a drop-in that nothing imports": ("containerd-imports", quiet(on(files=values.files() | {"/etc/containerd/conf.d/n.toml": values.file("/etc/containerd/conf.d/n.toml", NVIDIA_DROP_IN)}))),
    "an image of the node's own that nobody uses": ("node-only-images", quiet(docker(images=(image("web:1"), image(PAUSE), image("own:1", digests=()))))),
    "no disk that is known to hold it": ("disk-space", quiet(situation(facts=host(disks=(Disk(path="/x", mount="/x", size=GIB, free=1),))))),
    "a limit that the settings carry": ("ulimits-change", quiet(containerd(limits={"nofile": "1:2"}), settings=settings(ulimits={"nofile": "1048576:1048576"}))),
    "a limit that only Docker names": ("ulimits-change", quiet(docker(limits={"nofile": "1048576:1048576", "nproc": "5:6"}))),
    "the same limit": ("ulimits-change", quiet(containerd(limits={"nofile": "1048576:1048576"}))),
    "no CRI-O yet": ("crio-minor", quiet(replace(situation(), target=CRIO))),
    "CRI-O of the next minor": ("crio-minor", quiet(replace(on(crio=CrioFacts(version="1.21.6")), target=CRIO))),
    "a kubelet that knows no network plugin": ("no-cni", quiet(kubelet(version="1.24.0", arguments=("--config=/var/lib/kubelet/config.yaml",)))),
    "a pod that asks for what CRI-O lacks": ("crio-capabilities", quiet(replace(pods("x", capabilities=("AUDIT_WRITE", "MKNOD", "NET_RAW", "SETFCAP", "SYS_CHROOT")), target=CRIO))),
    "a privileged pod": ("crio-capabilities", quiet(replace(pods("x", privileged=True), target=CRIO))),
    "a handler of a RuntimeClass that is drafted": ("runtime-class-handlers", quiet(situation(fleet=fleet(runtime_classes=(RuntimeClass(name="k", handler="kata"), RuntimeClass(name="r", handler="runc"), RuntimeClass(name="none", handler="")))), settings=settings(handlers=(Handler(name="kata", program="/bin/kata"),)))),
    "no pause image of its own": ("images-missing", quiet(settings=settings(pause_image=""))),
    "a large image that is not carried": ("disk-space", quiet(docker(images=(image("web:1"), image("huge:1", size=100 * GIB))))),
    "CRI-O opens host ports itself": ("host-ports", quiet(replace(cni(plugins=("bridge",)), target=CRIO, pods=(pod("e", host_ports=(80,)),)))),
    "one minor version on": ("runtime-jump", quiet(on(packages=(package("containerd", "1.7.2-1"),)))),
    "a package that is older": ("runtime-jump", quiet(on(containerd=values.containerd(version="1.7.12"), packages=(package("containerd", "1.6.20"),)))),
    "a right draft": ("cgroup-driver-after", quiet(files=change(CONFIG, V2 + '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]\nSystemdCgroup = true\n'))),
    "a right draft of dialect 3": ("cgroup-driver-after", quiet(files=change(CONFIG, "version = 3\n[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]\nSystemdCgroup = true\n"))),
    "a handler that is configured": ("runtime-class-handlers", quiet(replace(containerd(effective=V2.replace("runc]", "kata]")), fleet=fleet(runtime_classes=(RuntimeClass(name="k", handler="kata"),))))),
    "runc of a merged /usr": ("low-level-runtime-missing", quiet(settings=settings(handlers=(Handler(name="runc", program="/sbin/runc"),)))),
    "runc comes with the package": ("low-level-runtime-missing", quiet(on(containerd=values.containerd(version=""), low_level={}))),
    "names by digest": ("images-missing", quiet(replace(docker(images=(image("web:1", tags=(), digests=("web@sha256:1",)), image(PAUSE))), pods=(pod("x", images=("web:1@sha256:1",)),)))),
    "short and long names": ("images-missing", quiet(replace(docker(images=(image("nginx:latest"), image(PAUSE))), pods=(pod("x", images=("docker.io/library/nginx",)),)))),
    "LTS to LTS": ("runtime-jump", quiet(on(containerd=values.containerd(version="1.7.12"), packages=(package("containerd", "2.3.0"),)))),
    "to the newest line": ("runtime-jump", quiet(on(containerd=values.containerd(version="2.3.5"), packages=(package("containerd", "2.4.0"),)))),
    "a version that is there": ("kubernetes-target-runtime", quiet(aiming("1.20"))),
    "new enough": ("kubernetes-target-runtime", quiet(aiming("1.28"))),
    "a proxy without password": ("proxy-credentials", quiet(docker(environment={"HTTP_PROXY": "http://proxy:3128", "NO_PROXY": "::1,10.0.0.1"}))),
    "a unit that gets rewritten": ("kubelet-needs-docker", quiet(on(kubelet=values.kubelet(wants=("docker.service",)), files=values.files(kubelet_unit=WITH_LOG)), files=change(values.KUBELET_UNIT, "[Unit]\n"))),
    "an older switch that is over too": ("half-migrated", quiet(on(transactions={"20260101": Transaction(last="undone", number=1, at=1), "20260102": Transaction(last="done", number=2, at=2)}))),
    "two undone ones whose order is disputed": ("half-migrated", quiet(on(transactions={"a": Transaction(last="undone", number=2, at=1), "b": Transaction(last="undone", number=1, at=2)}))),
    "an immutable file that is not written": ("unwritable", quiet(on(unwritable={DAEMON: f"{DAEMON} is immutable (chattr +i)"}), files=change(CONFIG, ""))),
    "an immutable folder above others": ("unwritable", quiet(on(unwritable={"/etc": "/etc is immutable (chattr +i)"}, files={CONFIG: FileFact(path=CONFIG)}), files=change(CONFIG, ""))),
    "a system that is read-only and has the runtime": ("unwritable", quiet(on(unwritable={"/usr": "/usr is on a file system that is mounted read-only"}))),
    "a file in memory that is not written": ("files-in-memory", quiet(on(fleeting=in_memory("the tmpfs at /etc/docker", DAEMON)), files=change(CONFIG, ""))),
    "a file beside what is in memory": ("files-in-memory", quiet(on(fleeting=in_memory("the tmpfs at /etc", "/etc/containerd/certs.d"), files={CONFIG: FileFact(path=CONFIG)}), files=change(CONFIG, ""))),
    "data of a runtime that is not asked for": ("data-in-memory", quiet(on(fleeting=in_memory("the tmpfs at /var/lib/docker", "/var/lib/docker")))),
    "data elsewhere than what is in memory": ("data-in-memory", quiet(on(fleeting=in_memory("the tmpfs at /var/lib/containerd", "/var/lib/containerd")), settings=settings(root="/data/containerd"))),
    "a journal in memory, and nothing else written": ("data-in-memory", quiet(on(fleeting=in_memory("the tmpfs at /var/lib/migrator", JOURNAL)))),
    "a pod that leaves and takes its time": ("long-grace-period", quiet(pods("x", ends_within=3600))),
    "a pod that stays and ends in time": ("long-grace-period", quiet(pods("x", owner="DaemonSet/x", ends_within=300))),
    "a budget for other pods": ("budget-exhausted", quiet(situation(pods=(pod("web"),), fleet=fleet(budgets=(budget("none", match_labels={}, expressions=(Requirement(key="app", operator="NotIn", values=("web",)),), disruptions_allowed=0),))))),
    "containerd with its usual configuration": ("containerd-elsewhere", quiet(containerd(arguments=("--config", "/etc/containerd/config.toml", "-a", "/run/containerd/containerd.sock", "--log-level", "debug")))),
    "no clock": ("clock-skew", quiet(situation(observed_at=0))),
    "Docker's other containers": ("half-migrated", quiet(situation(node=node(runtime="containerd://1.6.20"), facts=docker(containers=(beside("x"),)).facts))),
    "a migrated node's pods": ("local-storage", quiet(replace(pods("x", empty_dirs=("d",)), node=node(runtime="containerd://1.6.20")))),
}  # fmt: skip


@pytest.mark.parametrize(("check", "given"), QUIET.values(), ids=QUIET)
def test_what_is_harmless_is_not_found(check: str, given: tuple[NodeInputs, Translation]) -> None:
    """A check stays silent where its danger only seems to be."""
    assert check not in {finding.id for finding in checks.findings(*given)}


def test_a_socket_of_the_users_keeps_docker_for_nobody() -> None:
    """It is stopped with Docker and comes back with it, also where it is a part of Docker."""
    sockets = DockerUnits(
        starters={"docker-tcp.socket": ()}, needing=("docker-tcp.socket",), wanting=("docker-tcp.socket",)
    )
    now = on(docker_units=sockets)

    said = [entry.severity for entry in checks.findings(now, draft()) if entry.id == "docker-units"]
    assert said == [INFORM]
    assert needing_docker(now) == ()


ROLLBACK = {"no-way-back", "images-only-new"}
"""Ids that concern no migration: test_going_back.py tries them."""
CLEANUP = {
    "docker-needed",
    "docker-active",
    "docker-containers",
    "docker-volumes",
    "docker-removal",
    "docker-leftovers",
}
"""Likewise: test_cleanup.py does."""
BATCHES = {"batch-replicas", "batch-capacity"}
"""They are about several nodes: test_batches.py tries them."""


def test_every_id_is_tried_and_keeps_to_the_catalogue() -> None:
    """No id is without a case, and no case finds a severity that the catalogue does not have."""
    entries = [*CASES.values(), *(entry.seen for entry in FAILURES.values())]
    found = {(check, severity) for entry in entries for check, severity, _ in found_in(entry)}

    assert {entry.check for entry in entries} == set(RULES) - ROLLBACK - CLEANUP - BATCHES
    assert all(severity in RULES[check].severities for check, severity in found)


@pytest.mark.parametrize("check", sorted(checks.waivable_ids() - CLEANUP - BATCHES))
def test_every_waivable_check_can_be_waived_alone(check: str) -> None:
    """`--allow <id>` turns exactly this check into a warning, and the remedy has said so."""
    entries = [*CASES.values(), *(entry.seen for entry in FAILURES.values())]
    entry = next(entry for entry in entries if entry.check == check and entry.severity is BLOCK)
    allowed = replace(entry.now, allow=frozenset({check}))

    before = {finding.id: finding for finding in checks.findings(entry.now, entry.drafted)}
    after = {finding.id: finding for finding in checks.findings(allowed, entry.drafted)}

    assert before[check].remedy.endswith(f", or --allow {check}")
    assert after[check].severity is WARN
    assert {identity for identity in before if before[identity] != after[identity]} == {check}


def test_the_right_machine_cannot_be_waived() -> None:
    """No consent makes it right to switch another machine than the drained one."""
    allowed = replace(on(machine_id="f" * 32), allow=frozenset({"wrong-machine"}))

    assert next(entry for entry in checks.findings(allowed, draft()) if entry.id == "wrong-machine").severity is BLOCK


EMPTY = Translation(destination=Destination(runtime="containerd", version=(0, 0), kubelet=(0, 0)), problems=("x",))
POOR = {
    "nothing was read": NodeFacts(schema_version=2, root=False),
    "no Docker": facts(docker=None),
    "broken files": facts(files={path: values.file(path, "\x00[") for path in values.files()}),
    "files that were not read": facts(files={}),
    "odd shapes": facts(
        files=values.files(daemon="[1]", containerd="imports = 1\nplugins = 2\n", config="- 1\n"),
        cni=CniFacts(config="a"),
        crio=CrioFacts(version="x", unit=UnitFacts(name="crio.service")),
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    "target", [HostSettings(), CRIO, HostSettings(kubernetes_target="1.36")], ids=["containerd", "crio", "later"]
)
@pytest.mark.parametrize("poor", POOR.values(), ids=POOR)
def test_no_check_raises(poor: NodeFacts, target: HostSettings) -> None:
    """Facts with gaps, and a draft without settings, give findings and no error."""
    strange: tuple[Pod, ...] = (pod("a", images=("@", ":"), host_paths=("",), owner="", phase=""),)

    for drafted in (EMPTY, draft()):
        assert checks.findings(situation(facts=poor, target=target, pods=strange), drafted)


def test_long_lists_end() -> None:
    """At most ten names are written, in order, each once."""
    assert listed([*(f"p{number:02}" for number in range(13, 0, -1)), "p01"]).startswith("p01, p02")
    assert listed(f"p{number:02}" for number in range(1, 14)).endswith("p10 and 3 more")


def test_the_documentation_is_current() -> None:
    """docs/checks.md is what the catalogue says; UPDATE_GOLDEN=1 writes it anew."""
    if os.environ.get("UPDATE_GOLDEN"):
        DOCUMENT.write_text(page())
    assert DOCUMENT.read_text() == page(), "UPDATE_GOLDEN=1 writes docs/checks.md anew"
