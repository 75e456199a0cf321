"""What the user asks for: the `migrator_*` variables of one host, checked as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from migrator.model.rollout_policy import Policy

PREFIX = "migrator_"
RUNTIMES = "runtimes"
"""What names in the context of a validation the runtimes that there are."""


class HostSettings(Policy):
    """The settings of one host, and those of its group. Each field is the inventory variable `migrator_<field>`."""

    runtime: str = "containerd"
    """The runtime that the node shall have. Whoever reads this from outside says in the context of the validation, as
    `runtimes`, which there are."""
    kubernetes_target: str = Field(default="", pattern=r"^$|^v?1\.\d{1,2}(\.\d+)?$")
    """The Kubernetes version that the cluster will be upgraded to next, for example "1.31"; checks judge for it too."""
    node_name: str = ""
    """The Node's name in the cluster; the inventory's host name when empty."""
    kubeconfig: str = ""
    """Path of the kubeconfig; a relative one starts at the inventory. `--kubeconfig` and `$KUBECONFIG` win."""
    context: str = ""
    """Context of that kubeconfig; its current one when empty."""
    allow: tuple[str, ...] = ()
    """Ids of checks that are waived, as with `--allow`."""
    package: str = Field(default="containerd", pattern=r"^[a-z0-9][a-z0-9+._-]*$")
    """Package that brings the runtime to a node which lacks it."""
    package_version: str = Field(default="", pattern=r"^[A-Za-z0-9.+~:_-]*$")
    """Its exact version; what the node's package manager takes by itself when empty."""
    packages: str = ""
    """Folder with packages to bring to nodes without a mirror; a relative one starts at the inventory."""
    images: tuple[str, ...] = ()
    """Images of Docker's store to carry over besides those in use: for pods that are yet to come."""
    image_source: Literal["docker", "registry"] = "docker"
    """Where images come from: Docker's store; or their registries, as far as those give the same without a password."""
    pause_image: str = ""
    """Sandbox image for the new runtime; what the kubelet used so far when empty."""
    drain_timeout: int = Field(default=600, ge=1, le=86400)
    """Seconds that the drain may take in all."""
    ready_timeout: int = Field(default=300, ge=1, le=86400)
    """Seconds after the switch until the node and what stayed on it must be ready."""
    proof: Literal["full", "after", "none"] = "full"
    """How a migration is proved: by a baseline, a rehearsal and probe pods after the switch; by those pods alone, where
    a node just like this one was rehearsed; or only by the node getting Ready."""
    clock_skew: float = Field(default=30, gt=0, le=86400)
    """Seconds that a host's clock may differ from that of this machine."""
    connect_timeout: int | None = Field(default=None, ge=1, le=600)
    """Seconds that a connection to the host may take; as Ansible is configured when None."""
    canary: bool = False
    """Whether it goes before the others of its group."""
    settle_timeout: int = Field(default=900, ge=0, le=86400)
    """Seconds until the workloads that left the node must be available again, wherever they run now."""
    soak: float = Field(default=0, ge=0, le=86400 * 7)
    """Seconds that a migrated node must stay Ready before it counts as done."""
    on_failure: Literal["rollback", "hold"] = "rollback"
    """What becomes of a node whose switch was begun when a step fails: put back, or left cordoned to be looked at."""

    @field_validator(
        "drain_timeout", "ready_timeout", "clock_skew", "connect_timeout", "settle_timeout", "soak", mode="before"
    )
    @classmethod
    def _seconds(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError("a number of seconds is needed")  # noqa: TRY004 - as pydantic wants it; YAML's `yes` is 1
        return value

    @field_validator("runtime", mode="before")
    @classmethod
    def _registered(cls, value: object, info: ValidationInfo) -> object:
        known: Sequence[str] = (info.context or {}).get(RUNTIMES, ())
        if known and value not in known:
            first, last = ", ".join(map(repr, known[:-1])), repr(known[-1])
            expected = f"{first} or {last}" if first else last
            raise PydanticCustomError("literal_error", "Input should be {expected}", {"expected": expected})
        return value

    @property
    def policy(self) -> Policy:
        """How its group is rolled out."""
        return Policy(**{name: getattr(self, name) for name in Policy.model_fields})
