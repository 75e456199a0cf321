"""Words of a command line are changed where they stand, and systemd starts just what was meant."""

from __future__ import annotations

import pytest

from migrator.nodeconf.systemd import edit
from migrator.nodeconf.systemd.unit import Unit

UNIT, PACKAGED = "/etc/systemd/system/k.service", "/lib/systemd/system/k.service"
FILE = "/etc/default/k"
PLACES: dict[str, tuple[str, str | None]] = {
    "the command line": ("ExecStart=/k --a --b --c", None),
    "several lines": ("ExecStart=/k \\\n  --a \\\n  --b \\\n  --c", None),
    "a variable of the unit": ('Environment="X=--a --b --c" "Y=kept 1"\nExecStart=/k $X', None),
    "a variable of a file": ("EnvironmentFile=/etc/default/k\nExecStart=/k $X", '# why\nX="--a --b --c"\nY=kept\n'),
    "one word in quotes": ("ExecStart=/k --a '--b' --c", None),
}
EDITS = {
    "drop": (lambda unit: edit.drop(unit, 2), ["/k", "--a", "--c"]),
    "replace": (lambda unit: edit.replace(unit, 2, "--new=1 2"), ["/k", "--a", "--new=1 2", "--c"]),
    "insert": (lambda unit: edit.insert(unit, 2, "--new"), ["/k", "--a", "--new", "--b", "--c"]),
}


def unit(body: str, file: str | None, path: str = UNIT) -> Unit:
    """Give a unit with this [Service] and environment file."""
    return Unit(((path, f"[Service]\n{body}\nRestart=always\n"),), ((FILE, file),))


def words(of: Unit) -> list[str]:
    """Give the command line that systemd would start."""
    return [word.text for word in of.service.words]


@pytest.mark.parametrize(("body", "file"), PLACES.values(), ids=PLACES)
@pytest.mark.parametrize(("change", "wanted"), EDITS.values(), ids=EDITS)
def test_a_word_is_changed_where_it_stands(change: object, wanted: list[str], body: str, file: str | None) -> None:
    """All other words, variables and lines stay as they are."""
    before = unit(body, file)

    after = change(before)  # type: ignore[operator]

    assert words(after) == wanted
    changed = [path for path in before.texts if before.texts[path] != after.texts[path]]
    assert changed == [FILE if file else UNIT]
    assert after.texts[UNIT].endswith("\nRestart=always\n")
    assert ("Y" in before.service.definitions) is ("Y" in after.service.definitions)
    if "Y" in before.service.definitions:
        assert after.service.definitions["Y"].value.text == before.service.definitions["Y"].value.text


APPENDED = {
    "the command line": ("ExecStart=/k --a", None, "", "ExecStart=/k --a --new"),
    "a variable of the unit": ("Environment=X=--a\nExecStart=/k $X --z", None, "X", 'Environment="X=--a --new"\nExecStart=/k $X --z'),
    "a quoted variable of the unit": ('Environment="X=--a" Y=1\nExecStart=/k $X', None, "X", 'Environment="X=--a --new" Y=1\nExecStart=/k $X'),
    "a word that has quotes of its own": ('Environment="X=--a=\\"1 2\\""\nExecStart=/k $X', None, "X", 'Environment="X=--a=\\"1 2\\" --new"\nExecStart=/k $X'),
}  # fmt: skip


@pytest.mark.parametrize(("body", "file", "name", "wanted"), APPENDED.values(), ids=APPENDED)
def test_a_word_is_added_at_the_end(body: str, file: str | None, name: str, wanted: str) -> None:
    """Of the command line, or of a variable's value, however that is quoted."""
    before = unit(body, file)

    after = edit.append(before, before.service.definitions.get(name), "--new")

    assert after.texts[UNIT] == f"[Service]\n{wanted}\nRestart=always\n"
    assert sorted(words(after)) == sorted([*words(before), "--new"])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('X="--a"\nY=1\n', 'X="--a --new"\nY=1\n'), ("X=--a\n", "X=--a --new\n"), ("X=\n", 'X="--new"\n'), ("X=--a", "X=--a --new"),
    ],
)  # fmt: skip
def test_a_word_is_added_in_a_file_of_variables(text: str, wanted: str) -> None:
    """An empty value gets it alone."""
    before = unit("EnvironmentFile=/etc/default/k\nExecStart=/k $X", text)

    after = edit.append(before, before.service.definitions["X"], "--new")

    assert words(after)[-1] == "--new"
    assert after.texts[FILE] == wanted


def test_a_packaged_file_is_not_edited() -> None:
    """What it says is said anew in our drop-in, which has the last word; another word is added to that one."""
    once = edit.append(unit("ExecStart=/k --a", None, PACKAGED), None, "--new")
    twice = edit.append(once, None, "--more")

    assert once.texts[PACKAGED] == "[Service]\nExecStart=/k --a\nRestart=always\n"
    assert once.texts[edit.DROP_IN].endswith("[Service]\nExecStart=\nExecStart=/k --a --new\n")
    assert words(twice) == ["/k", "--a", "--new", "--more"]
    assert twice.texts[edit.DROP_IN].count("[Service]") == 1


@pytest.mark.parametrize("path", ["/lib/x", "/usr/lib/x", "/usr/share/x", "/run/x"])
def test_what_is_of_packages_and_of_generators(path: str) -> None:
    """Gone with the next update or boot."""
    assert edit.packaged(path)
    assert not edit.packaged(f"/etc{path}")


def test_a_variable_in_a_packaged_file_of_variables_is_refused() -> None:
    """A drop-in cannot say it anew in the same place."""
    before = Unit(
        ((UNIT, "[Service]\nEnvironmentFile=/usr/lib/k.env\nExecStart=/k $X\n"),), (("/usr/lib/k.env", "X=--a\n"),)
    )

    with pytest.raises(ValueError, match="/usr/lib/k.env sets X and is a packaged file"):
        edit.append(before, before.service.definitions["X"], "--new")


def test_a_variable_that_stands_twice_is_changed_in_both_places() -> None:
    """It is one definition: dropping a word of it drops it wherever it is used."""
    before = unit('Environment="X=--a --b"\nExecStart=/k $X --z $X', None)

    assert words(edit.drop(before, 2)) == ["/k", "--a", "--z", "--a"]
    assert words(edit.replace(before, 1, "--c")) == ["/k", "--c", "--b", "--z", "--c", "--b"]
    with pytest.raises(ValueError, match="--new cannot be added to it"):
        edit.append(before, before.service.definitions["X"], "--new")
