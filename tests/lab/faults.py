"""What goes wrong around a migration of a real node, and what must come of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from lab import controlplane, network
from tests.lab.conftest import ROOT, Lab
from tests.lab.test_5_migration import CONSENT
from tests.lab.transactions import Subject

NODE, OTHER = "worker-2", "worker-1"
DONE, STEP_FAILED, LOCKED = 0, 13, 15
AWAY = 100.0
"""Seconds for which something is away: longer than SSH's keepalives (60 s) and the API client's patience."""


@dataclass(frozen=True)
class Fault:
    """Something that breaks when a step begins, and what must come of it."""

    at: str
    """The step."""
    breaks: Callable[[Lab, subprocess.Popen[str]], None]
    exit_codes: frozenset[int]
    runtimes: frozenset[str]
    """On one of these the node may end."""
    mends: Callable[[Lab], None] = lambda _: None
    after: float = 0.0
    """Seconds until it is mended; 0 for when the run has ended."""
    says: str = ""
    """What the run says of it, in part."""
    cordoned: bool = False
    """Whether the node may stay cordoned."""
    anew: bool = False
    """Whether it begins in the base state: with pods that can be evicted, and images that have to be carried over."""
    back: bool = False
    """Whether it is taken back in the end."""
    reports: str = ""
    """What the same command says instead of completing."""
    heals: str = ""
    """What a person does then, as the runbook says: a script on the node."""
    wants: Mapping[str, str | int] = field(default_factory=dict)
    """What the inventory says otherwise."""


def fault(
    at: str,
    breaks: Callable[[Lab, subprocess.Popen[str]], None],
    codes: int | tuple[int, ...],
    runtimes: str,
    **more: object,
) -> Fault:
    """Make one."""
    several = codes if isinstance(codes, tuple) else (codes,)
    return Fault(at, breaks, frozenset(several), frozenset(runtimes.split()), **more)  # type: ignore[arg-type]


def killed(_: Lab, run: subprocess.Popen[str]) -> None:
    """Kill the run and everything that it has started."""
    os.killpg(run.pid, signal.SIGKILL)


def killed_over(script: str) -> Callable[[Lab, subprocess.Popen[str]], None]:
    """Kill the run, and do something to the journal of the last transaction, `$journal`."""

    def both(lab: Lab, run: subprocess.Popen[str]) -> None:
        killed(lab, run)
        lab.on(NODE, f"journal=$(ls -t {SAVED}/*/journal.jsonl | head -1)\n{script}\nsync")

    return both


def on_node(script: str) -> Callable[..., None]:
    """Run a script there."""

    def run(lab: Lab, *_: object) -> None:
        lab.on(NODE, script)

    return run


power_cut = on_node(
    "trigger=/proc/sysrq-trigger; test ! -e /run/lab/sysrq-trigger || trigger=/run/lab/sysrq-trigger; "
    "{ sleep 1; echo b > $trigger; } > /dev/null 2>&1 &"
)
"""At once, and nothing that is not on disk gets there."""


def ssh(lab: Lab, *_: object, verb: str) -> None:
    """Drop everything between this machine and the node's SSH."""
    address = lab.settings.node(NODE).address
    for chain, side, port in (("OUTPUT", "-d", "--dport"), ("INPUT", "-s", "--sport")):
        rule = ["iptables", "-w", verb, chain, "-p", "tcp", side, address, port, "22", "-j", "DROP"]
        subprocess.run(network.inside(lab.settings, rule), check=True)


def api_server(lab: Lab, *_: object, sign: signal.Signals) -> None:
    """Stop or continue the API server: it accepts connections and answers nothing."""
    for pid in network.processes(lab.settings, {"kube-apiserver"}):
        os.kill(pid, sign)


def kubectl(*words: str) -> Callable[..., None]:
    """Run kubectl."""

    def run(lab: Lab, *_: object) -> None:
        lab.kubectl(*words)

    return run


def full(folder: str) -> str:
    """Give the script that puts a file system without room in the place of a folder; `umount` takes it away."""
    return f"mkdir -p {folder}; mount -t tmpfs -o size=16k tmpfs {folder}"


def drop_in(unit: str, text: str) -> Callable[..., None]:
    """Give a unit a drop-in."""
    folder = f"/etc/systemd/system/{unit}.d"
    return on_node(f"mkdir -p {folder}; printf '[Service]\\n{text}\\n' > {folder}/fault.conf; systemctl daemon-reload")


def without_drop_in(unit: str) -> Callable[..., None]:
    """Take it away."""
    return on_node(f"rm -rf /etc/systemd/system/{unit}.d/fault.conf /run/fault; systemctl daemon-reload")


