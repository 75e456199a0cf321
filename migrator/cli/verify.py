"""`migrator verify`: prove nodes with probe pods, and with `--reboot` that they come back as they were."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from migrator.cli import evidence, options
from migrator.errors import StepFailedError, UnprovenError, UsageError

if TYPE_CHECKING:
    from migrator.cli.wiring import Doors
    from migrator.engine.verifying import Work
    from migrator.inventory import Host
    from migrator.model.proof import Evidence
    from migrator.model.verification import NodeProof, Verification
    from migrator.proving.node import Proof


class VerifyOutput(StrEnum):
    """In which form verdicts are printed."""

    TEXT = "text"
    JSON = "json"
    JUNIT = "junit"


def command(
    inventory: options.Inventory = options.DEFAULT_INVENTORY,
    node: options.Nodes = None,
    limit: options.Limit = "",
    kubeconfig: options.Kubeconfig = "",
    output: Annotated[VerifyOutput, typer.Option("-o", "--output", help="Form of the result.")] = VerifyOutput.TEXT,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="List every check.")] = False,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="Show what is other than in this file, which --save wrote.")
    ] = None,
    save: Annotated[
        Path | None, typer.Option("--save", help="Write what was seen of each node to this folder.")
    ] = None,
    reboot: Annotated[bool, typer.Option("--reboot", help="Then reboot each node, and prove it again.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before a reboot.")] = False,
) -> int:
    """Prove that nodes isolate, limit and connect containers, with pods of our own that are removed afterwards."""
    if reboot and not yes and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("nothing was done: without a terminal to ask on, --reboot needs --yes")
    from migrator.cli import wiring
    from migrator.engine import verifying

    chosen = wiring.choose(inventory, node or [], limit)
    before = evidence.read(baseline, [host.node for host in chosen]) if baseline is not None else None
    if save is not None:
        evidence.prepare(save)
    hosts, cluster = wiring.open_hosts(inventory, chosen), wiring.open_cluster(inventory, chosen, kubeconfig)
    doors = wiring.Doors(chosen, hosts, cluster, frozenset())
    if reboot and not yes:
        ask(doors)
    work = _work(doors, reboot=reboot, save=save, show=shower(output, verbose=verbose))
    return finish(verifying.verify(chosen, work, baseline=before), output)


def finish(found: Verification, output: VerifyOutput) -> int:
    """Print what was not printed yet. Raises `UnprovenError` when a node is not good, or could not be proved."""
    from migrator.report import junit, verdict

    if output is VerifyOutput.JSON:
        # Not pydantic's own JSON, which refuses half a sign: a node may have one in any name.
        print(json.dumps(found.model_dump(mode="json"), indent=2))
    elif output is VerifyOutput.JUNIT:
        print(junit.junit(found))
    elif len(found.nodes) > 1:
        print(verdict.summary(found), flush=True)
    said = [verdict.shortcomings(entry) for entry in found.nodes if not entry.good]
    if said:
        raise UnprovenError(". ".join(said))
    return 0


def prove(doors: Doors, host: Host, baseline: Evidence | None) -> Proof:
    """Look at a host, and run a session on it.

    Raises `LineError`, `CriError`, `ClusterError` or `StepFailedError` when nothing can be said of it.
    """
    from migrator import survey
    from migrator.engine import verifying
    from migrator.engine.wall_clock import WallClock
    from migrator.proving import node

    (seen,) = survey.observe([host], doors.hosts)
    if seen.facts is None:
        raise StepFailedError(f"{host.name} cannot be read: {seen.problem}")
    verifying.same_machine(host, seen.facts, doors.cluster.node(host.node))
    told = partial(tell, host)
    with doors.hosts.line(host.name) as line:
        return node.prove(line, doors.cluster, WallClock(), seen.facts, host.node, tell=told, baseline=baseline)


def _work(doors: Doors, *, reboot: bool, save: Path | None, show: Callable[[NodeProof], None]) -> Work:
    from migrator.engine import reboot as rebooting
    from migrator.engine.verifying import Work
    from migrator.engine.wall_clock import WallClock

    def restart(host: Host) -> None:
        rebooting.reboot(doors.hosts, doors.cluster, WallClock(), host=host.name, node=host.node)

    def spared(host: Host) -> str:
        return control_plane(doors, host)

    def keep(seen: Evidence) -> None:
        if save is not None:
            evidence.write(save, seen)

    return Work(
        prove=partial(prove, doors),
        reboot=restart if reboot else None,
        spared=spared,
        keep=keep,
        show=show,
        tell=tell,
    )


def control_plane(doors: Doors, host: Host) -> str:
    """Say what tells that a host has a part of the control plane, which a reboot would stop; "" for a worker.

    Raises `ClusterError` or `StepFailedError` when that cannot be known.
    """
    from migrator import survey
    from migrator.planning.checks.control_plane import known_by

    (seen,) = survey.observe([host], doors.hosts)
    if seen.facts is None:
        raise StepFailedError(f"{host.name} cannot be read: {seen.problem}")
    cluster = doors.cluster
    servers = [address for address, _ in cluster.kubernetes_endpoints()]
    reasons = known_by(seen.facts, cluster.node(host.node), cluster.pods_on(host.node), servers)
    return f"it is a control-plane node, known by {'; '.join(reasons)}" if reasons else ""


def shower(output: VerifyOutput, *, verbose: bool) -> Callable[[NodeProof], None]:
    """Give what prints a node as soon as it is done: as text, because the other forms are one document for all."""
    from migrator.report import terminal, verdict

    def show(entry: NodeProof) -> None:
        if output is not VerifyOutput.TEXT:
            return
        text = verdict.node(entry, verbose=verbose) + "\n"
        if sys.stdout.isatty():
            from rich.console import Console

            Console().print(terminal.styled(text), soft_wrap=True)
        else:
            print(text, flush=True)

    return show


def tell(host: Host, said: str) -> None:
    """Say on stderr what is going on at a node."""
    from migrator.report.escape import prose, visible

    print(f"{visible(host.node)}: {prose(said)}", file=sys.stderr, flush=True)


def ask(doors: Doors) -> None:
    """Say what a reboot stops on each node, and go on only after a yes."""
    from migrator.report.escape import visible

    said = []
    for host in doors.chosen:
        pods = sum(not pod.finished for pod in doors.cluster.pods_on(host.node))
        stop = "1 pod on it stops" if pods == 1 else f"{pods:,} pods on it stop"
        said.append(f"{visible(host.node)} will be rebooted; {stop} for that time.")
    print("\n".join(said), end=" Only 'yes' will do: ", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != "yes":
        raise UsageError("nothing was done")
