"""The runtime, by what it says of itself and by what it manages."""
# ruff: noqa: D401 - each function says what must hold

from __future__ import annotations

from migrator.proof import runtime_traits
from migrator.proof.checks.inputs import CheckInputs, Result, SceneCheck, UnseenError, holds, need, same, unknown
from migrator.runtimes.registry import RUNTIMES, of_scheme
from migrator.versions import dropped_alpha

_ONLY_OLD = (1, 22, 0)
"""Last kubelet that speaks v1alpha2 alone."""
_ONLY_NEW = (1, 26, 0)
"""First kubelet that speaks v1 alone (kubernetes/kubernetes#110618)."""


def answers(scene: CheckInputs) -> Result:
    """It can be asked."""
    view = scene.evidence.runtime
    if not view.name and not view.problem:
        raise UnseenError("the session did not ask it")
    return holds(not view.problem, "an answer", view.problem or f"{view.name} {view.version}")


def condition(kind: str) -> SceneCheck:
    """Make the check that one of its conditions holds."""

    def check(scene: CheckInputs) -> Result:
        if kind == "NetworkReady" and not scene.circumstances.network_expected:
            raise UnseenError("pods of this session have no pod network")
        found = need(scene.evidence.runtime.conditions.get(kind), f"condition {kind}")
        return holds(not found, kind, found or kind)

    return check


def name(scene: CheckInputs) -> Result:
    """The runtime that answers is the one that this is about."""
    found = need(scene.evidence.runtime.name or None, "name of the runtime")
    expected = need(scene.circumstances.runtime or None, "runtime of the node")
    called = found.lower()
    own = RUNTIMES.get(called)
    return same(expected, own.scheme if own else called)


def driver(scene: CheckInputs) -> Result:
    """It makes cgroups by the kubelet's driver."""
    found = need(scene.evidence.runtime.cgroup_driver or None, "cgroup driver of the runtime, which it does not tell")
    return same(need(scene.circumstances.cgroup_driver or None, "cgroup driver of the kubelet"), found)


def api(scene: CheckInputs) -> Result:
    """It speaks a version of CRI that the kubelet speaks."""
    found = need(scene.evidence.runtime.api or None, "API of the runtime")
    kubelet = runtime_traits.version(need(scene.circumstances.kubelet_version or None, "version of the kubelet"))
    if kubelet >= _ONLY_NEW:
        return same("v1", found)
    if kubelet[:2] > _ONLY_OLD[:2] or found == "v1alpha2":
        return holds(found in {"v1", "v1alpha2"}, "v1 or v1alpha2", found)
    own = of_scheme(scene.circumstances.runtime)
    dropped = dropped_alpha(own.cri) if own else None
    if not dropped or not scene.circumstances.runtime_version:
        return unknown("v1alpha2", f"{found}; whether v1alpha2 too is not known")
    too = runtime_traits.release(scene.circumstances) < dropped
    return holds(too, "v1alpha2", f"{found}, {'and v1alpha2 too' if too else 'and not v1alpha2'}")


def lists(scene: CheckInputs) -> Result:
    """Its own list has our containers."""
    act = scene.act("list")
    found, expected = act.facts.get("found"), act.facts.get("expected")
    if not isinstance(found, int) or not isinstance(expected, int):
        raise UnseenError("not seen: the runtime's list of containers")
    return same(f"{expected} containers", f"{found} containers")


def image(scene: CheckInputs) -> Result:
    """It has the image that was brought to it."""
    facts = scene.act("image").facts
    identity, refused = str(facts.get("id", "")), str(facts.get("refused", ""))
    return holds(bool(identity), "the probe's image", identity or refused or "not among its images")
