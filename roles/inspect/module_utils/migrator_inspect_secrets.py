"""Secrets in configuration files are replaced by their hashes before anything leaves the node.

Of files that may hold any, only what a plan reads is kept as it is; of those that a plan may rewrite, only what is
known to be a secret is hidden, since a plan refuses to rewrite a file with hidden parts. It is better to hide too
much: a secret that left the node cannot be called back.
Runs on the node: Python 3.6 or later, standard library only.
"""

import re

from ansible.module_utils.migrator_inspect_secret_commands import (
    EXEC_OPTIONS,
    LOG_OPTIONS,
    NETWORK_OPTIONS,
    NOTHING,
    STORAGE_OPTIONS,
    assignment,
    pair,
    redact_words,
    referred,
    variable,
)
from ansible.module_utils.migrator_inspect_secret_lines import redact_environment, redact_unit
from ansible.module_utils.migrator_inspect_secret_names import (
    digest,
    hide,
    is_secret_table,
    keeps,
)
from ansible.module_utils.migrator_inspect_secret_parts import (
    COMMENT,
    KEY,
    json_parts,
    rewritten,
    toml_parts,
)
from ansible.module_utils.migrator_inspect_secret_text import redact
from ansible.module_utils.migrator_inspect_secret_urls import hide_in_proxy, hide_in_urls
from ansible.module_utils.migrator_inspect_secret_yaml import yaml_parts

__all__ = ["digest", "kind_of", "redact", "redact_file", "redact_words", "referred", "variable"]

CNI, DOCKER, ENVIRONMENT, HOSTS, JSON, KUBELET, SPECIFICATION, TOML, UNIT = (
    "cni",
    "docker",
    "environment",
    "hosts",
    "json",
    "kubelet",
    "specification",
    "toml",
    "unit",
)
_KINDS = (
    (r".*/hosts\.toml", HOSTS),
    (r".*\.env|/etc/(?:default|sysconfig)/.*", ENVIRONMENT),
    (r".*\.(?:service|socket|slice|mount|target)|/(?:etc|run|lib|usr/lib)/systemd/.*\.conf", UNIT),
    (r".*/daemon\.json", DOCKER),
    (r"/etc/containerd/.*\.json", SPECIFICATION),
    (r".*/net\.d/.*|.*\.conflist", CNI),
    (r".*\.toml|/etc/(?:crio|containers)/.*\.conf|/etc/crio/crio\.conf\.d/.*", TOML),
    (r"(?:/etc|/root/\.config)/containers/registries.*", TOML),
    (r".*\.ya?ml", KUBELET),
    (r".*\.json", JSON),
)
"""Kinds of files by their paths, for those that nobody names for what they are."""

_DOCKER_KEYS = frozenset(
    "allow-direct-routing allow-nondistributable-artifacts api-cors-header api-enable-cors authorization-plugins bip "
    "bip6 bridge bridge-accept-fwmark cdi-spec-dirs cgroup-parent cluster-advertise cluster-store containerd "
    "containerd-namespace containerd-plugin-namespace cpu-rt-period cpu-rt-runtime cri-containerd data-root debug "
    "default-address-pools default-cgroupns-mode default-gateway default-gateway-v6 default-init default-ipc-mode "
    "default-runtime default-shm-size default-stop-timeout default-ulimits deprecated-key-path "
    "disable-legacy-registry dns dns-opts dns-search exec-root experimental features firewall-backend fixed-cidr "
    "fixed-cidr-v6 graph group host-gateway-ip host-gateway-ips hosts icc init init-path insecure-registries ip "
    "ip-forward ip-forward-no-drop ip-masq ip6tables iptables ipv6 live-restore log-driver log-format log-level "
    "max-concurrent-downloads max-concurrent-uploads max-download-attempts metrics-addr min-api-version mtu "
    "network-control-plane-mtu network-diagnostic-port no-new-privileges nri-opts oom-score-adjust pidfile raw-logs "
    "registry-mirrors resolv-conf restart rootless seccomp-profile selinux-enabled shutdown-timeout storage-driver "
    "swarm-default-advertise-addr swarm-raft-election-tick swarm-raft-heartbeat-tick tls tlscacert tlscert tlskey "
    "tlsverify userland-proxy userland-proxy-path userns-remap".split()
)
"""Keys of daemon.json that say one thing; those in which anything may stand have a rule of their own."""
_RUNTIME_OPTIONS = frozenset(
    "BinaryName ConfigPath CriuImagePath CriuPath CriuWorkPath IoGid IoUid NoNewKeyring NoPivotRoot Root Runtime "
    "RuntimeRoot ShimCgroup SystemdCgroup TypeUrl".split()
)
_HOSTS_KEYS = frozenset("ca capabilities client dial_timeout override_path server skip_verify".split())
_CNI_KEYS = frozenset(
    "addIf bandwidth bridge capabilities cniVersion cniVersions conntrackTimeout dataDir datastore_type delegate "
    "disableCheck dns dst enableOverlayfs gateway gw hairpinMode ifName interface ipMasq ipam isDefaultGateway "
    "isGateway kubeconfig log_file_path log_level master mode mtu name nodename noSnat plugins portMappings ranges "
    "rangeEnd rangeStart routes snat subnet subnets type vlan".split()
)
_ARGUMENTS = frozenset(["args", "command", "runtimeargs"])
_VARIABLES = re.compile(r"(?:.*[_\-.])?env(?:ironment)?", re.IGNORECASE)


