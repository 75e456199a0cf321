"""CRI-O's drop-in, by version, and CRI-O's configuration read back."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.nodeconf.settings import Handler, RuntimeSettings
from migrator.runtimes import crio
from migrator.runtimes.crio import in_force
from migrator.runtimes.crio import read as crio_read
from migrator.versions import Version

VERSIONS: list[Version] = [(1, minor) for minor in (20, 22, 23, 24, 28, 30, 31, 34, 36)]
DOCKER_CAPABILITIES = {"CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"}  # fmt: skip
NVIDIA = Handler(name="nvidia", program="/usr/bin/nvidia-container-runtime")
RUNC = Handler(name="runc", program="/usr/bin/runc")
FULL = RuntimeSettings(
    cgroup_driver="cgroupfs",
    cni_bin_dirs=("/opt/cni/bin", "/usr/lib/cni"),
    cni_conf_dir="/etc/cni/other.d",
    pause_image="registry.example/pause:3.9",
    root="/data/containers",
    state="/run/other",
    storage="overlay2",
    storage_options=("overlay2.size=10G", "overlay2.mountopt=nodev,metacopy=on"),
    default_handler="nvidia",
    handlers=(NVIDIA, Handler(name="kata", program="/usr/bin/containerd-shim-kata-v2", kind="io.containerd.kata.v2")),
    ulimits={"nofile": "1024:1048576", "memlock": "-1:-1"},
    seccomp_profile="/etc/docker/seccomp.json",
    selinux=True,
    unprivileged_ports=True,
    unprivileged_ping=True,
    log_level="debug",
    metrics_address="127.0.0.1:9323",
    cdi_folders=("/etc/cdi", "/run/cdi"),
    cdi=True,
)


def plain(**changes: Any) -> RuntimeSettings:
    """Give the least settings, with changes."""
    return RuntimeSettings.model_validate({"cgroup_driver": "systemd", **changes})


def written(settings: RuntimeSettings, version: Version = (1, 36), *, effective: str = "") -> dict[str, Any]:
    """Give the table `crio` of the one file that is written."""
    (file,) = crio.write(settings, version, effective=effective)
    assert file.path == "/etc/crio/crio.conf.d/20-migrator.conf"
    table: dict[str, Any] = tomllib.loads(file.content)["crio"]
    return table


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_every_pod_runs_as_it_did(version: Version) -> None:
    """Whatever the version: Docker's capabilities, no limit of processes, and no profile where none was asked for."""
    runtime = written(plain(), version)["runtime"]

    assert set(runtime["default_capabilities"]) == DOCKER_CAPABILITIES
    assert runtime.get("pids_limit", "the default") == (-1 if version < (1, 29) else "the default")
    unset = runtime.get("seccomp_use_default_when_empty", "the default")
    assert unset == (False if (1, 24) <= version <= (1, 29) else "the default")
    assert runtime["selinux"] is False
    assert runtime["cgroup_manager"] == "systemd"
    assert "conmon_cgroup" not in runtime


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_cgroupfs_has_the_monitor_that_goes_with_it(version: Version) -> None:
    """With cgroupfs every runtime's monitor is in the pod's cgroup, also of runtimes that the package brought."""
    runtime = written(plain(cgroup_driver="cgroupfs"), version)["runtime"]

    assert (runtime["cgroup_manager"], runtime["conmon_cgroup"]) == ("cgroupfs", "pod")
    assert "runtimes" not in runtime


@pytest.mark.parametrize("version", VERSIONS, ids=str)
def test_what_is_written_is_read_back(version: Version) -> None:
    """A version that has a key for everything gives every setting back, an older one all but those it has no key for."""
    missing = {"cdi_folders": (), "cdi": False} if version < (1, 24) else {}
    missing |= {"metrics_address": ""} if version < (1, 30) else {}

    expected = FULL.model_copy(
        update={**missing, "handlers": tuple(sorted(FULL.handlers, key=lambda handler: handler.name))}
    )

    files = crio.write(FULL, version)

    assert crio_read.settings("", [file.content for file in files]) == expected
    assert set(crio.left_out(FULL, version)) == set(missing) - {"cdi"}


