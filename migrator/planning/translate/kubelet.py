"""The kubelet's command line: read what it says, rewrite the files it comes from.

Only kubeadm's layout is known: `kubeadm-flags.env` and the distribution's `default/kubelet` or
`sysconfig/kubelet`. A flag that stands elsewhere is a finding, never silently missed.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping

import yaml

from migrator.model.facts import NodeFacts
from migrator.planning import versions

CONFIG = "/var/lib/kubelet/config.yaml"
KUBEADM_ENV = "/var/lib/kubelet/kubeadm-flags.env"
"""Written by kubeadm: one variable, quoted as Go's %q does (kubeadm 1.20.2, phases/kubelet/flags.go)."""
ENVIRONMENT_FILES = (KUBEADM_ENV, "/etc/default/kubelet", "/etc/sysconfig/kubelet")
_ASSIGNMENT = re.compile(r"^(\s*)(KUBELET_KUBEADM_ARGS|KUBELET_EXTRA_ARGS)=(.*)$")


def flags_of(arguments: Iterable[str]) -> dict[str, str]:
    """Read a command line into flag and value; a later flag wins, as it does for the kubelet."""
    found: dict[str, str] = {}
    pending = ""
    for word in arguments:
        if word.startswith("-"):
            name, equals, value = word.partition("=")
            pending = "" if equals else "--" + name.lstrip("-")
            found["--" + name.lstrip("-")] = value
        elif pending:
            found[pending], pending = word, ""
    return found


def cgroup_driver(facts: NodeFacts) -> str:
    """Give the driver that the running kubelet uses: its flag, else its configuration, else cgroupfs.

    Raises `ValueError` when the configuration file is not YAML.
    """
    flag = flags_of(facts.kubelet.arguments).get("--cgroup-driver")
    if flag:
        return flag
    try:
        config = yaml.safe_load(facts.file(CONFIG).content) or {}
    except yaml.YAMLError as error:
        raise ValueError(f"{CONFIG} is not YAML: {error}") from error
    return str(config.get("cgroupDriver") or "cgroupfs") if isinstance(config, Mapping) else "cgroupfs"


def pause_image(facts: NodeFacts) -> str:
    """Give the sandbox image that pods of this node have now."""
    return flags_of(facts.kubelet.arguments).get(versions.PAUSE_FLAG) or versions.DEFAULT_PAUSE_IMAGE


def rewrite(facts: NodeFacts, *, endpoint: str) -> dict[str, str]:
    """Give the new text of each environment file that has to change, by path.

    What dockershim alone read is dropped, and `KUBEADM_ENV` is told of the new runtime.
    """
    version = versions.parse(facts.kubelet.version)
    changed: dict[str, str] = {}
    for path in ENVIRONMENT_FILES:
        file = facts.file(path)
        add = _runtime_flags(version, endpoint) if path == KUBEADM_ENV else []
        if file.exists:
            text = _rewrite_text(file.content, version=version, add=add)
            if text != file.content:
                changed[path] = text
    return changed


def unknown_places(facts: NodeFacts) -> list[str]:
    """Name the runtime flags of the running kubelet that stand in no file this module rewrites."""
    files = [facts.file(path).content for path in ENVIRONMENT_FILES]
    known = {flag for text in files for line in text.splitlines() for flag in flags_of(_words(line))}
    doomed = {flag.name for flag in versions.DOCKERSHIM_FLAGS} | set(versions.RUNTIME_FLAGS)
    return sorted(set(flags_of(facts.kubelet.arguments)) & doomed - known)


def _runtime_flags(version: versions.Version, endpoint: str) -> list[str]:
    runtime = ["--container-runtime=remote"] if version < versions.RUNTIME_FLAG_REMOVED else []
    return [*runtime, f"--container-runtime-endpoint={endpoint}"]


def _words(line: str) -> list[str]:
    match = _ASSIGNMENT.match(line)
    if match is None:
        return []
    return [word for part in shlex.split(match[3]) for word in part.split()]


def _rewrite_text(text: str, *, version: versions.Version, add: list[str]) -> str:
    lines = []
    for line in text.splitlines(keepends=True):
        match = _ASSIGNMENT.match(line.rstrip("\n"))
        if match is None:
            lines.append(line)
            continue
        extra = add if match[2] == "KUBELET_KUBEADM_ARGS" else []
        words = _without(_words(line), version) + extra
        if words == _words(line):
            lines.append(line)
        else:
            quoted = match[3].startswith(('"', "'")) or len(words) > 1
            value = " ".join(words)
            lines.append(f'{match[1]}{match[2]}="{value}"\n' if quoted else f"{match[1]}{match[2]}={value}\n")
    return "".join(lines)


def _without(words: list[str], version: versions.Version) -> list[str]:
    """Drop the flags that must go, together with a value that follows as a word of its own."""
    doomed = {flag.name for flag in versions.DOCKERSHIM_FLAGS} | set(versions.RUNTIME_FLAGS)
    if version >= versions.PAUSE_FLAG_REMOVED:
        doomed.add(versions.PAUSE_FLAG)
    kept: list[str] = []
    dropping = False
    for word in words:
        if word.startswith("-"):
            name, equals, _ = word.partition("=")
            dropping = "--" + name.lstrip("-") in doomed
            if not dropping:
                kept.append(word)
            dropping = dropping and not equals
        elif dropping:
            dropping = False
        else:
            kept.append(word)
    return kept
