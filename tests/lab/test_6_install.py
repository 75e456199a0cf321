"""A node without the new runtime: the version that would come is judged before it comes, by the plan and by the step."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.conftest import Lab
from tests.lab.test_5_migration import CONSENT

NODE = "worker-2"
REFUSED, FAILED = 12, 13
OWN = "own-containerd"
"""A package as firms make them: its name tells no inspection that it brings containerd."""
AWAY = "/opt/docker"
PACKED = """
mkdir -p /srv/own && cd /srv/own
pack() {
  mkdir -p $1-$2/DEBIAN $1-$2/usr/bin $1-$2/lib/systemd/system
  test -z "$3" || { cp $3/containerd $1-$2/usr/bin; cp $3/containerd.service $1-$2/lib/systemd/system; }
  printf 'Package: %s\\nVersion: %s\\nArchitecture: all\\nMaintainer: lab\\nDescription: lab\\nReplaces: containerd\\n' $1 $2 > $1-$2/DEBIAN/control
  dpkg-deb -b $1-$2 $1-$2.deb >/dev/null
  dpkg-deb -f $1-$2.deb >> Packages
  printf 'Filename: ./%s\\nSize: %s\\nSHA256: %s\\n\\n' $1-$2.deb $(stat -c %s $1-$2.deb) $(sha256sum $1-$2.deb | cut -d ' ' -f 1) >> Packages
}
"""
LISTED = "dpkg-query -W -f '${Package} ${Version} ${db:Status-Status}\\n' | grep -E '^(own-containerd|containerd.io) ' || true"
LISTS = "rm -rf /var/lib/apt/lists/*; mkdir -p /var/lib/apt/lists/partial"


@pytest.fixture(scope="module")
def bare(lab: Lab) -> Iterator[Lab]:
    """Give the lab with a node whose Docker has a containerd of its own and no other, and with a package repository."""
    lab.fresh()
    lab.on(
        NODE,
        "systemctl stop kubelet docker.socket docker containerd\n"
        f"mkdir -p {AWAY} /etc/systemd/system/docker.service.d\n"
        f"mv /usr/bin/containerd /lib/systemd/system/containerd.service {AWAY}\n"
        f"printf '[Service]\\nEnvironment=PATH={AWAY}:/usr/sbin:/usr/bin:/sbin:/bin\\nExecStart=\\nExecStart=/usr/sbin/dockerd -H fd://\\n' > /etc/systemd/system/docker.service.d/own.conf\n"
        "systemctl daemon-reload; systemctl start docker.socket docker\n"
        f"{PACKED}pack containerd.io 2.1.5-1 ''; pack {OWN} 2.1.5-1 ''; pack {OWN} 1.6.20-9 {AWAY}\n"
        "echo 'deb [trusted=yes] file:/srv/own ./' > /etc/apt/sources.list.d/own.list",
    )
    lab.restart_kubelet(NODE)
    lab.all_available()
    yield lab
    lab.restore()


def applied(lab: Lab, inventory: Path) -> tuple[int, str]:
    """Have the node installed and staged; give the exit code and what was said."""
    done = lab.migrator("apply", "--node", NODE, "--until", "stage", "--yes", *CONSENT, inventory)
    return done.returncode, done.stdout + done.stderr


def test_a_version_that_nobody_knew_is_judged_before_it_comes(bare: Lab, tmp_path: Path) -> None:
    """The package manager's lists were empty at the plan; the step reads them, and installs nothing."""
    bare.on(NODE, LISTS)
    inventory = bare.configured(tmp_path / "inventory.yml", package=OWN)

    code, said = applied(bare, inventory)

    assert code == FAILED, said
    assert f"which version of {OWN} would come is not known yet" in said
    assert f"{OWN} 2.1.5-1 would come: " in said
    assert "nothing was installed" in said
    assert bare.on(NODE, LISTED) == ""
    assert bare.node(NODE)["ready"]
    assert not bare.node(NODE)["unschedulable"]


def test_a_version_that_the_lists_have_is_judged_by_the_plan(bare: Lab, tmp_path: Path) -> None:
    """It is refused with the name of the package and its version, and nothing is begun."""
    bare.on(NODE, "apt-get -q update >/dev/null")
    inventory = bare.configured(tmp_path / "inventory.yml", package="containerd.io")

    done = bare.migrator("plan", "--node", NODE, *CONSENT, "-o", "json", inventory)

    (made,) = json.loads(done.stdout)["nodes"]
    blocking = {entry["id"]: entry["evidence"] for entry in made["findings"] if entry["severity"] == "blocks"}
    assert (done.returncode, list(blocking)) == (REFUSED, ["cri-version"]), done.stdout + done.stderr
    assert "containerd.io 2.1.5-1 is what the package manager would install" in blocking["cri-version"]


def test_the_version_that_was_asked_for_comes_and_no_newer_one(bare: Lab, tmp_path: Path) -> None:
    """Then the node is planned again, and staged; Docker serves all the time."""
    inventory = bare.configured(tmp_path / "inventory.yml", package=OWN, package_version="1.6.20-9")

    code, said = applied(bare, inventory)

    assert code == 0, said
    assert bare.on(NODE, LISTED) == f"{OWN} 1.6.20-9 installed\n"
    assert f"{OWN} 1.6.20-9" in said
    assert bare.node(NODE)["runtime"].startswith("docker://")
    assert not bare.node(NODE)["unschedulable"]
