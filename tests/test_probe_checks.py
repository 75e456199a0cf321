"""Each check passes on a healthy node, fails on a spoilt one, and is unknown where nothing was seen."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from migrator.model.evidence import Checked, Evidence, Leftover, Outcome, Via
from migrator.proof import checks, privileges
from migrator.proof.catalogue import JOBS, RULES, page
from migrator.proof.verdict import judge, rule_id
from tests.fakes.proof import acting, blind, good, knowing, on_host, saying, spoilt, status

DOCUMENT = Path(__file__).parent.parent / "docs" / "proof.md"
HEALTHY = good()
DOCKER = good("docker")
V1 = good(cgroup="v1")
IDS = sorted(RULES)
HOST = HEALTHY.host.raw.links


@dataclass(frozen=True)
class Case:
    """Evidence that is spoilt in one way, and what has to be found."""

    spoilt: Evidence
    says: str = ""
    """Words that what was found must have."""
    of: str = ""
    """The container that is spoilt; "" for the one called "one", or for what a session has as a whole."""
    baseline: Evidence | None = None


def field(name: str = "one", evidence: Evidence = HEALTHY, **fields: str) -> Evidence:
    """Spoil fields of /proc/PID/status of a container's main process."""
    return spoilt(evidence, name, outside={"files": {"status": status(evidence, name, **fields)}})


def text(path: str, content: str | None, name: str = "one", side: str = "outside") -> Evidence:
    """Spoil one file of a view."""
    return spoilt(HEALTHY, name, **{side: {"files": {path: content}}})


def limit(path: str, content: str, evidence: Evidence = HEALTHY) -> Evidence:
    """Spoil a limit of a container's cgroup."""
    return spoilt(evidence, outside={"cgroup": {path: content}})


def above(path: str, content: str) -> Evidence:
    """Spoil a limit of the pod's cgroup."""
    return spoilt(HEALTHY, outside={"parent": {path: content}})


def link(kind: str, target: str, name: str = "one") -> Evidence:
    """Spoil a namespace, as both sides see it."""
    return spoilt(HEALTHY, name, outside={"links": {f"ns/{kind}": target}}, inside={"links": {f"ns/{kind}": target}})


def of_host(kind: str) -> Evidence:
    """Put a container into a namespace of the host."""
    return link(kind, HOST[f"ns/{kind}"])


def of_other(kind: str, name: str, other: str) -> Evidence:
    """Put a container into another's namespace."""
    seen = HEALTHY.container(other)
    assert seen is not None
    assert seen.outside is not None
    return link(kind, seen.outside.links[f"ns/{kind}"], name)


def mounted(old: str, new: str, name: str = "one") -> Evidence:
    """Spoil what is mounted in a container, as both sides see it."""
    seen = HEALTHY.container(name)
    assert seen is not None
    assert seen.outside is not None
    before = seen.outside.files["mountinfo"]
    assert old in before
    files = {"files": {"mountinfo": before.replace(old, new)}}
    return spoilt(HEALTHY, name, outside=files, inside=files)


def listed(name: str, *names: str, of: str = "one") -> Evidence:
    """Spoil a list of the probe's own."""
    return spoilt(HEALTHY, of, inside={"lists": {name: names}})


def act(name: str, container: str = "", **update: Any) -> Evidence:
    """Spoil what came of an act."""
    return acting(HEALTHY, name, container, **update)


def left(kind: str) -> Evidence:
    """Leave something behind."""
    return HEALTHY.model_copy(update={"left": (Leftover(kind=kind, what=f"a {kind} of ours"),)})


def cgroup(path: str) -> Evidence:
    """Put a container somewhere else."""
    return text("cgroup", f"0::{path}\n")


MISPLACED = cgroup("/system.slice/kubepods-burstable-podx.slice:cri-containerd:" + "1" * 64)
GONE: dict[str, Any] = {"exit_code": 1, "answer": {"connected": False, "error": "ECONNREFUSED"}}
NO_GATE = {"answer": {"connected": False, "error": "ETIMEDOUT"}, "exit_code": 1}
NEVER = HEALTHY.containers[0].model_copy(update={"id": "", "problem": "OCI runtime create failed: no cgroup"})

