"""The command line: exit codes, and one message for each mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from migrator.cluster import client
from migrator.errors import ClusterError

INVENTORY = "all: {hosts: {worker-1: {ansible_connection: local}}}\n"


def migrator(*words: str, folder: Path, kubeconfig: str = "/nonexistent") -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    root = Path(__file__).parents[1]
    return subprocess.run(
        [sys.executable, "-m", "migrator", *words],
        cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(root), "HOME": str(folder), "KUBECONFIG": kubeconfig},
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with an inventory."""
    (tmp_path / "inventory.yml").write_text(INVENTORY)
    return tmp_path


def kubeconfig(folder: Path, server: str) -> str:
    """Write a kubeconfig for an API server."""
    document = {
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "hidden-token"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    }  # fmt: skip
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return str(path)


CASES = {
    "an unknown command": (["plant"], 64, "No such command 'plant'"),
    "an unknown option": (["plan", "--force"], 64, "No such option"),
    "a missing inventory": (["plan", "none.yml"], 10, "none.yml: there is no such inventory"),
    "an unknown node": (["plan", "--node", "w"], 10, "--node w: the inventory inventory.yml has no such host"),
    "an unknown check": (["plan", "--allow", "all"], 64, "--allow all: no check of this id can be waived"),
    "no kubeconfig": (["plan"], 11, "there is no kubeconfig /nonexistent"),
    "apply without a kubeconfig": (["apply", "--yes"], 11, "there is no kubeconfig"),
}


@pytest.mark.parametrize(("words", "code", "said"), CASES.values(), ids=CASES)
def test_a_mistake_has_its_exit_code(words: list[str], code: int, said: str, folder: Path) -> None:
    """One paragraph on stderr, nothing on stdout, and the documented code."""
    done = migrator(*words, folder=folder)

    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_an_api_server_that_does_not_answer(folder: Path) -> None:
    """The message names the kubeconfig and the reason, and no secret."""
    done = migrator("plan", folder=folder, kubeconfig=kubeconfig(folder, "https://127.0.0.1:1"))

    assert done.returncode == 11
    assert "does not answer" in done.stderr
    assert "Connection refused" in done.stderr
    assert "hidden-token" not in done.stderr


@pytest.mark.parametrize(
    "text", ["", "a: [", "[]", "kind: Config\n"], ids=["empty", "not YAML", "a list", "incomplete"]
)
def test_a_broken_kubeconfig_is_named(text: str, folder: Path) -> None:
    """Whatever stands in it, there is a message, which the command line shows without a traceback."""
    (folder / "kubeconfig").write_text(text)

    with pytest.raises(ClusterError, match="kubeconfig is not a usable kubeconfig") as raised:
        client.connect(str(folder / "kubeconfig"))

    assert raised.value.exit_code == 11


def test_help_and_version(folder: Path) -> None:
    """Both work without anything set up."""
    assert "apply" in migrator("--help", folder=folder).stdout
    assert migrator("--version", folder=folder).stdout.startswith("migrator ")


def test_the_plans_schema_can_be_had() -> None:
    """What `-o json` prints has a schema."""
    from migrator.model.plan import Plan

    assert "nodes" in json.dumps(Plan.model_json_schema())
