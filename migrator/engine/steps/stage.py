"""What is done while the node still serves: the new runtime reads its configuration, and gets the images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from migrator.engine.context import StepContext
from migrator.engine.playbooks import answer, encoded, planned_file, play, request
from migrator.model import node_requests
from migrator.model.node_answers import Carried, Carrying
from migrator.runtimes import containerd

_LACKING_TASK = "Find the images that containerd lacks"
_CARRY_TASK = "Carry images from Docker's store into containerd's"


@dataclass
class _Carrying:
    """Images on their way, as the tasks tell of them."""

    run: StepContext
    wanted: list[Carried] = field(default_factory=list)
    done: list[Carried] = field(default_factory=list)

    def heard(self, task: str, result: Mapping[str, Any]) -> None:
        """Take what a task returned, and tell how far it is."""
        if task == _LACKING_TASK:
            self.wanted += answer(Carrying, result).carried
        elif task == _CARRY_TASK:
            carried = answer(Carrying, result).carried
            self.done += carried
            for entry in carried:
                if entry.why:
                    self.run.progress(f"{entry.image} comes out of Docker's store, not pulled: {entry.why}")
            self.run.progress(
                f"{len(self.done)} of {len(self.wanted)} images carried over, "
                f"{_mega(self.done)} of about {_mega(self.wanted)} MB"
            )


def act(run: StepContext) -> str:
    """Have the new runtime read its configuration, and carry the images over."""
    config = next((file.content for file in run.migration.files if file.path == containerd.CONFIG), "")
    registries = _registries(run, config)
    carrying = _Carrying(run)
    asked = request(
        node_requests.Stage,
        config=encoded(config),
        start=run.migration.starts,
        images=run.migration.images,
        root=run.migration.root,
        registries=registries,
    )
    play(run, asked, carrying.heard)
    done = carrying.done
    pulled = sum(not entry.why for entry in done) if registries else 0
    from_where = f", {pulled} of them pulled" if pulled else ""
    return f"configuration accepted by containerd; {len(done)} images carried over{from_where}, {_mega(done)} MB"


def _registries(run: StepContext, config: str) -> dict[str, object] | None:
    """Say what containerd will know of registries; None when nothing is to be pulled from them."""
    if run.target.image_source != "registry":
        return None
    folder = containerd.certs_folder(config or run.migration.config)
    files = [planned_file(file) for file in run.migration.files if file.path.startswith(f"{folder}/")]
    return {"folder": folder, "files": files}


def _mega(images: Sequence[Carried]) -> str:
    return f"{sum(entry.bytes for entry in images) / 1e6:,.0f}"
