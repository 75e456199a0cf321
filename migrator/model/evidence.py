"""What a probe found out about a node, and what that is worth.

Evidence is what was seen (from inside probe containers, from the host, and of what they did when asked to); a verdict
compares it with what must hold. Neither holds a secret: a probe has no credentials and reads none.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from migrator.model.base import Value

SCHEMA = 1


class RawView(Value):
    """What /proc, /sys and the cgroup tree say of one process: texts as the kernel gives them.

    The probe sends it from inside its container, the witness from the host; both are read by the same parser.
    """

    schema_version: int = SCHEMA
    links: Mapping[str, str] = {}
    """Targets of symbolic links, by path below /proc/PID: "ns/net" → "net:[4026531992]"."""
    files: Mapping[str, str] = {}
    """Contents by path: below /proc/PID ("status", "limits", "mountinfo", "net/dev"), or absolute ("/etc/resolv.conf",
    "/sys/class/net/eth0/mtu", "/proc/sysvipc/shm"). A file that is missing or unreadable is absent."""
    lists: Mapping[str, tuple[str, ...]] = {}
    """Names in folders, by absolute path: "/proc" (numbers only), "/dev", "/dev/shm", "/sys/class/net"."""
    cgroup: Mapping[str, str] = {}
    """Files of the process's own cgroup: "memory/memory.limit_in_bytes" on v1, "memory.max" on v2."""
    parent: Mapping[str, str] = {}
    """The same of the cgroup above it, the pod's; only from the host."""
    names: Mapping[str, str] = {}
    """`uname` of the process: "nodename", "release", "machine"."""


class Via(StrEnum):
    """Who starts the probe's containers."""

    CRI = "cri"
    """We do, over a CRI socket that no kubelet looks at."""
    KUBELET = "kubelet"
    """The kubelet does, because we made pods."""


class NodeProfile(Value):
    """What is right depends on these: facts of the node, never of the probe."""

    node: str
    via: Via
    runtime: str
    """"docker", "containerd" or "cri-o"."""
    runtime_version: str = ""
    socket: str = ""
    """Path of the CRI socket that the kubelet uses."""
    low_level: str = ""
    """"runc" or "crun"; "" when not known."""
    low_level_version: str = ""
    kubelet_version: str = ""
    cgroup: str = "v2"
    """"v1", "v2" or "hybrid"; hybrid counts as v1 for limits."""
    cgroup_driver: str = ""
    """The kubelet's, "systemd" or "cgroupfs": the one that the runtime must share."""
    cgroup_root: str = ""
    """What stands before kubepods (`cgroupRoot`); "" for none. Over CRI: the parent that we chose."""
    pods_limit: int = 0
    """Processes that a pod may have (`podPidsLimit`); 0 for no limit."""
    cpu_quota: bool = True
    """Whether limits of CPU time are enforced (`cpuCFSQuota`)."""
    architecture: str = ""
    security_modules: tuple[str, ...] = ()
    open_files: str = ""
    """"soft:hard" that processes of containers should have, where the configuration says so; "" when it does not."""
    memory: int = 0
    """Bytes of memory that the node has."""
    seccomp_default: str = ""
    """Profile that a pod gets which asks for none: "" for unconfined, "RuntimeDefault" otherwise."""
    cni: str = ""
    """Name of the network configuration that counts."""
    network_expected: bool = True
    """Whether pods of this session have a pod network."""
    given_up: tuple[str, ...] = ()
    """Settings of the old runtime that the user agreed to lose, as daemon.json calls them."""
    elsewhere: tuple[str, ...] | None = None
    """Containers of Kubernetes in a runtime that the kubelet does not use, for example "docker: k8s_web_web-1_…"; None
    when nobody looked."""


class ProbeContainerSpec(Value):
    """What was asked for one probe container, in Kubernetes' words."""

    name: str
    """"one" or "two" of pod "a", "peer" of pod "b", "mounter" of pod "c"."""
    pod: str
    quality: str = "Burstable"
    """QoS class of its pod: "Guaranteed", "Burstable", "BestEffort"."""
    cpu_request: int = 0
    """Millicores; 0 for none."""
    cpu_limit: int = 0
    memory_request: int = 0
    """Bytes; 0 for none."""
    memory_limit: int = 0
    privileged: bool = False
    seccomp: str = ""
    """"" for none asked, "RuntimeDefault", "Unconfined"."""
    no_new_privileges: bool = False
    added: tuple[str, ...] = ()
    """Capabilities added, without "CAP_"."""
    dropped: tuple[str, ...] = ()
    port: int = 0
    """Port on which its main process answers with its hostname; 0 for none."""
    lines: int = 0
    """Lines that its main process writes to stdout at its start."""


class ContainerObservation(Value):
    """One probe container as it was found running."""

    asked: ProbeContainerSpec
    pod_uid: str = ""
    pod_name: str = ""
    """Also the hostname that it must have."""
    pod_address: str = ""
    id: str = ""
    """Container id; "" when it never ran."""
    sandbox: str = ""
    sandbox_pid: int = 0
    """PID of the sandbox's own process on the host, 0 when it has none."""
    sandbox_namespaces: Mapping[str, str] = {}
    """Of that process, as in `RawView.links` ("ns/net")."""
    inside: RawView | None = None
    outside: RawView | None = None
    pid: int = 0
    """Of its main process, on the host."""
    problem: str = ""
    """Why it never ran, in the runtime's or kubelet's words."""


