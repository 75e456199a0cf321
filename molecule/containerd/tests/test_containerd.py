"""What the playbooks leave on a node."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import testinfra
from testinfra.utils.ansible_runner import AnsibleRunner

testinfra_hosts = AnsibleRunner(os.environ["MOLECULE_INVENTORY_FILE"]).get_hosts("all")
Host = testinfra.host.Host
CONFIG = Path(__file__).parents[1] / "files" / "config.toml"


def containers(host: Host) -> dict[str, Any]:
    """Give Docker's containers by name."""
    with host.sudo():
        lines = host.check_output("docker ps --all --format '{{json .}}'").splitlines()
    return {entry["Names"]: entry for entry in map(json.loads, lines)}


def test_containerd_runs_now_and_after_a_reboot(host: Host) -> None:
    """The unit is started and enabled."""
    assert host.service("containerd").is_running
    assert host.service("containerd").is_enabled


def test_the_configuration_is_in_place(host: Host) -> None:
    """The bytes are those that were given, readable by all, root's own."""
    file = host.file("/etc/containerd/config.toml")

    assert file.content_string == CONFIG.read_text()
    assert (file.user, file.group, file.mode) == ("root", "root", 0o644)


def test_the_effective_configuration_is_the_intended_one(host: Host) -> None:
    """Containerd itself reads our settings from it."""
    with host.sudo():
        dump = host.check_output("containerd config dump")

    assert "SystemdCgroup = true" in dump
    assert 'sandbox_image = "registry.lab:5000/pause:3.2"' in dump
    assert 'bin_dir = "/usr/lib/cni"' in dump


def test_the_cri_plugin_answers(host: Host) -> None:
    """A plugin that failed would not stop containerd."""
    with host.sudo():
        line = next(line for line in host.check_output("ctr plugins list").splitlines() if " cri " in line)

    assert line.split()[-1] == "ok"


def test_only_kubernetes_containers_are_gone(host: Host) -> None:
    """Docker and the container of somebody else run on."""
    found = containers(host)

    assert set(found) == {"foreign"}
    assert found["foreign"]["State"] == "running"
    assert host.service("docker").is_running


def test_the_image_was_carried(host: Host) -> None:
    """It is where CRI looks for it."""
    with host.sudo():
        assert "registry.lab:5000/lab/busybox:1" in host.check_output("ctr -n k8s.io images list -q").split()


def test_the_replaced_file_is_kept(host: Host) -> None:
    """The journal names it, and only root may read it."""
    with host.sudo():
        folder = host.file("/var/lib/migrator/transactions/molecule")
        journal = host.file("/var/lib/migrator/transactions/molecule/journal.jsonl").content_string

        assert folder.mode == 0o700
    saved = [entry for entry in map(json.loads, journal.splitlines()) if entry["action"] == "saved"]
    assert [entry["path"] for entry in saved] == ["/etc/containerd/config.toml"]
