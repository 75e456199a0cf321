"""Requests to the node of a run, and what it answers, both checked."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from migrator.engine.context import StepContext
from migrator.errors import HostUnreachableError, StepFailedError, UnaskedError
from migrator.hosts import OnTaskResult, ignore_task_result
from migrator.model import node_requests
from migrator.model.node_answers import Answer
from migrator.model.node_requests import Request
from migrator.model.plan import FileChange
from migrator.model.untrusted_text import mistake

_Request = TypeVar("_Request", bound=Request)
_Answer = TypeVar("_Answer", bound=Answer)


def request(kind: type[_Request], **words: object) -> _Request:
    """Make a request. Raises `StepFailedError` for words that no node may be asked with."""
    try:
        return kind.model_validate(words)
    except ValidationError as error:
        raise StepFailedError(f"nothing was asked of the node, a value is not allowed: {mistake(error)}") from None


def play(run: StepContext, asked: Request, heard: OnTaskResult = ignore_task_result) -> Mapping[str, Mapping[str, Any]]:
    """Run a request's playbook; give what each task returned.

    Raises `HostUnreachableError` for a host that is out of reach, `StepFailedError` for one that has another problem.
    """
    result = run.hosts.play(asked, [run.plan.host], heard)[run.plan.host]
    if result.problem:
        kind = HostUnreachableError if result.unreachable else StepFailedError
        raise kind(f"{run.plan.host}: {result.problem}")
    return result.results


def answer(kind: type[_Answer], result: Mapping[str, Any]) -> _Answer:
    """Read what a task returned. Raises `UnaskedError` for what no module of ours says: that is no verdict."""
    try:
        return kind.model_validate(result)
    except ValidationError as error:
        raise UnaskedError(f"the node's answer is not one of ours: {mistake(error)}") from None


def encoded(text: str) -> str:
    """In base64, so that a file's bytes stay as they are."""
    return base64.b64encode(text.encode()).decode()


def planned_file(file: FileChange) -> node_requests.PlannedFile:
    """Give a file of the plan as the node's modules take it."""
    return node_requests.PlannedFile(
        path=file.path,
        content=encoded(file.content),
        copies=file.copies.path if file.copies else "",
        sha256=file.sha256,
        mode=file.mode,
        owner=file.owner,
        group=file.group,
        replaces=file.before.sha256,
    )
