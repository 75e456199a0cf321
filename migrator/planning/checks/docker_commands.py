"""Whether a command line needs Docker: through shells and wrappers, as far as that can be told from its words.

A name is no need: `groupadd docker` works without any Docker, and `test -S /run/docker.sock || true` succeeds.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import IntEnum
from functools import lru_cache, partial
from itertools import combinations

from migrator.nodeconf import shell


class Use(IntEnum):
    """What a command has to do with Docker, the weightier the larger."""

    NONE = 0
    UNKNOWN = 1
    """It names Docker, and what it does is not known."""
    TRIES = 2
    """It calls Docker, and it does not matter whether that works."""
    NEEDS = 3
    """It fails without Docker."""


_PREFIXES = "@-:+!|"
"""What systemd reads before a program (systemd.service(5))."""
_PROGRAM = re.compile(r"docker(?:d|-compose|-init|-proxy|-runc|-containerd(?:-\w+)?)?(?:-current)?|cri-dockerd")
SOCKET = r"/(?:docker|dockershim|cri-dockerd)\.(?:sock|pid)\b"
"""What stands for a running Docker in a path."""
_SOCKET = re.compile(SOCKET)
_PLACE = re.compile(r"(?:bin/docker|/var/lib/docker|/run/docker)(?![\w.-])")
"""What goes with Docker: its program, its data."""
_UNIT = re.compile(r"(?:cri-)?docker(?:\.service|\.socket)?")
_WORD = re.compile(r"(?<![\w.-])docker(?![\w.-])")
_PART = re.compile(r"(?:^|[-_.])docker(?:[-_.]|$)", re.IGNORECASE)
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "zsh"})
_SHELLS_FILES = frozenset({"--init-file", "--rcfile"})
"""Options of a shell that take the next word."""
_SCRIPT = re.compile(r"-\w*c\w*")
_ASSIGNED = re.compile(r"\w+=.*", re.DOTALL)

_WRAPPERS: Mapping[str, tuple[frozenset[str], int]] = {
    name: (frozenset(options.split()), positions)
    for name, options, positions in (
        ("busybox", "", 0), ("chroot", "", 1), ("chrt", "", 1), ("command", "", 0), ("env", "-u -C", 0),
        ("exec", "", 0), ("flock", "-w -E", 1), ("ionice", "-c -n", 0), ("nice", "-n", 0), ("nohup", "", 0),
        ("nsenter", "-t --target", 0), ("numactl", "", 0), ("runuser", "-u -g -G", 0), ("setsid", "", 0),
        ("stdbuf", "-i -o -e", 0), ("sudo", "-u -g -h -p -C", 0), ("systemd-inhibit", "", 0),
        ("systemd-run", "-p -u -E", 0), ("taskset", "", 1), ("time", "", 0), ("timeout", "-s -k", 1),
        ("xargs", "-n -I -P -d", 0),
    )
}  # fmt: skip
"""Programs that start another one: their options that take the next word, and how many words come before it."""
_NOTHING = frozenset({":", "echo", "exit", "false", "logger", "mkdir", "printf", "return", "rm", "sleep", "true"})
"""What fares the same with Docker's socket and without."""
_SUCCEEDS = frozenset({":", "echo", "logger", "printf", "true"})
_ORDINARY = _NOTHING | {
    "[", "[[", "addgroup", "adduser", "awk", "cat", "cd", "chgrp", "chmod", "chown", "cp", "cut", "export", "find",
    "getent", "gpasswd", "grep", "groupadd", "head", "id", "install", "ip", "ip6tables", "iptables", "ln", "ls",
    "modprobe", "mount", "mv", "restorecon", "sed", "semodule", "set", "setfacl", "sort", "stat", "swapoff", "sysctl",
    "tail", "tee", "test", "touch", "tr", "umount", "unset", "useradd", "usermod", "wc", "wget",
}  # fmt: skip
"""Programs that do not speak with Docker, whatever names and files they are given."""
_PASS_ON_NOTHING = frozenset({"!", "!=", "-eq", "-le", "-lt", "-z"})
"""With these a test may be passed where the output that it looks at is empty, or a zero."""
_OUTPUT = re.compile(r"\$?\x01\d+\x01")
_TESTS = frozenset({"[", "[[", "test"})
_KUBELETS = frozenset({"kubelet", "hyperkube"})
"""What they are told of Docker's socket is judged with their flags."""
_STARTS = frozenset({"start", "restart", "reload", "is-active", "status", "is-enabled", "reload-or-restart", "enable"})
_IDLE = frozenset({"images", "info", "inspect", "kill", "logs", "ps", "rm", "rmi", "stop", "version", "wait"})
"""What Docker is told that leaves nothing behind which is needed."""
_FEW, _MOST = 6, 40
"""Commands that may fail: as many as are tried in every way, and as are tried at all."""
_CALL = re.compile(
    r"(?:^|[;&|()`{!\n]|\b(?:do|elif|else|exec|if|sudo|then|time|until|while)[ \t])[ \t]*"
    r"(?:[\w.-]*/[\w./-]*)?(?<![\w.-])docker(?:-compose)?(?![\w./-])"
)
_PARDONED = re.compile(r"[^;\n|]{0,400}\|\|\s*(?:(?:/usr)?/bin/)?(?:true|:|exit 0)(?![\w.-])")
"""What stands behind a call whose failure does not matter."""
_LOOKS = re.compile(r"\b(?:command -v|which|type|hash) docker\b")