FAILS: dict[str, Case] = {
    "container-runs": Case(HEALTHY.model_copy(update={"containers": (NEVER, *HEALTHY.containers[1:])}), "OCI runtime"),
    "cgroup-path": Case(MISPLACED, "system.slice"),
    "cgroup-name": Case(MISPLACED, ":cri-containerd:"),
    "cgroup-driver": Case(MISPLACED, "cgroupfs"),
    "cgroup-controllers": Case(
        spoilt(V1, outside={"files": {"cgroup": "1:memory:/kubepods/a\n2:cpu:/\n3:pids:/kubepods/a\n"}}), "cpu: /"
    ),
    "memory-limit": Case(limit("memory.max", "max"), "no limit"),
    "swap-limit": Case(limit("memory.swap.max", "max"), "no limit"),
    "cpu-quota": Case(limit("cpu.max", "max 100000"), "no limit"),
    "cpu-weight": Case(limit("cpu.weight", "100"), "weight 100"),
    "pids-limit": Case(limit("pids.max", "20"), "20"),
    "pod-pids": Case(above("pids.max", "max"), "no limit"),
    "pod-memory": Case(above("memory.max", "max"), "no limit"),
    "pod-cpu-quota": Case(above("cpu.max", "max 100000"), "no limit"),
    "pod-cpu-weight": Case(above("cpu.weight", "10000"), "weight 10000"),
    "memory-enforced": Case(act("memory-over", exit_code=0, answer={"touched": 2**27}), "touched 134217728"),
    "memory-allowed": Case(act("memory-under", exit_code=137), "exit 137"),
    "cpu-enforced": Case(act("spin", answer={"cpu_ns": 2_900_000_000}), "0.97 CPUs"),
    "pids-enforced": Case(act("fork", exit_code=0, answer={"forked": 100, "error": "none"}), "100 processes"),
    "first-process": Case(text("/proc/1/cmdline", "/sbin/init\0", side="inside"), "/sbin/init"),
    "own-pid": Case(field(NSpid="1001\t17"), "17"),
    "oom-score": Case(text("oom_score_adj", "0\n"), "0"),
    "capabilities-bounding": Case(field(CapBnd="00000000a80425fa"), "not: CHOWN"),
    "capabilities-permitted": Case(field("mounter", CapPrm="00000000a80425fb"), "a80425fb", of="c/mounter"),
    "capabilities-effective": Case(field("two", CapEff="00000000a80425fb"), "more: NET_RAW", of="a/two"),
    "capabilities-inheritable": Case(field(CapInh="00000000a80425fb"), "NET_RAW"),
    "capabilities-ambient": Case(field(CapAmb="0000000000000001"), "CHOWN"),
    "seccomp": Case(field("two", Seccomp="0"), "no filter", of="a/two"),
    "apparmor": Case(text("attr/current", "unconfined\n"), "unconfined"),
    "no-new-privileges": Case(field("two", NoNewPrivs="0"), "not set", of="a/two"),
    "open-files": Case(text("limits", "Max open files            512                  512                  files\n"), "512:512"),
    "exec-confined": Case(spoilt(HEALTHY, inside={"files": {"status": status(HEALTHY, "one", CapEff="0" * 16)}}), "capabilities"),
    "exec": Case(act("exec", facts={"stdout_ok": False}), "did not arrive"),
    "logs": Case(act("log", facts={"lines": 19}), "19 lines"),
    "stops": Case(act("stop", exit_code=137), "exit 137"),
    "net-own": Case(of_host("net")),
    "pid-own": Case(of_host("pid")),
    "mnt-own": Case(of_host("mnt")),
    "uts-own": Case(of_host("uts")),
    "ipc-own": Case(of_host("ipc")),
    "cgroup-own": Case(of_host("cgroup")),
    "user-host": Case(link("user", "user:[1]"), "user:[1]"),
    "id-maps": Case(text("uid_map", "0 100000 65536\n"), "100000"),
    "sandbox-net": Case(link("net", "net:[1]"), "net:[1]"),
    "sandbox-ipc": Case(link("ipc", "ipc:[1]"), "ipc:[1]"),
    "sandbox-uts": Case(link("uts", "uts:[1]"), "uts:[1]"),
    "exec-joined": Case(spoilt(HEALTHY, inside={"links": {"ns/pid": "pid:[1]"}}), "pid:[1]"),
    "hostname": Case(
        spoilt(HEALTHY, inside={"names": {"nodename": "worker-1"}}), "worker-1"),
    "processes-visible": Case(listed("/proc", *map(str, range(1, 90))), "84 more"),
    "net-shared": Case(link("net", "net:[1]")),
    "ipc-shared": Case(link("ipc", "ipc:[1]")),
    "uts-shared": Case(link("uts", "uts:[1]")),
    "pid-private": Case(of_other("pid", "two", "one")),
    "mnt-private": Case(of_other("mnt", "two", "one")),
    "net-apart": Case(of_other("net", "peer", "one")),
    "ipc-apart": Case(of_other("ipc", "peer", "one")),
    "uts-apart": Case(of_other("uts", "mounter", "one")),
    "pid-apart": Case(of_other("pid", "mounter", "peer")),
    "mnt-apart": Case(of_other("mnt", "peer", "one")),
    "port-same": Case(act("port", "peer", answer={"said": "migrator-probe-a"}), "migrator-probe-a"),
    "port-taken": Case(act("bind-taken", exit_code=0, answer={"bound": True, "error": ""}), "bound"),
    "mount-unseen": Case(act("mount", facts={"seen_on_host": 1}), "1 mounts on the host"),
    "mount-refused": Case(act("mount-refused", exit_code=0, answer={"mounted": True, "error": ""}), "mounted"),
    "ipc-host": Case(act("ipc-host", "peer", facts={"seen": True}), "peer"),
    "ipc-pod": Case(act("ipc-pod", facts={"seen_by_peer": True}), "peer"),
    "shm-file": Case(act("shm-file", facts={"seen": True}), "seen"),
    "rootfs-own": Case(mounted("0:41 / / rw", "8:1 / / rw"), "8:1"),
    "rootfs-kind": Case(mounted("- overlay overlay", "- tmpfs tmpfs"), "memory"),
    "rootfs-writable": Case(mounted("0:41 / / rw", "0:41 / / ro"), "ro"),
    "rootfs-private": Case(mounted("0:41 / / rw,relatime", "0:41 / / rw shared:9"), "shared:9"),
    "mounts-standard": Case(mounted("- devpts devpts", "- tmpfs none"), "/dev/pts: tmpfs"),
    "shm-size": Case(mounted("tmpfs shm rw,size=65536k", "tmpfs shm rw,size=1k"), "size=1k"),
    "masked-paths": Case(listed("unmasked", "/proc/kcore"), "/proc/kcore"),
    "readonly-paths": Case(listed("writable", "/proc/sys"), "/proc/sys"),
    "sysfs": Case(mounted("/sys ro,nosuid - sysfs sysfs ro", "/sys rw,nosuid - sysfs sysfs rw"), "rw"),
    "devices": Case(listed("/dev", "null", "zero", "full", "random", "urandom", "tty", "vda1"), "vda1"),
    "pod-address": Case(text("net/fib_trie", "Local:\n", side="inside"), "fe80"),
    "interfaces": Case(listed("/sys/class/net", "lo"), "lo"),
    "pod-to-pod": Case(act("pod-to-pod", **GONE), "ECONNREFUSED"),
    "pod-to-pod-back": Case(act("pod-to-pod-back", answer={"said": "a stranger"}), "a stranger"),
    "host-to-pod": Case(act("host-to-pod", **GONE), "ECONNREFUSED"),
    "host-to-peer": Case(act("host-to-pod", **GONE), "ECONNREFUSED"),
    "service": Case(act("service", **NO_GATE), "ETIMEDOUT", baseline=HEALTHY),
    "resolve": Case(act("resolve", exit_code=1, answer={"addresses": (), "error": "SERVFAIL"}), "SERVFAIL", baseline=HEALTHY),
    "egress": Case(act("egress", **NO_GATE), "ETIMEDOUT", baseline=HEALTHY),
    "runtime-answers": Case(saying(HEALTHY, problem="the CRI plugin is disabled"), "disabled"),
    "runtime-ready": Case(saying(HEALTHY, conditions={"RuntimeReady": "shutting down"}), "shutting down"),
    "network-ready": Case(saying(HEALTHY, conditions={"NetworkReady": "cni plugin not initialized"}), "cni plugin"),
    "runtime-name": Case(saying(HEALTHY, name="docker"), "docker"),
    "runtime-driver": Case(saying(HEALTHY, cgroup_driver="cgroupfs"), "cgroupfs"),
    "cri-version": Case(saying(knowing(HEALTHY, kubelet_version="1.26.0"), api="v1alpha2"), "v1alpha2"),
    "lists-containers": Case(act("list", facts={"found": 3}), "3"),
    "has-image": Case(act("image", facts={"id": ""}), "not among"),
    "ip-forward": Case(on_host(HEALTHY, raw={"files": {"/proc/sys/net/ipv4/ip_forward": "0\n"}}), "0"),
    "forward-policy": Case(on_host(act("pod-to-pod", **GONE), forward_policy="DROP"), "DROP"),
    "bridge-netfilter": Case(on_host(HEALTHY, raw={"files": {"/proc/sys/net/bridge/bridge-nf-call-iptables": "0\n"}}), "0"),
    "module-overlay": Case(on_host(HEALTHY, modules=("br_netfilter",)), "not loaded"),
    "module-br-netfilter": Case(on_host(HEALTHY, modules=("overlay",)), "not loaded", baseline=HEALTHY),
    "memory-controller": Case(on_host(V1, raw={"files": {"/proc/cgroups": "#subsys\ncpu 1 1 1\nmemory 0 1 0\n"}}), "disabled"),
    "cpu-controller": Case(on_host(HEALTHY, raw={"cgroup": {"cgroup.controllers": "memory pids"}}), "memory pids"),
    "pids-controller": Case(on_host(V1, raw={"files": {"/proc/cgroups": "#subsys\ncpu 1 1 1\n"}}), "not in this kernel"),
    "apparmor-on": Case(knowing(HEALTHY, security_modules=()), "off", baseline=HEALTHY),
    "other-runtime": Case(knowing(HEALTHY, elsewhere=("docker: k8s_web_web-1",)), "k8s_web_web-1"),
    "kubelet-service": Case(on_host(HEALTHY, services={"kubelet": "active/disabled"}), "disabled"),
    "runtime-service": Case(on_host(HEALTHY, services={"containerd": "inactive/enabled"}), "inactive"),
    **{f"left-{kind}": Case(left(kind), f"a {kind} of ours") for kind in checks.cleanup.KINDS},
}  # fmt: skip


