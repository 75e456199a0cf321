"""The one name of a run: of its folder, in its events, on the nodes and in the lock that it holds."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime

_LONGEST = 240
"""Characters of a transaction's name, which is a folder on the node: NAME_MAX of linux/limits.h is 255, and a Node's
name alone may have 253. The node's modules take 300 (`TransactionId`)."""

_alone = threading.Lock()
_made: dict[str, int] = {}
"""How often each name was asked for: `apply` may make two runs in one second."""


def new(moment: datetime | None = None) -> str:
    """Make one: when it began, in UTC, and the process that it is on its machine."""
    name = f"{moment or datetime.now(tz=UTC):%Y%m%d-%H%M%S}-{os.getpid()}"
    with _alone:
        _made[name] = _made.get(name, 0) + 1
        return name if _made[name] == 1 else f"{name}-{_made[name]}"


def transaction(run: str, node: str) -> str:
    """Name what a run does to a node, in the node's own journal; the end of a very long name is left out."""
    return f"{run}-{node}"[:_LONGEST].rstrip(".-")
