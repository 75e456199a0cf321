"""The switch as a transaction: whatever ends it, and wherever, the node has its old runtime or its new one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.test_node_modules import digest, entry, node_switch, preparation, request, service, switching, units


class Machine:
    """A node in memory: systemd's units, Docker's containers, and files on disk. Its `boot` changes at a reboot.

    As systemd does, it starts nothing that runs, nor what a condition in a drop-in that it has read forbids.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have it run on Docker."""
        self.folder = folder
        self.config = folder / "config.toml"
        self.flags = folder / "etc" / "flags.env"
        self.config.write_text("old")
        self.containers = ["web", "sandbox"]
        self.cri: list[str] = []
        self.active = {"kubelet.service", "docker.service"}
        self.enabled = {"kubelet.service", "docker.service", "docker.socket"}
        self.boot = "first"
        self.fails: Callable[[str], bool] = lambda _: False
        self.done: list[str] = []
        self.healthy = True
        self.processes = {"kubelet.service": (1, "old")}
        self.count = 1
        self.dies: Callable[[], bool] = lambda: False
        self.units, self.until_boot = folder / "units", folder / "until-boot"
        self.read: list[Path] = []
        monkeypatch.setattr(service, "UNITS", str(self.units))
        monkeypatch.setattr(service, "UNITS_UNTIL_BOOT", str(self.until_boot))
        for module in (switching, service, units, node_switch):
            monkeypatch.setattr(module, "run", self.run)
        monkeypatch.setattr(units, "arguments", self.arguments)
        monkeypatch.setattr(preparation, "arguments", self.arguments)
        monkeypatch.setattr(units, "COMMAND_SECONDS", 0.3)
        monkeypatch.setattr(switching, "boot", lambda: self.boot)
        monkeypatch.setattr(switching, "cri_plugin", lambda: "ok" if "containerd.service" in self.active else "silent")
        monkeypatch.setattr(switching, "docker_containers", lambda **_: [{"Id": name} for name in self.containers])
        monkeypatch.setattr(switching, "remove_docker_containers", lambda *_: self.containers.clear() or [])
        monkeypatch.setattr(switching, "remove_cri_containers", lambda *_: self.cri.clear())
        monkeypatch.setattr(switching, "healthy", lambda: self.healthy)
        monkeypatch.setattr(switching, "AGAIN_SECONDS", 0)

    def run(self, argv: list[str], **_: Any) -> tuple[int, str, str]:
        """Stand in for systemctl."""
        words = [word for word in argv[1:] if not word.startswith("--")]
        verb, unit = words[0], words[1] if len(words) > 1 else ""
        self.done.append(f"{verb} {unit}".strip())
        if self.fails(f"{verb} {unit}"):
            raise switching.NodeError(f"`{verb} {unit}` failed")
        if verb == "is-enabled":
            return int(unit not in self.enabled), "", ""
        if verb == "show":
            if self.dies():
                self.stop(unit)
                self.start(unit)
            drop_ins = " ".join(map(str, self.read))
            return 0, f"DropInPaths={drop_ins}" if "DropInPaths" in argv[2] else f"MainPID={self.process(unit)[0]}", ""
        if verb == "daemon-reload":
            self.read = [
                folder / service.HOLD for folder in (self.units, self.until_boot) if (folder / service.HOLD).exists()
            ]
        elif verb in {"enable", "disable"}:
            (self.enabled.add if verb == "enable" else self.enabled.discard)(unit)
        if verb in {"stop", "restart"}:
            self.stop(unit)
        if verb in {"start", "restart"}:
            self.start(unit)
        return 0, "", ""

    def stop(self, unit: str) -> None:
        """Stop a unit."""
        self.active.discard(unit)
        self.processes.pop(unit, None)

    def start(self, unit: str) -> None:
        """Start one that does not run and may."""
        marks = [line for path in self.read for line in path.read_text().splitlines() if line.startswith("Condition")]
        held = any(Path(line.partition("=!")[2]).exists() for line in marks)
        if unit in self.active or (unit == "kubelet.service" and held):
            return
        self.active.add(unit)
        self.count += 1
        self.processes[unit] = (self.count, self.config.read_text())
        if unit == "kubelet.service":
            (self.containers if self.config.read_text() == "old" else self.cri).append("anew")

    def process(self, unit: str) -> tuple[int, str]:
        """Give a unit's process and what it was started with."""
        return self.processes.get(unit, (0, ""))

    def arguments(self, process: str) -> list[str] | None:
        """Give the command line of a process: what its file said when it was started."""
        return next(([f"--as={words}"] for number, words in self.processes.values() if str(number) == process), None)

    @property
    def state(self) -> Mapping[str, Any]:
        """Describe what matters."""
        return {
            "files": (self.config.read_text(), self.flags.exists()),
            "kubelet": "kubelet.service" in self.active,
            "in Docker": bool(self.containers),
            "in containerd": bool(self.cri),
            "containerd at boot": "containerd.service" in self.enabled,
        }

    def ask(self) -> None:
        """Ask for a switch."""
        preparation.ask(str(self.journal), self.request, {"source": "docker://20.10.24"})

    @property
    def journal(self) -> Path:
        """Where it is written down."""
        return self.folder / "journals" / "t"

    @property
    def request(self) -> dict[str, Any]:
        """What is asked for."""
        socket = self.folder / "socket"
        socket.touch()
        files = (entry(self.config, "new", digest("old")), entry(self.flags, "flag"))
        return {**request(*files), "socket": str(socket), "arguments": ["--as=new"]}

    def proceed(self) -> str:
        """Run the program once; give what the journal says last."""
        switching.Switch(str(self.journal), switching.asked(str(self.journal))).proceed()
        return self.actions[-1]

    @property
    def actions(self) -> list[str]:
        """Name what the journal has."""
        return [line["action"] for line in switching.Journal(str(self.journal)).entries()]

    def last(self) -> Mapping[str, Any]:
        """Give the journal's last line."""
        found: Mapping[str, Any] = switching.Journal(str(self.journal)).entries()[-1]
        return found


