"""Scripts of a shell, followed here, beside the shell itself: with a Docker that answers, and with none."""

from __future__ import annotations

import shlex
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from migrator.nodeconf import shell
from migrator.planning.checks.docker_commands import Use, of_line

SOCKET = "/run/docker.sock"
PROGRAMS: Mapping[str, str] = {
    "docker": "echo x >> {folder}/called\n[ {status} = 0 ] && echo x\nexit {status}\n",
    "groupadd": "exit 0\n",
    # A loop that goes round and round is ended with all that it has started.
    "sleep": "echo x >> {folder}/slept\n[ $(wc -l < {folder}/slept) -gt 3 ] && kill -9 0\nexit 0\n",
}


def world(folder: Path, *, there: bool) -> Path:
    """Make programs of Docker's that answer, or fail, and its socket where it is there."""
    (folder / "bin").mkdir(parents=True)
    for name, text in PROGRAMS.items():
        path = folder / "bin" / name
        path.write_text("#!/bin/sh\n" + text.format(folder=folder, status=int(not there)))
        path.chmod(0o755)
    if there:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(folder / "d.sock"))
    return folder


def run(script: str, folder: Path) -> tuple[bool, bool]:
    """Have a real shell run a script there; tell whether it ended well, and whether it called Docker."""
    for name in ("called", "slept"):
        (folder / name).unlink(missing_ok=True)
    done = subprocess.run(
        ["/bin/sh", "-c", script.replace(SOCKET, str(folder / "d.sock"))],
        env={"PATH": f"{folder}/bin:/usr/bin:/bin"},
        capture_output=True,
        start_new_session=True,
        timeout=60,
        check=False,
    )
    return done.returncode == 0, (folder / "called").exists()


COMMANDS = st.sampled_from(
    [
        "true", "false", "echo x", "exit 0", "exit 1", "groupadd docker", "docker info", "docker rm x",
        "docker info | grep -q x", 'test -n "$(docker ps)"', '[ -z "$(docker ps)" ]', "exit", "exit $?", "set -o errexit",
        f"[ -S {SOCKET} ]", f"[ ! -S {SOCKET} ]", f"test -e {SOCKET}",
    ]
)  # fmt: skip
SIMPLE = st.builds(lambda no, command: no + command, st.sampled_from(["", "", "! "]), COMMANDS)
CHAINS = st.builds(
    lambda first, rest: first + "".join(f" {joint} {command}" for joint, command in rest),
    SIMPLE,
    st.lists(st.tuples(st.sampled_from(["&&", "||"]), SIMPLE), max_size=2),
)


def compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Put scripts into branches, loops and groups."""
    several = st.lists(inner, min_size=1, max_size=2).map("; ".join)
    return st.one_of(
        st.builds("if {}; then {}; fi".format, CHAINS, several),
        st.builds("if {}; then {}; else {}; fi".format, CHAINS, several, several),
        st.builds("if {}; then {}; elif {}; then {}; fi".format, CHAINS, several, CHAINS, several),
        st.builds("until {}; do sleep 1; done".format, CHAINS),
        st.builds("while {}; do sleep 1; done".format, CHAINS),
        st.builds("while true; do {} && break; sleep 1; done".format, CHAINS),
        st.builds("for i in 1 2; do {} && break; {}; done".format, COMMANDS, several),
        st.builds("{{ {}; }}".format, several),
        st.builds("({})".format, several),
        st.builds("{} | {}".format, COMMANDS, COMMANDS),
    )


STATEMENTS = st.recursive(CHAINS, compound, max_leaves=5)
SCRIPTS = st.builds(
    lambda strict, lines, joint: strict + joint.join(lines),
    st.sampled_from(["", "", "set -e; "]),
    st.lists(STATEMENTS, min_size=1, max_size=3),
    st.sampled_from(["; ", "\n"]),
)


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Give one with Docker and one without."""
    folder = tmp_path_factory.mktemp("w")
    return world(folder / "a", there=True), world(folder / "b", there=False)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SCRIPTS)
def test_what_needs_docker_is_never_taken_for_what_does_not(worlds: tuple[Path, Path], script: str) -> None:
    """A script that the shell ends well only with Docker needs it; one that needs nothing calls it in neither case."""
    (with_it, called), (without, tried) = (run(script, folder) for folder in worlds)
    use = of_line(f"/bin/sh -c {shlex.quote(script)}")

    if with_it and not without:
        assert use in {Use.NEEDS, Use.UNKNOWN}, script
    if use is Use.NONE:
        assert (called, tried) == (False, False), script
        assert without or not with_it, script


@pytest.mark.parametrize(
    ("script", "well"),
    [
        ("a; b", True), ("bad; b", True), ("a; bad", False), ("set -e; bad; b", False), ("set -e; bad || a; b", True),
        ("bad && b || c", True), ("! bad", True), ("! a", False), ("(exit 1); a", True), ("set -e; (exit 1); a", False),
        ("exit 1; a", False), ("exit; bad", True), ("if bad; then exit 1; fi", True), ("if a; then bad; fi", False),
        ("if bad; then a; elif a; then exit 1; else a; fi", False), ("until a; do b; done", True),
        ("until bad; do b; done", False), ("while bad; do a; done", True), ("while a; do exit 0; done; bad", True),
        ("bad | a", True), ("a | bad", False), ("set -e; bad | a; a", True), ("{ a; bad; }", False),
        ("a > /dev/null 2>&1 && bad", False), ("bad &\na", True), ("a &&\nbad", False), ("", True), ("bad; exit", False), ("bad; exit $?", False), ("set -eo pipefail; bad | a; a", False),
        ("set -o errexit; bad; a", False), ("set -e; set +e; bad; a", True),
        ("for i in a b; do bad; done", False), ("for i in a b; do bad || break; done; a", True), ("for i in; do bad; done", True),
        ("while a; do break; done", True), ("until bad; do if a; then break; fi; done", True), ("while a; do continue; done", False),
        ("bad | grep x", False), ("bad | sort | grep x", False), ("a | grep x", True), ("break; bad", True),
    ],
)  # fmt: skip
def test_a_script_ends_as_a_shell_ends_it(script: str, well: bool) -> None:  # noqa: FBT001 - a table's column
    """By the status of what decides; what is called bad fails."""
    follow = shell.Run(lambda command, _: command.words[0] != "bad")

    assert follow.of(shell.read(script)) is well


@pytest.mark.parametrize(
    "script",
    [
        "for a; do c; done",
        "for a in b; c; done",
        "case a in b) c;; esac",
        "f() { a; }",
        "if a; then b",
        "a )",
        "a; done",
        "'a",
    ],
)
def test_what_is_not_read_is_said(script: str) -> None:
    """Nothing is guessed of it."""
    with pytest.raises(ValueError, match=r"."):
        shell.read(script)


def test_what_is_put_in_is_kept() -> None:
    """A command has the scripts whose output it is given, and its place."""
    found = list(
        shell.commands(shell.read('a $(b c) "`d`"; if e; then (f | g); else ! h; fi; while i; do j && k; done'))
    )

    assert [command.words[0] for command in found] == list("aefghijk")
    assert found[0].inner == ("b c", "d")
    assert len({command.place for command in found}) == len(found)
