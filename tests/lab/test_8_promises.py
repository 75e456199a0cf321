"""What the design promises, on real nodes: a node can't hurt us, and only a verdict about it undoes its switch."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from lab import machines, network
from tests.lab.conftest import ROOT, Lab
from tests.lab.faults import (
    FAULTS,
    NODE,
    STEP_FAILED,
    UNITS,
    begun,
    completes,
    goes_back,
    impatient,
    running,
    succeeds,
    survives,
)
from tests.lab.faults import unlock as forget_dead_holders
from tests.lab.test_5_migration import CONSENT
from tests.lab.transactions import Subject

UNPROVED = 16
REFUSED = 12
WORDS = "tr '\\0' ' ' < /proc/$(pidof kubelet)/cmdline"


@pytest.fixture(scope="module")
def subject(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """Give a node as it is before."""
    if machines.kind(lab.settings) == "guest":
        pytest.skip("emulated guests take an hour for these; make chaos does the like on them")
    lab.fresh()
    return Subject(lab, NODE, tmp_path_factory.mktemp("plan"))


@pytest.fixture(scope="module")
def inventory(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give an inventory with little patience and no proof."""
    return impatient(lab, tmp_path_factory.mktemp("promises"))


@pytest.fixture(autouse=True)
def on_docker(subject: Subject) -> None:
    """Begin Ready on Docker, with the lock free."""
    if not subject.lab.node(NODE)["runtime"].startswith("docker:") or subject.lab.node(NODE)["unschedulable"]:
        subject.lab.restore()
    subject.lab.ready_on(NODE, "docker")
    forget_dead_holders(subject.lab)


def applied(lab: Lab, inventory: Path, at: str, act: Callable[[], None]) -> tuple[int, str]:
    """Run `apply`, and do something when a step begins; give the exit code and what was said."""
    said: list[str] = []
    done = False
    with running(lab, inventory, *CONSENT) as run:
        for step in begun(run, said):
            if step == at and not done:
                done = True
                act()
    assert done, "".join(said)
    return run.returncode, "".join(said)


# --- credentials


