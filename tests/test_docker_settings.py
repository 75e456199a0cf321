"""The neutral settings that Docker's configuration becomes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from migrator.model.facts import Certificate
from migrator.nodeconf.settings import Endpoint, Handler, Registry, RuntimeSettings
from migrator.runtimes import docker
from migrator.runtimes.destination import Destination
from migrator.runtimes.docker import DockerSource
from migrator.runtimes.docker import options as docker_options

C16, C17 = (Destination(runtime="containerd", version=(1, minor), kubelet=(1, 20)) for minor in (6, 7))
C20 = Destination(runtime="containerd", version=(2, 0), kubelet=(1, 34))
CRIO20 = Destination(runtime="crio", version=(1, 20), kubelet=(1, 20))


def settings(options: dict[str, Any], to: Destination = C16, **source: Any) -> RuntimeSettings:
    """Give the settings that options become."""
    read = docker_options.read(json.dumps(options))
    return docker.settings(DockerSource(options=read, **source), RuntimeSettings(cgroup_driver="systemd"), to)


ROOTS = {
    "beside Docker's": ("/data/docker", C16, "", "/data/containerd"),
    "beside Docker's, for CRI-O": ("/data/docker/", CRIO20, "/data", "/data/containers-storage"),
    "inside, when Docker's is the mount": ("/data", C16, "/data", "/data/migrator-containerd"),
    "never Docker's own": ("/data/containerd", C16, "/data", "/data/containerd-containerd"),
}


@pytest.mark.parametrize(("data_root", "to", "mount", "expected"), ROOTS.values(), ids=ROOTS)
def test_data_stays_on_its_disk(data_root: str, to: Destination, mount: str, expected: str) -> None:
    """The new folder is on the filesystem that Docker's was on."""
    assert settings({"data-root": data_root}, to, root_mount=mount).root == expected


FOLDER = "/etc/docker/certs.d"
CERTIFICATES = tuple(
    Certificate(path=f"{FOLDER}/{registry}/{name}", registry=registry, kind=kind, sha256="0")
    for registry, name, kind in (
        ("m:5000", "ca.crt", "ca"),
        ("m:5000", "a.cert", "client"),
        ("m:5000", "a.key", "key"),
        ("m:5000", "half.cert", "client"),
        ("docker.io", "ca.crt", "ca"),
        ("no\nhost", "ca.crt", "ca"),
    )
)
TLS = {
    "ca": (f"{FOLDER}/m:5000/ca.crt",),
    "clients": ((f"{FOLDER}/m:5000/a.cert", f"{FOLDER}/m:5000/a.key"),),
}
HUB = Endpoint(url="https://registry-1.docker.io")

REGISTRIES: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[Registry, ...]]] = {
    "mirrors in their order, each once": (
        {"registry-mirrors": ["https://b/", "HTTP://a/p", "https://b"]},
        {},
        (Registry(name="docker.io", server=HUB, mirrors=(Endpoint(url="https://b"), Endpoint(url="http://a/p"))),),
    ),
    "a mirror has the certificates of its host, which is a registry too": (
        {"registry-mirrors": ["https://m:5000"]},
        {"certificates": CERTIFICATES},
        (
            Registry(name="docker.io", server=HUB, mirrors=(Endpoint(url="https://m:5000", **TLS),)),
            Registry(name="m:5000", server=Endpoint(url="https://m:5000", **TLS)),
        ),
    ),
    "an insecure mirror is not checked, by name, network or loopback": (
        {
            "registry-mirrors": ["https://m", "https://10.0.0.1", "https://localhost:5"],
            "insecure-registries": ["m", "10.0.0.0/8"],
        },
        {"insecure": {"m": "https", "10.0.0.1": "http"}},
        (
            Registry(
                name="docker.io",
                server=HUB,
                mirrors=tuple(
                    Endpoint(url=url, skip_verify=True)
                    for url in ("https://m", "https://10.0.0.1", "https://localhost:5")
                ),
            ),
            Registry(name="m", server=Endpoint(url="https://m", skip_verify=True)),
            Registry(name="10.0.0.1", server=Endpoint(url="http://10.0.0.1")),
        ),
    ),
    "what an insecure registry speaks decides; unknown is both": (
        {"insecure-registries": ["a:1", "http://b:2", "c", "d", "docker.io"]},
        {"insecure": {"a:1": "http", "b:2": "https", "c": ""}},
        (
            Registry(name="a:1", server=Endpoint(url="http://a:1")),
            Registry(name="b:2", server=Endpoint(url="https://b:2", skip_verify=True)),
            Registry(name="c", server=Endpoint(url="https://c", skip_verify=True, fallback_http=True)),
            Registry(name="d", server=Endpoint(url="https://d", skip_verify=True, fallback_http=True)),
        ),
    ),
    "nothing said, nothing written": ({}, {}, ()),
}


