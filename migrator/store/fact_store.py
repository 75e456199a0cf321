"""The door to recorded facts: a folder that a plan can be made from without the cluster, and that can be sent.

`cluster.json` holds what the API server said, `hosts/<name>.json` one host each. Neither holds a secret: the node
already replaced credentials by hashes, and paths of the machine that recorded are left out. All the same they are
for their owner alone, who decides whom to send them to.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, unquote

from pydantic import ValidationError

from migrator.errors import InventoryError
from migrator.model.facts import SCHEMA
from migrator.model.host_settings import RUNTIMES, HostSettings
from migrator.model.kubernetes import ClusterFacts
from migrator.model.observation import Observation
from migrator.store import private_files

_CLUSTER = "cluster.json"
_HOSTS = "hosts"
_OURS = (_CLUSTER, _HOSTS)


def save(folder: Path, observations: Iterable[Observation], cluster: ClusterFacts) -> None:
    """Write everything; files of an earlier recording with the same names are replaced.

    Raises `InventoryError` when the folder cannot be written.
    """
    save_cluster(folder, cluster)
    save_hosts(folder, observations)


def save_cluster(folder: Path, cluster: ClusterFacts) -> None:
    """Write what the API server said. Raises `InventoryError` likewise."""
    with _saving(folder):
        private_files.close_folder(folder, _OURS, endings=(".json",))
        private_files.write(folder / _CLUSTER, cluster.model_dump_json(indent=1, exclude_defaults=True) + "\n")


def save_hosts(folder: Path, observations: Iterable[Observation]) -> None:
    """Write hosts beside what was written before. Raises `InventoryError` likewise."""
    with _saving(folder):  # once, and not for each host: it looks at everything that is there
        private_files.close_folder(folder, _OURS)
        private_files.close_folder(folder / _HOSTS, _OURS, endings=(".json",))
    for entry in observations:
        target = entry.target.model_copy(update={"kubeconfig": "", "context": ""})
        text = entry.model_copy(update={"target": target}).model_dump_json(indent=1)
        with _saving(folder):
            private_files.write(folder / _HOSTS / _file_name(entry.host), text + "\n")


@contextmanager
def _saving(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InventoryError(f"the facts cannot be saved in {folder}: {error.strerror}") from error


def cluster(folder: Path) -> ClusterFacts:
    """Read what the API server said. Raises `InventoryError` naming the file and what is wrong in it."""
    path = folder / _CLUSTER
    try:
        return ClusterFacts.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InventoryError(
            f"{path}: {error.strerror}; --facts takes a folder that `migrator inspect --save` has written"
        ) from error
    except ValidationError as error:
        raise InventoryError(f"{path}: {_first(error)}; record the cluster again") from error


def observations(folder: Path, *, runtimes: Sequence[str]) -> Iterator[Observation]:
    """Read the hosts, one at a time, by name. One that cannot be read is given with its problem.

    `runtimes` are those that a host can be asked to have.
    """
    for path in sorted((folder / _HOSTS).glob("*.json")):
        try:
            yield _current(path, runtimes)
        except (OSError, ValueError) as error:
            yield Observation(
                host=unquote(path.stem), target=HostSettings(), problem=f"{path}: {error}; inspect the node again"
            )


def _current(path: Path, runtimes: Sequence[str]) -> Observation:
    data = path.read_bytes()
    try:
        seen = Observation.model_validate_json(data, context={RUNTIMES: runtimes})
    except ValidationError as error:
        # Another schema fails in many places: say that, not the first of them.
        found = _schema(data)
        reason = _first(error) if found in {SCHEMA, None} else _other(found)
        raise ValueError(reason) from error
    if seen.schema_version != SCHEMA:
        raise ValueError(_other(seen.schema_version))
    return seen


def _other(found: object) -> str:
    return f"facts of schema {found}, and this version reads {SCHEMA}"


def _schema(data: bytes) -> object:
    try:
        document = json.loads(data)
    except ValueError:
        return None
    return document.get("schema_version") if isinstance(document, dict) else None


def _first(error: ValidationError) -> str:
    mistake = error.errors()[0]
    where = ".".join(str(part) for part in mistake["loc"])
    return f"{where}: {mistake['msg']}" if where else mistake["msg"]


def _file_name(host: str) -> str:
    """Turn any host name into a file name of this folder: nothing in it may lead elsewhere."""
    name = quote(host, safe="")
    return (f"%2E{name[1:]}" if name.startswith(".") else name) + ".json"