def starting(lab: Lab, *_: object) -> None:
    """Have a node that does not get Ready, whose kubelet somebody starts ten times a second: monit, Puppet, a person."""
    drop_in("containerd.service", f'ExecStartPre=/bin/sh -c "{NO_NETWORK}"')(lab)
    lab.on(NODE, "systemd-run --unit=starter --collect sh -c 'while :; do systemctl start kubelet; sleep 0.1; done'")


def not_starting(lab: Lab, *_: object) -> None:
    """Take that away."""
    lab.on(NODE, "systemctl stop starter")
    without_drop_in("containerd.service")(lab)


def stuck_pod(lab: Lab, *_: object) -> None:
    """Have a pod of the node that does not end: somebody's finalizer is on it."""
    lab.kubectl("-n", "shop", "patch", "pod", webs(lab)[0], "-p", '{"metadata":{"finalizers":["example.org/stuck"]}}')


def webs(lab: Lab) -> list[str]:
    """Name the pods of web on the node."""
    return [pod["metadata"]["name"] for pod in lab.pods(NODE) if pod["metadata"]["labels"].get("app") == "web"]


def released(lab: Lab, *_: object) -> None:
    """Take all finalizers away."""
    for pod in lab.get("-n", "shop", "pods")["items"]:
        if pod["metadata"].get("finalizers"):
            patch = '{"metadata":{"finalizers":null}}'
            lab.kubectl("-n", "shop", "patch", "pod", pod["metadata"]["name"], "-p", patch)


def another(lab: Lab, *_: object) -> None:
    """Have somebody else migrate the other node meanwhile, without room for its pods: it is kept out, and told why."""
    done = lab.migrator("apply", "--node", OTHER, "--yes", *CONSENT, "--allow", "capacity", lab.inventory)
    assert done.returncode == LOCKED, done.stdout + done.stderr