OLD = {"files": ("old", False), "kubelet": True, "in Docker": True, "in containerd": False, "containerd at boot": False}
NEW = {"files": ("new", True), "kubelet": True, "in Docker": False, "in containerd": True, "containerd at boot": True}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Give one."""
    return Machine(tmp_path, monkeypatch)


class KilledError(BaseException):
    """Stands in for SIGKILL: nothing of the program catches it."""


WHOLE = (
    "begin", "stop the kubelet", "remove Kubernetes' Docker containers", "removed", "write files", "saved", "made folder",
    "saved", "start containerd", "enable containerd at boot", "start the kubelet", "done",
)  # fmt: skip


def test_a_switch_is_written_down_before_it_happens(machine: Machine) -> None:
    """Each action in its order; the node has the new runtime."""
    machine.ask()

    assert machine.proceed() == "done"
    assert tuple(machine.actions) == WHOLE
    assert machine.state == NEW
    assert machine.proceed() == "done"
    assert tuple(machine.actions) == WHOLE


@pytest.mark.parametrize("after", [False, True], ids=["before the line is written", "after it"])
@pytest.mark.parametrize("line", range(1, len(WHOLE)))
@pytest.mark.parametrize("reboots", [False, True], ids=["killed", "power cut"])
def test_killed_anywhere_it_is_wholly_old_or_wholly_new(
    machine: Machine, line: int, monkeypatch: pytest.MonkeyPatch, *, after: bool, reboots: bool
) -> None:
    """The next run of the program puts it back, and says after what it was cut short; or it was through."""
    machine.ask()
    write, count = switching.Journal.write, [0]

    def cut(journal: Any, action: str, **details: Any) -> None:
        count[0] += 1
        if after:
            write(journal, action, **details)
        if count[0] == line:
            raise KilledError
        if not after:
            write(journal, action, **details)

    with monkeypatch.context() as patch:
        patch.setattr(switching.Journal, "write", cut)
        with pytest.raises(KilledError):
            machine.proceed()
    if reboots:
        machine.boot = "second"
        machine.active -= {"kubelet.service"}

    end = machine.proceed()

    # Nothing had happened before the first line: then it goes on, unless the node was rebooted meanwhile.
    through = (line == len(WHOLE) - 1 and after) or (line == 1 and not after and not reboots)
    assert end == ("done" if through else "undone")
    if not through:
        assert machine.state == OLD
        how = "the node was rebooted" if reboots else "the switch was killed"
        assert machine.last()["cause"].startswith(f"{how} in the middle of the switch, after ")


@pytest.mark.parametrize("line", range(1, 8))
def test_killed_while_it_goes_back_it_goes_back(machine: Machine, line: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every action of going back can be done again."""
    machine.ask()
    machine.proceed()
    switching.Journal(str(machine.journal)).write("undo")
    write, count = switching.Journal.write, [0]

    def cut(journal: Any, action: str, **details: Any) -> None:
        count[0] += 1
        if count[0] == line:
            raise KilledError
        write(journal, action, **details)

    with monkeypatch.context() as patch:
        patch.setattr(switching.Journal, "write", cut)
        with pytest.raises(KilledError):
            machine.proceed()

    assert machine.proceed() == "undone"
    assert machine.state == OLD
    assert machine.last()["cause"] == ""


