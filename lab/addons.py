"""What a cluster has beside its workloads: a name service (kube-proxy comes with kubeadm).

No packaged name server reads Services from the API, so this one, dnsmasq, is told the names of those that are there.
"""

from __future__ import annotations

import json
from pathlib import Path
from string import Template

from lab import controlplane, images, waiting
from lab.settings import DNS_ADDRESS, Settings

_MANIFEST = Path(__file__).parent / "manifests" / "names.yml"
_DOMAIN = "svc.cluster.local"
_WORDS = (
    "--keep-in-foreground",
    "--user=root",
    "--no-resolv",
    "--no-hosts",
    "--log-facility=-",
    "--local=/cluster.local/",
)


def manifest(records: list[str]) -> str:
    """Give the name service's objects, with these records of dnsmasq's."""
    words = json.dumps([*_WORDS, *records])
    return Template(_MANIFEST.read_text()).substitute(ADDRESS=DNS_ADDRESS, NAMES=images.NAMES, RECORDS=words)


def deploy(settings: Settings) -> None:
    """Start the name service with the Services that there are, and return when it and kube-proxy are available."""
    controlplane.kubectl(settings, ["apply", "-f", "-"], stdin=manifest(_records(settings)))
    waiting.until(lambda: _all_run(settings), "kube-proxy and the name service are available", seconds=300, every=1)


def _records(settings: Settings) -> list[str]:
    services = json.loads(controlplane.kubectl(settings, ["get", "services", "--all-namespaces", "-o", "json"]))[
        "items"
    ]
    return [
        "--host-record={name}.{namespace}.{domain},{address}".format(
            **item["metadata"], domain=_DOMAIN, address=item["spec"]["clusterIP"]
        )
        for item in services
        if item["spec"].get("clusterIP", "None") != "None"
    ]


def _all_run(settings: Settings) -> bool:
    words = ["-n", "kube-system", "get", "deployments,daemonsets", "-o", "json"]
    items = json.loads(controlplane.kubectl(settings, words))["items"]
    return all(
        item["status"].get("readyReplicas", 0) >= item["spec"]["replicas"]
        if item["kind"] == "Deployment"
        else item["status"].get("numberAvailable", 0) >= settings.workers
        for item in items
    )
