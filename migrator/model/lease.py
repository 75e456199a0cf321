"""The lock that keeps two operators of one cluster apart, as the API server has it."""

from __future__ import annotations

from migrator.model.base import Value


class Lease(Value):
    """Who changes nodes of this cluster now. Times are seconds since the epoch by the holder's clock."""

    holder: str
    """A person, the machine, the process there, and its run."""
    acquired: float
    renewed: float
    seconds: float
    """For how long it counts without being renewed."""
    version: str = ""
    """The API server's, by which it knows that nobody else has changed it; "" for one that is yet to be made."""

    @property
    def ends(self) -> float:
        """When it counts no more, unless it is renewed."""
        return self.renewed + self.seconds