@pytest.mark.parametrize(("options", "source", "expected"), REGISTRIES.values(), ids=REGISTRIES)
def test_registries(options: dict[str, Any], source: dict[str, Any], expected: tuple[Registry, ...]) -> None:
    """Mirrors, insecure registries and certificates become one list, as Docker uses them together."""
    assert settings(options, **source).registries == expected


def test_a_mirror_that_cri_o_cannot_ask_is_left_out() -> None:
    """What is lost is not written either."""
    mirrors = settings({"registry-mirrors": ["https://a/p", "https://b"]}, CRIO20).registries[0].mirrors

    assert [mirror.url for mirror in mirrors] == ["https://b"]


BECOMES: dict[str, tuple[dict[str, Any], Destination, dict[str, Any]]] = {
    "json-file with a size": ({"log-opts": {"max-size": "1m"}}, C16, {"log_max_size": 10**6, "log_max_files": 2}),
    "files": (
        {"log-opts": {"max-size": "1m", "max-file": "4"}},
        C16,
        {"log_max_size": 10**6, "log_max_files": 4},
    ),
    "json-file without a size": ({"log-opts": {"max-file": "4"}}, C16, {"log_max_size": 0, "log_max_files": 0}),
    "local rotates by itself": ({"log-driver": "local"}, C16, {"log_max_size": 20971520, "log_max_files": 5}),
    "another driver's options are its own": (
        {"log-driver": "awslogs", "log-opts": {"max-size": "1m"}},
        C16,
        {"log_max_size": 0, "log_max_files": 0},
    ),
    "limits, as Go reads them": (
        {"default-ulimits": {"nofile": {"soft": 1, "HARD": 2}, "x": {"Name": "nproc", "Soft": -1, "Hard": -1}}},
        C16,
        {"ulimits": {"nofile": "1:2", "nproc": "-1:-1"}},
    ),
    "runtimes by path": (
        {"runtimes": {"n": {"Path": "/n"}, "runc": {"path": "runc"}}, "default-runtime": "n"},
        C16,
        {"handlers": (Handler(name="n", program="/n"),), "default_handler": "n"},
    ),
    "runtimes by type": (
        {"runtimes": {"k": {"runtimeType": "io.containerd.kata.v2", "options": {"ConfigPath": "/c", "x": True}}}},
        C16,
        {"handlers": (Handler(name="k", kind="io.containerd.kata.v2", options={"ConfigPath": "/c", "x": True}),)},
    ),
    "a shim by path": (
        {"runtimes": {"k": {"runtimeType": "/o/containerd-shim-kata-v2"}}},
        C16,
        {"handlers": (Handler(name="k", program="/o/containerd-shim-kata-v2", kind="io.containerd.kata.v2"),)},
    ),
    "runc's old type is gone in 2.0": (
        {"runtimes": {"r": {"runtimeType": "io.containerd.runc.v1"}}},
        C20,
        {"handlers": (Handler(name="r", kind="io.containerd.runc.v2"),)},
    ),
    "a runtime that CRI-O cannot have": (
        {"runtimes": {"k": {"runtimeType": "io.containerd.kata.v2"}}, "default-runtime": "k"},
        CRIO20,
        {"handlers": (), "default_handler": ""},
    ),
    "storage": ({"storage-driver": "btrfs"}, C16, {"storage": "btrfs", "storage_options": ()}),
    "storage that is lost": ({"storage-driver": "devicemapper"}, C16, {"storage": ""}),
    "storage options of CRI-O's": (
        {"storage-opts": ["overlay2.size=1G", "overlay2.override_kernel_check=1"]},
        CRIO20,
        {"storage_options": ("overlay2.size=1G",)},
    ),
    "all storage options of CRI-O's": (
        {"storage-opts": ["btrfs.min_space=1G", "zfs.fsname=tank/x", "overlay2.size=2G", "dm.basesize=9G"]},
        CRIO20,
        {"storage_options": ("btrfs.min_space=1G", "zfs.fsname=tank/x", "overlay2.size=2G")},
    ),
    "a profile where there is a place for it": ({"seccomp-profile": "/p"}, CRIO20, {"seccomp_profile": "/p"}),
    "a profile where there is none": ({"seccomp-profile": "/p"}, C16, {"seccomp_profile": ""}),
    "a profile that is a word": ({"seccomp-profile": "unconfined"}, CRIO20, {"seccomp_profile": ""}),
    "CDI where it is known": (
        {"features": {"cdi": True}, "cdi-spec-dirs": ["/c"]},
        C17,
        {"cdi": True, "cdi_folders": ("/c",)},
    ),
    "CDI where it is not": (
        {"features": {"cdi": True}, "cdi-spec-dirs": ["/c"]},
        C16,
        {"cdi": False, "cdi_folders": ()},
    ),
    "debug beats the level": ({"debug": True, "log-level": "warn"}, C16, {"log_level": "debug"}),
    "a level by its short name": ({"log-level": "WARNING"}, CRIO20, {"log_level": "warn"}),
    "a format": ({"log-format": "json"}, C16, {"log_format": "json"}),
    "downloads": ({"max-concurrent-downloads": 2}, C16, {"max_downloads": 2}),
    "SELinux": ({"selinux-enabled": True}, C16, {"selinux": True}),
    "forwarding by default": ({}, C16, {"forwarding": ("net.ipv4.ip_forward",)}),
    "forwarding of IPv6 too": (
        {"ipv6": True},
        C16,
        {"forwarding": ("net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding")},
    ),
    "no forwarding": ({"ip-forward": False, "ipv6": True}, C16, {"forwarding": ()}),
    "null is the default": (
        {"log-opts": None, "runtimes": None, "proxies": None, "default-ulimits": None, "insecure-registries": None},
        C16,
        {"log_max_size": 0, "handlers": (), "ulimits": {}, "registries": ()},
    ),
}


