"""Where each node stands: what the cluster says of it, and what the node itself has written down."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from migrator.model.base import Value
from migrator.model.facts import Transaction
from migrator.model.kubernetes import PROGRESS, Node
from migrator.model.observation import Observation
from migrator.report.escape import visible

_SWITCHES = {
    "": "never switched",
    "done": "switched by {}",
    "undone": "put back by {}",
    "broken": "{} could not be put back: docs/runbook.md",
    "damaged": "the journal of {} is damaged: docs/runbook.md",
}
_UNDER_WAY = "{} is at {!r}"


class Row(Value):
    """One node."""

    host: str
    node: str
    runtime: str = ""
    """As the kubelet reports it; "" when the cluster has no such Node."""
    ready: bool = False
    schedulable: bool = False
    switch: str = ""
    """The newest switch on the host; "" when there was none, or the host could not be read."""
    last: str = ""
    """Its last action: "done", "undone", "broken", "damaged", or where it is."""
    progress: str = ""
    """What a run has noted on the Node: where it is, or where it failed."""
    problem: str = ""
    """Why the host could not be read."""


def rows(seen: Sequence[Observation], nodes: Iterable[Node]) -> tuple[Row, ...]:
    """Put both sides together, in the order of the inventory."""
    by_name = {node.name: node for node in nodes}
    found = []
    for entry in seen:
        node = by_name.get(entry.node)
        switch, told = entry.facts.newest_switch if entry.facts else ("", Transaction())
        found.append(
            Row(
                host=entry.host,
                node=entry.node,
                runtime=node.runtime if node else "",
                ready=bool(node and node.ready),
                schedulable=bool(node and not node.unschedulable),
                switch=switch,
                last=told.last,
                progress=node.annotations.get(PROGRESS, "") if node else "",
                problem=entry.problem,
            )
        )
    return tuple(found)


def text(shown: Sequence[Row]) -> str:
    """Give a table, without a line end."""
    lines = [(visible(row.node), visible(row.runtime) or "no such Node", _state(row), _switch(row)) for row in shown]
    widths = [max((len(line[column]) for line in lines), default=0) for column in range(3)]
    return "\n".join(
        "  ".join([*(word.ljust(width) for word, width in zip(line, widths, strict=False)), line[3]]) for line in lines
    )


def _state(row: Row) -> str:
    if not row.runtime:
        return "-"
    return f"{'Ready' if row.ready else 'NotReady'}{'' if row.schedulable else ', cordoned'}"


def _switch(row: Row) -> str:
    switch = _SWITCHES.get(row.last, _UNDER_WAY).format(visible(row.switch), row.last)
    told = f"cannot be read: {visible(row.problem)}" if row.problem else switch
    return f"{told}; {visible(row.progress)}" if row.progress else told
