"""Who else writes on a node, or takes nodes away, while it is migrated or afterwards."""

from __future__ import annotations

import re
from collections.abc import Iterator

from migrator.model.kubernetes import MACHINES
from migrator.model.plan import Finding
from migrator.planning import competitors
from migrator.planning.checks.findings import found, listed
from migrator.planning.inputs import NodeInputs, Translation

_UPGRADES = re.compile(
    r"apt-daily-upgrade\.timer|dnf5?-automatic.*|yum-cron\.service|needrestart|"
    r"transactional-update\.timer|rpm-ostreed-automatic\.timer|zincati\.service|update-engine\.service|"
    r"locksmithd\.service"
)


def on_the_host(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """Configuration management puts files back; upgrades restart what they like."""
    upgrades = [name for name in now.facts.agents if _UPGRADES.fullmatch(name)]
    managers = [name for name in now.facts.agents if name not in upgrades]
    if managers:
        yield found(
            "configuration-management",
            f"{listed(managers)} may put back what the migration writes, or start Docker again",
            "tell it of the new runtime before, and stop it while the node is migrated",
        )
    if upgrades:
        yield found(
            "automatic-upgrades",
            f"{listed(upgrades)} may upgrade or restart the runtime, Docker or the kubelet at any time, or reboot the "
            "node",
            "stop it while nodes are migrated, and have it leave the runtime's package alone afterwards (apt-mark "
            "hold, versionlock)",
        )


def in_the_cluster(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """Some take away what is cordoned, empty or not Ready for a while."""
    for entry, names in now.fleet.competitors.items():
        if not entry.writes and now.node.annotations.get(entry.spares) != "true":
            yield found("node-reapers", f"{listed(names)} {entry.what}", entry.remedy.replace("NODE", now.node.name))
    machine = next((now.node.annotations[key] for key in MACHINES if key in now.node.annotations), "")
    if machine:
        yield found(
            "node-reapers",
            f"the node was made from Machine {machine}: a MachineHealthCheck that covers it replaces it when it is not "
            "Ready for its timeout",
            "pause that MachineHealthCheck while nodes are migrated (annotation cluster.x-k8s.io/paused), or see that "
            "its timeout is longer than a switch; a Machine made anew has what its template says",
        )


def in_the_runtime(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """Some write the configuration that the migration writes, and restart the runtime."""
    for entry, names in competitors.of_pods(now.alive).items():
        if entry.writes:
            yield found("runtime-writers", f"{listed(names)} on this node {entry.what}", entry.remedy)
