"""Options that several commands take."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

DEFAULT_INVENTORY = Path("inventory.yml")


class Output(StrEnum):
    """In which form results are printed."""

    TEXT = "text"
    JSON = "json"


class PlanOutput(StrEnum):
    """In which form a plan is printed."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"


Inventory = Annotated[Path, typer.Argument(help="Inventory, in any form that Ansible accepts.")]
Nodes = Annotated[list[str] | None, typer.Option("--node", help="Only this node; may be given several times.")]
Limit = Annotated[str, typer.Option("--limit", help="Only hosts that this pattern of Ansible's matches.")]
Kubeconfig = Annotated[str, typer.Option("--kubeconfig", help="Kubeconfig of an administrator of the cluster.")]
Context = Annotated[str, typer.Option("--context", help="Context of the kubeconfig; else its current one.")]
Allow = Annotated[list[str] | None, typer.Option("--allow", help="Waive the check with this id.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Runs = Annotated[
    Path | None, typer.Option("--runs", help="Folder in which each run keeps its plan, events and proofs.")
]
MaxNodes = Annotated[
    int, typer.Option("--max-nodes", min=0, help="Work on no more nodes than that; the next run goes on.")
]
Form = Annotated[Output, typer.Option("-o", "--output", help="Form of the result.")]
PlanForm = Annotated[PlanOutput, typer.Option("-o", "--output", help="Form of the result.")]
