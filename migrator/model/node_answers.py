"""What a node's modules answer, as far as the engine reads it. A hostile node may answer anything else."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from migrator.model import untrusted_text
from migrator.model.untrusted_text import Line


class Answer(BaseModel):
    """A frozen record. A module returns more than is read here: Ansible's own words, and what people look at."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Action(Answer):
    """Something that a switch did, and how long it took."""

    action: untrusted_text.Told
    seconds: float = Field(default=0.0, allow_inf_nan=False)
    """By the node's clock, which somebody may set meanwhile."""


class Switched(Answer):
    """What came of a switch (roles/switch, module node_switch)."""

    outcome: str = ""
    cause: untrusted_text.Told = ""
    actions: tuple[Action, ...] = ()
    problems: tuple[untrusted_text.Told, ...] = ()
    removed: tuple[Line, ...] = ()
    """Ids of the containers that it removed; a status that still shows one is an old status."""
    kubelet_started: float = Field(default=0.0, allow_inf_nan=False)
    """When the kubelet was started last, in seconds since the epoch by the node's clock."""


class Carried(Answer):
    """An image that has to be carried, or was."""

    image: untrusted_text.Told
    bytes: int = Field(ge=0)
    why: untrusted_text.Told = ""
    """Why it was not pulled although that was wanted."""


class Carrying(Answer):
    """What one task of carrying images answered."""

    carried: tuple[Carried, ...]


class Installed(Answer):
    """What an installation brought, by package; or would bring."""

    would: untrusted_text.Told = ""
    """The version of the package that would come, "" when that cannot be told."""

    installed: Mapping[untrusted_text.Told, untrusted_text.Told] = {}


class Retired(Answer):
    """Whether Docker was stopped (roles/docker, module docker_stop)."""

    kept: tuple[untrusted_text.Told, ...] = Field(default=(), max_length=20)
    """Why it was left as it is; empty when it was stopped."""


class Told(Answer):
    """What should be known of something that went well all the same."""

    problems: tuple[untrusted_text.Told, ...] = ()


class Content(Answer):
    """A file's bytes, in base64."""

    content: str = ""
