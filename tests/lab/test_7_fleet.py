"""Six workers in one rollout, two at a time, while a client asks a Service of theirs; and back again.

In a lab of its own.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from lab import cluster, images, machines, network, shell, waiting
from lab.settings import GATEWAY, SERVICE_CIDR, Settings
from tests.lab.conftest import Lab
from tests.lab.test_5_migration import CONSENT

WORKERS = 6
PAIRS = {"proof": "none", "canaries": 0, "batch": 2}
FRONT = f"""
apiVersion: v1
kind: Namespace
metadata: {{name: front}}
---
apiVersion: v1
kind: Service
metadata: {{name: front, namespace: front}}
spec:
  selector: {{app: front}}
  ports: [{{port: 80, targetPort: 8080}}]
---
apiVersion: policy/v1beta1
kind: PodDisruptionBudget
metadata: {{name: front, namespace: front}}
spec:
  minAvailable: 2
  selector: {{matchLabels: {{app: front}}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: front, namespace: front}}
spec:
  replicas: 4
  selector: {{matchLabels: {{app: front}}}}
  template:
    metadata: {{labels: {{app: front}}}}
    spec:
      terminationGracePeriodSeconds: 60
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector: {{matchLabels: {{app: front}}}}
      containers:
        - name: front
          image: {images.BUSYBOX}
          args: ["-c", "mkdir -p /www; hostname > /www/index.html; trap 'exit 0' TERM; httpd -f -p 8080 -h /www & wait"]
          # Whoever is taken out of the Service goes on answering until every proxy knows.
          lifecycle: {{preStop: {{exec: {{command: [sleep, "20"]}}}}}}
          readinessProbe:
            httpGet: {{path: /, port: 8080}}
            timeoutSeconds: 10
            periodSeconds: 5
          resources: {{requests: {{cpu: 20m, memory: 16Mi}}, limits: {{memory: 64Mi}}}}
"""


@dataclass
class Load:
    """What a client saw."""

    requests: int = 0
    slowest: float = 0.0
    failed: tuple[Any, ...] = ()


@contextmanager
def load(lab: Lab, folder: Path) -> Iterator[Load]:
    """Have the Service asked twenty times a second meanwhile."""
    address = lab.get("-n", "front", "service", "front")["spec"]["clusterIP"]
    result, seen = folder / "client.json", Load()
    words = [sys.executable, Path(__file__).with_name("client.py"), address, "80", result]
    client = network.start(lab.settings, words, log=folder / "client.log")
    try:
        yield seen
    finally:
        client.terminate()
        client.wait()
    found = json.loads(result.read_text())
    seen.requests, seen.slowest, seen.failed = found["requests"], found["slowest"], tuple(found["failed"])


def tell(seen: Load) -> None:
    """Say what the client saw, with the seconds of the day in which requests failed."""
    when = sorted({(time.strftime("%H:%M:%S", time.localtime(began)), problem) for began, problem in seen.failed})
    print(f"{seen.requests} requests, {len(seen.failed)} failed, slowest {seen.slowest:.1f} s {when}")


@pytest.fixture(scope="module")
def fleet() -> Iterator[Lab]:
    """Give a lab of six."""
    usual = Settings()
    if machines.kind(usual) == "guest":
        pytest.skip("six guests of QEMU's are too much for one machine: it needs nodes that are containers")
    settings = replace(usual, name=f"{usual.name}-fleet", workers=WORKERS)
    try:
        cluster.up(settings)
        yield Lab(settings)
    finally:
        cluster.down(settings)


@pytest.fixture(scope="module")
def front(fleet: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Give it with a Service of four pods, and a proxy for that where the clients are."""
    settings = fleet.settings
    folder = tmp_path_factory.mktemp("front")
    (folder / "front.yml").write_text(FRONT)
    fleet.kubectl("apply", "-f", str(folder / "front.yml"))
    words = [
        settings.programs / "kube-proxy", f"--kubeconfig={settings.kubeconfig}", "--proxy-mode=iptables",
        "--conntrack-max-per-core=0", "--conntrack-tcp-timeout-established=0", "--conntrack-tcp-timeout-close-wait=0",
        "--metrics-bind-address=127.0.0.1:10249", f"--healthz-bind-address={GATEWAY}:10256", "--hostname-override=clients",
    ]  # fmt: skip
    # Whatever is sent there is sent elsewhere by the proxy's rules; without a route it would not be sent at all.
    shell.run(["ip", "-n", settings.name, "route", "replace", SERVICE_CIDR, "dev", "br0"])
    network.start(settings, words, log=settings.state / "logs/kube-proxy.log")
    fleet.until(
        lambda: fleet.get("-n", "front", "deployment", "front")["status"].get("readyReplicas") == 4, "front runs"
    )
    healthy = network.inside(settings, ["curl", "-sSf", "-o", "/dev/null", f"http://{GATEWAY}:10256/healthz"])
    fleet.until(lambda: waiting.succeeds(healthy), "the proxy has written its rules")
    return fleet


def moved(lab: Lab, folder: Path, *words: str) -> str:
    """Run a rollout under load; it must succeed, and no request fail. Give its messages."""
    began = time.monotonic()
    cordoned = []
    with load(lab, folder) as seen, ThreadPoolExecutor(1) as pool:
        inventory = lab.configured(folder / "inventory.yml", **PAIRS)
        running = pool.submit(lab.migrator, *words, "--yes", *CONSENT, inventory)
        while not running.done():
            cordoned.append(sum(node["spec"].get("unschedulable", False) for node in lab.get("nodes")["items"]))
            time.sleep(0.5)
        done = running.result()
    print(f"{words[0]}: {time.monotonic() - began:.0f} s")
    tell(seen)
    assert done.returncode == 0, done.stdout + done.stderr
    assert seen.requests > 1000
    assert seen.failed == ()
    assert max(cordoned) == PAIRS["batch"]
    return done.stderr


def runtimes(lab: Lab) -> set[str]:
    """Name the runtimes of its nodes."""
    return {lab.node(node.name)["runtime"].partition(":")[0] for node in lab.settings.nodes}


def test_a_rollout_loses_no_request(front: Lab, tmp_path: Path) -> None:
    """All of them, two at a time and never more."""
    told = moved(front, tmp_path, "apply")

    assert set(re.findall(r"✓ (worker-\d) is migrated", told)) == {f"worker-{n}" for n in range(1, 7)}
    assert runtimes(front) == {"containerd"}


def test_a_rollback_loses_no_request_either(front: Lab, tmp_path: Path) -> None:
    """All of them back, by what they wrote down themselves."""
    told = moved(front, tmp_path, "rollback", "--limit", "all")

    assert set(re.findall(r"✓ (worker-\d) is back", told)) == {f"worker-{n}" for n in range(1, 7)}
    assert runtimes(front) == {"docker"}
