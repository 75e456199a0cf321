"""The inventory is read by Ansible itself; mistakes in it get one clear message."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from migrator import inventory
from migrator.errors import InventoryError
from migrator.runtimes.registry import targets

GOOD = """all:
  vars: {migrator_kubeconfig: admin.conf}
  children:
    workers:
      hosts:
        a: {ansible_host: 192.0.2.1}
        b: {migrator_node_name: node-b, migrator_allow: [local-storage], migrator_drain_timeout: 60}
"""


def written(folder: Path, text: str, name: str = "inventory.yml") -> Path:
    """Write an inventory."""
    path = folder / name
    path.write_text(text)
    return path


def test_hosts_and_settings(tmp_path: Path) -> None:
    """Hosts come in order, settings from any level; a relative kubeconfig starts at the inventory."""
    found = inventory.load(written(tmp_path, GOOD), runtimes=targets())

    assert [(host.name, host.node) for host in found.hosts] == [("a", "a"), ("b", "node-b")]
    assert found.hosts[0].target.kubeconfig == str(tmp_path / "admin.conf")
    assert found.hosts[1].target.allow == ("local-storage",)
    assert found.hosts[1].target.drain_timeout == 60


def test_groups_have_policies_of_their_own(tmp_path: Path) -> None:
    """Numbers and shares, one window or several, from the variables of a group."""
    text = """all:
  children:
    plain: {hosts: {a: }, vars: {migrator_batch: 3, migrator_windows: "22:00-05:00"}}
    gpu: {hosts: {b: {migrator_canary: true}}, vars: {migrator_group: gpu, migrator_batch: 10%, migrator_max_unavailable: 1}}
