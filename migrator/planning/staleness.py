"""Whether a node is still what its plan was made from, as far as the plan promises anything about it."""

from __future__ import annotations

from migrator.model.plan import MigrationPlan, NodePlan

_PROMISES = ("machine_id", "source", "target", "endpoint", "annotation", "root", "installs")


def moved(shown: NodePlan, now: NodePlan) -> tuple[str, ...]:
    """Name what would be done differently now than was shown; () when nothing.

    Pods come and go while a plan is read: which of them leave and which images they use is no promise. A node for
    which nothing is left to do is what the plan wanted.
    """
    if not now.changes:
        return ()
    what = [
        f"{name.replace('_', '-')} was {getattr(shown, name)!r}, is {getattr(now, name)!r}"
        for name in _PROMISES
        if name in type(now).model_fields and getattr(shown, name) != getattr(now, name)
    ]
    if isinstance(shown, MigrationPlan) and isinstance(now, MigrationPlan):
        what += sorted({file.path for file in {*shown.files} ^ {*now.files}})
        what += sorted({f"what becomes of Docker's {key}" for key, _, _ in _fates(shown) ^ _fates(now)})
    before = {step.id: step.needed for step in shown.steps}
    what += [f"step {step.id}" for step in now.steps if step.needed != before.get(step.id) and step.id in _FIXED]
    return tuple(what)


def _fates(plan: MigrationPlan) -> set[tuple[str, str, str]]:
    return {(fate.key, fate.fate, fate.to) for fate in plan.fates}


_FIXED = frozenset({"stage", "baseline", "rehearse", "switch", "verify"})
"""Steps that no pod decides on."""
