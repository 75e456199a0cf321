"""What a run's logs have: enough to find the cause, nothing secret, and never a reason to end."""

from __future__ import annotations

import json
import logging
import re
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from migrator import log_context, masking
from migrator.app import observe
from migrator.errors import ClusterError, StepFailedError
from migrator.hosts import runner
from migrator.inventory import load
from migrator.model.host_settings import HostSettings
from migrator.model.kubernetes import ClusterFacts
from migrator.model.node_requests import Request
from migrator.model.observation import Observation
from migrator.planning.inputs import NodeInputs
from migrator.rollout import lock
from migrator.runtimes.registry import targets
from migrator.store import debug_log, run_log
from tests.fakes.cluster import FakeCluster
from tests.fakes.values import facts, node
from tests.test_cli import migrator
from tests.test_work import World, fails

log = logging.getLogger("migrator.test")
ansible = logging.getLogger(debug_log.ANSIBLE)


class Some(Request):
    """A playbook of a test."""

    playbook = "some"


def logged(folder: Path, act: Callable[[], object], name: str = "debug.log") -> str:
    """Give what a log has of it."""
    with debug_log.kept(folder):
        act()
    return (folder / name).read_text() if (folder / name).exists() else ""


def boom() -> None:
    """Stand in for a bug."""
    raise KeyError("a bug of ours")


def test_an_entry_says_when_where_and_what(tmp_path: Path) -> None:
    """In UTC, with node and step as its thread has them; Ansible's words have a file of their own."""

    def say() -> None:
        with log_context.at(node_name="w1"), log_context.at(step_id="drain"):
            log.debug("waits for %d pods", 3)
            ansible.debug("ok: [w1]")
        log.debug("afterwards")

    told = logged(tmp_path, say).splitlines()

    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00"
    assert re.fullmatch(rf"{stamp} DEBUG migrator\.test \[w1 drain\] waits for 3 pods", told[0])
    assert re.fullmatch(rf"{stamp} DEBUG migrator\.test \[-\] afterwards", told[1])
    assert len(told) == 2
    assert (tmp_path / "ansible.log").read_text().endswith(" DEBUG migrator.ansible [w1 drain] ok: [w1]\n")


def test_a_run_that_fails_leaves_the_cause(tmp_path: Path) -> None:
    """With the traceback, though the screen has one paragraph; each line of a node's thread names it."""
    world = World(tmp_path)
    world.does = {"w1": fails}

    world.do()

    (folder,) = tmp_path.iterdir()
    told = (folder / "debug.log").read_text()
    assert re.search(r"migrator\.engine\.executor \[w1\] step switch failed\n    Traceback", told)
    assert "StepFailedError: containerd does not start" in told
    assert re.search(r"in fails$", told, re.MULTILINE)
    assert re.search(r"\[w1 drain\] drain progress|\[w1\] drain changed", told)
    assert stat.S_IMODE((folder / "debug.log").stat().st_mode) == 0o600


def test_both_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Whatever the umask."""
    with run_log.logs_alone(tmp_path / "runs", "20260101-000000-1"):
        log.debug("a")
        ansible.debug("b")

    folder = tmp_path / "runs" / "20260101-000000-1"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    assert modes == {folder.name: 0o700, "debug.log": 0o600, "ansible.log": 0o600}


def test_a_log_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    """Its folder may be gone, or a file stand in its place."""
    (tmp_path / "debug.log").mkdir()
    (tmp_path / "runs").write_text("a file")

    with debug_log.kept(tmp_path), run_log.logs_alone(tmp_path / "runs", "x"):
        log.debug("a")

    assert (tmp_path / "runs").read_text() == "a file"


def test_a_log_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a run of days the newest is kept, and of one endless entry the beginning."""
    monkeypatch.setattr(debug_log, "_LARGEST", 4096)
    monkeypatch.setattr(debug_log, "_LONGEST", 500)

    def much() -> None:
        for number in range(200):
            log.debug("entry %d %s", number, "x" * 50)
        log.debug("y" * 10_000)

    told = logged(tmp_path, much)

    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2 * 4096
    assert {path.name for path in tmp_path.iterdir()} == {"debug.log", "debug.log.1"}
    assert "entry 199 " in told
    assert told.endswith("y\n    … of 10000 characters\n")
    assert "entry 0 " not in told + (tmp_path / "debug.log.1").read_text()


