"""Evidence of nodes that are as they should be, for each runtime, to be spoilt by each test where it matters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from migrator.model.evidence import (
    ActionResult,
    ContainerObservation,
    Evidence,
    HostView,
    NodeProfile,
    ProbeContainerSpec,
    RawView,
    RuntimeView,
    StartupPhase,
    Via,
)
from migrator.proof import cgroup_paths, kubelet_resources, privileges, runtime_traits
from migrator.proof.spec import ASKED, FORKS
from migrator.runtimes.traits import Traits

VERSIONS = {"docker": "20.10.24", "containerd": "1.6.20", "cri-o": "1.24.6"}
RUNTIMES, CGROUPS, DRIVERS = tuple(VERSIONS), ("v1", "v2"), ("systemd", "cgroupfs")
MIB = 2**20
MEMORY = 4096 * MIB
NODE = "worker-1"
TYPES = ("net", "pid", "mnt", "user", "uts", "ipc", "cgroup", "time")
V1 = ("memory", "cpu", "cpuacct", "pids", "cpuset", "blkio", "devices", "freezer")
MASKED = ("/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/scsi", "/sys/firmware")
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
ALL_IDS = "         0          0 4294967295\n"
_UNLIMITED = "9223372036854771712"
_HOST_CAPABILITIES = privileges.mask(privileges.CAPABILITIES)
_FIRST_INODE = 4026532000


def good(
    runtime: str = "containerd", cgroup: str = "v2", driver: str = "systemd", via: Via = Via.KUBELET,
    asked: tuple[ProbeContainerSpec, ...] = ASKED, page: int = 4096, uids: Mapping[str, str] | None = None, **known: Any,
) -> Evidence:  # fmt: skip
    """Give what a healthy node shows; `uids` by pod, `known` are circumstances that differ."""
    circumstances = NodeProfile.model_validate(
        {
            "node": NODE, "via": via, "runtime": runtime, "runtime_version": VERSIONS[runtime], "low_level": "runc",
            "low_level_version": "1.1.5", "kubelet_version": "1.20.2", "cgroup": cgroup, "cgroup_driver": driver,
            "cgroup_root": _root(driver) if via is Via.CRI else "", "pods_limit": 64, "architecture": "x86_64",
            "security_modules": ("capability", "apparmor"), "open_files": "1024:524288", "memory": MEMORY,
            "elsewhere": () if via is Via.KUBELET else None, **known,
        }
    )  # fmt: skip
    containers = tuple(_seen(entry, circumstances, asked, page, (uids or {}).get(entry.pod)) for entry in asked)
    return Evidence(
        taken_at=1_767_225_600.0, circumstances=circumstances, host=_host(circumstances, page),
        runtime=_runtime(circumstances), containers=containers, acts=_acts(containers),
        trace=(StartupPhase(step="api", what="the pod was asked for", seconds=0.0, resolution=1.0),), left=(), seconds=12.0,
    )  # fmt: skip


def spoilt(
    evidence: Evidence, name: str = "one", *, inside: Any = None, outside: Any = None, **update: Any
) -> Evidence:
    """Give evidence in which one container is another way: parts of its views are replaced, or removed by None."""
    found = next(entry for entry in evidence.containers if entry.asked.name == name)
    assert found.inside is not None
    assert found.outside is not None
    changed = found.model_copy(
        update={"inside": _merged(found.inside, inside), "outside": _merged(found.outside, outside), **update}
    )
    others = tuple(changed if entry is found else entry for entry in evidence.containers)
    return evidence.model_copy(update={"containers": others})


def on_host(evidence: Evidence, *, raw: Any = None, **update: Any) -> Evidence:
    """Give evidence of another host."""
    host = evidence.host.model_copy(update={"raw": _merged(evidence.host.raw, raw), **update})
    return evidence.model_copy(update={"host": host})


def acting(evidence: Evidence, name: str, container: str = "", **update: Any) -> Evidence:
    """Give evidence in which an act came to something else; `answer` and `facts` are merged, others replaced."""
    acts = []
    for act in evidence.acts:
        if act.name == name and container in {"", act.container}:
            merged = {
                key: {**getattr(act, key), **value} if key in {"answer", "facts"} and value else value
                for key, value in update.items()
            }
            acts.append(act.model_copy(update=merged))
        else:
            acts.append(act)
    return evidence.model_copy(update={"acts": tuple(acts)})


def knowing(evidence: Evidence, **update: Any) -> Evidence:
    """Give evidence of other circumstances, where what was seen stays."""
    return evidence.model_copy(update={"circumstances": evidence.circumstances.model_copy(update=update)})


def saying(evidence: Evidence, **update: Any) -> Evidence:
    """Give evidence of a runtime that says something else of itself."""
    return evidence.model_copy(update={"runtime": evidence.runtime.model_copy(update=update)})


def blind(evidence: Evidence) -> Evidence:
    """Give evidence of a session whose containers ran and that saw nothing else."""
    containers = tuple(
        ContainerObservation(asked=entry.asked, id=entry.id, pod_uid=entry.pod_uid, pod_name=entry.pod_name)
        for entry in evidence.containers
    )
    known = evidence.circumstances.model_copy(update={"elsewhere": None})
    return Evidence(circumstances=known, containers=containers)


def status(evidence: Evidence, name: str, **fields: str) -> str:
    """Give /proc/PID/status of a container's main process with other fields."""
    found = evidence.container(name)
    assert found is not None
    assert found.outside is not None
    rows = dict(row.split(":\t", 1) for row in found.outside.files["status"].splitlines())
    return "".join(f"{key}:\t{value}\n" for key, value in {**rows, **fields}.items())


