"""An API server in memory, below the door to the cluster: it has pods that end, and counts what it is asked for."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from migrator.cluster.http import ApiRequests

_PODS = "/api/v1/pods"
_SPACE = r"/api/v1/namespaces/([^/]+)"
_LISTED = r"(?:nodes|pods|namespaces|poddisruptionbudgets|daemonsets|events)"
_NOT_FOUND = (404, {"reason": "NotFound", "message": "not there"})

Item = dict[str, Any]


class BusyApi(ApiRequests):
    """Pods end ten seconds after their eviction, and start ten seconds after they were made."""

    def __init__(self, now: Callable[[], float]) -> None:
        """Have nothing, by this clock."""
        self.name = "busy"
        self.asked: list[tuple[float, str]] = []
        """When each request came, and its kind."""
        self.pods: dict[tuple[str, str], Item] = {}
        self.nodes: dict[str, Item] = {}
        self.budgets: dict[str, list[Item]] = {}
        self.replicas: dict[str, Item] = {}
        """Owners of pods, by path."""
        self.spaces: dict[str, Item] = {}
        self.allows: Callable[[float], bool] = lambda _: True
        """Whether the budgets allow evictions now, each those of all pods in its namespace."""
        self.ready: Callable[[float, Item], bool] = lambda _now, _pod: True
        """Whether a pod is ready now."""
        self._now = now
        self._client: Any = None
        self._renewed = None
        self._lock = threading.Lock()
        self._passed = -1.0

    def counts(self) -> Counter[str]:
        """Give how often each kind was asked for."""
        return Counter(kind for _, kind in self.asked)

    def per_minute(self, start: float, end: float) -> float:
        """Give the requests of a minute between two moments."""
        return sum(start <= at < end for at, _ in self.asked) * 60 / (end - start)

    def _exchange(
        self, client: Any, method: str, path: str, query: Mapping[str, str], body: Mapping[str, object] | None
    ) -> tuple[int, bytes]:
        del client
        status, answer = self.reply(method, path, query, body)
        return status, json.dumps(answer).encode()

    def reply(self, method: str, path: str, query: Mapping[str, str], body: Any) -> tuple[int, Item]:
        """Answer a request, however it came."""
        with self._lock:
            self.asked.append((self._now(), _kind(method, path, query)))
            return self._answer(method, path, query, body)

    def _answer(self, method: str, path: str, query: Mapping[str, str], body: Any) -> tuple[int, Item]:
        match method:
            case "GET":
                return self._get(path, query)
            case "POST":
                return self._post(path, body)
            case "DELETE":
                return self._delete(path)
            case _:
                return 200, self.nodes[path.rpartition("/")[2]]

    def _get(self, path: str, query: Mapping[str, str]) -> tuple[int, Item]:
        self._pass()
        lists = {
            _PODS: lambda: self._on(query["fieldSelector"].removeprefix("spec.nodeName=")),
            rf"{_SPACE}/pods": lambda space: [pod for (place, _), pod in self.pods.items() if place == space],
            r"/apis/policy/v1/namespaces/([^/]+)/poddisruptionbudgets": lambda space: [
                {**budget, "status": {"disruptionsAllowed": int(self.allows(self._now()))}}
                for budget in self.budgets.get(space, [])
            ],
            "/api/v1/namespaces": lambda: list(self.spaces.values()),
        }
        objects = {
            rf"{_SPACE}/pods/([^/]+)": lambda space, name: self.pods.get((space, name)),
            _SPACE: self.spaces.get,
            "/api/v1/nodes/([^/]+)": self.nodes.get,
            "(/apis/apps/v1/.*)": self.replicas.get,
            "/apis/policy": lambda: {"versions": [{"groupVersion": "policy/v1"}]},
            "/api/v1": lambda: {"resources": [{"name": "pods/eviction", "version": "v1"}]},
        }
        for pattern, listed in lists.items():
            if found := re.fullmatch(pattern, path):
                return 200, {"items": listed(*found.groups())}
        for pattern, known in objects.items():
            if found := re.fullmatch(pattern, path):
                answer = known(*found.groups())
                return (200, answer) if answer else _NOT_FOUND
        raise AssertionError(path)

    def _on(self, node: str) -> list[Item]:
        return [pod for pod in self.pods.values() if pod["spec"]["nodeName"] == node]

    def _post(self, path: str, body: Item) -> tuple[int, Item]:
        meta = body["metadata"]
        if path.endswith("/eviction"):
            pod = self.pods[meta["namespace"], meta["name"]]
            if meta["namespace"] in self.budgets and not self.allows(self._now()):
                return 429, {"reason": "TooManyRequests"}
            pod["metadata"]["deletionTimestamp"] = self._now()
            return 201, {}
        if path.endswith("/pods"):
            self.add(body)
        else:
            self.spaces[meta["name"]] = {**body, "metadata": {**meta, "creationTimestamp": "2026-01-01T00:00:00Z"}}
        return 201, self.spaces.get(meta["name"], body)

    def _delete(self, path: str) -> tuple[int, Item]:
        if found := re.fullmatch(rf"{_SPACE}/pods/([^/]+)", path):
            self.pods[found[1], found[2]]["metadata"]["deletionTimestamp"] = self._now()
        else:
            self.spaces.pop(path.rpartition("/")[2], None)
        return 200, {}

    def add(self, pod: Item) -> None:
        """Have a pod from now on."""
        meta = pod["metadata"]
        meta |= {"uid": f"{meta['namespace']}/{meta['name']}", "came": self._now()}
        pod["status"] = {"phase": "Pending"}
        self.pods[meta["namespace"], meta["name"]] = pod

    def _pass(self) -> None:
        """Let pods begin and end as time wants it."""
        now = self._now()
        if now == self._passed:
            return
        self._passed = now
        for key, pod in list(self.pods.items()):
            meta = pod["metadata"]
            if "deletionTimestamp" in meta and now >= meta["deletionTimestamp"] + 10:
                del self.pods[key]
            elif now >= meta["came"] + 10:
                pod["status"] = {
                    "phase": "Running",
                    "podIP": "10.0.0.7",
                    "conditions": [{"type": "Ready", "status": str(self.ready(now, pod))}],
                    "containerStatuses": [
                        {"name": entry["name"], "containerID": "containerd://a", "state": {"running": {}}}
                        for entry in pod["spec"]["containers"]
                    ],
                }


def _kind(method: str, path: str, query: Mapping[str, str]) -> str:
    """Name what is asked for by what it costs."""
    if method != "GET":
        return f"{method} {'eviction' if path.endswith('/eviction') else 'other'}"
    what = path.rpartition("/")[2]
    if not re.fullmatch(_LISTED, what):
        return "discovery" if path in {"/apis/policy", "/api/v1"} else "one object"
    selected = "of a node" if "spec.nodeName" in query.get("fieldSelector", "") else "of all"
    where = "of a namespace" if "/namespaces/" in path else selected
    return f"{what} {where}, {'cached' if query.get('resourceVersion') == '0' else 'from etcd'}"
