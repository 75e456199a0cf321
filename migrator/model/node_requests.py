"""What a node is asked to do: one typed request for each playbook. The door to the hosts carries it there sealed.

Every field has a type that bounds it: some values were said by the node itself, or by its annotations in the cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import JsonValue

from migrator.model.base import Value
from migrator.model.docker_removal import Removal
from migrator.model.untrusted_text import Line, Mode, NodePath, Sha256, Socket, TransactionId


class Request(Value):
    """What `playbooks/<playbook>.yml` is given; its fields are the options of the role's `<role>_request`."""

    playbook: ClassVar[str]


class Inspect(Request):
    """Read the node."""

    playbook: ClassVar[str] = "inspect"


class Install(Request):
    """Install the runtime's package, from a folder of the control host where `source` is not ""."""

    playbook: ClassVar[str] = "install"
    name: Line
    version: Line = ""
    source: str = ""
    look: bool = False
    """Whether it is only asked which version would come."""


class PlannedFile(Value):
    """A file to be written, as the node's modules take it."""

    path: NodePath
    content: str = ""
    """In base64."""
    copies: NodePath = ""
    """The file on the node whose bytes it takes instead."""
    sha256: Sha256
    mode: Mode = "0644"
    owner: Line = "root"
    group: Line = "root"
    replaces: Sha256 = ""
    """Hash of the bytes that are there now."""


class Registries(Value):
    """What the new runtime will know of registries."""

    folder: NodePath
    files: tuple[PlannedFile, ...] = ()
    """Those that are yet to be written there."""


class Stage(Request):
    """Have the new runtime read its configuration, and carry images over."""

    playbook: ClassVar[str] = "stage"
    config: str = ""
    """The configuration that the switch will put in place, in base64; "" where it is in place already."""
    start: bool = False
    """Whether the runtime has to be started first."""
    images: tuple[Line, ...] = ()
    root: NodePath = ""
    """Where the runtime will keep its data, when that is another folder than now."""
    registries: Registries | None = None
    """Has images pulled where that gives the same; None when nothing is to be pulled."""


class StaleAddress(Value):
    """A reservation of host-local IPAM to release."""

    path: NodePath
    container: Line


class Switch(Request):
    """Do a switch (`new`), or undo it (`old`)."""

    playbook: ClassVar[str] = "switch"
    state: Literal["new", "old"]
    transaction: TransactionId
    socket: Socket = ""
    """Path of the CRI socket that must be there before the kubelet starts."""
    plugins: tuple[NodePath, ...] = ()
    files: tuple[PlannedFile, ...] = ()
    stale_addresses: tuple[StaleAddress, ...] = ()
    arguments: tuple[str, ...] = ()
    """The kubelet's command line afterwards, without the program; not looked at when empty."""
    about: Mapping[str, JsonValue] = {}
    """What to keep of the node as it was, for whoever puts it back later."""


class Retire(Request):
    """Stop Docker."""

    playbook: ClassVar[str] = "retire"


class Cleanup(Request):
    """Look at what is left of Docker (`look`), or remove what a look gave (`absent`)."""

    playbook: ClassVar[str] = "cleanup"
    state: Literal["look", "absent"]
    expected: Removal = Removal()


class Reboot(Request):
    """Reboot the node, and wait until it answers."""

    playbook: ClassVar[str] = "reboot"


class OpenSession(Request):
    """Keep the connection open for whoever listens in a folder of the control host."""

    playbook: ClassVar[str] = "line"
    folder: str
