#!/usr/bin/python
"""Install a container runtime's package beside what runs, or say why that would touch something else.

Runs on the node: Python 3.6 or later, standard library only.
"""

DOCUMENTATION = r"""
module: runtime_package
short_description: Install a package, if that removes and upgrades no other
description:
  - Has the package manager say what it would do first. When it would remove or upgrade a package, nothing is done.
options:
  name:
    description: The package.
    type: str
    required: true
  version:
    description: Its exact version; what the package manager takes by itself when empty.
    type: str
    default: ""
  folder:
    description: Folder on the node with packages to install from, instead of the package manager's sources.
    type: path
    default: ""
  look:
    description: Whether it is only asked which version would come.
    type: bool
    default: false
  files:
    description: Names of the packages there that were brought now; others may be left from before.
    type: list
    elements: str
    default: []
author: [the migrator project]
"""

EXAMPLES = r"""
- name: Install containerd
  runtime_package:
    name: containerd
"""

RETURN = r"""
would:
  description: The version that would be installed; empty when it cannot be told.
  returned: when it is looked at
  type: str
installed:
  description: Packages that are new, with their versions.
  returned: success
  type: dict
"""

import os
import re
import shutil

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.migrator_node import NodeError, run

APT = ["apt-get", "-q", "-y", "--no-install-recommends", "--no-remove", "-o", "DPkg::Lock::Timeout=300"]
DNF = ["-q", "-y", "--setopt=install_weak_deps=False"]
SECONDS = 1800
_EPOCH = re.compile(r"^\d+:")
"""What rpm's packages are listed without, and named with (dnf(8), Specifying Packages)."""


class Debian:
    """dpkg and apt."""

    suffix = "deb"

    def present(self):
        """Give the installed packages with their versions. Raises NodeError where an installation was broken off."""
        shown = run(["dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Status}\n"])[1]
        rows = [row for row in map(str.split, shown.splitlines()) if len(row) == 3]
        pending = [row[0] for row in rows if row[2] not in ("installed", "config-files", "not-installed")]
        if pending:
            raise NodeError(
                "an installation was broken off: {} (dpkg --configure -a completes it, and may restart what they "
                "bring)".format(", ".join(pending))
            )
        return {row[0]: row[1] for row in rows if row[2] == "installed"}

    def named(self, name, version):
        """Name a package as apt-get takes it."""
        return "{}={}".format(name, version) if version else name

    def name_of(self, path):
        """Give the name of the package in a file; "" when it is for other machines."""
        found = dict(
            line.split(": ", 1) for line in run(["dpkg-deb", "-f", path, "Package", "Architecture"])[1].splitlines()
        )
        own = run(["dpkg", "--print-architecture"])[1].strip()
        return found["Package"] if found["Architecture"] in (own, "all") else ""

    def refresh(self):
        """Read the lists of packages anew."""
        run(["apt-get", "-q", "update"], timeout=SECONDS)

    def ask(self, name, words, *, offline):
        """Give the version that would come, and what the installation would remove or upgrade.

        Raises NodeError when it is not possible.
        """
        shown = run(APT + self._offline(offline) + ["--simulate", "install"] + words, timeout=SECONDS)[1]
        found = re.search(r"^Inst {} (?:\[\S+\] )?\((\S+)".format(re.escape(name)), shown, re.MULTILINE)
        return found.group(1) if found else "", sorted(touched(shown))

    def install(self, words, *, offline):
        """Install."""
        os.environ["DEBIAN_FRONTEND"] = "noninteractive"
        os.environ["NEEDRESTART_SUSPEND"] = "1"  # it would restart Docker, or the kubelet
        run(APT + self._offline(offline) + ["install"] + words, timeout=SECONDS)

    @staticmethod
    def _offline(offline):
        # No sources: with --no-download, apt-get does not even take the files that it is given (apt 2.6). What lacks
        # exactly this package counts as broken until it is installed, and apt-get refuses files then, though not names,
        # unless it may mend that. It removes nothing all the same.
        nowhere = ["-o", "Dir::Etc::sourcelist=/dev/null", "-o", "Dir::Etc::sourceparts=/dev/null"]
        return nowhere + ["--fix-broken"] if offline else []


