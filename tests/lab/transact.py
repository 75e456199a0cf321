"""Have a node do its transaction alone, without what comes before and after it: `transact PLAN NAME new|old`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from migrator.engine import transaction
from migrator.hosts.runner import AnsibleHosts
from migrator.store import plan_file


def main() -> None:
    """Print what came of it as JSON; asks again when the connection is lost, as `apply` does."""
    plan, name, state = plan_file.read(Path(sys.argv[1])), sys.argv[2], sys.argv[3]
    (entry,) = plan.nodes
    hosts = AnsibleHosts(Path(plan.inventory))
    for _ in range(60):
        result = hosts.play(transaction.switch_request(entry, name, state), [entry.host])[entry.host]
        if not result.unreachable:
            break
    found = result.results.get("Switch the node's container runtime", {})
    sys.stdout.write(json.dumps({"problem": result.problem, **found}))


if __name__ == "__main__":
    main()