@pytest.mark.parametrize(("options", "to", "expected"), BECOMES.values(), ids=BECOMES)
def test_settings(options: dict[str, Any], to: Destination, expected: Mapping[str, Any]) -> None:
    """What is carried is in the settings, and what is lost is not."""
    made = settings(options, to)

    assert {name: getattr(made, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("version", "options", "ports", "ping"),
    [
        ("19.03.15", {}, False, False),
        ("20.10.24", {}, True, True),
        ("28.5.2", {"userns-remap": "default"}, True, False),
        ("", {}, False, False),
    ],
)
def test_what_docker_lets_any_user_do(version: str, options: dict[str, Any], *, ports: bool, ping: bool) -> None:
    """From 20.10 on any user binds low ports, and pings unless users are remapped."""
    made = settings(options, version=version)

    assert (made.unprivileged_ports, made.unprivileged_ping) == (ports, ping)


def test_the_base_is_kept() -> None:
    """What Docker says nothing of stays as the kubelet and the network have it."""
    base = RuntimeSettings(cgroup_driver="cgroupfs", cni_bin_dirs=("/c",), pause_image="p", forwarding=("a.b",))
    made = docker.settings(DockerSource(), base, C16)

    assert made == base.model_copy(update={"forwarding": ("a.b", "net.ipv4.ip_forward")})
    assert docker.fates(DockerSource(), C16) == ()
