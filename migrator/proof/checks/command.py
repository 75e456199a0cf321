"""The command: that it runs, with the rights it was given and no others, and can be looked after."""
# ruff: noqa: D401 - each function says what must hold

from __future__ import annotations

from migrator.proof import kubelet_resources, privileges, runtime_traits
from migrator.proof.checks.inputs import CheckInputs, Result, Subject, UnseenError, holds, need, same, unknown
from migrator.proof.process_view import View

_PROGRAM = "/probe"
_FILTER, _NONE = 2, 0
_UNLIMITED_FILES = 1_048_576
"""What "infinity" comes to at least: fs.nr_open."""
_WORDS_FOR_UNLIMITED = frozenset({"infinity", "unlimited", "-1"})
_FILES = "Max open files"


def runs(_: CheckInputs, subject: Subject) -> Result:
    """Tell whether the container ran at all; one that nobody tried to run is unknown."""
    if subject.ran:
        return holds(good=True, expected="running", found=f"ran as {subject.seen.id[:12]}")
    if not subject.seen.problem:
        raise UnseenError("the session did not try to run it")
    return holds(good=False, expected="running", found=subject.seen.problem)


def first_process(_: CheckInputs, subject: Subject) -> Result:
    """Look at number 1 of the container; Docker may have been told to put an init of its own in front."""
    found = need(subject.inside.first_process, "command line of process 1")
    return holds(_PROGRAM in found.split(), f"{_PROGRAM} …", found or "nothing")


def own_pid(_: CheckInputs, subject: Subject) -> Result:
    """Compare the number of the main process in its own PID namespace."""
    found = need(subject.outside.pid, "number of the main process in its own PID namespace")
    if found != 1 and _PROGRAM not in (subject.inside.first_process or _PROGRAM).split()[:1]:
        return unknown("1", f"{found}, behind an init of the runtime")
    return same(1, found)


def oom_score(scene: CheckInputs, subject: Subject) -> Result:
    """Compare how readily the kernel kills it."""
    found = need(subject.outside.oom_score_adj, "oom_score_adj of the main process")
    expected = need(kubelet_resources.oom_score(subject.asked, scene.circumstances), "memory of the node")
    return holds(abs(found - expected) <= 1, str(expected), str(found))  # the kubelet and we may round differently


def bounding(scene: CheckInputs, subject: Subject) -> Result:
    """Compare the bounding set, which nothing in the container can go beyond."""
    return _capabilities(scene, subject, "bounding")


def permitted(scene: CheckInputs, subject: Subject) -> Result:
    """Compare the permitted set: as root, all that the bounding set allows."""
    return _capabilities(scene, subject, "permitted")


def effective(scene: CheckInputs, subject: Subject) -> Result:
    """Compare the effective set, likewise."""
    return _capabilities(scene, subject, "effective")


def _capabilities(scene: CheckInputs, subject: Subject, name: str) -> Result:
    found = need(subject.outside.capabilities(name), f"{name} set of the main process")
    of_host = scene.host.capabilities("bounding")
    every = frozenset(privileges.CAPABILITIES) if of_host is None else of_host
    if subject.asked.privileged:
        least = every & privileges.OLD
        return holds(least <= found, f"all: {privileges.mask(least)}", privileges.mask(found))
    expected = privileges.expected(subject.asked, scene.traits) & every
    return holds(found == expected, privileges.written(expected), _difference(expected, found))


def _difference(expected: frozenset[str], found: frozenset[str]) -> str:
    if expected == found:
        return "the same"
    words = (("more", found - expected), ("not", expected - found))
    return "; ".join(f"{word}: {privileges.written(names)}" for word, names in words if names)


def inheritable(scene: CheckInputs, subject: Subject) -> Result:
    """Nothing is passed on to programs by the inheritable set."""
    found = need(subject.outside.capabilities("inheritable"), "inheritable set of the main process")
    if _passed_on(scene, subject, found):
        return holds(good=True, expected="none, or all", found="all")
    release = runtime_traits.release(scene.circumstances)
    if found and not scene.traits.clears_inheritable <= release:
        return unknown("none", f"{privileges.written(found)}: releases before the fix of CVE-2022-24769 pass them on")
    return holds(not found, "none", privileges.written(found))


def ambient(scene: CheckInputs, subject: Subject) -> Result:
    """No capability survives a change of user."""
    found = need(subject.outside.capabilities("ambient"), "ambient set of the main process")
    if _passed_on(scene, subject, found):
        return holds(good=True, expected="none, or all", found="all")
    return holds(not found, "none", privileges.written(found))


def _passed_on(scene: CheckInputs, subject: Subject, found: frozenset[str]) -> bool:
    """Tell whether this is how its runtime has privileged containers."""
    every = subject.outside.capabilities("permitted")
    return subject.asked.privileged and scene.traits.privileged_pass_on and bool(found) and found == every