# case: settings, version, table, key, value; None for a key that must not be there
KEYS: dict[str, tuple[dict[str, Any], Version, str, str, Any]] = {
    "folders of plugins": ({"cni_bin_dirs": ["/a", "/b"]}, (1, 20), "network", "plugin_dirs", ["/a", "/b"]),
    "folder of network configurations": ({"cni_conf_dir": "/c"}, (1, 20), "network", "network_dir", "/c"),
    "pause image": ({"pause_image": "p:1"}, (1, 20), "image", "pause_image", "p:1"),
    "no pause image": ({}, (1, 20), "image", "pause_image", None),
    "limits are sorted": (
        {"ulimits": {"nofile": "1:2", "core": "-1:-1"}},
        (1, 24),
        "runtime",
        "default_ulimits",
        ["core=-1:-1", "nofile=1:2"],
    ),
    "one number is both limits": ({"ulimits": {"nofile": "5"}}, (1, 24), "runtime", "default_ulimits", ["nofile=5:5"]),
    "ports": (
        {"unprivileged_ports": True},
        (1, 22),
        "runtime",
        "default_sysctls",
        ["net.ipv4.ip_unprivileged_port_start=0"],
    ),
    "ping": (
        {"unprivileged_ping": True},
        (1, 22),
        "runtime",
        "default_sysctls",
        ["net.ipv4.ping_group_range=0 2147483647"],
    ),
    "no sysctls": ({}, (1, 22), "runtime", "default_sysctls", None),
    "seccomp profile": ({"seccomp_profile": "/s.json"}, (1, 31), "runtime", "seccomp_profile", "/s.json"),
    "SELinux": ({"selinux": True}, (1, 31), "runtime", "selinux", True),
    "log level": ({"log_level": "warn"}, (1, 31), "runtime", "log_level", "warn"),
    "CDI": ({"cdi_folders": ["/etc/cdi"]}, (1, 24), "runtime", "cdi_spec_dirs", ["/etc/cdi"]),
    "CDI before it was known": ({"cdi_folders": ["/etc/cdi"]}, (1, 23), "runtime", "cdi_spec_dirs", None),
    "metrics of one address": ({"metrics_address": "[::1]:9323"}, (1, 30), "metrics", "metrics_host", "::1"),
    "metrics of one address, before": ({"metrics_address": "127.0.0.1:9323"}, (1, 28), "metrics", "metrics_port", None),
    "metrics everywhere": ({"metrics_address": "0.0.0.0:9323"}, (1, 28), "metrics", "metrics_port", 9323),
    "metrics everywhere have no key": ({"metrics_address": ":9323"}, (1, 28), "metrics", "metrics_host", None),
    "a driver that is gone": ({"storage": "aufs"}, (1, 28), "", "storage_driver", None),
    "another driver": ({"storage": "zfs"}, (1, 28), "", "storage_driver", "zfs"),
    "options of a driver that is gone": (
        {"storage_options": ["dm.basesize=1G", "overlay2.override_kernel_check=1", "overlay2.size=2G"]},
        (1, 28),
        "",
        "storage_option",
        ["overlay.size=2G"],
    ),
}


@pytest.mark.parametrize(("changes", "version", "table", "key", "value"), KEYS.values(), ids=KEYS)
def test_a_setting_has_its_key(changes: dict[str, Any], version: Version, table: str, key: str, value: Any) -> None:
    """Each setting stands under CRI-O's name for it, and is missing where the version has none."""
    crio_table = written(plain(**changes), version)
    found = crio_table.get(table, {}) if table else crio_table

    assert found.get(key) == value