def test_a_hosts_text_is_not_taken_for_ours(tmp_path: Path) -> None:
    """It begins no line, and writes to no terminal."""
    forged = "2026-01-01T00:00:00.000+00:00 DEBUG migrator.engine [w1] all is well"

    told = logged(tmp_path, lambda: log.debug("said %s", f"a\r\n{forged}\x1b[2J\u202e\udc80\x9b"))

    assert f"\n    {forged}\\x1b[2J\\u202e\\udc80\\x9b\n" in told
    assert not set(told) & set("\r\x1b\x9b\u202e")


def test_nothing_is_kept_or_shown_without_a_log(capfd: pytest.CaptureFixture[str]) -> None:
    """Nobody asked for it."""
    log.debug("a")
    with log_context.swallowed(log, "try it"):
        boom()

    assert capfd.readouterr() == ("", "")
    assert not logging.getLogger("migrator").isEnabledFor(logging.DEBUG)


def test_what_is_swallowed_is_in_the_log(tmp_path: Path) -> None:
    """With its traceback; errors of other kinds are raised."""

    def swallow() -> None:
        with log_context.swallowed(log, "try it", KeyError):
            boom()
        with pytest.raises(StepFailedError), log_context.swallowed(log, "try it", KeyError):
            raise StepFailedError("no")

    told = logged(tmp_path, swallow)

    assert "could not try it, and goes on\n    Traceback" in told
    assert "KeyError: 'a bug of ours'" in told
    assert told.count("could not") == 1


def test_a_terminal_that_is_gone_is_in_the_log(tmp_path: Path) -> None:
    """The run goes on, and somebody can see why nothing was shown."""
    world = World(tmp_path)

    world.do(tell=lambda _: boom()).check()

    (folder,) = tmp_path.iterdir()
    told = (folder / "debug.log").read_text()
    assert "could not tell of the rollout, and goes on" in told
    assert re.search(r"could not tell .* of an event, and goes on\n    Traceback", told)


def test_what_caused_an_error_is_told_and_what_did_not_fit_is_not(tmp_path: Path) -> None:
    """Also of errors that are each other's causes; pydantic quotes what it refuses."""
    document = {"batch": ["QZX"]}

    def circle() -> None:
        first, second = KeyError("first"), ValueError("second")
        first.__cause__, second.__cause__ = second, first
        with log_context.swallowed(log, "go round"):
            raise first

    def strange() -> None:
        with log_context.swallowed(log, "read it"):
            try:
                HostSettings.model_validate(document)
            except ValidationError as error:
                raise StepFailedError("no settings") from error

    told = logged(tmp_path, lambda: (circle(), strange()))

    assert "KeyError: 'first'" in told
    assert re.search(r"ValidationError: batch: .*\n(.*\n)*.*StepFailedError: no settings", told)
    assert "QZX" not in told


def test_a_lease_that_cannot_be_renewed_is_in_the_log(tmp_path: Path) -> None:
    """Whether the API server did not answer, or we made a mistake."""
    cluster = FakeCluster([node()])
    held = threading.Event()

    def renewals() -> None:
        with lock.held(cluster, "ann", every=0.01):
            cluster.put_lease = lambda _: (held.set(), boom())  # type: ignore[assignment,func-returns-value]
            assert held.wait(30)

    assert "could not renew the lock, and goes on" in logged(tmp_path, renewals)


