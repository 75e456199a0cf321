"""containerd's configuration: ours added, the user's kept, in the dialect that the release reads.

The settings and files here are given to real containerds too (tests/lab/test_0_parsers.py).
"""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.nodeconf.settings import Endpoint, Handler, Registry, RuntimeSettings
from migrator.runtimes import containerd
from migrator.runtimes.containerd import read as containerd_read
from tests.containerd_cases import (
    CRI,
    DEBIAN,
    FILES,
    IMAGES,
    LAYOUTS,
    MIRRORED,
    MIRRORS,
    PLAIN,
    RUNTIME,
    SETTINGS,
    TRANSFER,
    USERS,
    VERSIONS,
    at,
)

V1 = "pkg/cri/config/config.go v1.4.13 to v1.7.34"
V2 = "internal/cri/config/config.go v2.0.11 to v2.3.4"
SERVER = "server/config/config.go v1.4.13 to v2.3.4"

# field, value, first release, where it stands from there on (None: nowhere), and the source
PLACES = [
    ("cgroup_driver", "systemd", (1, 4), (*CRI, "containerd", "runtimes", "runc", "options", "SystemdCgroup", True), V1),
    ("cgroup_driver", "systemd", (2, 0), (*RUNTIME, "containerd", "runtimes", "runc", "options", "SystemdCgroup", True), V2),
    ("cgroup_driver", "cgroupfs", (1, 4), (*CRI, "containerd", "runtimes", "runc", "options", "SystemdCgroup", False), V1),
    ("cgroup_driver", "cgroupfs", (2, 0), (*RUNTIME, "containerd", "runtimes", "runc", "options", "SystemdCgroup", False), V2),
    ("pause_image", "p:1", (1, 4), (*CRI, "sandbox_image", "p:1"), V1),
    ("pause_image", "p:1", (2, 0), (*IMAGES, "pinned_images", "sandbox", "p:1"), "plugins/cri/images/plugin.go v2.0.11"),
    ("root", "/r", (1, 4), ("root", "/r"), SERVER),
    ("state", "/s", (1, 4), ("state", "/s"), SERVER),
    ("cni_bin_dirs", ("/a", "/b"), (1, 4), (*CRI, "cni", "bin_dir", "/a"), V1),
    ("cni_bin_dirs", ("/a", "/b"), (2, 0), (*RUNTIME, "cni", "bin_dir", "/a"), "internal/cri/config/config.go v2.0.11"),
    ("cni_bin_dirs", ("/a", "/b"), (2, 1), (*RUNTIME, "cni", "bin_dirs", ["/a", "/b"]), "internal/cri/config/config.go v2.1.9"),
    ("cni_conf_dir", "/n", (1, 4), (*CRI, "cni", "conf_dir", "/n"), V1),
    ("cni_conf_dir", "/n", (2, 0), (*RUNTIME, "cni", "conf_dir", "/n"), V2),
    *[
        ("storage", docker, first, (*place, "snapshotter", snapshotter), source)
        for docker, snapshotter in {"overlay2": "overlayfs", "btrfs": "btrfs", "zfs": "zfs", "devicemapper": "devmapper", "vfs": "native", "aufs": "overlayfs", "stargz": "stargz"}.items()
        for first, place, source in (((1, 4), (*CRI, "containerd"), V1), ((2, 0), IMAGES, V2))
    ],
    ("selinux", True, (1, 4), (*CRI, "enable_selinux", True), V1),
    ("selinux", True, (2, 0), (*RUNTIME, "enable_selinux", True), V2),
    ("unprivileged_ports", True, (1, 4), None, "no such key in v1.5.18"),
    ("unprivileged_ports", True, (1, 6), (*CRI, "enable_unprivileged_ports", True), "pkg/cri/config/config.go v1.6.39"),
    ("unprivileged_ports", True, (2, 0), None, "on by default: internal/cri/config/config_unix.go v2.0.11"),
    ("unprivileged_ping", True, (1, 4), None, "no such key in v1.5.18"),
    ("unprivileged_ping", True, (1, 6), (*CRI, "enable_unprivileged_icmp", True), "pkg/cri/config/config.go v1.6.39"),
    ("unprivileged_ping", True, (2, 0), None, "on by default: internal/cri/config/config_unix.go v2.0.11"),
    ("cdi", True, (1, 4), None, "no such key in v1.6.39"),
    ("cdi", True, (1, 7), (*CRI, "enable_cdi", True), "pkg/cri/config/config.go v1.7.34"),
    ("cdi", True, (2, 0), None, "on by default: internal/cri/config/config_unix.go v2.0.11"),
    ("cdi_folders", ("/c",), (1, 4), None, "no such key in v1.6.39"),
    ("cdi_folders", ("/c",), (1, 7), (*CRI, "cdi_spec_dirs", ["/c"]), "pkg/cri/config/config.go v1.7.34"),
    ("cdi_folders", ("/c",), (2, 0), (*RUNTIME, "cdi_spec_dirs", ["/c"]), V2),
    ("max_downloads", 7, (1, 4), (*CRI, "max_concurrent_downloads", 7), V1),
    ("max_downloads", 7, (2, 0), (*IMAGES, "max_concurrent_downloads", 7), "internal/cri/config/config.go v2.0.11"),
    ("max_downloads", 7, (2, 1), (*TRANSFER, "max_concurrent_downloads", 7), "CheckLocalImagePullConfigs v2.1.9"),
    ("log_level", "debug", (1, 4), ("debug", "level", "debug"), SERVER),
    ("log_format", "json", (1, 4), None, "services/server/config/config.go v1.4.13 has no format"),
    ("log_format", "json", (1, 5), ("debug", "format", "json"), "services/server/config/config.go v1.5.0"),
    ("metrics_address", "a:1", (1, 4), ("metrics", "address", "a:1"), SERVER),
]  # fmt: skip


