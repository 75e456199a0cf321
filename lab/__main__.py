"""The lab's command line: `python -m lab up`, `down`, `status` and the rest."""

from __future__ import annotations

import argparse
import os
import sys

from lab import cluster, controlplane, guests, host, network
from lab.errors import LabError
from lab.settings import Settings


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description="A real dockershim cluster on this machine.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("up", help="start the cluster, building what is missing")
    commands.add_parser("down", help="end everything that the lab started")
    commands.add_parser("status", help="show guests, nodes and workloads")
    commands.add_parser("check", help="say what this machine lacks")
    commands.add_parser("packages", help="list the Debian packages that the lab needs")
    commands.add_parser("inventory", help="print where migrator's inventory of the lab lies")
    ssh = commands.add_parser("ssh", help="open a shell on a guest, or run a command there")
    ssh.add_argument("node")
    ssh.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    kubectl = commands.add_parser("kubectl", help="kubectl as the cluster's administrator")
    kubectl.add_argument("words", nargs=argparse.REMAINDER, metavar="ARGUMENT")
    run = commands.add_parser("run", help="run a command where the guests can be reached, KUBECONFIG set")
    run.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND")
    commands.add_parser("snapshot", help="keep the state of guests and cluster").add_argument("tag")
    restore = commands.add_parser("restore", help="put them back")
    restore.add_argument("tag", nargs="?", default=cluster.BASE)
    logs = commands.add_parser("logs", help="show the end of a log: a guest's console or a component's")
    logs.add_argument("name", nargs="?")
    logs.add_argument("-n", type=int, default=50, help="how many lines (default 50)")
    return parser


def _become(argv: list[str]) -> None:
    sys.stdout.flush()
    os.execvp(argv[0], argv)  # noqa: S606 - replaced by the user's own command, no shell in between


def _logs(settings: Settings, name: str | None, lines: int) -> None:
    folder = settings.state / "logs"
    files = {path.name.removesuffix(".log").removesuffix(".console"): path for path in sorted(folder.glob("*"))}
    if name is None:
        print("\n".join(f"{short}: {path}" for short, path in files.items()))
    elif name in files:
        print(guests.console_tail(files[name], lines))
    else:
        raise LabError(f"no log is called {name!r}; there are: {', '.join(files)}")


def _main(arguments: argparse.Namespace) -> None:
    settings = Settings()
    match arguments.command:
        case "up":
            cluster.up(settings)
            print("\n".join(cluster.status(settings)))
        case "down":
            cluster.down(settings)
        case "status":
            print("\n".join(cluster.status(settings)))
        case "check":
            host.check(settings.cache)
            print("this machine has all that the lab needs")
        case "packages":
            print("\n".join(host.packages()))
        case "inventory":
            print(cluster.inventory(settings))
        case "ssh":
            _become(guests.ssh_command(settings, settings.node(arguments.node), arguments.words))
        case "kubectl":
            _become(controlplane.kubectl_command(settings, arguments.words))
        case "run":
            os.environ["KUBECONFIG"] = str(settings.kubeconfig)
            _become(network.inside(settings, arguments.words))
        case "snapshot":
            cluster.snapshot(settings, arguments.tag)
        case "restore":
            cluster.restore(settings, arguments.tag)
        case "logs":
            _logs(settings, arguments.name, arguments.n)


if __name__ == "__main__":
    try:
        _main(_parser().parse_args())
    except LabError as error:
        sys.exit(f"lab: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
