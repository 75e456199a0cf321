"""Where each setting stands in containerd's configuration, by dialect (`version =` of the file) and release.

Read in containerd's own sources: `services/server/config/config.go` and `pkg/cri/config/config.go` of 1.x (1.4 has
the latter in `vendor/github.com/containerd/cri`), `cmd/containerd/server/config/config.go`, `internal/cri/config`
and `plugins/cri/{images,runtime}/plugin.go` of 2.x, at v1.4.13, v1.5.18, v1.6.39, v1.7.34, v2.0.11, v2.1.9, v2.2.7
and v2.3.4; what Debian's binaries of 1.4, 1.6, 1.7 and 2.1 make of it is tested (tests/lab/test_0_parsers.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from migrator.versions import Version

Path = tuple[str, ...]
"""Names of the tables, and of the key in the last one."""

_ALWAYS: Version = (0, 0)
_NEVER: Version = (999, 0)

GRPC_CRI = "io.containerd.grpc.v1.cri"
RUNTIME = "io.containerd.cri.v1.runtime"
IMAGES = "io.containerd.cri.v1.images"
TRANSFER = "io.containerd.transfer.v1.local"
CRI_PLUGINS = frozenset({"cri", GRPC_CRI, RUNTIME, IMAGES})
"""What switches CRI off when it is disabled: dialect 1 has the short name, 2.x has three plugins."""

CRI_1: Path = ("plugins", "cri")
CRI_2: Path = ("plugins", GRPC_CRI)
RUNTIME_3: Path = ("plugins", RUNTIME)
IMAGES_3: Path = ("plugins", IMAGES)


@dataclass(frozen=True)
class Place:
    """A place of a setting: in these dialects, from the release `since` up to the one before `until`."""

    dialects: tuple[int, ...]
    path: Path
    since: Version = _ALWAYS
    until: Version = _NEVER


def _cri(*names: str, part: Path, since: Version = _ALWAYS) -> tuple[Place, ...]:
    """Give the places of a key that dialects 1 and 2 have in the one CRI table, and 3 and 4 in the table `part`."""
    return (
        Place((1,), (*CRI_1, *names), since),
        Place((2,), (*CRI_2, *names), since),
        Place((3, 4), (*part, *names), since),
    )


_OF_IMAGES_TABLE = "max_concurrent_downloads"
PLACES: dict[str, tuple[Place, ...]] = {
    "root": (Place((1, 2, 3, 4), ("root",)),),
    "state": (Place((1, 2, 3, 4), ("state",)),),
    # Level and format stay where they were in dialect 4; only the debug socket moved (v2.3.4 serviceMigrate).
    "log_level": (Place((1, 2, 3, 4), ("debug", "level")),),
    "log_format": (Place((1, 2, 3, 4), ("debug", "format"), (1, 5)),),
    "metrics_address": (
        Place((1, 2, 3), ("metrics", "address")),
        Place((4,), ("plugins", "io.containerd.server.v1.metrics", "address")),
    ),
    "pause_image": (
        Place((1,), (*CRI_1, "sandbox_image")),
        Place((2,), (*CRI_2, "sandbox_image")),
        Place((3, 4), (*IMAGES_3, "pinned_images", "sandbox")),
    ),
    "storage": (
        Place((1,), (*CRI_1, "containerd", "snapshotter")),
        Place((2,), (*CRI_2, "containerd", "snapshotter")),
        Place((3, 4), (*IMAGES_3, "snapshotter")),
    ),
    "default_handler": _cri("containerd", "default_runtime_name", part=RUNTIME_3),
    "handlers": _cri("containerd", "runtimes", part=RUNTIME_3),
    "cni_conf_dir": _cri("cni", "conf_dir", part=RUNTIME_3),
    # From 2.1 on a list; the old key beside it is an error when both are set (internal/cri/config, v2.1.9).
    "cni_bin_dir": (
        Place((1,), (*CRI_1, "cni", "bin_dir")),
        Place((2,), (*CRI_2, "cni", "bin_dir")),
        Place((3, 4), (*RUNTIME_3, "cni", "bin_dir"), until=(2, 1)),
    ),
    "cni_bin_dirs": (Place((3, 4), (*RUNTIME_3, "cni", "bin_dirs"), (2, 1)),),
    "selinux": _cri("enable_selinux", part=RUNTIME_3),
    "unprivileged_ports": _cri("enable_unprivileged_ports", part=RUNTIME_3, since=(1, 6)),
    "unprivileged_ping": _cri("enable_unprivileged_icmp", part=RUNTIME_3, since=(1, 6)),
    "cdi": _cri("enable_cdi", part=RUNTIME_3, since=(1, 7)),
    "cdi_folders": _cri("cdi_spec_dirs", part=RUNTIME_3, since=(1, 7)),
    # 2.1 pulls through the transfer service; the old key with another value than 3 would switch that off.
    "max_downloads": (
        Place((1,), (*CRI_1, _OF_IMAGES_TABLE)),
        Place((2,), (*CRI_2, _OF_IMAGES_TABLE)),
        Place((3, 4), (*IMAGES_3, _OF_IMAGES_TABLE), until=(2, 1)),
        Place((3, 4), ("plugins", TRANSFER, _OF_IMAGES_TABLE), (2, 1)),
    ),
    "registry": _cri("registry", part=IMAGES_3),
    "config_path": _cri("registry", "config_path", part=IMAGES_3, since=(1, 5)),
}
"""Each setting's places, by the name of its field in `RuntimeSettings` or, for a table, by containerd's."""

USUAL_DOWNLOADS = 3
"""What both keys of `max_downloads` are in a dump where nobody has said anything."""
HOSTS_TOML: Version = (1, 5)
"""First release with `registry.config_path`; 1.4 takes mirrors and certificates in config.toml only."""
BASE_SPEC: Version = (1, 5)
"""First release in which limits of a handler's `base_runtime_spec` reach containers.

