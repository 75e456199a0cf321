"""The files that a migration writes, each with its exact bytes."""

from __future__ import annotations

import jinja2

from migrator import resources
from migrator.model.facts import NodeFacts
from migrator.model.plan import FileChange
from migrator.model.target import Target
from migrator.planning.translate import containerd, kubelet
from migrator.planning.translate.settings import RuntimeSettings

CRICTL = "/etc/crictl.yaml"
MODULES = "/etc/modules-load.d/migrator.conf"
SYSCTL = "/etc/sysctl.d/90-migrator.conf"

_KEPT_MODULES = ("overlay", "br_netfilter")
_KEPT_SYSCTLS = {"net.bridge.bridge-nf-call-iptables": 1, "net.ipv4.ip_forward": 1}
"""What Docker does at its start and nobody does once it is gone (kubernetes/website#36336)."""


def settings_of(facts: NodeFacts, target: Target) -> RuntimeSettings:
    """Collect what the new runtime must be told.

    Raises `ValueError` when a file on the node cannot be read for what it is.
    """
    return RuntimeSettings(
        cgroup_driver=kubelet.cgroup_driver(facts),
        cni_bin_dir=cni_folder(facts),
        cni_conf_dir=kubelet.flags_of(facts.kubelet.arguments).get("--cni-conf-dir") or "/etc/cni/net.d",
        pause_image=target.pause_image or kubelet.pause_image(facts),
    )


def cni_folder(facts: NodeFacts) -> str:
    """Give the one folder that has every plugin the network configuration names; "" when none has.

    The folders that the kubelet was told come first: containerd before 2.1 can look into one only.
    """
    told = kubelet.flags_of(facts.kubelet.arguments).get("--cni-bin-dir", "")
    order = [*filter(None, told.split(",")), *facts.cni.folders]
    for folder in order:
        if set(facts.cni.plugins) <= set(facts.cni.folders.get(folder, ())):
            return folder
    return ""


def changes(facts: NodeFacts, target: Target) -> tuple[FileChange, ...]:
    """Give every file that has to be written, in the order of writing; none that is right already.

    Raises `ValueError` as `settings_of` does.
    """
    settings = settings_of(facts, target)
    present = facts.file(containerd.CONFIG)
    wanted = {containerd.CONFIG: containerd.write(present.content, settings)}
    wanted |= kubelet.rewrite(facts, endpoint=containerd.ENDPOINT)
    wanted[CRICTL] = _render("crictl.yaml.j2", endpoint=containerd.ENDPOINT)
    wanted[MODULES] = _render("modules-load.conf.j2", modules=_KEPT_MODULES)
    wanted[SYSCTL] = _render("sysctl.conf.j2", settings=_KEPT_SYSCTLS)
    return tuple(
        _change(facts, path, content) for path, content in wanted.items() if facts.file(path).content != content
    )


def _change(facts: NodeFacts, path: str, content: str) -> FileChange:
    before = facts.file(path)
    if not before.exists:
        return FileChange(path=path, content=content, before=before)
    return FileChange(
        path=path, content=content, mode=before.mode, owner=before.owner, group=before.group, before=before
    )


def _render(template: str, **values: object) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(resources.folder("templates")),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        autoescape=False,  # noqa: S701 - configuration files, not HTML; every value is ours
    )
    return environment.get_template(template).render(**values)
