"""What is written on the control host is for its owner alone, whatever was there before and whatever the umask."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from migrator.cli.plan import write
from migrator.errors import UsageError
from migrator.model.event import Event
from migrator.model.evidence import Via
from migrator.model.host_settings import HostSettings
from migrator.model.kubernetes import ClusterFacts
from migrator.model.observation import Observation
from migrator.model.plan import Plan
from migrator.store import evidence_file, fact_store, private_files
from migrator.store.run_log import RunLog
from tests.fakes import proof
from tests.fakes.values import facts, node

RUN = "20260101-000000-42"
SEEN = proof.good("docker", "v2", "systemd", Via.KUBELET)


def record(folder: Path) -> None:
    """Do what `inspect --save` does."""
    fact_store.save(
        folder, [Observation(host="worker-1", target=HostSettings(), facts=facts())], ClusterFacts(nodes=(node(),))
    )


def plan(folder: Path) -> None:
    """Do what `plan --out` does, in a folder of its own."""
    private_files.make_folder(folder)
    write(folder / "plan.json", Plan())


def run(folder: Path) -> None:
    """Do what `apply` does."""
    kept = RunLog(folder, Plan(), RUN)
    kept.around(ClusterFacts(nodes=(node(),)))
    kept.facts([Observation(host="worker-1", target=HostSettings(), facts=facts())])
    kept.event(Event(node="worker-1", step="drain", kind="changed"))
    kept.event(Event(node="worker-1", step="switch", kind="failed"))
    kept.evidence("worker-1", {"baseline": SEEN})
    kept.close()


def prove(folder: Path) -> None:
    """Do what `verify --save` does."""
    evidence_file.prepare(folder)
    evidence_file.write(folder, SEEN)


WRITERS = {"inspect --save": record, "plan --out": plan, "apply --runs": run, "verify --save": prove}


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o177, 0o277], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    """Set a umask: open to all, the usual one, closed, and ones that take rights from the owner too."""
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def modes(folder: Path) -> dict[str, str]:
    """Give the modes that are not as they should be, by path."""
    wrong = {}
    for path in (folder, *folder.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode != (0o700 if path.is_dir() else 0o600):
            wrong[str(path.relative_to(folder))] = oct(mode)
    return wrong


@pytest.mark.usefixtures("umask")
@pytest.mark.parametrize("writes", WRITERS.values(), ids=WRITERS)
def test_what_is_written_is_for_its_owner_alone(tmp_path: Path, writes: Callable[[Path], None]) -> None:
    """Every file is 0600 and every folder 0700, also those above that had to be made."""
    writes(tmp_path / "new" / "deeper")

    assert modes(tmp_path / "new") == {}
    assert not list(tmp_path.rglob(".new-*"))


@pytest.mark.parametrize("name", ["inspect --save", "plan --out", "verify --save"])
def test_what_was_open_is_closed(tmp_path: Path, name: str) -> None:
    """Files that an earlier version wrote for everybody, and the folder that holds nothing else."""
    folder = tmp_path / "kept"
    WRITERS[name](folder)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    reader = next(path for path in folder.rglob("*.json")).open()  # opened while it was open to all
    old = reader.read()

    WRITERS[name](folder)

    assert modes(folder) == ({".": "0o777"} if name == "plan --out" else {})
    reader.seek(0)
    assert reader.read() == old, "the new text is in a new file"
    reader.close()


def test_a_folder_of_others_stays_open(tmp_path: Path) -> None:
    """Nobody else is locked out of /tmp or a home; the files are closed all the same."""
    (tmp_path / "notes.txt").write_text("mine")
    tmp_path.chmod(0o755)

    record(tmp_path)
    prove(tmp_path)

    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    assert [oct(stat.S_IMODE(path.stat().st_mode)) for path in tmp_path.rglob("*.json")] == ["0o600"] * 3
    assert stat.S_IMODE((tmp_path / "hosts").stat().st_mode) == 0o700


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    """Whoever may write beside the plan does not choose which file is overwritten."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "plan.json").symlink_to(victim)
    write(tmp_path / "plan.json", Plan())
    (tmp_path / "events.jsonl").symlink_to(victim)

    with pytest.raises(OSError, match="symbolic links"):
        private_files.append(tmp_path / "events.jsonl", "x")
    assert victim.read_text() == "mine"
    assert not (tmp_path / "plan.json").is_symlink()


def test_nothing_half_written_is_left(tmp_path: Path) -> None:
    """Neither for a target that cannot be replaced nor for text that is none."""
    (tmp_path / "plan.json").mkdir()

    with pytest.raises(UsageError, match="--out"):
        write(tmp_path / "plan.json", Plan())
    with pytest.raises(ValueError, match="surrogates"):
        private_files.write(tmp_path / "x", "\udc80")
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]
