"""Transactions on real nodes that are cut short: by a signal that cannot be caught, or by a power cut."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import controlplane, network, shell
from tests.lab.conftest import ROOT, Lab
from tests.lab.test_5_migration import CONSENT

DROP_IN = "/etc/systemd/system/migrator-switch.service.d"
CUT = """
import os, signal, sys

program, folder, how, moment, action = sys.argv[1:]
sys.path.insert(0, program)
sys.argv = ["program", folder]
from ansible.module_utils import migrator_files, migrator_switch

write = migrator_files.Journal.write
once = open(os.path.dirname(__file__) + "/boot").read() == open("/proc/sys/kernel/random/boot_id").read()


def end():
    if how == "power":
        if os.path.exists("/run/lab/sysrq-trigger"):  # a container: whoever keeps it on takes everything at once
            open("/run/lab/sysrq-trigger", "w").write("b")
            signal.pause()
        open("/proc/sys/kernel/sysrq", "w").write("1")
        open("/proc/sysrq-trigger", "w").write("b")  # at once, and nothing that is not on disk gets there
    os.kill(os.getpid(), signal.SIGKILL)


def due(when, name):
    mark = "/run/cut/{} {}".format(when, name)
    wanted = (moment, action) in ((when, name), ("around", "every line"))
    if not (wanted and once) or os.path.exists(mark):
        return False  # a second run goes through, as does one after a reboot
    os.makedirs("/run/cut", exist_ok=True)
    open(mark, "w").close()
    return True


def cut(journal, name, **details):
    if due("before", name):
        end()
    write(journal, name, **details)
    if due("after", name):
        end()


migrator_files.Journal.write = cut
migrator_switch.main()
"""


@dataclass(frozen=True)
class Cut:
    """Where a transaction ends, and how."""

    how: str
    """"kill" or "power"."""
    moment: str
    """"before" or "after" the line in the journal; "around" for both, one after the other."""
    action: str
    """The line. What it says happens after it is written. Or "every line", in turn: the way back is cut short too."""

    def __str__(self) -> str:
        """Name it in a table."""
        return f"{self.how} {self.moment} {self.action}"


class Subject:
    """A node whose transactions are cut short."""

    def __init__(self, lab: Lab, node: str, folder: Path, *, alone: bool = True) -> None:
        """Plan it once: after each transaction that went back, the plan holds again.

        `alone` says that no other node is worked on meanwhile.
        """
        self.lab = lab
        self._alone = alone
        self.node = node
        self._plan = folder / f"{node}.json"
        self._count = 0
        planned = lab.migrator("plan", "--node", node, "--out", self._plan, *CONSENT, lab.inventory)
        assert planned.returncode == 0, planned.stderr
        self._before = lab.tree(node)

    def stage(self) -> None:
        """Do what `apply` does before its window: a transaction carries no images."""
        inventory = self.lab.configured(self._plan.with_suffix(".yml"), proof="none")
        staged = self.lab.migrator("apply", "--node", self.node, "--until", "stage", "--yes", *CONSENT, inventory)
        assert staged.returncode == 0, staged.stderr

    def vacate(self) -> None:
        """Cordon it, and delete what does not stay."""
        words = ["drain", self.node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--disable-eviction"]
        shell.run(controlplane.kubectl_command(self.lab.settings, words), timeout=600)

    def name(self) -> str:
        """Name a new transaction."""
        self._count += 1
        return f"{time.strftime('%Y%m%d-%H%M%S')}-{self.node}-{self._count}"

    def transact(self, name: str, state: str) -> dict[str, Any]:
        """Do it, to its end; give the module's result."""
        words = [sys.executable, "-m", "tests.lab.transact", self._plan, name, state]
        done = subprocess.run(
            network.inside(self.lab.settings, words), capture_output=True, text=True, cwd=ROOT, check=False
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def cut_short(self, name: str, cut: Cut) -> None:
        """Have the transaction of that name cut short, once."""
        folder = f"/var/lib/migrator/transactions/{name}"
        cutter = base64.b64encode(CUT.encode()).decode()
        command = f"/usr/bin/python3 -B {DROP_IN}/cut.py {folder}/program {folder} {cut.how} {cut.moment}"
        self.lab.on(
            self.node,
            f"rm -rf /run/cut; mkdir -p {DROP_IN}; echo {cutter} | base64 -d > {DROP_IN}/cut.py\n"
            f"cat /proc/sys/kernel/random/boot_id > {DROP_IN}/boot\n"
            f"cat > {DROP_IN}/cut.conf <<'EOF'\n[Service]\nExecStart=\nExecStart={command} \"{cut.action}\"\nEOF\n"
            "sync\n",
        )

    def whole_again(self, cut: Cut) -> None:
        """Take that away, and see that it has come to it."""
        done = {"kill": "test -d /run/cut", "power": f"! cmp -s {DROP_IN}/boot /proc/sys/kernel/random/boot_id"}
        came = self.lab.on(
            self.node, f"{done[cut.how]} && echo came || true\nrm -rf {DROP_IN} /run/cut; systemctl daemon-reload"
        )
        assert came, f"{cut}: the transaction went through without that line"

    def runs_on(self, runtime: str) -> None:
        """Return when the node is Ready there with all its pods, which run nowhere else."""
        lab, node = self.lab, self.node
        lab.ready_on(node, runtime)
        lab.until(lambda: self.moved(runtime), f"the pods of {node} are ready on {runtime}")
        if self._alone:  # otherwise what the other node has may be away
            lab.all_available()
        left = {
            "docker": "ctr -n k8s.io tasks list -q",
            "containerd": "docker ps --all --quiet --filter label=io.kubernetes.pod.uid",
        }
        assert lab.on(node, left[runtime]).strip() == ""

    def went_back(self) -> None:
        """Return when it is what it was: on Docker, with every file and link of before."""
        self.runs_on("docker")
        assert self.lab.tree(self.node) == self._before

    def moved(self, runtime: str) -> bool:
        """Tell whether every container of the node's pods is one of that runtime, is there and is ready."""
        shown = {"docker": "docker ps --no-trunc --quiet", "containerd": "ctr -n k8s.io tasks list -q"}
        pods = self.lab.pods(self.node)
        statuses = [status for pod in pods for status in pod["status"].get("containerStatuses", [])]
        if len(statuses) < sum(len(pod["spec"]["containers"]) for pod in pods) or not all(
            status["ready"] for status in statuses
        ):
            return False
        there = self.lab.on(self.node, shown[runtime]).split()
        known = [status["containerID"].partition("://") for status in statuses]
        return all(scheme == runtime and name in there for scheme, _, name in known)


def forth(subject: Subject, cut: Cut) -> tuple[str, str]:
    """Cut a switch short; give what it came to and why. The node is wholly on Docker afterwards, or is put back."""
    name = subject.name()
    subject.cut_short(name, cut)
    found = subject.transact(name, "new")
    subject.whole_again(cut)
    if found["outcome"] == "switched":
        subject.runs_on("containerd")
        assert subject.transact(name, "old")["outcome"] == "restored"
    subject.went_back()
    return str(found["outcome"]), str(found["cause"])


def back(subject: Subject, cut: Cut) -> tuple[str, str]:
    """Likewise while a switch that succeeded is undone."""
    name = subject.name()
    assert subject.transact(name, "new")["outcome"] == "switched"
    subject.runs_on("containerd")
    subject.cut_short(name, cut)
    found = subject.transact(name, "old")
    subject.whole_again(cut)
    subject.went_back()
    return str(found["outcome"]), str(found["cause"])
