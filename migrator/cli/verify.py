"""`migrator verify`: prove nodes with probe pods, and with `--reboot` that they come back as they were."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from migrator.cli import options
from migrator.cli.plan import refuse
from migrator.errors import StepFailedError, UnprovenError, UsageError
from migrator.model import run_id
from migrator.model.kubeconfig import KubeconfigChoice
from migrator.store import evidence_file

if TYPE_CHECKING:
    from migrator.app.connections import Connections
    from migrator.app.verify_nodes import VerifyJob
    from migrator.inventory import Host
    from migrator.model.evidence import Evidence
    from migrator.model.verification import NodeProof, Verification
    from migrator.probe_session.prove_node import Proof


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
    context: options.Context = "",
    output: Annotated[VerifyOutput, typer.Option("-o", "--output", help="Form of the result.")] = VerifyOutput.TEXT,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="List every check.")] = False,
    baseline: Annotated[
        Path | None, typer.Option("--baseline", help="Show what is other than in this file, which --save wrote.")
    ] = None,
    save: Annotated[
        Path | None, typer.Option("--save", help="Write what was seen of each node to this folder.")
    ] = None,
    reboot: Annotated[
        bool, typer.Option("--reboot", help="Then drain and reboot each node, prove it again, and uncordon it.")
    ] = False,
    allow: options.Allow = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before a reboot.")] = False,
    runs: Annotated[Path | None, typer.Option("--runs", help="Folder in which each run keeps its logs.")] = None,
) -> int:
    """Prove that nodes isolate, limit and connect containers, with pods of our own that are removed afterwards."""
    if reboot and not yes and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("nothing was done: without a terminal to ask on, --reboot needs --yes")
    if allow and not reboot:
        raise UsageError("--allow belongs to --reboot: nothing else of verify can be refused")
    from migrator.app import connections, observe, verify_nodes
    from migrator.app import reboot as reboot_nodes
    from migrator.store import run_log

    chosen = connections.choose(inventory, node or [], limit)
    before = evidence_file.read(baseline, [host.node for host in chosen]) if baseline is not None else None
    if save is not None:
        evidence_file.prepare(save)
    cluster = connections.open_cluster(inventory, chosen, KubeconfigChoice(kubeconfig, context))
    hosts = connections.open_hosts(inventory, chosen)
    doors = connections.Connections(chosen, hosts, cluster, connections.check_allowed(allow or []))
    work = _work(doors, save=save, show=shower(output, verbose=verbose))
    run = run_id.new()
    with run_log.logs_alone(runs, run):
        if not reboot:
            return finish(verify_nodes.verify(chosen, work, baseline=before), output)
        plan = doors.plan(observe.reboot)
        refuse(plan)
        if not yes:
            ask(reboot_nodes.question(plan))
        with reboot_nodes.alone(doors, plan, tell, run) as reboots:
            work = replace(
                work,
                prove=partial(prove, doors, ours=True),
                take_out=reboots.take_out,
                reboot=reboots.reboot,
                give_back=reboots.give_back,
            )
            return finish(verify_nodes.verify(chosen, work, baseline=before), output)


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


def prove(doors: Connections, host: Host, baseline: Evidence | None, *, ours: bool = False) -> Proof:
    """Look at a host, and run a session on it; a node that somebody else is at work on is left alone.

    `ours` is whether it is us who change nodes of this cluster now.

    Raises `HostUnreachableError`, `CriError`, `ClusterError` or `StepFailedError` when nothing can be said of it.
    """
    from migrator.app import observe, verify_nodes
    from migrator.engine.wall_clock import WallClock
    from migrator.probe_session import prove_node

    if not ours and (why := _in_work(doors, host)):
        raise StepFailedError(why)
    (seen,) = observe.observe([host], doors.hosts)
    if seen.facts is None:
        raise StepFailedError(f"{host.name} cannot be read: {seen.problem}")
    verify_nodes.same_machine(host, seen.facts, doors.cluster.node(host.node))
    told = partial(tell, host)
    with doors.hosts.line(host.name) as line:
        return prove_node.prove(line, doors.cluster, WallClock(), seen.facts, host.node, tell=told, baseline=baseline)


def _in_work(doors: Connections, host: Host) -> str:
    """Say who is at work on a node, by what they have noted on it; "" when nobody is, or not any more."""
    from migrator.model.kubernetes import PROGRESS
    from migrator.rollout import lock

    progress = doors.cluster.node(host.node).annotations.get(PROGRESS, "")
    if not progress or progress.startswith("failed"):
        return ""
    holder = lock.somebody(doors.cluster)
    return f"left alone: {holder} is at work on it ({progress}); verify it when that is over" if holder else ""


def _work(doors: Connections, *, save: Path | None, show: Callable[[NodeProof], None]) -> VerifyJob:
    from migrator.app.verify_nodes import VerifyJob

    def keep(seen: Evidence) -> None:
        if save is not None:
            evidence_file.write(save, seen)

    return VerifyJob(prove=partial(prove, doors), keep=keep, show=show, tell=tell)


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
    from migrator.cli import console
    from migrator.report.escape import prose, visible

    console.say(f"{visible(host.node)}: {prose(said)}")  # whoever listens may be gone, and the node is cleaned up still


def ask(question: str) -> None:
    """Go on only after a yes. Raises `UsageError`."""
    print(question, end=" Only 'yes' will do: ", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != "yes":
        raise UsageError("nothing was done")