@lru_cache(maxsize=1024)
def of_line(line: str) -> Use:
    """Judge a command of a unit, as its file has it."""
    commands: list[list[str]] = [[]]
    try:
        for word in shlex.split(line.lstrip(_PREFIXES)):  # a semicolon alone parts commands (systemd.service(5))
            commands.append([]) if word == ";" else commands[-1].append(word)
        return max((_command(command) for command in commands), default=Use.NONE)
    except (ValueError, RecursionError):  # quotes that do not end; wrappers or groups without end
        return _unread(line)


def _unread(text: str) -> Use:
    return Use.UNKNOWN if _WORD.search(text) else Use.NONE


def program(line: str) -> str:
    """Give the name of the program that a command of a unit starts."""
    return _name(line.lstrip(_PREFIXES).split(maxsplit=1)[0]) if line.strip(_PREFIXES + " ") else ""


def is_docker(name: str) -> bool:
    """Tell whether a program is one of Docker's."""
    return _PROGRAM.fullmatch(name) is not None


def _name(word: str) -> str:
    return word.rpartition("/")[2]


def _command(words: Sequence[str]) -> Use:
    """Judge a program with its arguments."""
    while words and _ASSIGNED.fullmatch(words[0]):
        words = words[1:]
    if not words:
        return Use.NONE
    name, rest = _name(words[0]), words[1:]
    if is_docker(name):
        return Use.NEEDS
    if name in _SHELLS:
        return _shell(name, rest)
    if name in _WRAPPERS:
        return _command(_wrapped(rest, *_WRAPPERS[name]))
    if name == "systemctl":
        return _systemctl(rest)
    return _other(name, rest)


def _shell(name: str, words: Sequence[str]) -> Use:
    """Judge a shell: the script behind its options, or the file whose script it runs."""
    place = 0
    while place < len(words) and words[place][:1] in {"-", "+"}:
        place += 2 if shell.takes_value(words[place]) or words[place] in _SHELLS_FILES else 1
    given = words[:place]
    if place < len(words) and any(_SCRIPT.fullmatch(word) for word in given):
        strict, pipefail = shell.options(word for word in given if not word.startswith("--"))
        return _script(words[place], strict=strict, pipefail=pipefail)
    return max(_other(name, words), _command(words[place:]))


def _wrapped(words: Sequence[str], with_value: frozenset[str], positions: int) -> Sequence[str]:
    """Give the command that a wrapper starts."""
    place = 0
    while place < len(words) and words[place].startswith("-"):
        place += 2 if words[place] in with_value else 1
    return words[place + positions :]


def _systemctl(words: Sequence[str]) -> Use:
    if not any(_UNIT.fullmatch(word) for word in words):
        return Use.NONE
    return Use.NEEDS if _STARTS & set(words) else Use.UNKNOWN


def _other(name: str, words: Sequence[str]) -> Use:
    if name in _KUBELETS:
        return Use.NONE
    if name in _NOTHING:
        return Use.NONE
    placed = any(_PLACE.search(word) for word in words)
    if any(_SOCKET.search(word) for word in words) or (placed and name in _TESTS):
        return Use.NONE if name in _TESTS and "!" in words else Use.NEEDS
    if name in _ORDINARY:
        return Use.UNKNOWN if placed else Use.NONE
    named = _PART.search(name) or (name.startswith("$") and "docker" in name.lower())
    named = named or any(_WORD.search(word) for word in words)
    return Use.UNKNOWN if named else Use.NONE


