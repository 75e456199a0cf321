"""registries.conf with its drop-ins, as containers/image reads them."""

import pytest

from migrator.runtimes.crio import registries_read
from migrator.runtimes.crio.registries_read import Entry, Place

MAIN, FOLDER = "/etc/containers/registries.conf", "/etc/containers/registries.conf.d"
OURS = f"{FOLDER}/zz-migrator.conf"
OWN = "/root/.config/containers/registries.conf"
REG = '[[registry]]\nlocation = "reg.example"\n'


def test_files_are_read_by_their_names() -> None:
    """Hidden files too, no copies of an editor's, nothing below, and root's own after the system's."""
    there = [
        f"{OWN}.d/a.conf",
        f"{FOLDER}/zzz.conf",
        f"{FOLDER}/.h.conf",
        f"{FOLDER}/b.conf~",
        f"{FOLDER}/x/c.conf",
        MAIN,
        OURS,
    ]

    assert registries_read.order(there) == (MAIN, f"{FOLDER}/.h.conf", OURS, f"{FOLDER}/zzz.conf", f"{OWN}.d/a.conf")


def test_roots_own_file_is_read_instead() -> None:
    """It hides all that is below /etc (newConfigWrapperWithHomeDir)."""
    assert registries_read.order([OWN, MAIN, OURS, f"{OWN}.d/a.conf"]) == (OWN, f"{OWN}.d/a.conf")


def test_a_later_file_replaces_a_whole_entry() -> None:
    """Of an earlier one nothing is left; other prefixes stay."""
    mirrored = f'{REG}[[registry.mirror]]\nlocation = "m.example/"\n'
    found = registries_read.merged(
        {MAIN: mirrored, OURS: '[[registry]]\nlocation = "a.example"\n', f"{FOLDER}/zzz.conf": f"{REG}blocked = true\n"}
    )

    assert found.entries == {
        "reg.example": Entry(f"{FOLDER}/zzz.conf", Place("reg.example"), blocked=True),
        "a.example": Entry(OURS, Place("a.example")),
    }


def test_the_first_format_is_merged_with_drop_ins() -> None:
    """It is converted first (ConvertToV2), in every release of CRI-O that we know."""
    old = '[registries.search]\nregistries = ["s.example"]\n[registries.insecure]\nregistries = ["i.example"]\n'
    found = registries_read.merged({MAIN: old, OURS: f'unqualified-search-registries = ["docker.io"]\n{REG}'})

    assert (found.search, found.searched_by) == (("docker.io",), OURS)
    assert found.entries["i.example"] == Entry(MAIN, Place("i.example", insecure=True))


# image, prefixes, the one that decides
DECIDES = {
    "the longest": ("a.example/team/app:1", ("a.example", "a.example/team"), "a.example/team"),
    "a whole name only": ("a.example/teams/app", ("a.example", "a.example/team"), "a.example"),
    "any port": ("a.example:5000/x", ("a.example",), "a.example"),
    "a domain": ("x.y.example/z", ("*.example",), "*.example"),
    "a domain as long as a host": ("a.example/x", ("a.example", "*.example"), "*.example"),
    "not the domain itself": ("example/x", ("*.example",), ""),
    "not in a path": ("a.test/b.example", ("*.example",), ""),
}


@pytest.mark.parametrize(("image", "prefixes", "decides"), DECIDES.values(), ids=DECIDES)
def test_the_longest_prefix_decides(image: str, prefixes: tuple[str, ...], decides: str) -> None:
    """As findRegistryWithParsedConfig finds it: of two that are as long, the first in their order."""
    entries = {prefix: Entry(MAIN, Place(prefix)) for prefix in prefixes}

    assert registries_read.Registries(entries).of(image) == decides


# text of a drop-in, what is said of it
REFUSED = {
    "no TOML": ("x", "is not TOML"),
    "the first format": ("[registries.block]\nregistries = []\n", "first format"),
    "a scheme": ('[[registry]]\nlocation = "https://a.example"\n', "a scheme may not stand there"),
    "no location": ('[[registry]]\nprefix = "a.example"\n', "without a location"),
    "an empty mirror": (f'{REG}[[registry.mirror]]\nlocation = ""\n', "a mirror of 'reg.example' that is none"),
    "said in two ways": (f'{REG}[[registry]]\nprefix = "b.example"\nlocation = "reg.example"\nblocked = true\n', "in two ways"),
    "one bracket": ('[registry]\nlocation = "a.example"\n', "two brackets"),
    "no host": ('unqualified-search-registries = ["docker.io/library"]\n', "which is not a host"),
    "no mode": ('short-name-mode = "loud"\n', "short-name-mode"),
    "a star with a port": ('[[registry]]\nprefix = "*.example:5000"\nlocation = "a.example"\n', "without a port or a path"),
    "two spellings": (f"{REG}Blocked = true\nblocked = false\n", "two spellings"),
    "an alias without a registry": ('[aliases]\nx = "y"\n', "alias 'x' for 'y'"),
    "another kind": (f"{REG}insecure = 1\n", "not true or false"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "says"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_named(text: str, says: str) -> None:
    """CRI-O does not start with such a file."""
    with pytest.raises(ValueError, match=f"^{FOLDER}/zzz.conf .*{says}"):
        registries_read.merged({f"{FOLDER}/zzz.conf": text, OURS: REG})


def test_keys_of_any_case_count() -> None:
    """BurntSushi/toml takes them."""
    assert registries_read.merged({MAIN: '[[Registry]]\nLOCATION = "a.example"\nInsecure = true\n'}).entries == {
        "a.example": Entry(MAIN, Place("a.example", insecure=True))
    }


def test_an_alias_that_the_inspection_has_hidden_is_none_that_is_refused() -> None:
    """Its name sounds like a secret's; what it stands for is not known here."""
    text = '[aliases]\n"team/auth" = "sha256:0123456789abcdef"\n'
    assert registries_read.merged({MAIN: text}).aliases
