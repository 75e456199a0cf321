"""What an API server is asked for while nodes are in work: the same for each of fifty nodes as for one, or less."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from migrator.cluster import client
from migrator.cluster.client import KubeCluster
from migrator.cluster.http import ApiRequests
from migrator.engine import eviction
from migrator.engine.context import StepContext
from migrator.engine.migration import STEPS
from migrator.engine.steps import settle, verify
from migrator.model.host_settings import HostSettings
from migrator.planning import plan
from migrator.probe_session import api_pods, namespace
from tests.fakes.api_server import Served, kubeconfig, serving
from tests.fakes.busy_api import BusyApi
from tests.fakes.clock import SharedClock
from tests.fakes.hosts import FakeHosts
from tests.fakes.values import node as known
from tests.fakes.values import situation

LIMITS = Path(__file__).parent.parent / "docs" / "limits.md"
SPACES = [f"space-{number}" for number in range(5)]
HELD_SECONDS = 600


@dataclass(frozen=True)
class Load:
    """What some nodes at work at once asked for."""

    nodes: int
    api: BusyApi
    seconds: float

    def of(self, kind: str) -> int:
        """Count the requests of a kind."""
        return self.api.counts()[kind]

    @property
    def etcd_lists(self) -> Counter[str]:
        """Lists that no cache answers, by what they list."""
        return Counter({kind: count for kind, count in self.api.counts().items() if kind.endswith("from etcd")})

    def rate(self, start: float = 0, end: float | None = None) -> float:
        """Give the requests per node and minute."""
        return self.api.per_minute(start, self.seconds if end is None else end) / self.nodes


def pod(space: str, name: str, on: str, owner: str) -> dict[str, Any]:
    """Give a Pod as the API has it."""
    kind, _, of = owner.partition("/")
    meta = {
        "namespace": space,
        "name": name,
        "labels": {"app": of},
        "ownerReferences": [{"kind": kind, "name": of, "controller": True}],
    }
    return {"metadata": meta, "spec": {"nodeName": on, "containers": [{"name": "c", "image": "i"}]}}


def at_work(
    nodes: int,
    fill: Callable[[BusyApi, str], None],
    act: Callable[[StepContext], object],
    connect: Callable[[BusyApi], ApiRequests] = lambda api: api,
) -> Load:
    """Have so many nodes worked on at once, each in a thread of its own, until all are done."""
    clock = SharedClock(nodes)
    api = BusyApi(clock.now)
    cluster = KubeCluster(connect(api), now=clock.now)
    names = [f"worker-{number}" for number in range(nodes)]
    failed: list[BaseException] = []
    for name in names:
        info = {"machineID": name, "containerRuntimeVersion": "containerd://1.6.20", "kubeletVersion": "v1.20.2"}
        conditions = [{"type": "Ready", "status": "True"}]
        api.nodes[name] = {
            "metadata": {"name": name}, "spec": {}, "status": {"nodeInfo": info, "conditions": conditions},
        }  # fmt: skip
        fill(api, name)

    def one(name: str) -> None:
        update = {"node": name, "staying": ("kube-system/DaemonSet/agent",)}
        run = StepContext(
            id=name, plan=plan.make(situation(), STEPS).model_copy(update=update), hosts=FakeHosts({}), clock=clock,
            target=HostSettings(drain_timeout=900, settle_timeout=900, ready_timeout=900, proof="none"),
            cluster=cluster, allow=frozenset(), tell=lambda _: None,
        )  # fmt: skip
        try:
            act(run)
        except BaseException as error:  # noqa: BLE001 - raised where all are awaited
            failed.append(error)
        finally:
            clock.leave()

    clock.time = 20.0  # whatever is there from the beginning has started
    threads = [threading.Thread(target=one, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return Load(nodes, api, clock.now())


def held(api: BusyApi, name: str) -> None:
    """Give a node three pods that leave, three that a budget holds for ten minutes, and two that stay."""
    for number in range(3):
        api.add(pod("shop", f"held-{number}-{name}", name, "ReplicaSet/held"))
        api.add(pod(SPACES[number], f"free-{number}-{name}", name, "ReplicaSet/free"))
    for number in range(2):
        api.add(pod("kube-system", f"agent-{number}-{name}", name, "DaemonSet/agent"))
    spec = {"selector": {"matchLabels": {"app": "held"}}}
    api.budgets["shop"] = [{"metadata": {"namespace": "shop", "name": "held"}, "spec": spec}]
    api.allows = lambda now: now >= HELD_SECONDS


@cache
def drained(nodes: int) -> Load:
    """Drain such nodes."""
    return at_work(nodes, held, eviction.drain)


@cache
def ready(nodes: int) -> Load:
    """Wait for a node that is Ready on its new runtime: what stays on it runs after five minutes."""

    def fill(api: BusyApi, name: str) -> None:
        api.add(pod("kube-system", f"agent-{name}", name, "DaemonSet/agent"))
        api.ready = lambda now, _: now >= 320

    return at_work(nodes, fill, verify.act)


@cache
def proved(nodes: int) -> Load:
    """Make the pods that prove a node, wait for them, and remove them."""

    def act(run: StepContext) -> None:
        session = f"{int(run.plan.node.rpartition('-')[2]):08x}"
        node = known(name=run.plan.node, kubelet_version="v1.20.2")
        api_pods.start(run.cluster, run.clock, node, session, "image", seconds=60, wait=lambda _: None)
        assert namespace.remove_pods(run.cluster, run.clock, session, seconds=60) == ()
        assert namespace.await_end(run.cluster, run.clock, session, seconds=60) == ""

    return at_work(nodes, lambda _api, _name: None, act)


@cache
def settled(nodes: int) -> Load:
    """Wait for ten workloads of five namespaces that left each node, available again after five minutes."""
    pods_each = 10
    owners = [(space, owner) for space in SPACES for owner in ("web", "db")]

    def fill(api: BusyApi, name: str) -> None:
        if len(api.nodes) > 1:
            return
        for space, owner in owners:
            for number in range(pods_each):
                api.add(pod(space, f"{owner}-{number}", f"not-{name}", f"ReplicaSet/{owner}"))
            path = f"/apis/apps/v1/namespaces/{space}/replicasets/{owner}"
            api.replicas[path] = {"spec": {"replicas": pods_each}}
        api.ready = lambda now, _: now >= 320

    def act(run: StepContext) -> None:
        run.left.update({(space, f"ReplicaSet/{owner}"): pods_each for space, owner in owners})
        settle.act(run)

    return at_work(nodes, fill, act)


WORK = {"drain": drained, "ready": ready, "proof": proved, "settle": settled}


@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
def test_fifty_nodes_ask_for_fifty_times_as_much_at_most(work: Callable[[int], Load]) -> None:
    """Of each kind of request: nothing that one node asks for grows with the number of those beside it."""
    one, fifty = work(1), work(50)

    for kind, count in fifty.api.counts().items():
        assert count <= 50 * one.of(kind), kind
    assert fifty.rate() <= one.rate()


@pytest.mark.parametrize("nodes", [1, 50])
@pytest.mark.parametrize("work", WORK.values(), ids=WORK)
def test_no_list_from_etcd_is_repeated(work: Callable[[int], Load], nodes: int) -> None:
    """Each node has some read once, however long it waits; none of them is of a whole cluster but for namespaces."""
    per_node = {kind: count / nodes for kind, count in work(nodes).etcd_lists.items()}

    assert (
        per_node
        == {
            drained: {"pods of a node, from etcd": 1},
            ready: {},
            proved: {"namespaces of all, from etcd": 1},
            settled: {"pods of a namespace, from etcd": len(SPACES)},
        }[work]
    )


def test_a_drain_that_is_held_up_asks_less_and_less() -> None:
    """It looks at its node and at the budgets that hold it up, and asks for each pod once a minute."""
    load = drained(1)

    assert load.of("poddisruptionbudgets of a namespace, cached") <= HELD_SECONDS / 5
    assert load.of("POST eviction") <= 3 + 3 * (2 + HELD_SECONDS / 60)
    assert load.rate(20, 80) > load.rate(440, 560)
    assert load.seconds <= HELD_SECONDS + 20


def test_over_http_it_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The official client asks for nothing else, and for nothing twice; the clock stands still while it does."""
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(variable, raising=False)

    with serving() as server:

        def connect(busy: BusyApi) -> ApiRequests:
            served = Served()
            served.other = busy.reply
            server.served = served  # type: ignore[attr-defined]
            return client.connect(kubeconfig(tmp_path, server.server_port))._api  # noqa: SLF001 - with another clock

        over_http = at_work(2, held, eviction.drain, connect).api.counts()

    in_memory = at_work(2, held, eviction.drain).api.counts()
    assert over_http.pop("discovery") <= 2 * in_memory.pop("discovery")  # both nodes may ask before either knows
    assert over_http == in_memory


def test_what_left_fifty_nodes_is_looked_for_once() -> None:
    """Whoever waits for pods of one namespace waits for the same list."""
    one, fifty = settled(1), settled(50)

    for kind in ("pods of a namespace, cached", "one object"):
        assert fifty.of(kind) == one.of(kind) > 0


def rows() -> list[str]:
    """Give the lines of the documentation's table that were measured here."""
    told = {
        drained: "drain, three pods held by a budget for ten minutes",
        ready: "wait for Ready and for what stays, five minutes",
        proved: "the three pods of a proof, made and removed",
        settled: "settle, ten workloads of five namespaces away for five minutes",
    }
    return [
        f"| {words} | {work(1).rate(20):.0f} | {work(50).rate(20):.0f} | "
        f"{sum(work(1).etcd_lists.values())} | {sum(work(50).etcd_lists.values()) / 50:.0f} |"
        for work, words in told.items()
    ]


def test_the_documentation_has_these_figures() -> None:
    """Requests per node and minute at one node and at fifty, and lists from etcd per node."""
    for row in rows():
        assert row in LIMITS.read_text(), row