def _merged(view: RawView, update: Mapping[str, Mapping[str, Any]] | None) -> RawView:
    changed = {}
    for part, entries in (update or {}).items():
        merged = {**getattr(view, part), **entries}
        changed[part] = {key: value for key, value in merged.items() if value is not None}
    return view.model_copy(update=changed)


def _root(driver: str) -> str:
    return "migrator.slice/migrator-0123abcd.slice" if driver == "systemd" else "migrator-0123abcd"


def _seen(
    asked: ProbeContainerSpec, known: NodeProfile, all_asked: tuple[ProbeContainerSpec, ...], page: int, uid: str | None
) -> ContainerObservation:
    number = [entry.name for entry in all_asked].index(asked.name) + 1
    pod = sorted({entry.pod for entry in all_asked}).index(asked.pod) + 1
    traits = _traits(known)
    identity = f"{number:x}" * 64
    uid = uid or f"0b5c1f9e-0000-4000-8000-00000000000{pod}"
    links = {f"ns/{kind}": _link(kind, known, traits, asked, pod, number) for kind in TYPES}
    parent = _parent(asked, known, uid)
    path = f"/{parent}/{cgroup_paths.leaf(known, traits, identity)}"
    crun = "/container" if known.low_level == "crun" and known.cgroup == "v2" else ""
    together = [entry for entry in all_asked if entry.pod == asked.pod]
    common = {
        "limits": _limits(known),
        "mountinfo": _mounts(asked, number, f"-{known.cgroup}"),
        "cgroup": _cgroups(known, path + crun),
        "uid_map": ALL_IDS,
        "gid_map": ALL_IDS,
        "attr/current": "unconfined\n" if asked.privileged else f"{traits.label} (enforce)\n",
        "net/fib_trie": _trie(f"10.85.0.{pod + 1}"),
        "net/if_inet6": f"fe80000000000000000000000000000{pod} 02 40 20 80     eth0\n",
        "net/dev": "Inter-|\n face |\n    lo: 0 0\n  eth0: 0 0\n",
        "net/route": "Iface\tDestination\neth0\t00000000\t0100550A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n",
        "oom_score_adj": f"{kubelet_resources.oom_score(asked, known)}\n",
    }
    low = "0" if runtime_traits.opens_low_ports(known) else "1024"
    sandbox = ("net", "ipc", "uts") if traits.shares_uts else ("net", "ipc")
    limits = _container_cgroup(asked, known, page)
    return ContainerObservation(
        asked=asked, pod_uid=uid, pod_name=f"migrator-probe-{asked.pod}", pod_address=f"10.85.0.{pod + 1}", id=identity,
        sandbox=f"{pod + 8:x}" * 64, sandbox_pid=900 + pod, pid=1000 + number,
        sandbox_namespaces={f"ns/{kind}": links[f"ns/{kind}"] for kind in sandbox},
        outside=RawView(
            links=links, files={**common, "status": _status(asked, known, traits, 1000 + number, "1")}, cgroup=limits,
            parent=_pod_cgroup(together, known, page), names={"nodename": f"migrator-probe-{asked.pod}"},
        ),
        inside=RawView(
            links=links,
            files={
                **common, "status": _status(asked, known, traits, 7, "7"),
                "/proc/1/cmdline": "/probe\0wait\0--lines\0" + "20\0",
                "/etc/resolv.conf": "search default.svc.cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n",
                "/proc/sys/kernel/hostname": f"migrator-probe-{asked.pod}\n",
                "/proc/sys/net/ipv4/ip_unprivileged_port_start": f"{low}\n",
                "/proc/sys/net/ipv4/ping_group_range": "0\t2147483647\n" if low == "0" else "1\t0\n",
                "/sys/class/net/eth0/mtu": "1450\n", "/sys/class/net/eth0/iflink": f"{20 + pod}\n",
                "/sys/class/net/lo/mtu": "65536\n",
            },
            lists={
                "/proc": ("1", "7"), "/sys/class/net": ("eth0", "lo"), "/dev/shm": (),  # noqa: S108
                "/dev": ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm", "mqueue", "stdin",
                         *(("mem", "kmsg", "vda") if asked.privileged else ())),
                "masked": () if asked.privileged else MASKED, "unmasked": MASKED if asked.privileged else (),
                "readonly": () if asked.privileged else READ_ONLY, "writable": READ_ONLY if asked.privileged else (),
            },
            cgroup=limits, names={"nodename": f"migrator-probe-{asked.pod}"},
        ),
    )  # fmt: skip


