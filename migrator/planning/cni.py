"""Which folders hold the network plugins that the node's configuration names."""

from __future__ import annotations

from migrator.model.facts import NodeFacts, Reservation
from migrator.nodeconf.kubelet import flags as kubelet_flags


def plugin_folders(facts: NodeFacts) -> tuple[str, ...]:
    """Give one folder that has every plugin the first network configuration names; () when no folder has.

    The folders that the kubelet was told come first. One folder, because containerd before 2.1 can look into one
    only (its docs/cri/config.md, `bin_dir`).
    """
    told = kubelet_flags.effective(kubelet_flags.flags(facts)).get("--cni-bin-dir", "")
    for folder in [*filter(None, told.split(",")), *facts.cni.folders]:
        if folder.startswith("/") and set(facts.cni.plugins) <= set(facts.cni.folders.get(folder, ())):
            return (folder,)
    return ()


_OF_THE_NODE = frozenset(
    {
        "bridge", "ptp", "macvlan", "ipvlan", "vlan", "host-device", "flannel", "weave-net", "loopback", "portmap",
        "bandwidth", "firewall", "tuning", "sbr", "vrf", "host-local", "static", "dhcp", "weave-ipam",
    }
)  # fmt: skip
"""Plugins that need nothing but what the runtime tells them. Others ask the API server for the pod, as Calico's does
(cni-plugin/pkg/k8s, getK8sPodInfo), and refuse one that is not there."""
OWN_NETWORK = ("ptp", "host-local")
"""Plugins of a network that a rehearsal can make for itself."""


def needs_pods(facts: NodeFacts) -> bool:
    """Tell whether the network serves only pods that the API server knows: a rehearsal has none."""
    return not set(facts.cni.plugins) <= _OF_THE_NODE


def rehearsable(facts: NodeFacts) -> bool:
    """Tell whether a rehearsal has a network: the node's, or one of its own from plugins that are there."""
    there = {name for folder in plugin_folders(facts) for name in facts.cni.folders.get(folder, ())}
    return not needs_pods(facts) or set(OWN_NETWORK) <= there


def stale_addresses(facts: NodeFacts) -> tuple[Reservation, ...]:
    """Give the addresses that are kept for containers which Docker does not have any more."""
    if facts.docker is None:
        return ()
    ids = {entry.id for entry in facts.docker.containers}
    return tuple(entry for entry in facts.cni.reservations if entry.container and entry.container not in ids)


def config_folder(facts: NodeFacts) -> str:
    """Give the folder of the network configuration."""
    return kubelet_flags.effective(kubelet_flags.flags(facts)).get("--cni-conf-dir") or "/etc/cni/net.d"
