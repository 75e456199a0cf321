"""What is left of Docker on a node that has another runtime (role docker_removal, module of the same name)."""

from __future__ import annotations

from collections.abc import Mapping

from migrator.model.base import Value


class Data(Value):
    """A path of Docker's data."""

    path: str
    bytes: int
    """How much space returns with it."""


class Removal(Value):
    """All of it, and what speaks against its removal."""

    packages: Mapping[str, str] = {}
    """Versions by name."""
    keeps: Mapping[str, str] = {}
    """Packages that Docker's have brought and the runtime needs: the package manager is told to keep them."""
    units: tuple[str, ...] = ()
    dependents: tuple[str, ...] = ()
    """Units that would stop with Docker's, or not start without them."""
    active: tuple[str, ...] = ()
    """Units that run."""
    root: str = ""
    """The folder of its data."""
    data: tuple[Data, ...] = ()
    others: tuple[str, ...] = ()
    """What is in that folder and is not Docker's."""
    special: tuple[str, ...] = ()
    """Stores that are more than files."""
    strange: tuple[str, ...] = ()
    """The folder itself, where it does not look like one of Docker's."""
    shared: tuple[str, ...] = ()
    """Folders of other runtimes or of the kubelet that lie in what would go."""
    mounts: tuple[str, ...] = ()
    """What is mounted in what would go, or from there."""
    stuck: tuple[str, ...] = ()
    """What cannot be removed as it is, each with the reason: immutable, read-only, a volume of the file system."""
    namespaces: tuple[str, ...] = ()
    """Mounts that dockerd has left in its run folder; they are released, and no process loses its namespace by that."""
    running: tuple[str, ...] = ()
    """Containers of Docker's that run, of anybody's."""
    containers: tuple[str, ...] = ()
    """Containers that are not Kubernetes', running or not."""
    volumes: tuple[str, ...] = ()
    """Volumes that somebody has named."""
    interfaces: tuple[str, ...] = ()
    plugged: tuple[str, ...] = ()
    """Bridges that something is plugged into; they stay."""
    rules: tuple[str, ...] = ()
    """Commands that remove Docker's rules and chains."""
    kept_rules: tuple[str, ...] = ()
    """Other people's rules in the chain DOCKER-USER, which stays for them."""
    files: tuple[str, ...] = ()
    passing: tuple[str, ...] = ()
    """Files that are all that is left, and go at the next boot by themselves."""
    refusal: str = ""
    """Why the packages cannot be removed alone."""

    @property
    def bytes(self) -> int:
        """How much space returns."""
        return sum(entry.bytes for entry in self.data)

    @property
    def anything(self) -> bool:
        """Whether there is anything to remove."""
        return bool(self.packages or self.data or self.interfaces or self.rules or self.files or self.refusal)