def _link(kind: str, known: NodeProfile, traits: Traits, asked: ProbeContainerSpec, pod: int, number: int) -> str:
    of_host = _FIRST_INODE - 100 + TYPES.index(kind)
    own = _FIRST_INODE + 10 * (20 + number) + TYPES.index(kind)
    of_pod = _FIRST_INODE + 10 * pod + TYPES.index(kind)
    if kind in {"user", "time"}:
        return f"{kind}:[{of_host}]"
    if kind == "cgroup":
        private = known.cgroup == "v2" and (not asked.privileged or traits.privileged_cgroup_namespace)
        return f"{kind}:[{own if private else of_host}]"
    return f"{kind}:[{of_pod if kind in {'net', 'ipc'} or (kind == 'uts' and traits.shares_uts) else own}]"


def _parent(asked: ProbeContainerSpec, known: NodeProfile, uid: str) -> str:
    if known.via is Via.KUBELET:
        return cgroup_paths.pod(known, asked.quality, uid)
    pod = f"migrator-0123abcd-{asked.pod}.slice" if known.cgroup_driver == "systemd" else asked.pod
    return f"{known.cgroup_root}/{pod}"


def _cgroups(known: NodeProfile, path: str) -> str:
    if known.cgroup == "v2":
        return f"0::{path}\n"
    rows = [f"{number}:{name}:{path}" for number, name in enumerate(V1, 2)]
    return "\n".join([*rows, f"1:name=systemd:{path}", "0::/system.slice/containerd.service"]) + "\n"


def _status(asked: ProbeContainerSpec, known: NodeProfile, traits: Traits, pid: int, inner: str) -> str:
    mask = _HOST_CAPABILITIES if asked.privileged else privileges.mask(privileges.expected(asked, traits))
    filtered = asked.seccomp == "RuntimeDefault" or runtime_traits.filters_unasked(known)
    filtered = filtered or (known.seccomp_default == "RuntimeDefault" and known.via is Via.KUBELET)
    passed_on = mask if asked.privileged and traits.privileged_pass_on else "0" * 16
    mode = "2" if filtered and asked.seccomp != "Unconfined" and not asked.privileged else "0"
    fields = {
        "Name": "probe", "Pid": str(pid), "NSpid": f"{pid}\t{inner}" if inner == "1" else inner, "CapInh": passed_on,
        "CapPrm": mask, "CapEff": mask, "CapBnd": mask, "CapAmb": passed_on,
        "NoNewPrivs": str(int(asked.no_new_privileges)), "Seccomp": mode,
    }  # fmt: skip
    return "".join(f"{key}:\t{value}\n" for key, value in fields.items())


