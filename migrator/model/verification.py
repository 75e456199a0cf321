"""What `migrator verify` found out about several nodes: the document that its JSON form is."""

from __future__ import annotations

from pydantic import computed_field

from migrator.model.base import Value
from migrator.model.evidence import Difference, Verdict

SCHEMA = 1


class NodeProof(Value):
    """One node: its verdicts, or why there are none."""

    host: str
    """Its name in the inventory."""
    node: str
    """Its name in the cluster."""
    verdicts: tuple[Verdict, ...] = ()
    """One for each session, in their order; those after the reboot when there was one."""
    problem: str = ""
    """Why the node could not be proved, or not be rebooted; "" when nothing was in the way."""
    reboot: tuple[Difference, ...] | None = None
    """What a reboot changed on the host; empty also when nobody could look afterwards. None when there was none."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def good(self) -> bool:
        """Whether the node was proved, and came through the reboot that was asked for."""
        changed = [entry for entry in self.reboot or () if not entry.announced]
        return not self.problem and bool(self.verdicts) and all(entry.good for entry in self.verdicts) and not changed


class Verification(Value):
    """All nodes that were asked for, in the inventory's order."""

    schema_version: int = SCHEMA
    nodes: tuple[NodeProof, ...]