@cache
def healthy() -> dict[str, list[Checked]]:
    """Give the checks of a healthy node by id."""
    return by_id(judge(HEALTHY).checks) | {"cgroup-controllers": by_id(judge(V1).checks)["cgroup-controllers"]}


@cache
def unseen() -> dict[str, list[Checked]]:
    """Give the checks of sessions that saw nothing: of v1 where only that has the check, without containers likewise."""
    nothing = knowing(blind(HEALTHY), security_modules=())
    found = by_id(judge(nothing).checks)
    found["cgroup-controllers"] = by_id(judge(blind(V1)).checks)["cgroup-controllers"]
    found["container-runs"] = by_id(judge(nothing.model_copy(update={"containers": ()})).checks)["container-runs"]
    return found


def by_id(entries: tuple[Checked, ...]) -> dict[str, list[Checked]]:
    """Collect checks by their ids without the container."""
    found: dict[str, list[Checked]] = {}
    for entry in entries:
        found.setdefault(rule_id(entry), []).append(entry)
    return found


def one(case: Case, identity: str) -> Checked:
    """Give the check of the container, or of the session, that a case is about."""
    found = by_id(judge(case.spoilt, case.baseline).checks)[identity]
    return next(entry for entry in found if entry.id in {identity, f"{identity}[{case.of or 'a/one'}]"})


