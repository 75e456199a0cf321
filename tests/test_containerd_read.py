"""What a present configuration of containerd says, in any dialect."""

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from migrator.nodeconf.settings import Endpoint, Handler, Registry
from migrator.nodeconf.systemd import syntax
from migrator.runtimes.containerd import read as containerd_read
from migrator.runtimes.containerd import toml_edit, toml_order

CRI_1 = "plugins.cri"
CRI_2 = 'plugins."io.containerd.grpc.v1.cri"'
RUNTIME = 'plugins."io.containerd.cri.v1.runtime"'
IMAGES = 'plugins."io.containerd.cri.v1.images"'
V1 = "pkg/cri/config/config.go v1.7.34"
V2 = "internal/cri/config/config.go v2.3.4"

# text of the configuration, field, value, source
SAID: list[tuple[str, str, Any, str]] = [
    ("", "cgroup_driver", "cgroupfs", "config_unix.go: SystemdCgroup = false"),
    ("", "cni_bin_dirs", ("/opt/cni/bin",), "config_unix.go"),
    ("", "cni_conf_dir", "/etc/cni/net.d", "config_unix.go"),
    (f"[{CRI_1}]\nsystemd_cgroup = true\n", "cgroup_driver", "systemd", "pkg/config/config.go v1.4.13"),
    (f"version = 2\n[{CRI_2}]\nsystemd_cgroup = true\n", "cgroup_driver", "systemd", V1),
    (f"[{CRI_1}.containerd.runtimes.runc.options]\nSystemdCgroup = true\n", "cgroup_driver", "systemd", V1),
    (f"version = 2\n[{CRI_2}.containerd.runtimes.runc.options]\nSystemdCgroup = true\n", "cgroup_driver", "systemd", V1),
    (f"version = 3\n[{RUNTIME}.containerd.runtimes.runc.options]\nSystemdCgroup = true\n", "cgroup_driver", "systemd", V2),
    (f"version = 4\n[{RUNTIME}.containerd.runtimes.runc.options]\nSystemdCgroup = true\n", "cgroup_driver", "systemd", V2),
    (
        f'version = 2\n[{CRI_2}.containerd]\ndefault_runtime_name = "a"\n[{CRI_2}.containerd.runtimes.a.options]\nSystemdCgroup = true\n',
        "cgroup_driver", "systemd", "the default handler's",
    ),
    (f'[{CRI_1}]\nsandbox_image = "p:1"\n', "pause_image", "p:1", V1),
    (f'version = 2\n[{CRI_2}]\nsandbox_image = "p:1"\n', "pause_image", "p:1", V1),
    (f'version = 3\n[{IMAGES}.pinned_images]\nsandbox = "p:1"\n', "pause_image", "p:1", V2),
    (f'version = 2\n[{CRI_2}.cni]\nbin_dir = "/b"\n', "cni_bin_dirs", ("/b",), V1),
    (f'version = 3\n[{RUNTIME}.cni]\nbin_dir = "/b"\nbin_dirs = ["/opt/cni/bin"]\n', "cni_bin_dirs", ("/b",), "ValidateRuntimeConfig v2.1.9"),
    (f'version = 3\n[{RUNTIME}.cni]\nbin_dir = ""\nbin_dirs = ["/b", "/c"]\n', "cni_bin_dirs", ("/b", "/c"), V2),
    (f'version = 3\n[{RUNTIME}.cni]\nconf_dir = "/c"\n', "cni_conf_dir", "/c", V2),
    ('root = "/r"\n', "root", "/r", "server/config/config.go"),
    ('version = 4\nstate = "/s"\n', "state", "/s", "server/config/config.go"),
    *[
        (f'version = 2\n[{CRI_2}.containerd]\nsnapshotter = "{ours}"\n', "storage", docker, V1)
        for ours, docker in {"overlayfs": "overlay2", "native": "vfs", "devmapper": "devicemapper", "zfs": "zfs", "stargz": "stargz"}.items()
    ],
    (f'version = 3\n[{IMAGES}]\nsnapshotter = "btrfs"\n', "storage", "btrfs", V2),
    (f"version = 3\n[{RUNTIME}]\nenable_selinux = true\n", "selinux", True, V2),
    (f"version = 2\n[{CRI_2}]\nenable_unprivileged_ports = true\n", "unprivileged_ports", True, V1),
    (f"version = 3\n[{RUNTIME}]\nenable_unprivileged_icmp = true\n", "unprivileged_ping", True, V2),
    (f"version = 2\n[{CRI_2}]\nenable_cdi = true\n", "cdi", True, V1),
    (f'version = 3\n[{RUNTIME}]\ncdi_spec_dirs = ["/c"]\n', "cdi_folders", ("/c",), V2),
    (f"version = 2\n[{CRI_2}]\nmax_concurrent_downloads = 7\n", "max_downloads", 7, V1),
    (f"version = 3\n[{IMAGES}]\nmax_concurrent_downloads = 7\n", "max_downloads", 7, "v2.0.11"),
    ('version = 3\n[plugins."io.containerd.transfer.v1.local"]\nmax_concurrent_downloads = 7\n', "max_downloads", 7, "plugins/transfer/plugin.go v2.1.9"),
    ('[debug]\nlevel = "debug"\n', "log_level", "debug", "server/config/config.go"),
    ('version = 4\n[debug]\nformat = "json"\n', "log_format", "json", "serviceMigrate v2.3.4 leaves it"),
    ('version = 3\n[metrics]\naddress = "a:1"\n', "metrics_address", "a:1", "server/config/config.go"),
    ('version = 4\n[plugins."io.containerd.server.v1.metrics"]\naddress = "a:1"\n', "metrics_address", "a:1", "serviceMigrate v2.3.4"),
    (
        f'version = 2\n[{CRI_2}.containerd.runtimes.n]\nruntime_type = "io.containerd.runc.v2"\n[{CRI_2}.containerd.runtimes.n.options]\nBinaryName = "/n"\nRoot = ""\nIoUid = 0\nNoPivotRoot = true\n',
        "handlers", (Handler(name="n", program="/n", options={"NoPivotRoot": True}),), V1,
    ),
    (
        f'version = 3\n[{RUNTIME}.containerd.runtimes.g]\nruntime_type = "io.containerd.runsc.v1"\nruntime_path = "/g"\n[{RUNTIME}.containerd.runtimes.g.options]\nTypeUrl = "t"\n',
        "handlers", (Handler(name="g", kind="io.containerd.runsc.v1", program="/g", options={"TypeUrl": "t"}),), V2,
    ),
    ("version = 3\nunknown = 1\n[plugins.odd]\nx = 2\n", "root", "", "an unknown key is only logged"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "field", "value", "source"), SAID, ids=[f"{row[1]}={row[2]} {row[3]}" for row in SAID]
)
def test_each_setting_is_found_in_its_dialect(text: str, field: str, value: Any, source: str) -> None:
    """A setting is read from where containerd reads it."""
    assert getattr(containerd_read.settings(text), field) == value, source


