"""The lab's command line: `python -m lab up`, `down`, `status` and the rest."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable

from lab import cluster, controlplane, guests, host, network, spare
from lab.errors import LabError
from lab.settings import Settings


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description="A real dockershim cluster on this machine.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, action: Callable[[Settings, argparse.Namespace], None], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text)
        command.set_defaults(action=action)
        return command

    add("up", _up, "start the cluster, building what is missing")
    add("down", lambda lab, _: cluster.down(lab), "end everything that the lab started")
    add("status", _status, "show nodes and workloads, and what nodes are here")
    add("check", _check, "say what this machine lacks")
    add("packages", lambda _, __: print("\n".join(host.packages())), "list the Debian packages that the lab needs")
    add("inventory", lambda lab, _: print(cluster.inventory(lab)), "print where migrator's inventory of the lab lies")
    ssh = add("ssh", _ssh, "open a shell on a node, or run a command there")
    ssh.add_argument("node")
    kubectl = add("kubectl", _kubectl, "kubectl as the cluster's administrator")
    run = add("run", _run, "run a command where the nodes can be reached, KUBECONFIG set")
    for command in (ssh, kubectl, run):
        command.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    snapshot = add("snapshot", lambda lab, ours: cluster.snapshot(lab, ours.tag), "keep the state of nodes and cluster")
    snapshot.add_argument("tag")
    restore = add("restore", lambda lab, ours: cluster.restore(lab, ours.tag), "put them back")
    restore.add_argument("tag", nargs="?", default=cluster.BASE)
    spare_guest = add("spare", _spare, "start or end a guest with Docker that belongs to no cluster")
    spare_guest.add_argument("what", choices=["up", "down"])
    spare_guest.add_argument("--cgroup", choices=spare.CGROUPS, default="v2", help="version of cgroups (default v2)")
    logs = add("logs", _logs, "show the end of a log: a node's console or a component's")
    logs.add_argument("name", nargs="?")
    logs.add_argument("-n", dest="lines", type=int, default=50, help="how many lines (default 50)")
    return parser


def _up(settings: Settings, ours: argparse.Namespace) -> None:
    cluster.up(settings)
    _status(settings, ours)


def _status(settings: Settings, _: argparse.Namespace) -> None:
    print("\n".join(cluster.status(settings)))


def _check(settings: Settings, _: argparse.Namespace) -> None:
    host.check(settings.cache)
    print("this machine has all that the lab needs")


def _spare(settings: Settings, ours: argparse.Namespace) -> None:
    if ours.what == "up":
        spare.up(settings, ours.cgroup)
    else:
        spare.down(settings)


def _ssh(settings: Settings, ours: argparse.Namespace) -> None:
    _become(guests.ssh_command(settings, settings.node(ours.node), _words(ours)))


def _kubectl(settings: Settings, ours: argparse.Namespace) -> None:
    _become(controlplane.kubectl_command(settings, _words(ours)))


def _run(settings: Settings, ours: argparse.Namespace) -> None:
    os.environ["KUBECONFIG"] = str(settings.kubeconfig)
    # With this machine's own /sys: a benchmark puts the lab back, which wants the nodes' cgroups.
    _become(network.beside(settings, _words(ours)))


_OWN_WORDS = {"kubectl": 1, "run": 1, "ssh": 2}
"""Commands that take another command's words, and how many of ours come before those."""


def marked(argv: list[str]) -> list[str]:
    """Put `--` before another command's words, so that its options are not taken for ours."""
    ours = _OWN_WORDS.get(argv[0], 0) if argv else 0
    return argv if not ours or argv[ours : ours + 1] in (["--"], ["-h"]) else [*argv[:ours], "--", *argv[ours:]]


def _words(arguments: argparse.Namespace) -> list[str]:
    """Give the words of the user's own command, without the `--` before them."""
    words: list[str] = arguments.words
    return words[1:] if words[:1] == ["--"] else words


def _become(argv: list[str]) -> None:
    sys.stdout.flush()
    os.execvp(argv[0], argv)  # noqa: S606 - replaced by the user's own command, no shell in between


def _logs(settings: Settings, ours: argparse.Namespace) -> None:
    name: str | None = ours.name
    folder = settings.state / "logs"
    files = {path.name.removesuffix(".log").removesuffix(".console"): path for path in sorted(folder.glob("*"))}
    if name is None:
        print("\n".join(f"{short}: {path}" for short, path in files.items()))
    elif name in files:
        print(guests.console_tail(files[name], ours.lines))
    else:
        raise LabError(f"no log is called {name!r}; there are: {', '.join(files)}")


if __name__ == "__main__":
    try:
        arguments = _parser().parse_args(marked(sys.argv[1:]))
        arguments.action(Settings(), arguments)
    except LabError as error:
        sys.exit(f"lab: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
