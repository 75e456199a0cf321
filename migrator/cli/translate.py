"""`migrator translate`: translate one daemon.json without any cluster. Reads one file and prints."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Annotated

import typer

from migrator.cli import options
from migrator.errors import UsageError

_OF_A_UNIT = re.compile(r"^\s*(\[Service\]|Environment\s*=)", re.MULTILINE)
"""What only a unit or drop-in of systemd's has, not a file of variables."""


def _target(name: str) -> str:
    # Imported late: the runtimes take most of the time that --help may take.
    from migrator.runtimes.registry import targets

    if name not in targets():
        raise typer.BadParameter(f"{name!r} is not one of {', '.join(map(repr, targets()))}")
    return name


def command(
    daemon_json: Annotated[Path, typer.Argument(help="Docker's configuration file; - reads it from standard input.")],
    to: Annotated[
        str, typer.Option("--to", metavar="RUNTIME", callback=_target, help="The runtime to write for.")
    ] = "containerd",
    runtime_version: Annotated[str, typer.Option(help="Its version, for example 1.7.")] = "",
    kubelet_version: Annotated[str, typer.Option(help="The kubelet's version, for example 1.23.")] = "1.23",
    docker_version: Annotated[str, typer.Option(help="Docker's version, for example 20.10.")] = "20.10",
    docker_args: Annotated[str, typer.Option(help="Flags of dockerd, as in its unit.")] = "",
    proxy_env: Annotated[
        Path | None, typer.Option(help="Docker's unit or drop-in with its proxy, or a file of variables.")
    ] = None,
    output: options.Form = options.Output.TEXT,
) -> int:
    """Show the files that a daemon.json becomes, and what becomes of each of its settings."""
    from migrator.planning import translate_file
    from migrator.report import translation as report

    made = translate_file.translate(
        _read(daemon_json),
        path=str(daemon_json),
        arguments=_words(docker_args),
        environment=_environment(proxy_env),
        docker_version=docker_version,
        runtime=to,
        runtime_version=runtime_version,
        kubelet_version=kubelet_version,
    )
    as_json = output is options.Output.JSON
    print(json.dumps(made.model_dump(mode="json"), indent=2) if as_json else report.plain(made))
    return 0


def _read(path: Path) -> str:
    import sys

    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        return data.decode("utf-8")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text (byte {error.start})") from error


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--docker-args: {error}") from error


def _environment(path: Path | None) -> dict[str, str]:
    """Read variables as systemd does: those of a unit or drop-in, of its `Environment=` lines alone, or of a file."""
    if path is None:
        return {}
    from migrator.nodeconf.systemd import overrides, syntax
    from migrator.nodeconf.systemd.unit import Unit

    text = _read(path)
    try:
        if _OF_A_UNIT.search(text):
            head = "" if "[Service]" in text else "[Service]\n"
            return {name: value for name, (value, _) in overrides.variables(Unit(((str(path), head + text),))).items()}
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip() and line.strip()[0] not in "#;" and "=" not in line:
                raise UsageError(f"{path}, line {number}: {line.strip()!r} is not NAME=value")
        return {entry.name: entry.value.text for entry in syntax.environment_file(text)}
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error
