"""`make demo`: the main job of migrator on a real node of the lab, before everybody's eyes."""

from __future__ import annotations

import subprocess
import sys
import time

from lab import cluster, controlplane, network, waiting, workloads
from lab.errors import LabError
from lab.settings import Settings

NODE = "worker-1"
CONSENTS = ("local-storage", "docker-socket-mounts")
"""worker-1 has a pod with an emptyDir and one that talks to Docker: both need the user's word."""


def _show(title: str, settings: Settings) -> None:
    line = controlplane.kubectl(settings, ["get", "node", NODE, "-o", "wide"])
    print(f"\n{title}\n{line}", flush=True)


def main() -> None:
    """Bring the lab up, migrate one node, and show that nothing was lost."""
    settings = Settings()
    started = time.monotonic()
    cluster.up(settings)
    if not cluster.nodes(settings)[NODE]["status"]["nodeInfo"]["containerRuntimeVersion"].startswith("docker://"):
        cluster.restore(settings)
    ready = time.monotonic()
    _show("Before:", settings)
    allowed = [word for check in CONSENTS for word in ("--allow", check)]
    command = [sys.executable, "-m", "migrator", "apply", "--node", NODE, "--yes", *allowed]
    print("$ migrator " + " ".join(command[3:]), flush=True)
    done = subprocess.run(network.inside(settings, [*command, cluster.inventory(settings)]), check=False)
    if done.returncode != 0:
        raise LabError(f"migrator ended with exit {done.returncode}; `python -m lab status` shows the cluster")
    migrated = time.monotonic()
    waiting.until(
        lambda: not workloads.unavailable(settings), "all workloads are available again", seconds=300, every=1
    )
    _show("After:", settings)
    print(controlplane.kubectl(settings, ["-n", workloads.NAMESPACE, "get", "pods", "-o", "wide"]))
    print(
        f"All workloads are available. Lab {ready - started:.0f} s, migration {migrated - ready:.0f} s, "
        f"until all was available again {time.monotonic() - migrated:.0f} s.\n"
        "The lab is still up: `python -m lab status`, `make lab-down`."
    )


if __name__ == "__main__":
    try:
        main()
    except LabError as error:
        sys.exit(f"demo: {error}")
