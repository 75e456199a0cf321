"""A Docker with a containerd of its own: the runtime's package is installed beside it, and the node is migrated."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import guests
from tests.lab.conftest import Lab
from tests.lab.sides import WORKERS
from tests.lab.test_5_migration import CONSENT

NODE = WORKERS[1]
OWN = r"""
mkdir -p /opt/docker-own /etc/systemd/system/docker.service.d
cp /usr/bin/containerd /usr/bin/containerd-shim-runc-v2 /opt/docker-own/
command=$(systemctl show docker -p ExecStart --value | sed 's/.*argv\[\]=\([^;]*\) ;.*/\1/; s# *--containerd[= ][^ ]*##')
printf '[Service]\nEnvironment=PATH=/opt/docker-own:/usr/sbin:/usr/bin:/sbin:/bin\nExecStart=\nExecStart=%s\n' "$command" \
  > /etc/systemd/system/docker.service.d/own.conf
systemctl stop kubelet docker.socket docker containerd
"""
REMOVE = """
dpkg --remove --force-depends containerd
rm -rf /etc/containerd /run/containerd
systemctl daemon-reload
systemctl start docker
systemctl start kubelet
"""


@pytest.fixture(scope="module")
def bare(fresh_lab: Lab) -> Iterator[Lab]:
    """Give the lab with a node whose Docker runs its own containerd, and no other is installed."""
    lab = fresh_lab
    without_containerd(lab, OWN + REMOVE)
    yield lab
    lab.restore()


def running(lab: Lab) -> set[str]:
    """Give Docker's containers, each with the time when it was started."""
    return set(lab.on(NODE, "docker ps -q | xargs -r docker inspect -f '{{.Name}} {{.State.StartedAt}}'").splitlines())


def without_containerd(lab: Lab, script: str) -> None:
    """Run a script that takes containerd away, and wait until Docker runs all again, by what Docker says itself.

    What the API server says is of before the kubelet was stopped, for a while.
    """
    before = len(running(lab))
    guests.script(lab.settings, lab.settings.node(NODE), script, seconds=600)
    lab.until(lambda: len(running(lab)) == before, f"Docker runs {before} containers again")
    lab.ready_on(NODE)
    lab.all_available()


def migrator(lab: Lab, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run it; it must succeed."""
    done = lab.migrator(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def version(lab: Lab) -> str:
    """Give the installed package's version; "" without it."""
    return lab.on(NODE, "dpkg-query -W -f '${db:Status-Status} ${Version}' containerd 2>/dev/null || true").partition(
        "installed "
    )[2]


def test_the_package_is_installed_beside_a_running_docker(bare: Lab, tmp_path: Path) -> None:
    """A saved plan holds the installation alone; no container of Docker's is started anew."""
    lab, saved = bare, tmp_path / "plan.json"
    before = running(lab)

    migrator(lab, "plan", "--node", NODE, "--out", saved, *CONSENT, lab.inventory)
    (plan,) = json.loads(saved.read_text())["nodes"]
    assert [step["id"] for step in plan["steps"] if step["needed"]] == ["install"]
    told = migrator(lab, "apply", "--yes", saved).stderr

    print(told)
    assert f"containerd {version(lab)}" in told
    assert running(lab) == before
    assert lab.node(NODE)["runtime"].startswith("docker://")


def test_it_is_installed_from_a_folder_and_the_node_migrated(bare: Lab, tmp_path: Path) -> None:
    """Pinned, without any source of packages; then planned again and migrated in the same run."""
    lab, folder = bare, tmp_path / "packages"
    folder.mkdir()
    lab.on(NODE, "rm -rf /root/debs; mkdir /root/debs; cd /root/debs; apt-get -q download containerd runc; chmod 644 *")
    for name in lab.on(NODE, "ls /root/debs").split():
        (folder / name).write_bytes(base64.b64decode(lab.on(NODE, f"base64 /root/debs/{name}")))
    pinned = version(lab)
    without_containerd(lab, f"systemctl stop kubelet containerd\n{REMOVE}")
    lab.on(NODE, "rm -rf /root/debs /var/lib/apt/lists/* /var/cache/apt/archives/*.deb /etc/apt/sources.list*")
    assert version(lab) == ""
    inventory = lab.configured(tmp_path / "inventory.yml", packages="packages", package_version=pinned, proof="none")

    told = migrator(lab, "apply", "--node", NODE, "--yes", *CONSENT, inventory).stderr

    print(told)
    assert version(lab) == pinned
    assert f"✓ {NODE} is migrated" in told
    assert lab.node(NODE)["runtime"].startswith("containerd://")
    lab.all_available()
