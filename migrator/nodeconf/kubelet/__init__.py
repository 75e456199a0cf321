"""The kubelet above another runtime: its flags and its configuration, rewritten in the files where they stand.

What has to be said where, by version of the kubelet, is in `versions`; sources of the recipe: kubeadm's
phases/kubelet/flags.go and config.go, kubernetes.io "Changing the Container Runtime on a Node", kubespray's
roles/kubernetes/node/templates.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from migrator import versions
from migrator.model.facts import NodeFacts, UnitFacts
from migrator.nodeconf.kubelet import config as kubelet_config
from migrator.nodeconf.kubelet import flags as kubelet_flags
from migrator.nodeconf.kubelet.config import Scalar
from migrator.nodeconf.kubelet.flags import Flag
from migrator.nodeconf.settings import RuntimeSettings
from migrator.nodeconf.systemd import edit as unit_edit
from migrator.nodeconf.systemd import overrides
from migrator.nodeconf.systemd import syntax as systemd_syntax
from migrator.nodeconf.systemd.unit import Definition, Unit
from migrator.versions import Version

KUBEADM_ENV = "/var/lib/kubelet/kubeadm-flags.env"
"""Written by kubeadm: one variable, quoted as Go's %q does (kubeadm 1.20.2, phases/kubelet/flags.go)."""
INSTANCE_CONFIG = "/var/lib/kubelet/instance-config.yaml"
"""What kubeadm lays over the configuration of this one node (kubernetes/kubernetes#128031)."""
DOCKER_UNITS = ("docker.service", "docker.socket", "cri-docker.service", "cri-docker.socket")

_RUNTIME = "--container-runtime"
_ENDPOINT = "--container-runtime-endpoint"
_IMAGES = "--image-service-endpoint"
_CGROUPS = "--runtime-cgroups"
_KUBEADM_VARIABLE = "KUBELET_KUBEADM_ARGS"
_KUBESPRAY_VARIABLE = "KUBELET_ARGS"
_DOCKER_SOCKETS = frozenset({"dockershim.sock", "cri-dockerd.sock", "cri-docker.sock", "docker.sock"})
_USUAL_SOCKET = "/run/containerd/containerd.sock"
"""Where cAdvisor looks for containerd by itself (its container/containerd/factory.go)."""
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "busybox"})
_TRUE = frozenset({"1", "t", "true"})
"""What Go takes for it, in three spellings each (strconv.ParseBool)."""
_LOGS = (("--container-log-max-size", "containerLogMaxSize"), ("--container-log-max-files", "containerLogMaxFiles"))
_FEWEST_LOGS = 2
"""The kubelet refuses a smaller number (its help text of --container-log-max-files)."""


def config_path(facts: NodeFacts) -> str:
    """Give the path of the kubelet's configuration file: what its files say, else what was observed.

    Raises `ValueError` as `kubelet_flags.flags` does.
    """
    return kubelet_flags.effective(kubelet_flags.flags(facts)).get("--config") or facts.kubelet.config


def cgroup_driver(facts: NodeFacts) -> str:
    """Give the driver that the kubelet uses: its flag, else its configuration, else cgroupfs.

    Raises `ValueError` when the configuration file is not YAML.
    """
    return option(facts, "--cgroup-driver", "cgroupDriver") or versions.DEFAULT_CGROUP_DRIVER


def option(facts: NodeFacts, flag: str, key: str) -> str:
    """Give what the kubelet was told by a flag, else by a key of its configuration; "" for neither.

    Raises `ValueError` when the configuration file is not YAML.
    """
    found = _observed(facts)
    path = found.get("--config") or facts.kubelet.config
    config = kubelet_config.read(facts.file(path).content, path=path)
    told = config.get(key)
    return found.get(flag) or ("" if told is None else str(told).lower() if isinstance(told, bool) else str(told))


def enabled(facts: NodeFacts, flag: str, key: str, *, default: bool) -> bool:
    """Likewise for what is on or off; a flag without a value says on (pflag, NoOptDefVal of booleans)."""
    bare = _observed(facts).get(flag) == ""
    told = "true" if bare else option(facts, flag, key)
    return told.lower() in _TRUE if told else default


def pause_image(facts: NodeFacts) -> str:
    """Give the sandbox image that pods of this node have now."""
    if facts.cri_dockerd and facts.cri_dockerd.unit.active:
        told = kubelet_flags.effective(kubelet_flags.read(facts.cri_dockerd.unit.arguments))
        if image := told.get(versions.PAUSE_FLAG):
            return image
    return _observed(facts).get(versions.PAUSE_FLAG) or versions.pause_image(versions.parse(facts.kubelet.version))