def mirrors(table: str, *more: str) -> str:
    """Give a file of dialect 2 with this under `registry`, a dot for the table's name."""
    return "\n".join(["version = 2", *(line.replace("[.", f"[{CRI_2}.registry.") for line in (table, *more))])


HUB = Endpoint(url="https://registry-1.docker.io")
HUB_AT = Endpoint(url="https://m", override_path=False)
REGISTRIES: dict[str, tuple[str, tuple[Registry, ...]]] = {
    "nothing": ("version = 2\n", ()),
    "the default says nothing": (mirrors('[.mirrors."docker.io"]\nendpoint = ["https://registry-1.docker.io"]'), ()),
    "a mirror, and the registry after it": (
        mirrors('[.mirrors."docker.io"]\nendpoint = ["https://m"]'),
        (Registry(name="docker.io", server=HUB, mirrors=(Endpoint(url="https://m"),)),),
    ),
    "an address of the registry's own is not added again": (
        mirrors('[.mirrors."r:5000"]\nendpoint = ["https://m", "http://r:5000"]'),
        (Registry(name="r:5000", server=Endpoint(url="http://r:5000"), mirrors=(Endpoint(url="https://m"),)),),
    ),
    "no scheme": (
        mirrors('[.mirrors.r]\nendpoint = ["m:5000", "localhost:1"]'),
        (Registry(name="r", server=Endpoint(url="https://r"), mirrors=(Endpoint(url="https://m:5000"), Endpoint(url="http://localhost:1"))),),
    ),
    "a path is where the API is": (
        mirrors('[.mirrors.r]\nendpoint = ["https://m/v2", "https://m/p/v2/", "https://m/v2/p"]'),
        (
            Registry(
                name="r",
                server=Endpoint(url="https://r"),
                mirrors=(Endpoint(url="https://m"), Endpoint(url="https://m/p"), Endpoint(url="https://m/v2/p", override_path=True)),
            ),
        ),
    ),
    "for all registries": (
        mirrors('[.mirrors."*"]\nendpoint = ["https://m"]'),
        (Registry(name="*", server=Endpoint(url=""), mirrors=(Endpoint(url="https://m"),)),),
    ),
    "certificates of the registry": (
        mirrors('[.configs.r.tls]\nca_file = "/ca"\ncert_file = "/c"\nkey_file = "/k"'),
        (Registry(name="r", server=Endpoint(url="https://r", ca=("/ca",), clients=(("/c", "/k"),))),),
    ),
    "certificates of Docker's own": (
        mirrors('[.configs."registry-1.docker.io".tls]\nca_file = "/ca"'),
        (Registry(name="docker.io", server=HUB.model_copy(update={"ca": ("/ca",)})),),
    ),
    "certificates of a mirror, which is a registry too": (
        mirrors('[.mirrors.r]\nendpoint = ["https://m"]', "[.configs.m.tls]\ninsecure_skip_verify = true"),
        (
            Registry(name="r", server=Endpoint(url="https://r"), mirrors=(Endpoint(url="https://m", skip_verify=True),)),
            Registry(name="m", server=Endpoint(url="https://m", skip_verify=True)),
        ),
    ),
    "HTTPS and then HTTP": (
        mirrors('[.mirrors."r:1"]\nendpoint = ["https://r:1", "http://r:1"]', '[.configs."r:1".tls]\ninsecure_skip_verify = true'),
        (Registry(name="r:1", server=Endpoint(url="https://r:1", skip_verify=True, fallback_http=True)),),
    ),
    "a login alone": (mirrors('[.configs.r.auth]\nusername = "u"'), ()),
    "dialect 3": (
        f'version = 3\n[{IMAGES}.registry.mirrors.r]\nendpoint = ["https://m"]\n',
        (Registry(name="r", server=Endpoint(url="https://r"), mirrors=(Endpoint(url="https://m"),)),),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), REGISTRIES.values(), ids=REGISTRIES)