class ActionResult(Value):
    """Something that a probe was asked to do, and what came of it."""

    name: str
    """For example "memory-over"; docs/proof.md lists them."""
    container: str = ""
    """`ProbeContainerSpec.name` of the container that did it; "" for the host."""
    exit_code: int = 0
    answer: Mapping[str, str | int | float | bool | tuple[str, ...]] = {}
    """The probe's own JSON answer; {} when it died before it could give one."""
    facts: Mapping[str, str | int | float | bool | tuple[str, ...]] = {}
    """What was seen around it: counters before and after, as "throttled_before"."""
    problem: str = ""
    """Why it could not be tried; then nothing is known."""


class HostView(Value):
    """The host itself, at the time of the session."""

    raw: RawView = RawView()
    """Of PID 1."""
    hostname: str = ""
    forward_policy: str = ""
    """Policy of iptables' FORWARD chain; "" when not known."""
    modules: tuple[str, ...] = ()
    """Kernel modules that are loaded or built in, of those that containers need."""
    services: Mapping[str, str] = {}
    """State of kubelet, containerd, docker, crio: "active/enabled"."""
    free: Mapping[str, int] = {}
    """Bytes free under the runtime's data folder, by path."""
    page_size: int = 4096


class RuntimeView(Value):
    """What the runtime says of itself over CRI."""

    name: str = ""
    version: str = ""
    api: str = ""
    """"v1" or "v1alpha2"."""
    conditions: Mapping[str, str] = {}
    """"" for a condition that holds, otherwise its reason and message; by type ("RuntimeReady")."""
    cgroup_driver: str = ""
    """"systemd", "cgroupfs" or "" when it does not say."""
    problem: str = ""
    """Why it could not be asked."""


class Leftover(Value):
    """Something of the probe that was still there after its removal."""

    kind: str
    """"cgroup", "process", "netns", "interface", "mount", "address", "log", "container", "sandbox", "state"."""
    what: str


class StartupPhase(Value):
    """One time on the way of a pod to its first process (foundations: the five-step flow)."""

    step: str
    """"api", "kubelet", "cri", "image", "low-level", "kernel"."""
    what: str
    seconds: float
    """Since the pod was asked for."""
    resolution: float = 0.0
    """How exact the time is: 1.0 where only whole seconds are known."""


class Evidence(Value):
    """Everything that one session saw on one node."""

    schema_version: int = SCHEMA
    taken_at: float = 0.0
    """Seconds since the epoch, by this machine's clock."""
    circumstances: NodeProfile
    resting: Mapping[str, str] = {}
    """Settings of the host before the session's first pod, which may mend them, by their path below /proc/sys."""
    host: HostView = HostView()
    runtime: RuntimeView = RuntimeView()
    containers: tuple[ContainerObservation, ...] = ()
    acts: tuple[ActionResult, ...] = ()
    trace: tuple[StartupPhase, ...] = ()
    left: tuple[Leftover, ...] | None = None
    """What was not cleaned up; None when nobody looked."""
    waited: bool = True
    """Whether logs had their time to go: the kubelet collects those of deleted pods once a minute."""
    problems: tuple[str, ...] = ()
    """What kept the session from being whole: what is missing for such a reason is unknown, not passed."""
    unasked: tuple[str, ...] = ()
    """Likewise, for no fault of the node: its host or the API server could not be asked, or had no place for a pod."""
    seconds: float = 0.0

    def container(self, name: str) -> ContainerObservation | None:
        """Give a probe container by its asked name, when it ran."""
        return next((entry for entry in self.containers if entry.asked.name == name and entry.id), None)

    def act(self, name: str, container: str = "") -> ActionResult | None:
        """Give an act by name, that of one container where several did it; None when it was not tried."""
        return next(
            (entry for entry in self.acts if entry.name == name and container in {"", entry.container}),
            None,
        )


class Outcome(StrEnum):
    """What a check came to."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """It could not be tried, or nothing says what is right here: never the same as passed."""


class Checked(Value):
    """One check of one session."""

    id: str
    """For example "memory-enforced"; with the container's name where each has its own: "cgroup-path[a/one]"."""
    job: str
    """Which of the low-level runtime's five jobs it proves ("cgroup", "command", "namespaces", "rootfs", "cleanup"),
    or "runtime", "network", "host"."""
    outcome: Outcome
    expected: str
    found: str
    source: str
    """Where the expectation comes from: a specification, a source file with its version, or a foreseen measurement."""
    remedy: str = ""
    """What to do when it failed."""


class Difference(Value):
    """Something that is another way than in the baseline, taken on the old runtime."""

    what: str
    """For example "capabilities[a/one]"."""
    before: str
    after: str
    announced: str = ""
    """Why that is known to happen with this change of runtime; "" for a difference that nobody announced."""
    source: str = ""


class Verdict(Value):
    """What a session's evidence proves."""

    schema_version: int = SCHEMA
    circumstances: NodeProfile
    checks: tuple[Checked, ...]
    differences: tuple[Difference, ...] = ()
    trace: tuple[StartupPhase, ...] = ()
    problems: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def failed(self) -> tuple[Checked, ...]:
        """The checks that failed."""
        return tuple(entry for entry in self.checks if entry.outcome is Outcome.FAILED)

    @property
    def passed(self) -> tuple[Checked, ...]:
        """The checks that passed."""
        return tuple(entry for entry in self.checks if entry.outcome is Outcome.PASSED)

    @property
    def unannounced(self) -> tuple[Difference, ...]:
        """The differences that nobody announced."""
        return tuple(entry for entry in self.differences if not entry.announced)

    @property
    def good(self) -> bool:
        """Whether the node does what it must: nothing failed, something passed, nothing changed unannounced."""
        return bool(self.passed) and not (self.failed or self.unannounced or self.problems)
