"""The catalogue of checks: what each id means, which job it proves, who says so, and what to do when it fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

JOBS: Mapping[str, str] = {
    "cgroup": "a cgroup in the right place, with limits that hold",
    "command": "the command runs, with its rights and no others",
    "namespaces": "namespaces keep the container apart",
    "rootfs": "a root file system of its own",
    "cleanup": "nothing is left behind",
    "runtime": "the runtime is ready and is what it should be",
    "network": "pods connect",
    "host": "the host has what containers need",
}
"""The five jobs of a low-level runtime, then what it stands on."""

_HELPERS = "kubernetes 1.20.2 pkg/kubelet/cm/helpers_linux.go"
_MANAGER = "kubernetes 1.20.2 pkg/kubelet/cm/cgroup_manager_linux.go"
_OCI = "OCI runtime-spec config-linux.md"
_MEMORY = "kernel Documentation/admin-guide/cgroup-v2.rst, Memory"
_CPU = "kernel Documentation/scheduler/sched-bwc.rst"
_CAPS = "moby oci/caps/defaults.go; containerd pkg/oci; cri-o pkg/config/config.go"
_NS = "namespaces(7)"
_SANDBOX = "kubernetes cri-api api.proto, NamespaceOption"
_CNI = "kubernetes.io, Cluster Networking: the network model"
_OF_DRIVERS = "kubernetes.io, Configuring a cgroup driver"
_DISABLED = "look for cgroup_disable= on the kernel's command line"
_DRIVER = "make the runtime's cgroup driver the kubelet's: SystemdCgroup, cgroup_manager or native.cgroupdriver"
_ROUTER = "set net.ipv4.ip_forward=1 in /etc/sysctl.d: Docker did so without saying"
_RECREATE = "the low-level runtime does not do what it was told: compare runc or crun with the release that was tested"
_KUBELET = "look into the journal of the kubelet for what it could not write into the cgroup tree"
_LEFT = "remove it by hand, and look into the journal of the runtime for why it could not"
_LSM = "load the profile: the package apparmor, and the runtime restarted after it"


@dataclass(frozen=True)
class Rule:
    """One id."""

    id: str
    job: str
    """One of JOBS."""
    what: str
    """What holds, in one sentence."""
    source: str
    remedy: str = ""
    proves: bool = False
    """Whether the job is not proved while this is unknown."""


def _of(job: str, *rows: tuple[str, str, str, str] | tuple[str, str, str]) -> tuple[Rule, ...]:
    """Make the rules of one job; a "*" after an id marks one that proves it."""
    return tuple(
        Rule(row[0].rstrip("*"), job, row[1], row[2], row[3] if len(row) > 3 else "", row[0].endswith("*"))
        for row in rows
    )


SUBJECTS: Mapping[str, tuple[Rule, ...]] = {
    "The cgroup": _of(
        "cgroup",
        ("cgroup-path*", "The container is below its pod's cgroup, where the kubelet looks for it.",
         f"{_MANAGER}; containerd#7276", _DRIVER),
        ("cgroup-name", "Its own cgroup is named as this runtime names them.",
         "runc libcontainer/cgroups/systemd; cri-o internal/config/cgmgr", _DRIVER),
        ("cgroup-driver", "It was made by the kubelet's cgroup driver.",
         f"{_OF_DRIVERS}; containerd#4857", _DRIVER),
        ("cgroup-controllers", "On v1 every controller has it in the same place.", "cgroups(7)", _RECREATE),
        ("memory-limit", "The limit of memory is the one asked for, in whole pages.", f"{_HELPERS}; {_MEMORY}",
         _RECREATE),
        ("swap-limit", "A limit of memory cannot be evaded by swapping.",
         f"{_MEMORY}, memory.swap.max; containerd pkg/cri/opts", "turn swap off, or memory.swap accounting on"),
        ("cpu-quota", "The share of CPU time is the one asked for.", f"{_HELPERS}; {_CPU}",
         "look for cpuCFSQuota in the kubelet's configuration"),
        ("cpu-weight", "The weight on a busy CPU is that of the request, by the old or the new formula.",
         f"{_HELPERS}; opencontainers/cgroups ConvertCPUSharesToCgroupV2Value; runc 1.3.2, crun 1.23", _RECREATE),
        ("pids-limit", "The container may have as many processes as its pod.",
         "cri-o pkg/config/config.go, pids_limit (1024 up to 1.23)", "raise the runtime's pids_limit"),
        ("pod-pids", "The pod may have as many processes as podPidsLimit says.",
         "kubernetes 1.20.2 pkg/kubelet/cm/pod_container_manager_linux.go", _KUBELET),
        ("pod-memory", "The pod's limit of memory is the sum of its containers'.", f"{_HELPERS}, ResourceConfigForPod",
         _KUBELET),
        ("pod-cpu-quota", "The pod's share of CPU time is the sum of its containers'.",
         f"{_HELPERS}, ResourceConfigForPod", _KUBELET),
        ("pod-cpu-weight", "The pod's weight is that of its containers' requests.",
         f"{_HELPERS}, ResourceConfigForPod; kubelet 1.35 for the new formula", _KUBELET),
        ("memory-enforced*", "A process that uses more memory than its limit is killed by the kernel.", _MEMORY,
         "see memory-limit, memory-controller and cgroup-path: one of them is why"),
        ("memory-allowed", "A process that stays below the limit is not.", _MEMORY,
         "the limit is lower than asked, or the node is out of memory"),
        ("cpu-enforced", "A busy loop gets its share of CPU time and no more.", _CPU,
         "see cpu-quota and cpu-controller: one of them is why"),
        ("pids-enforced", "Forks end at the pod's limit of processes.",
         "kernel Documentation/admin-guide/cgroup-v1/pids.rst", "see pod-pids and pids-controller"),
    ),
    "The command": _of(
        "command",
        ("container-runs*", "The container runs.", "CRI RunPodSandbox, CreateContainer, StartContainer",
         "what was found are the runtime's words: mend that"),
        ("first-process*", "Its process 1 is the image's program.", "OCI runtime-spec config.md, process",
         "another program runs: look for an entry point or hook of the runtime's"),
        ("own-pid", "Its main process is number 1 to itself.", "pid_namespaces(7)", _RECREATE),
        ("oom-score", "The kernel kills it before or after others by its QoS class.",
         "kubernetes 1.20.2 pkg/kubelet/qos/policy.go", "look for restrict_oom_score_adj"),
        ("capabilities-bounding", "It can never have other capabilities than it was given.", _CAPS,
         "compare default_capabilities, or the base_runtime_spec, with the runtime's own"),
        ("capabilities-permitted", "It may use those capabilities.", f"capabilities(7); {_CAPS}", _RECREATE),
        ("capabilities-effective", "It does use those capabilities.", f"capabilities(7); {_CAPS}", _RECREATE),
        ("capabilities-inheritable", "It passes none on to programs that it starts.", "CVE-2022-24769",
         "update the runtime"),
        ("capabilities-ambient", "None survives a change of user.", "capabilities(7)", _RECREATE),
        ("seccomp", "System calls are filtered where that was asked for.",
         "kubernetes.io, Restrict a Container's Syscalls with seccomp; cri-o seccomp_use_default_when_empty",
         "look for seccomp in the runtime's configuration, and CONFIG_SECCOMP_FILTER in the kernel"),
        ("apparmor", "It has the runtime's AppArmor profile, where the node has AppArmor.",
         "kubernetes.io, Restrict a Container's Access to Resources with AppArmor; runc#4281", _LSM),
        ("no-new-privileges", "It can gain no privileges where that was asked for.",
         "kernel Documentation/userspace-api/no_new_privs.rst", _RECREATE),
        ("open-files", "It may open as many files as the configuration says.",
         "containerd#8579; docker/packaging and containerd's unit files, LimitNOFILE",
         "set LimitNOFILE of the runtime's service, or the base_runtime_spec"),
        ("exec-confined", "A command that joins it later has the same rights.", "OCI runtime-spec; CRI ExecSync",
         _RECREATE),
        ("exec*", "A command runs in it, and its output arrives.", "CRI ExecSync",
         "look into the journal of the runtime: its shim or monitor does not answer"),
        ("logs", "What it writes is in its log.", "kubernetes design CRI logging; containerd#8579",
         "look at /var/log/pods: links of the old runtime may be in the way"),
        ("stops", "It gets SIGTERM when it is stopped.", "CRI StopContainer; runc#4281",
         "look for denied signals in the kernel's log: AppArmor may forbid them"),
    ),
    "Namespaces": _of(
        "namespaces",
        ("net-own*", "Its network is not the host's.", f"{_NS}; {_SANDBOX}", _RECREATE),
        ("pid-own*", "Its processes are not the host's.", f"{_NS}; {_SANDBOX}", _RECREATE),
        ("mnt-own*", "Its mounts are not the host's.", _NS, _RECREATE),
        ("uts-own*", "Its hostname is not the host's.", _NS, _RECREATE),
        ("ipc-own*", "Its shared memory and queues are not the host's.", f"{_NS}; {_SANDBOX}", _RECREATE),
        ("cgroup-own", "On v2 it sees its own cgroup as the root.",
         "cgroup_namespaces(7); containerd pkg/cri/server; moby default-cgroupns-mode", _RECREATE),
        ("user-host", "Its user namespace is the host's, as nobody asked for another.",
         f"user_namespaces(7); {_SANDBOX}", "look for a user namespace in the runtime's configuration"),
        ("id-maps", "Its users have the numbers that they have on the host.", "user_namespaces(7)",
         "look for a user namespace in the runtime's configuration"),
        ("sandbox-net", "It has its sandbox's network.", _SANDBOX, _RECREATE),
        ("sandbox-ipc", "It has its sandbox's shared memory.", _SANDBOX, _RECREATE),
        ("sandbox-uts", "It has its sandbox's hostname.", f"{_SANDBOX}; containerd pkg/cri/opts", _RECREATE),
        ("exec-joined", "A command that joins it later is in all its namespaces.", "setns(2); CRI ExecSync", _RECREATE),
        ("hostname", "Its hostname is the pod's name.", "kubernetes.io, DNS for Services and Pods: hostname",
         _RECREATE),
        ("processes-visible*", "It sees its own processes and no others.", "pid_namespaces(7)",
         "look for a /proc of the host that is mounted into containers"),
        ("net-shared", "Containers of one pod share their network.", f"{_SANDBOX}; kubernetes.io, Pods", _RECREATE),
        ("ipc-shared", "Containers of one pod share their shared memory.", f"{_SANDBOX}; kubernetes.io, Pods",
         _RECREATE),
        ("uts-shared", "Containers of one pod share their hostname's namespace, as this runtime does it.",
         "kubernetes 1.20.2 pkg/kubelet/dockershim/security_context.go; containerd pkg/cri/opts", _RECREATE),
        ("pid-private", "Containers of one pod do not see each other's processes.",
         "kubernetes.io, Share Process Namespace between Containers in a Pod", _RECREATE),
        ("mnt-private", "Containers of one pod do not see each other's mounts.", _NS, _RECREATE),
        ("net-apart", "Pods have a network each.", f"{_NS}; {_CNI}", _RECREATE),
        ("ipc-apart", "Pods have shared memory each.", _NS, _RECREATE),
        ("uts-apart", "Pods have a hostname each.", _NS, _RECREATE),
        ("pid-apart", "Pods do not see each other's processes.", _NS, _RECREATE),
        ("mnt-apart", "Pods do not see each other's mounts.", _NS, _RECREATE),
        ("port-same*", "Two pods listen on the same port, and each reaches itself.", f"network_namespaces(7); {_CNI}",
         "look for what holds the port on the host: a container of the old runtime may"),
        ("port-taken", "A port that the pod uses is taken in the pod.", "bind(2), EADDRINUSE", _RECREATE),
        ("mount-unseen*", "What a privileged container mounts is seen by nobody else.", "mount_namespaces(7)",
         "look for shared mounts (MountFlags of the runtime's service, rootfsPropagation)"),
        ("mount-refused", "An unprivileged container can mount nothing.", "mount(2), EPERM",
         "see capabilities-bounding and apparmor"),
        ("ipc-host*", "Shared memory of the host is not seen in containers.", "ipc_namespaces(7)", _RECREATE),
        ("ipc-pod", "Shared memory of a container is seen in its pod and nowhere else.", "ipc_namespaces(7)",
         _RECREATE),
        ("shm-file", "A file in the host's /dev/shm is not seen in containers.", "shm_overview(7)", _RECREATE),
    ),
    "The root file system": _of(
        "rootfs",
        ("rootfs-own*", "Its root directory is not the host's.", "OCI runtime-spec config.md, root", _RECREATE),
        ("rootfs-kind", "Its root file system is a snapshot of the image.",
         "containerd docs/snapshotters; moby daemon/graphdriver", "look at the snapshotter or storage driver"),
        ("rootfs-writable", "It can be written to.", "OCI runtime-spec config.md, root.readonly", _RECREATE),
        ("rootfs-private", "It passes no mounts on to the host.", f"{_OCI}, rootfsPropagation", _RECREATE),
        ("mounts-standard*", "/proc, /dev, /dev/pts, /dev/shm and /sys are there.", f"{_OCI}, Default Filesystems",
         _RECREATE),
        ("shm-size", "/dev/shm has 64 MiB.",  # noqa: S108
         "moby, containerd and cri-o: their common default",
         "look for shm_size in the runtime's configuration"),
        ("masked-paths", "Files that tell of the host are hidden.",
         "kubernetes 1.20.2 pkg/securitycontext/util.go, defaultMaskedPaths", _RECREATE),
        ("readonly-paths", "Settings of the kernel cannot be changed.",
         "kubernetes 1.20.2 pkg/securitycontext/util.go, defaultReadonlyPaths", _RECREATE),
        ("sysfs", "/sys can be written to by privileged containers alone.",
         "containerd pkg/cri/opts; moby oci/defaults.go", _RECREATE),
        ("devices", "It has the standard devices, and the host's when it is privileged.", f"{_OCI}, Default Devices",
         "look for devices in the runtime's configuration"),
    ),
    "Cleanup": _of(
        "cleanup",
        ("left-cgroup*", "No cgroup is left.", "runc delete; kubernetes#43856", _LEFT),
        ("left-process*", "No process is left.", "CRI RemovePodSandbox; kubernetes#61327", _LEFT),
        ("left-netns*", "No network namespace is left.", "CRI RemovePodSandbox", _LEFT),
        ("left-interface*", "No network interface is left.", "CNI specification, DEL", _LEFT),
        ("left-mount*", "No mount is left.", "CRI RemoveContainer", _LEFT),
        ("left-address*", "No address stays reserved.", "CNI specification, DEL; plugins host-local; calico#4502",
         _LEFT),
        ("left-log", "No log is left.", "kubernetes 1.20.2 pkg/kubelet/kuberuntime/kuberuntime_gc.go", _LEFT),
        ("left-container*", "No container is left in the runtime's list.", "CRI RemoveContainer", _LEFT),
        ("left-sandbox*", "No sandbox is left in the runtime's list.", "CRI RemovePodSandbox", _LEFT),
        ("left-state", "No state of it is left below /run.", "runc delete; containerd's shim", _LEFT),
    ),
    "The runtime": _of(
        "runtime",
        ("runtime-answers*", "It can be asked over CRI.", "CRI Version, Status; containerd#8139, #4581",
         "look for cri in disabled_plugins, and into the journal of the runtime"),
        ("runtime-ready*", "It says that it is ready.", "CRI Status, RuntimeReady", "what was found are its words"),
        ("network-ready", "It says that the pod network is ready.", "CRI Status, NetworkReady",
         "look at /etc/cni/net.d and the folder of the plugins"),
        ("runtime-name", "It is the runtime that this is about.", "CRI Version",
         "another runtime listens on this socket: look at the kubelet's --container-runtime-endpoint"),
        ("runtime-driver", "Its cgroup driver is the kubelet's.", f"CRI RuntimeConfig; {_OF_DRIVERS}",
         _DRIVER),
        ("cri-version", "It speaks a version of CRI that the kubelet speaks.",
         "kubernetes.io, Container Runtimes; kubernetes#110618; containerd docs/containerd-2.0.md",
         "choose a runtime by the kubelet's version"),
        ("lists-containers", "Its list has our containers.", "CRI ListContainers", "look into its journal"),
        ("has-image", "It has the image that was brought.", "CRI ImageStatus; containerd#13494",
         "import it into the namespace k8s.io"),
    ),
    "The network": _of(
        "network",
        ("pod-address", "A pod has the address that the runtime tells.", "CRI PodSandboxStatus; CNI specification, ADD",
         "look at the network configuration that counts: the first file of /etc/cni/net.d"),
        ("interfaces", "A pod has a loopback and an interface.", "CNI specification, ADD",
         "look at the network configuration that counts: the first file of /etc/cni/net.d"),
        ("pod-to-pod*", "A pod reaches another on its node.", _CNI,
         "see ip-forward, forward-policy and bridge-netfilter"),
        ("pod-to-pod-back*", "And that one reaches the first.", _CNI,
         "see ip-forward, forward-policy and bridge-netfilter"),
        ("host-to-pod", "The host reaches a pod, as the kubelet's probes must.", _CNI, "look at the host's routes"),
        ("host-to-peer", "The host reaches a pod of another QoS class.", _CNI, "look at the host's routes"),
        ("service", "A pod reaches the Service kubernetes, where it did before.", "kubernetes.io, Service",
         "look at kube-proxy, forward-policy and bridge-netfilter"),
        ("resolve", "A pod resolves names of the cluster, where it did before.",
         "kubernetes.io, DNS for Services and Pods", "look at --cluster-dns of the kubelet and the pods of the DNS"),
        ("egress", "A pod reaches what is outside, where it did before.", f"{_CNI}; kubernetes/website#36336",
         "see ip-forward and forward-policy; look for the rule that masquerades"),
    ),
    "The host": _of(
        "host",
        ("ip-forward*", "It passes packets on.", "kubernetes/website#36336; kubernetes.io, Container Runtimes",
         _ROUTER),
        ("forward-policy", "It does not drop what it should pass on.", "moby#28257; deckhouse#470",
         "iptables -P FORWARD ACCEPT, at every boot: Docker set it to DROP"),
        ("bridge-netfilter", "Packets on bridges pass iptables.", "kubernetes.io, Container Runtimes",
         "set net.bridge.bridge-nf-call-iptables=1 in /etc/sysctl.d"),
        ("module-overlay", "The kernel has overlay.", "kubernetes.io, Container Runtimes",
         "name overlay in /etc/modules-load.d"),
        ("module-br-netfilter", "The kernel has br_netfilter, where it had it before.",
         "kubernetes.io, Container Runtimes; kubernetes/website#36336", "name br_netfilter in /etc/modules-load.d"),
        ("memory-controller", "The kernel limits memory.", "cgroups(7)",
         "boot with cgroup_enable=memory: without it no limit of memory holds"),
        ("cpu-controller", "The kernel limits CPU time.", "cgroups(7)", _DISABLED),
        ("pids-controller", "The kernel limits processes.", "cgroups(7)", _DISABLED),
        ("apparmor-on", "AppArmor is on where it was before.", "runc#4281; kurl#5354",
         "boot with apparmor=1 security=apparmor"),
        ("other-runtime", "No runtime that the kubelet does not use has containers of Kubernetes.",
         "kubernetes.io, Changing the Container Runtime; CRI ListPodSandbox: a kubelet asks one runtime",
         "remove them there (docker rm -f): the kubelet does not see them, and has started the same ones again"),
        ("kubelet-service", "The kubelet runs, and starts with the node.", "systemctl(1), is-enabled",
         "systemctl enable --now kubelet"),
        ("runtime-service", "The runtime runs, and starts with the node.", "systemctl(1), is-enabled",
         "systemctl enable --now the runtime's service"),
    ),
}  # fmt: skip
"""Rules by subject, in the order in which the documentation has them."""

RULES: Mapping[str, Rule] = {rule.id: rule for rules in SUBJECTS.values() for rule in rules}

_INTRODUCTION = """# What a proof checks

Each check has an id, followed by `[pod/container]` where each probe container has its own. It *passes*, *fails*, or is
*unknown*: what could not be tried, or where nothing says what is right, never counts as passed. A job is proved when
nothing of it failed and every check with a ● passed. This page is written from the catalogue in
`migrator/proof/catalogue.py`.
"""


def page() -> str:
    """Give the documentation of all checks, as Markdown."""
    return "\n".join([_INTRODUCTION, *_sections()])


def _sections() -> Iterator[str]:
    for subject, rules in SUBJECTS.items():
        yield f"## {subject}\n\nThe job: {JOBS[rules[0].job]}.\n"
        yield "| id | | what holds | source | when it fails |\n| --- | --- | --- | --- | --- |"
        for rule in rules:
            yield f"| `{rule.id}` | {'●' if rule.proves else ''} | {rule.what} | {rule.source} | {rule.remedy} |"
        yield ""
