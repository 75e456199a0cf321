"""Install the new runtime's package."""

from __future__ import annotations

import re

from migrator.engine.context import StepContext
from migrator.engine.playbooks import answer, play, request
from migrator.errors import StepFailedError
from migrator.model import node_requests
from migrator.model.node_answers import Installed
from migrator.planning.candidate_version import PINNED, plain, unfit
from migrator.runtimes.registry import RUNTIMES

_VERSION = re.compile(r"[0-9][A-Za-z0-9.+~:_-]*")
_TASK = "Install the runtime's package"


def act(run: StepContext) -> str:
    """Install the new runtime's package, and nothing that is there already anew.

    Which version would come is asked first: raises `StepFailedError` for one that no node may be moved to. Exactly the
    one that was judged is installed; where the package manager does not tell it, this is said, and the next plan
    judges it.
    """

    def asked(version: str, *, look: bool) -> Installed:
        words = {"name": run.target.package, "version": version, "source": run.target.packages}
        asking = request(node_requests.Install, **words, look=look)
        return answer(Installed, play(run, asking).get(_TASK, {}))

    told = asked(run.target.package_version, look=True).would
    if not _VERSION.fullmatch(told):
        told = ""
    would = plain(told)
    kubelet = run.cluster.node(run.plan.node).kubelet_version
    if why := unfit(kubelet, RUNTIMES[run.target.runtime], would):
        raise StepFailedError(
            f"{run.plan.node}: {run.target.package} {would} would come: {why.why}; nothing was installed. "
            f"{why.remedy}, by {PINNED}"
        )
    new = asked(told or run.target.package_version, look=False).installed
    if not new:
        return "it was installed meanwhile"
    unknown = "" if told else "; the package manager did not tell before which version would come"
    return ", ".join(f"{name} {version}" for name, version in sorted(new.items())) + unknown
