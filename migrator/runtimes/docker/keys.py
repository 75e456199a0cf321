"""Every key that Docker's configuration had from 1.13 to 29: what it may hold, and what becomes of it.

Keys and releases: moby, daemon/config and the flags in cmd/dockerd, v1.13.1 to v29.7.2. A flag that is no key is here
by its own name (`restart`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from migrator.runtimes.docker import addresses, logs, proxies, registries, rules, runtimes, storage, validators
from migrator.runtimes.docker.rule_results import (
    DEFAULT,
    Case,
    Rule,
    RuleResult,
    always,
    lost,
    never,
    placed,
    unless,
    when_on,
)

FIRST = "1.13"
"""The oldest release that is known here."""


@dataclass(frozen=True)
class Key:
    """A key of daemon.json."""

    shape: validators.Shape
    """Refuses what it may not hold."""
    rule: Rule
    """Judges a value that is neither null nor empty."""
    since: str = FIRST
    """First release with it."""
    until: str = ""
    """Last release with it; "" when 29 still takes it, be it to ignore it."""


API = never("it is about Docker's API; the kubelet talks to the new runtime's own socket")
AUTHORIZATION = never("it is about Docker's API; admission control judges pods")
CGROUPNS = lost("on cgroup v2 containers get a cgroup namespace of their own, and no longer see the node's paths")
CONTAINERD = never("it says how Docker used containerd; pods are in the namespace k8s.io")
DOCKER0 = never("it is about Docker's own networks; pods have those of the network plugin")
FIREWALL = never("it is about Docker's own rules; kube-proxy and the network plugin have theirs")
INIT = lost("containers have no init process any more: one that leaves zombies needs shareProcessNamespace or its own")
LABELS = never("nodes of Kubernetes have labels of their own; nothing reads these from Docker any more")
LEGACY = lost("Docker could pull by the registries' first protocol, which no other runtime speaks")
LIVE = never("containers live on while the new runtime is restarted, because each has a shim or monitor of its own")
NO_CDI = never("dockershim never asked for devices by CDI")
NO_FORMAT = lost("CRI-O's log has one format, and containerd before 1.5 has no key for it")
NO_LEGACY = "no runtime speaks the registries' first protocol anyway"
OWN_LOG = never("it is about the text of Docker's own log")
PASSED = never("the kubelet said it for every container, and so it had no effect on pods")
OTHER_REGISTRIES = lost("images without a registry in their name are pulled from docker.io alone")
PRIVATE = "it is what happens on cgroup v2 anyway"
PRIVILEGES = lost("containers that do not set allowPrivilegeEscalation to false can gain privileges again")
PROCESS = never("it is about Docker's own process")
PUSH = never("it is about pushing images, which no kubelet does")
REMAP = lost("root in a container is root on the node again; pods can have hostUsers: false with newer Kubernetes")
RESOLV = never("the kubelet writes each pod's resolv.conf, from its own resolvConf or the cluster's DNS")
RUN = never("it is for docker run --add-host")
SHUTDOWN = never("pods have terminationGracePeriodSeconds, and nodes the kubelet's shutdownGracePeriod")
SWARM = never("it is about Swarm and networks over several hosts, which pods never had")
VOLATILE = never("volatile data of a runtime belongs under /run, where the new one has it by itself")
WITH_INIT = never("it says which init process; whether there is one says the key init")

KEYS: Mapping[str, Key] = {
    # Registries, and how they are reached.
    "registry-mirrors": Key(addresses.mirrors, registries.judge_mirrors),
    "insecure-registries": Key(addresses.insecure, registries.judge_insecure),
    "allow-nondistributable-artifacts": Key(validators.texts, always(PUSH), since="17.06"),
    "proxies": Key(validators.proxies, proxies.judge, since="23"),
    "disable-legacy-registry": Key(validators.boolean, unless(True, always(LEGACY), NO_LEGACY), until="18.09"),  # noqa: FBT003
    "max-concurrent-downloads": Key(validators.count, rules.judge_downloads),
    "max-concurrent-uploads": Key(validators.count, always(PUSH)),
    "max-download-attempts": Key(validators.count, always(never("the kubelet tries again itself")), since="20.10"),
    # Data.
    "data-root": Key(validators.path, storage.judge_root, since="17.06"),
    "graph": Key(validators.path, storage.judge_root, until="23"),
    "exec-root": Key(validators.path, always(VOLATILE)),
    "storage-driver": Key(validators.text, storage.judge_driver),
    "storage-opts": Key(validators.settings, storage.judge_options),
    # What containers have.
    "exec-opts": Key(validators.settings, rules.judge_exec),
    "default-runtime": Key(validators.runtime_name, runtimes.judge_default),
    "runtimes": Key(validators.runtimes, runtimes.judge),
    "default-ulimits": Key(validators.ulimits, rules.judge_ulimits),
    "init": Key(validators.boolean, when_on(always(INIT))),
    "init-path": Key(validators.text, always(WITH_INIT)),
    "default-init": Key(validators.text, always(WITH_INIT), since="17.06"),
    "no-new-privileges": Key(validators.boolean, when_on(always(PRIVILEGES)), since="17.06"),
    "userns-remap": Key(validators.text, always(REMAP)),
    "seccomp-profile": Key(validators.profile, rules.judge_seccomp),
    "selinux-enabled": Key(validators.boolean, placed("selinux")),
    "default-cgroupns-mode": Key(validators.text, unless("private", always(CGROUPNS), PRIVATE), since="20.10"),
    "default-ipc-mode": Key(validators.text, always(PASSED), since="18.09"),
    "default-shm-size": Key(validators.text, always(PASSED), since="17.06"),
    "default-stop-timeout": Key(validators.count, always(PASSED), since="29"),
    "cgroup-parent": Key(validators.text, always(PASSED)),
    "cpu-rt-period": Key(validators.number, always(never("Kubernetes gives no container real-time priority"))),
    "cpu-rt-runtime": Key(validators.number, always(never("Kubernetes gives no container real-time priority"))),
    "dns": Key(validators.texts, always(RESOLV)),
    "dns-opts": Key(validators.texts, always(RESOLV)),
    "dns-search": Key(validators.texts, always(RESOLV)),
    "resolv-conf": Key(validators.text, always(RESOLV), since="18.09"),
    "cdi-spec-dirs": Key(validators.paths, placed("cdi_folders", NO_CDI), since="25"),
    "nri-opts": Key(validators.tables, rules.judge_nri, since="29"),
    "log-driver": Key(validators.text, logs.judge_driver),
    "log-opts": Key(validators.log_options, logs.judge_options),
    # The runtime itself.
    "debug": Key(validators.boolean, when_on(placed("log_level"))),
    "log-level": Key(validators.level, rules.judge_level),
    "log-format": Key(validators.log_format, unless("text", placed("log_format", NO_FORMAT)), since="25"),
    "raw-logs": Key(validators.boolean, always(OWN_LOG)),
    "metrics-addr": Key(validators.address, rules.judge_metrics),
    "live-restore": Key(validators.boolean, when_on(always(LIVE), "only a restart of Docker needed it")),
    "oom-score-adjust": Key(validators.number, always(PROCESS), until="25"),
    "shutdown-timeout": Key(validators.number, always(SHUTDOWN)),
    "features": Key(validators.switches, rules.judge_features, since="18.09"),
    "experimental": Key(validators.boolean, always(never("nothing that Kubernetes used depended on it"))),
    "containerd": Key(validators.text, always(CONTAINERD)),
    "containerd-namespace": Key(validators.text, always(CONTAINERD), since="19.03"),
    "containerd-plugin-namespace": Key(validators.text, always(CONTAINERD), since="19.03"),
    "cri-containerd": Key(validators.boolean, always(CONTAINERD), since="18.09"),
    "pidfile": Key(validators.text, always(PROCESS)),
    "restart": Key(validators.boolean, always(never("the kubelet starts containers again"))),
    "rootless": Key(validators.boolean, always(PROCESS), since="19.03"),
    "deprecated-key-path": Key(
        validators.text, always(never("it is about the name by which Docker signed what it pushed")), since="17.06"
    ),
    # Networks.
    "ip-forward": Key(validators.boolean, rules.judge_forward("ip-forward", rules.IPV4_FORWARD)),
    "ipv6": Key(validators.boolean, rules.judge_forward("ipv6", rules.IPV6_FORWARD)),
    "ip-forward-no-drop": Key(validators.boolean, always(FIREWALL), since="28"),
    "iptables": Key(validators.boolean, always(FIREWALL)),
    "ip6tables": Key(validators.boolean, always(FIREWALL), since="20.10"),
    "firewall-backend": Key(validators.text, always(FIREWALL), since="29"),
    "bridge-accept-fwmark": Key(validators.text, always(FIREWALL), since="29"),
    "allow-direct-routing": Key(validators.boolean, always(FIREWALL), since="28"),
    "bip": Key(validators.text, always(DOCKER0)),
    "bip6": Key(validators.text, always(DOCKER0), since="28"),
    "bridge": Key(validators.text, always(DOCKER0)),
    "default-address-pools": Key(validators.objects, always(DOCKER0), since="18.09"),
    "default-gateway": Key(validators.text, always(DOCKER0)),
    "default-gateway-v6": Key(validators.text, always(DOCKER0)),
    "default-network-opts": Key(validators.groups, always(DOCKER0), since="24"),
    "fixed-cidr": Key(validators.text, always(DOCKER0)),
    "fixed-cidr-v6": Key(validators.text, always(DOCKER0)),
    "icc": Key(validators.boolean, always(DOCKER0)),
    "ip": Key(validators.text, always(DOCKER0)),
    "ip-masq": Key(validators.boolean, always(DOCKER0)),
    "mtu": Key(validators.count, always(DOCKER0)),
    "network-control-plane-mtu": Key(validators.number, always(DOCKER0), since="18.09"),
    "network-diagnostic-port": Key(validators.count, always(DOCKER0), since="18.09"),
    "userland-proxy": Key(validators.boolean, always(DOCKER0)),
    "userland-proxy-path": Key(validators.text, always(DOCKER0)),
    "host-gateway-ip": Key(validators.text, always(RUN), since="20.10"),
    "host-gateway-ips": Key(validators.texts, always(RUN), since="28"),
    # Docker's API, Swarm and building.
    "hosts": Key(validators.texts, rules.judge_hosts),
    "group": Key(validators.text, always(API)),
    "tls": Key(validators.boolean, always(API)),
    "tlscacert": Key(validators.text, always(API)),
    "tlscert": Key(validators.text, always(API)),
    "tlskey": Key(validators.text, always(API)),
    "tlsverify": Key(validators.boolean, always(API)),
    "api-enable-cors": Key(validators.boolean, always(API), until="17.06"),
    "api-cors-header": Key(validators.text, always(API), until="28"),
    "min-api-version": Key(validators.text, always(API), since="29"),
    "authorization-plugins": Key(validators.texts, always(AUTHORIZATION)),
    "labels": Key(validators.texts, always(LABELS)),
    "builder": Key(validators.tables, always(never("it is about building images")), since="18.09"),
    "cluster-advertise": Key(validators.text, always(SWARM), until="23"),
    "cluster-store": Key(validators.text, always(SWARM), until="23"),
    "cluster-store-opts": Key(validators.words, always(SWARM), until="23"),
    "node-generic-resources": Key(validators.texts, always(SWARM), since="18.09"),
    "swarm-default-advertise-addr": Key(validators.text, always(SWARM)),
    "swarm-raft-election-tick": Key(validators.count, always(SWARM), since="18.09"),
    "swarm-raft-heartbeat-tick": Key(validators.count, always(SWARM), since="18.09"),
}
"""Each with its rule: a key of a release that is not here would be unknown."""

_OFF: frozenset[object] = frozenset({False, "false"})


def _signatures(value: object, _case: Case) -> RuleResult:
    return never(DEFAULT) if value in _OFF else lost("nothing asks /etc/containers/policy.json at a pull any more")


OF_RED_HAT: Mapping[str, Rule] = {
    "add-registry": always(OTHER_REGISTRIES),
    "block-registry": always(lost("nothing keeps images of these registries away; admission control can")),
    "enable-secrets": always(never("it is about subscriptions of the host, for building images")),
    "signature-verification": _signatures,
}
"""Flags of the Docker 1.13 that CentOS and RHEL 7 have (projectatomic/docker, branch docker-1.13.1-rhel)."""
