"""Where a log line comes from: the node and the step that a thread is at, and errors that end nothing."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

node: ContextVar[str] = ContextVar("node", default="")
"""The Node that this thread works on; a thread that is started begins without one, unless it is given the context."""
step: ContextVar[str] = ContextVar("step", default="")
"""The id of the step that is at work."""


@contextmanager
def at(*, node_name: str = "", step_id: str = "") -> Iterator[None]:
    """Have what is logged in the `with` block carry these; the one that is not given stays."""
    given = ((node, node_name), (step, step_id))
    before = [(variable, variable.set(value)) for variable, value in given if value]
    try:
        yield
    finally:
        for variable, token in before:
            variable.reset(token)


@contextmanager
def swallowed(logger: logging.Logger, what: str, *kinds: type[Exception]) -> Iterator[None]:
    """Go on after an error, one of these kinds if any are given; the log has its traceback, and `what` was tried."""
    try:
        yield
    except Exception as error:  # whoever uses this says why it ends nothing
        if kinds and not isinstance(error, kinds):
            raise
        logger.debug("could not %s, and goes on", what, exc_info=True)