def expectations() -> list[Any]:
    """Give one case for each release and setting."""
    cases = []
    for number, (field, value, first, place, source) in enumerate(PLACES):
        later = [row[2] for row in PLACES[number + 1 :] if row[:2] == (field, value)]
        for version in VERSIONS:
            if first <= version < min(later, default=(9, 9)):
                name = f"{version[0]}.{version[1]} {field}={value} ({source})"
                cases.append(pytest.param(version, field, value, place, id=name))
    return cases


@pytest.mark.parametrize(("version", "field", "value", "place"), expectations())
def test_each_setting_stands_where_this_release_reads_it(
    version: tuple[int, int], field: str, value: Any, place: tuple | None
) -> None:
    """A setting is in the release's own table, and nowhere at all when the release has no key for it."""
    base = RuntimeSettings(cgroup_driver="systemd")

    before = tomllib.loads(containerd.write("", base, version))
    after = tomllib.loads(containerd.write("", base.model_copy(update={field: value}), version))

    if place is None:
        assert after == before
    else:
        assert at(after, *place[:-1]) == place[-1]
    assert after["version"] == (2 if version < (2, 0) else 3)


@pytest.mark.parametrize("version", [(1, 4), (1, 7), (2, 0), (2, 2)], ids=str)
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("existing", FILES.values(), ids=FILES)
def test_every_file_takes_every_setting(existing: str, settings: RuntimeSettings, version: tuple[int, int]) -> None:
    """Whatever file is there, CRI is on, our settings are read back, and writing again changes nothing."""
    text = containerd.write(existing, settings, version)

    assert not containerd_read.disabled(text)
    assert containerd.write(text, settings, version) == text
    found = containerd_read.settings(text)
    lacking = {*containerd.unsupported(settings, version), "registries", "handlers", "cni_bin_dirs"}
    if version >= (2, 0):
        lacking |= {"unprivileged_ports", "unprivileged_ping", "cdi"}  # on unless the file says otherwise
    for field in RuntimeSettings.model_fields:
        wanted = getattr(settings, field)
        if wanted and field not in lacking:
            assert getattr(found, field) == wanted, field
    assert all(handler in found.handlers for handler in settings.handlers)


@pytest.mark.parametrize("version", VERSIONS, ids=str)
@pytest.mark.parametrize("driver", ["systemd", "cgroupfs"])
def test_every_handler_of_runcs_kind_has_the_cgroup_driver(driver: str, version: tuple[int, int]) -> None:
    """A pod of any handler must find its cgroup: ours, the user's, and runc (internal/cri/opts getCgroupsPath)."""
    settings = SETTINGS["handlers"].model_copy(update={"cgroup_driver": driver})

    document = tomllib.loads(containerd.write(USERS, settings, version))

    runtimes = at(document, *(CRI if version < (2, 0) else RUNTIME), "containerd", "runtimes")
    said = {name: at(runtime, "options", "SystemdCgroup") for name, runtime in runtimes.items()}
    assert said == {
        "runc": driver == "systemd",
        "crun": driver == "systemd",
        "nvidia": driver == "systemd",
        "kata": None,
    }