def told_to_kubeadm(facts: NodeFacts, endpoint: str) -> bool:
    """Tell whether kubeadm finds this socket on the node itself, and never asks for an annotation."""
    if versions.parse(facts.kubelet.version) < versions.ANNOTATION_UNREAD:
        return False
    try:
        instance = kubelet_config.read(facts.file(INSTANCE_CONFIG).content, path=INSTANCE_CONFIG)
    except ValueError:
        return False
    return _socket(str(instance.get("containerRuntimeEndpoint") or "")) == _socket(endpoint)


def rewrite(facts: NodeFacts, settings: RuntimeSettings, endpoint: str, unit: str = "") -> dict[str, str]:
    """Give the new text of every file that the kubelet needs changed for the runtime at `endpoint`, by path.

    `endpoint` has its scheme; `unit` is the new runtime's service, by default called like its socket. The texts are
    proven before they are given: systemd would start the kubelet with them on `endpoint`, without any flag that only
    Docker needed or that this version does not know, and otherwise as before.
    Raises `ValueError` when a file was not read, cannot be changed in place, or is not what it claims to be.
    """
    version = versions.parse(facts.kubelet.version)
    if version < versions.FIRST_KUBELET:
        raise ValueError(f"kubelet {facts.kubelet.version or 'of unknown version'}: none before 1.16 is known")
    before = kubelet_flags.unit(facts)
    if not before.service.words:
        raise ValueError(f"no ExecStart= of {facts.kubelet.unit.name} was found: its flags cannot be rewritten")
    if before.service.words[0].text.rpartition("/")[2] in _SHELLS:
        raise ValueError(f"{before.service.path} starts the kubelet through a shell; start it directly in ExecStart=")
    to = _Rewrite(facts, settings, version, endpoint, unit or _called_like(endpoint))
    after = to.flags(before)
    changed = {path: text for path, text in after.texts.items() if before.texts.get(path) != text}
    changed |= to.configuration(after)
    to.prove(after, changed)
    return changed