# case: settings, version, what `crio config` prints, tables of runtimes
RUNTIMES: dict[str, tuple[dict[str, Any], Version, str, dict[str, Any]]] = {
    "one of our own, with the package's monitor": (
        {"handlers": [NVIDIA]},
        (1, 36),
        "",
        {"nvidia": {"runtime_path": NVIDIA.program, "runtime_type": "oci", "monitor_path": "/usr/libexec/crio/conmon"}},
    ),
    "an old package has its monitor in the path": (
        {"handlers": [NVIDIA]},
        (1, 24),
        "",
        {"nvidia": {"runtime_path": NVIDIA.program, "runtime_type": "oci"}},
    ),
    "what is installed knows better": (
        {"handlers": [NVIDIA]},
        (1, 36),
        '[crio.runtime.runtimes.crun]\nmonitor_path = "/opt/conmon"\n',
        {"nvidia": {"runtime_path": NVIDIA.program, "runtime_type": "oci", "monitor_path": "/opt/conmon"}},
    ),
    "what is installed has it in the path": (
        {"handlers": [NVIDIA]},
        (1, 36),
        "[crio.runtime]\n",
        {"nvidia": {"runtime_path": NVIDIA.program, "runtime_type": "oci"}},
    ),
    "the package's own entry is not hidden": ({"handlers": [{"name": "runc"}]}, (1, 36), "", {}),
    "a runtime that no package brings": (
        {"handlers": [{"name": "crun"}]},
        (1, 24),
        "",
        {"crun": {"runtime_path": "", "runtime_type": "oci"}},
    ),
    "a virtual machine": (
        {"handlers": [FULL.handlers[1]]},
        (1, 24),
        "",
        {"kata": {"runtime_path": "/usr/bin/containerd-shim-kata-v2", "runtime_type": "vm"}},
    ),
    "a type that CRI-O has not": ({"handlers": [{"name": "x", "kind": "io.containerd.runsc.v1"}]}, (1, 36), "", {}),
    "a name with a dot": (
        {"handlers": [{"name": "a.b", "program": "/x"}]},
        (1, 24),
        "",
        {"a.b": {"runtime_path": "/x", "runtime_type": "oci"}},
    ),
}


@pytest.mark.parametrize(("changes", "version", "effective", "tables"), RUNTIMES.values(), ids=RUNTIMES)
def test_runtimes(changes: dict[str, Any], version: Version, effective: str, tables: dict[str, Any]) -> None:
    """A runtime gets an entry of its own with all that CRI-O needs to start it, unless CRI-O knows it already."""
    assert written(plain(**changes), version, effective=effective)["runtime"].get("runtimes", {}) == tables


@pytest.mark.parametrize(("version", "files"), [((1, 25), 2), ((1, 26), 1)], ids=str)
def test_runc_beside_another_default(version: Version, files: int) -> None:
    """CRI-O before 1.26 forgets runc's entry in a file that names another default, so that it stands in one of its own."""
    settings = plain(default_handler="nvidia", handlers=(NVIDIA, RUNC))

    found = crio.write(settings, version)

    assert len(found) == files
    assert ("runtimes.runc]" in found[0].content) == (files == 1)
    assert set(tomllib.loads(found[-1].content)["crio"]["runtime"]["runtimes"]) >= {"runc"}


@pytest.mark.parametrize("default", ["", "runc"])
def test_runc_as_the_default_is_forgotten_by_nobody(default: str) -> None:
    """One file has all."""
    (found,) = crio.write(plain(default_handler=default, handlers=(NVIDIA, RUNC)), (1, 25))

    assert set(tomllib.loads(found.content)["crio"]["runtime"]["runtimes"]) == {"nvidia", "runc"}


@pytest.mark.parametrize(
    ("default", "version"), [("runc", (1, 20)), ("runc", (1, 31)), ("crun", (1, 28)), ("crun", (1, 36))], ids=str
)
def test_a_default_that_crio_brings(default: str, version: Version) -> None:
    """A default runtime that CRI-O or its package knows needs no entry of ours."""
    assert written(plain(default_handler=default), version)["runtime"]["default_runtime"] == default


