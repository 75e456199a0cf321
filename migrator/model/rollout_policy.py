"""How a group of nodes is rolled out: `migrator_*` variables that all of its hosts share."""

from __future__ import annotations

from pydantic import Field, field_validator

from migrator.model import maintenance_window
from migrator.model.base import Value

_AMOUNT = r"^$|^[1-9]\d{0,5}$|^([1-9]\d?|100)%$"


class Policy(Value):
    """How bold a rollout is. Each field is the inventory variable `migrator_<field>`."""

    group: str = ""
    """Hosts of the same group have one policy; groups are rolled out one after the other, as the inventory has them."""
    canaries: int = Field(default=1, ge=0)
    """Nodes that go first, one after the other, where no host is marked with `migrator_canary`."""
    batch: str = Field(default="1", pattern=_AMOUNT)
    """Nodes that are worked on together afterwards: a number, or a share of the group ("10%")."""
    max_unavailable: str = Field(default="", pattern=_AMOUNT)
    """Nodes of the group that may be cordoned or not Ready at once, by whomever; as many as a batch when empty."""
    failures: int = Field(default=0, ge=0)
    """Nodes of the group that may fail before no other is begun. A canary may not."""
    pause: float = Field(default=0, ge=0, le=86400 * 7)
    """Seconds after each canary and each batch."""
    windows: tuple[str, ...] = ()
    """Times at which nodes may be begun, for example "Mon-Fri 22:00-05:00"; any time when empty."""
    timezone: str = "UTC"
    """Whose clock the windows mean, by its name in the tz database."""

    @field_validator("batch", "max_unavailable", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("canaries", "failures", "pause", mode="before")
    @classmethod
    def _no_switch(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError("a number is needed")  # noqa: TRY004 - as pydantic wants it; YAML's `yes` is 1
        return value

    @field_validator("windows", mode="before")
    @classmethod
    def _alone(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("windows")
    @classmethod
    def _windows(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            maintenance_window.parse(text)
        return value

    @field_validator("timezone")
    @classmethod
    def _timezone(cls, value: str) -> str:
        maintenance_window.timezone(value)
        return value


def amount(text: str, of: int) -> int:
    """Read a number, or a share of `of`, rounded down; at least 1."""
    return max(1, int(text[:-1]) * of // 100) if text.endswith("%") else int(text)
