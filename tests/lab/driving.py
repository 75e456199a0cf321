"""What happens to a switch in its middle: a command is run before or after a line of its journal is written.

The unit runs its own program by way of ours, which changes nothing but that, and limits that would take minutes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from tests.lab.nodeside import JOURNALS, UNIT, Node

FOLDER = f"/etc/systemd/system/{UNIT}.d"
KILL = "kill -KILL $PPID; sleep 60"
POWER = "echo b > /run/lab/sysrq-trigger"
DRIVER = """\
import importlib, json, os, subprocess, sys

program, folder = sys.argv[1:]
here = os.path.dirname(__file__)
with open(here + "/told.json") as file:
    told = json.load(file)
sys.path.insert(0, program)
sys.argv = ["program", folder]
from ansible.module_utils import migrator_files, migrator_switch

for place, value in told["limits"].items():
    module, _, constant = place.partition(".")
    setattr(importlib.import_module("ansible.module_utils." + module), constant, value)
write = migrator_files.Journal.write


def meet(place):
    number = list(told["at"]).index(place) if place in told["at"] else -1
    mark = "{}/met-{}".format(here, number)
    if number < 0 or os.path.exists(mark):
        return
    open(mark, "w").close()
    subprocess.run(["sh", "-c", told["at"][place]], check=False)


def driven(journal, name, **details):
    meet("before " + name)
    write(journal, name, **details)
    meet("after " + name)


migrator_files.Journal.write = driven
migrator_switch.main()
"""


def drive(
    node: Node,
    at: Mapping[str, str],
    *,
    limits: Mapping[str, float] | None = None,
    name: str = "t",
    wait: str = "100ms",
) -> None:
    """Have commands run at lines such as "before write files", each once, in the next switch of this name.

    `wait` is how long systemd waits before it runs a program again.
    """
    folder = f"{JOURNALS}/{name}"
    files = {
        "driver.py": DRIVER,
        "told.json": json.dumps({"at": dict(at), "limits": dict(limits or {})}),
        "driven.conf": f"[Service]\nExecStart=\nExecStart=/usr/bin/python3 -B {FOLDER}/driver.py {folder}/program {folder}\n"
        f"RestartSec={wait}\n",
    }  # fmt: skip
    node.at(FOLDER).mkdir(parents=True, exist_ok=True)
    for mark in node.at(FOLDER).iterdir():
        mark.unlink()
    for file, text in files.items():
        node.at(f"{FOLDER}/{file}").write_text(text)
    node.do("systemctl daemon-reload")


def met(node: Node) -> int:
    """Count the lines that were met."""
    return len(list(node.at(FOLDER).glob("met-*")))


def undriven(node: Node) -> None:
    """Take it away."""
    for path in node.at(FOLDER).iterdir():
        path.unlink()
    node.at(FOLDER).rmdir()
    node.do("systemctl daemon-reload")