BUDGET = ("-n", "shop", "patch", "pdb", "web", "-p")
STOPPED = "test -e /run/fault || { touch /run/fault; kill -STOP $MAINPID; }"
NO_NETWORK = (
    "if grep -q SystemdCgroup /etc/containerd/config.toml; "
    "then sed -i s#/etc/cni/net.d#/etc/cni/nowhere# /etc/containerd/config.toml; fi"
)
"""Only the configuration that we write says so; Debian's does not."""
PROVED = {"proof": "full"}
NEW_FLAGS = "/var/lib/kubelet/kubeadm-flags.env"
INGEST = "/var/lib/containerd/io.containerd.content.v1.content/ingest"
"""Where whatever comes into the store is written first; the worker's containerd keeps its data in the usual folder."""
SAVED = "/var/lib/migrator/transactions"
UNITS = "/etc/systemd/system"
KILLED = {
    **dict.fromkeys(("stage", "cordon", "drain"), "docker"),
    "switch": "docker containerd",
    **dict.fromkeys(("verify", "annotate", "uncordon", "settle"), "containerd"),
}
"""Where a node is whose run is killed when a step begins. What a switch has begun goes on there, or never began."""
ONLY_GUESTS = {"a clock that jumps"}
"""Faults that a container would do to the machine that it runs on."""
FAULTS: Mapping[str, Fault] = {
    **{f"run killed at {step}": fault(step, killed, -9, runtimes, cordoned=True, back="containerd" in runtimes)
       for step, runtimes in KILLED.items()},
    "run killed at leavings": fault("leavings", killed, -9, "containerd", back=True, wants=PROVED),
    "no way to the node at stage": fault(
        "stage", partial(ssh, verb="-I"), STEP_FAILED, "docker", mends=partial(ssh, verb="-D"), after=AWAY),
    **{f"no way to the node at {step}": fault(
        step, partial(ssh, verb="-I"), DONE, "containerd", mends=partial(ssh, verb="-D"), after=AWAY, anew=step == "drain")
       for step in ("drain", "switch", "verify")},
    "no way to the node when it is to be proved": fault(
        "verify", partial(ssh, verb="-I"), DONE, "containerd", mends=partial(ssh, verb="-D"), after=AWAY, wants=PROVED),
    "power cut when it is to be proved": fault("verify", power_cut, DONE, "containerd", wants=PROVED),
    **{f"API server hangs at {step}": fault(
        step, partial(api_server, sign=signal.SIGSTOP), DONE, "containerd",
        mends=partial(api_server, sign=signal.SIGCONT), after=45, anew=step == "drain")
       for step in ("drain", "verify", "annotate", "uncordon")},
    "API server away for good at verify": fault(
        "verify", partial(api_server, sign=signal.SIGSTOP), STEP_FAILED, "containerd",
        mends=partial(api_server, sign=signal.SIGCONT), says="nothing is taken back", cordoned=True, back=True),
    "no way to the node for good when it is to be proved": fault(
        "verify", partial(ssh, verb="-I"), STEP_FAILED, "containerd", mends=partial(ssh, verb="-D"),
        says="nothing is taken back", cordoned=True, back=True, wants=PROVED),
    "the unit's folder cannot be written": fault(
        "drain", on_node(f"chattr +i {UNITS}"), STEP_FAILED, "docker", mends=on_node(f"chattr -i {UNITS}"),
        says="nothing was changed"),
    "somebody starts the kubelet all the time": fault(
        "switch", starting, STEP_FAILED, "docker", mends=not_starting, says="The node was put back",
        wants={"ready_timeout": 60}),
    "no room for images": fault(
        "stage", on_node(full(INGEST)), STEP_FAILED, "docker", anew=True,
        mends=on_node(f"umount --lazy {INGEST}")),
    "no room for saved files": fault(
        "switch", on_node(full(SAVED)), STEP_FAILED, "docker",
        mends=on_node(f"umount {SAVED}")),
    "a kubelet that does not start": fault(
        "cordon", drop_in("kubelet.service", f'ExecStartPre=/bin/sh -c "! grep -q containerd.sock {NEW_FLAGS}"'), STEP_FAILED, "docker",
        mends=without_drop_in("kubelet.service")),
    "a containerd that does not start": fault(
        "cordon", drop_in("containerd.service", 'ExecStartPre=/bin/sh -c "! grep -q SystemdCgroup /etc/containerd/config.toml"'), STEP_FAILED, "docker",
        mends=without_drop_in("containerd.service"), says="`systemctl restart containerd.service` failed"),
    "a containerd that never answers": fault(
        "cordon", drop_in("containerd.service", f'ExecStartPost=/bin/sh -c "{STOPPED}"'), STEP_FAILED, "docker",
        mends=without_drop_in("containerd.service")),
    "a containerd that dies while it is looked at": fault(
        "verify", on_node("systemctl kill -s KILL containerd"), (DONE, STEP_FAILED), "docker containerd"),
    "a node that does not get Ready": fault(
        "cordon", drop_in("containerd.service", f'ExecStartPre=/bin/sh -c "{NO_NETWORK}"'), STEP_FAILED, "docker",
        mends=without_drop_in("containerd.service"), says="step 'verify' failed", wants={"ready_timeout": 60}),
    "a budget that never allows": fault(
        "stage", kubectl(*BUDGET, '{"spec":{"minAvailable":3}}'), STEP_FAILED, "docker",
        mends=kubectl(*BUDGET, '{"spec":{"minAvailable":2}}'), says="PodDisruptionBudget web", anew=True),
    "a pod that never ends": fault("stage", stuck_pod, STEP_FAILED, "docker", mends=released, says="does not end", anew=True),
    "the Node deleted": fault(
        "drain", kubectl("delete", "node", NODE), STEP_FAILED, "docker", mends=on_node("systemctl restart kubelet"),
        says="somebody has deleted the Node", anew=True),
    "the annotation edited": fault(
        "switch", kubectl("annotate", "node", NODE, "migrator/cordoned-"), DONE, "containerd",
        mends=kubectl("uncordon", NODE), says="stays cordoned, as somebody else has it", cordoned=True),
    "the journal's last line torn": fault(
        "verify", killed_over("truncate -s -10 $journal"), -9, "containerd", cordoned=True,
        back=True, reports="is at 'start the kubelet'"),
    "the journal damaged": fault(
        "verify", killed_over("sed -i 2s/^/x/ $journal"), -9, "containerd", cordoned=True, reports="is damaged",
        heals=f"cd {SAVED}; newest=$(ls -td */ | head -1); mv $newest ../ended-$newest"),
    "a clock that jumps": fault(
        "switch", on_node("date -s '+1 hour' >/dev/null"), (DONE, STEP_FAILED), "docker containerd",
        mends=on_node("date -s '-1 hour' >/dev/null")),
    "another apply at drain": fault("drain", another, DONE, "containerd"),
}  # fmt: skip


SOME = ("no room for images", "no room for saved files", "a node that does not get Ready")
"""After each of them the next can go on: what the suite has time for."""


@dataclass(frozen=True)
class Ended:
    """Where a node was after a fault."""

    code: int
    runtime: str
    cordoned: bool
    seconds: float

    def __str__(self) -> str:
        """Say it in a table."""
        return f"exit {self.code} | {self.runtime}{', cordoned' if self.cordoned else ''} | {self.seconds:.0f} s"