def kind_of(path):
    """Give the kind of a file by its path; "" for one of which nothing is known."""
    return next((kind for pattern, kind in _KINDS if re.match(pattern + "$", path)), "")


def redact_file(text, kinds, flags=None):
    """Give the text of a file of these kinds with its secrets replaced by hashes.

    `flags` are those that `referred` gives. One file may be of several kinds, as each of its readers has its own.
    """
    for kind in kinds:
        if kind == ENVIRONMENT:
            text = redact_environment(text, flags)
        elif kind == UNIT:
            text = redact_unit(text, flags)
        elif kind in _READERS:
            read, policy = _READERS[kind]
            text = rewritten(text, read(text), policy)
    return redact(text) if not kinds or KUBELET in kinds else text


def _yaml_or_json(text):
    return json_parts(text) if text.lstrip().startswith("{") else yaml_parts(text)


def _aside(function, comments=redact):
    """Make a policy that treats keys as all do, and comments by a function of their own."""

    def policy(part):
        if part.kind is KEY:
            return hide_in_urls(part.text)
        if part.kind is COMMENT:
            return comments(part.text)
        return function(part)

    return policy


def _by_names(part):
    """Hide what its names or its words call a secret."""
    name = part.path[-1] if part.path else ""
    if any(is_secret_table(entry) for entry in part.path) or not keeps(name, part.text):
        return hide(part.text)
    if _VARIABLES.fullmatch(name) and "=" in part.text:
        return assignment(part.text)
    if part.before.startswith("-") and "=" not in part.before:
        return redact_words([part.before, part.text])[1]
    if part.text.startswith("-") or name.lower() in _ARGUMENTS:
        return redact_words([part.text])[0]
    return redact(part.text)


def _of_kubelet(part):
    """Likewise; `key` is that of a taint there."""
    if part.path[-1:] == ("key",) and not any(is_secret_table(name) for name in part.path):
        return redact(part.text)
    return _by_names(part)


def _of_hosts(part):
    """Keep what containerd is told of a host, and nothing below `header`."""
    names = part.path[2:] if part.path[:1] == ("host",) else part.path
    known = len(names) == 1 and names[0] in _HOSTS_KEYS
    return hide_in_urls(part.text) if known else hide(part.text)


def _of_cni(part):
    """Keep what is known to be said of networks."""
    known = bool(part.path) and part.path[-1] in _CNI_KEYS
    return _by_names(part) if known else hide(part.text)


def _of_docker(part):
    """Keep the keys that Docker has; of those in which anything may stand, what a plan reads."""
    key, names = part.path[0] if part.path else "", part.path[1:]
    if key in _DOCKER_RULES:
        return _DOCKER_RULES[key](names, part)
    if key in _DOCKER_KEYS:
        return redact(part.text)
    return hide(part.text)


def _named(known):
    return lambda names, part: redact(part.text) if names and known(names[-1]) else hide(part.text)


def _paired(known):
    return lambda _, part: pair(part.text, known)


def _of_runtime(names, part):
    """Keep a low-level runtime's program and what it is told."""
    text = part.text
    field = names[1].lower() if len(names) > 1 else ""
    if field == "options":
        return redact(text) if names[-1] in _RUNTIME_OPTIONS else hide(text)
    if field == "runtimeargs":
        return redact_words([part.before, text])[1]
    return redact(text) if field in ("path", "runtimetype") else hide(text)


def _of_proxies(names, part):
    """Keep addresses of proxies."""
    text = part.text
    if names[-1:] == ("no-proxy",):
        return redact(text)
    return hide_in_proxy(text) if names[-1:] in (("http-proxy",), ("https-proxy",)) else hide(text)


_DOCKER_RULES = {
    "builder": _named(lambda name: name in ("defaultKeepStorage", "enabled", "keepStorage")),
    "cluster-store-opts": _named(lambda _: False),
    "default-network-opts": _named(NETWORK_OPTIONS.fullmatch),
    "exec-opts": _paired(EXEC_OPTIONS),
    "labels": _paired(NOTHING),
    "log-opts": _named(LOG_OPTIONS.__contains__),
    "node-generic-resources": _paired(NOTHING),
    "proxies": _of_proxies,
    "runtimes": _of_runtime,
    "storage-opts": _paired(STORAGE_OPTIONS),
}
_READERS = {
    CNI: (json_parts, _aside(_of_cni, hide)),
    DOCKER: (json_parts, _aside(_of_docker, hide)),
    HOSTS: (toml_parts, _aside(_of_hosts, hide)),
    JSON: (json_parts, _aside(_by_names)),
    KUBELET: (_yaml_or_json, _aside(_of_kubelet)),
    SPECIFICATION: (json_parts, _aside(_by_names)),
    TOML: (toml_parts, _aside(_by_names)),
}