def test_mirrors_are_read_as_cri_reads_them(text: str, expected: tuple[Registry, ...]) -> None:
    """The same addresses in the same order (registryHosts and registryEndpoints, pkg/cri/server/image_pull.go v1.6.20)."""
    assert containerd_read.registries(text) == expected


@pytest.mark.parametrize(
    ("text", "off"),
    [
        ("", False),
        ('disabled_plugins = ["cri"]\n', True),
        ('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n', True),
        ('version = 3\ndisabled_plugins = ["io.containerd.cri.v1.images"]\n', True),
        ('disabled_plugins = ["aufs"]\n', False),
    ],
)
def test_cri_can_be_off(text: str, *, off: bool) -> None:
    """Any of CRI's names on the list switches it off."""
    assert containerd_read.disabled(text) is off


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = = 1\n", "config.toml is not TOML: .*line 1"),
        ("version = 5\n", "version = 5"),
        ('version = "2"\n', "version = 2"),
    ],
)
def test_what_is_no_configuration_is_refused(text: str, said: str) -> None:
    """The message names the file, and the line where the parser knows it."""
    with pytest.raises(ValueError, match=said):
        containerd_read.settings(text)


def test_imports_are_named() -> None:
    """Another file may say something else."""
    assert containerd_read.imports('version = 2\nimports = ["/etc/containerd/conf.d/*.toml"]\n') == (
        "/etc/containerd/conf.d/*.toml",
    )


ENDLESS: Mapping[str, Callable[[], object]] = {
    "parts of a key": lambda: containerd_read.load("a." * 500_000 + "b = 1"),
    "parts of a header": lambda: containerd_read.load("[" + '"a" . ' * 150_000 + "b]\n"),
    "words": lambda: containerd_read.load("a" * 1_000_000),
    "quotes": lambda: containerd_read.load("\"'" * 500_000),
    "short keys": lambda: containerd_read.load("a" + ".a" * 98 + " = 1\n" + ("# a" + ".a" * 98 + " x\n") * 5_000),
    "blanks behind a header": lambda: toml_order.grouped("[a]" + " " * 1_000_000 + "x\n"),
    "brackets": lambda: toml_order.grouped("[" + "] " * 500_000 + "x\n"),
    "number signs": lambda: [*toml_edit._comments("x = '" + "#" * 1_000_000 + "' # c")],  # noqa: SLF001 - where it stood
    "signs of comments": lambda: syntax.environment_file("A=1 " + "#" * 1_000_000 + "\n"),
}


@pytest.mark.parametrize("read", ENDLESS.values(), ids=ENDLESS)
def test_a_long_line_is_read_in_time(read: Callable[[], object]) -> None:
    """A file has at most 1 MiB, and may be made to take long."""
    started = time.process_time()

    with contextlib.suppress(ValueError):
        read()
    assert time.process_time() - started < 10


def test_a_key_has_an_end() -> None:
    """As many parts as any file has are read, a hundred are not."""
    assert containerd_read.load("a" + ".a" * 80 + " = 1")
    with pytest.raises(ValueError, match="more than 100 tables"):
        containerd_read.load("a" + ".a" * 100 + " = 1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("a = 1\n[b]\nc = 1\n[b.d]\n[e]\n", "a = 1\n[b]\nc = 1\n[b.d]\n[e]\n"),
        ("[b.d]\nx = 1\n[e]\n# of b\n[b]\n", "# of b\n[b]\n[b.d]\nx = 1\n[e]\n"),
        ("[a.b]\n[c]\n[a.d]", "[a.b]\n[a.d]\n[c]\n"),
        ("[[a]]\nx = 1\n[c]\n[[a]]\nx = 2\n", "[[a]]\nx = 1\n[[a]]\nx = 2\n[c]\n"),
        ('[b]\nx = """\n[a]\n"""\n[c]\n[b.d]\n', '[b]\nx = """\n[a]\n"""\n[b.d]\n[c]\n'),
        ("a = [\n[1],\n]\n", "a = [\n[1],\n]\n"),
    ],
)  # fmt: skip
def test_tables_of_a_family_come_together(text: str, expected: str) -> None:
    """Only the order changes, never what the file says; lines that only look like a header are none of it, or stop it."""
    assert toml_order.grouped(text) in {expected, text}
    if '"""' not in text:
        assert toml_order.grouped(text) == expected