@pytest.mark.parametrize("version", [(1, 5), (1, 7), (2, 0), (2, 3)], ids=str)
def test_mirrors_give_way_to_hosts_toml(version: tuple[int, int]) -> None:
    """`config_path` beside `mirrors` or `configs.*.tls` stops CRI (pkg/cri/config/config.go v1.5.18 on); logins stay."""
    text = containerd.write(MIRRORS, PLAIN, version)

    registry = at(tomllib.loads(text), *(CRI if version < (2, 0) else IMAGES), "registry")
    assert registry == {
        "configs": {"hub.example": {"auth": {"username": "user"}}},
        "config_path": "/etc/containerd/certs.d" + (":/etc/docker/certs.d" if version >= (2, 2) else ""),
    }
    assert containerd_read.registries(text) == ()
    assert containerd.credentials(text)


def test_1_4_has_mirrors_in_the_file() -> None:
    """Containerd 1.4 has no `config_path` (vendor/github.com/containerd/cri/pkg/config/config.go v1.4.13)."""
    text = containerd.write(DEBIAN, SETTINGS["registries"], (1, 4))

    assert at(tomllib.loads(text), *CRI, "registry") == {
        "mirrors": {
            "docker.io": {"endpoint": ["https://mirror.example:5000/hub/v2", "http://plain.example", "https://registry-1.docker.io"]},
            "lab.example:5000": {"endpoint": ["https://lab.example:5000", "http://lab.example:5000"]},
            "signed.example": {"endpoint": ["https://signed.example"]},
        },
        "configs": {
            "mirror.example:5000": {"tls": {"ca_file": "/etc/docker/certs.d/mirror.example:5000/ca.crt"}},
            "lab.example:5000": {"tls": {"insecure_skip_verify": True}},
            "signed.example": {"tls": {"cert_file": "/etc/docker/certs.d/signed.example/client.cert", "key_file": "/etc/docker/certs.d/signed.example/client.key"}},
        },
    }  # fmt: skip


@pytest.mark.parametrize("version", [(1, 5), (1, 7), (2, 1), (2, 3)], ids=str)
def test_a_users_own_folder_for_hosts_is_kept(version: tuple[int, int]) -> None:
    """The user's `config_path` stays, and its first folder is where hosts.toml files belong."""
    existing = (
        'version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = "/srv/certs:/etc/docker/certs.d"\n'
    )

    text = containerd.write(existing, SETTINGS["registries"], version)

    assert "/srv/certs:/etc/docker/certs.d" in text
    assert containerd.certs_folder(existing) == containerd.certs_folder(text) == "/srv/certs"
    assert containerd.certs_folder("") == "/etc/containerd/certs.d"


