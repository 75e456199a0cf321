"""The pod network that the new runtime inherits, and what of it was Docker's."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatch

from migrator import versions
from migrator.model.plan import Finding
from migrator.planning.checks.findings import found, listed
from migrator.planning.checks.lenient_reads import flags, has_kubelet
from migrator.planning.cni import stale_addresses
from migrator.planning.inputs import NodeInputs, Translation

BRIDGES = ("*crio-bridge*", "*podman*", "*containerd-net*", "200-loopback.conf*")
"""Configurations that other tools' packages and tutorials put there."""
_PERSISTENT = ("/etc/modules-load.d/", "/etc/sysctl.d/")


def inherited(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """Without CNI there is no network to inherit: dockershim's kubenet and docker0 end with it."""
    plugin = flags(now.facts).get("--network-plugin", "")
    if not has_kubelet(now.facts):
        return
    if plugin != "cni" and versions.parse(now.facts.kubelet.version) < versions.DOCKERSHIM_GONE:
        yield found(
            "no-cni",
            f"the kubelet runs with --network-plugin={plugin or '(none)'}, which ends with Docker",
            "move the node to a CNI network first",
        )
    elif not now.facts.cni.config:
        yield found("no-cni", "there is no CNI configuration", "install the cluster's network")
    elif draft.settings is not None:
        yield from _plugins(now, draft.settings.cni_bin_dirs)


def _plugins(now: NodeInputs, folders: tuple[str, ...]) -> Iterator[Finding]:
    needed = {*now.facts.cni.plugins, *now.runtime.cni_plugins}
    there = {name for folder in folders for name in now.facts.cni.folders.get(folder, ())}
    if not folders:
        evidence = f"no single folder has all of {listed(needed)}"
    elif needed - there:
        evidence = f"{listed(folders)} does not have {listed(needed - there)}"
    else:
        return
    yield found("cni-plugins", evidence, "put the plugins that the network configuration names into one folder")


def order(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """The first configuration wins, whoever wrote it."""
    bridges = [name for name in now.facts.cni.configs if any(fnmatch(name, pattern) for pattern in BRIDGES)]
    if now.facts.cni.config in bridges:
        yield found(
            "cni-order",
            f"{now.facts.cni.config} sorts first, so pods get that tool's bridge and not the cluster's network",
            "remove it, or see that it is the cluster's network indeed",
        )
    elif bridges:
        yield found(
            "cni-order",
            f"{listed(bridges)} would win if {now.facts.cni.config} were gone for a moment",
            "remove them if no other tool needs them",
        )


def forwarding(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """What Docker did to the host at its start must be done at boot from now on."""
    if now.facts.host.forward_policy == "DROP":
        yield found(
            "forward-policy",
            "the policy of iptables' FORWARD chain is DROP, as Docker sets it; without Docker it is ACCEPT after the "
            "next boot",
            "see that the network plugin or kube-proxy accepts the pods' traffic, and that no rule relied on DROP",
        )
    files = [change.path for change in draft.files if change.path.startswith(_PERSISTENT)]
    if files:
        yield found(
            "not-persistent",
            "Docker's start loads modules and sets sysctls that pods need, and nothing else does at boot",
            f"{listed(files)} will do it",
        )


def addresses(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """Addresses of containers that are gone are never given out again."""
    if stale := stale_addresses(now.facts):
        yield found(
            "stale-addresses",
            f"kept for containers that are gone: {listed(f'{entry.address} ({entry.network})' for entry in stale)}",
            "the switch releases them",
        )
