"""Docker's configuration: which keys concern pods, and which of them are not carried over yet."""

from __future__ import annotations

import json

CONFIG = "/etc/docker/daemon.json"

NO_EFFECT_ON_PODS = frozenset(
    {
        # docker0 and Docker's own networks; pods have the CNI's.
        "bip", "fixed-cidr", "fixed-cidr-v6", "mtu", "bridge", "default-gateway", "default-gateway-v6", "icc", "ip",
        "ip-masq", "userland-proxy", "userland-proxy-path", "default-address-pools", "network-control-plane-mtu",
        "iptables", "ip6tables",
        # Docker's API, Swarm and build features.
        "hosts", "group", "pidfile", "api-cors-header", "authorization-plugins", "swarm-default-advertise-addr",
        "swarm-raft-election-tick", "swarm-raft-heartbeat-tick", "node-generic-resources", "builder", "experimental",
        "network-diagnostic-port", "max-concurrent-uploads", "shutdown-timeout", "labels", "deprecated-key-path",
        # dockershim passed its own value with every container (1.20.2, pkg/kubelet/dockershim).
        "default-shm-size", "cgroup-parent",
        # Shims outlive containerd anyway.
        "live-restore",
    }
)  # fmt: skip
"""Keys of daemon.json that never concerned pods (moby, daemon/config, 19.03 to 28)."""

CARRIED = frozenset({"exec-opts"})
"""The cgroup driver stands there; the kubelet's, which has to be the same, is what is carried."""


def not_carried(text: str) -> list[str]:
    """Name the keys of a daemon.json that concern pods and that this version does not carry over.

    Raises `ValueError` when it is not a JSON object.
    """
    if not text.strip():
        return []
    try:
        document = json.loads(text.removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{CONFIG}, line {error.lineno}, column {error.colno}: {error.msg}") from error
    if not isinstance(document, dict):
        raise ValueError(f"{CONFIG} is not a JSON object")  # noqa: TRY004 - one kind of error for a bad file
    return sorted(set(document) - NO_EFFECT_ON_PODS - CARRIED)