@pytest.mark.parametrize(
    ("existing", "version", "expected"),
    [
        ('disabled_plugins = ["cri"]\n', (1, 6), []),
        ('disabled_plugins = ["cri", "aufs", "zfs"]\n', (1, 7), ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.zfs"]),
        ('disabled_plugins = ["cri", "restart"]\n', (2, 1), ["io.containerd.internal.v1.restart"]),
        ('version = 2\ndisabled_plugins = ["cri"]\n', (1, 6), []),
        ('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri", "io.x.y.z"]\n', (1, 6), ["io.x.y.z"]),
        ('version = 3\ndisabled_plugins = ["io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"]\n', (2, 0), []),
        ('version = 4\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n', (2, 3), []),
    ],
)  # fmt: skip
def test_only_cri_is_switched_on(existing: str, version: tuple[int, int], expected: list[str]) -> None:
    """CRI comes off the list by any of its names; others stay, by full name (v1MigratePluginName v2.3.4)."""
    text = containerd.write(
        existing + 'required_plugins = ["io.containerd.a.v1.b"]\n' * ("version" in existing), PLAIN, version
    )

    assert tomllib.loads(text).get("disabled_plugins") == expected
    assert ("required_plugins" in text) == ("version" in existing)


def test_dialect_4_keeps_its_own_tables() -> None:
    """Metrics moved to a plugin, level and format of the log did not (serviceMigrate v2.3.4)."""
    text = containerd.write("version = 4\n", SETTINGS["for operators"], (2, 3))

    document = tomllib.loads(text)
    assert document["version"] == 4
    assert at(document, "plugins", "io.containerd.server.v1.metrics", "address") == "127.0.0.1:1338"
    assert document["debug"] == {"level": "debug", "format": "json"}


@pytest.mark.parametrize("version", [(1, 5), (1, 6), (1, 7), (2, 1), (2, 3)], ids=str)
def test_every_handler_starts_from_the_base_specification(version: tuple[int, int]) -> None:
    """Limits hold for pods of every handler (pkg/cri/server/container_create_linux.go v1.5.0 on)."""
    text = containerd.write(USERS, SETTINGS["handlers"], version, spec="/etc/containerd/spec.json")

    runtimes = at(tomllib.loads(text), *(CRI if version < (2, 0) else RUNTIME), "containerd", "runtimes")
    assert {runtime["base_runtime_spec"] for runtime in runtimes.values()} == {"/etc/containerd/spec.json"}


@pytest.mark.parametrize("key", ["enable_unprivileged_ports", "enable_unprivileged_icmp", "enable_cdi"])
def test_a_switch_that_is_off_in_the_file_is_turned_on(key: str) -> None:
    """Where the default is on, only a file that says otherwise has to change (config_unix.go v2.0.11)."""
    existing = f'version = 3\n[plugins."io.containerd.cri.v1.runtime"]\n{key} = false\n'

    assert at(tomllib.loads(containerd.write(existing, SETTINGS["what pods may"], (2, 1))), *RUNTIME, key) is True
    assert at(tomllib.loads(containerd.write(existing, PLAIN, (2, 1))), *RUNTIME, key) is False


@pytest.mark.parametrize(
    ("existing", "version", "place"),
    [
        ('version = 3\n[plugins."io.containerd.cri.v1.runtime".cni]\nbin_dir = "/old"\n', (2, 1), (*RUNTIME, "cni", "bin_dir")),
        ('version = 3\n[plugins."io.containerd.cri.v1.images"]\nmax_concurrent_downloads = 9\n', (2, 1), (*IMAGES, "max_concurrent_downloads")),
        ('version = 2\n[plugins."io.containerd.grpc.v1.cri"]\nsystemd_cgroup = true\n', (1, 6), (*CRI, "systemd_cgroup")),
    ],
)  # fmt: skip
def test_a_key_that_contradicts_ours_goes(existing: str, version: tuple[int, int], place: tuple) -> None:
    """Both CNI keys, or the old cgroup switch, stop CRI; the old limit would turn the transfer service off."""
    document = tomllib.loads(containerd.write(existing, SETTINGS["for operators"], version))

    assert at(document, *place) is None


def test_the_runtime_before_runcs_own_becomes_runcs() -> None:
    """`io.containerd.runtime.v1.linux` has no cgroup option; its two keys have names of runc's (v1.4.13 Validate)."""
    table = 'plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc'
    existing = (
        f'version = 2\n[{table}]\nruntime_type = "io.containerd.runtime.v1.linux"\nruntime_engine = "/usr/bin/crun"\n'
    )

    document = tomllib.loads(containerd.write(existing, PLAIN, (1, 6)))

    assert at(document, *CRI, "containerd", "runtimes", "runc") == {
        "runtime_type": "io.containerd.runc.v2",
        "options": {"BinaryName": "/usr/bin/crun", "SystemdCgroup": True},
    }


def test_a_shims_program_has_a_key_of_its_own() -> None:
    """A type other than runc's is told its shim's path from 1.6 on (`runtime_path`, pkg/cri/config/config.go v1.6.39)."""
    handler = Handler(name="gvisor", kind="io.containerd.runsc.v1", program="/usr/bin/containerd-shim-runsc-v1")
    settings = PLAIN.model_copy(update={"handlers": (handler,)})

    assert containerd_read.settings(containerd.write("", settings, (1, 6))).handlers == (handler,)
    with pytest.raises(ValueError, match="before containerd 1.6"):
        containerd.write("", settings, (1, 5))


TWO_AUTHORITIES = Registry(name="r", server=Endpoint(url="https://r", ca=("/a.crt", "/b.crt")))
OWN_SPEC = (
    'version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]\nbase_runtime_spec = "/own.json"\n'
)
REFUSED = {
    "no TOML": ("a = = 1", PLAIN, (1, 6), "", r"/etc/containerd/config.toml is not TOML: .*line 1"),
    "dialect 3 on 1.x": ("version = 3\n", PLAIN, (1, 7), "", "dialect 3.*containerd 1.7 cannot read"),
    "dialect 4 on 2.2": ("version = 4\n", PLAIN, (2, 2), "", "dialect 4.*containerd 2.2 cannot read"),
    "no dialect": ("version = 9\n", PLAIN, (2, 3), "", "has `version = 9`"),
    "dialect 1 with plugins": ("[plugins.cri]\nsandbox_image = 'x'\n", PLAIN, (1, 6), "", r"dialect 1.*\['plugins'\]"),
    "dialect 1 with imports": ("imports = ['/x']\n", PLAIN, (2, 1), "", r"dialect 1.*\['imports'\].*dialect 3"),
    "dialect 1 with a plugin of unknown name": ("disabled_plugins = ['cri', 'odd']\n", PLAIN, (1, 6), "", r"\['odd'\]"),
    "a value for a table": ("version = 2\nplugins = 1\n", PLAIN, (1, 6), "", "table `plugins` is needed"),
    "no such handler": ("", PLAIN.model_copy(update={"default_handler": "kata"}), (1, 6), "", "default handler 'kata'"),
    "limits on 1.4": ("", PLAIN, (1, 4), "/s.json", "before containerd 1.5"),
    "a base specification of the user's": (OWN_SPEC, PLAIN, (1, 6), "/s.json", "its own, /own.json"),
    "two authorities on 1.4": ("", PLAIN.model_copy(update={"registries": (TWO_AUTHORITIES,)}), (1, 4), "", "one file of authorities"),
    "cgroups are off": ('version = 2\n[plugins."io.containerd.grpc.v1.cri"]\ndisable_cgroup = true\n', PLAIN, (2, 0), "", "no longer know `disable_cgroup`"),
    "an untrusted runtime": ('version = 2\n[plugins."io.containerd.grpc.v1.cri".containerd.untrusted_workload_runtime]\nruntime_type = "x"\n', PLAIN, (2, 0), "", "untrusted_workload_runtime"),
}  # fmt: skip


@pytest.mark.parametrize(("existing", "settings", "version", "spec", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_carried_is_refused(
    existing: str, settings: RuntimeSettings, version: tuple[int, int], spec: str, said: str
) -> None:
    """One message that names the file and what is wrong in it, instead of a file without effect."""
    with pytest.raises(ValueError, match=f"^{containerd.CONFIG}.*{said}" if not said.startswith("/") else said):
        containerd.write(existing, settings, version, spec=spec)


@pytest.mark.parametrize(
    ("field", "value", "version", "named"),
    [
        ("unprivileged_ports", True, (1, 5), True),
        ("unprivileged_ports", True, (2, 1), False),
        ("cdi", True, (1, 6), True),
        ("log_format", "json", (1, 4), True),
        ("ulimits", {"nofile": "1:2"}, (1, 4), True),
        ("ulimits", {"nofile": "1:2"}, (1, 5), False),
        ("cni_bin_dirs", ("/a", "/b"), (2, 0), True),
        ("cni_bin_dirs", ("/a", "/b"), (2, 1), False),
        ("seccomp_profile", "/p.json", (2, 3), True),
    ],
)
def test_what_a_release_cannot_be_told_is_named(
    field: str, value: Any, version: tuple[int, int], *, named: bool
) -> None:
    """No setting is dropped silently."""
    assert containerd.unsupported(PLAIN.model_copy(update={field: value}), version) == ((field,) if named else ())


def test_credentials_are_seen() -> None:
    """A registry password anywhere in the file is noticed."""
    text = '[plugins."io.containerd.grpc.v1.cri".registry.configs."r".auth]\npassword = "x"\n'

    assert containerd.credentials(text)
    assert not containerd.credentials(DEBIAN)
    assert not containerd.credentials("broken = [")


NAMES = st.text(alphabet="abcdefgh-", min_size=1, max_size=8).filter(lambda name: name != "runc")
PATHS = st.text(alphabet='abc/._ é"\\#', max_size=8).map(lambda text: f"/{text}")
HANDLERS = st.builds(
    Handler,
    name=NAMES,
    program=st.just("") | PATHS,
    kind=st.sampled_from(["io.containerd.runc.v2", "io.containerd.kata.v2"]),
    options=st.dictionaries(
        st.sampled_from(["Root", "IoUid", "NoNewKeyring"]), PATHS | st.integers(1, 9) | st.just(value=True)
    ),
)
ANY = st.builds(
    RuntimeSettings,
    cgroup_driver=st.sampled_from(["systemd", "cgroupfs"]),
    cni_bin_dirs=PATHS.map(lambda path: (path,)),
    cni_conf_dir=PATHS,
    pause_image=st.just("") | PATHS,
    root=st.just("") | PATHS,
    state=st.just("") | PATHS,
    storage=st.sampled_from(["", "overlay2", "btrfs", "vfs", "devicemapper", "zfs"]),
    handlers=st.lists(HANDLERS, max_size=3, unique_by=lambda handler: handler.name).map(tuple),
    registries=st.just(()) | st.just(MIRRORED),
    selinux=st.booleans(),
    unprivileged_ports=st.booleans(),
    max_downloads=st.integers(0, 9),
    log_level=st.sampled_from(["", "debug"]),
    metrics_address=st.sampled_from(["", "127.0.0.1:1"]),
)


@given(settings=ANY, version=st.sampled_from([version for version in VERSIONS if version >= (1, 6)]))
def test_reading_gives_back_what_was_written(settings: RuntimeSettings, version: tuple[int, int]) -> None:
    """The reader and the writer agree on every setting that the release has a key for."""
    found = containerd_read.settings(containerd.write("", settings, version))

    other_places = {"registries": (), "unprivileged_ports": settings.unprivileged_ports and version < (2, 0)}
    assert found == settings.model_copy(update=other_places)


@given(settings=ANY, existing=st.sampled_from(list(FILES.values())), version=st.sampled_from(VERSIONS[2:]))
def test_writing_twice_changes_nothing(settings: RuntimeSettings, existing: str, version: tuple[int, int]) -> None:
    """What was written once is right, on any file."""
    once = containerd.write(existing, settings, version)

    assert containerd.write(once, settings, version) == once


@pytest.mark.parametrize("version", [(1, 4), (1, 6), (2, 1)], ids=str)
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("existing", LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_takes_every_setting(existing: str, settings: RuntimeSettings, version: tuple[int, int]) -> None:
    """However the tables are spread: the settings are in it, and what the user has said too."""
    text = containerd.write(existing, settings, version)

    assert containerd.write(text, settings, version) == text
    assert containerd_read.settings(text).cgroup_driver == settings.cgroup_driver
    before, after = containerd_read.load(existing), containerd_read.load(text)
    assert {key: value for key, value in before.items() if key not in {"version", "plugins"}}.items() <= after.items()
    handlers = {*containerd_read.tables(before), "runc"}
    assert handlers <= {*containerd_read.tables(after)}
    assert at(before, *CRI, "cni", "bin_dir") is None or "bin_dir" in text


def test_a_layout_that_cannot_be_edited_is_written_anew() -> None:
    """With a word about it, and the comments at the head; an ordinary one is changed where it stands."""
    anew = containerd.write(LAYOUTS["a handler with dots"], PLAIN, (1, 6))
    edited = containerd.write(LAYOUTS["comments behind headers"], PLAIN, (1, 6))

    assert anew.startswith("# Written anew by migrator")
    assert "\n# as the vendor says\n" in anew
    assert "Written anew" not in edited
    assert "runtimes.runc] # the handler\n" in edited
    assert "containerd] # all of it\n" in edited


def test_a_file_that_would_lose_something_is_not_written() -> None:
    """Whatever the editor makes of an odd file: what was written is read again and compared with what was meant."""
    plain, prove = RuntimeSettings(cgroup_driver="systemd"), containerd._prove  # noqa: SLF001 - no file is known that needs it
    text = containerd.write("", plain, (1, 6))
    read = containerd_read.load(text)
    kata = plain.model_copy(update={"handlers": (Handler(name="kata", program="/bin/kata"),)})

    prove(text, read, plain, (1, 6))
    with pytest.raises(ValueError, match="cannot be edited safely"):
        prove(text, {**read, "root": "/data"}, plain, (1, 6))
    with pytest.raises(ValueError, match="would say cgroup_driver='systemd' instead of 'cgroupfs'"):
        prove(text, read, plain.model_copy(update={"cgroup_driver": "cgroupfs"}), (1, 6))
    with pytest.raises(ValueError, match="would give the handler 'kata' another program than /bin/kata"):
        prove(text, read, kata, (1, 6))
