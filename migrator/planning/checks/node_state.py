"""The machine: whether it is the right one, and in a state that a migration can start from."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath

from migrator import versions
from migrator.model.facts import NodeFacts
from migrator.model.plan import Finding, Severity
from migrator.planning.addresses import parsed
from migrator.planning.checks.findings import found, listed
from migrator.planning.checks.lenient_reads import flags
from migrator.planning.inputs import NodeInputs, Translation
from migrator.runtimes import containerd
from migrator.runtimes.docker.runtime import is_dockers

_INSTEAD: Mapping[str, str] = {
    "k3s": "let k3s do it: set it up without --docker, and it runs its own containerd",
    "rke": "move to RKE2: RKE runs the kubelet itself as a Docker container, and its support ended in July 2025",
    "rke2": "leave it out: RKE2 brings its own containerd",
    "k0s": "let k0s do it: it brings its own containerd, configured by /etc/k0s/containerd.toml",
    "microk8s": "let MicroK8s do it: its containerd and kubelet are parts of its snap",
    "kops": "change spec.containerRuntime of the cluster and roll the nodes: nodeup writes these files anew",
}
"""Installations that own the runtime, and what to do with them."""

_MANAGED: Mapping[str, str] = {
    "kubespray": "set container_manager, etcd_deployment_type: host and resolvconf_mode: host_resolvconf in its "
    "inventory before its next run",
}
"""Installations that leave the files alone until they run again."""


OURS = ("/etc/systemd/system", "/var/lib/migrator/transactions")
"""Where the node's own unit, and the journal with the saved files, are written (roles/switch)."""


