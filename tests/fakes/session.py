"""A session of probe pods that has seen what it was given."""

from __future__ import annotations

from migrator.model.evidence import Evidence


class FakeSession:
    """Its pods are there until it is ended, which `calls` tells."""

    def __init__(
        self, evidence: Evidence, calls: list[str] | None = None, failure: BaseException | None = None
    ) -> None:
        """Show this evidence; `failure` is raised at the end."""
        self.whole = evidence
        self._calls = calls if calls is not None else []
        self._failure = failure

    @property
    def evidence(self) -> Evidence:
        """Give what was seen while the pods were there: nobody has looked for what they leave."""
        return self.whole.model_copy(update={"left": None})

    def end(self, *, logs: bool) -> Evidence:
        """Give all of it."""
        assert not logs
        self._calls.append("probe-pods-go")
        if self._failure:
            raise self._failure
        return self.whole
