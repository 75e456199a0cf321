"""What a reboot takes away from a real node, and what can't be written: seen where it is mounted."""

from __future__ import annotations

import pytest

from migrator.engine.migration import STEPS
from migrator.model.facts import NodeFacts
from migrator.model.plan import Severity
from migrator.planning import plan
from tests.fakes.values import situation
from tests.lab.nodeside import JOURNALS, Node

LOWER = "lowerdir=/etc/containerd,upperdir={0}/up,workdir={0}/work"
MOUNTS = {
    "as it is": ("", "", {}),
    "the journal in memory": (
        "mkdir -p /var/lib/migrator; mount -t tmpfs none /var/lib/migrator", "umount /var/lib/migrator",
        {"files-in-memory": f"{JOURNALS}: the tmpfs at /var/lib/migrator, which a reboot empties"},
    ),
    "an overlay in memory": (
        f"mkdir -p /run/driven/up /run/driven/work; mount -t overlay none -o {LOWER.format('/run/driven')} /etc/containerd", "umount /etc/containerd",
        {"files-in-memory": "/etc/containerd/config.toml: the overlay at /etc/containerd, whose upper folder /run/driven/up is on the tmpfs at /run, which a reboot empties"},
    ),
    "an overlay on the disk": (
        f"mkdir -p /fill-over/up /fill-over/work; mount -t overlay none -o {LOWER.format('/fill-over')} /etc/containerd", "umount /etc/containerd", {},
    ),
    "data in memory": (
        "mount -t tmpfs none /var/lib/containerd", "umount /var/lib/containerd",
        {"data-in-memory": "images and containers would be kept in /var/lib/containerd: the tmpfs at /var/lib/containerd, which a reboot empties"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("mount", "unmount", "expected"), MOUNTS.values(), ids=MOUNTS)
def test_what_a_reboot_empties_is_refused(mount: str, unmount: str, expected: dict[str, str], node: Node) -> None:
    """The folder is named with the filesystem that it is on."""
    node.do(mount)
    try:
        facts = NodeFacts.model_validate(node.ask("node_facts")["node"])
    finally:
        node.do(unmount)
    found = plan.make(situation(facts=facts), STEPS).findings

    assert facts.problems == ()
    assert {entry.id: entry.evidence for entry in found if entry.id.endswith("-in-memory")} == expected
    assert all(entry.severity is Severity.BLOCKS for entry in found if entry.id in expected)


def test_a_system_that_takes_no_packages_is_seen(node: Node) -> None:
    """As ostree has it: /usr is read-only, and /etc is not."""
    node.do("mount --bind /usr /usr; mount -o remount,bind,ro /usr")
    try:
        found = node.ask("node_facts")["node"]["unwritable"]
    finally:
        node.do("umount --lazy /usr")

    assert found == {"/usr": "/usr is on a file system that is mounted read-only"}