def seccomp(scene: CheckInputs, subject: Subject) -> Result:
    """Compare the filter of system calls. More than was asked for is the runtime's setting, which we do not know."""
    found = need(subject.outside.seccomp, "seccomp mode of the main process")
    expected = _FILTER if _filtered(scene, subject) else _NONE
    if found == _FILTER and expected == _NONE and not subject.asked.seccomp and not subject.asked.privileged:
        return unknown("0, no filter", "2, a filter that nobody asked for: the runtime's own setting?")
    return same(_mode(expected), _mode(found))


def _filtered(scene: CheckInputs, subject: Subject) -> bool:
    asked = subject.asked
    if asked.privileged or asked.seccomp == "Unconfined":
        return False
    by_kubelet = scene.by_kubelet and scene.circumstances.seccomp_default == "RuntimeDefault"
    return asked.seccomp == "RuntimeDefault" or by_kubelet or runtime_traits.filters_unasked(scene.circumstances)


def _mode(number: int) -> str:
    return {0: "0, no filter", 2: "2, a filter"}.get(number, str(number))


def label(scene: CheckInputs, subject: Subject) -> Result:
    """Compare the AppArmor profile, where the node has AppArmor."""
    if "apparmor" not in scene.circumstances.security_modules:
        raise UnseenError("the node does not use AppArmor")
    found = need(subject.outside.label, "AppArmor profile of the main process")
    if subject.asked.privileged:
        return same("unconfined", found)
    expected = scene.traits.label
    return holds(found.startswith(expected), expected, found)


def no_new_privileges(_: CheckInputs, subject: Subject) -> Result:
    """Compare no_new_privs; Docker can be told to set it always."""
    found = need(subject.outside.no_new_privileges, "no_new_privs of the main process")
    asked = subject.asked.no_new_privileges
    if found and not asked:
        return unknown("not set", "set, although nobody asked for it: the runtime's own setting?")
    return same("set" if asked else "not set", "set" if found else "not set")


def open_files(scene: CheckInputs, subject: Subject) -> Result:
    """Compare how many files it may open with what the configuration says."""
    found = need(subject.outside.rlimits.get(_FILES), "limit of open files of the main process")
    expected = scene.circumstances.open_files
    if not expected:
        return unknown("nothing says how many", found)
    pairs = list(zip(expected.split(":"), found.split(":"), strict=False))
    return holds(len(pairs) == found.count(":") + 1 and all(_enough(*pair) for pair in pairs), expected, found)


def _enough(expected: str, found: str) -> bool:
    if expected in _WORDS_FOR_UNLIMITED:
        return found in _WORDS_FOR_UNLIMITED or (found.isdigit() and int(found) >= _UNLIMITED_FILES)
    return expected == found


def exec_confined(_: CheckInputs, subject: Subject) -> Result:
    """A process that joins the container later has the same rights as its main process."""
    outside, inside = _rights(subject.outside), _rights(subject.inside)
    for name in outside:
        need(outside[name], f"{name} of the main process")
        need(inside[name], f"{name} of the process that joined")
    odd = [f"{name}: {outside[name]} → {inside[name]}" for name in outside if outside[name] != inside[name]]
    return holds(not odd, "the same as the main process", "; ".join(odd) or "the same")


def _rights(view: View) -> dict[str, str | None]:
    capabilities = view.capabilities("effective")
    return {
        "capabilities": None if capabilities is None else privileges.mask(capabilities),
        "seccomp": None if view.seccomp is None else str(view.seccomp),
        "no_new_privs": None if view.no_new_privileges is None else str(view.no_new_privileges),
    }


def executes(scene: CheckInputs) -> Result:
    """A command runs in the container, and what it writes arrives."""
    act = scene.act("exec", "one")
    good = act.exit_code == 0 and act.facts.get("stdout_ok") is True
    arrived = "its output arrived" if act.facts.get("stdout_ok") is True else "its output did not arrive whole"
    return holds(good, "exit 0, its output arrived", f"exit {act.exit_code}, {arrived}")


def logs(scene: CheckInputs) -> Result:
    """Every line that the main process wrote is in its log."""
    act = scene.act("log", "one")
    found, expected = act.facts.get("lines"), act.facts.get("expected")
    if not isinstance(found, int) or not isinstance(expected, int):
        raise UnseenError("not seen: number of lines in the log")
    return holds(found == expected, f"{expected} lines", f"{found} lines")


def stops(scene: CheckInputs) -> Result:
    """The main process gets SIGTERM and ends by itself; a killed one would exit with 137."""
    act = scene.act("stop", "two")
    state = act.facts.get("state", "exited")
    return holds(
        act.exit_code == 0 and state == "exited",
        f"exit 0 within {act.facts.get('grace', 'its')} s of grace",
        f"exit {act.exit_code}, {state}",
    )