def _limits(known: NodeProfile) -> str:
    soft, _, hard = (known.open_files or "1024:524288").partition(":")
    rows = [("Max open files", soft, hard, "files"), ("Max processes", "unlimited", "unlimited", "processes")]
    head = f"{'Limit':<26}{'Soft Limit':<21}{'Hard Limit':<21}Units\n"
    return head + "".join(f"{name:<26}{low:<21}{high:<21}{unit}\n" for name, low, high, unit in rows)


def _mounts(asked: ProbeContainerSpec, number: int, upper: str) -> str:
    sys = "rw" if asked.privileged else "ro"
    return (
        f"500 400 0:{40 + number} / / rw,relatime - overlay overlay rw,lowerdir=/l,upperdir=/u{upper}\n"
        "501 500 0:60 / /proc rw,nosuid - proc proc rw\n"
        "502 500 0:61 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755\n"
        "503 502 0:62 / /dev/pts rw,nosuid - devpts devpts rw\n"
        "504 502 0:63 / /dev/mqueue rw,nosuid - mqueue mqueue rw\n"
        f"505 500 0:64 / /sys {sys},nosuid - sysfs sysfs {sys}\n"
        f"506 505 0:27 / /sys/fs/cgroup {sys},nosuid - cgroup2 cgroup rw\n"
        "507 502 0:65 / /dev/shm rw,nosuid - tmpfs shm rw,size=65536k\n"
        "508 500 8:1 /var/lib/kubelet/pods/a\\040b /etc/hosts rw - ext4 /dev/vda1 rw\n"
    )


def _trie(address: str) -> str:
    return (
        "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n"
        "Local:\n  +-- 0.0.0.0/0 3 0 5\n"
        f"     |-- {address}\n        /32 host LOCAL\n     |-- 127.0.0.1\n        /32 host LOCAL\n"
    )


def _container_cgroup(asked: ProbeContainerSpec, known: NodeProfile, page: int) -> dict[str, str]:
    shares = kubelet_resources.shares(asked.cpu_request, asked.cpu_limit)
    return _cgroup_files(known, page, asked.memory_limit, asked.cpu_limit, shares, 0)


def _pod_cgroup(together: list[ProbeContainerSpec], known: NodeProfile, page: int) -> dict[str, str]:
    shares = kubelet_resources.shares(kubelet_resources.pod_cpu_request(together))
    by_kubelet = known.via is Via.KUBELET
    memory = kubelet_resources.pod_memory(together) if by_kubelet else 0
    cpu = kubelet_resources.pod_cpu_limit(together) if by_kubelet else 0
    return _cgroup_files(known, page, memory, cpu, shares, known.pods_limit)


def _cgroup_files(known: NodeProfile, page: int, memory: int, cpu: int, shares: int, pids: int) -> dict[str, str]:
    quota = kubelet_resources.quota(cpu) if cpu else 0
    whole = str(kubelet_resources.whole_pages(memory, page)) if memory else ""
    if known.cgroup == "v2":
        return {
            "memory.max": f"{whole or 'max'}\n",
            "memory.swap.max": "0\n" if memory else "max\n",
            "cpu.max": f"{quota or 'max'} 100000\n",
            "cpu.weight": f"{min(kubelet_resources.weights(shares))}\n",
            "pids.max": f"{pids or 'max'}\n",
        }
    return {
        "memory/memory.limit_in_bytes": f"{whole or _UNLIMITED}\n",
        "memory/memory.memsw.limit_in_bytes": f"{whole or _UNLIMITED}\n",
        "cpu/cpu.cfs_quota_us": f"{quota or -1}\n",
        "cpu/cpu.cfs_period_us": "100000\n",
        "cpu/cpu.shares": f"{shares}\n",
        "pids/pids.max": f"{pids or 'max'}\n",
    }


def _host(known: NodeProfile, page: int) -> HostView:
    rows = "\n".join(f"{name}\t{number}\t90\t1" for number, name in enumerate(V1, 1))
    return HostView(
        raw=RawView(
            links={f"ns/{kind}": f"{kind}:[{_FIRST_INODE - 100 + TYPES.index(kind)}]" for kind in TYPES},
            files={
                "status": f"CapBnd:\t{_HOST_CAPABILITIES}\n", "mountinfo": "27 1 8:1 / / rw - ext4 /dev/vda1 rw\n",
                "uid_map": ALL_IDS, "gid_map": ALL_IDS, "/proc/cgroups": f"#subsys_name\n{rows}\n",
                "/proc/sys/net/ipv4/ip_forward": "1\n", "/proc/sys/net/bridge/bridge-nf-call-iptables": "1\n",
                "/proc/meminfo": f"MemTotal:       {MEMORY // 1024} kB\nSwapTotal:       2097152 kB\n",
            },
            cgroup={"cgroup.controllers": "cpuset cpu io memory pids\n"} if known.cgroup == "v2" else {},
        ),
        hostname=NODE, forward_policy="ACCEPT", modules=("overlay", "br_netfilter"), page_size=page,
        services={"kubelet": "active/enabled", _traits(known).service: "active/enabled"},
    )  # fmt: skip