# case: settings, a part of the message
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown cgroup driver": ({"cgroup_driver": "none"}, "cgroup driver 'none'"),
    "default without a program": ({"default_handler": "nvidia"}, "default runtime 'nvidia' has no program"),
    "program without a folder": ({"handlers": [{"name": "x", "program": "x"}]}, "not an absolute path"),
    "program that climbs": ({"handlers": [{"name": "x", "program": "/a/../b"}]}, "not an absolute path"),
    "runtime without a name": ({"handlers": [{"name": "", "program": "/x"}]}, "no name for a runtime"),
    "runtime with a line break": ({"handlers": [{"name": "x]\n[y", "program": "/x"}]}, "no name for a runtime"),
    "a runtime twice": ({"handlers": [NVIDIA, NVIDIA]}, "'nvidia' is described twice"),
    "no ulimit": ({"ulimits": {"files": "1:1"}}, "'files' is no ulimit"),
    "a ulimit that CRI-O has not": ({"ulimits": {"as": "1:1"}}, "CRI-O has no such limit"),
    "infinite files": ({"ulimits": {"nofile": "-1:-1"}}, "cannot be infinite"),
    "soft above hard": ({"ulimits": {"nofile": "2:1"}}, "above the hard one"),
    "log level": ({"log_level": "loud"}, "log level 'loud'"),
    "seccomp profile": ({"seccomp_profile": "builtin"}, "'builtin', which is not an absolute path"),
    "data folder with a line break": ({"root": "/a\nb"}, "not an absolute path"),
    "metrics": ({"metrics_address": "9323"}, "metrics address '9323'"),
    "port of metrics": ({"metrics_address": ":0"}, "metrics address ':0'"),
}


@pytest.mark.parametrize(("changes", "message"), REFUSED.values(), ids=REFUSED)
@pytest.mark.parametrize("version", [(1, 20), (1, 36)], ids=str)
def test_what_crio_would_refuse_is_refused(changes: dict[str, Any], message: str, version: Version) -> None:
    """A value that CRI-O would not start with is refused with its name, before anything is written."""
    with pytest.raises(ValueError, match=message):
        crio.write(plain(**changes), version)


def test_an_older_crio_is_refused() -> None:
    """Of a version whose keys nobody looked up nothing is written."""
    with pytest.raises(ValueError, match="1.19 is too old"):
        crio.write(plain(), (1, 19))


def test_broken_output_of_crio_is_refused() -> None:
    """What `crio config` prints is read as TOML or not at all."""
    with pytest.raises(ValueError, match="crio config"):
        crio.write(plain(), (1, 36), effective="[crio.runtime]\nruntimes = 3\n")


HOSTILE = [
    '"',
    '\\"',
    "'''",
    "a\n[crio.api]\nlisten = 1",
    "{{ 7 * 7 }}",
    "{% raw %}",
    "$(id)",
    "../x",
    "%s",
    "\x7f",
    "#",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_values_stay_values(text: str) -> None:
    """A value comes out as it went in, and adds no key and no table."""
    (file,) = crio.write(
        plain(pause_image=text, default_handler="x", handlers=(Handler(name="x", program="/x"),)), (1, 36)
    )
    (usual,) = crio.write(
        plain(pause_image="p", default_handler="x", handlers=(Handler(name="x", program="/x"),)), (1, 36)
    )
    found, expected = tomllib.loads(file.content), tomllib.loads(usual.content)

    assert found["crio"]["image"].pop("pause_image") == text
    expected["crio"]["image"].pop("pause_image")
    assert found == expected


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1))
def test_any_name_of_a_runtime_is_one_table(name: str) -> None:
    """A runtime's name makes one table of exactly that name."""
    tables = written(plain(handlers=(Handler(name=name, program="/x"),)), (1, 24))["runtime"]["runtimes"]

    assert list(tables) == [name]


@given(st.text())
def test_any_text_of_crio_is_read_or_refused(text: str) -> None:
    """Reading ends with settings or with a ValueError, whatever the text."""
    try:
        crio_read.settings(text)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - any message will do


