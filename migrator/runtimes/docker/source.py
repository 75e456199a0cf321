"""Docker as a source: everything that the translation of its configuration is made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from migrator.model.base import Value
from migrator.model.facts import Certificate


class DockerSource(Value):
    """Docker's effective configuration on one node, and what of the node decides how it is carried over."""

    version: str = ""
    """For example "20.10.24"; "" when it is not known."""
    options: Mapping[str, Any] = {}
    """As `docker_options.read` gives them; nothing else may stand here, because that is where values are checked."""
    proxies: Mapping[str, str] = {}
    """Proxy variables of Docker's process, in either case; other variables do no harm."""
    certificates: tuple[Certificate, ...] = ()
    insecure: Mapping[str, str] = {}
    """What each insecure registry speaks, as probed from the node: "https", "http", or "" for no answer."""
    image_hosts: tuple[str, ...] = ()
    """Registry hosts of the images on the node."""
    specification: bool = True
    """Whether containerd's default specification of a container is known, in which limits can be set."""
    keeps_root: str = ""
    """Why the new runtime's data does not follow Docker's to another folder; "" when it does."""
    new_root_kind: str = ""
    """Kind of the file system that the new runtime's data will be on, as "ext4"; "" when it is not known."""
    root_mount: str = ""
    """Mount point of the filesystem that holds Docker's data; "" when it is not known."""

    @property
    def given(self) -> dict[str, Any]:
        """The options without those that are null, which is how JSON says: Docker's default."""
        return {key: value for key, value in self.options.items() if value is not None}
