"""A plan: what would be done to which node, why, and the exact bytes of every file."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Discriminator, Tag

from migrator.model.base import Value
from migrator.model.docker_removal import Removal
from migrator.model.evidence import NodeProfile
from migrator.model.facts import FileFact, Reservation
from migrator.model.fate import KeyFate

SCHEMA = 2


class Severity(StrEnum):
    """What a finding does to a plan."""

    BLOCKS = "blocks"
    WARNS = "warns"
    INFORMS = "informs"


class Finding(Value):
    """Something that a check found on a node."""

    id: str
    severity: Severity
    evidence: str
    remedy: str
    waivable: bool = False
    """Whether `--allow <id>` turns it from blocking into a warning."""


class Phase(StrEnum):
    """When a step happens, seen from the workloads."""

    STAGE = "stage"
    """While the node still serves."""
    WINDOW = "window"
    """From cordon to uncordon."""
    AFTER = "after"


class PlannedStep(Value):
    """One step of the migration on this node, with the reason why it is needed or not."""

    id: str
    title: str
    phase: Phase
    needed: bool
    reason: str


class FileChange(Value):
    """A file to be written: its exact bytes, and the file that it replaces."""

    path: str
    content: str = ""
    copies: FileFact | None = None
    """The file on the node whose bytes it takes instead of `content`: a certificate, or a key that no plan shows."""
    mode: str = "0644"
    owner: str = "root"
    group: str = "root"
    before: FileFact

    @property
    def sha256(self) -> str:
        """Hash of the bytes to be written."""
        return self.copies.sha256 if self.copies else hashlib.sha256(self.content.encode()).hexdigest()


class PlannedNode(Value):
    """What every plan of one node says, whatever would be done to it."""

    host: str
    """Its name in the inventory."""
    node: str
    """Its name in the cluster."""
    machine_id: str
    """The host that the facts were read from."""
    source: str
    """The runtime it has, as the kubelet reports it."""
    target: str
    """The runtime it shall have, with the version that is or will be installed."""
    findings: tuple[Finding, ...] = ()
    steps: tuple[PlannedStep, ...] = ()
    staying: tuple[str, ...] = ()
    """What a drain leaves and is Ready now: it must be so again. "shop/DaemonSet/agent", or a static pod's name."""
    cordoned_before: bool = False
    """Whether somebody else had cordoned it, so that it stays cordoned."""

    @property
    def blockers(self) -> tuple[Finding, ...]:
        """The findings that forbid it."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.BLOCKS)

    @property
    def changes(self) -> bool:
        """Whether anything would be done."""
        return any(step.needed for step in self.steps)


class MigrationPlan(PlannedNode):
    """How one node gets another runtime."""

    endpoint: str
    """Where the kubelet will find the new runtime."""
    fates: tuple[KeyFate, ...] = ()
    """What becomes of each setting of the old runtime."""
    files: tuple[FileChange, ...] = ()
    installs: bool = False
    """Whether the new runtime's package has to be installed first."""
    starts: bool = False
    """Whether the new runtime has to be started before images can be carried into it."""
    config: str = ""
    """The runtime's own configuration where it is already as it shall be; "" where it is one of the files."""
    root: str = ""
    """Where the new runtime will keep its data, when that is another folder than now."""
    images: tuple[str, ...] = ()
    """Images to carry from Docker's store into the new runtime's."""
    cni_plugins: tuple[str, ...] = ()
    """Folders of the network's plugins, for those that have to give back what removed containers had."""
    network_needs_pods: bool = False
    """Whether the network serves only pods that the API server knows, so that a rehearsal takes one of its own."""
    stale_addresses: tuple[Reservation, ...] = ()
    """Addresses kept for containers that are gone, which the switch releases."""
    socket_annotation: str | None = None
    """The present value of the Node's cri-socket annotation."""
    kubelet_arguments: tuple[str, ...] = ()
    """The kubelet's command line after the switch, without its program; () where it cannot be known before."""
    circumstances: NodeProfile | None = None
    """What is right for containers of this node now; None where the kubelet's configuration could not be read."""
    transaction: Literal[""] = ""
    """Always "", as it is in all plans of this version of the schema: the switch is yet to get its name."""
    removal: None = None
    """Likewise always null: a migration removes nothing."""