def test_a_node_that_makes_no_plan_is_in_the_log(tmp_path: Path) -> None:
    """The screen says only that it is a mistake of ours."""

    def strange(_: NodeInputs) -> None:
        boom()

    seen = [Observation(host="worker-1", target=HostSettings(), facts=facts())]
    told = logged(tmp_path, lambda: observe.plan_all(seen, ClusterFacts(nodes=(node(),)), (), strange))  # type: ignore[arg-type]

    assert "worker-1 cannot be planned\n    Traceback" in told
    assert "in boom\n" in told


def test_a_note_that_could_not_be_made_is_in_the_log(tmp_path: Path) -> None:
    """The API server was away for a moment."""
    from migrator.app.progress_annotation import ProgressAnnotation

    cluster = FakeCluster([node(name="w1")])
    cluster.failures = ["no answer"]

    told = logged(tmp_path, lambda: ProgressAnnotation(cluster, "w1", "r").over())

    assert "could not note None on the Node, and goes on" in told
    assert ClusterError.__name__ in told


def test_ansibles_words_are_kept_and_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of real Ansible, as talkative as it can be: banners, and the words of what failed; neither passwords nor files."""
    monkeypatch.setenv("ANSIBLE_VERBOSITY", "4")
    secrets = {"ansible_become_password": "QZX-tiger'\"\\ü", "registry_token": "QZX+4711=="}
    variables = {"ansible_connection": "local", **secrets}
    (tmp_path / "inventory.yml").write_text(json.dumps({"all": {"hosts": {"here": variables}}}))
    tasks = [
        {"name": "reads a file", "ansible.builtin.debug": {"msg": "QZX in a node's file"}},
        {"name": "says it", "ansible.builtin.debug": {"msg": "tried {{ ansible_become_password }}"}},
        {"name": "fails", "ansible.builtin.fail": {
            "msg": "no room\nfor {{ ansible_become_password }} {{ registry_token | urlencode }} {{ registry_token | to_json }}"}},
    ]  # fmt: skip
    (tmp_path / "some.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    load(tmp_path / "inventory.yml", runtimes=targets())
    masking.masked("")  # the nodes' rules are read from the real folder
    monkeypatch.setattr(runner.data_files, "folder", lambda _: tmp_path)

    def play() -> None:
        (result,) = runner.AnsibleHosts(tmp_path / "inventory.yml").play(Some(), ["here"]).values()
        assert result.problem.startswith("no room for QZX-tiger")

    debug = logged(tmp_path, play)
    told = (tmp_path / "ansible.log").read_text()

    assert "QZX" not in told + debug
    assert re.search(r"some: .*\n.*TASK \[fails\] \*+", told)
    assert "fatal: [here]: FAILED!" in told
    assert "    msg: no room\n    for [hidden] [hidden]" in told
    assert re.search(r"plays some on here\n.*played some in \d+\.\d s, failed: here: no room for \[hidden\]", debug)


def test_secrets_of_the_inventory_are_known_however_they_are_written() -> None:
    """JSON in Python in JSON, in a URL, in base64; values that are no secrets, and short ones, stay."""
    secret = 'QZX pä/"s\\s\n%'  # noqa: S105 - nobody's
    masking.learn({"db_password": secret, "password": "on", "api_token": "abc", "ansible_user": "kubernetes"})
    written = [
        secret,
        json.dumps(secret),
        json.dumps(json.dumps(repr(secret))),
        repr([secret]),
        json.dumps(secret, ensure_ascii=False),
    ]

    assert "QZX" not in masking.masked("\n".join(written))
    assert masking.masked("said QZX%20p%C3%A4%2F%22s%5Cs%0A%25!") == "said [hidden]!"
    assert masking.masked("kubernetes is on abc") == "kubernetes is on abc"


FRAME = '  File "/x.py", line 7, in go\n    run(w)\n'
SLOW = {
    "backslashes": "\\" * 60_000,
    "escapes": "%25" * 20_000,
    "quotes": '\\"' * 30_000,
    "keys": "-----BEGIN PRIVATE KEY-----" * 2000,
    "a secret's end": "QZX" * 20_000,
    "flags": "-a" * 30_000,
    "long flags": "--a" * 20_000,
    "an open quote": '--a "' + "x\\" * 30_000,
    "a traceback that is cut off": f"Traceback (most recent call last):\n{FRAME * 2000}  File",
    "a traceback of empty lines": "Traceback (most recent call last):" + "\n " * 30_000 + "\n",
    "many tracebacks": "Traceback (most recent call last):\n" * 2000,
}


@pytest.mark.parametrize("text", SLOW.values(), ids=SLOW)
def test_a_text_made_to_be_slow_is_not(text: str) -> None:
    """Whatever a host prints, a run waits for its log no longer than for anything else."""
    masking.learn({"one_password": '\\\\"' * 20 + "QZX", "two_password": "%" * 30 + "QZX"})
    began = time.process_time()

    masking.masked(f"{text}QZX")
    masking.without_words(f"{text}QZX")
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"Traceback (most recent call last):\n{FRAME}ValueError: no int: 'abc'\n", "ValueError\n"),
        (f"Traceback (most recent call last):\r\n{FRAME}json.E: 'abc'", "json.E"),
        (f"Traceback (most recent call last):\n{FRAME}  File", "  File"),
    ],
    ids=["whole", "of a terminal", "cut off"],
)
def test_what_a_traceback_says_last_is_left_out(text: str, left: str) -> None:
    """Python quotes there what it could not read."""
    found = masking.without_words(text)
    assert "abc" not in found
    assert found.endswith(left)


def test_a_number_is_a_password_too() -> None:
    """YAML makes a number of one; what Ansible Vault has encrypted stands nowhere else."""
    masking.learn({"ansible_become_password": 8713.25, "other_password": {"__ansible_vault": "$QZXVAULT;1.1"}})
    assert masking.masked("said 8713.25 of $QZXVAULT;1.1") == "said [hidden] of $QZXVAULT;1.1"


def test_a_plain_word_that_is_called_a_key_is_none() -> None:
    """Taints and labels have keys; hidden, they would take such words out of every line."""
    masking.learn({"node_taints": [{"key": "node-of-qzx", "effect": "NoSchedule"}]})
    assert masking.masked("GET /api/v1/nodes/node-of-qzx") == "GET /api/v1/nodes/node-of-qzx"


def test_a_log_that_somebody_took_away_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when it would have been time for a new one."""
    monkeypatch.setattr(debug_log, "_LARGEST", 300)
    with debug_log.kept(tmp_path):
        log = logging.getLogger("migrator.test")
        log.debug("x" * 200)
        (tmp_path / "debug.log").unlink()
        log.debug("y" * 200)
        log.debug("z" * 20)

    assert "z" * 20 in (tmp_path / "debug.log").read_text()


def test_a_folder_that_is_there_already_is_not_taken(tmp_path: Path) -> None:
    """Its name can be guessed, and a folder that others may write to is no place for a log."""
    (tmp_path / "run").mkdir()
    with run_log.logs_alone(tmp_path, "run"):
        logging.getLogger("migrator.test").warning("something")

    assert not [*(tmp_path / "run").iterdir()]


def test_without_a_home_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container whose user nobody knows."""
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    with run_log.logs_alone(None, "run"):
        pass


def test_debug_shows_the_same_on_stderr(tmp_path: Path) -> None:
    """Before the command, for each of them alike; what the user is told stays the last word, results have stdout."""
    done = migrator("--debug", "plan", "none.yml", folder=tmp_path)

    assert (done.returncode, done.stdout) == (10, "")
    *debug, last = done.stderr.splitlines()
    assert last == "migrator: none.yml: there is no such inventory; inventory.example shows how one looks"
    assert re.search(r"DEBUG migrator\.cli\.main \[-\] ends with 10$", debug[0])
    assert debug[1] == "    Traceback (most recent call last):"
    assert migrator("plan", "none.yml", folder=tmp_path).stderr.splitlines() == [last]