class Token:
    """A user of the cluster with a token in a file, that can be withdrawn and renewed."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        """Make the user, an administrator."""
        self._lab, self._file = lab, folder / "token"
        self._kubectl("create", "serviceaccount", "operator")
        binding = ("create", "clusterrolebinding", "operator", "--clusterrole=cluster-admin")
        self._kubectl(*binding, "--serviceaccount=kube-system:operator")
        document = yaml.safe_load(lab.settings.kubeconfig.read_text())
        (user,) = document["users"]
        user["user"] = {"tokenFile": str(self._file)}
        self.kubeconfig = folder / "operator.conf"
        self.kubeconfig.write_text(yaml.safe_dump(document))
        self.renew()

    def _kubectl(self, *words: str) -> str:
        return self._lab.kubectl("-n", "kube-system", *words)

    def _secret(self) -> str:
        account = json.loads(self._kubectl("get", "serviceaccount", "operator", "-o", "json"))
        return next((entry["name"] for entry in account.get("secrets", [])), "")

    def withdraw(self) -> None:
        """Have the API server know the token no more; it remembers for some seconds."""
        self._kubectl("delete", "secret", self._secret())

    def renew(self) -> None:
        """Write the next one into the file, as whoever renews tokens does."""
        self._lab.until(lambda: bool(self._secret()), "the token controller has made a token")
        text = self._kubectl("get", "secret", self._secret(), "-o", "go-template={{.data.token | base64decode}}")
        self._file.with_suffix(".new").write_text(text)
        self._file.with_suffix(".new").replace(self._file)

    def remove(self) -> None:
        """Remove the user."""
        self._kubectl("delete", "clusterrolebinding", "operator")
        self._kubectl("delete", "serviceaccount", "operator")


def test_a_token_that_expires_in_the_window_is_waited_for(subject: Subject, inventory: Path, tmp_path: Path) -> None:
    """Somebody renews it a minute later; the kubeconfig is read anew, and the migration is completed."""
    lab = subject.lab
    token = Token(lab, tmp_path)
    path = lab.configured(tmp_path / "inventory.yml", proof="none", drain_timeout=150, ready_timeout=240)
    path.write_text(path.read_text().replace(str(lab.settings.kubeconfig), str(token.kubeconfig)))
    renewing = threading.Timer(60, token.renew)

    def expires() -> None:
        token.withdraw()
        renewing.start()

    try:
        code, said = applied(lab, path, "switch", expires)
        renewing.join()
    finally:
        token.remove()

    assert code == 0, said
    assert "does not know the user" in said
    subject.runs_on("containerd")
    assert not lab.node(NODE)["unschedulable"]
    goes_back(subject, inventory)


# --- somebody's verify


def test_a_verify_beside_an_apply_undoes_nothing(subject: Subject, tmp_path: Path) -> None:
    """One that came first is waited for; one that comes while the node is in work leaves it alone."""
    lab = subject.lab
    proved = impatient(lab, tmp_path, proof="full")
    words = [sys.executable, "-m", "migrator", "verify", "--node", NODE, lab.inventory]
    with subprocess.Popen(
        network.inside(lab.settings, words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
    ) as first:
        lab.until(lambda: lab.on(NODE, "ls /run/migrator/probe 2>/dev/null || true") != "", "it probes the node")
        later: list[subprocess.CompletedProcess[str]] = []
        code, said = applied(
            lab, proved, "drain", lambda: later.append(lab.migrator("verify", "--node", NODE, lab.inventory))
        )
        told, _ = first.communicate()

    assert code == 0, said
    # On a machine without CAP_SYS_RESOURCE one check sees that, here and in the baseline.
    assert first.returncode == 0 or ("1 failed" in told and "oom-score" in told), told
    assert "waits for its end" in said
    assert later[0].returncode == UNPROVED
    assert "left alone" in later[0].stderr + later[0].stdout
    subject.runs_on("containerd")
    goes_back(subject, proved)


# --- what cannot be written


def test_a_folder_that_cannot_be_written_refuses_the_plan(subject: Subject, inventory: Path) -> None:
    """Before anything is out of service."""
    lab = subject.lab
    lab.on(NODE, f"chattr +i {UNITS}")
    try:
        planned = lab.migrator("plan", "--node", NODE, *CONSENT, inventory)
    finally:
        lab.on(NODE, f"chattr -i {UNITS}")

    assert (planned.returncode, "unwritable" in planned.stderr) == (REFUSED, True), planned.stderr


@pytest.mark.parametrize("name", ["the unit's folder cannot be written", "somebody starts the kubelet all the time"])
def test_what_comes_in_the_window_leaves_nothing_half(name: str, subject: Subject, inventory: Path) -> None:
    """The node serves on Docker again, by the words that its kubelet always had."""
    lab = subject.lab
    before = lab.on(NODE, WORDS)

    survives(subject, inventory, FAULTS[name])

    assert lab.on(NODE, WORDS) == before
    assert "kubelet-held" not in lab.on(NODE, "systemctl cat kubelet")


def test_a_node_goes_back_on_a_full_disk(subject: Subject, inventory: Path) -> None:
    """That is one of the reasons to go back; the space for it was set aside."""
    lab = subject.lab
    succeeds(lab.migrator("apply", "--node", NODE, "--yes", *CONSENT, inventory))
    filled = "$(($(df --output=avail -B1 / | tail -1) - 4000000)) /var/filler"
    lab.on(NODE, f"fallocate -l {filled}; dd if=/dev/zero of=/var/filler2 bs=4k 2>/dev/null || true; sync")
    full = lab.on(NODE, "df --output=avail / | tail -1").strip()
    try:
        done = lab.migrator("rollback", "--node", NODE, "--yes", *CONSENT, inventory)
    finally:
        # A kubelet that has seen its disk full keeps pods away for five minutes, unless it starts anew.
        lab.on(NODE, "rm -f /var/filler /var/filler2")
        lab.restart_kubelet(NODE)

    assert int(full) < 64, full
    succeeds(done)
    subject.went_back()


# --- what a file is besides its bytes

MARK = """
import os, struct
for path in ("/etc/containerd/config.toml", "/var/lib/kubelet/kubeadm-flags.env"):
    os.setxattr(path, "user.note", b"kept")
    entry = lambda tag, perm, identity: struct.pack("<HHI", tag, perm, identity)
    none = 0xFFFFFFFF
    acl = struct.pack("<I", 2) + entry(1, 6, none) + entry(2, 4, 1) + entry(4, 4, none) + entry(16, 4, none) + entry(32, 4, none)
    os.setxattr(path, "system.posix_acl_access", acl)