Every release from 1.4.0 on has the key, but 1.4 clears the limits afterwards (WithoutDefaultSecuritySettings)."""
RUNTIME_PATH: Version = (1, 6)
"""First release in which a handler can name its shim's path (`runtime_path`)."""
DIALECT_3: Version = (2, 0)
DIALECT_4: Version = (2, 3)
TWO_CONFIG_FOLDERS: Version = (2, 2)

ON_BY_DEFAULT: dict[str, Version] = {"unprivileged_ports": (2, 0), "unprivileged_ping": (2, 0), "cdi": (2, 0)}
"""First release in which a switch is on when nothing is said (internal/cri/config/config_unix.go, v2.0.11)."""

NO_PLACE = ("storage_options", "log_max_size", "log_max_files", "seccomp_profile")
"""Fields of `RuntimeSettings` that no containerd has a key for. What else it lacks is the kubelet's or systemd's."""

SNAPSHOTTERS = {
    "overlay2": "overlayfs",
    "overlay": "overlayfs",
    "aufs": "overlayfs",
    "btrfs": "btrfs",
    "zfs": "zfs",
    "devicemapper": "devmapper",
    "vfs": "native",
}
"""containerd's snapshotter for each of Docker's storage drivers; another name is taken as containerd's own."""
STORAGE = {"overlayfs": "overlay2", "btrfs": "btrfs", "zfs": "zfs", "devmapper": "devicemapper", "native": "vfs"}
"""The way back."""

RUNC_V1 = "io.containerd.runc.v1"
RUNC_V2 = "io.containerd.runc.v2"
LINUX_V1 = "io.containerd.runtime.v1.linux"
"""The runtime type before runc's own, with other keys for the same things; gone in 2.0."""
LINUX_V1_OPTIONS = {"runtime_engine": "BinaryName", "runtime_root": "Root"}
"""What they are among runc's options."""
RUNC_TYPES = frozenset({RUNC_V1, RUNC_V2})
"""Runtime types whose options are runc's: `BinaryName`, `SystemdCgroup`. The first is gone in 2.0."""

