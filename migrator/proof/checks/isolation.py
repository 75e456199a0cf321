"""Namespaces by what happens: what one container does must not be seen where it should not."""
# ruff: noqa: D401 - each function says what must hold

from __future__ import annotations

from migrator.model.evidence import ActionResult
from migrator.proof.checks.inputs import CheckInputs, Result, Subject, UnseenError, holds, need, unknown

_HELPERS = 5
"""Processes that a runtime's exec may have in a container at one time, with the main one."""
_REFUSALS = frozenset({"EPERM", "EACCES"})


def hostname(scene: CheckInputs, subject: Subject) -> Result:
    """The hostname is the pod's name and not the host's."""
    found = need(subject.inside.hostname or subject.outside.hostname, "hostname")
    host = need(scene.evidence.host.hostname or scene.host.hostname, "hostname of the host")
    expected = subject.seen.pod_name
    need(expected or None, "name of the pod")
    return holds(found == expected != host, f"{expected}, not {host}", found)


def processes(_: CheckInputs, subject: Subject) -> Result:
    """A container sees its own processes and no others."""
    found = need(subject.inside.processes, "processes that the container sees")
    expected = f"1, and at most {_HELPERS - 1} of its own"
    return holds(1 in found and len(found) <= _HELPERS, expected, _numbers(found))


def _numbers(found: tuple[int, ...]) -> str:
    first = ", ".join(map(str, found[:_HELPERS]))
    return first if len(found) <= _HELPERS else f"{first} and {len(found) - _HELPERS} more"


def same_port(scene: CheckInputs) -> Result:
    """Two pods listen on one port, and each reaches itself there."""
    said = []
    for name in ("one", "peer"):
        act, expected = scene.act("port", name), scene.subject(name).seen.pod_name
        answer = str(act.answer.get("said", "")).strip()
        if answer != expected:
            found = answer or f"exit {act.exit_code} {act.answer.get('error', '')}".strip()
            return holds(good=False, expected=f"{name} answers itself as {expected}", found=found)
        said.append(answer)
    return holds(good=True, expected="each answers itself", found=" and ".join(said))


def port_taken(scene: CheckInputs) -> Result:
    """A port that the pod uses is taken for the pod's other processes."""
    act = scene.act("bind-taken", "one")
    error = str(act.answer.get("error", ""))
    if act.exit_code and not error:
        raise UnseenError(f"the probe gave no answer, exit {act.exit_code}")
    return holds(error == "EADDRINUSE", "EADDRINUSE", error or "bound")


def mount(scene: CheckInputs) -> Result:
    """What a privileged container mounts is seen by nobody else."""
    act = scene.act("mount", "mounter")
    if act.exit_code or act.answer.get("mounted") is not True:
        error = act.answer.get("error", f"exit {act.exit_code}")
        return holds(good=False, expected="mounted, and seen by nobody else", found=f"could not mount: {error}")
    seen, by_peer = act.facts.get("seen_on_host"), act.facts.get("seen_by_peer")
    if not isinstance(seen, int) or seen < 0 or by_peer is None:
        raise UnseenError("not seen: mounts of the host and of the other pod")
    found = [f"{seen} mounts on the host"] * bool(seen) + ["a mount in the other pod"] * bool(by_peer)
    return holds(not found, "mounted, and seen by nobody else", " and ".join(found) or "seen by nobody else")


def mount_refused(scene: CheckInputs) -> Result:
    """An unprivileged container can mount nothing."""
    act = scene.act("mount-refused", "one")
    error = str(act.answer.get("error", ""))
    if error in _REFUSALS:
        return holds(good=True, expected="EPERM", found=error)
    if act.answer.get("mounted") is True:
        return holds(good=False, expected="EPERM", found="mounted")
    return unknown("EPERM", error or f"exit {act.exit_code}")


def host_ipc(scene: CheckInputs) -> Result:
    """Shared memory of the host is not seen in containers."""
    seen = [name for name in ("one", "peer") if _fact(scene.act("ipc-host", name), "seen")]
    return holds(not seen, "seen by nobody", f"seen by {' and '.join(seen)}" if seen else "seen by nobody")


def pod_ipc(scene: CheckInputs) -> Result:
    """Shared memory of a container is seen in its pod, and there alone."""
    act = scene.act("ipc-pod", "one")
    if act.exit_code:
        raise UnseenError(f"no shared memory could be made: {act.answer.get('error', f'exit {act.exit_code}')}")
    for name in ("two", "peer"):
        scene.subject(name)
    found = [who for who in ("two", "peer", "host") if _fact(act, f"seen_by_{who}")]
    return holds(found == ["two"], "seen by two", f"seen by {', '.join(found) or 'nobody'}")


def host_file(scene: CheckInputs) -> Result:
    """A file in the host's /dev/shm is not seen in containers."""
    seen = _fact(scene.act("shm-file", "one"), "seen")
    return holds(not seen, "not seen", "seen" if seen else "not seen")


def _fact(act: ActionResult, name: str) -> bool:
    value = act.facts.get(name)
    if not isinstance(value, bool):
        raise UnseenError(f"not seen: {name.replace('_', ' ')} of {act.name}")
    return value
