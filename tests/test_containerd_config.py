"""containerd's configuration: ours added, the user's kept."""

import tomllib

import pytest

from migrator.planning.translate import containerd
from migrator.planning.translate.settings import RuntimeSettings
from tests.fakes import values

SETTINGS = RuntimeSettings(
    cgroup_driver="systemd",
    cni_bin_dir="/usr/lib/cni",
    cni_conf_dir="/etc/cni/net.d",
    pause_image="registry.example/pause:3.2",
)
DOCKERS = 'disabled_plugins = ["cri"]\n\n#root = "/var/lib/containerd"\n'


def cri(text: str) -> dict:
    """Read the CRI plugin's table as containerd does."""
    return tomllib.loads(text)["plugins"]["io.containerd.grpc.v1.cri"]


@pytest.mark.parametrize(
    "existing",
    [
        "",
        DOCKERS,
        values.DEBIAN_CONTAINERD,
        'version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n',
        'root = "/data"\n',
    ],
    ids=["no file", "Docker's package", "Debian's package", "CRI off in dialect 2", "only a root"],
)
def test_every_setting_has_effect(existing: str) -> None:
    """Whatever file is there, the result is dialect 2 with CRI on and all of our settings in the right tables."""
    text = containerd.write(existing, SETTINGS)

    document = tomllib.loads(text)
    assert document["version"] == 2
    assert not document.get("disabled_plugins")
    assert cri(text)["sandbox_image"] == "registry.example/pause:3.2"
    assert cri(text)["cni"] == {"bin_dir": "/usr/lib/cni", "conf_dir": "/etc/cni/net.d"}
    runc = cri(text)["containerd"]["runtimes"]["runc"]
    assert runc == {"runtime_type": "io.containerd.runc.v2", "options": {"SystemdCgroup": True}}


def test_cgroupfs_is_said_too() -> None:
    """A kubelet with cgroupfs gets SystemdCgroup false, not silence."""
    text = containerd.write("", SETTINGS.model_copy(update={"cgroup_driver": "cgroupfs"}))

    assert cri(text)["containerd"]["runtimes"]["runc"]["options"] == {"SystemdCgroup": False}


def test_the_users_own_settings_and_comments_stay() -> None:
    """Mirrors, other runtimes and comments of an edited file are kept."""
    existing = values.DEBIAN_CONTAINERD + (
        '    # our mirror\n    [plugins."io.containerd.grpc.v1.cri".registry]\n      config_path = "/etc/certs"\n'
        '    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kata]\n      runtime_type = "io.containerd.kata.v2"\n'
    )

    text = containerd.write(existing, SETTINGS)

    assert "# our mirror" in text
    assert cri(text)["registry"] == {"config_path": "/etc/certs"}
    assert set(cri(text)["containerd"]["runtimes"]) == {"kata", "runc"}


def test_other_disabled_plugins_stay_disabled() -> None:
    """Only the CRI plugin is enabled."""
    text = containerd.write('version = 2\ndisabled_plugins = ["io.containerd.grpc.v1.cri", "io.x"]\n', SETTINGS)

    assert tomllib.loads(text)["disabled_plugins"] == ["io.x"]


def test_writing_twice_changes_nothing() -> None:
    """What was written once is right."""
    once = containerd.write(values.DEBIAN_CONTAINERD, SETTINGS)

    assert containerd.write(once, SETTINGS) == once


@pytest.mark.parametrize(
    ("existing", "said"),
    [
        ("broken = [", "not TOML"),
        ("version = 3\n[plugins.x]\na = 1\n", "dialect 3"),
        ("[plugins.cri]\nsandbox_image = 'x'\n", "dialect 1"),
    ],
)
def test_what_cannot_be_carried_is_refused(existing: str, said: str) -> None:
    """A file that is no TOML, or of a dialect with content to lose, is named and not guessed at."""
    with pytest.raises(ValueError, match=said):
        containerd.write(existing, SETTINGS)


def test_credentials_are_seen() -> None:
    """A registry password anywhere in the file is noticed."""
    text = '[plugins."io.containerd.grpc.v1.cri".registry.configs."r".auth]\npassword = "x"\n'

    assert containerd.credentials(text)
    assert not containerd.credentials(values.DEBIAN_CONTAINERD)
