"""Read the kernel's own texts. Formats: proc(5), cgroups(7), user_namespaces(7).

Nothing here raises: a line that is not of the form is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_RLIMIT = re.compile(r"^(Max [a-z ]+?)\s{2,}(\S+)\s+(\S+)", re.MULTILINE)
_OCTAL = re.compile(r"\\([0-7]{3})")
_LEAF = re.compile(r"\|-- ([0-9.]+)\s*\n\s+/32 host LOCAL")
_ROUTE_UP = 1
_LOOPBACK = "127."


@dataclass(frozen=True)
class Mount:
    """One line of mountinfo."""

    device: str
    """"major:minor"."""
    root: str
    """Folder within the file system that is mounted."""
    point: str
    options: tuple[str, ...]
    """Of this mount."""
    of_file_system: tuple[str, ...]
    """Of the file system behind it, which other mounts may share: "size=65536k", "ro"."""
    propagation: tuple[str, ...]
    """"shared:1", "master:2"; () for a private one."""
    kind: str
    source: str

    @property
    def place(self) -> tuple[str, str]:
        """What is mounted, wherever that is."""
        return self.device, self.root

    @property
    def read_only(self) -> bool:
        """Whether nothing can be written through it."""
        return "ro" in (*self.options, *self.of_file_system)


@dataclass(frozen=True)
class Route:
    """One IPv4 route."""

    interface: str
    destination: str
    """"default", or "10.1.0.0/16"."""
    gateway: str
    """"" for what is reached directly."""


@dataclass(frozen=True)
class Resolver:
    """What /etc/resolv.conf says."""

    servers: tuple[str, ...]
    search: tuple[str, ...]
    options: tuple[str, ...]


def status(text: str) -> dict[str, str]:
    """Read the fields of /proc/PID/status."""
    pairs = (line.partition(":") for line in text.splitlines() if ":" in line)
    return {key: value.strip() for key, _, value in pairs}


def rlimits(text: str) -> dict[str, str]:
    """Read /proc/PID/limits: "soft:hard" by name ("Max open files")."""
    return {name: f"{soft}:{hard}" for name, soft, hard in _RLIMIT.findall(text)}


def mounts(text: str) -> tuple[Mount, ...]:
    """Read mountinfo in its order: of two mounts on one point the later one is seen."""
    return tuple(found for line in text.splitlines() if (found := _mount(line)))


def _mount(line: str) -> Mount | None:
    before, separator, after = line.partition(" - ")
    first, last = before.split(), after.split()
    if not separator or len(first) < 6 or len(last) < 2:
        return None
    return Mount(
        device=first[2],
        root=_plain(first[3]),
        point=_plain(first[4]),
        options=tuple(first[5].split(",")),
        of_file_system=tuple(last[2].split(",")) if len(last) > 2 else (),
        propagation=tuple(first[6:]),
        kind=last[0],
        source=_plain(last[1]),
    )


def _plain(word: str) -> str:
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), word)


def cgroups(text: str) -> dict[str, str]:
    """Read /proc/PID/cgroup: path by controller; "" is the unified hierarchy, "name=systemd" systemd's own."""
    found = {}
    for line in text.splitlines():
        parts = line.split(":", 2)
        if len(parts) == 3:
            found.update(dict.fromkeys(parts[1].split(","), parts[2]))
    return found


def id_map(text: str) -> tuple[tuple[int, int, int], ...]:
    """Read uid_map or gid_map: first id inside, first id outside, how many."""
    rows = (line.split() for line in text.splitlines())
    return tuple(
        (int(row[0]), int(row[1]), int(row[2])) for row in rows if len(row) == 3 and all(w.isdigit() for w in row)
    )


def addresses(trie: str, six: str) -> tuple[str, ...]:
    """Give the addresses of a network namespace but those of its loopback, from fib_trie and if_inet6."""
    four = [word for word in dict.fromkeys(_LEAF.findall(trie)) if not word.startswith(_LOOPBACK)]
    return (*four, *_six(six))


def _six(text: str) -> Iterator[str]:
    for line in text.splitlines():
        words = line.split()
        if len(words) == 6 and len(words[0]) == 32 and words[5] != "lo":
            yield ":".join(words[0][at : at + 4] for at in range(0, 32, 4))


def routes(text: str) -> tuple[Route, ...]:
    """Read /proc/net/route: those that are up."""
    return tuple(found for line in text.splitlines()[1:] if (found := _route(line.split())))


def _route(words: list[str]) -> Route | None:
    try:
        if not int(words[3], 16) & _ROUTE_UP:
            return None
        destination, gateway, mask = (int(words[at], 16) for at in (1, 2, 7))
    except (ValueError, IndexError):
        return None
    name = f"{_dotted(destination)}/{mask.bit_count()}" if mask else "default"
    return Route(interface=words[0], destination=name, gateway=_dotted(gateway) if gateway else "")


def _dotted(number: int) -> str:
    return ".".join(str(number >> shift & 255) for shift in (0, 8, 16, 24))  # the kernel writes it as it is in memory


def resolver(text: str) -> Resolver:
    """Read resolv.conf: the last search list counts (resolv.conf(5))."""
    found: dict[str, list[str]] = {"nameserver": [], "search": [], "options": []}
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2:
            continue
        if words[0] == "nameserver":
            found["nameserver"].append(words[1])
        elif words[0] in {"search", "domain"}:
            found["search"] = words[1:]
        elif words[0] == "options":
            found["options"] += words[1:]
    return Resolver(tuple(found["nameserver"]), tuple(found["search"]), tuple(sorted(found["options"])))


def by_file(files: Mapping[str, str]) -> dict[str, str]:
    """Key a cgroup's files by their own names: "memory/memory.limit_in_bytes" on v1 has the controller in front."""
    return {path.rpartition("/")[2]: text.strip() for path, text in files.items()}