def test_what_fails_is_undone_with_its_cause(machine: Machine) -> None:
    """A containerd that does not start is no reason to leave the node without a kubelet."""
    machine.ask()
    fails = [True]
    machine.fails = lambda what: what == "restart containerd.service" and bool(fails) and fails.pop()

    assert machine.proceed() == "undone"
    assert machine.last()["cause"] == "`restart containerd.service` failed"
    assert machine.state == OLD


def test_a_node_that_cannot_be_put_back_is_broken_and_tried_again(machine: Machine) -> None:
    """Both causes are said; the next run, at the next boot at the latest, tries again."""
    machine.ask()
    machine.fails = lambda what: what in {"restart containerd.service", "start docker.service"}

    assert machine.proceed() == "broken"
    assert machine.last()["cause"] == (
        "`restart containerd.service` failed; then putting it back failed: `start docker.service` failed"
    )
    machine.fails = lambda _: False
    assert machine.proceed() == "undone"
    assert machine.state == OLD


def test_what_the_new_runtime_leaves_does_not_keep_the_old_one_from_serving(machine: Machine) -> None:
    """A containerd that does not start again is told; Docker and the kubelet run."""
    machine.ask()
    machine.fails = lambda what: what == "restart containerd.service"

    assert machine.proceed() == "undone"
    assert machine.state == OLD
    assert machine.last()["problems"] == ["`restart containerd.service` failed"]


def test_a_kubelet_that_ends_at_once_is_no_switch(machine: Machine) -> None:
    """For systemd a process is started before it has read its command line."""
    machine.ask()
    machine.healthy, machine.dies = False, lambda: machine.process("kubelet.service")[1] == "new"

    assert machine.proceed() == "undone"
    assert machine.last()["cause"] == "the kubelet does not stay up (journalctl -u kubelet.service)"


def test_a_kubelet_that_was_not_well_before_is_not_waited_for(machine: Machine) -> None:
    """It may answer elsewhere, or not be set up yet."""
    machine.healthy = False
    machine.ask()

    assert machine.proceed() == "done"


def test_a_file_that_somebody_else_has_written_as_planned_is_no_reason_to_break(machine: Machine) -> None:
    """What was there before the switch is what was there, whatever the plan had seen."""
    machine.config.write_text("new")
    machine.ask()
    machine.healthy, machine.dies = False, lambda: machine.process("kubelet.service")[1] == "new"

    assert machine.proceed() == "undone"
    assert machine.config.read_text() == "new"


