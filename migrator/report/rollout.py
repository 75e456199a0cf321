"""What became of many nodes, in one line each."""

from __future__ import annotations

from typing import Any

from migrator.report.escape import visible
from migrator.rollout.results import Ending, RolloutResult

_MARKS = {Ending.DONE: "✓", Ending.FAILED: "✗", Ending.STOPPED: "■"}


def text(rolled: RolloutResult) -> str:
    """Give a line for each node, and one about those that were not begun."""
    lines = [f"{_MARKS[entry.end]} {visible(_line(entry.message, entry.node))}" for entry in rolled.results]
    if rolled.left:
        why = f" ({visible(rolled.stopped)})" if rolled.stopped else ""
        lines.append(f"- not begun{why}: {', '.join(map(visible, rolled.left))}")
    return "\n".join(lines)


def document(rolled: RolloutResult) -> dict[str, Any]:
    """Give the same as JSON."""
    return {
        "nodes": [
            {"node": entry.node, "outcome": entry.end.value, "message": entry.message} for entry in rolled.results
        ],
        "not_begun": list(rolled.left),
        "stopped": rolled.stopped,
    }


def _line(message: str, node: str) -> str:
    """Put a message into one line that names the node; where a failure left the node stands in its last line."""
    first, _, rest = message.partition("\n")
    last = rest.rpartition("\n")[2].strip()
    told = "; ".join(filter(None, (first, last)))
    return told if node in told else f"{node}: {told}"
