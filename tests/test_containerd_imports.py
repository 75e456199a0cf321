"""Files that containerd's configuration imports: which are read, in which order, and what they say together.

Each expectation is what `containerd config dump` of 1.6.20, 1.7.24 and 2.1.9 prints; `make fuzz` compares many more.
"""

from __future__ import annotations

import pytest

from migrator.runtimes.containerd import imports
from migrator.runtimes.containerd import read as containerd_read

MAIN, FOLDER = "/etc/containerd/config.toml", "/etc/containerd/conf.d"
CRI = 'plugins."io.containerd.grpc.v1.cri"'
TEXTS = {
    MAIN: f"""version = 2
imports = ["{FOLDER}/*.toml", "b.toml"]
disabled_plugins = ["io.containerd.a.v1.x"]
root = "/a"
[{CRI}]
sandbox_image = "main"
[{CRI}.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[{CRI}.containerd.runtimes.runc.options]
SystemdCgroup = true
""",
    "/etc/containerd/b.toml": f"""version = 2
imports = ["c.toml", "config.toml"]
disabled_plugins = ["io.containerd.b.v1.x", "io.containerd.a.v1.x"]
root = "/b"
[{CRI}.containerd.runtimes.runc.options]
SystemdCgroup = false
""",
    "/etc/containerd/c.toml": 'version = 2\nroot = "/c"\nstate = ""\n',
    f"{FOLDER}/d.toml": 'version = 2\nstate = "/d"\n',
    f"{FOLDER}/.e.toml": "version = 2\noom_score = 5\n",
    f"{FOLDER}/f.conf": "version = 2\noom_score = 6\n",
}
ORDER = [MAIN, f"{FOLDER}/.e.toml", f"{FOLDER}/d.toml", "/etc/containerd/b.toml", "/etc/containerd/c.toml"]


@pytest.mark.parametrize("version", [(1, 6), (1, 7), (2, 1)], ids=str)
def test_files_are_read_one_after_the_other(version: tuple[int, int]) -> None:
    """Those that a file imports come after all that wait; each once; a star stands for a dot in front too."""
    assert [*imports.chain(MAIN, TEXTS, version)] == ORDER


@pytest.mark.parametrize(("version", "image"), [((1, 6), ""), ((1, 7), ""), ((2, 1), "main")], ids=str)
def test_what_they_say_together(version: tuple[int, int], image: str) -> None:
    """Before 2.0 a plugin's table is replaced as a whole, from then on it is merged; nothing empty replaces anything."""
    document = imports.merged(MAIN, TEXTS, version)

    assert (document["root"], document["state"], document["oom_score"]) == ("/c", "/d", 5)
    found = containerd_read.settings_of(document)
    assert (found.pause_image, found.cgroup_driver) == (image, "cgroupfs")
    once = ["io.containerd.a.v1.x", "io.containerd.b.v1.x"]
    assert document["disabled_plugins"] == [*once, *(["io.containerd.a.v1.x"] if version < (2, 0) else [])]


@pytest.mark.parametrize("version", [(1, 6), (2, 1)], ids=str)
def test_who_has_the_last_word(version: tuple[int, int]) -> None:
    """For each setting that is not what the first file says, the file that decided it."""
    found = imports.overruled(MAIN, TEXTS, version)

    assert found["/etc/containerd/c.toml"] == ("root",)
    assert found[f"{FOLDER}/d.toml"] == ("state",)
    assert "cgroup_driver" in found["/etc/containerd/b.toml"]
    assert ("pause_image" in found["/etc/containerd/b.toml"]) is (version < (2, 0))


@pytest.mark.parametrize("handlers", [True, False])
def test_2_lifts_what_is_merged(*, handlers: bool) -> None:
    """A snapshotter of dialect 2 counts where any file has handlers, and 2.1.9 passes over it else."""
    first = f'version = 2\nimports = ["b.toml"]\n[{CRI}.containerd]\nsnapshotter = "zfs"\n'
    first += f'[{CRI}.containerd.runtimes.x]\nruntime_type = "io.containerd.runc.v2"\n' * handlers
    texts = {MAIN: first, "/etc/containerd/b.toml": f'version = 2\n[{CRI}.containerd]\nsnapshotter = "btrfs"\n'}

    found = containerd_read.settings_of(imports.merged(MAIN, texts, (2, 1)))

    assert found.storage == ("btrfs" if handlers else "")


def test_a_relative_pattern() -> None:
    """1.6 looks for it in the working folder, and 1.7 beside the file."""
    texts = {MAIN: 'version = 2\nimports = ["conf.d/*.toml"]\n', f"{FOLDER}/d.toml": "version = 2\n"}

    assert [len(imports.chain(MAIN, texts, version)) for version in ((1, 6), (1, 7), (2, 1))] == [1, 2, 2]


def test_a_range_from_its_end_names_nothing() -> None:
    """Go does not take it for an error."""
    assert imports.chain(MAIN, {MAIN: 'version = 2\nimports = ["b.[z-a]*"]\n', "/etc/containerd/b.b": ""}, (2, 1)) == (
        MAIN,
    )


def test_conf_d_without_a_configuration() -> None:
    """From 2.2 on it is imported where nothing says anything."""
    texts = {f"{FOLDER}/d.toml": "version = 3\n"}

    assert [len(imports.chain(MAIN, texts, version)) for version in ((2, 1), (2, 2))] == [1, 2]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('version = 2\nimports = ["x.toml"]\n', "imports /etc/containerd/x.toml, which is not there"),
        ('version = 2\nimports = ["b.toml"]\n', "/etc/containerd/b.toml is not TOML"),
        ("version = 2\nimports = 1\n", "where a list is needed"),
        ('version = 2\nimports = ["/etc/[a*"]\n', "is no pattern of file names"),
        ("[plugins.cri]\nsandbox_image = 'x'\n", "says nothing of its version"),
    ],
)
def test_what_cannot_be_merged(text: str, said: str) -> None:
    """It is told which file it is: containerd would not start with it, or lose something."""
    with pytest.raises(ValueError, match=said):
        imports.merged(MAIN, {MAIN: text, "/etc/containerd/b.toml": "= 1"}, (2, 1))
