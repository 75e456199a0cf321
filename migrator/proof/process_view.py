"""One process as it was seen, parsed: the same from inside its container and from the host.

What could not be read is None, or absent from a mapping; nothing here raises or guesses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from migrator.model.evidence import RawView
from migrator.proof import limits, privileges, procfs
from migrator.proof.limits import Limits
from migrator.proof.procfs import Mount, Resolver, Route

SETS: Mapping[str, str] = {
    "bounding": "CapBnd",
    "permitted": "CapPrm",
    "effective": "CapEff",
    "inheritable": "CapInh",
    "ambient": "CapAmb",
}
"""Capability sets by their fields in /proc/PID/status."""

_SYSCTLS = "/proc/sys/"


@dataclass(frozen=True)
class View:
    """A process: who it is, what it may, and what it sees."""

    raw: RawView
    status: Mapping[str, str]
    namespaces: Mapping[str, str]
    """"net:[4026531992]" by type."""
    mounts: tuple[Mount, ...] | None
    cgroups: Mapping[str, str]
    """Path by controller; "" for v2."""
    limits: Limits
    parent: Limits
    """Of the cgroup above; only from the host."""
    rlimits: Mapping[str, str]
    """"soft:hard" by name."""
    resolver: Resolver | None
    addresses: tuple[str, ...] | None
    routes: tuple[Route, ...] | None

    @property
    def pid(self) -> int | None:
        """Its number in its own PID namespace."""
        last = self.status.get("NSpid", "").split()[-1:]
        return int(last[0]) if last and last[0].isdigit() else None

    @property
    def processes(self) -> tuple[int, ...] | None:
        """Numbers of the processes that it sees."""
        names = self.raw.lists.get("/proc")
        return None if names is None else tuple(sorted(int(name) for name in names if name.isdigit()))

    @property
    def first_process(self) -> str | None:
        """Command line of the process that it sees as number 1."""
        text = self.raw.files.get("/proc/1/cmdline")
        return None if text is None else " ".join(text.rstrip("\0").split("\0"))

    @property
    def hostname(self) -> str | None:
        """Its hostname."""
        return self.raw.names.get("nodename") or self.sysctl("kernel/hostname") or None

    @property
    def interfaces(self) -> tuple[str, ...] | None:
        """Names of the network interfaces that it sees."""
        names = self.raw.lists.get("/sys/class/net")
        if names is not None:
            return tuple(sorted(names))
        text = self.raw.files.get("net/dev")
        return None if text is None else tuple(sorted(row.partition(":")[0].strip() for row in text.splitlines()[2:]))

    @property
    def label(self) -> str | None:
        """What the security module calls it, without what is each container's own: "docker-default", "unconfined".

        That is AppArmor's mode, and of a SELinux context ("user:role:type:level") the level: its categories are drawn
        by lot for each container.
        """
        text = self.raw.files.get("attr/current")
        if text is None:
            return None
        name = text.strip("\0\n ").partition(" (")[0]
        return ":".join(name.split(":")[:3])

    @property
    def seccomp(self) -> int | None:
        """0 for none, 2 for a filter."""
        return _number(self.status.get("Seccomp"))

    @property
    def no_new_privileges(self) -> bool | None:
        """Whether it and its children can gain no privileges."""
        number = _number(self.status.get("NoNewPrivs"))
        return None if number is None else bool(number)

    @property
    def oom_score_adj(self) -> int | None:
        """How readily the kernel kills it, from -1000 to 1000."""
        return _number(self.raw.files.get("oom_score_adj"))

    def capabilities(self, name: str) -> frozenset[str] | None:
        """Give one of the five sets."""
        mask = self.status.get(SETS[name])
        return None if mask is None else privileges.names(mask)

    def mount(self, point: str) -> Mount | None:
        """Give what is mounted at a point."""
        return next((entry for entry in reversed(self.mounts or ()) if entry.point == point), None)

    def mtu(self, interface: str) -> int | None:
        """Give an interface's greatest packet, in bytes."""
        return _number(self.raw.files.get(f"/sys/class/net/{interface}/mtu"))

    def sysctl(self, name: str) -> str | None:
        """Give a setting of the kernel by its path below /proc/sys."""
        text = self.raw.files.get(_SYSCTLS + name)
        return None if text is None else " ".join(text.split())

    @property
    def sysctls(self) -> tuple[str, ...]:
        """Names of the settings that were read."""
        return tuple(sorted(path.removeprefix(_SYSCTLS) for path in self.raw.files if path.startswith(_SYSCTLS)))

    def id_map(self, name: str) -> tuple[tuple[int, int, int], ...] | None:
        """Give "uid_map" or "gid_map"."""
        text = self.raw.files.get(name)
        return None if text is None else procfs.id_map(text)

    def listed(self, name: str) -> frozenset[str] | None:
        """Give a list of the probe's own: "masked", "unmasked", "readonly", "writable"; or a folder's."""
        found = self.raw.lists.get(name)
        return None if found is None else frozenset(found)


def parse(raw: RawView | None) -> View:
    """Parse what was seen; of None a view of which everything is unknown."""
    raw = raw or RawView()
    files = raw.files
    trie = files.get("net/fib_trie")
    return View(
        raw=raw,
        status=procfs.status(files.get("status", "")),
        namespaces={name.removeprefix("ns/"): link for name, link in raw.links.items() if name.startswith("ns/")},
        mounts=procfs.mounts(files["mountinfo"]) if "mountinfo" in files else None,
        cgroups=procfs.cgroups(files.get("cgroup", "")),
        limits=limits.parse(raw.cgroup),
        parent=limits.parse(raw.parent),
        rlimits=procfs.rlimits(files.get("limits", "")),
        resolver=procfs.resolver(files["/etc/resolv.conf"]) if "/etc/resolv.conf" in files else None,
        addresses=None if trie is None else procfs.addresses(trie, files.get("net/if_inet6", "")),
        routes=procfs.routes(files["net/route"]) if "net/route" in files else None,
    )


def _number(text: str | None) -> int | None:
    try:
        return int(text or "")
    except ValueError:
        return None
