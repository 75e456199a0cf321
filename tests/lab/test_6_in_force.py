"""What is written on a node is what counts there, beside files that others have written, and after a reboot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.lab.conftest import Lab
from tests.lab.test_5_migration import CONSENT
from tests.lab.test_6_settings import container, running

NODE = "worker-2"
REFUSED = 12
UNITS = "/etc/systemd/system"
OWN_ROOT = "/data/of-the-user"
"""On the disk that Docker's data are on."""
PROXY = {
    name: f'[Service]\nEnvironment="HTTP_PROXY=http://{name}.lab:3128" "NO_PROXY=.lab,10.77.0.0/16"\n'
    for name in ("dockers", "old")
}
OTHERS = {
    f"{UNITS}/containerd.service.d/http-proxy.conf": PROXY["old"],
    "/etc/sysctl.d/99-cis.conf": "net.ipv4.ip_forward = 0\n",
    "/etc/containerd/config.toml": f'version = 2\nroot = "{OWN_ROOT}"\nimports = ["/etc/containerd/conf.d/*.toml"]\n',
    "/etc/containerd/conf.d/level.toml": '[debug]\nlevel = "debug"\n',
}


def written(files: dict[str, str]) -> str:
    """Give the commands that write files."""
    return "".join(f"mkdir -p $(dirname {path})\ncat > {path} <<'EOF'\n{text}EOF\n" for path, text in files.items())


@pytest.fixture(scope="module")
def base(lab: Lab) -> Lab:
    """Give the lab in its base state, without the container that keeps containerd's data where they are.

    Docker has a proxy, so that something is written for containerd's unit.
    """
    lab.fresh()
    drop_in = written({f"{UNITS}/docker.service.d/proxy.conf": PROXY["dockers"]})
    lab.on(
        NODE,
        f"docker rm -f foreign\n{drop_in}systemctl daemon-reload\nsystemctl stop kubelet; systemctl restart docker",
    )
    lab.restart_kubelet(NODE)
    lab.all_available()
    return lab


@contextmanager
def there(lab: Lab, path: str, text: str) -> Iterator[None]:
    """Have a drop-in on the node, and take it away again."""
    lab.on(NODE, f"{written({path: text})}systemctl daemon-reload")
    try:
        yield
    finally:
        lab.on(NODE, f"rm {path}; systemctl daemon-reload")


@pytest.mark.parametrize(
    ("path", "text", "finding"),
    [
        (f"{UNITS}/containerd.service.d/zzz-last.conf", PROXY["old"], "overruled"),
        (f"{UNITS}/kubelet.service.d/part.conf", "[Unit]\nPartOf=docker.service\n", "kubelet-needs-docker"),
    ],
)
def test_what_would_not_hold_is_refused(base: Lab, path: str, text: str, finding: str) -> None:
    """The plan names the file of the user's that has the last word, or stops the kubelet with Docker."""
    with there(base, path, text):
        done = base.migrator("plan", "--node", NODE, *CONSENT, "-o", "json", base.inventory)

    (plan,) = json.loads(done.stdout)["nodes"]
    blocking = {entry["id"]: entry["evidence"] for entry in plan["findings"] if entry["severity"] == "blocks"}
    assert (done.returncode, list(blocking)) == (REFUSED, [finding]), done.stdout + done.stderr
    assert path in blocking[finding] or "PartOf" in blocking[finding]


@pytest.fixture(scope="module")
def migrated(base: Lab) -> Lab:
    """Give the node migrated, with every proof, beside files that others wrote."""
    base.on(NODE, f"{written(OTHERS)}systemctl daemon-reload; systemctl restart containerd")
    done = base.migrator("apply", "--node", NODE, "--yes", *CONSENT, base.inventory)
    assert done.returncode == 0, done.stdout + done.stderr
    base.all_available()
    return base


def test_the_last_word_is_ours(migrated: Lab) -> None:
    """Containerd's process has Docker's proxy, and not the one of a drop-in that comes before ours."""
    words = migrated.on(NODE, "tr '\\0' '\\n' < /proc/$(pidof -s containerd)/environ").splitlines()

    assert "HTTP_PROXY=http://dockers.lab:3128" in words


def test_imports_still_count(migrated: Lab) -> None:
    """The user's file is read beside what the migration wrote."""
    dump = migrated.on(NODE, "containerd config dump")

    assert 'level = "debug"' in dump
    assert f'root = "{OWN_ROOT}"' in dump


def test_data_are_where_the_user_wants_them(migrated: Lab) -> None:
    """What a pod writes lands in the user's own folder, on another disk than the root's."""
    pod = running(migrated, NODE, "agent")
    mounts = migrated.on(NODE, f"grep '/{container(pod)}/rootfs ' /proc/mounts")

    assert f"upperdir={OWN_ROOT}/" in mounts


def test_a_reboot_changes_nothing_of_it(migrated: Lab) -> None:
    """Our file is read after the one that forbids forwarding, and every pod runs again."""
    migrated.reboot(NODE)
    migrated.ready_on(NODE, "containerd")
    migrated.all_available()

    assert migrated.on(NODE, "cat /proc/sys/net/ipv4/ip_forward").strip() == "1"
    migrated.on(
        NODE, "sysctl -q net.ipv4.ip_forward=0; /lib/systemd/systemd-sysctl; grep -q 1 /proc/sys/net/ipv4/ip_forward"
    )
