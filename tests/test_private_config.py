"""A configuration of containerd beside which a second instance runs: what is its own, and what stays as it is."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest

from migrator.nodeconf.settings import RuntimeSettings
from migrator.runtimes.containerd import read, rehearsal, write
from migrator.versions import Version
from tests.containerd_cases import DEBIAN, SETTINGS, VERSIONS

OWN = {
    "root": "@ROOT@",
    "state": "@STATE@",
    "grpc": {"address": "@STATE@/containerd.sock"},
}
NRI = {"io.containerd.nri.v1.nri": {"disable": True}}
CRI = "io.containerd.grpc.v1.cri"

# text, what else is in the document beside OWN
TEXTS: dict[str, tuple[str, dict[str, Any]]] = {
    "nothing": ("", {"plugins": NRI}),
    "dialect 2": ("version = 2\n", {"version": 2, "plugins": NRI}),
    "its own places": ('root = "/srv/c"\nstate = "/run/c"\n', {"plugins": NRI}),
    "its socket": ('[grpc]\naddress = "/run/x.sock"\nuid = 5\ngid = 6\nmax_recv_message_size = 7\n', {"grpc": {"address": "@STATE@/containerd.sock", "max_recv_message_size": 7}, "plugins": NRI}),
    "a port of the network": ('[grpc]\ntcp_address = "0.0.0.0:1"\ntcp_tls_cert = "/c"\n', {"grpc": {"address": "@STATE@/containerd.sock", "tcp_tls_cert": "/c"}, "plugins": NRI}),
    "addresses of the node's": ('[ttrpc]\naddress = "/x"\n[debug]\naddress = "/y"\n[metrics]\naddress = "127.0.0.1:1338"\n', {"plugins": NRI}),
    "other instances' plugins": ('[proxy_plugins.stargz]\ntype = "snapshot"\naddress = "/run/s.sock"\n', {"plugins": NRI}),
    "its rank": ("oom_score = -999\n", {"plugins": NRI}),
    "NRI": ('[plugins."io.containerd.nri.v1.nri"]\ndisable = false\nsocket_path = "/var/run/nri/nri.sock"\n', {"plugins": {"io.containerd.nri.v1.nri": {"disable": True, "socket_path": "/var/run/nri/nri.sock"}}}),
    "a streaming port": (f'version = 2\n[plugins."{CRI}"]\nstream_server_port = "10010"\nenable_selinux = true\n', {"version": 2, "plugins": {CRI: {"stream_server_port": "0", "enable_selinux": True}, **NRI}}),
    "a streaming port in dialect 1": ('[plugins.cri]\nstream_server_port = "10010"\n', {"plugins": {"cri": {"stream_server_port": "0"}, **NRI}}),
    "a streaming port in dialect 3": (f'version = 3\n[plugins."{CRI}"]\nstream_server_port = "1"\n', {"version": 3, "plugins": {CRI: {"stream_server_port": "0"}, **NRI}}),
    "addresses of the node's in dialect 4": ("version = 4\n" + "".join(f'[plugins."io.containerd.server.v1.{name}"]\naddress = "/{name}"\n' for name in ("ttrpc", "debug", "metrics", "other")), {"version": 4, "plugins": {"io.containerd.server.v1.other": {"address": "/other"}, **NRI}}),
    "no plugin": ('disabled_plugins = ["io.containerd.internal.v1.tracing"]\n', {"disabled_plugins": ["io.containerd.internal.v1.tracing"], "plugins": NRI}),
}  # fmt: skip


@pytest.mark.parametrize(("text", "rest"), TEXTS.values(), ids=TEXTS)
def test_what_is_the_instances_own(text: str, rest: dict[str, Any]) -> None:
    """Places and addresses are its own, what would disturb the node's instance is gone, the rest is as it was."""
    assert tomllib.loads(rehearsal.private(text)) == {**OWN, **rest}


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_what_is_rehearsed_is_what_was_planned(version: Version, settings: RuntimeSettings) -> None:
    """Handlers, network, registries, limits and images read the same in both."""
    planned = write(DEBIAN, settings, version)
    shared = {"root", "state", "log_level", "log_format", "metrics_address"}

    before, after = (read.settings(text).model_dump(exclude=shared) for text in (planned, rehearsal.private(planned)))

    assert after == before


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_a_network_of_its_own(version: Version) -> None:
    """Asked for, the instance looks for its network in its own folder, and for plugins where the node has them."""
    planned = write(
        DEBIAN,
        RuntimeSettings(cgroup_driver="systemd", cni_conf_dir="/etc/cni/net.d", cni_bin_dirs=("/usr/lib/cni",)),
        version,
    )

    found = read.settings(rehearsal.private(planned, network=True))

    assert (found.cni_conf_dir, found.cni_bin_dirs) == ("@FILES@/net.d", ("/usr/lib/cni",))
    (name,) = rehearsal.NETWORK
    assert json.loads(rehearsal.NETWORK[name])["plugins"][0]["ipam"]["dataDir"].startswith("@STATE@/")
    assert name == "net.d/10-migrator.conflist"


def test_a_private_configuration_stays_private() -> None:
    """Done twice it is the same."""
    once = rehearsal.private(DEBIAN)

    assert rehearsal.private(once) == once


FILES = ("/etc/containerd/migrator-spec.json", "/etc/x", "/etc/x/y")
# line before, line after
MOVED = {
    "a file of the plan": ('a = "/etc/containerd/migrator-spec.json"', 'a = "@FILES@/etc_containerd_migrator-spec.json"'),
    "in a list": ('a = ["/etc/x", "/z"]', 'a = ["@FILES@/etc_x", "/z"]'),
    "a longer path": ('a = "/etc/x/y"', 'a = "@FILES@/etc_x_y"'),
    "a path below one": ('a = "/etc/x/z"', 'a = "/etc/x/z"'),
    "a file of the node's": ('a = "/etc/other"', 'a = "/etc/other"'),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after"), MOVED.values(), ids=MOVED)
def test_files_of_the_plan_are_read_where_they_are_staged(before: str, after: str) -> None:
    """They are not on the node yet; whatever else is named stays where it is."""
    assert after in rehearsal.private(f"{before}\n", FILES).splitlines()


def test_what_is_not_toml_is_told() -> None:
    """With the file's name."""
    with pytest.raises(ValueError, match=r"/etc/containerd/config\.toml is not TOML"):
        rehearsal.private("a = [")


# text, image
PAUSES = {
    "none": ("version = 2\n", ""),
    "dialect 1": ('[plugins.cri]\nsandbox_image = "p:1"\n', "p:1"),
    "dialect 2": (f'version = 2\n[plugins."{CRI}"]\nsandbox_image = "p:2"\n', "p:2"),
    "dialect 3": ('version = 3\n[plugins."io.containerd.cri.v1.images".pinned_images]\nsandbox = "p:3"\n', "p:3"),
    "of another dialect": ('version = 3\n[plugins.cri]\nsandbox_image = "p:1"\n', ""),
    "an empty one": (f'version = 2\n[plugins."{CRI}"]\nsandbox_image = ""\n', ""),
}


@pytest.mark.parametrize(("text", "image"), PAUSES.values(), ids=PAUSES)
def test_the_sandbox_image_is_named(text: str, image: str) -> None:
    """Where its dialect has it; "" where the configuration leaves it to containerd."""
    assert rehearsal.pause_image(text) == image
