"""Both workers in one rollout, under load; back again; staged only; Docker removed: and what each leaves behind."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab import images, network, shell, waiting
from lab.settings import GATEWAY, SERVICE_CIDR
from tests.field.sessions import healthy
from tests.lab.conftest import Lab
from tests.lab.sides import WORKERS, each
from tests.lab.test_5_migration import CONSENT

NODE = WORKERS[1]
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
  minAvailable: 1
  selector: {{matchLabels: {{app: front}}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {{name: front, namespace: front}}
spec:
  replicas: 2
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
UNITS = "systemctl list-unit-files --no-legend --state=enabled | awk '{print $1, $2}'"
NAMESPACE = "/run/docker/netns/default"
"""What dockerd mounts for the first container on the host's network, and never unmounts."""
MOUNTED = "cat /proc/mounts"
PACKAGES = "dpkg-query -W -f '${Package} ${Version} ${db:Status-Status}\\n' | grep ' installed$'"


@dataclass
class Load:
    """What a client saw."""

    requests: int = 0
    slowest: float = 0.0
    failed: tuple[Any, ...] = ()


@pytest.fixture(scope="module")
def front(fresh_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Give the lab with a Service of two pods, and a proxy for it where the clients are."""
    lab, settings = fresh_lab, fresh_lab.settings
    folder = tmp_path_factory.mktemp("front")
    (folder / "front.yml").write_text(FRONT)
    lab.kubectl("apply", "-f", str(folder / "front.yml"))
    words = [
        settings.programs / "kube-proxy", f"--kubeconfig={settings.kubeconfig}", "--proxy-mode=iptables",
        "--conntrack-max-per-core=0", "--conntrack-tcp-timeout-established=0", "--conntrack-tcp-timeout-close-wait=0",
        "--metrics-bind-address=127.0.0.1:10249", f"--healthz-bind-address={GATEWAY}:10256", "--hostname-override=clients",
    ]  # fmt: skip
    # Whatever is sent there is sent elsewhere by the proxy's rules; without a route it would not be sent at all.
    route = [SERVICE_CIDR, "dev", "br0"]
    shell.run(["ip", "-n", settings.name, "route", "replace", *route])
    proxy = network.start(settings, words, log=settings.state / "logs/kube-proxy.log")
    try:
        lab.until(
            lambda: lab.get("-n", "front", "deployment", "front")["status"].get("readyReplicas") == 2, "front runs"
        )
        healthy = network.inside(settings, ["curl", "-sSf", "-o", "/dev/null", f"http://{GATEWAY}:10256/healthz"])
        lab.until(lambda: waiting.succeeds(healthy), "the proxy has written its rules")
        yield lab
    finally:
        proxy.terminate()
        proxy.wait()
        shell.run(["ip", "-n", settings.name, "route", "del", *route])
        lab.restore()


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


def state(lab: Lab, node: str) -> dict[str, set[str]]:
    """Give every file and link of the lab's tree, the enabled units, and the installed packages."""
    return {
        "files": {f"{path} {what}" for path, what in lab.tree(node).items()},
        "units": set(lab.on(node, UNITS).splitlines()),
        "packages": set(lab.on(node, PACKAGES).splitlines()),
    }


def differences(before: Mapping[str, set[str]], after: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Name what is another way: paths, units and packages."""
    return {kind: {line.split()[0] for line in before[kind] ^ after[kind]} for kind in before}


def migrator(lab: Lab, *words: str | Path) -> str:
    """Run it; it must succeed. Give its messages."""
    began = time.monotonic()
    done = lab.migrator(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    print(f"{' '.join(map(str, words[:3]))}: {time.monotonic() - began:.0f} s")
    return done.stderr


def quick(lab: Lab, folder: Path) -> Path:
    """Give an inventory without proofs, which other tests are for."""
    return lab.configured(folder / "inventory.yml", proof="none")


def test_a_rollout_loses_no_request(front: Lab, tmp_path: Path) -> None:
    """Both nodes, one after the other, while a client asks a Service of two pods."""
    with load(front, tmp_path) as seen:
        told = migrator(front, "apply", "--yes", *CONSENT, quick(front, tmp_path))

    tell(seen)
    assert all(f"✓ {node} is migrated" in told for node in WORKERS)
    assert seen.requests > 2000
    assert seen.failed == ()


def test_a_rollback_loses_no_request_either(front: Lab, tmp_path: Path) -> None:
    """Both nodes back, by what they wrote down themselves."""
    with load(front, tmp_path) as seen:
        told = migrator(front, "rollback", "--limit", "all", "--yes", *CONSENT, front.inventory)

    tell(seen)
    assert all(f"✓ {node} is back" in told for node in WORKERS)
    assert seen.failed == ()


def test_what_each_command_leaves(front: Lab, tmp_path: Path) -> None:
    """Staged, applied, rolled back, applied again, cleaned up: /etc, units and packages are as the plan says."""
    lab, inventory = front, quick(front, tmp_path)
    every = ("--node", NODE, "--yes", *CONSENT, inventory)
    before = state(lab, NODE)
    planned = json.loads(lab.migrator("plan", "-o", "json", "--node", NODE, *CONSENT, inventory).stdout)
    files = {entry["path"] for entry in planned["nodes"][0]["files"]}

    migrator(lab, "apply", "--until", "stage", *every)
    assert not any(differences(before, state(lab, NODE)).values())
    refused = lab.migrator("rollback", *every)
    assert (refused.returncode, "no-way-back" in refused.stderr) == (12, True), refused.stderr

    migrator(lab, "apply", *every)
    applied = differences(before, state(lab, NODE))
    print(f"applied: {applied}")
    assert applied == {"files": files, "units": set(), "packages": set()}

    migrator(lab, "rollback", *every)
    assert not any(differences(before, state(lab, NODE)).values())

    migrator(lab, "apply", *every)
    assert state(lab, NODE)["files"] ^ before["files"]

    refused = lab.migrator("cleanup", *every)
    assert (refused.returncode, "docker-needed: containers run in Docker: foreign" in refused.stderr) == (12, True)
    lab.on(NODE, "docker rm -f foreign")
    every = (*every, "--allow", "docker-active")
    shown = lab.migrator("cleanup", "--node", NODE, *CONSENT, "--allow", "docker-active", inventory)
    print(shown.stdout)
    assert NAMESPACE in shown.stdout
    assert NAMESPACE in lab.on(NODE, MOUNTED)
    told = migrator(lab, "cleanup", *every)
    print(told)
    assert "netns" not in told
    assert "next boot" not in told
    assert NAMESPACE not in lab.on(NODE, MOUNTED)

    cleaned = differences(before, state(lab, NODE))
    print(f"cleaned: {cleaned}")
    assert {path for path in cleaned["files"] - files if "docker" not in path} == set()
    assert {unit.partition(".")[0] for unit in cleaned["units"]} == {"docker"}
    assert cleaned["packages"] == {"docker.io"}
    left = "ls -d /data/docker/* /run/docker* /run/dockershim.sock /var/lib/dockershim 2>/dev/null || true"
    assert lab.on(NODE, left).split() == []
    rules = lab.on(NODE, "iptables-save; ip -o link")
    assert "docker" not in rules.lower()
    assert "cni0" in rules
    assert lab.migrator("cleanup", *every).returncode == 0
    assert "Docker is not installed any more" in lab.migrator("rollback", *every).stderr
    each(lambda node: healthy(lab, node))
