"""Rules for keys whose fate hangs on their value, as far as no module of their own has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from migrator.runtimes.docker.places import SYSCTL, place
from migrator.runtimes.docker.rule_results import (
    DEFAULT,
    Case,
    Rule,
    RuleResult,
    carried,
    lost,
    moved,
    never,
    pairs,
    unknown,
)
from migrator.runtimes.docker.validators import fields
from migrator.runtimes.registry import RUNTIMES

IPV4_FORWARD = "net.ipv4.ip_forward"
IPV6_FORWARD = "net.ipv6.conf.all.forwarding"
_SECCOMP_FIELD = (1, 19)
"""First kubelet with `securityContext.seccompProfile` (KEP-135); before it is an annotation."""
_SECCOMP_DEFAULT = (1, 22)
"""First kubelet with `seccompDefault` (kubernetes/kubelet, config/v1beta1)."""
_PARALLEL_PULLS = (1, 27)
"""First kubelet with `maxParallelImagePulls`."""

_FEATURES: Mapping[str, RuleResult] = {
    "buildkit": never("it is about building images"),
    "containerd-migration": never("it moves images inside Docker"),
    "containerd-snapshotter": never("Docker's images are in containerd's namespace moby then, and pods' are in k8s.io"),
    "embedded-containerd": never("it says where Docker's own containerd runs"),
    "swarm-nftables": never("it is about Swarm"),
    "time-namespaces": never("pods cannot set another time, in a namespace of its own or not"),
    "windows-dns-proxy": never("it is about Windows"),
}
"""Features that some Docker of 1.13 to 29 looks at, but for CDI; other names it takes and ignores."""


def ulimits(options: Mapping[str, Any]) -> dict[str, str]:
    """Give Docker's default limits as "soft:hard" by name."""
    found = {}
    for name, entry in (options.get("default-ulimits") or {}).items():
        limit = fields(entry)
        found[limit.get("name") or name] = f"{limit.get('soft', 0)}:{limit.get('hard', 0)}"
    return found


def judge_ulimits(value: Mapping[str, Any], case: Case) -> Mapping[str, RuleResult]:
    """Put limits where containers get them and the runtime itself does not, if there is such a place."""
    runtime = RUNTIMES[case.to.runtime]
    where = place("ulimits", case.to) if runtime.limits_apart(case.source.specification) else ""
    why = "containers inherit the limits of the runtime itself, where nothing limits them alone"
    unit = f"/etc/systemd/system/{runtime.unit}.d/zz-migrator.conf"
    return {name: carried(where) if where else moved(f"{unit}: Limit{name.upper()}", why) for name in value}


def judge_exec(value: list[str], case: Case) -> Mapping[str, RuleResult]:
    """Take the cgroup driver for the kubelet's: dockershim did not start where Docker's was another."""
    driver = carried(place("cgroup driver", case.to), "the kubelet's driver is written, which Docker's had to equal")
    other = unknown("no Docker of 1.13 to 29 has this option on Linux")
    return {name: driver if name == "native.cgroupdriver" else other for name in pairs(value)}


def judge_forward(key: str, sysctl: str) -> Rule:
    """Make the rule of a switch with which Docker turned forwarding on, until the next boot only."""

    def rule(value: object, case: Case) -> RuleResult:
        if value is False or (key == "ipv6" and case.source.given.get("ip-forward") is False):
            return never("Docker left forwarding as it was")
        return moved(f"{SYSCTL}: {sysctl}", "Docker turned it on at its start; now it is set at boot")

    return rule


def forwarding(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Give the sysctls that Docker turned on (moby, libnetwork/drivers/bridge/setup_ip_forwarding.go)."""
    if options.get("ip-forward") is False:
        return ()
    return (IPV4_FORWARD, IPV6_FORWARD) if options.get("ipv6") else (IPV4_FORWARD,)


def judge_seccomp(value: str, case: Case) -> RuleResult:
    """Judge what was the profile of pods with RuntimeDefault; dockershim ran all others unconfined."""
    if value == "builtin":
        return never(DEFAULT)
    if value == "unconfined":
        return lost("pods that ask for RuntimeDefault get the new runtime's profile, and Docker gave them none")
    where = place("seccomp_profile", case.to)
    if where:
        return carried(where, "for pods that ask for RuntimeDefault")
    by = "securityContext.seccompProfile" if case.to.kubelet >= _SECCOMP_FIELD else "an annotation"
    all_pods = " and all pods, where the kubelet has seccompDefault," if case.to.kubelet >= _SECCOMP_DEFAULT else ""
    return lost(
        f"pods that ask for RuntimeDefault{all_pods} get containerd's profile; "
        f"put this one under /var/lib/kubelet/seccomp and name it in the pods by {by} of type Localhost"
    )


def judge_downloads(value: int, case: Case) -> RuleResult:
    """Carry how many layers come at a time; Docker counted over all pulls, containerd does for each."""
    if value in {0, 3}:
        return never("3 at a time is the default of both")
    where = place("max_downloads", case.to)
    if where:
        return carried(where, "counted for each pull, no longer over all of them")
    pulls = "; the kubelet's maxParallelImagePulls limits whole images" if case.to.kubelet >= _PARALLEL_PULLS else ""
    return lost(f"CRI-O has no limit for the layers that it pulls at the same time{pulls}")


def judge_level(value: str, case: Case) -> RuleResult:
    """Carry the level of the runtime's own log."""
    if case.source.given.get("debug"):
        return never("the key debug beats it")
    return never(DEFAULT) if value.lower() == "info" else carried(place("log_level", case.to))


def log_level(options: Mapping[str, Any]) -> str:
    """Give the level of the runtime's own log; "" for its default."""
    level = str(options.get("log-level") or "info").lower().replace("warning", "warn")
    return "debug" if options.get("debug") else "" if level == "info" else level


def judge_metrics(_value: str, _case: Case) -> RuleResult:
    """Leave the address to Docker, which still holds it when the new runtime starts: that would not start then."""
    return lost("Docker has this address until it ends; turn the new runtime's own metrics on later, by other names")


def judge_hosts(value: list[str], _case: Case) -> RuleResult:
    """Report an API on the network: it means that programs elsewhere use it."""
    remote = [host for host in value if not host.startswith(("fd:", "unix:", "/")) and host]
    if remote:
        return lost(f"programs elsewhere may use Docker's API at {', '.join(remote)}, and the new runtime has none")
    return never("it is Docker's API; the kubelet talks to the new runtime's own socket")


def judge_features(value: Mapping[str, bool], case: Case) -> Mapping[str, RuleResult]:
    """Judge each feature."""
    other = unknown("no Docker of 1.13 to 29 looks at a feature of this name")
    return {name: _cdi(on=on, case=case) if name == "cdi" else _FEATURES.get(name, other) for name, on in value.items()}


def _cdi(*, on: bool, case: Case) -> RuleResult:
    where = place("cdi", case.to)
    if not on or not where:
        return never("dockershim never asked for devices by CDI")
    return carried(where)


def judge_nri(value: Mapping[str, Any], case: Case) -> RuleResult:
    """Judge whether plugins of NRI still reach containers: the new runtime looks in NRI's usual folders only."""
    options = fields(dict(value))
    if not options.get("enable"):
        return never(DEFAULT)
    where = place("nri", case.to)
    if where and set(options) == {"enable"}:
        return carried(where, "it is on when nothing is said")
    return lost("NRI's plugins do not reach containers: set the same folders for the new runtime by hand")
