"""What a node's module gets is what the request had, by real Ansible and our own playbooks and roles, word for word."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from migrator import data_files
from migrator.hosts import runner
from migrator.model import node_requests
from migrator.model.docker_removal import Data, Removal

RECORDER = """\
#!/usr/bin/python
# WANT_JSON
import json, sys
with open(sys.argv[1]) as file:
    given = {name: value for name, value in json.load(file).items() if not name.startswith("_ansible")}
print(json.dumps({"changed": False, "given": given, "portions": [given["images"]] if "images" in given else []}))
"""


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> runner.AnsibleHosts:
    """Give this machine as a host, whose modules of ours only say what they were given."""
    shutil.copytree(data_files.folder("roles"), tmp_path / "roles")
    for module in tmp_path.glob("roles/*/library/*.py"):
        module.write_text(RECORDER)
    real = data_files.folder
    monkeypatch.setattr(runner.data_files, "folder", lambda name: tmp_path / "roles" if name == "roles" else real(name))
    path = tmp_path / "inventory.yml"
    local = {"ansible_connection": "local", "ansible_become": False, "ansible_python_interpreter": sys.executable}
    path.write_text(json.dumps({"all": {"hosts": {"here": local}}}))
    return runner.AnsibleHosts(path)


def cases(mark: Path) -> dict[str, tuple[node_requests.Request, str, dict[str, Any]]]:
    """Give requests with a template in each word; the task that hands it to a module, and what that must get."""
    bad = "{{ lookup('pipe', 'touch " + str(mark) + "') }}{% for a in [1] %}{# #}"
    file = node_requests.PlannedFile(path=f"/{bad}", content=bad, copies=f"/{bad}", sha256="a", owner=bad, group=bad)
    plain = file.model_dump(mode="json")
    stale = {"path": f"/{bad}", "container": bad}
    removal = Removal(packages={bad: bad}, data=(Data(path=bad, bytes=1),), rules=(bad,), files=(bad,), refusal=bad)
    registries = node_requests.Registries(folder=f"/{bad}", files=(file,))
    return {
        "switch": (
            node_requests.Switch(
                state="old", transaction="t1", socket=f"/{bad}", plugins=(f"/{bad}",), files=(file,),
                stale_addresses=(node_requests.StaleAddress(**stale),), about={bad: bad},
            ),
            "Switch the node's container runtime",
            {
                "state": "old", "transaction": "t1", "socket": f"/{bad}", "plugins": [f"/{bad}"], "files": [plain],
                "stale_addresses": [stale], "about": {bad: bad},
            },
        ),
        "stage": (
            node_requests.Stage(config=bad, images=(bad,), root=f"/{bad}", registries=registries),
            "Carry images from Docker's store into containerd's",
            {"images": [bad], "root": f"/{bad}", "registries": registries.model_dump(mode="json")},
        ),
        "cleanup": (
            node_requests.Cleanup(state="absent", expected=removal),
            "Look at or remove what is left of Docker",
            {"state": "absent", "expected": removal.model_dump(mode="json")},
        ),
        "install": (
            node_requests.Install(name=bad, version=bad),
            "Install the runtime's package",
            {"name": bad, "version": bad, "folder": "", "files": []},
        ),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["switch", "stage", "cleanup", "install"])
def test_no_word_of_a_request_is_evaluated(hosts: runner.AnsibleHosts, name: str, tmp_path: Path) -> None:
    """Neither on the way to the module nor in what comes back from it."""
    mark = tmp_path / "evaluated"
    asked, task, wanted = cases(mark)[name]

    (result,) = hosts.play(asked, ["here"]).values()

    assert result.problem == ""
    found = result.results[task]
    given = (found["results"][0] if "results" in found else found)["given"]
    assert {key: given[key] for key in wanted} == wanted
    assert not mark.exists()


def test_a_host_that_says_too_much_is_told_of(hosts: runner.AnsibleHosts, tmp_path: Path) -> None:
    """What it said is not kept."""
    many = 'import json\nprint(json.dumps({"changed": False, "node": {"images": ["x"] * 30000}}))\n'
    (tmp_path / "roles/inspect/library/node_facts.py").write_text(f"#!/usr/bin/python\n# WANT_JSON\n{many}")

    (result,) = hosts.play(node_requests.Inspect(), ["here"]).values()

    assert result.problem.startswith("what it answered to 'Read the node' is refused: one of its lists has more than")
    assert "Read the node" not in result.results


def test_a_host_cannot_take_all_memory(
    hosts: runner.AnsibleHosts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ansible holds what a host says in memory; it ends when that is too much, and this process does not."""
    monkeypatch.setattr(runner, "_MEMORY", 700 * 2**20)
    much = 'import sys\nfor _ in range(1000): sys.stdout.write("x" * 2**20)\n'
    (tmp_path / "roles/inspect/library/node_facts.py").write_text(f"#!/usr/bin/python\n# WANT_JSON\n{much}")

    (result,) = hosts.play(node_requests.Inspect(), ["here"]).values()

    assert result.problem
    assert "Read the node" not in result.results


@pytest.mark.parametrize("results", [[1], "abc", 5, {"a": 1}], ids=repr)
def test_a_failure_of_any_shape_ends_nothing(hosts: runner.AnsibleHosts, tmp_path: Path, results: Any) -> None:
    """It is that host's problem, and the others are heard."""
    said = json.dumps({"failed": True, "msg": "no", "results": results})
    (tmp_path / "roles/inspect/library/node_facts.py").write_text(f"#!/usr/bin/python\n# WANT_JSON\nprint({said!r})\n")

    (result,) = hosts.play(node_requests.Inspect(), ["here"]).values()

    assert "no" in result.problem
