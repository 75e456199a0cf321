"""The catalogue of checks: what each id means, how severe it is, whether it can be waived, and who says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from migrator.model.plan import Severity

B, W, I = Severity.BLOCKS, Severity.WARNS, Severity.INFORMS  # noqa: E741 - the three letters of the table below


@dataclass(frozen=True)
class Rule:
    """One id."""

    id: str
    severities: tuple[Severity, ...]
    """The usual one first; a second one for situations in which it weighs more or less."""
    what: str
    """One sentence."""
    source: str = ""
    """Who says so: an upstream file, issue or pull request; empty where it is our own decision."""
    waivable: bool = False
    """Whether `--allow <id>` turns a block into a warning."""

    @property
    def severity(self) -> Severity:
        """The usual severity."""
        return self.severities[0]


SUBJECTS: Mapping[str, tuple[Rule, ...]] = {
    "The machine": (
        Rule("wrong-machine", (B,), "The host is not the Node that would be drained: another one would be switched."),
        Rule("control-plane", (B,), "Control-plane nodes are left out until a lab has proven them; they are known by "
             "labels, static pods, processes of the host, and the addresses of the API server."),
        Rule("node-not-ready", (B,), "A node that is broken before the migration cannot be judged after it."),
        Rule("node-pressure", (B,), "The node is short of memory, disk or process ids already.", waivable=True),
        Rule("no-systemd", (B,), "Services are managed through systemd; nothing else is supported as PID 1."),
        Rule("installation", (B,), "Another tool owns this node's runtime and would undo or break a change.",
             "docs of the tools; rancher/rancher-docs#1426 for RKE"),
        Rule("installation-managed", (W,), "The next run of the tool that set the node up overwrites the migration.",
             "kubespray docs/upgrades/migrate_docker2containerd.md"),
        Rule("clock-skew", (B,), "The host's clock is off, so heartbeats before and after cannot be told apart.",
             waivable=True),
        Rule("half-migrated", (B,), "A switch stopped in its middle, or containers of Kubernetes run in two runtimes.",
             "kubernetes/kubernetes#61327"),
        Rule("no-way-back", (B,), "A rollback needs a switch that is recorded on the node, and Docker."),
        Rule("docker-needed", (B,), "Docker cannot be removed from a node on which somebody uses it."),
        Rule("docker-active", (B,), "Docker runs: somebody may use it, though nothing runs in it.", waivable=True),
        Rule("docker-containers", (B,), "Containers beside Kubernetes' would go with Docker's data.", waivable=True),
        Rule("docker-volumes", (B,), "Named volumes would go with Docker's data.", waivable=True),
        Rule("docker-removal", (B,), "Docker is removed by its packages and plain files alone."),
        Rule("docker-leftovers", (I,), "What may be somebody else's stays; what does not outlive a boot goes then."),
        Rule("images-only-new", (W,), "Images that came after the migration are not in Docker's store."),
        Rule("leftovers", (I, B), "Another runtime left files; a folder in a socket's place keeps a runtime from "
             "starting.", "kops#11589; kubeadm detectCRISocketImpl"),
        Rule("cordoned", (I,), "Somebody has cordoned the node; it stays cordoned."),
        Rule("facts-incomplete", (B,), "A part of the node could not be read, so nobody knows what it holds.",
             waivable=True),
        Rule("unreadable-file", (B,), "A file that decides something could not be read for what it is."),
        Rule("overruled", (B,), "Another file has the last word over one that would be written.",
             "systemd.unit(5), systemd.exec(5), sysctl.d(5), modprobe.d(5), crio.conf.d(5), "
             "containers-registries.conf.d(5)"),
        Rule("unwritable", (B,), "What the switch writes could not be written, or not be put back: a read-only file "
             "system, chattr, a mount or several names of one file; /usr where a package has to be installed."),
        Rule("files-in-memory", (B, W), "What the switch writes, or its journal, would be gone after a reboot, and the "
             "way back with it; it warns where what lies below an overlay is out of sight.",
             "overlayfs.rst; systemd-volatile-root.service(8); dracut.cmdline(7), rd.live.overlay; overlayroot"),
        Rule("data-in-memory", (B, W), "Images and containers of the new runtime would be gone after a reboot.",
             "tmpfs(5)", waivable=True),
    ),
    "The source": (
        Rule("source-runtime", (B,), "Only Docker can be migrated from in this version."),
        Rule("cri-dockerd", (B,), "The kubelet reaches Docker through cri-dockerd, which cannot be migrated from yet."),
        Rule("kubelet-stopped", (B,), "Without a running kubelet its real command line is not known."),
        Rule("kubelet-elsewhere", (B,), "The kubelet is not a service of the host's.",
             "Charmed Kubernetes (snap); Mirantis Kubernetes Engine (ucp-kubelet)"),
        Rule("docker-stopped", (B,), "Without a running Docker its containers and images are not known."),
    ),
    "Versions": (
        Rule("cri-version", (B,), "Kubelet and runtime have no version of CRI in common.",
             "containerd docs/containerd-2.0.md; kubernetes/kubernetes#110618; containerd#7863"),
        Rule("runtime-version", (B,), "The configuration of the runtime's version, installed or yet to come, is not "
             "known.",
             "containerd docs/PLUGINS.md"),
        Rule("runtime-faulty", (B, W), "Releases of containerd that fail: those in which pods fail are refused, also "
             "before they are installed.", "containerd#13483, #13529, #13609"),
        Rule("crio-broken", (B,), "CRI-O refuses a file of its configuration or of its registries, and does not start.",
             "cri-o pkg/config/config.go; containers/image pkg/sysregistriesv2"),
        Rule("runtime-install", (I,), "The new runtime is not installed, so what it must be told is not known yet."),
        Rule("runtime-unsupported", (B,), "CRI-O can be planned for, but this version does not switch to it."),
        Rule("crio-minor", (B,), "CRI-O's minor version must be the kubelet's, or one beside it.",
             "cri-o/cri-o README, compatibility matrix"),
        Rule("cgroup-v2-kubelet", (B,), "Kubelets before 1.19 do not run on cgroup v2 alone.",
             "kubernetes-sigs/kind#2082"),
        Rule("cgroup-v1", (B, W), "Kubelets treat cgroup v1 as maintained only since 1.31 and refuse it from 1.35 on.",
             "kubernetes/kubernetes#134298"),
        Rule("cni-version-bugs", (W,), "containerd 1.6.0 to 1.6.3 fails with network plugins of other CNI versions.",
             "kubernetes.io, Troubleshooting CNI plugin-related errors"),
        Rule("runtime-eol", (I,), "Upstream no longer supports this line of containerd.", "containerd RELEASES.md"),
        Rule("runtime-jump", (W,), "A package was upgraded over more versions than containerd supports at once.",
             "containerd#12727; containerd docs/containerd-2.0.md"),
        Rule("apparmor-signals", (W,), "AppArmor 4 keeps runc from stopping containers of this containerd.",
             "opencontainers/runc#4281; containerd#10123; kURL#5354"),
    ),
    "The next Kubernetes version (`migrator_kubernetes_target`)": (
        Rule("kubernetes-target-runtime", (W,), "The runtime is too old for the Kubernetes version that is aimed at.",
             "containerd RELEASES.md, Kubernetes support"),
        Rule("kubernetes-target-cri", (W,), "Kubelets from 1.26 on speak CRI v1 only.", "kubernetes/kubernetes#110618"),
        Rule("kubernetes-target-cgroup-v1", (W,), "Kubelets from 1.35 on refuse cgroup v1.",
             "kubernetes/kubernetes#134298"),
        Rule("kubernetes-target-flags", (W,), "Flags that stay on the command line would keep that kubelet from "
             "starting.", "kubernetes/kubernetes#114017, #133779; kubeone#2924"),
        Rule("kubernetes-target-cgroup-driver", (W,), "Newer kubelets ask the runtime for the cgroup driver, which "
             "this runtime cannot tell.", "KEP-4033; kubernetes/website#55954"),
    ),
    "Packages": (
        Rule("package-conflict", (B,), "Packages that exclude each other own the runtime's programs.",
             "kubespray#8431; docker/docker-install#230"),
        Rule("package-held", (W, B), "The package manager was told to leave a package of the runtime alone."),
    ),
    "The kubelet": (
        Rule("kubelet-flags", (B,), "Flags of the running kubelet come from a place that is not known, and would "
             "contradict the rewritten ones.", "Faisal-Hajari/ai-platform#5"),
        Rule("kubelet-needs-docker", (B, W), "The kubelet's unit stops when Docker's does, calls it, or wants "
             "a file of its; it warns where a failure is borne, and where a command only names Docker.",
             "kubermatic/machine-controller#1099"),
        Rule("kubelet-config", (B,), "The kubelet takes its configuration, or its images, from elsewhere than what "
             "is rewritten.", "kubelet --dynamic-config-dir; --image-service-endpoint"),
        Rule("removed-flags", (I,), "Flags stay that a later kubelet does not know; it would not start.",
             "kubernetes/kubernetes#114017, #133779, #139870"),
    ),
    "Docker's settings": (
        Rule("docker-settings-lost", (B,), "Settings that nothing does on the new runtime.", "moby daemon/config",
             waivable=True),
        Rule("docker-unknown-key", (B,), "Keys that no known Docker has; what they do for pods cannot be told.",
             "moby daemon/config, 1.13 to 29", waivable=True),
        Rule("docker-environment", (W,), "Docker's unit has variables that the new runtime's has not.",
             "rke2#775; containerd#7039; harbor#16971"),
        Rule("docker-unit", (W,), "Docker's unit has settings of its owner's that the new runtime's has not.",
             "giantswarm/k8scloudconfig#848"),
        Rule("docker-image-store", (B,), "Docker keeps its images in containerd, from where they cannot be carried "
             "yet.", "moby 29 release notes; tsouza/cerberus#3589"),
        Rule("docker-remote-api", (W,), "Docker's API is served over the network, so somebody outside may use it."),
        Rule("docker-embedded-containerd", (I, W), "Docker runs a containerd of its own beside the system's.",
             "moby cmd/dockerd, system containerd detection"),
        Rule("low-level-runtime-missing", (B,), "The program of a handler is not on the node."),
        Rule("default-runtime", (I,), "Pods ran with another low-level runtime than runc without asking for it."),
        Rule("gpu-runtime", (W,), "Pods reach GPUs through Docker's NVIDIA runtime.",
             "k8s-device-plugin#314; nvidia-container-toolkit#1404"),
        Rule("insecure-registry-silent", (W,), "An insecure registry did not answer, so HTTP or HTTPS is a guess.",
             "containerd core/remotes/docker/config/hosts.go"),
        Rule("registries-kept", (I, B), "A registry's hosts.toml is there already and is left as it is.",
             waivable=True),
        Rule("other-proxy", (W,), "The new runtime's unit has a proxy already, and Docker has none.",
             "golang.org/x/net/http/httpproxy"),
        Rule("proxy-credentials", (B,), "A proxy's password or token would be written; no plan carries secrets."),
        Rule("credential-helpers", (W,), "Docker gets passwords from helpers, which the kubelet does not know.",
             "kubernetes 1.20.2 pkg/credentialprovider/config.go; kubermatic/operating-system-manager#570"),
        Rule("images-elsewhere", (W,), "Files of the node's owner send CRI-O to other places for images than Docker "
             "went.", "containers-registries.conf(5), prefix, blocked, aliases"),
        Rule("docker-login", (I,), "Root is logged in to registries with Docker; the new runtime does not read that."),
    ),
    "containerd": (
        Rule("containerd-credentials", (B,), "containerd's configuration holds passwords, which no plan carries."),
        Rule("containerd-disabled-cri", (I,), "The packaged configuration turns the CRI plugin off; it gets turned on.",
             "containerd#8139, #4581; kubernetes/kubernetes#131164"),
        Rule("containerd-imports", (W, B), "Imported files set what the migration sets, and win over it.",
             "containerd docs/man/containerd-config.toml.5.md; kubespray#13285"),
        Rule("containerd-elsewhere", (B,), "containerd runs with another configuration, socket or data folder than the "
             "one that is planned for.", "containerd(8), --config, --address, --root"),
        Rule("selinux-appears", (W,), "Containers get SELinux labels that Docker did not give them.",
             "kops#15487; containerd#211"),
        Rule("containerd-broken", (B,), "containerd's CRI plugin fails to load now."),
        Rule("containerd-shared", (I, W), "Docker runs on the containerd that the kubelet will use.",
             "moby contrib/init/systemd/docker.service"),
    ),
    "Cgroups": (
        Rule("cgroup-driver", (B,), "Kubelet and Docker use different cgroup drivers, so something is wrong already.",
             "kubernetes 1.20.2 pkg/kubelet/dockershim/docker_service.go"),
        Rule("cgroup-driver-after", (B,), "What would be written gives the new runtime another cgroup driver than the "
             "kubelet has.", "containerd#7276, #4857; kubespray#8122; geerlingguy/ansible-role-containerd#24"),
        Rule("cgroupfs-on-systemd", (W,), "Two managers write the same cgroup tree.",
             "kubernetes.io, Configuring a cgroup driver"),
    ),
    "Network": (
        Rule("no-cni", (B,), "There is no CNI network to inherit: kubenet and docker0 end with Docker.",
             "kubernetes/kubernetes#100707; Azure/aks-engine#1723"),
        Rule("cni-plugins", (B,), "No folder that the new runtime looks into has all network plugins."),
        Rule("cni-order", (W,), "Another tool's bridge network is there, and wins if it sorts first.", "cri-o#2411"),
        Rule("sysctl-contradicted", (W,), "Another file says otherwise what pods need and Docker turned on at each "
             "start.", "moby#47966; kops#9551; kubespray#747; sysctl.d(5)"),
        Rule("forward-policy", (W,), "The FORWARD policy DROP is Docker's and changes at the next boot.",
             "moby#28257; deckhouse#470"),
        Rule("not-persistent", (I,), "Docker loads modules and sets sysctls at its start; they are made permanent.",
             "kubernetes/website#36336"),
        Rule("stale-addresses", (I,), "Addresses are kept for containers that are gone.",
             "containernetworking/plugins host-local; calico#4502"),
        Rule("host-ports", (B,), "Pods ask for host ports, and the network has no plugin that gives them.",
             "containernetworking/plugins portmap", waivable=True),
    ),
    "Who uses Docker": (
        Rule("docker-socket-mounts", (B,), "Pods reach into Docker from the host's file system.",
             "kubernetes.io, Migrating telemetry and security agents from dockershim", waivable=True),
        Rule("docker-socket-daemonsets", (I,), "DaemonSets of the cluster reach into Docker on every node.",
             "kops#11589"),
        Rule("log-agents", (W,), "Log files get another place and format, which agents must be told.",
             "containerd#8579; cri-o#897"),
        Rule("foreign-containers", (I,), "Containers that are not Kubernetes' are left alone, and Docker with them.",
             "kubespray#10530, #8693"),
        Rule("docker-callers", (W,), "Units and scheduled jobs call Docker; they fail once it is stopped."),
        Rule("docker-units", (W, I), "Units of the host need Docker's, or start it again.",
             "systemd.unit(5); flatcar.org, Customizing Docker"),
        Rule("etcd-in-docker", (B,), "etcd runs as a Docker container.", "kubespray#7420, #8528"),
    ),
    "Who else works on the node": (
        Rule("configuration-management", (W,), "Configuration management may put back what the migration writes.",
             "Puppet, Chef, Salt, CFEngine, Rudder, ansible-pull"),
        Rule("automatic-upgrades", (I,), "Packages are upgraded, services restarted or the node rebooted by itself.",
             "unattended-upgrades, needrestart, dnf-automatic, locksmithd"),
        Rule("node-reapers", (W,), "Something in the cluster removes, reboots or drains nodes by their state.",
             "cluster-autoscaler FAQ; Cluster API, MachineHealthCheck; kured; draino; descheduler"),
        Rule("runtime-writers", (W,), "Pods on the node write the runtime's configuration and restart it.",
             "gpu-operator#712, #598; nvidia-container-toolkit#1040; kata-containers#13108"),
    ),
    "The drain": (
        Rule("local-storage", (B,), "Pods keep data in an emptyDir, which the drain deletes.",
             "kubectl pkg/drain/filters.go", waivable=True),
        Rule("unmanaged-pods", (B,), "Pods that nobody would create again.", "kubectl pkg/drain/filters.go",
             waivable=True),
        Rule("long-grace-period", (W,), "What stays on the node is killed in the switch when it has not ended after "
             "five minutes."),
        Rule("single-replica", (W,), "Workloads of one pod are away while it moves."),
        Rule("all-ready-pods", (W,), "Workloads of several pods, of which none elsewhere is ready, are away while they "
             "move."),
        Rule("several-budgets", (B,), "The API server evicts no pod that more than one PodDisruptionBudget covers.",
             "kubernetes 1.20.2 pkg/registry/core/pod/storage/eviction.go"),
        Rule("budget-exhausted", (W,), "A PodDisruptionBudget allows no eviction now; the drain would wait.",
             "kubectl#172; kubernetes/kubernetes#91141"),
        Rule("budget-never", (B,), "A PodDisruptionBudget keeps all pods of a workload, or its only one, for ever.",
             "longhorn#1286; kubectl#172", waivable=True),
        Rule("capacity", (B,), "The other nodes have no room for the pods that leave.", waivable=True),
    ),
    "Batches": (
        Rule("batch-replicas", (I, W), "Nodes that hold all ready pods of a workload go into different batches. Where "
             "that is allowed they may go together, and their drains do not wait for each other.", waivable=True),
        Rule("batch-capacity", (I,), "A batch has only as many nodes as the others have room for; `--allow capacity` "
             "makes it as large as was asked for."),
    ),
    "Pods on the new runtime": (
        Rule("runtime-class-handlers", (W,), "A RuntimeClass names a handler that the new runtime will not have.",
             "kubernetes 1.20.2 pkg/kubelet/dockershim/docker_sandbox.go"),
        Rule("low-ports", (B,), "Containers without root lose ports below 1024, and ping, which Docker gives them.",
             "moby daemon/oci_linux.go (20.10); containerd 1.6, enable_unprivileged_ports", waivable=True),
        Rule("crio-capabilities", (W,), "CRI-O gives containers fewer capabilities than Docker.", "cri-o#3119"),
        Rule("ulimits-change", (W,), "Containers inherit other resource limits from the new runtime than from Docker.",
             "containerd#7566; edgelesssys/constellation#2815"),
    ),
    "Images and disk": (
        Rule("disk-space", (B,), "The images do not fit beside Docker's, or leave less than the kubelet wants free.",
             "kubespray#8485; kubelet imagefs.available 15 %", waivable=True),
        Rule("zfs-dataset", (B,), "containerd's zfs snapshotter needs a dataset that is mounted in its folder.",
             "containerd/zfs README; microk8s#401", waivable=True),
        Rule("images-missing", (W,), "Images that are in use are not in Docker's store and have to be pulled again.",
             "containerd#10916; rke2#1830"),
        Rule("node-only-images", (I,), "Images that were never pulled exist on this node alone.", "kURL#2855"),
    ),
}  # fmt: skip
"""All ids, by subject."""

RULES: Mapping[str, Rule] = {rule.id: rule for rules in SUBJECTS.values() for rule in rules}

_INTRODUCTION = """# Checks

Each check has an id. What *blocks* forbids the migration of that node; where *allow* stands, `--allow <id>` or
`migrator_allow` turns the block into a warning, for this id alone. This page is written from the catalogue in
`migrator/planning/checks/catalogue.py`.
"""


def page() -> str:
    """Give the documentation of all checks, as Markdown."""
    return "\n".join([_INTRODUCTION, *_sections()])


def _sections() -> Iterator[str]:
    for subject, rules in SUBJECTS.items():
        yield f"## {subject}\n"
        yield "| id | severity | what it means | source |\n| --- | --- | --- | --- |"
        for rule in rules:
            severity = " or ".join(rule.severities) + (", *allow*" if rule.waivable else "")
            yield f"| `{rule.id}` | {severity} | {rule.what} | {rule.source} |"
        yield ""
