"""The kubelet: who set it up, what it is called in the cluster, where its configuration is.

Runs on the node: Python 3.6 or later, standard library only.
"""

import base64
import binascii
import re

from ansible.module_utils.migrator_inspect_programs import find
from ansible.module_utils.migrator_inspect_units import KUBELET, loaded, option, start_words

CONFIG = "/var/lib/kubelet/config.yaml"
KUBEADM_ENV = "/var/lib/kubelet/kubeadm-flags.env"
KUBESPRAY_ENV = "/etc/kubernetes/kubelet.env"
_ELSEWHERE = (
    ("rke2", ("rke2-server.service", "rke2-agent.service"), ("/var/lib/rancher/rke2/agent",)),
    ("k3s", ("k3s.service", "k3s-agent.service"), ("/var/lib/rancher/k3s/agent",)),
    ("k0s", ("k0scontroller.service", "k0sworker.service"), ("/var/lib/k0s/bin",)),
    ("microk8s", ("snap.microk8s.daemon-kubelite.service",), ("/var/snap/microk8s/current",)),
)
"""Distributions that run a kubelet of their own: its name, its units, folders that only it makes."""
_COMMON_NAME = b"\x06\x03\x55\x04\x03"
"""The object identifier 2.5.4.3 in DER."""


def words_of(unit, units):
    """Give the kubelet's command line: the running process's, else what its unit says."""
    return unit.get("arguments") or start_words(units, KUBELET)[1:]


def program_of(tree, unit, units):
    """Give the kubelet's program: the running one's, its unit's, or the one that PATH finds; "" without any."""
    for path in [unit.get("program", "")] + start_words(units, KUBELET)[:1]:
        if path and tree.is_program(path) and path.rpartition("/")[2] == "kubelet":
            return path
    return find(tree, "kubelet")


def config_of(words):
    """Give the path of the kubelet's configuration file."""
    return option(words, "config") or CONFIG


def installation(tree, unit, units, containers):
    """Tell who set the node up, by where the kubelet's arguments live (`other` when nothing is known)."""
    fragments, environment = unit.get("fragments", []), unit.get("environment_files", [])
    if KUBESPRAY_ENV in environment:
        return "kubespray"
    by_kubeadm = KUBEADM_ENV in environment or any(path.endswith("/10-kubeadm.conf") for path in fragments)
    if by_kubeadm and tree.exists(KUBEADM_ENV):
        return "kubeadm"
    by_kops = "DAEMON_ARGS=" in tree.text("/etc/sysconfig/kubelet") and "/etc/sysconfig/kubelet" in environment
    if by_kops or loaded(units, "kops-configuration.service"):
        return "kops"
    if any(map(_of_rke, containers)):
        return "rke"
    if not unit.get("active"):
        for name, services, folders in _ELSEWHERE:
            if any(loaded(units, service) for service in services) or any(map(tree.is_folder, folders)):
                return name
    return "other"


def _of_rke(container):
    """Tell whether a container is RKE's kubelet: others too have one of that name (rke, hosts/hosts.go; its images)."""
    return container["name"] == "kubelet" and container["running"] and "rancher" in container["image"]


def user_of(tree, words):
    """Tell who the kubelet is for the API server, from its client certificate; "" when that is not known."""
    kubeconfig = tree.text(option(words, "kubeconfig"))
    inline = re.search(r"^\s*(?:- )?client-certificate-data:\s*[\"']?([A-Za-z0-9+/=]+)", kubeconfig, re.MULTILINE)
    path = re.search(r"^\s*(?:- )?client-certificate:\s*[\"']?([^\"'\n]+?)[\"']?\s*$", kubeconfig, re.MULTILINE)
    try:
        if inline:
            return common_name(base64.b64decode(inline.group(1)).decode("ascii"))
        return common_name(tree.text(path.group(1))) if path else ""
    except (ValueError, IndexError, binascii.Error):
        return ""


def common_name(pem):
    """Give the common name of the subject of the first certificate in a PEM file; "" without one.

    Raises `ValueError` or `IndexError` for what is no certificate (RFC 5280, section 4.1).
    """
    block = re.search(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", pem, re.DOTALL)
    if not block:
        return ""
    certificate = base64.b64decode("".join(block.group(1).split()))
    fields = _parts(_parts(certificate)[0])
    if fields[0][0] == 0xA0:  # the version is optional
        fields = fields[1:]
    subject = fields[4]  # after serial number, algorithm, issuer and validity
    place = subject.find(_COMMON_NAME)
    if place < 0:
        return ""
    return _element(subject, place + len(_COMMON_NAME))[0].decode("utf-8")


def _element(data, start):
    """Give the content of the DER element at `start`, and where the next one starts."""
    length, start = data[start + 1], start + 2
    if length & 0x80:
        size = length & 0x7F
        length, start = int.from_bytes(data[start : start + size], "big"), start + size
    if start + length > len(data):
        raise ValueError("an element is longer than what it is in")
    return data[start : start + length], start + length


def _parts(data):
    """Give the elements in a DER structure, each whole."""
    inner = _element(data, 0)[0]
    found, position = [], 0
    while position < len(inner):
        begin = position
        _, position = _element(inner, begin)
        found.append(inner[begin:position])
    return found
