"""200 and 2,000 nodes with 6,000 and 60,000 pods on a real API server: time, requests, memory. Budget: 11 times each.

etcd and kube-apiserver run on loopback, in a folder of their own, from what the lab has built (or `--programs FOLDER`,
with both in it). The objects are written into etcd; there are no kubelets and no controllers, so that this program is
both for the one node that is drained: it ends evicted pods, and has others in their place. "Of our own" is what this
program's processor was busy with, without waiting for the API server.
`PYTHONPATH=. python bench/scale.py [--sizes 200,2000]`.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import urllib3
import yaml

from lab.settings import Settings
from migrator.app import observe
from migrator.app.connections import Connections
from migrator.cluster import client as kube
from migrator.engine import eviction
from migrator.engine.context import StepContext
from migrator.engine.steps import settle
from migrator.engine.wall_clock import WallClock
from migrator.hosts import HostResult, OnTaskResult, ignore_task_result
from migrator.inventory import Host
from migrator.model.host_settings import HostSettings
from migrator.report import status
from tests.fakes import values

PODS = 30
AGENTS = 5
REPLICAS = 10
NAMESPACES = 100
BATCH = 10
TOKEN = "bench"  # noqa: S105 - of a server that nobody else can reach, for a minute
AT = "2026-01-01T00:00:00Z"


def name_of(number: int) -> str:
    """Give a node's name, as long as those of clouds are."""
    return f"ip-10-{number // 250}-{number % 250}.eu-central-1.compute.internal"


