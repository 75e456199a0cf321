"""The packages that own the parts of a runtime, and whether they are held.

Runs on the node: Python 3.6 or later, standard library only.
"""

import re

from ansible.module_utils.migrator_inspect_programs import Program, find

NAMES = (
    "conmon",
    "containerd",
    "containerd.io",
    "containernetworking-plugins",
    "cri-dockerd",
    "cri-o",
    "cri-o-runc",
    "cri-tools",
    "crun",
    "docker",
    "docker-ce",
    "docker-ce-cli",
    "docker-ce-rootless-extras",
    "docker-engine",
    "docker.io",
    "kubeadm",
    "kubelet",
    "kubernetes-cni",
    "moby-*",
    "nvidia-container-toolkit",
    "runc",
)
BRINGING = ("containerd", "containerd.io", "cri-o", "moby-containerd")
"""Packages that bring a runtime."""
_UNWRITTEN = ["-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache="]
"""Has apt-cache keep what it reads in memory: else it writes its caches anew where they are old (apt-cache(8))."""
_LOCKS = ("/etc/dnf/plugins/versionlock.list", "/etc/yum/pluginconf.d/versionlock.list", "/etc/dnf/versionlock.toml")
_INSTALLED = ("installed", "unpacked", "half-configured", "triggers-awaited", "triggers-pending")


class Packages:
    """The one question to the package manager; nothing on a host that has neither dpkg nor rpm."""

    def __init__(self, tree):
        self._tree = tree
        self._debian = tree.exists("/var/lib/dpkg/status")
        query = "${Package}\\t${Version}\\t${db:Status-Want}\\t${db:Status-Status}\\n"
        argv = [find(tree, "dpkg-query"), "-W", "-f=" + query]
        if not self._debian:
            argv = [find(tree, "rpm"), "-qa", "--qf", "%{NAME}\\t%{VERSION}-%{RELEASE}\\n"]
        self._program = Program(tree, argv + list(NAMES)) if argv[0] else None

    def fact(self):
        """Wait for the answer. Names that are not installed make dpkg-query fail, with the others printed."""
        if not self._program:
            return []
        said = self._program.answer().out
        if self._debian:
            return from_dpkg(said)
        return from_rpm(said, locked([self._tree.text(path) for path in _LOCKS]))


class Candidates:
    """The question which versions apt would install, where no runtime is: it reads lists that it has, and writes none.

    dnf and yum are not asked: both take a lock for what they have in their caches too, and wait for one (dnf's
    Base.fill_sack, yum's doLock).
    """

    def __init__(self, tree):
        program = find(tree, "apt-cache") if tree.exists("/var/lib/dpkg/status") else ""
        self._program = Program(tree, [program] + _UNWRITTEN + ["policy"] + list(BRINGING)) if program else None

    def fact(self):
        """Wait for the answer: versions by package, of those that there are."""
        return from_apt(self._program.answer().out) if self._program else {}


def from_apt(text):
    """Read what `apt-cache policy` prints."""
    rows = re.findall(r"^(\S+):\n  Installed: .*\n  Candidate: (\S+)$", text, re.MULTILINE)
    return {name: version for name, version in rows if name in BRINGING and version != "(none)"}


def from_dpkg(text):
    """Read what dpkg-query prints: packages that are there, and whether they are on hold."""
    rows = [line.split("\t") for line in text.splitlines()]
    return _sorted(
        {"name": row[0], "version": row[1], "held": row[2] == "hold"}
        for row in rows
        if len(row) == 4 and row[3] in _INSTALLED
    )


def from_rpm(text, patterns):
    """Read what rpm prints; a package is held when versionlock names it."""
    rows = [line.split("\t") for line in text.splitlines()]
    return _sorted(
        {"name": row[0], "version": row[1], "held": any(_names(pattern, row[0]) for pattern in patterns)}
        for row in rows
        if len(row) == 2
    )


def _names(pattern, name):
    """Tell whether an entry of versionlock is about this package: its name, then perhaps a version or a star."""
    return re.match(r"(?:\d+:)?" + re.escape(name) + r"(?:-(?:\d+:)?\d.*|-\*.*|\*?)$", pattern) is not None


def locked(texts):
    """Give the entries of versionlock's files, in its old form (a line each) and in dnf5's TOML."""
    found = []
    for text in texts:
        found += re.findall(r"""^\s*name\s*=\s*["']([^"']+)["']""", text, re.MULTILINE)
        found += re.findall(r"^\s*([A-Za-z0-9][^\s=!]*)\s*$", text, re.MULTILINE)
    return found


def _sorted(packages):
    return sorted(packages, key=lambda package: (package["name"], package["version"]))
