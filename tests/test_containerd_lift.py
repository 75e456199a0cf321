"""A file of dialect 2 on containerd 2: every setting and comment goes where it belongs now."""

import tomllib
from typing import Any

import pytest

from migrator.nodeconf.settings import RuntimeSettings
from migrator.runtimes import containerd
from tests.containerd_cases import CRI, IMAGES, PLAIN, RUNTIME, USERS, VERSIONS, at


def everything(document: Any) -> list[str]:
    """Give every key of a document, however deep."""
    if not isinstance(document, dict):
        return []
    return [key for name, value in document.items() for key in (name, *everything(value))]


COMMENTS = [line.partition("#")[2] for line in USERS.splitlines() if "#" in line]


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize("comment", COMMENTS)
def test_the_users_comments_stay(comment: str, version: tuple[int, int]) -> None:
    """A comment is kept, in a file that is lifted to another dialect too."""
    assert f"#{comment}" in containerd.write(USERS, RuntimeSettings(cgroup_driver="systemd"), version)


def test_a_users_settings_move_to_their_new_tables() -> None:
    """Each key of the old CRI table goes where containerd 2 reads it (plugins/cri/{images,runtime}/plugin.go v2.3.4)."""
    document = tomllib.loads(containerd.write(USERS, RuntimeSettings(cgroup_driver="systemd"), (2, 1)))

    assert document["version"] == 3
    assert at(document, *CRI) == {"stream_server_port": "10010"}
    assert at(document, *IMAGES) == {
        "pinned_images": {"sandbox": "mirror.example/pause:3.1"},
        "discard_unpacked_layers": True,
    }
    assert at(document, *RUNTIME, "restrict_oom_score_adj") is True
    assert at(document, *RUNTIME, "containerd", "default_runtime_name") == "nvidia"


LIFTS = {
    "plugins/restart/monitor.go v2.0.11": (
        '[plugins."io.containerd.internal.v1.restart"]\ninterval = "9s"\n',
        ("plugins", "io.containerd.monitor.container.v1.restart", "interval", "9s"),
    ),
    "core/metrics/cgroups/cgroups.go v2.1.9": (
        '[plugins."io.containerd.monitor.v1.cgroups"]\nno_prometheus = true\n',
        ("plugins", "io.containerd.monitor.task.v1.cgroups", "no_prometheus", True),
    ),
    "core/runtime/v2/shim_manager.go v2.0.11": (
        '[plugins."io.containerd.runtime.v2.task"]\nsched_core = true\n',
        ("plugins", "io.containerd.shim.v1.manager", "env", ["SCHED_CORE=1"]),
    ),
    "sandboxer: plugins/cri/runtime/plugin.go v2.3.4": (
        '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.k]\nruntime_type = "io.containerd.kata.v2"\nsandbox_mode = "shim"\n',
        (*RUNTIME, "containerd", "runtimes", "k", "sandboxer", "shim"),
    ),
    "runtime_platforms: internal/cri/config/config.go v2.1.9": (
        '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.k]\nruntime_type = "io.containerd.kata.v2"\nsnapshotter = "devmapper"\n',
        (*IMAGES, "runtime_platforms", "k", "snapshotter", "devmapper"),
    ),
    "runc.v1 is gone: docs/containerd-2.0.md": (
        '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.k]\nruntime_type = "io.containerd.runc.v1"\n',
        (*RUNTIME, "containerd", "runtimes", "k", "runtime_type", "io.containerd.runc.v2"),
    ),
    "headers go with the registry": (
        '[plugins."io.containerd.grpc.v1.cri".registry.headers]\nX-A = ["b"]\n',
        (*IMAGES, "registry", "headers", "X-A", ["b"]),
    ),
    "proxy plugins stay": ('[proxy_plugins.stargz]\ntype = "snapshot"\n', ("proxy_plugins", "stargz", "type", "snapshot")),
}  # fmt: skip


@pytest.mark.parametrize(("table", "place"), LIFTS.values(), ids=LIFTS)
def test_what_has_a_new_place_in_2_0_goes_there(table: str, place: tuple) -> None:
    """Containerd 2 ignores old places of a file of dialect 3, so each value must move."""
    document = tomllib.loads(containerd.write(f"version = 2\n{table}", PLAIN, (2, 1)))

    assert at(document, *place[:-1]) == place[-1]


@pytest.mark.parametrize(
    "table",
    [
        "systemd_cgroup = false",
        "disable_cgroup = false",
        "[T.containerd]\nno_pivot = false",
        '[T.containerd.default_runtime]\nruntime_type = ""',
        '[T.containerd.untrusted_workload_runtime]\nruntime_type = ""',
        '[T.containerd.runtimes.runc]\nruntime_engine = ""\nruntime_root = ""',
    ],
)
def test_defaults_that_2_0_does_not_know_go_silently(table: str) -> None:
    """A whole dump of 1.x has them, with nothing said (v1.6.39 against internal/cri/config/config.go v2.0.11)."""
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    text = containerd.write(
        f"version = 2\n[{cri}]\n{table.replace('T', cri, 1) if '[T' in table else table}\n", PLAIN, (2, 0)
    )

    gone = {
        "systemd_cgroup",
        "disable_cgroup",
        "no_pivot",
        "default_runtime",
        "untrusted_workload_runtime",
        "runtime_engine",
        "runtime_root",
    }
    assert not gone & set(everything(tomllib.loads(text)))