"""
    plain, gpu = inventory.load(written(tmp_path, text), runtimes=targets()).hosts

    assert (plain.target.policy.batch, plain.target.policy.windows) == ("3", ("22:00-05:00",))
    assert (gpu.target.policy.batch, gpu.target.policy.max_unavailable, gpu.target.canary) == ("10%", "1", True)


def test_any_form_that_ansible_reads(tmp_path: Path) -> None:
    """An INI file with a range of hosts is an inventory too."""
    found = inventory.load(
        written(tmp_path, "[workers]\nw-[1:3] migrator_ready_timeout=90\n", "hosts.ini"), runtimes=targets()
    )

    assert [host.name for host in found.hosts] == ["w-1", "w-2", "w-3"]
    assert found.hosts[0].target.ready_timeout == 90


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> inventory.Inventory:
    """Give the good one, read once."""
    return inventory.load(written(tmp_path_factory.mktemp("good"), GOOD), runtimes=targets())


def test_nodes_are_chosen_by_either_name(good: inventory.Inventory) -> None:
    """`--node` takes the inventory's name and the cluster's."""
    assert [host.name for host in good.select(("node-b",))] == ["b"]
    assert [host.name for host in good.select(("b", "a"))] == ["a", "b"]
    assert len(good.select(())) == 2


def test_an_unknown_node_is_told_with_those_that_exist(good: inventory.Inventory) -> None:
    """The message names the hosts, and the nearest."""
    with pytest.raises(InventoryError, match=r"--node node-c: .*did you mean node-b\?.*it has: a, b"):
        good.select(("node-c",))


MISTAKES = {
    "not YAML": ("all:\n  hosts:\n    a: [\n", r"line \d+"),
    "tabs": ("all:\n\thosts: {}\n", r"line 2"),
    "no hosts": ("all: {children: {workers: {}}}\n", "has no hosts"),
    "an unknown variable": ("all: {hosts: {a: {migrator_drain_timout: 5}}}\n", r"host a: unknown variable migrator_drain_timout \(did you mean migrator_drain_timeout\?\)"),
    "a wrong type": ("all: {hosts: {a: {migrator_drain_timeout: soon}}}\n", r"host a: migrator_drain_timeout='soon'"),
    "too small": ("all: {hosts: {a: {migrator_ready_timeout: 0}}}\n", r"migrator_ready_timeout=0"),
    "another runtime": ("all: {hosts: {a: {migrator_runtime: rkt}}}\n", r"migrator_runtime='rkt': Input should be 'containerd' or 'crio'"),
    "a runtime to come from alone": ("all: {hosts: {a: {migrator_runtime: docker}}}\n", r"'docker': Input should be 'containerd' or 'crio'"),
    "no name of a runtime": ("all: {hosts: {a: {migrator_runtime: [3]}}}\n", r"=\[3\]: Input should be 'containerd' or 'crio'"),
    "no amount": ("all: {hosts: {a: {migrator_batch: 0%}}}\n", r"migrator_batch='0%'"),
    "a switch for a number": ("all: {hosts: {a: {migrator_failures: yes}}}\n", r"migrator_failures=True: .*a number is needed"),
    "no window": ("all: {hosts: {a: {migrator_windows: [at night]}}}\n", r"'at night' is no window such as 'Mon-Fri 22:00-05:00'"),
    "no time zone": ("all: {hosts: {a: {migrator_timezone: Mars/Olympus}}}\n", r"'Mars/Olympus' is no time zone"),
    "two policies in one group": ("all: {hosts: {a: {}, b: {migrator_batch: 2}}}\n", r"host b: migrator_batch is '2', and '1' for a: hosts of one group have the same; give them groups of their own by migrator_group"),
    "two hosts that are one Node": ("all: {hosts: {a: {}, alias: {migrator_node_name: a}}}\n", r"host alias: it is the Node a, and so is host a"),
    "a template": ("all: {hosts: {a: {migrator_node_name: '{{ x }}'}}}\n", r"migrator_node_name is a template"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named(text: str, said: str, tmp_path: Path) -> None:
    """File, place, what was found and what is allowed."""
    path = written(tmp_path, text)

    with pytest.raises(InventoryError, match=said) as caught:
        inventory.load(path, runtimes=targets())
    assert str(path) in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """Nobody should have to run it three times to find three mistakes."""
    text = "all: {hosts: {a: {migrator_x: 1}, b: {migrator_drain_timeout: x, migrator_y: 2}}}\n"

    with pytest.raises(InventoryError) as caught:
        inventory.load(written(tmp_path, text), runtimes=targets())

    assert all(name in str(caught.value) for name in ("migrator_x", "migrator_y", "migrator_drain_timeout"))


def test_a_missing_inventory_is_told(tmp_path: Path) -> None:
    """The path, and where to see one."""
    with pytest.raises(InventoryError, match=r"there is no such inventory; inventory\.example"):
        inventory.load(tmp_path / "none.yml", runtimes=targets())


def test_the_example_is_an_inventory(tmp_path: Path) -> None:
    """What the README tells people to copy is read without a complaint."""
    example = Path(__file__).parents[1] / "inventory.example"

    found = inventory.load(written(tmp_path, example.read_text()), runtimes=targets())

    assert [host.node for host in found.hosts] == ["worker-1", "worker-2.example.org"]


def test_a_limit_is_one_of_ansibles_patterns(tmp_path: Path) -> None:
    """Groups, globs and exclusions; one that matches nothing is told."""
    path = written(tmp_path, GOOD)

    found = inventory.load(path, runtimes=targets(), limit="workers:!a")
    assert [host.name for host in found.hosts] == ["b"]
    assert [host.name for host in found.everyone] == ["a", "b"]
    with pytest.raises(InventoryError, match="--limit z"):
        inventory.load(path, runtimes=targets(), limit="z*")


def test_a_host_name_that_is_a_pattern_is_refused(tmp_path: Path) -> None:
    """It would stand for other hosts where it is named to Ansible."""
    path = written(tmp_path, yaml.safe_dump({"all": {"hosts": {"a*": {}, "b": {}}}}))

    with pytest.raises(InventoryError, match="takes this name for a pattern"):
        inventory.load(path, runtimes=targets())


@pytest.mark.parametrize("name", ["a*", "a,b", "!a", "~a", "$(id)", "a b", "-v", "{{ a }}", 'a"b', "a\nb"])
def test_what_is_a_pattern(name: str) -> None:
    """Everything that Ansible or a shell would take for more than a name."""
    assert not inventory.plain_name(name)
    assert inventory.plain_name("worker-1.example.org")
