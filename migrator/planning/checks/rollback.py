"""Whether a migrated node can go back to its old runtime, and what that costs."""

from __future__ import annotations

from collections.abc import Iterator

from migrator import versions
from migrator.model.facts import NodeFacts, Transaction
from migrator.model.kubernetes import Node
from migrator.model.plan import Finding
from migrator.planning.checks.findings import found, listed
from migrator.planning.checks.node_state import undecided
from migrator.planning.image_names import familiar
from migrator.planning.inputs import NodeInputs, Translation


def last_switch(facts: NodeFacts, node: Node) -> tuple[str, Transaction] | None:
    """Give the newest switch on the host, with its id, unless it is undone.

    One that is undone counts while the node is still cordoned for that: a rollback ended too early, and goes on.
    """
    name, switch = facts.newest_switch
    if not name or (switch.last == "undone" and not node.cordoned_by_us):
        return None
    return name, switch


def possible(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """The switch that is undone must be known, and what it goes back to must be there."""
    switch = last_switch(now.facts, now.node)
    if switch is None and now.node.cordoned_by_us:
        return  # a run that was killed before its switch: there is only the cordon to take back
    if switch is None:
        yield found(
            "no-way-back",
            f"no switch is recorded on {now.host} that is not undone, so there is nothing to go back to",
            "only a node that migrator has migrated can be rolled back",
        )
    elif puzzle := undecided(now.facts):
        yield found(
            "no-way-back", puzzle, "go back by hand, or move away the journals that are not true (docs/runbook.md)"
        )
    elif switch[1].last == "damaged":
        yield found(
            "no-way-back",
            f"the journal of the switch {switch[0]} is damaged, so what has to be put back is not known",
            "go back by hand (docs/runbook.md)",
        )
    elif not now.migrated and switch[1].last == "done":
        yield found(
            "no-way-back",
            f"the kubelet reports {now.node.runtime}: somebody has changed the runtime since",
            "look at the node: its switch may not be undone as it was done",
        )
    elif versions.parse(now.facts.kubelet.version) >= versions.DOCKERSHIM_GONE:
        yield found(
            "no-way-back",
            f"kubelet {now.facts.kubelet.version} has no dockershim any more",
            "downgrade it first, or leave the node on its new runtime",
        )
    elif not (now.facts.docker or now.facts.docker_problem):
        yield found("no-way-back", "Docker is not installed any more", "install it again, with its data")


def images(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """What Docker does not have is pulled again; an image that no registry has is lost for the node."""
    if now.facts.docker is None:
        return  # it is stopped: nobody can be asked
    stored = {familiar(name) for image in now.facts.docker.images for name in image.names}
    missing = {name for pod in now.alive for image in pod.images if (name := familiar(image)) not in stored}
    if missing:
        yield found(
            "images-only-new", f"Docker has no {listed(missing)}", "they are pulled from their registries again"
        )