"""
SHOW = """
import json, os
paths = ("/etc/containerd/config.toml", "/var/lib/kubelet/kubeadm-flags.env")
print(json.dumps([{name: os.getxattr(path, name).hex() for name in sorted(os.listxattr(path))} for path in paths]))
"""


def test_attributes_and_access_lists_survive(subject: Subject, inventory: Path) -> None:
    """Of the files that are replaced, forth and back."""
    lab = subject.lab
    lab.on(NODE, f"touch /etc/containerd/config.toml; python3 - <<'EOF'\n{MARK}\nEOF")
    show = f"python3 - <<'EOF'\n{SHOW}\nEOF"
    before = lab.on(NODE, show)
    assert before.count("user.note") == 2

    succeeds(lab.migrator("apply", "--node", NODE, "--yes", *CONSENT, inventory))
    assert lab.on(NODE, show) == before
    succeeds(lab.migrator("rollback", "--node", NODE, "--yes", *CONSENT, inventory))
    assert lab.on(NODE, show) == before


# --- a node that is hostile


def test_a_template_in_dockers_folder_is_a_name_like_any_other(subject: Subject, inventory: Path) -> None:
    """Root on a node chooses it; nothing of it is evaluated on the machine that migrates, and the node migrates."""
    lab = subject.lab
    mark = Path(f"/tmp/migrator-evaluated-{time.time_ns()}")  # noqa: S108 - must not come to be
    # Docker starts on no path with a comma, and containerd on none with a bracket.
    folder = "/data/{{lookup(*('pipe;touch " + str(mark) + "'.split(';')))}}"
    lab.restore()  # where containerd has served, its data stay where they are
    lab.on(
        NODE,
        # With this container on it, containerd's data would stay where they are, too.
        "docker rm -f foreign; systemctl stop kubelet docker.socket docker\n"
        f'mkdir -p "{folder}"; mv /data/docker "{folder}/docker"\n'
        f"python3 - <<'EOF'\nimport json\npath = '/etc/docker/daemon.json'\n"
        f"document = json.load(open(path)) | {{'data-root': {folder + '/docker'!r}}}\n"
        "json.dump(document, open(path, 'w'))\nEOF\n"
        "systemctl start docker kubelet\n",
    )
    lab.ready_on(NODE)
    lab.all_available()
    try:
        done = lab.migrator("apply", "--node", NODE, "--yes", *CONSENT, inventory)
        assert not mark.exists()
        if done.returncode == 0:
            assert lab.node(NODE)["runtime"].startswith("containerd://")
        else:
            assert done.returncode in {REFUSED, STEP_FAILED}, done.stdout + done.stderr
            assert lab.node(NODE)["runtime"].startswith("docker://")
            assert not lab.node(NODE)["unschedulable"]
    finally:
        lab.restore()
    assert "lookup" in done.stdout


def test_the_node_is_whole_after_all_of_this(subject: Subject, inventory: Path) -> None:
    """The same command completes, and can be taken back."""
    completes(subject, inventory)
    goes_back(subject, inventory)