def impatient(lab: Lab, folder: Path, name: str = "inventory.yml", **wants: str | int) -> Path:
    """Write the lab's inventory with little patience, and with what else is wanted."""
    return lab.configured(folder / name, **{"proof": "none", "drain_timeout": 150, "ready_timeout": 240, **wants})


def survives(subject: Subject, inventory: Path, what: Fault) -> Ended:
    """Have it happen to a node on Docker; give where that ended.

    The node is Ready on one runtime that it may be on, with all that ran there, and wholly so. Where that is the new
    one, the same command again completes; what is taken back in the end is what it was. A node on Docker is left for
    the next fault: its run is the same command again.
    """
    lab = subject.lab
    if what.anew or not lab.node(NODE)["runtime"].startswith("docker:"):
        lab.restore()
    unlock(lab)
    began = time.monotonic()

    code, said = broken(lab, inventory, what)

    lab.until(lambda: controlplane.ready(lab.settings), "the API server answers")
    lab.ready_on(NODE, seconds=600)
    found = lab.node(NODE)
    runtime = found["runtime"].partition(":")[0]
    ended = Ended(code, runtime, found["unschedulable"], time.monotonic() - began)
    assert code in what.exit_codes, said
    assert runtime in what.runtimes, said
    assert what.cordoned or not ended.cordoned, said
    assert what.says in said, said
    if runtime == "docker":
        subject.went_back()
        return ended
    subject.runs_on(runtime)
    if what.reports:
        second = again(lab, inventory, "apply")
        assert second.returncode != 0
        assert what.reports in second.stdout + second.stderr
    if what.heals:
        lab.on(NODE, what.heals)
    if what.heals or not what.reports:
        completes(subject, inventory)
    if what.back:
        goes_back(subject, inventory)
    return ended


def completes(subject: Subject, inventory: Path) -> None:
    """See the same command through, whatever it finds."""
    succeeds(again(subject.lab, inventory, "apply"))
    subject.runs_on("containerd")
    assert not subject.lab.node(NODE)["unschedulable"]


def goes_back(subject: Subject, inventory: Path) -> None:
    """See the node taken back: it is what it was."""
    succeeds(again(subject.lab, inventory, "rollback"))
    went_back(subject)


def went_back(subject: Subject) -> None:
    """See that it has."""
    subject.went_back()
    assert not subject.lab.node(NODE)["unschedulable"]


@contextmanager
def running(lab: Lab, inventory: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Have `apply` run, with its events to be read; nothing of it is left afterwards."""
    words = (sys.executable, "-m", "migrator", "apply", "--node", NODE, "--yes", "-o", "json", *words, str(inventory))
    with subprocess.Popen(
        network.inside(lab.settings, words), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        start_new_session=True,
    ) as run:  # fmt: skip
        yield run


def begun(run: subprocess.Popen[str], said: list[str]) -> Iterator[str]:
    """Give the id of each step when it begins; add what is said to `said`."""
    assert run.stderr is not None
    for line in run.stderr:
        said.append(line)
        event = json.loads(line) if line.startswith("{") else {}
        if event.get("kind") == "start":
            yield event["step"]


def broken(lab: Lab, inventory: Path, what: Fault) -> tuple[int, str]:
    """Run `apply`, with the fault when its step begins; give the exit code and what was said."""
    said: list[str] = []
    broke = False
    if what.wants:
        inventory = impatient(lab, inventory.parent, "wants.yml", **what.wants)
    with ExitStack() as afterwards, running(lab, inventory, *CONSENT) as run:
        for step in begun(run, said):
            if step != what.at:
                continue
            broke = True
            if what.after:
                mending = threading.Timer(what.after, what.mends, [lab])
                afterwards.callback(mending.join)
                mending.start()
            else:
                afterwards.callback(what.mends, lab)
            what.breaks(lab, run)
    assert broke, "".join(said)
    return run.returncode, "".join(said)


def again(lab: Lab, inventory: Path, verb: str) -> subprocess.CompletedProcess[str]:
    """Do it once more."""
    unlock(lab)
    return lab.migrator(verb, "--node", NODE, "--yes", *CONSENT, inventory)


def unlock(lab: Lab) -> None:
    """Take the lock away: a holder that was killed is known to be dead."""
    lab.kubectl("-n", "kube-system", "delete", "lease", "migrator", "--ignore-not-found")


def succeeds(done: subprocess.CompletedProcess[str]) -> None:
    """Raise what it said, where it did not."""
    assert done.returncode == 0, done.stdout + done.stderr
