"""The parts of the lab that need no guests."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from lab import __main__ as command
from lab import artefacts, images
from lab.errors import LabError
from lab.settings import Settings


def test_an_artefact_is_built_once(tmp_path: Path) -> None:
    """The same inputs give the same folder without building again; other inputs build another."""
    built: list[str] = []

    def build(folder: Path) -> None:
        built.append(folder.name)
        (folder / "f").write_text("content")

    first = artefacts.artefact(tmp_path, "x", {"v": "1"}, build)
    assert artefacts.artefact(tmp_path, "x", {"v": "1"}, build) == first
    assert artefacts.artefact(tmp_path, "x", {"v": "2"}, build) != first
    assert len(built) == 2


def test_a_damaged_artefact_is_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes are compared at use."""
    folder = artefacts.artefact(tmp_path, "x", {}, lambda path: (path / "f").write_text("good") and None)
    (folder / "f").write_text("bad")
    monkeypatch.setattr(artefacts, "_checked", set())

    again = artefacts.artefact(tmp_path, "x", {}, lambda path: (path / "f").write_text("good") and None)

    assert (again / "f").read_text() == "good"


def test_a_build_that_breaks_off_leaves_nothing_that_looks_finished(tmp_path: Path) -> None:
    """The next use builds again."""

    def broken(folder: Path) -> None:
        (folder / "half").touch()
        raise LabError("no disk")

    with pytest.raises(LabError):
        artefacts.artefact(tmp_path, "x", {}, broken)

    folder = artefacts.artefact(tmp_path, "x", {}, lambda path: (path / "whole").touch())
    assert not (folder / "half").exists()


def test_an_image_layout_is_consistent(tmp_path: Path) -> None:
    """Every digest in the layout is that of a blob of that size."""
    images.write_layout(
        tmp_path / "a", images.packed(images.Layer(files={"bin/x": b"x"}, links={"bin/y": "x"})), ["/bin/x"]
    )

    (entry,) = json.loads((tmp_path / "a/index.json").read_text())["manifests"]
    blobs = tmp_path / "a/blobs/sha256"
    manifest = json.loads((blobs / entry["digest"].removeprefix("sha256:")).read_text())
    for described in (entry, manifest["config"], *manifest["layers"]):
        data = (blobs / described["digest"].removeprefix("sha256:")).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (described["digest"][7:], described["size"])


@pytest.mark.parametrize("value", ["0", "ten", "-1", "100"])
def test_a_setting_that_makes_no_sense_is_told(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable, its value and what is allowed."""
    monkeypatch.setenv("MIGRATOR_LAB_WORKERS", value)

    with pytest.raises(LabError, match=f"MIGRATOR_LAB_WORKERS='{value}'.*from 1 to 12"):
        Settings()


@pytest.mark.parametrize(
    ("given", "parsed"),
    [
        (["kubectl", "-n", "shop", "get", "pods"], ["kubectl", "--", "-n", "shop", "get", "pods"]),
        (["ssh", "worker-1", "ls", "-l"], ["ssh", "worker-1", "--", "ls", "-l"]),
        (["run", "--", "ls"], ["run", "--", "ls"]),
        (["up"], ["up"]),
        ([], []),
    ],
)
def test_options_of_another_command_are_not_ours(given: list[str], parsed: list[str]) -> None:
    """`lab kubectl -n shop` hands `-n` to kubectl."""
    assert command.marked(given) == parsed