class _Rewrite:
    """One kubelet on its way to another runtime."""

    def __init__(self, facts: NodeFacts, settings: RuntimeSettings, version: Version, endpoint: str, unit: str) -> None:
        self.facts = facts
        self.settings = settings
        self.version = version
        self.endpoint = endpoint
        self.unit = unit
        services = (facts.containerd.unit, *([facts.crio.unit] if facts.crio else []))
        self.service = next((entry for entry in services if entry.name == unit), UnitFacts(name=unit))
        found = kubelet_flags.flags(facts)
        told = kubelet_flags.effective(found)
        self.network_variable = next((flag.variable for flag in found if flag.name == "--network-plugin"), "")
        self.config = told.get("--config", "")
        self.has_config = bool(self.config) and facts.file(self.config).exists
        text = facts.file(self.config).content if self.has_config else ""
        self.read = kubelet_config.read(text, path=self.config)
        self.former = _socket(told.get(_ENDPOINT) or str(self.read.get("containerRuntimeEndpoint") or ""))
        self.in_config = version >= versions.ENDPOINT_IN_CONFIG and (
            version >= versions.ENDPOINT_FLAG_DROPPED
            or (_ENDPOINT not in told and "containerRuntimeEndpoint" in self.read)
        )

    def doomed(self, flag: Flag) -> bool:
        """Tell whether a flag must not be there any more."""
        if flag.name == "--containerd":
            return _socket(flag.value) != _socket(self.endpoint) or _socket(flag.value) == _USUAL_SOCKET
        if flag.name == _IMAGES:
            return self._of_former(flag.value)
        if flag.name == _ENDPOINT:
            return self.in_config
        return flag.name in versions.doomed_flags(self.version)

    def flags(self, unit: Unit) -> Unit:
        """Give the unit with the flags for the new runtime."""
        unit = _drop_all(unit, self.doomed)
        if not self.in_config:
            unit = _set(unit, _ENDPOINT, self.endpoint, self._append)
        if _last(unit, _RUNTIME):
            unit = _set(unit, _RUNTIME, "remote", self._append)
        elif self.version < versions.RUNTIME_FLAG_OPTIONAL and (endpoint := _last(unit, _ENDPOINT)):
            unit = unit_edit.insert(unit, endpoint.numbers[0], f"{_RUNTIME}=remote")
        for name, value in self._values(unit):
            unit = _set(unit, name, value, self._append)
        return unit

    def configuration(self, unit: Unit) -> dict[str, str]:
        """Give the new texts of the configuration files, by path."""
        changes: dict[str, Scalar] = {}
        told = kubelet_flags.effective(kubelet_flags.flags_of(unit))
        if self.in_config or "containerRuntimeEndpoint" in self.read:
            changes["containerRuntimeEndpoint"] = self.endpoint
        if self._of_former(str(self.read.get("imageServiceEndpoint") or "")):
            changes["imageServiceEndpoint"] = self.endpoint
        changes |= {key: value for flag, key, value in self._logs() if flag not in told}
        texts: dict[str, str] = {}
        if changes:
            if not self.has_config:
                raise ValueError(f"kubelet {self.facts.kubelet.version} needs {', '.join(changes)} in the file that "
                                 f"--config names, and there is none")  # fmt: skip
            self._refuse_overlays(told.get("--config-dir", ""), changes)
            old = self.facts.file(self.config).content
            texts[self.config] = kubelet_config.edit(old, changes, path=self.config)
        instance = self.facts.file(INSTANCE_CONFIG)
        wanted = self.version >= versions.ENDPOINT_FLAG_DROPPED and self.facts.kubelet.installation == "kubeadm"
        if wanted or (instance.exists and self.version >= versions.ENDPOINT_IN_CONFIG):
            own: dict[str, Scalar] = {"containerRuntimeEndpoint": self.endpoint}
            texts[INSTANCE_CONFIG] = kubelet_config.edit(instance.content, own, path=INSTANCE_CONFIG)
        return {path: text for path, text in texts.items() if text != self.facts.file(path).content}

    def prove(self, unit: Unit, changed: dict[str, str]) -> None:
        """Raise `ValueError` unless the kubelet would come up on the new runtime."""
        found = kubelet_flags.flags_of(unit)
        told = kubelet_flags.effective(found)
        if left := [flag.name for flag in found if self.doomed(flag)]:
            raise ValueError(f"{', '.join(left)} would still be on the kubelet's command line")
        asked = told.get(_ENDPOINT)
        if asked is None and self.in_config:
            text = changed.get(self.config, self.facts.file(self.config).content)
            asked = str(kubelet_config.read(text, path=self.config).get("containerRuntimeEndpoint"))
        if asked != self.endpoint:
            raise ValueError(f"the kubelet would ask for its runtime at {asked}, not at {self.endpoint}")
        if self.version < versions.RUNTIME_FLAG_OPTIONAL and told.get(_RUNTIME) != "remote":
            raise ValueError(f"kubelet {self.facts.kubelet.version} needs {_RUNTIME}=remote, and it would not be there")

    def _refuse_overlays(self, folder: str, changes: Mapping[str, Scalar]) -> None:
        """Raise `ValueError` when a file of `--config-dir`, which beats the configuration, sets one of these."""
        for path, file in self.facts.files.items():
            if folder and file.exists and path.startswith(f"{folder.rstrip('/')}/") and path.endswith(".conf"):
                read = kubelet_config.read(file.content, path=path)
                if wrong := [key for key, value in changes.items() if read.get(key, value) != value]:
                    raise ValueError(f"{path} sets {', '.join(wrong)} and beats {self.config}; take it out there")

    def _of_former(self, value: str) -> bool:
        """Tell whether a socket is the runtime's that the node leaves."""
        socket = _socket(value)
        if not socket or socket == _socket(self.endpoint):
            return False
        return socket.rpartition("/")[2] in _DOCKER_SOCKETS or socket == self.former

    def _logs(self) -> Iterator[tuple[str, str, Scalar]]:
        """Give flag, field and value of each limit of logs that is asked for."""
        (size_flag, size_field), (files_flag, files_field) = _LOGS
        if self.settings.log_max_size:
            yield size_flag, size_field, kubelet_config.quantity(self.settings.log_max_size)
        if self.settings.log_max_files:
            yield files_flag, files_field, max(_FEWEST_LOGS, self.settings.log_max_files)

    def _values(self, unit: Unit) -> Iterator[tuple[str, str]]:
        """Give the flags whose values have to change."""
        told = kubelet_flags.effective(kubelet_flags.flags_of(unit))
        for flag, _, value in self._logs():
            if flag in told or not self.has_config:
                yield flag, str(value)
        parent, slash, name = told.get(_CGROUPS, "").rpartition("/")
        if name in DOCKER_UNITS:
            place = overrides.slice_of(overrides.unit_of(self.facts, self.service)) if parent else ""
            yield _CGROUPS, f"{place}{slash}{self.unit}"
        image = self.settings.pause_image
        # The kubelet keeps the image of this name from its garbage collection; one without the flag its own default.
        default = told.get(versions.PAUSE_FLAG) or versions.pause_image(self.version)
        if image and image != default and self.version < versions.PAUSE_FLAG_REMOVED:
            yield versions.PAUSE_FLAG, image

    def _append(self, unit: Unit, text: str) -> Unit:
        """Add a flag: to kubeadm's variable, else kubespray's, else where the network plugin was, else ExecStart."""
        service = unit.service
        for name in (_KUBEADM_VARIABLE, _KUBESPRAY_VARIABLE, self.network_variable):
            if name not in service.variables:
                continue
            home = service.definitions.get(name)
            if name == _KUBEADM_VARIABLE and home is None and KUBEADM_ENV in unit.texts:
                return _assign(unit, KUBEADM_ENV, name, text)
            if home and _editable(home):
                return unit_edit.append(unit, home, text)
        return unit_edit.append(unit, None, text)


