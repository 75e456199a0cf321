"""The host: what containers need of it, also after its next start."""
# ruff: noqa: D401 - each function says what must hold

from __future__ import annotations

from migrator.model.evidence import Outcome
from migrator.proof.checks import network
from migrator.proof.checks.inputs import CheckInputs, Result, SceneCheck, UnseenError, holds, need, same, unknown

_STARTED_AT_BOOT = ("enabled", "static", "alias", "generated", "indirect")
_CONTROLLERS_FILE = "cgroup.controllers"


def forwarding(scene: CheckInputs) -> Result:
    """Packets of pods are passed on, and were before the probe: the bridge plugin turns that on for each new pod."""
    name = "net/ipv4/ip_forward"
    before, found = scene.evidence.resting.get(name, "1"), need(scene.host.sysctl(name), "net.ipv4.ip_forward")
    return same("1", found if before == "1" else f"{before} before the probe's pods, {found} with them")


def forward_policy(scene: CheckInputs) -> Result:
    """Packets of pods are not dropped for want of a rule; a CNI that brings its own rules may make up for it."""
    found = need(scene.evidence.host.forward_policy or None, "policy of the FORWARD chain")
    if found == "ACCEPT":
        return same("ACCEPT", found)
    try:
        ways = [network.forth(scene), network.back(scene)]
    except UnseenError as reason:
        return holds(
            good=False, expected="ACCEPT", found=f"{found}; nothing shows that pods connect all the same: {reason}"
        )
    good = all(way.outcome is Outcome.PASSED for way in ways)
    return holds(good, "ACCEPT", f"{found}{', yet pods connect by rules of their own' if good else ''}")


def bridges(scene: CheckInputs) -> Result:
    """Bridged packets pass iptables, by which Services work; a CNI without a bridge needs no module for it."""
    found = need(scene.host.sysctl("net/bridge/bridge-nf-call-iptables"), "bridge-nf-call-iptables: no br_netfilter")
    return same("1", found)


def overlay(scene: CheckInputs) -> Result:
    """The module of overlay is there, unless the runtime unpacks images to something else."""
    modules = need(scene.evidence.host.modules or None, "kernel modules")
    kinds = {mount.kind for entry in scene.subjects if (mount := entry.outside.mount("/"))} - {"overlay"}
    if "overlay" not in modules and kinds:
        return holds(good=True, expected="overlay", found=f"not needed: containers have {', '.join(sorted(kinds))}")
    return holds("overlay" in modules, "overlay", "loaded" if "overlay" in modules else "not loaded")


def br_netfilter(scene: CheckInputs) -> Result:
    """The module of bridges with iptables is there, where it was before."""
    modules = need(scene.evidence.host.modules or None, "kernel modules")
    if "br_netfilter" in modules:
        return holds(good=True, expected="br_netfilter", found="loaded")
    if scene.baseline and "br_netfilter" in scene.baseline.host.modules:
        return holds(good=False, expected="loaded, as before", found="not loaded")
    return unknown("br_netfilter", "not loaded; only networks with a bridge need it")


def controller(name: str) -> SceneCheck:
    """Make the check that the kernel's cgroups have a controller."""

    def check(scene: CheckInputs) -> Result:
        if scene.circumstances.cgroup == "v2" and (found := _unified(scene)) is not None:
            return holds(name in found, name, " ".join(found))
        text = need(scene.evidence.host.raw.files.get("/proc/cgroups"), "controllers of the kernel")
        rows = {row[0]: row for line in text.splitlines() if (row := line.split())}
        row = rows.get(name, [])
        on = row[3:4] == ["1"]
        return holds(on, "enabled", "enabled" if on else "disabled" if row else "not in this kernel")

    return check


def _unified(scene: CheckInputs) -> list[str] | None:
    raw = scene.evidence.host.raw
    text = raw.files.get(f"/sys/fs/cgroup/{_CONTROLLERS_FILE}", raw.cgroup.get(_CONTROLLERS_FILE))
    return None if text is None else text.split()


def security_module(scene: CheckInputs) -> Result:
    """AppArmor is on where it was before."""
    found = "apparmor" in scene.circumstances.security_modules
    if found:
        return holds(good=True, expected="on", found="on")
    if scene.baseline and "apparmor" in scene.baseline.circumstances.security_modules:
        return holds(good=False, expected="on, as before", found="off")
    return unknown("as before", "the node does not use AppArmor")


def other_runtime(scene: CheckInputs) -> Result | None:
    """Containers that the kubelet does not see go on for ever, and hold what the same ones need that it starts."""
    if not scene.by_kubelet:
        return None
    found = need(scene.circumstances.elsewhere, "containers of other runtimes")
    return holds(not found, "none", ", ".join(found) or "none")


def kubelet(scene: CheckInputs) -> Result:
    """The kubelet runs, and starts with the node."""
    return _service(scene, "kubelet")


def runtime(scene: CheckInputs) -> Result:
    """The runtime runs, and starts with the node."""
    return _service(scene, scene.traits.service, by_socket=scene.traits.started_by_socket)


def _service(scene: CheckInputs, name: str, *, by_socket: bool = False) -> Result:
    if not scene.by_kubelet:
        raise UnseenError("this session has a runtime of its own")
    found = need(scene.evidence.host.services.get(name), f"state of the service {name}")
    state, _, start = found.partition("/")
    at_boot = start.startswith(_STARTED_AT_BOOT)
    if state == "active" and not at_boot and by_socket:
        return unknown("active/enabled", f"{found}: a socket may start it")
    return holds(state == "active" and at_boot, "active/enabled", found)
