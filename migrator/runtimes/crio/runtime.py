"""CRI-O as one object: what the rest of the program asks of a runtime."""

from __future__ import annotations

import re

from migrator import versions
from migrator.model.facts import NodeFacts
from migrator.nodeconf import systemd
from migrator.nodeconf.settings import Handler, RuntimeSettings, Written
from migrator.runtimes import crio
from migrator.runtimes.containerd.config_versions import RUNC_TYPES
from migrator.runtimes.crio import places, registries_conf
from migrator.runtimes.destination import Destination
from migrator.runtimes.inherited_limits import inherited
from migrator.runtimes.runtime import Runtime
from migrator.runtimes.traits import FEWER, Traits

_CONMONS_LINK = re.compile(r"/run/crio/[0-9a-f]{64} \(a link to nothing\)")
"""The short way to a container's attach socket, which conmon before 2.1.7 never removes: each container of CRI-O that
ends leaves one, on every node (containers/conmon pull request 384; seen with conmon 2.1.6 and CRI-O 1.34.11).
"""
_NO_PATH = "CRI-O needs the full path of a runtime's program"
_RUNC_OPTIONS = frozenset({"BinaryName", "SystemdCgroup"})
"""Options of runc's shim that CRI-O says in its own words."""


def _write(facts: NodeFacts, settings: RuntimeSettings, to: Destination) -> tuple[Written, ...]:
    unit = CRIO.service(facts)
    drop_in = systemd.drop_in(unit.name, proxy=settings.proxy, limits=inherited(facts, settings, unit))
    policy = registries_conf.policy(facts.file(registries_conf.POLICY).content)
    return (
        *crio.write(settings, to.version, effective=facts.crio.effective if facts.crio else ""),
        *registries_conf.write(settings.registries),
        *(entry for entry in (drop_in, policy) if entry),
    )


def _by_path(handler: Handler) -> Handler | str:
    if not handler.program.startswith("/"):
        return f"{_NO_PATH}, and {handler.program!r} is found by a search"
    return handler


def _by_type(handler: Handler, _: versions.Version) -> Handler | str:
    if handler.kind in RUNC_TYPES:
        program = str(handler.options.get("BinaryName", ""))
        if not program.startswith("/"):
            return _NO_PATH
        extra = sorted(set(handler.options) - _RUNC_OPTIONS)
        if extra:
            return f"CRI-O has nothing like the options {', '.join(extra)}"
        return Handler(name=handler.name, program=program)
    if not handler.program:
        return f"{_NO_PATH}, and Docker knows the type {handler.kind} only"
    if handler.options:
        return f"CRI-O cannot give {handler.kind} its options"
    return handler


CRIO = Runtime(
    name="crio",
    scheme="cri-o",
    title="CRI-O",
    unit="crio.service",
    endpoint=crio.ENDPOINT,
    root="/var/lib/containers/storage",
    folder="containers-storage",
    config=crio.CONFIG,
    packages=("cri-o", "cri-o-runc"),
    mirror_paths=False,  # containers/image asks for /v2/ at the top of a host
    cri=versions.CRIO_CRI,
    cgroups=versions.CRIO_CGROUPS,
    sandbox=versions.CRIO_SANDBOX,
    tells_driver=versions.CRIO_TELLS_DRIVER,
    traits=Traits(
        scope="crio-",
        plain="crio-",
        capabilities=FEWER,
        label="crio-default",
        shares_uts=True,
        service="crio",
        # internal/factory/container/container.go, SpecSetPrivileges, by SetupPrivileged of runtime-tools (1.37).
        clears_inheritable=(1, 24, 0),
        privileged_pass_on=True,
        privileged_cgroup_namespace=False,
        low_ports=None,
        settable={"devices": "privileged_without_host_devices"},
        filters_unasked=((1, 24), (1, 29)),  # pkg/config/config.go, seccomp_use_default_when_empty
        processes="1048576:1048576",  # contrib/systemd/crio.service
        litter=_CONMONS_LINK,
    ),
    installed=lambda facts: facts.crio.version if facts.crio else "",
    unit_facts=lambda facts: facts.crio.unit if facts.crio else None,
    assumed=lambda kubelet: max(kubelet, crio.OLDEST),  # CRI-O's minor versions are Kubernetes'
    place=places.place,
    limits_apart=lambda _: True,
    by_path=_by_path,
    by_type=_by_type,
    write=_write,
)
