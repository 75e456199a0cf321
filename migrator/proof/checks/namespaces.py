"""Namespaces by their identity: which are a container's own, which it shares, and with whom."""
# ruff: noqa: D401 - each function says what must hold

from __future__ import annotations

from migrator.proof.checks.inputs import CheckInputs, ContainerCheck, Result, SceneCheck, Subject, holds, need, unknown
from migrator.proof.process_view import View
from migrator.proof.runtime_traits import setting

_JOINED = ("net", "pid", "mnt", "ipc", "uts", "cgroup", "user")


def own(kind: str) -> ContainerCheck:
    """Make the check that a container's namespace is not the host's."""

    def check(scene: CheckInputs, subject: Subject) -> Result:
        host = need(scene.host.namespaces.get(kind), f"{kind} namespace of the host")
        found = subject.namespace(kind)
        return holds(found != host, f"not the host's {host}", found)

    return check


def user(scene: CheckInputs, subject: Subject) -> Result:
    """Nobody asked for a user namespace; Docker can be told to remap all containers (userns-remap)."""
    host = need(scene.host.namespaces.get("user"), "user namespace of the host")
    found = subject.namespace("user")
    if found != host and (said := setting(scene.circumstances, "user")):
        return unknown(f"the host's {host}", f"{found}: {said}?")
    return holds(found == host, f"the host's {host}", found)


def cgroup(scene: CheckInputs, subject: Subject) -> Result | None:
    """On v2 a container sees its own cgroup as the root of the tree; on v1 it has the host's namespace."""
    v2 = scene.circumstances.cgroup == "v2"
    if v2 and subject.asked.privileged and not scene.traits.privileged_cgroup_namespace:
        return None
    host = need(scene.host.namespaces.get("cgroup"), "cgroup namespace of the host")
    found = subject.namespace("cgroup")
    expected = f"not the host's {host}" if v2 else f"the host's {host}"
    good = (found != host) == v2
    if not good and (not v2 or setting(scene.circumstances, "cgroup")):
        return unknown(expected, f"{found}: default-cgroupns-mode?")
    return holds(good, expected, found)


def id_maps(scene: CheckInputs, subject: Subject) -> Result:
    """Users and groups have the host's numbers."""
    maps = {name: need(subject.outside.id_map(name), f"{name} of the main process") for name in ("uid_map", "gid_map")}
    host = {name: need(scene.host.id_map(name), f"{name} of the host") for name in maps}
    if maps != host and (said := setting(scene.circumstances, "user")):
        return unknown(str(host), f"{maps}: {said}?")
    return holds(maps == host, _maps(host), _maps(maps))


def _maps(found: dict[str, tuple[tuple[int, int, int], ...]]) -> str:
    return ", ".join(f"{name} {' '.join(map(str, row))}" for name, rows in sorted(found.items()) for row in rows)


def shared(kind: str) -> SceneCheck:
    """Make the check that the containers of one pod share a namespace."""

    def check(scene: CheckInputs) -> Result:
        one, two = scene.subject("one").namespace(kind), scene.subject("two").namespace(kind)
        return holds(one == two, f"both {one}", two)

    return check


def uts_shared(scene: CheckInputs) -> Result:
    """Whether the containers of one pod share their hostname's namespace is the runtime's choice, and must be its."""
    one, two = scene.subject("one").namespace("uts"), scene.subject("two").namespace("uts")
    if scene.traits.shares_uts:
        return holds(one == two, f"both {one}", two)
    return holds(one != two, "one each", f"{one} and {two}")


def private(kind: str) -> SceneCheck:
    """Make the check that the containers of one pod have a namespace each."""

    def check(scene: CheckInputs) -> Result:
        one, two = scene.subject("one").namespace(kind), scene.subject("two").namespace(kind)
        return holds(one != two, "one each", f"{one} and {two}")

    return check


def apart(kind: str) -> SceneCheck:
    """Make the check that pods share nothing with each other."""

    def check(scene: CheckInputs) -> Result:
        found = {name: scene.subject(name).namespace(kind) for name in ("one", "peer", "mounter")}
        return holds(len(set(found.values())) == len(found), "three of them", ", ".join(sorted(set(found.values()))))

    return check


def of_sandbox(kind: str) -> ContainerCheck:
    """Make the check that a container is in its sandbox's namespace, where the sandbox has a process to compare."""

    def check(scene: CheckInputs, subject: Subject) -> Result | None:
        if kind == "uts" and not scene.traits.shares_uts:
            return None
        sandbox = need(subject.seen.sandbox_namespaces.get(f"ns/{kind}"), "a process of the sandbox to compare with")
        found = subject.namespace(kind)
        return holds(found == sandbox, f"the sandbox's {sandbox}", found)

    return check


def joined(_: CheckInputs, subject: Subject) -> Result:
    """A process that joins the container later is in all its namespaces."""
    outside, inside = _kinds(subject.outside), _kinds(subject.inside)
    need(outside or None, "namespaces of the main process")
    both = need(sorted(outside.keys() & inside.keys()) or None, "namespaces of the process that joined")
    odd = [f"{kind} {inside[kind]}" for kind in both if inside[kind] != outside[kind]]
    return holds(not odd, "those of the main process", ", ".join(odd) or "all the same")


def _kinds(view: View) -> dict[str, str]:
    return {kind: view.namespaces[kind] for kind in _JOINED if kind in view.namespaces}
