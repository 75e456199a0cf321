"""Nodes of the lab broken on purpose after their migration: `migrator verify` finds each by the id that is there for it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from lab import images
from tests.field.sessions import Session, healthy, migrate, verify
from tests.lab.conftest import Lab
from tests.lab.faults import INGEST, full
from tests.lab.sides import WORKERS, each, side_by_side

CONFIG = "/etc/containerd/config.toml"
CRI = "io.containerd.grpc.v1.cri"
SYSTEMD, CGROUPFS = WORKERS
WRAPPER = "/usr/local/sbin/loose-runc"
LOOSE = """#!/usr/bin/python3
import json, os, sys

if "create" in sys.argv:
    path = sys.argv[sys.argv.index("--bundle") + 1] + "/config.json"
    spec = json.load(open(path))
    if spec["annotations"].get("io.kubernetes.cri.container-name", "") in ("one", "two", "peer", "mounter"):
        {change}
        json.dump(spec, open(path, "w"))
os.execvp("runc", ["runc"] + sys.argv[1:])
"""
POOL = "/var/lib/cni/networks/lab"
NOBODY = "0" * 64
"""What a reservation that leaked says: a container that is long gone."""

Broken = Callable[[Lab, str], AbstractContextManager[None]]


def serves(lab: Lab, node: str) -> None:
    """Return when the node is Ready again."""
    lab.ready_on(node)


def put(lab: Lab, node: str, path: str, text: str, mode: str = "0644") -> None:
    """Write a file there."""
    encoded = base64.b64encode(text.encode()).decode()
    lab.on(node, f"mkdir -p $(dirname {path}); echo {encoded} | base64 -d > {path}; chmod {mode} {path}")


@contextmanager
def configured(change: Callable[[Any, Any], None], lab: Lab, node: str) -> Iterator[None]:
    """Have containerd run with its configuration changed: the whole of it, and the part of CRI."""
    original = lab.on(node, f"cat {CONFIG}")
    document = tomlkit.parse(original)
    change(document, document["plugins"][CRI])  # type: ignore[index]
    put(lab, node, CONFIG, tomlkit.dumps(document))
    lab.on(node, "systemctl restart containerd")
    try:
        yield
    finally:
        put(lab, node, CONFIG, original)
        lab.on(node, "systemctl restart containerd")
        serves(lab, node)


@contextmanager
def shelled(breaks: str, mends: str, lab: Lab, node: str) -> Iterator[None]:
    """Have a script run before, and one after."""
    lab.on(node, breaks)
    try:
        yield
    finally:
        lab.on(node, mends)
        serves(lab, node)


def option(name: str, *, value: object) -> Broken:
    """Change an option of the low-level runtime."""

    def change(_: Any, cri: Any) -> None:
        cri["containerd"]["runtimes"]["runc"]["options"][name] = value

    return partial(configured, change)


def setting(*path: str, value: object) -> Broken:
    """Change a setting of CRI."""

    def change(_: Any, cri: Any) -> None:
        part = cri
        for name in path[:-1]:
            part = part[name]
        part[path[-1]] = value

    return partial(configured, change)


def disabled(document: Any, _: Any) -> None:
    """Keep CRI out."""
    document["disabled_plugins"] = [CRI]


def loose(change: str) -> Broken:
    """Have a low-level runtime that does something else than it is told."""

    @contextmanager
    def broken(lab: Lab, node: str) -> Iterator[None]:
        put(lab, node, WRAPPER, LOOSE.format(change=change), "0755")
        with option("BinaryName", value=WRAPPER)(lab, node):
            yield

    return broken


@contextmanager
def limited(lab: Lab, node: str) -> Iterator[None]:
    """Have containerd's service with fewer open files."""
    path = "/etc/systemd/system/containerd.service.d/few.conf"
    put(lab, node, path, "[Service]\nLimitNOFILE=1000\n")
    lab.on(node, "systemctl daemon-reload; systemctl restart containerd")
    try:
        yield
    finally:
        lab.on(node, f"rm {path}; systemctl daemon-reload; systemctl restart containerd")
        serves(lab, node)


FILL = f"""
mkdir -p {POOL}
subnet=$(ip -4 -o addr show cni0 | awk '{{print $4}}' | cut -d. -f1-3)
for last in $(seq 2 254); do
  test -e {POOL}/$subnet.$last || printf {NOBODY} > {POOL}/$subnet.$last
done
"""
EMPTY = f"grep -lx {NOBODY} {POOL}/10.* | xargs -r rm"
OLD = (
    f"docker run -d --name k8s_web_web-1_shop_0 --label io.kubernetes.pod.uid=0b5c --label io.kubernetes.pod.name=web-1 "
    f"--label io.kubernetes.pod.namespace=shop --label io.kubernetes.docker.type=container "
    f"--label io.kubernetes.container.name=web --network host {images.BUSYBOX} -c 'httpd -f -p 8098'"
)


@dataclass(frozen=True)
class Row:
    """Something wrong, and the checks that find it."""

    node: str
    broken: Broken
    rules: frozenset[str]
    words: str = ""
    """What a check found, in part."""


def row(node: str, broken: Broken, *rules: str, words: str = "") -> Row:
    """Make one."""
    return Row(node, broken, frozenset(rules), words)