class RollbackPlan(PlannedNode):
    """How one node goes back to the runtime that it had before its migration."""

    kind: Literal["rollback"] = "rollback"
    transaction: str = ""
    """The switch on the node that is undone; "" where a run ended too early for one."""
    annotation: str = ""
    """The present value of the Node's cri-socket annotation; "" for none."""
    annotation_before: str | None = None
    """The value that it had before the migration, and gets again; None for none."""
    cni_plugins: tuple[str, ...] = ()
    """Folders of the network's plugins, for those that have to give back what removed containers had."""


class CleanupPlan(PlannedNode):
    """How Docker is removed from one node."""

    kind: Literal["cleanup"] = "cleanup"
    endpoint: str = ""
    """Where the kubelet finds the runtime that the node keeps; "" where that could not be read."""
    circumstances: NodeProfile | None = None
    """What is right for containers of this node; None where the kubelet's configuration could not be read."""
    removal: Removal | None = None
    """What is left of Docker and goes."""


class RebootPlan(PlannedNode):
    """How one node is taken out of service for a reboot, and given back."""

    kind: Literal["reboot"] = "reboot"


NodePlan = MigrationPlan | RollbackPlan | CleanupPlan | RebootPlan
"""What would be done to one node. A migration's has no `kind`: so it was before there were others."""


def installs(plan: NodePlan) -> bool:
    """Tell whether a runtime has to be installed before the rest of the plan can be made."""
    return isinstance(plan, MigrationPlan) and plan.installs


def _kind(plan: object) -> object:
    return plan.get("kind", "migration") if isinstance(plan, dict) else getattr(plan, "kind", "migration")


_Tagged = Annotated[
    Annotated[MigrationPlan, Tag("migration")]
    | Annotated[RollbackPlan, Tag("rollback")]
    | Annotated[CleanupPlan, Tag("cleanup")]
    | Annotated[RebootPlan, Tag("reboot")],
    Discriminator(_kind),
]


class Unplanned(Value):
    """A node that could not be looked at, and why."""

    host: str
    problem: str


class PlannedBatch(Value):
    """Nodes that are worked on together, by their names in the cluster."""

    group: str = ""
    """Whose policy holds (`migrator_group`)."""
    nodes: tuple[str, ...]
    canary: bool = False
    findings: tuple[Finding, ...] = ()
    """Why its nodes are not as many, or not those, that the policy asks for."""


class Plan(Value):
    """The plans of several nodes, in the inventory's order."""

    schema_version: int = SCHEMA
    inventory: str = ""
    """Path of the inventory that it was made with, for `apply`; "" for a plan from recorded facts."""
    kubeconfig: str = ""
    """The kubeconfig that was given on the command line, if one was."""
    context: str = ""
    """Likewise its context."""
    allow: tuple[str, ...] = ()
    """Ids of checks that were waived on the command line."""
    nodes: tuple[_Tagged, ...] = ()
    unplanned: tuple[Unplanned, ...] = ()
    batches: tuple[PlannedBatch, ...] = ()
    """The nodes on which something would be done, in batches that follow one another."""

    @property
    def changes(self) -> bool:
        """Whether anything would be done on any node."""
        return any(node.changes for node in self.nodes)

    @property
    def changing(self) -> tuple[NodePlan, ...]:
        """The nodes on which anything would be done."""
        return tuple(node for node in self.nodes if node.changes)

    @property
    def begun(self) -> tuple[NodePlan, ...]:
        """The nodes that its batches have: no others are begun."""
        names = {name for batch in self.batches for name in batch.nodes}
        return tuple(node for node in self.nodes if node.node in names)