def _observed(facts: NodeFacts) -> dict[str, str]:
    """Give the flags that count now: those of the process, else those of the files."""
    return kubelet_flags.effective(kubelet_flags.running(facts) or kubelet_flags.flags(facts))


def _drop_all(unit: Unit, doomed: Callable[[Flag], bool]) -> Unit:
    while found := next(filter(doomed, kubelet_flags.flags_of(unit)), None):
        unit = _drop(unit, found)
    return unit


def _drop(unit: Unit, flag: Flag) -> Unit:
    changed = unit
    for number in reversed(flag.numbers):  # from behind, so that the numbers of the others stay
        changed = unit_edit.drop(changed, number)
    return _only(flag, unit, changed)


def _set(unit: Unit, name: str, value: str, append: Callable[[Unit, str], Unit]) -> Unit:
    """Give a flag this value where it counts, and drop it wherever else it stands."""
    while len(found := [flag for flag in kubelet_flags.flags_of(unit) if flag.name == name]) > 1:
        unit = _drop(unit, found[0])
    if not found:
        return append(unit, f"{name}={value}")
    if found[0].value == value:
        return unit
    changed = unit
    for number in reversed(found[0].numbers[1:]):
        changed = unit_edit.drop(changed, number)
    changed = unit_edit.replace(changed, found[0].numbers[0], f"{name}={value}")
    return _only(found[0], unit, changed)


def _only(flag: Flag, before: Unit, after: Unit) -> Unit:
    """Give `after`. Raises `ValueError` when any other flag is not as before: two may share the word of a variable."""
    was, now = (
        [(other.name, other.value) for other in kubelet_flags.flags_of(unit) if other.name != flag.name]
        for unit in (before, after)
    )
    if was != now:
        raise ValueError(f"{flag.path}: {flag.name} shares a word with another flag; write them apart first")
    return after


def _last(unit: Unit, name: str) -> Flag | None:
    return next((flag for flag in reversed(kubelet_flags.flags_of(unit)) if flag.name == name), None)


def _editable(home: Definition) -> bool:
    """Tell whether a variable's value can be changed: in place, or by a drop-in of ours."""
    return home.in_unit or not unit_edit.packaged(home.path)


def _assign(unit: Unit, path: str, name: str, text: str) -> Unit:
    """Set a variable that nothing sets yet. Raises `ValueError` when the command line names it twice."""
    old = unit.texts[path]
    end = "" if not old or old.endswith("\n") else "\n"
    value = systemd_syntax.quote_value(systemd_syntax.quote_in_variable(text))
    after = unit.replaced(path, f"{old}{end}{name}={value}\n")
    if len(after.service.words) != len(unit.service.words) + 1:
        raise ValueError(f"{unit.service.path}: {name} stands in ExecStart= more than once; let it stand there once")
    return after


def _socket(value: str) -> str:
    """Give a socket's path, however it is written."""
    path = re.sub(r"^unix:/*", "/", value)
    return path.removeprefix("/var") if path.startswith("/var/run/") else path


def _called_like(endpoint: str) -> str:
    """Give the service that a socket is called after: containerd.sock is containerd.service's."""
    return endpoint.rpartition("/")[2].removesuffix(".sock") + ".service"
