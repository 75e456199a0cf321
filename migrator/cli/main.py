"""`migrator`: the commands, and the one place where an expected failure becomes a message and an exit code."""

from __future__ import annotations

import logging
import os
import signal
import sys

import typer

from migrator import __version__, local_capacity
from migrator.cli import apply, cleanup, inspect, plan, rollback, status, translate, verify
from migrator.errors import MigratorError, UsageError
from migrator.report.escape import visible

_log = logging.getLogger(__name__)

app = typer.Typer(
    name="migrator",
    help="Move Kubernetes nodes from one container runtime to another without losing anything.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("inspect")(inspect.command)
app.command("plan")(plan.command)
app.command("apply")(apply.command)
app.command("verify")(verify.command)
app.command("rollback")(rollback.command)
app.command("cleanup")(cleanup.command)
app.command("status")(status.command)
app.command("translate")(translate.command)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"migrator {__version__}")
        raise typer.Exit


def _debug(wanted: bool) -> None:
    if wanted:
        from migrator.store import debug_log

        debug_log.show()


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
    debug: bool = typer.Option(
        False, "--debug", callback=_debug, help="Say on stderr all that is done, and what Ansible says."
    ),
) -> None:
    """Move Kubernetes nodes from one container runtime to another without losing anything."""


def _interrupt(*_: object) -> None:
    """Treat a termination like Ctrl-C: a node in work is put back before the program ends."""
    raise KeyboardInterrupt


def main() -> None:
    """Run the command line and exit with its code."""
    local_capacity.widen()
    for number in (signal.SIGTERM, signal.SIGHUP):  # the second when a terminal or an SSH session ends
        if signal.getsignal(number) is not signal.SIG_IGN:  # `nohup` wants it so
            signal.signal(number, _interrupt)
    try:
        code = app(standalone_mode=False)
    except MigratorError as error:
        _log.debug("ends with %d", error.exit_code, exc_info=True)
        # A host's or a file's name may be part of it, and must not write to the terminal.
        print("\n".join(map(visible, f"migrator: {error}".split("\n"))), file=sys.stderr)
        code = error.exit_code
    except KeyboardInterrupt as error:
        told = "\n".join(["migrator: interrupted", *getattr(error, "__notes__", ())])
        print("\n".join(map(visible, told.split("\n"))), file=sys.stderr)
        code = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except Exception as error:
        # typer has its own copy of click, and in it the only mark of a mistake on the command line is this method.
        if not hasattr(error, "format_message"):
            raise
        print(f"migrator: {error.format_message()}; --help shows what can be asked", file=sys.stderr)
        code = UsageError.exit_code
    sys.exit(code or 0)