# case: what `crio config` prints, drop-ins, what differs from a CRI-O that was told nothing
READ: dict[str, tuple[str, list[str], dict[str, Any]]] = {
    "nothing said": ("", [], {}),
    "defaults stand in comments": ('[crio]\n# root = "/var/lib/containers/storage"\n# cgroup_manager = "cgroupfs"\n', [], {}),
    "1.20 has its folders in comments": (
        '[crio]\n#root = "/data"\n#runroot = "/run/containers/storage"\n#storage_driver = "overlay"\n',
        [],
        {"root": "/data"},
    ),
    "a folder that is said and is the usual one": ('[crio]\nroot = "/var/lib/containers/storage"\n', [], {}),
    "folders lose their last slash": (
        '[crio.network]\nnetwork_dir = "/etc/cni/net.d/"\nplugin_dirs = ["/opt/cni/bin/", "/x/"]\n',
        [],
        {"cni_bin_dirs": ("/opt/cni/bin", "/x")},
    ),
    "the root folder stays itself": ('[crio.network]\nplugin_dirs = ["/"]\n', [], {"cni_bin_dirs": ("/",)}),
    "the old key of the plugins counts too": (
        '[crio.network]\nplugin_dir = "/old"\n',
        [],
        {"cni_bin_dirs": ("/opt/cni/bin", "/old")},
    ),
    "a later drop-in wins": (
        '[crio.image]\npause_image = "a"\n[crio.runtime]\nselinux = true\n',
        ['[crio.image]\npause_image = "b"\n', '[crio.image]\npause_image = "c"\n'],
        {"pause_image": "c", "selinux": True},
    ),
    "a runtime's entry is replaced whole": (
        '[crio.runtime.runtimes.x]\nruntime_path = "/x"\n[crio.runtime.runtimes.y]\nruntime_path = "/y"\n',
        ['[crio.runtime.runtimes.x]\nruntime_type = "oci"\n'],
        {"handlers": (Handler(name="x"), Handler(name="y", program="/y"))},
    ),
    "storage options add up": (
        '[crio]\nstorage_option = ["overlay.size=1G", "a=1"]\n',
        ['[crio]\nstorage_option = ["a=1", "b=2"]\n'],
        {"storage_options": ("overlay2.size=1G", "a=1", "b=2")},
    ),
    "limits": ('[crio.runtime]\ndefault_ulimits = ["nofile=5", "core=0:-1"]\n', [], {"ulimits": {"nofile": "5:5", "core": "0:-1"}}),
    "other sysctls": ('[crio.runtime]\ndefault_sysctls = ["net.ipv4.ping_group_range=0 0"]\n', [], {}),
    "metrics that are off": ("[crio.metrics]\nmetrics_port = 1\n", [], {}),
    "metrics before 1.30": ("[crio.metrics]\nenable_metrics = true\n", [], {"metrics_address": ":9090"}),
    "metrics since 1.30": (
        '[crio.metrics]\nenable_metrics = true\n# metrics_host = "127.0.0.1"\n',
        [],
        {"metrics_address": "127.0.0.1:9090"},
    ),
    "metrics everywhere since 1.30": (
        '[crio.metrics]\nenable_metrics = true\nmetrics_host = ""\nmetrics_port = 1\n',
        [],
        {"metrics_address": ":1"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("effective", "drop_ins", "changes"), READ.values(), ids=READ)
def test_crio_is_read_as_it_reads_itself(effective: str, drop_ins: list[str], changes: dict[str, Any]) -> None:
    """What is said counts, in CRI-O's order; what is not said is the default."""
    assert crio_read.settings(effective, drop_ins) == plain(**changes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[crio", "is not TOML"),
        ("crio = 1", "crio is 1, which is not a table"),
        ("[crio.image]\npause_image = 1", "pause_image is 1"),
        ("[crio.runtime]\nselinux = 1", "selinux is 1"),
        ("[crio.runtime]\ndefault_ulimits = [1]", "default_ulimits is"),
        ("[crio.metrics]\nenable_metrics = true\nmetrics_port = true", "metrics_port is True"),
    ],
)
def test_another_type_is_refused(text: str, message: str) -> None:
    """A value of a type that CRI-O does not take is refused with its key."""
    with pytest.raises(ValueError, match=message):
        crio_read.settings(text)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ("[crio.image]\npause_image = 'a'\n", "[crio]\nimage = 1\n", "image is 1, which is not a table"),
        ("[crio]\nlog_dir = 'a'\n", "[crio.log_dir]\nx = 1\n", "is a table in one place and a value in another"),
    ],
)
def test_a_table_and_a_value_of_one_name_are_refused(first: str, second: str, message: str) -> None:
    """CRI-O would not start with that."""
    with pytest.raises(ValueError, match=message):
        crio_read.settings(first, [second])


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ("[crio]\nroot = 1\n", "[crio]\nroot = '/srv/a'\n", "root is 1"),
        ("[crio.runtime.runtimes]\nrunc = 1\n", "[crio.runtime.runtimes.runc]\nruntime_path = ''\n", "runc is 1"),
    ],
)
def test_each_file_has_to_be_right(first: str, second: str, message: str) -> None:
    """CRI-O 1.34.11 does not start with the first file, whatever the second says."""
    with pytest.raises(ValueError, match=message):
        crio_read.settings("", [first, second])