def test_every_check_is_in_the_catalogue() -> None:
    """Functions, rules and cases have the same ids, at least 55, each with a job that exists and a source."""
    assert {*checks.OF_CONTAINERS, *checks.OF_SESSION} == set(RULES) == set(FAILS)
    assert len(RULES) >= 55
    assert all(rule.job in JOBS and rule.source and rule.what.endswith(".") for rule in RULES.values())
    assert all(rule.remedy for rule in RULES.values())


@pytest.mark.parametrize("identity", IDS)
def test_every_check_passes_on_a_healthy_node(identity: str) -> None:
    """Of each id at least one check passes, and none is anything else."""
    assert {entry.outcome for entry in healthy()[identity]} == {Outcome.PASSED}


@pytest.mark.parametrize("identity", IDS)
def test_every_check_fails_on_a_spoilt_node(identity: str) -> None:
    """What is wrong is found by this id, told by what was seen, with a source and something to do."""
    found = one(FAILS[identity], identity)

    assert found.outcome is Outcome.FAILED
    assert FAILS[identity].says in found.found
    assert found.source == RULES[identity].source
    assert found.remedy


@pytest.mark.parametrize("identity", IDS)
def test_every_check_is_unknown_where_nothing_was_seen(identity: str) -> None:
    """Containers that ran and showed nothing prove nothing, and the reason is given."""
    found = unseen()[identity]

    assert {entry.outcome for entry in found} == {Outcome.UNKNOWN}
    assert all(entry.found for entry in found)


