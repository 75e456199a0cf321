"""Mutants are what they claim to be, and the lists of them fit the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants import placed
from tests.mutants.groups import GROUPS, group_of
from tests.mutants.isolation import TREE
from tests.mutants.operators import Mutant, places


def changed(text: str) -> set[str]:
    """Give all mutants of a text, as whole texts."""
    found = (place.mutant(text) for place in places("a.py", text))
    return {mutant.text for mutant in found if mutant}


CASES = {
    "a comparison": ("x = a < b", {"x = (a >= b)", "x = (a <= b)"}),
    "membership": ("x = a in b", {"x = (a not in b)"}),
    "and": ("x = a and b", {"x = (a or b)", "x = (a)", "x = (b)"}),
    "not": ("x = not a", {"x = (a)"}),
    "a condition": ("if a:\n    b()", {"if (not (a)):\n    b()", "if a:\n    pass"}),
    "a number": ("x = 4", {"x = (5)", "x = (3)"}),
    "a truth": ("x = True", {"x = False"}),
    "a word": ("x = 'é'", {"x = ('')"}),
    "a call": ("é(f(1, b=2).g)", {"pass", "é((f(1)).g)", "é(f((2), b=2).g)", "é(f((0), b=2).g)", "é(f(1, b=(3)).g)", "é(f(1, b=(1)).g)"}),
    "arguments": ("x = f(a, b)", {"x = (f(b, a))"}),
    "a filter": ("x = [a for a in b if a]", {"x = ([a for a in b])"}),
    "any": ("x = any(a for a in b)", {"x = (all((a for a in b)))"}),
    "either": ("x = a if b else c", {"x = (a)", "x = (c)", "x = a if (not (b)) else c"}),
    "a slice": ("x = a[b:]", {"x = (a)"}),
    "a sum": ("x += a", {"x = a"}),
    "a return": ("def f():\n    return a", {"def f():\n    return None"}),
    "an exception": ("try:\n    raise A('much to be read')\nexcept B:\n    x = 1", {
        "try:\n    pass\nexcept B:\n    x = 1",
        "try:\n    raise A('much to be read')\nexcept ZeroDivisionError:\n    x = 1",
        "try:\n    raise A('much to be read')\nexcept B:\n    x = (2)",
        "try:\n    raise A('much to be read')\nexcept B:\n    x = (0)",
    }),
    "documentation": ('"""Words."""\ndef f() -> "int":\n    """Words."""\n    ...\n', set()),
    "prose": ("x = 'no test should hold these words'", set()),
}  # fmt: skip


@pytest.mark.parametrize(("text", "mutants"), CASES.values(), ids=CASES)
def test_mutants_change_one_place(text: str, mutants: set[str]) -> None:
    """Each is the text with one small defect; what people read has none."""
    assert changed(text) == mutants


def test_a_place_knows_what_runs_it() -> None:
    """A function's body runs when it is called; its defaults and tables run at import."""
    text = "A = 1\ndef f(b=2):\n    return [\n        3\n    ]\n"
    found = {mutant.old: mutant for place in places("a.py", text) if (mutant := place.mutant(text))}

    assert [found[number].function for number in "123"] == [False, False, True]
    assert (found["3"].line, found["3"].first, found["3"].last) == (4, 3, 5)


def test_each_file_is_in_one_group() -> None:
    """A file in two groups would be counted twice; one of a group exists."""
    assert all(group.files(TREE) for group in GROUPS.values())
    for name, group in GROUPS.items():
        assert all(group_of(path) == name for path in group.files(TREE))


def test_the_lists_fit_the_code() -> None:
    """A mutant that was placed by hand is a program and is in a group, and judged ones are still there."""
    for mutant in placed.directed(TREE):
        compile(mutant.text, mutant.path, "exec")
        assert group_of(mutant.path), mutant.path
    placed.equivalents(TREE)


@pytest.mark.parametrize("old", ["not there", "twice"])
def test_a_list_does_not_rot(old: str, tmp_path: Path) -> None:
    """A text that is gone, or is no longer one place, is an error that names it."""
    (tmp_path / "a.py").write_text("x = 'twice'\ny = 'twice'\n")

    with pytest.raises(placed.RottenError, match=f"a.py .*\n{old}"):
        placed.directed(tmp_path, [{"file": "a.py", "old": old, "new": "", "why": ""}])


def test_what_was_judged_is_known_by_its_line() -> None:
    """Wherever the line has moved to; another change of it is another mutant."""
    entry = placed.Equivalent("a.py", "x = 1 + y", "(2)", "why")
    given = {
        "path": "a.py",
        "line": 7,
        "first": 7,
        "last": 7,
        "function": True,
        "old": "1",
        "source": "x = 1 + y",
        "text": "",
    }

    assert entry.is_it(Mutant(new="(2)", **given))
    assert not entry.is_it(Mutant(new="(0)", **given))
