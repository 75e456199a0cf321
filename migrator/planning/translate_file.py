"""Translate one Docker configuration for a runtime, without a node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from migrator import versions
from migrator.errors import TranslationError
from migrator.model.base import Value
from migrator.model.facts import SCHEMA, NodeFacts
from migrator.model.fate import KeyFate
from migrator.nodeconf import host_files
from migrator.nodeconf.settings import RuntimeSettings, Written
from migrator.runtimes import docker
from migrator.runtimes.destination import Destination
from migrator.runtimes.docker import DockerSource
from migrator.runtimes.docker import options as docker_options
from migrator.runtimes.registry import RUNTIMES


class FileTranslation(Value):
    """What one configuration becomes."""

    destination: Destination
    fates: tuple[KeyFate, ...]
    files: tuple[Written, ...]


def translate(
    text: str,
    *,
    path: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    docker_version: str,
    runtime: str,
    runtime_version: str,
    kubelet_version: str,
) -> FileTranslation:
    """Give the files and the fates. Raises `TranslationError` for a configuration that Docker would not read either."""
    new = RUNTIMES[runtime]
    kubelet = _version(kubelet_version, "--kubelet-version")
    version = _version(runtime_version, "--runtime-version") if runtime_version else new.assumed(kubelet)
    to = Destination(runtime=runtime, version=version, kubelet=kubelet)
    try:
        options = docker_options.read(text, arguments, path=path)
        source = DockerSource(version=docker_version, options=options, proxies=environment, specification=False)
        settings = docker.settings(source, RuntimeSettings(cgroup_driver=_driver(options, docker_version)), to)
        files = (
            *new.write(NodeFacts(schema_version=SCHEMA, root=True), settings, to),
            host_files.crictl(new.endpoint, ""),
            host_files.modules(),
            host_files.sysctl(settings),
        )
        return FileTranslation(destination=to, fates=docker.fates(source, to), files=files)
    except ValueError as error:
        raise TranslationError(str(error)) from error


def _driver(options: Mapping[str, object], docker_version: str) -> str:
    """Without a node there is no kubelet to ask: Docker's own word counts, else its default on a host of its time.

    moby daemon/daemon_unix.go: names are trimmed and compared without case (getCD); from 20.10 on the default is
    systemd's where that is PID 1 and cgroups are v2, before it is cgroupfs.
    """
    words = options.get("exec-opts")
    for word in words if isinstance(words, list) else ():
        name, _, value = str(word).partition("=")
        if name.strip().lower() == "native.cgroupdriver":
            if value.strip() not in _DRIVERS:
                raise ValueError(
                    f"exec-opts: Docker knows the cgroup drivers cgroupfs and systemd, not {value.strip()!r}"
                )
            return value.strip()
    return "cgroupfs" if (0, 0) < versions.parse(docker_version) < _SYSTEMD_SINCE else "systemd"


_DRIVERS = frozenset({"cgroupfs", "systemd"})
_SYSTEMD_SINCE = (20, 10)


def _version(text: str, option: str) -> versions.Version:
    version = versions.parse(text)
    if version == (0, 0):
        raise TranslationError(f"{option} {text!r}: a version such as 1.7 is needed")
    return version