@pytest.mark.parametrize("tried", [True, False])
def test_packets_that_are_dropped_need_a_proof_of_the_contrary(*, tried: bool) -> None:
    """Pods that connect all the same are one; that nobody tried is none."""
    closed = on_host(HEALTHY if tried else HEALTHY.model_copy(update={"acts": ()}), forward_policy="DROP")

    found = one(Case(closed), "forward-policy")

    assert found.outcome is (Outcome.PASSED if tried else Outcome.FAILED)
    assert (found.expected, found.found.startswith("DROP")) == ("ACCEPT", True)


def test_a_container_that_never_ran_is_one_failure() -> None:
    """The runtime's words are told once as a failure; everything else of that container is unknown for that reason."""
    entries = judge(FAILS["container-runs"].spoilt).checks
    of_one = [entry for entry in entries if entry.id.endswith("[a/one]")]

    assert [entry.id for entry in of_one if entry.outcome is Outcome.FAILED] == ["container-runs[a/one]"]
    assert {entry.outcome for entry in of_one[1:]} == {Outcome.UNKNOWN}
    assert all("no cgroup" in entry.found for entry in of_one[1:])


@pytest.mark.parametrize("name", ["CapInh", "CapAmb"])
@pytest.mark.parametrize(
    ("runtime", "container", "mask", "outcome"),
    [
        ("cri-o", "mounter", None, Outcome.PASSED),
        ("cri-o", "mounter", "0" * 16, Outcome.PASSED),
        ("cri-o", "mounter", "0000000000000001", Outcome.FAILED),
        ("cri-o", "one", "0000000000000001", Outcome.FAILED),
        ("containerd", "mounter", privileges.mask(privileges.CAPABILITIES), Outcome.FAILED),
    ],
)
def test_cri_o_has_privileged_containers_pass_all_on(
    name: str, runtime: str, container: str, mask: str | None, outcome: Outcome
) -> None:
    """None or all of them, and no other containers, and no other runtime's (seen with CRI-O 1.37)."""
    evidence = good(runtime)
    if mask is not None:
        evidence = field(container, evidence, **{name: mask})
    identity = {"CapInh": "capabilities-inheritable", "CapAmb": "capabilities-ambient"}[name]

    found = one(Case(evidence, of={"mounter": "c/mounter", "one": "a/one"}[container]), identity)

    assert found.outcome is outcome


