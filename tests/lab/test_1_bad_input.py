"""Mistakes of the operator on a real cluster: one message each, its exit code, nothing changed.

First in order: these need the base state and leave it as it is.
"""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from lab import registries
from tests.lab.conftest import Lab

PROMISED = ("source", "target", "endpoint", "fates", "files", "images", "root")
Change = Callable[[dict, Path], None]


def variables(**values: object) -> Change:
    """Give a change of the inventory's variables."""
    return lambda document, _: document["all"]["vars"].update(values)


def host(**values: object) -> Change:
    """Give a change of worker-1's own variables."""
    return lambda document, _: document["all"]["children"]["workers"]["hosts"]["worker-1"].update(values)


def wrong_key(document: dict, folder: Path) -> None:
    """Use a key that no guest knows."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key"], check=True)
    document["all"]["vars"]["ansible_ssh_private_key_file"] = str(folder / "key")


def wrong_authority(document: dict, folder: Path) -> None:
    """Use a kubeconfig whose user the API server does not know."""
    config = yaml.safe_load(Path(document["all"]["vars"]["migrator_kubeconfig"]).read_text())
    config["users"][0]["user"] = {"token": "nobody"}
    (folder / "kubeconfig").write_text(yaml.safe_dump(config))
    document["all"]["vars"]["migrator_kubeconfig"] = "kubeconfig"


CASES: dict[str, tuple[Change, int, str]] = {
    "unreachable": (host(ansible_host="10.77.0.77", migrator_connect_timeout=5), 12, "ansible_host"),
    "wrong key": (wrong_key, 12, "SSH refuses the key or the user"),
    "no sudo": (variables(ansible_user="nosudo"), 12, "sudo"),
    "unknown user of the cluster": (wrong_authority, 11, "does not know the user"),
    "not in the cluster": (host(migrator_node_name="worker-7"), 12, "has no Node worker-7; it has: worker-1, worker-2"),
    "another machine": (host(ansible_host="10.77.0.12"), 12, "wrong-machine: host worker-1 has machine-id"),
}


@pytest.fixture(scope="module")
def untouched(fresh_lab: Lab) -> Iterator[Lab]:
    """Check after all cases that no node and no Node object changed."""
    names = [node.name for node in fresh_lab.settings.nodes]
    before = [(fresh_lab.fingerprint(name), fresh_lab.node(name)) for name in names]
    yield fresh_lab
    assert [(fresh_lab.fingerprint(name), fresh_lab.node(name)) for name in names] == before


Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def answers(untouched: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Done]]]:
    """Make every mistake, some at a time: most of that is waiting."""

    def make(change: Change, folder: Path) -> Done:
        document = copy.deepcopy(yaml.safe_load(untouched.inventory.read_text()))
        # Or the connection that another case has opened, with the right key, would serve this one too.
        document["all"]["vars"]["ansible_ssh_extra_args"] = "-o ControlPath=none"
        change(document, folder)
        (folder / "inventory.yml").write_text(yaml.safe_dump(document))
        return untouched.migrator("apply", "--yes", "--node", "worker-1", folder / "inventory.yml")

    with ThreadPoolExecutor(3) as pool:
        yield {name: pool.submit(make, case[0], tmp_path_factory.mktemp("mistake")) for name, case in CASES.items()}


@pytest.mark.parametrize("name", CASES)
def test_one_message_and_its_exit_code(name: str, answers: dict[str, Future[Done]]) -> None:
    """`apply --yes` refuses, names the cause, and shows no traceback."""
    _, code, said = CASES[name]

    done = answers[name].result()

    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "worker-1" in done.stderr or code == 11
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def planned(untouched: Lab) -> Done:
    """Plan both nodes, once."""
    return untouched.migrator("plan", "-o", "json", untouched.inventory)


def test_a_plan_changes_nothing(planned: Done) -> None:
    """Files, units, containers and Node objects are as before; the fixture compares them."""
    assert planned.returncode == 12  # worker-1's workloads need consent
    assert {"local-storage", "docker-socket-mounts"} <= {word.strip(":") for word in planned.stderr.split()}


def test_recorded_facts_give_the_same_plan_and_hold_no_secret(untouched: Lab, planned: Done, tmp_path: Path) -> None:
    """`inspect --save` and `plan --facts` promise the bytes that a live plan promises; nothing secret is in them."""
    live = json.loads(planned.stdout)

    inspected = untouched.migrator("inspect", "--save", tmp_path / "facts", untouched.inventory)
    offline = json.loads(untouched.migrator("plan", "--facts", tmp_path / "facts", "-o", "json").stdout)

    assert inspected.returncode == 0, inspected.stderr
    for one, other in zip(live["nodes"], offline["nodes"], strict=True):
        assert {key: one[key] for key in PROMISED} == {key: other[key] for key in PROMISED}
    text = "".join(path.read_text() for path in (tmp_path / "facts").rglob("*.json"))
    (credential,) = json.loads(registries.credentials("node"))["auths"].values()
    assert credential["auth"] not in text
    assert "PRIVATE KEY" not in text


def test_a_plan_that_went_stale_is_refused(untouched: Lab, tmp_path: Path) -> None:
    """A file that came since the plan is named, and nothing is done."""
    planned = untouched.migrator("plan", "--node", "worker-2", "--out", tmp_path / "plan.json", untouched.inventory)
    assert planned.returncode == 0, planned.stderr
    untouched.on("worker-2", "echo 'timeout: 5' > /etc/crictl.yaml")
    try:
        done = untouched.migrator("apply", "--yes", tmp_path / "plan.json")
    finally:
        untouched.on("worker-2", "rm /etc/crictl.yaml")

    assert done.returncode == 14, done.stderr
    assert "worker-2: /etc/crictl.yaml" in done.stderr


def test_a_broken_file_on_one_node_keeps_no_other_from_its_plan(untouched: Lab) -> None:
    """The file and the line in it are told; the other node is planned."""
    path = "/etc/docker/daemon.json"
    untouched.on("worker-2", f"cp -p {path} /run/kept\nprintf '{{\n \"debug\": tru\n}}\n' > {path}")
    try:
        done = untouched.migrator("plan", "-o", "json", untouched.inventory)
    finally:
        untouched.on("worker-2", f"cp -p /run/kept {path}\nrm /run/kept")
    first, second = json.loads(done.stdout)["nodes"]

    assert done.returncode == 12
    assert first["files"]
    assert second["files"] == []
    (finding,) = [entry for entry in second["findings"] if entry["id"] == "unreadable-file"]
    assert f"{path}, line 2" in finding["evidence"]


def test_without_a_terminal_nothing_is_done_unasked(untouched: Lab) -> None:
    """No --yes and nobody to ask: a refusal."""
    done = untouched.migrator("apply", "--node", "worker-2", untouched.inventory)

    assert (done.returncode, "--yes is needed" in done.stderr) == (64, True), done.stderr