def objects(count: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give everything that is in the cluster, with its key in etcd."""
    for number in range(NAMESPACES):
        yield f"namespaces/ns-{number}", thing("v1", "Namespace", "", f"ns-{number}", status={"phase": "Active"})
    for number in range(count):
        yield f"minions/{name_of(number)}", node(number)
    replicated = count * (PODS - AGENTS)
    for number in range(replicated // REPLICAS):
        space, name = f"ns-{number % NAMESPACES}", f"app-{number}"
        spec = {"replicas": REPLICAS, "selector": {"matchLabels": {"app": name}}, "template": template(name)}
        yield f"replicasets/{space}/{name}", thing("apps/v1", "ReplicaSet", space, name, spec=spec)
        if number % 10 == 0:
            yield f"poddisruptionbudgets/{space}/{name}", budget(space, name)
    for number in range(replicated):
        app = number // REPLICAS  # its pods are on different nodes
        space, place = f"ns-{app % NAMESPACES}", name_of(number % count)
        name = f"app-{app}-{number}"
        yield f"pods/{space}/{name}", pod(space, name, f"app-{app}", place, "ReplicaSet")
    for number in range(count * AGENTS):
        agent = f"agent-{number % AGENTS}"
        name = f"{agent}-{number}"
        yield f"pods/kube-system/{name}", pod("kube-system", name, agent, name_of(number // AGENTS), "DaemonSet")


def thing(version: str, kind: str, space: str, name: str, **rest: object) -> dict[str, Any]:
    """Give an object."""
    meta: dict[str, Any] = {"name": name, "uid": f"uid-{kind}-{name}", "creationTimestamp": AT, "generation": 1}
    more = rest.pop("metadata", {})
    return {
        "apiVersion": version, "kind": kind, **rest,
        "metadata": {**meta, **({"namespace": space} if space else {}), **(more if isinstance(more, dict) else {})},
    }  # fmt: skip


def node(number: int) -> dict[str, Any]:
    """Give a Node as kubelets write it: with addresses, conditions, and fifty images."""
    room = {"cpu": "8", "memory": "32Gi", "pods": "110", "ephemeral-storage": "100Gi"}
    conditions = [
        {"type": kind, "status": "True" if kind == "Ready" else "False", "lastHeartbeatTime": AT, "reason": "Kubelet"}
        for kind in ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")
    ]
    images = [
        {
            "names": [
                f"registry.example/team-{entry}/app@sha256:{entry:064x}",
                f"registry.example/team-{entry}/app:{entry}",
            ]
        }
        for entry in range(50)
    ]
    info = {
        "machineID": f"{number:032x}", "systemUUID": f"{number:032x}", "kernelVersion": "5.10.0",
        "osImage": "Debian GNU/Linux 11", "containerRuntimeVersion": "docker://20.10.24", "kubeletVersion": "v1.20.2",
        "kubeProxyVersion": "v1.20.2", "operatingSystem": "linux", "architecture": "amd64", "bootID": "b",
    }  # fmt: skip
    address = [{"type": "InternalIP", "address": f"10.0.{number // 250}.{number % 250}"}]
    state = {
        "capacity": room, "allocatable": room, "conditions": conditions, "addresses": address, "nodeInfo": info,
        "images": images,
    }  # fmt: skip
    marks = {"kubeadm.alpha.kubernetes.io/cri-socket": "/var/run/dockershim.sock"}
    labels = {"topology.kubernetes.io/zone": f"zone-{number % 3}", "kubernetes.io/hostname": name_of(number)}
    return thing(
        "v1", "Node", "", name_of(number), metadata={"annotations": marks, "labels": labels}, spec={}, status=state
    )


def template(app: str) -> dict[str, Any]:
    """Give what the pods of a workload are made from."""
    environment = [{"name": f"SETTING_{entry}", "value": f"value-{entry}"} for entry in range(20)]
    container = {
        "name": "app", "image": f"registry.example/{app}:1", "imagePullPolicy": "IfNotPresent", "env": environment,
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}},
        "volumeMounts": [{"name": "token", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}],
    }  # fmt: skip
    volumes = [{"name": "token", "secret": {"secretName": "token", "defaultMode": 420}}]
    spec = {
        "containers": [container, {**container, "name": "beside"}], "volumes": volumes, "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler",
        "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}],
    }  # fmt: skip
    return {"metadata": {"labels": {"app": app}}, "spec": spec}


def pod(space: str, name: str, app: str, place: str, kind: str) -> dict[str, Any]:
    """Give a pod that runs and is ready."""
    made = template(app)
    owner = {"apiVersion": "apps/v1", "kind": kind, "name": app, "uid": f"uid-{kind}-{app}", "controller": True}
    states = [
        {
            "name": name, "ready": True, "restartCount": 0, "image": f"registry.example/{app}:1", "imageID": "i",
            "containerID": f"docker://{name}", "state": {"running": {"startedAt": AT}},
        }
        for name in ("app", "beside")
    ]  # fmt: skip
    conditions = [
        {"type": kind, "status": "True", "lastTransitionTime": AT}
        for kind in ("Initialized", "Ready", "ContainersReady", "PodScheduled")
    ]
    return thing(
        "v1", "Pod", space, name,
        metadata={**made["metadata"], "ownerReferences": [owner]},
        spec={**made["spec"], "nodeName": place},
        status={"phase": "Running", "conditions": conditions, "containerStatuses": states, "podIP": "10.244.0.1"},
    )  # fmt: skip


def budget(space: str, name: str) -> dict[str, Any]:
    """Give a budget that lets one pod after the other go."""
    state = {
        "disruptionsAllowed": 5, "currentHealthy": REPLICAS, "desiredHealthy": 5, "expectedPods": REPLICAS,
        "observedGeneration": 1,
    }  # fmt: skip
    spec = {"minAvailable": 5, "selector": {"matchLabels": {"app": name}}}
    return thing("policy/v1beta1", "PodDisruptionBudget", space, name, spec=spec, status=state)


def write(etcd: str, count: int) -> None:
    """Write them all, a hundred in one transaction of etcd's JSON gateway."""
    pool = urllib3.PoolManager()
    waiting: list[dict[str, Any]] = []

    def flush() -> None:
        answer = pool.request("POST", f"{etcd}/v3/kv/txn", json={"success": waiting})
        if answer.status != 200:
            raise SystemExit(f"etcd: {answer.status} {answer.data[:300]!r}")
        waiting.clear()

    for key, value in objects(count):
        put = {"key": coded(f"/registry/{key}"), "value": coded(json.dumps(value, separators=(",", ":")))}
        waiting.append({"requestPut": put})
        if len(waiting) == 100:
            flush()
    flush()


def coded(text: str) -> str:
    """Give text as etcd's gateway takes it."""
    return base64.b64encode(text.encode()).decode()


def free_port() -> int:
    """Give a port that nobody has now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def program(folder: str, name: str) -> Path:
    """Find a program that the lab has built, or that stands in the folder that was named."""
    cache = Settings().cache / "artefacts"
    found = [Path(folder) / name] if folder else sorted(cache.glob(f"*/{name}"), key=lambda path: path.stat().st_mtime)
    if not found or not found[-1].exists():
        raise SystemExit(f"there is no {name}: run `make lab-up` once, or name a folder with --programs")
    return found[-1]


@contextlib.contextmanager
def serving(programs: str, folder: Path, count: int) -> Iterator[Path]:
    """Run etcd with everything in it, and an API server; give the kubeconfig."""
    ports = [free_port() for _ in range(3)]
    client, peer = (f"http://127.0.0.1:{port}" for port in ports[:2])
    key = folder / "key"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, stderr=subprocess.DEVNULL)
    (folder / "tokens").write_text(f'{TOKEN},bench,bench,"system:masters"\n')
    words_of_etcd = [
        program(programs, "etcd"), "--name", "bench", "--data-dir", folder / "etcd", "--unsafe-no-fsync",
        "--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer,
        "--initial-advertise-peer-urls", peer, "--initial-cluster", f"bench={peer}", "--logger", "zap",
        "--log-level", "error",
    ]  # fmt: skip
    words_of_server = [
        program(programs, "kube-apiserver"), f"--etcd-servers={client}", "--bind-address=127.0.0.1",
        f"--secure-port={ports[2]}", f"--cert-dir={folder / 'certs'}", f"--token-auth-file={folder / 'tokens'}",
        "--authorization-mode=AlwaysAllow", "--disable-admission-plugins=ServiceAccount,DefaultTolerationSeconds",
        f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}",
        "--service-account-issuer=https://bench", "--service-cluster-ip-range=10.96.0.0/16",
        "--advertise-address=192.0.2.1",
    ]  # fmt: skip
    kubeconfig = folder / "kubeconfig"
    server = {"server": f"https://127.0.0.1:{ports[2]}", "insecure-skip-tls-verify": True}
    kubeconfig.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1", "kind": "Config", "current-context": "c",
                "clusters": [{"name": "c", "cluster": server}], "users": [{"name": "u", "user": {"token": TOKEN}}],
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            }
        )
    )  # fmt: skip
    with contextlib.ExitStack() as ended, (folder / "log").open("wb") as log:

        def start(words: Sequence[str | Path]) -> None:
            process = subprocess.Popen(words, stdout=log, stderr=log)
            ended.callback(process.wait)
            ended.callback(process.terminate)

        start(words_of_etcd)
        answers(f"{client}/health", folder)
        write(client, count)
        start(words_of_server)
        answers(f"{server['server']}/readyz", folder)
        yield kubeconfig


def answers(url: str, folder: Path) -> None:
    """Wait until somebody says that all is well."""
    pool = urllib3.PoolManager(cert_reqs="CERT_NONE", headers={"Authorization": f"Bearer {TOKEN}"}, retries=False)
    until = time.monotonic() + 900
    while time.monotonic() < until:
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            if pool.request("GET", url, timeout=5).status == 200:
                return
        time.sleep(0.2)
    raise SystemExit(f"{url} does not answer: {(folder / 'log').read_text()[-2000:]}")


class Inspected:
    """Hosts that have been read: what Ansible does is not measured here."""

    def __init__(self) -> None:
        self.document = values.facts().model_dump(mode="json")

    def play(
        self, _: object, hosts: Sequence[str], heard: OnTaskResult = ignore_task_result
    ) -> Mapping[str, HostResult]:
        """Give facts of each."""
        del heard
        return {name: self.result(name) for name in hosts}

    def result(self, name: str) -> HostResult:
        """Give what was read of one."""
        number = int(name.split("-")[2]) * 250 + int(name.split(".", maxsplit=1)[0].split("-")[3])
        found = {**self.document, "machine_id": f"{number:032x}", "hostname": name}
        return HostResult(name, results={"Read the node": {"node": found}}, at=time.time())

    def line(self, host: str) -> Any:  # noqa: ANN401 - nobody opens one here
        """Open none."""
        raise NotImplementedError(host)


class Counted:
    """What is asked of the API server."""

    def __init__(self) -> None:
        self.requests = self.bytes = 0
        send = urllib3.HTTPSConnectionPool.urlopen

        def urlopen(pool: Any, *words: Any, **more: Any) -> Any:  # noqa: ANN401 - whatever urllib3 takes
            answer = send(pool, *words, **more)
            self.requests += 1
            self.bytes += len(answer.data)
            return answer

        urllib3.HTTPSConnectionPool.urlopen = urlopen  # type: ignore[method-assign]

    @contextlib.contextmanager
    def measured(self, what: str) -> Iterator[None]:
        """Print what it takes, as a line of JSON."""
        requests, received = self.requests, self.bytes
        began, worked = time.perf_counter(), time.process_time()
        yield
        found = {
            "what": what, "seconds": time.perf_counter() - began, "of our own": time.process_time() - worked,
            "requests": self.requests - requests,
            "received": (self.bytes - received) / 2**20,
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }  # fmt: skip
        print(json.dumps(found), flush=True)


def measure(what: str, kubeconfig: str, count: int) -> None:
    """Do one thing, in a process of its own: its memory counts."""
    counted = Counted()
    cluster = kube.connect(kubeconfig)
    hosts = tuple(Host(name=name_of(number), target=HostSettings()) for number in range(count))
    doors = Connections(hosts, Inspected(), cluster, frozenset())
    if what == "plan":
        with counted.measured("read the cluster"):
            facts = cluster.facts()
        seen = observe.observe(hosts, doors.hosts)
        with counted.measured("plan all"):
            plan = observe.plan_all(seen, facts, frozenset())
        if len(plan.nodes) != count:
            raise SystemExit(f"not planned: {plan.unplanned[:1]}")
    elif what == "status":
        with counted.measured("status"):
            status.text(status.rows(tuple(observe.observe(hosts, doors.hosts)), cluster.nodes()))
    elif what == "look":
        batch = Connections(hosts[:BATCH], doors.hosts, cluster, frozenset())
        shown = batch.plan().nodes
        with counted.measured(f"look at a batch of {BATCH}"):
            batch.look_again(shown)
    else:
        (shown,) = Connections(hosts[:1], doors.hosts, cluster, frozenset()).plan().nodes
        run = StepContext(
            "bench", shown, HostSettings(), doors.hosts, cluster, WallClock(), frozenset(), lambda _: None
        )
        with counted.measured("drain one node"):
            eviction.drain(run)
        with counted.measured("settle"):
            settle.act(run)


class Kubelet:
    """Ends what is evicted from one node, and has the same on another, ready."""

    def __init__(self, kubeconfig: Path, count: int) -> None:
        told = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
        self._url, self._other = f"{told}/api/v1", name_of(count - 1)
        self._pool = urllib3.PoolManager(cert_reqs="CERT_NONE", headers={"Authorization": f"Bearer {TOKEN}"})
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _work(self) -> None:
        ours = f"{self._url}/pods?fieldSelector=spec.nodeName={name_of(0)}&resourceVersion=0"
        while not self._ended.wait(0.5):
            for item in self._pool.request("GET", ours).json()["items"]:
                if "deletionTimestamp" in item["metadata"]:
                    self._move(item["metadata"], item["metadata"]["labels"]["app"])

    def _move(self, meta: Mapping[str, Any], app: str) -> None:
        space, name = meta["namespace"], f"{meta['name']}-again"
        pods = f"{self._url}/namespaces/{space}/pods"
        self._pool.request("DELETE", f"{pods}/{meta['name']}", json={"gracePeriodSeconds": 0})
        made = pod(space, name, app, self._other, "ReplicaSet")
        del made["metadata"]["uid"]
        answer = self._pool.request("POST", pods, json=made)
        if answer.status < 300:
            self._pool.request("PUT", f"{pods}/{name}/status", json={**answer.json(), "status": made["status"]})


def measured(kubeconfig: Path, count: int) -> dict[str, dict[str, float]]:
    """Measure everything, each in a process of its own."""
    found = {}
    for what in ("plan", "status", "look", "drain"):
        words = [sys.executable, __file__, "--measure", what, "--kubeconfig", str(kubeconfig), "--sizes", str(count)]
        with Kubelet(kubeconfig, count) if what == "drain" else contextlib.nullcontext():
            said = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout
        for line in said.splitlines():
            told = json.loads(line)
            found[str(told.pop("what"))] = told
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="200,2000")
    parser.add_argument("--programs", default="", help="folder with etcd and kube-apiserver")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    parser.add_argument("--kubeconfig", help=argparse.SUPPRESS)
    words = parser.parse_args()
    urllib3.disable_warnings()  # of a certificate that nobody has to check here
    sizes = [int(size) for size in words.sizes.split(",")]
    if words.measure:
        measure(words.measure, words.kubeconfig, sizes[0])
        return
    figures = {}
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            began = time.perf_counter()
            with serving(words.programs, Path(name), size) as kubeconfig:
                print(f"{size} nodes, {size * PODS} pods: served after {time.perf_counter() - began:.0f} s", flush=True)
                figures[size] = measured(kubeconfig, size)
        for what, found in figures[size].items():
            print(
                f"  {what}: {found['seconds']:.1f} s, {found['of our own']:.1f} s of our own, "
                f"{found['requests']:.0f} requests, "
                f"{found['received']:.1f} MiB received, {found['peak']:.0f} MiB of memory"
            )
    for size in sizes[1:]:
        for what, found in figures[size].items():
            before = figures[sizes[0]][what]
            ratios = [
                f"{found[key] / before[key]:.1f} times the {told}"
                for key, told in (("seconds", "time"), ("of our own", "time of our own"), ("requests", "requests"))
                if before[key]
            ]
            print(f"{size} / {sizes[0]} nodes, {what}: {', '.join(ratios)}")


if __name__ == "__main__":
    main()
