"""The pod network, by what connects."""
# ruff: noqa: D401 - each function says what must hold

from __future__ import annotations

from migrator.model.evidence import ActionResult, Evidence
from migrator.proof.checks.inputs import CheckInputs, Result, SceneCheck, Subject, UnseenError, holds, need, unknown


def address(scene: CheckInputs, subject: Subject) -> Result:
    """The address that the runtime tells is the one that the pod has."""
    _expected(scene)
    expected = need(subject.seen.pod_address or None, "address of the pod")
    found = need(subject.inside.addresses, "addresses in the pod")
    return holds(expected in found or ":" in expected, expected, ", ".join(found) or "none")


def interfaces(scene: CheckInputs, subject: Subject) -> Result:
    """The pod has a loopback and at least one interface beside it, none of which is the host's."""
    _expected(scene)
    found = need(subject.inside.interfaces, "interfaces in the pod")
    good = "lo" in found and len(found) > 1
    return holds(good, "lo and one more", ", ".join(found) or "none")


def forth(scene: CheckInputs) -> Result:
    """One pod reaches another on the node."""
    return _reached(scene, scene.act("pod-to-pod"), "peer")


def back(scene: CheckInputs) -> Result:
    """And the other way round."""
    return _reached(scene, scene.act("pod-to-pod-back"), "one")


def from_host(scene: CheckInputs) -> Result:
    """The host reaches a pod, as probes of a kubelet must."""
    _expected(scene)
    return _reached(scene, _from_host(scene, "one"), "one")


def from_host_to_peer(scene: CheckInputs) -> Result:
    """The host reaches a pod of another QoS class too."""
    _expected(scene)
    return _reached(scene, _from_host(scene, "peer"), "peer")


def _from_host(scene: CheckInputs, server: str) -> ActionResult:
    try:
        return scene.act("host-to-pod", server=server)
    except UnseenError:
        other = {"one": "host-to-pod", "peer": "node-to-peer"}[server]
        act = scene.act(other)
        if act.facts.get("server", server) != server:
            raise
        return act


def _reached(scene: CheckInputs, act: ActionResult, server: str) -> Result:
    _expected(scene)
    expected = need(scene.subject(server).seen.pod_name or None, "name of the pod that answers")
    said = str(act.answer.get("said", "")).strip()
    if not act.answer and not act.exit_code:
        raise UnseenError("not seen: what came of the connection")
    if not act.answer.get("connected"):
        error = act.answer.get("error") or act.answer.get("message") or f"exit {act.exit_code}"
        return holds(good=False, expected=f"{expected} answers", found=f"no connection: {error}")
    return holds(said == expected, f"{expected} answers", f"{said or 'nobody'} answers")


def as_before(name: str) -> SceneCheck:
    """Make the check of something that not every cluster gives its pods: it must be as before the migration."""

    def check(scene: CheckInputs) -> Result:
        act = scene.act(name)
        found = _outcome(act)
        if _worked(act):
            return holds(good=True, expected="as before", found=found)
        before = _before(scene.baseline, name)
        if before is None or not _worked(before):
            why = "and nobody knows whether it did before" if before is None else "as before"
            return unknown("as before", f"{found}, {why}")
        return holds(good=False, expected=f"as before: {_outcome(before)}", found=found)

    return check


def _before(baseline: Evidence | None, name: str) -> ActionResult | None:
    act = baseline.act(name) if baseline else None
    return None if act is None or act.problem else act


def _worked(act: ActionResult) -> bool:
    return act.exit_code == 0 and bool(act.answer.get("connected") or act.answer.get("addresses"))


def _outcome(act: ActionResult) -> str:
    if _worked(act):
        addresses = act.answer.get("addresses")
        return ", ".join(addresses) if isinstance(addresses, tuple) else "connected"
    return str(act.answer.get("error") or f"exit {act.exit_code}")


def _expected(scene: CheckInputs) -> None:
    if not scene.circumstances.network_expected:
        raise UnseenError("pods of this session have no pod network")