SHORT_NAMES = {
    "cgroups": "io.containerd.monitor.v1.cgroups",
    "scheduler": "io.containerd.gc.v1.scheduler",
    "bolt": "io.containerd.metadata.v1.bolt",
    "task": "io.containerd.runtime.v2.task",
    "opt": "io.containerd.internal.v1.opt",
    "restart": "io.containerd.internal.v1.restart",
    "aufs": "io.containerd.snapshotter.v1.aufs",
    "btrfs": "io.containerd.snapshotter.v1.btrfs",
    "devmapper": "io.containerd.snapshotter.v1.devmapper",
    "native": "io.containerd.snapshotter.v1.native",
    "overlayfs": "io.containerd.snapshotter.v1.overlayfs",
    "zfs": "io.containerd.snapshotter.v1.zfs",
}
"""Full names of the plugins that dialect 1 calls by a short one (v2.3.4 v1MigratePluginName)."""
SAME_IN_EVERY_DIALECT = frozenset({
    "version", "disabled_plugins", "root", "state", "oom_score", "grpc", "ttrpc", "debug", "metrics", "cgroup",
    "timeouts", "temp", "proxy_plugins", "stream_processors",
})  # fmt: skip
"""What a file of dialect 1 may say and be lifted; plugins' tables and lists of them have other names in dialect 2."""

STREAMING = frozenset({
    "disable_tcp_service", "stream_server_address", "stream_server_port", "stream_idle_timeout",
    "enable_tls_streaming", "x509_key_pair_streaming",
})  # fmt: skip
"""Keys of dialect 2's CRI table that stay in it in dialect 3 (plugins/cri/cri.go)."""
OF_IMAGES = frozenset({
    "registry", "image_decryption", _OF_IMAGES_TABLE, "image_pull_progress_timeout", "image_pull_with_sync_fs",
    "stats_collect_period",
})  # fmt: skip
"""Keys that go to the images plugin (plugins/cri/images/plugin.go); all others go to the runtime plugin."""
CONTAINERD_OF_IMAGES = frozenset({"snapshotter", "disable_snapshot_annotations", "discard_unpacked_layers"})
"""Keys of dialect 2's `containerd` table that go to the images plugin."""
GONE_FROM_CRI = frozenset({"systemd_cgroup", "disable_cgroup"})
GONE_FROM_CONTAINERD = frozenset({"default_runtime", "untrusted_workload_runtime", "no_pivot"})
GONE_FROM_RUNTIMES = frozenset(LINUX_V1_OPTIONS)
"""Keys of 1.x that 2.0 does not know (internal/cri/config/config.go); with their default value they say nothing."""
RENAMED_PLUGINS = {
    "io.containerd.internal.v1.restart": "io.containerd.monitor.container.v1.restart",
    "io.containerd.monitor.v1.cgroups": "io.containerd.monitor.task.v1.cgroups",
}
"""Other plugins whose table has a new name in 2.0 (plugins/restart/monitor.go, core/metrics/cgroups/cgroups.go)."""
TASK = "io.containerd.runtime.v2.task"
SHIM_MANAGER = "io.containerd.shim.v1.manager"
SCHED_CORE = "sched_core"
"""Key of `TASK` that became an environment variable of shims (core/runtime/v2/shim_manager.go, v2.0.11)."""


def dialect(present: int, version: Version) -> int:
    """Give the dialect to write for this release when the file has `present` (0: there is no file).

    Raises `ValueError` when this release cannot read a file of `present`, which is newer.
    """
    newest = 2 if version < DIALECT_3 else 3 if version < DIALECT_4 else 4
    if present > newest:
        raise ValueError(
            f"is of dialect {present} (`version = {present}`), which containerd {version[0]}.{version[1]} cannot read;"
            f" give it the file that it had before, or install the containerd that the file was written for"
        )
    return 4 if present == 4 else min(newest, 3)


def place(name: str, number: int, version: Version) -> Path | None:
    """Give the place of a setting in a file of dialect `number` for this release; None when it has none."""
    found = (p for p in PLACES[name] if number in p.dialects and p.since <= version < p.until)
    return next((p.path for p in found), None)


def candidates(name: str, number: int) -> tuple[Path, ...]:
    """Give every place that a setting may have in a file of dialect `number`, the newest release's first."""
    return tuple(p.path for p in reversed(PLACES[name]) if number in p.dialects)


def config_path(version: Version) -> str:
    """Give the `registry.config_path` to write: from 2.2 on, the list that is its default there."""
    return "/etc/containerd/certs.d" + (":/etc/docker/certs.d" if version >= TWO_CONFIG_FOLDERS else "")
