"""Open the real doors for a command, from its options."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from migrator import inventory
from migrator.app import observe
from migrator.cluster import Cluster
from migrator.errors import InventoryError, MigratorError, PlanRefusedError, StalePlanError, UsageError
from migrator.hosts import Hosts
from migrator.inventory import Host, Inventory
from migrator.model.kubeconfig import KubeconfigChoice
from migrator.model.kubernetes import ClusterFacts
from migrator.model.observation import Observation
from migrator.model.plan import NodePlan, Plan
from migrator.planning import checks, staleness
from migrator.planning.inputs import NodeInputs
from migrator.rollout.batches import make_batches
from migrator.rollout.schedule import Batch
from migrator.runtimes.registry import targets


@dataclass
class LastRead:
    """What was read last, for whoever keeps it."""

    cluster: ClusterFacts = field(default_factory=ClusterFacts)
    hosts: dict[str, Observation] = field(default_factory=dict)


@dataclass(frozen=True)
class Connections:
    """What a command works with."""

    chosen: tuple[Host, ...]
    hosts: Hosts
    cluster: Cluster
    allow: frozenset[str]
    everyone: tuple[Host, ...] = ()
    """All hosts of the inventory in the same cluster: limits count those too that were not chosen."""
    seen: LastRead = field(default_factory=LastRead)

    def plan(self, make: Callable[[NodeInputs], NodePlan] = observe.migration) -> Plan:
        """Look at the chosen nodes and plan them: their migration, or what `make` plans."""
        return self._plan(self.chosen, make)

    def plan_again(self, shown: Iterable[NodePlan]) -> Plan:
        """Look again at nodes whose plan was shown some time ago.

        Raises `StalePlanError` when something else would be done now than was shown.
        """
        by_host = {entry.host: entry for entry in shown}
        plan = self._plan(self._hosts_of(by_host))
        told = [text for entry in plan.nodes if (text := _moved(by_host[entry.host], entry))]
        if told:
            raise StalePlanError("changed since the plan was made: " + "\n  ".join(told) + "\nmake a new plan")
        return plan

    def batches(self, todo: Sequence[NodePlan], most: int = 0, *, serving: bool = False) -> tuple[Batch, ...]:
        """Give the batches in which nodes are worked on, of no more than `most` of them, if that is not 0.

        They follow from what was read of the cluster for the plan, so that the plan shows what is done; those of nodes
        that serve meanwhile do not depend on pods.
        """
        return make_batches(todo, self.everyone or self.chosen, self._known(), self.allow, most, serving=serving)

    def _known(self) -> ClusterFacts:
        if not self.seen.cluster.nodes:
            self.seen.cluster = self.cluster.facts()
        return self.seen.cluster

    def cleanup(self, shown: Iterable[NodePlan] = ()) -> Callable[[NodeInputs], NodePlan]:
        """Look at what is left of Docker on the chosen hosts, or on some of them; give what plans its removal."""
        names = {entry.host for entry in shown} or {host.name for host in self.chosen}
        return observe.cleanup(self._hosts_of(names), self.hosts)

    def plan_cleanup(self) -> Plan:
        """Look at the chosen nodes and plan the end of Docker there."""
        return self._plan(self.chosen, self.cleanup())

    def look_again(
        self, shown: Sequence[NodePlan], make: Callable[[NodeInputs], NodePlan] = observe.migration
    ) -> dict[str, NodePlan | MigratorError]:
        """Look at nodes again, all together, just before they are begun: their pods may have moved meanwhile.

        Give for each, by its name in the cluster, its plan of now or why it may not be begun.
        """
        by_host = {entry.host: entry for entry in shown}
        plan = self._plan(self._hosts_of(by_host), make)
        found: dict[str, NodePlan | MigratorError] = {
            by_host[entry.host].node: PlanRefusedError(f"{entry.host} cannot be planned: {entry.problem}")
            for entry in plan.unplanned
        }
        for entry in plan.nodes:
            if reasons := blocked(entry):
                found[entry.node] = PlanRefusedError("\n  ".join(reasons))
            elif told := _moved(by_host[entry.host], entry):
                found[entry.node] = StalePlanError(f"changed since the plan was made: {told}; make a new plan")
            else:
                found[entry.node] = entry
        return found

    def _hosts_of(self, names: Collection[str]) -> list[Host]:
        return [host for host in self.chosen if host.name in names]

    def _plan(self, hosts: Sequence[Host], make: Callable[[NodeInputs], NodePlan] = observe.migration) -> Plan:
        self.seen.cluster = self.cluster.facts()
        return observe.plan_all(self._noted(observe.observe(hosts, self.hosts)), self.seen.cluster, self.allow, make)

    def _noted(self, observations: Iterable[Observation]) -> Iterator[Observation]:
        for entry in observations:
            self.seen.hosts[entry.host] = entry
            yield entry


def blocked(plan: NodePlan) -> list[str]:
    """Say for each finding that blocks a node what it is, and what to do."""
    return [f"{plan.node}: {finding.id}: {finding.evidence}; {finding.remedy}" for finding in plan.blockers]


def _moved(shown: NodePlan, now: NodePlan) -> str:
    what = staleness.moved(shown, now)
    return f"{now.node}: {'; '.join(what)}" if what else ""


def check_allowed(allow: Collection[str]) -> frozenset[str]:
    """Give the ids as a set. Raises `UsageError` for one that no check has, or that cannot be waived."""
    unknown = sorted(set(allow) - checks.waivable_ids())
    if unknown:
        known = ", ".join(sorted(checks.waivable_ids()))
        raise UsageError(f"--allow {unknown[0]}: no check of this id can be waived; these can: {known}")
    return frozenset(allow)


def choose(path: Path, nodes: Sequence[str], limit: str = "") -> tuple[Host, ...]:
    """Read the inventory and give the hosts that are asked for. Raises `InventoryError`."""
    return _chosen(path, inventory.load(path, runtimes=targets(), limit=limit), nodes)


def _chosen(path: Path, known: Inventory, nodes: Sequence[str]) -> tuple[Host, ...]:
    chosen = known.select(tuple(nodes))
    for host in chosen:
        if unknown := sorted(set(host.target.allow) - checks.waivable_ids()):
            raise InventoryError(
                f"{path}: host {host.name}: migrator_allow has {unknown[0]!r}; no check of this id can be waived; "
                f"these can: {', '.join(sorted(checks.waivable_ids()))}"
            )
    return chosen


def open_hosts(path: Path, chosen: Sequence[Host]) -> Hosts:
    """Open the door to the hosts."""
    # Imported late, as the cluster's below: they take most of the start-up time, and a mistake should be told at once.
    from migrator.hosts.runner import AnsibleHosts

    return AnsibleHosts(path, connect_timeout=_connect_timeout(chosen))


def _connect_timeout(chosen: Sequence[Host]) -> int | None:
    """Give the longest that any host has; None for what Ansible is configured with. One value holds for all of them."""
    from migrator.hosts.ansible_settings import configured

    asked = {host.target.connect_timeout for host in chosen}
    if asked <= {None}:
        return None
    return max(configured().timeout if entry is None else entry for entry in asked)


def open_cluster(path: Path, chosen: Sequence[Host], place: KubeconfigChoice) -> Cluster:
    """Open the door to the one cluster that all chosen hosts belong to. Raises `InventoryError` or `ClusterError`."""
    targets = {(host.target.kubeconfig, host.target.context) for host in chosen}
    if len(targets) > 1:
        raise InventoryError(f"{path}: the hosts belong to different clusters; choose those of one with --node")
    from migrator.cluster import client

    return client.connect(*place.over(*next(iter(targets))))


def connect(
    path: Path, nodes: Sequence[str], place: KubeconfigChoice, allow: Collection[str], limit: str = ""
) -> Connections:
    """Read the inventory and connect. Raises `UsageError`, `InventoryError` or `ClusterError`."""
    allowed = check_allowed(allow)
    known = inventory.load(path, runtimes=targets(), limit=limit)
    chosen = _chosen(path, known, nodes)
    cluster = open_cluster(path, chosen, place)
    one = (chosen[0].target.kubeconfig, chosen[0].target.context)
    everyone = tuple(host for host in known.everyone if (host.target.kubeconfig, host.target.context) == one)
    return Connections(chosen, open_hosts(path, chosen), cluster, allowed, everyone)