UNKNOWN: dict[str, tuple[str, Evidence, str]] = {
    "an act that could not be tried": ("memory-enforced", act("memory-over", problem="no such container"), "no such container"),
    "a busy loop that was starved": ("cpu-enforced", act("spin", answer={"cpu_ns": 30_000_000}), "starved"),
    "a busy loop that nothing held back": ("cpu-enforced", act("spin", facts={"throttled_after": 0}), "nothing shows"),
    "a limit of processes beyond what was tried": (
        "pids-enforced", act("fork", exit_code=0, answer={"forked": 100}, facts={"limit": 4096}), "fewer were tried"),
    "memory that ran out before the processes": ("pids-enforced", act("fork", answer={"forked": 5}), "another limit"),
    "a filter that nobody asked for": ("seccomp", field(Seccomp="2"), "nobody asked"),
    "no_new_privs that nobody asked for": ("no-new-privileges", field(NoNewPrivs="1"), "nobody asked"),
    "open files that nothing prescribes": ("open-files", knowing(HEALTHY, open_files=""), "1024:524288"),
    "a runtime before CVE-2022-24769": (
        "capabilities-inheritable", field(evidence=knowing(HEALTHY, runtime_version="1.4.13"), CapInh="00000000a80425fb"), "CVE"),
    "Docker with remapped users": (
        "user-host", spoilt(DOCKER, outside={"links": {"ns/user": "user:[1]"}}), "userns-remap"),
    "Docker with another shm": ("shm-size", spoilt(DOCKER, inside={"files": {"mountinfo": "1 0 0:9 / /dev/shm rw - tmpfs shm rw,size=1g\n"}}), "default-shm-size"),
    "a node without AppArmor": ("apparmor", knowing(HEALTHY, security_modules=()), "does not use AppArmor"),
    "egress that nobody tried before": ("egress", act("egress", **NO_GATE), "nobody knows"),
    "a mount of which the host was not asked": ("mount-unseen", act("mount", facts={"seen_on_host": -1}), "not seen"),
    "pods without a network": ("pod-to-pod", knowing(HEALTHY, network_expected=False), "no pod network"),
    "the way back without a network": ("pod-to-pod-back", knowing(HEALTHY, network_expected=False), "no pod network"),
    "an address without a network": ("pod-address", knowing(HEALTHY, network_expected=False), "no pod network"),
    "interfaces without a network": ("interfaces", knowing(HEALTHY, network_expected=False), "no pod network"),
    "a module that only bridges need": ("module-br-netfilter", on_host(HEALTHY, modules=("overlay",)), "not loaded; only networks with a bridge"),
    "a runtime that we do not know": ("apparmor", knowing(HEALTHY, runtime="kata"), "kata"),
    "a container's limit below the pod's": (
        "pids-limit", limit("pids.max", "1024", knowing(HEALTHY, pods_limit=4096)), "lower than the pod's"),
    "a share of the swap": ("swap-limit", limit("memory.swap.max", "4096"), "NodeSwap"),
    "shared memory that was never made": ("ipc-pod", act("ipc-pod", exit_code=1, answer={"error": "ENOSPC"}), "ENOSPC"),
}  # fmt: skip


@pytest.mark.parametrize(("identity", "evidence", "says"), UNKNOWN.values(), ids=UNKNOWN)
def test_what_proves_nothing_is_unknown(identity: str, evidence: Evidence, says: str) -> None:
    """Where healthy nodes differ, or the try itself failed, nobody is accused and nothing is proved."""
    found = one(Case(evidence), identity)

    assert found.outcome is Outcome.UNKNOWN
    assert says in found.found


PASSES: dict[str, tuple[str, Evidence]] = {
    "a node without swap": (
        "swap-limit", on_host(limit("memory.swap.max", "max"), raw={"files": {"/proc/meminfo": "SwapTotal:       0 kB\n"}})),
    "the new formula of weights": ("cpu-weight", limit("cpu.weight", "11")),
    "a CNI that brings its own rules": ("forward-policy", on_host(HEALTHY, forward_policy="DROP")),
    "a killed container whose cgroup went with it": (
        "memory-enforced", acting(HEALTHY, "memory-over", facts={"oom_kills_after": "gone"})),
    "no limit of processes": ("pids-enforced", act("fork", exit_code=0, answer={"forked": 100, "error": ""}, facts={"limit": 0})),
    "an unlimited service": (
        "open-files", knowing(good(open_files="1073741816:1073741816"), open_files="infinity:infinity")),
    "an old CRI beside the new one": ("cri-version", HEALTHY),
    "systemd's rounding": ("cpu-quota", limit("cpu.max", "21000 100000")),
    "a runtime that knows no late capabilities": (
        "capabilities-bounding", field("mounter", CapBnd="0000003fffffffff")),
    "a sysfs that the sandbox had read-only first": ("sysfs", mounted("sysfs sysfs rw", "sysfs sysfs ro", "mounter")),
    "images on btrfs": ("module-overlay", on_host(mounted("- overlay overlay", "- btrfs /dev/vda2"), modules=("x",))),
}  # fmt: skip