@lru_cache(maxsize=1024)
def _script(text: str, *, strict: bool = False, pipefail: bool = False) -> Use:
    """Judge what a shell is given, by following it with Docker and without; a `strict` one ends with a failure.

    What other commands do is not known: each is tried as one that succeeds, and as one that fails.
    """
    try:
        script = shell.read(_LOOKS.sub("docker", text))
    except ValueError:
        return Use.NEEDS if _calls(text) else _unread(text)
    uses = {each.place: _of(each) for each in shell.commands(script)}
    places = [each.place for each in shell.commands(script) if uses[each.place] is Use.NONE and _open(each)]
    start = partial(shell.Run, strict=strict, pipefail=pipefail)
    found = max(_followed(script, uses, bad, start) for bad in _choices(places))
    return max(found, _unread(text)) if len(places) > _MOST else found


def _calls(text: str) -> bool:
    """Tell whether a script that is not followed calls Docker where a command begins, and minds its failure."""
    return any(not _PARDONED.match(text, call.end()) for call in _CALL.finditer(text))


def _choices(places: Sequence[int]) -> Iterator[frozenset[int]]:
    """Give which of these commands fail: each set of a few, else all, none, one and all but one."""
    if len(places) <= _FEW:
        for size in range(len(places) + 1):
            yield from map(frozenset, combinations(places, size))
        return
    yield from (frozenset(), frozenset(places))
    for place in places[:_MOST]:
        yield from (frozenset({place}), frozenset(places) - {place})


def _followed(script: shell.Node, uses: Mapping[int, Use], bad: frozenset[int], start: Callable[..., shell.Run]) -> Use:
    seen = {Use.NONE}

    def ends_well(*, there: bool) -> bool:
        done = True

        def status(command: shell.Command, asked: bool) -> bool:  # noqa: FBT001 - as `shell.Run` calls it
            nonlocal done
            use = uses[command.place]
            seen.add(min(use, Use.TRIES) if command.inner or not _is_test(command.words) else Use.NONE)
            if use is not Use.NEEDS:
                return command.place not in bad and command.words[:1] != ("false",)
            done = done and (there or asked or not _has_effect(command.words))
            return there is not (_is_test(command.words) and _passes_without(command))

        return start(status).of(script) and done

    with_it, without = ends_well(there=True), ends_well(there=False)
    return Use.NEEDS if with_it and not without else max(seen)


def _of(command: shell.Command) -> Use:
    """Judge one command of a script, with the scripts whose output it is given."""
    inner = max(map(_script, command.inner), default=Use.NONE)
    words = [word for word in command.words if not (_is_test(command.words) and word == "!")]
    if inner >= Use.TRIES and _decides(command.words):
        return Use.NEEDS
    alone = all(_ASSIGNED.fullmatch(word) for word in command.words)
    return max(_command(words), inner if alone else min(inner, Use.TRIES))


def _decides(words: Sequence[str]) -> bool:
    """Tell whether what scripts say decides how a command ends: a test, `exit`, and `for` over nothing else."""
    if words[:1] == ("for",):
        return all(_OUTPUT.fullmatch(word) for word in words[3:])
    return words[:1] == ("exit",) or _is_test(words)


def _passes_without(command: shell.Command) -> bool:
    """Tell whether a test is passed where there is no Docker: it asks for what is not there."""
    return bool((_PASS_ON_NOTHING if command.inner else {"!"}) & set(command.words))


def _open(command: shell.Command) -> bool:
    """Tell whether a command may succeed or fail."""
    return _name((*command.words, ":")[0]) not in _SUCCEEDS | {
        "break",
        "continue",
        "exit",
        "false",
        "for",
        "set",
        "sleep",
    }


def _is_test(words: Sequence[str]) -> bool:
    return bool(words) and _name(words[0]) in _TESTS


def _has_effect(words: Sequence[str]) -> bool:
    """Tell whether something comes of a command that others may need, whatever its status is for the script."""
    return any(is_docker(_name(word)) for word in words[:1]) and not _IDLE & set(words[1:3])