def test_what_others_wrote_since_is_kept(machine: Machine) -> None:
    """Going back replaces it by what was before the switch; nothing is lost."""
    machine.ask()
    machine.proceed()
    machine.config.write_text("theirs")
    switching.Journal(str(machine.journal)).write("undo")

    assert machine.proceed() == "undone"
    assert machine.config.read_text() == "old"
    (kept,) = [line for line in switching.Journal(str(machine.journal)).entries() if line["action"] == "kept"]
    assert (kept["path"], Path(kept["copy"]).read_text()) == (str(machine.config), "theirs")


def test_half_a_file_that_a_power_cut_left_goes_again(machine: Machine) -> None:
    """Nothing of ours stays beside what was put back."""
    machine.ask()
    machine.proceed()
    half = machine.flags.parent / ".migrator-flags.env.new"
    half.write_text("fl")
    switching.Journal(str(machine.journal)).write("undo")

    assert machine.proceed() == "undone"
    assert not machine.flags.parent.exists()


def test_check_mode_does_nothing(machine: Machine, carried: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does it go on with a switch that was begun."""
    monkeypatch.setattr(Module, "check_mode", True)
    assert asked(machine, "forth") == ("", "")
    machine.ask()

    assert asked(machine, "forth") == ("", "")
    assert carried == []


def test_a_docker_that_does_not_start_is_no_way_back(machine: Machine, carried: list[str]) -> None:
    """That is found before anything is stopped: the node goes on serving."""
    asked(machine, "forth")
    machine.fails = lambda what: what == "start docker.service"

    with pytest.raises(switching.NodeError, match="`start docker.service` failed"):
        asked(machine, "back")

    assert (carried, machine.state, machine.actions[-1]) == (["begin"], NEW, "done")


def test_docker_starts_at_boot_again_where_it_did_before(machine: Machine) -> None:
    """It was retired after the switch; going back makes it what it was."""
    machine.ask()
    machine.proceed()
    machine.enabled -= {"docker.service", "docker.socket"}
    machine.active -= {"docker.service"}
    switching.Journal(str(machine.journal)).write("undo")

    assert machine.proceed() == "undone"
    assert machine.enabled == {"kubelet.service", "docker.service", "docker.socket"}
    assert machine.state == OLD


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda _: "", "has lost its beginning"),
        (lambda text: text.replace('"action": "begin"', '"action": "gone"'), "has lost its beginning"),
        (lambda text: text.replace('"action": "saved"', '"action": "lost"', 1), "not what they were before"),
    ],
    ids=["empty", "without its beginning", "without a saved file"],
)
def test_a_journal_that_lost_lines_is_not_believed(machine: Machine, spoil: Callable[[str], str], said: str) -> None:
    """The node is called broken, never put back."""
    machine.ask()
    machine.proceed()
    switching.Journal(str(machine.journal)).write("undo")
    path = machine.journal / "journal.jsonl"
    path.write_text(spoil(path.read_text()))

    assert machine.proceed() == "broken"
    assert said in machine.last()["cause"]


def test_a_damaged_line_is_named(machine: Machine) -> None:
    """With the journal and its number."""
    machine.ask()
    machine.proceed()
    path = machine.journal / "journal.jsonl"
    path.write_text(path.read_text().replace('{"boot"', '{"boot', 1))

    with pytest.raises(switching.NodeError, match=r"line 1 of the journal .*journal.jsonl is damaged"):
        machine.proceed()


def test_a_line_after_a_torn_one_stands_alone(tmp_path: Path) -> None:
    """What a power cut left incomplete goes when the next line is written."""
    journal = switching.Journal(str(tmp_path))
    journal.write("begin")
    with (tmp_path / "journal.jsonl").open("a") as file:
        file.write('{"action": "write fi')

    journal.write("undo")

    assert [line["action"] for line in journal.entries()] == ["begin", "undo"]


def test_space_for_going_back_is_set_aside(machine: Machine) -> None:
    """A disk that got full meanwhile does not keep a node from being put back."""
    machine.ask()
    assert (machine.journal / "reserve").stat().st_blocks * 512 >= 4 * 2**20
    switching.Journal(str(machine.journal)).write("undo")

    machine.proceed()

    assert not (machine.journal / "reserve").exists()


def test_the_program_runs_without_ansible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written to the node's disk is whole: the standard library is enough."""
    monkeypatch.setattr(service, "UNITS", str(tmp_path / "units"))
    monkeypatch.setattr(service, "UNITS_UNTIL_BOOT", str(tmp_path / "until-boot"))
    monkeypatch.setattr(service, "run", lambda *_, **__: (0, "", ""))
    folder = tmp_path / "t"
    service.install(str(folder))
    unit = (tmp_path / "units" / service.NAME).read_text()
    assert f"ExecStart={sys.executable} -B {folder}/program {folder}\n" in unit
    assert (tmp_path / "units" / service.WANTED_BY / service.NAME).resolve().name == service.NAME

    # Without a request there is nothing that it could do to this machine.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", folder / "program", folder], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    (line,) = (folder / "journal.jsonl").read_text().splitlines()
    assert json.loads(line)["cause"] == f"request.json is not in {folder}"
    service.remove(str(folder))
    assert not (tmp_path / "units" / service.NAME).exists()


class Module:
    """Stands in for Ansible's, with what the playbook gives."""

    check_mode = False

    def __init__(self, machine: Machine) -> None:
        """Take the machine's request."""
        self.params = {**machine.request, "about": {}}


@pytest.fixture
def carried(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have the program run at once instead of by systemd; gives the last line that it found each time."""
    found: list[str] = []

    def carry_out(_: Any) -> None:
        found.append(machine.actions[-1])
        machine.proceed()

    monkeypatch.setattr(node_switch, "carry_out", carry_out)
    return found


def asked(machine: Machine, which: str) -> tuple[str, str]:
    """Ask the module for the new state or the old one; give outcome and cause."""
    result = getattr(node_switch, which)(Module(machine), switching.Journal(str(machine.journal)))
    return result["outcome"], result["cause"]


def test_forth_and_back_by_the_module(machine: Machine, carried: list[str]) -> None:
    """Each is done once; asked again, the module says what came of it."""
    assert asked(machine, "back") == ("unchanged", "no such switch was begun here")
    assert asked(machine, "forth") == ("switched", "")
    assert asked(machine, "forth") == ("switched", "")
    assert asked(machine, "back") == ("restored", "")
    assert asked(machine, "back") == ("restored", "it was put back already")
    assert asked(machine, "forth") == ("rolled-back", "")
    assert carried == ["begin", "undo"]
    again = node_switch.forth(Module(machine), switching.Journal(str(machine.journal)))
    assert not again["changed"]


def test_a_module_that_was_killed_before_it_started_anything_is_asked_again(
    machine: Machine, carried: list[str]
) -> None:
    """What was written down is done then."""
    machine.ask()

    assert asked(machine, "forth") == ("switched", "")
    assert carried == ["begin"]


def test_a_file_that_somebody_else_changed_begins_nothing(machine: Machine, carried: list[str]) -> None:
    """The plan is stale."""
    machine.config.write_text("theirs")

    assert asked(machine, "forth") == ("stale", f"changed since the plan: {machine.config}")
    assert (carried, machine.journal.exists()) == ([], False)


def test_no_room_for_the_journal_begins_nothing(
    machine: Machine, carried: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk is told before the kubelet is stopped."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(switching.os, "posix_fallocate", full)

    with pytest.raises(switching.NodeError, match="nothing was changed: .*No space left on device"):
        asked(machine, "forth")
    assert (carried, machine.journal.exists()) == ([], False)
    assert machine.state == OLD