@pytest.mark.parametrize(("identity", "evidence"), PASSES.values(), ids=PASSES)
def test_what_healthy_nodes_do_differently_passes(identity: str, evidence: Evidence) -> None:
    """No healthy node is accused for being another way: none of its containers is."""
    assert {entry.outcome for entry in by_id(judge(evidence).checks)[identity]} == {Outcome.PASSED}


@pytest.mark.parametrize(
    ("kubelet", "runtime", "version", "api", "outcome"),
    [
        ("1.20.2", "containerd", "1.6.20", "v1", Outcome.PASSED),
        ("1.20.2", "containerd", "2.1.9", "v1", Outcome.FAILED),
        ("1.22.0", "cri-o", "1.26.1", "v1", Outcome.FAILED),
        ("1.24.0", "containerd", "1.4.13", "v1alpha2", Outcome.PASSED),
        ("1.26.0", "containerd", "1.4.13", "v1alpha2", Outcome.FAILED),
        ("1.30.0", "containerd", "2.1.9", "v1", Outcome.PASSED),
        ("1.20.2", "containerd", "", "v1", Outcome.UNKNOWN),
    ],
)
def test_a_runtime_must_speak_what_the_kubelet_speaks(
    kubelet: str, runtime: str, version: str, api: str, outcome: Outcome
) -> None:
    """Kubelets up to 1.22 speak v1alpha2 alone, from 1.26 v1 alone; runtimes dropped the old one at different times."""
    evidence = saying(knowing(good(runtime), kubelet_version=kubelet, runtime_version=version), api=api)

    assert one(Case(evidence), "cri-version").outcome is outcome


def test_a_kubelet_may_enforce_no_quota() -> None:
    """With cpuCFSQuota off there is none, nothing is held back, and one that is there all the same is wrong."""
    free = knowing(HEALTHY, cpu_quota=False)
    for name in ("one", "two", "peer", "mounter"):
        free = spoilt(free, name, outside={"cgroup": {"cpu.max": "max 100000"}, "parent": {"cpu.max": "max 100000"}})

    found = by_id(judge(free).checks)

    for identity in ("cpu-quota", "pod-cpu-quota"):
        assert {entry.outcome for entry in found[identity]} == {Outcome.PASSED}
    assert "cpu-enforced" not in found
    assert "cpu-quota" in {rule_id(entry) for entry in judge(knowing(HEALTHY, cpu_quota=False)).failed}


@pytest.mark.parametrize("driver", ["systemd", "cgroupfs"])
@pytest.mark.parametrize("via", list(Via))
def test_the_wrong_driver_is_found_by_its_place(driver: str, via: Via) -> None:
    """A container that the other driver placed fails by path, name and driver, whoever started it."""
    other = "cgroupfs" if driver == "systemd" else "systemd"
    evidence = knowing(
        good(driver=other, via=via),
        cgroup_driver=driver,
        cgroup_root=good(driver=driver, via=via).circumstances.cgroup_root,
    )
    failed = {rule_id(entry) for entry in judge(evidence).failed}

    assert {"cgroup-path", "cgroup-name", "cgroup-driver", "runtime-driver"} <= failed


@pytest.mark.parametrize(
    ("runtime", "outcome"),
    [
        ("containerd", Outcome.UNKNOWN),
        ("cri-o", Outcome.UNKNOWN),
        ("kata", Outcome.UNKNOWN),
        ("docker", Outcome.FAILED),
    ],
)
def test_devices_may_be_kept_from_privileged_containers(runtime: str, outcome: Outcome) -> None:
    """All runtimes but Docker can be told to, and so may be one that we do not know."""
    harmless = listed("/dev", "null", "zero", "full", "random", "urandom", "tty", of="mounter")
    found = next(
        entry
        for entry in by_id(judge(knowing(harmless, runtime=runtime)).checks)["devices"]
        if entry.id.endswith("/mounter]")
    )

    assert found.outcome is outcome
    assert "none of the host's" in found.found


def test_the_documentation_is_current() -> None:
    """docs/proof.md is what the catalogue says; UPDATE_GOLDEN=1 writes it anew."""
    if os.environ.get("UPDATE_GOLDEN"):
        DOCUMENT.write_text(page())
    assert DOCUMENT.read_text() == page(), "UPDATE_GOLDEN=1 writes docs/proof.md anew"