class RedHat:
    """rpm, and dnf or yum. Written by their manuals, never run on a node."""

    suffix = "rpm"

    def __init__(self):
        self._dnf = "dnf" if shutil.which("dnf") else "yum"

    def present(self):
        """Give the installed packages with their versions."""
        shown = run(["rpm", "-qa", "--queryformat", "%{NAME} %{VERSION}-%{RELEASE}\n"])[1]
        return dict(line.split(None, 1) for line in shown.splitlines())

    def named(self, name, version):
        """Name a package as dnf takes it."""
        return "{}-{}".format(name, version) if version else name

    def name_of(self, path):
        """Give the name of the package in a file; "" when it is for other machines."""
        name, machine = run(["rpm", "-qp", "--queryformat", "%{NAME} %{ARCH}", path])[1].split()
        return name if machine in (os.uname().machine, "noarch") else ""

    def refresh(self):
        """Do nothing: dnf does that by itself."""

    def ask(self, name, words, *, offline):
        """Likewise; `--assumeno` ends with 1 after it has said so."""
        _, out, err = run(
            [self._dnf] + self._offline(offline) + ["--assumeno", "install"] + words, check=False, timeout=SECONDS
        )
        found = re.findall(r"^(?:Upgrade|Remove|Downgrade)\b.*|^\s+replacing\s+\S+", out, re.MULTILINE)
        if "Transaction Summary" not in out and "already installed" not in out:
            raise NodeError("the package manager cannot install it: {}".format((err or out).strip()[-400:]))
        version = re.search(r"^\s+{}\s+\S+\s+(\d\S*)".format(re.escape(name)), out, re.MULTILINE)
        return version.group(1) if version else "", [" ".join(line.split()) for line in found]

    def install(self, words, *, offline):
        """Install."""
        run([self._dnf] + DNF + self._offline(offline) + ["install"] + words, timeout=SECONDS)

    @staticmethod
    def _offline(offline):
        return ["--disablerepo=*"] if offline else []


def touched(shown):
    """Give the packages that apt-get says it would remove, upgrade or downgrade: "Remv a", "Inst a [old] (new …)"."""
    for line in shown.splitlines():
        found = re.match(r"(?:Remv|Purg) (\S+)|Inst (\S+) \[", line)
        if found:
            yield found.group(1) or found.group(2)


def chosen(manager, folder, names, name, present):
    """Give the files of a folder to install: the package's own, and those of others that are not installed."""
    found = {}
    for path in (os.path.join(folder, entry) for entry in sorted(names) if entry.endswith("." + manager.suffix)):
        package = manager.name_of(path)
        if package in found:
            raise NodeError("there are two files of {}: {} and {}".format(package, found[package], path))
        if package:
            found[package] = path
    if name not in found:
        raise NodeError("no package {} is among those that were brought: {}".format(name, ", ".join(sorted(found))))
    return [path for package, path in found.items() if package == name or package not in present]


def looked(manager, name, words, offline):
    """Ask what an installation would do; lists of packages that do not know it are read anew, once."""
    try:
        return manager.ask(name, words, offline=offline)
    except NodeError:
        if offline:
            raise
        manager.refresh()
        return manager.ask(name, words, offline=False)


def would(manager, name, version, folder, names):
    """Give the version that would be installed; "" when nothing would be, or it cannot be told."""
    before = manager.present()
    if name in before and version in ("", before[name]):
        return ""
    words = chosen(manager, folder, names, name, before) if folder else [manager.named(name, version)]
    return looked(manager, name, words, bool(folder))[0]


def install(manager, name, version, folder, names):
    """Install, when that touches nothing else; give what is new."""
    before = manager.present()
    if name in before and (version in ("", before[name]) or _EPOCH.sub("", version) == before[name]):
        return {}
    words = chosen(manager, folder, names, name, before) if folder else [manager.named(name, version)]
    other = looked(manager, name, words, bool(folder))[1]
    if other:
        raise NodeError(
            "installing {} would remove or upgrade what is there: {}; that is left to you".format(
                name, ", ".join(other)
            )
        )
    manager.install(words, offline=bool(folder))
    after = manager.present()
    others = sorted(package for package, number in before.items() if after.get(package) != number and package != name)
    if others:
        raise NodeError(
            "the package manager has changed more than it said: {}; look at the node".format(", ".join(others))
        )
    if name not in after or (version not in ("", after[name]) and _EPOCH.sub("", version) != after[name]):
        raise NodeError("{} is {} afterwards".format(name, after.get(name, "not installed")))
    return {package: number for package, number in after.items() if package not in before}


def main():
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "version": {"type": "str", "default": ""},
            "folder": {"type": "path", "default": ""},
            "look": {"type": "bool", "default": False},
            "files": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=False,
    )
    try:
        manager = Debian() if os.path.exists("/var/lib/dpkg/status") else RedHat()
        asked = [module.params[name] for name in ("name", "version", "folder", "files")]
        if module.params["look"]:
            module.exit_json(changed=False, would=would(manager, *asked))
        found = install(manager, *asked)
    except (NodeError, OSError, ValueError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(found), installed=found)


if __name__ == "__main__":
    main()