ROWS: Mapping[str, Row] = {
    "SystemdCgroup false, kubelet systemd": row(
        SYSTEMD, option("SystemdCgroup", value=False), "cgroup-path", "cgroup-driver", "runtime-driver", words=".slice:cri-containerd:"
    ),
    "SystemdCgroup true, kubelet cgroupfs": row(
        CGROUPFS, option("SystemdCgroup", value=True), "container-runs", "runtime-driver", words="for systemd cgroups"
    ),
    "CRI plugin disabled": row(SYSTEMD, partial(configured, disabled), "runtime-answers", words="CRI plugin is disabled"),
    "wrong CNI folder": row(CGROUPFS, setting("cni", "conf_dir", value="/etc/cni/nowhere"), "network-ready", "container-runs"),
    "wrong folder of CNI's plugins": row(SYSTEMD, setting("cni", "bin_dir", value="/opt/cni/nowhere"), "container-runs", words="failed to find plugin"),
    "wrong pause image": row(SYSTEMD, setting("sandbox_image", value="registry.invalid/pause:9"), "container-runs", words="registry.invalid/pause:9"),
    "addresses leaked": row(CGROUPFS, partial(shelled, FILL, EMPTY), "container-runs", words="no IP addresses available"),
    "ip_forward off": row(
        CGROUPFS, partial(shelled, "sysctl -qw net.ipv4.ip_forward=0", "sysctl -qw net.ipv4.ip_forward=1"), "ip-forward", words="0 before"
    ),
    "FORWARD=DROP": row(
        CGROUPFS, partial(shelled, "iptables -P FORWARD DROP", "iptables -P FORWARD ACCEPT"), "forward-policy", "pod-to-pod", words="DROP"
    ),
    "seccomp off": row(CGROUPFS, loose('spec["linux"].pop("seccomp", None)'), "seccomp", words="0, no filter"),
    "AppArmor off": row(SYSTEMD, setting("disable_apparmor", value=True), "apparmor"),
    "a capability dropped": row(
        SYSTEMD,
        loose('[names.remove("CAP_CHOWN") for names in spec["process"]["capabilities"].values() if "CAP_CHOWN" in names]'),
        "capabilities-bounding", "capabilities-effective", words="not: CHOWN",
    ),
    "a container left in Docker that holds a port": row(
        SYSTEMD, partial(shelled, OLD, "docker rm -f k8s_web_web-1_shop_0"), "other-runtime", words="k8s_web_web-1_shop_0"
    ),
    "LimitNOFILE lowered": row(CGROUPFS, limited, "rlimit-open-files"),
    "a low-level runtime that starts nothing": row(SYSTEMD, option("BinaryName", value="/bin/false"), "container-runs"),
    "image store full": row(CGROUPFS, partial(shelled, full(INGEST), f"umount {INGEST}"), "has-image", words="the store's filesystem is full"),
}  # fmt: skip


@pytest.fixture(scope="module")
def chosen(request: pytest.FixtureRequest) -> frozenset[str]:
    """Name the rows that are run."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    return frozenset(item.callspec.params["name"] for item in items if hasattr(item, "callspec"))


@pytest.fixture(scope="module")
def baselines(lab: Lab, chosen: frozenset[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrate the nodes of these rows, and keep what was seen of them when they were good."""
    lab.restore()  # a run that was killed has left its sabotage
    folder = tmp_path_factory.mktemp("good")
    nodes = sorted({ROWS[name].node for name in chosen})
    for node in nodes:
        migrate(lab, node, folder)
    each(lambda node: healthy(lab, node, "--save", folder / "seen"), nodes)
    return folder / "seen"


@pytest.fixture(scope="module")
def sessions(lab: Lab, chosen: frozenset[str], baselines: Path) -> Iterator[Mapping[str, Future[Session]]]:
    """Give what comes of each row that is chosen: those of one node in turn, beside those of the other node."""

    def run(what: Row) -> Session:
        with what.broken(lab, what.node):
            return verify(lab, what.node, "--baseline", baselines / f"{what.node}.json")

    with side_by_side() as pools:
        yield {name: pools[what.node].submit(run, what) for name, what in ROWS.items() if name in chosen}


@pytest.mark.parametrize("name", ROWS)
def test_sabotage_is_found(name: str, sessions: Mapping[str, Future[Session]]) -> None:
    """The checks that are there for it fail, and the exit code says that the node is not good."""
    what = ROWS[name]
    found = sessions[name].result()

    told(name, found)
    assert found.exit_code == 16
    assert what.rules <= found.rules, found
    assert any(what.words in text for text in (*found.failed.values(), *found.problems)) or not what.words, found


def test_mended_nodes_are_good_again(lab: Lab, baselines: Path, sessions: Mapping[str, Future[Session]]) -> None:
    """After all that, nothing is accused, and nothing is other than at first."""
    for session in sessions.values():
        session.exception()
    each(lambda node: healthy(lab, node, "--baseline", baselines / f"{node}.json"))


def told(name: str, found: Session) -> None:
    """Say what came of a row."""
    print(f"{name}: {', '.join(sorted(found.rules))} in {found.seconds:.0f} s; {'; '.join(found.problems)}")
