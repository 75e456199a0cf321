"""What is another way than before the migration, and whether that is known to happen.

Only what a workload can notice is compared, and only where both sessions saw it. Names and numbers that are new with
every pod (addresses, ids, namespaces) are not compared, but what they are shared with is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from migrator.model.evidence import ContainerObservation, Difference, Evidence, NodeProfile
from migrator.proof import privileges
from migrator.proof.expected_differences import Change, announced
from migrator.proof.process_view import SETS, View, parse
from migrator.proof.procfs import Resolver, Route

_POINTS = ("/", "/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/sys/fs/cgroup")  # noqa: S108
_SYSCTLS = (
    "net/ipv4/ip_unprivileged_port_start", "net/ipv4/ping_group_range", "net/ipv4/ip_forward", "kernel/shmmax",
    "kernel/msgmax", "fs/mqueue/msg_max",
)  # fmt: skip
_RLIMITS = ("Max open files", "Max processes", "Max core file size", "Max locked memory", "Max stack size")
_SHARED = ("net", "ipc", "uts", "pid", "mnt")
_NAMESPACE = re.compile(r"^migrator-probe-[0-9a-f]+(?=[.])")
_OF_KUBELET = frozenset({"resolver", "seccomp"})
"""What a kubelet brings into its pods; only sessions by the same means are alike in it."""
_FEATURES = ("masked", "unmasked", "readonly", "writable")

Aspects = Mapping[str, str]
"""What can be compared of one container, as text, by a name such as "capabilities-bounding"."""


def differences(before: Evidence, now: Evidence) -> tuple[Difference, ...]:
    """Compare two sessions on one node; what has changed by a known effect of the new runtime says so."""
    earlier = {entry.asked.name: entry for entry in before.containers if entry.id}
    changes = [
        change
        for entry in now.containers
        if entry.id and entry.asked.name in earlier
        for change in _changes(entry, _aspects(earlier[entry.asked.name], before), _aspects(entry, now), before, now)
    ]
    changes += _compared("", _together(before), _together(now), before.circumstances, now.circumstances)
    return tuple(_difference(change) for change in changes)


def _changes(entry: ContainerObservation, old: Aspects, new: Aspects, before: Evidence, now: Evidence) -> list[Change]:
    where = f"{entry.asked.pod}/{entry.asked.name}"
    found = _compared(where, old, new, before.circumstances, now.circumstances)
    return [change._replace(asked=entry.asked) for change in found]


def _compared(where: str, old: Aspects, new: Aspects, old_known: NodeProfile, known: NodeProfile) -> list[Change]:
    return [
        Change(what, where, old[what], new[what], old_known, known, None)
        for what in sorted(old.keys() & new.keys() - (_OF_KUBELET if old_known.via is not known.via else frozenset()))
        if old[what] != new[what]
    ]


def _difference(change: Change) -> Difference:
    reason = announced(change)
    return Difference(
        what=f"{change.what}[{change.where}]" if change.where else change.what,
        before=change.before,
        after=change.after,
        announced=reason.why if reason else "",
        source=reason.source if reason else "",
    )


def _aspects(seen: ContainerObservation, evidence: Evidence) -> Aspects:
    inside, outside = parse(seen.inside), parse(seen.outside)
    host = parse(evidence.host.raw)
    found = {
        **_rights(outside),
        **_files(inside),
        **_network(inside),
        "hostname": _own_name(inside.hostname, seen.pod_name),
        "cgroup-namespace": _against_host(outside, host, "cgroup"),
        "user-namespace": _against_host(outside, host, "user"),
    }
    return {what: text for what, text in found.items() if text is not None}


def _rights(view: View) -> dict[str, str | None]:
    sets = {name: view.capabilities(name) for name in SETS}
    flag = view.no_new_privileges
    return {
        **{
            f"capabilities-{name}": None if found is None else privileges.written(found) for name, found in sets.items()
        },
        "seccomp": None if view.seccomp is None else str(view.seccomp),
        "no-new-privileges": None if flag is None else ("set" if flag else "not set"),
        "label": view.label,
        **{f"rlimit-{name.removeprefix('Max ').replace(' ', '-')}": view.rlimits.get(name) for name in _RLIMITS},
    }


def _files(view: View) -> dict[str, str | None]:
    kinds = {point: view.mount(point) for point in _POINTS} if view.mounts is not None else {}
    shm = view.mount("/dev/shm")  # noqa: S108
    size = next((word for word in shm.of_file_system if word.startswith("size=")), "no limit") if shm else None
    return {
        **{f"mount-{point}": mount.kind if mount else "none" for point, mount in kinds.items()},
        **{f"paths-{name}": _listed(view.listed(name)) for name in _FEATURES},
        "shm-size": size,
    }


def _network(view: View) -> dict[str, str | None]:
    return {
        **{f"sysctl-{name.replace('/', '.')}": view.sysctl(name) for name in _SYSCTLS},
        **{f"mtu-{name}": str(mtu) for name in view.interfaces or () if (mtu := view.mtu(name)) is not None},
        "interfaces": None if view.interfaces is None else " ".join(view.interfaces),
        "routes": None if view.routes is None else _routes(view.routes),
        "resolver": None if view.resolver is None else _resolver(view.resolver),
    }


def _together(evidence: Evidence) -> Aspects:
    """Tell which namespaces the containers of one pod share."""
    views = {entry.asked.name: parse(entry.outside) for entry in evidence.containers if entry.id}
    if not {"one", "two"} <= views.keys():
        return {}
    one, two = views["one"].namespaces, views["two"].namespaces
    return {
        f"{kind}-of-pod": "shared" if one[kind] == two[kind] else "one each"
        for kind in _SHARED
        if kind in one and kind in two
    }


def _against_host(view: View, host: View, kind: str) -> str | None:
    mine, of_host = view.namespaces.get(kind), host.namespaces.get(kind)
    if mine is None or of_host is None:
        return None
    return "the host's" if mine == of_host else "its own"


def _own_name(hostname: str | None, pod: str) -> str | None:
    if hostname is None or not pod:
        return None
    return "the pod's name" if hostname == pod else "not the pod's name"


def _listed(names: frozenset[str] | None) -> str | None:
    return None if names is None else " ".join(sorted(names)) or "none"


def _routes(routes: tuple[Route, ...]) -> str:
    rows = (f"{entry.destination} via {entry.gateway or 'nobody'} dev {entry.interface}" for entry in routes)
    return ", ".join(sorted(rows)) or "none"


def _resolver(found: Resolver) -> str:
    # Each session has a namespace of its own, and the kubelet writes its name into the search list.
    search = tuple(_NAMESPACE.sub("NAMESPACE", domain) for domain in found.search)
    rows = (("nameserver", found.servers), ("search", search), ("options", found.options))
    return "; ".join(f"{name} {' '.join(words)}" for name, words in rows if words) or "empty"