def right_machine(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """The host behind the inventory's name must be the Node that would be drained."""
    remedy = "correct ansible_host or migrator_node_name: another machine than the drained node would be switched"
    if now.facts.machine_id != now.node.machine_id:
        yield found(
            "wrong-machine",
            f"host {now.host} has machine-id {now.facts.machine_id or 'none'}, Node {now.node.name} has "
            f"{now.node.machine_id or 'none'}",
            remedy,
        )
        return
    host, node = parsed(now.facts.addresses), parsed(now.node.addresses)
    if host and node and not host & node:  # clones share a machine-id
        yield found(
            "wrong-machine",
            f"host {now.host} has the addresses {listed(map(str, host))}, Node {now.node.name} has "
            f"{listed(map(str, node))}, although their machine-ids are the same",
            remedy,
        )


def whole(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """What could not be read is not known to be absent."""
    for problem in now.facts.problems:
        yield found("facts-incomplete", problem, "mend what keeps it from being read, and inspect again")


def healthy(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """A node that is broken before the migration cannot be judged after it."""
    if not now.node.ready:
        yield found("node-not-ready", f"Node {now.node.name} is not Ready", "mend it first, or leave it out")
    if now.node.pressures:
        yield found(
            "node-pressure",
            f"Node {now.node.name} reports {listed(now.node.pressures)}",
            "free what is short: the kubelet evicts pods and removes images meanwhile",
        )
    if not now.facts.host.systemd:
        yield found("no-systemd", "systemd does not run this host", "such hosts are not supported")
    if now.node.cordoned_by_others:
        yield found("cordoned", f"Node {now.node.name} is cordoned already", "it stays so after the migration")


def installation(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """A node whose files another tool writes is that tool's business."""
    name = now.facts.kubelet.installation
    if name in _INSTEAD:
        yield found("installation", f"{name} set this node up", _INSTEAD[name])
    elif name in _MANAGED:
        yield found(
            "installation-managed",
            f"{name} set this node up, and its next run overwrites the migration",
            _MANAGED[name],
        )


def clock(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """Heartbeats are compared by the host's clock."""
    if not now.observed_at or not now.facts.host.clock:
        return
    off = now.facts.host.clock - now.observed_at
    if abs(off) > now.target.clock_skew:
        yield found(
            "clock-skew",
            f"the host's clock is {abs(off):.0f} s {'ahead' if off > 0 else 'behind'}; "
            f"{now.target.clock_skew:.0f} s are allowed",
            "synchronise its clock, or raise migrator_clock_skew",
        )


def half_migrated(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """Nothing of an earlier switch may be left open, and one runtime alone may run Kubernetes' containers."""
    switch, told = now.facts.newest_switch
    if puzzle := undecided(now.facts):
        yield found(
            "half-migrated", puzzle, "look at the node, then move away the journals that are not true (docs/runbook.md)"
        )
    elif told.last == "damaged":
        yield found(
            "half-migrated",
            f"the journal of the switch {switch} is damaged: where the node stands is not known",
            "look at the node, then move the journal away (docs/runbook.md)",
        )
    elif switch and told.open:
        how = "could not be put back" if told.last == "broken" else f"is at {told.last!r}"
        yield found(
            "half-migrated",
            f"the switch {switch} {how}",
            "wait when it is under way; otherwise `migrator rollback` takes the node back",
        )
    pods = [entry for entry in (now.facts.docker.containers if now.facts.docker else ()) if entry.pod_uid]
    running = listed(entry.name for entry in pods if entry.running)
    if running and (now.migrated or _elsewhere(now)):
        yield found(
            "half-migrated",
            f"the kubelet does not use Docker, and Docker still runs containers of Kubernetes: {running}",
            "stop and remove them with docker rm -f: the kubelet does not see them and starts the same ones again",
        )
    elif pods and now.facts.containerd.containers:
        yield found(
            "half-migrated",
            f"Docker has {len(pods)} containers of Kubernetes, containerd has {now.facts.containerd.containers}",
            "remove those of the runtime that the kubelet does not use",
        )


def undecided(facts: NodeFacts) -> str:
    """Say why nobody can tell which switch was the last one on the node; "" when it is known."""
    if len(facts.open_switches) > 1:
        return f"several switches are not over: {listed(facts.open_switches)}"
    if facts.disputed_switches:
        by_number, by_time = facts.disputed_switches
        return (
            f"the node counts {by_number} as its last switch, and its clock says {by_time}: somebody has set the clock "
            f"or moved journals"
        )
    return ""


def writable(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """Whatever the switch writes must be put back in the same place."""
    known = now.facts.unwritable
    paths = (*OURS, *(file.path for file in draft.files))
    looked_at = {*now.facts.files, *OURS}
    if not known:
        return
    obstacles = {why for path in paths if (why := _obstacle(known, looked_at, path))}
    if obstacles:
        yield found("unwritable", listed(obstacles), "make it an ordinary file or folder that root can write to")


def _obstacle(known: Mapping[str, str], looked_at: Collection[str], path: str) -> str:
    """Give what is known of a path; of one that nobody has looked at, what is known of the folder it would be in."""
    if path in known or path in looked_at:
        return known.get(path, "")
    return next((known[folder] for parent in PurePosixPath(path).parents if (folder := str(parent)) in known), "")


def _elsewhere(now: NodeInputs) -> bool:
    """Tell whether the kubelet was started for another runtime than Docker."""
    given = flags(now.facts)
    endpoint = given.get("--container-runtime-endpoint", "")
    remote = given.get("--container-runtime") == "remote"
    if not remote and versions.parse(now.facts.kubelet.version) < versions.DOCKERSHIM_GONE:
        return False  # the endpoint is where dockershim listens
    return bool(endpoint) and not is_dockers(endpoint)


def leftovers(now: NodeInputs, _: Translation) -> Iterator[Finding]:
    """What another runtime left: mostly harmless, but a folder where a socket has to be keeps a runtime down."""
    folders = [path for path in now.facts.leftovers if path.rstrip("/").endswith(".sock") and _is_folder(now, path)]
    if folders:
        yield found(
            "leftovers",
            f"folders in the place of sockets: {listed(folders)}",
            "remove them: a pod mounted a socket that was not there, and no runtime can listen in its place now",
            Severity.BLOCKS,
        )
    others = set(now.facts.leftovers) - set(folders)
    if others:
        yield found("leftovers", f"left by another runtime: {listed(others)}", "kubeadm and crictl may trip over them")


def _is_folder(now: NodeInputs, path: str) -> bool:
    return path.endswith("/") or "directory" in now.facts.file(path).problem or "folder" in now.facts.file(path).problem


def readable(now: NodeInputs, draft: Translation) -> Iterator[Finding]:
    """Files that decide something must be what they claim to be."""
    config = now.facts.file(containerd.CONFIG)
    secret = config.hidden or containerd.credentials(config.content)
    for problem in dict.fromkeys(draft.problems):
        if secret and problem.startswith(containerd.CONFIG):
            continue  # `containerd-credentials` says so
        yield found("unreadable-file", problem, "mend the file; nothing is guessed")