def _runtime(known: NodeProfile) -> RuntimeView:
    return RuntimeView(
        name=known.runtime, version=known.runtime_version, api="v1alpha2" if known.runtime == "docker" else "v1",
        conditions={"RuntimeReady": "", "NetworkReady": ""}, cgroup_driver=known.cgroup_driver,
    )  # fmt: skip


def _acts(seen: tuple[ContainerObservation, ...]) -> tuple[ActionResult, ...]:
    one = next(entry for entry in seen if entry.asked.name == "one")
    names = {entry.asked.name: f"migrator-probe-{entry.asked.pod}" for entry in seen}
    limit = one.asked.cpu_limit / 1000
    there: dict[str, Any] = {"connected": True, "said": names["peer"]}
    return (
        ActionResult(name="memory-under", container="one", answer={"touched": 16 * MIB}),
        ActionResult(name="memory-over", container="one", exit_code=137, facts={"oom_kills_before": 0, "oom_kills_after": 1}),
        ActionResult(name="spin", container="one", answer={"wall_ns": 3_000_000_000, "cpu_ns": int(limit * 3_050_000_000)},
            facts={"throttled_before": 0, "throttled_after": 29}),
        ActionResult(name="fork", container="one", exit_code=1, answer={"forked": 60, "error": "EAGAIN"}, facts={"limit": 64})
        if FORKS > 64 else ActionResult(name="fork"),
        ActionResult(name="port", container="one", answer={"connected": True, "said": names["one"]}),
        ActionResult(name="port", container="peer", answer=there),
        ActionResult(name="bind-taken", container="one", exit_code=1, answer={"error": "EADDRINUSE", "message": "taken"}),
        ActionResult(name="mount-refused", container="one", exit_code=1, answer={"error": "EPERM", "message": "no"}),
        ActionResult(name="mount", container="mounter", answer={"mounted": True}, facts={"seen_on_host": 0, "seen_by_peer": False}),
        ActionResult(name="ipc-host", container="one", facts={"seen": False}),
        ActionResult(name="ipc-host", container="peer", facts={"seen": False}),
        ActionResult(name="ipc-pod", container="one", answer={"shm": 3},
            facts={"seen_by_two": True, "seen_by_peer": False, "seen_by_host": False}),
        ActionResult(name="shm-file", container="one", facts={"seen": False}),
        ActionResult(name="pod-to-pod", container="one", answer=there),
        ActionResult(name="pod-to-pod-back", container="peer", answer={"connected": True, "said": names["one"]}),
        ActionResult(name="host-to-pod", answer={"connected": True, "said": names["one"], "error": ""}, facts={"server": "one"}),
        ActionResult(name="host-to-pod", answer={**there, "error": ""}, facts={"server": "peer"}),
        ActionResult(name="service", container="one", answer={"connected": True, "said": ""}),
        ActionResult(name="resolve", container="one", answer={"addresses": ("10.96.0.1",), "server": "10.96.0.10", "name": "kubernetes.default"}),
        ActionResult(name="egress", container="one", answer={"connected": True, "said": ""}),
        ActionResult(name="log", container="one", facts={"lines": 20, "expected": 20, "by": "file"}),
        ActionResult(name="exec", container="one", answer={"lines": 3}, facts={"stdout_ok": True}),
        ActionResult(name="stop", container="two", facts={"seconds": 0.4, "grace": 10, "state": "exited"}),
        ActionResult(name="list", facts={"found": 4, "expected": 4}),
        ActionResult(name="image", facts={"id": "sha256:1", "imported": True}),
    )  # fmt: skip


def _traits(known: NodeProfile) -> Traits:
    traits = runtime_traits.traits(known)
    assert traits is not None
    return traits