def test_what_has_no_key_is_named() -> None:
    """Everything that CRI-O cannot be told is named with the reason, and nothing else."""
    settings = plain(
        storage="aufs",
        storage_options=("dm.basesize=1G",),
        handlers=(Handler(name="x", kind="io.containerd.runsc.v1"),),
        max_downloads=3,
        log_format="json",
    )

    assert set(crio.left_out(settings, (1, 36))) == {
        "storage",
        "storage_options",
        "handlers",
        "max_downloads",
        "log_format",
    }
    assert crio.left_out(plain(), (1, 20)) == {}


CONF_D = "/etc/crio/crio.conf.d"


def test_every_file_of_the_folder_is_read() -> None:
    """Whatever it is called, and those of folders in it (UpdateFromPath)."""
    there = [
        f"{CONF_D}/b.conf~",
        f"{CONF_D}/.h",
        f"{CONF_D}/b/x",
        f"{CONF_D}/b-x",
        "/etc/crio/crio.conf",
        "/etc/crio/other",
    ]
    expected = ("/etc/crio/crio.conf", *(f"{CONF_D}/{name}" for name in (".h", "b/x", "b-x", "b.conf~")))

    assert in_force.order(there) == expected


OURS = "[crio]\nroot = '/a'\nstorage_option = ['x=1']\n[crio.runtime]\nselinux = false\n[crio.runtime.runtimes.x]\nruntime_path = '/x'\n"
# another file's name and text, the settings of ours that are lost
LOST = {
    "a later one": ("99.conf", "[crio.runtime]\nselinux = true\n", ["crio.runtime.selinux"]),
    "a copy that an editor left": ("20-migrator.conf~", "[crio.runtime]\nselinux = true\n", ["crio.runtime.selinux"]),
    "an earlier one": ("10.conf", "[crio.runtime]\nselinux = true\n", []),
    "the same": ("99.conf", "[crio.runtime]\nselinux = false\n", []),
    "another spelling": ("99.conf", "[CRIO.Runtime]\nSELINUX = true\n", ["crio.runtime.selinux"]),
    "an empty folder keeps what was said": ("99.conf", "[crio]\nroot = ''\n", []),
    "options add up": ("99.conf", "[crio]\nstorage_option = ['y=1']\n", []),
    "a runtime is replaced whole": ("99.conf", "[crio.runtime.runtimes.x]\nmonitor_path = '/m'\n", ["crio.runtime.runtimes.x"]),
    "another runtime": ("99.conf", "[crio.runtime.runtimes.y]\nruntime_path = '/y'\n", []),
}  # fmt: skip


@pytest.mark.parametrize(("name", "text", "keys"), LOST.values(), ids=LOST)
def test_the_last_word_is_known(name: str, text: str, keys: list[str]) -> None:
    """As `crio config` of 1.34 prints it."""
    lost = in_force.overruled({crio.CONFIG: OURS, f"{CONF_D}/{name}": text}, {crio.CONFIG})

    assert [(entry.key, entry.by) for entry in lost] == [(key, f"{CONF_D}/{name}") for key in keys]


def test_a_broken_file_is_named() -> None:
    """CRI-O does not start with it."""
    with pytest.raises(ValueError, match=f"^{CONF_D}/a: .*selinux is 'x', which is not true or false"):
        in_force.overruled({f"{CONF_D}/a": "[crio.runtime]\nselinux = 'x'\n"}, {crio.CONFIG})
