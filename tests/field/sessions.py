"""Run `migrator` on the lab's nodes, and read what its sessions came to."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.lab.conftest import Lab
from tests.lab.test_5_migration import CONSENT


@dataclass(frozen=True)
class Session:
    """What `migrator verify` said of one node."""

    exit_code: int
    failed: dict[str, str] = field(default_factory=dict)
    """What was found, by the id of each check that failed."""
    changed: tuple[str, ...] = ()
    """Differences from the baseline that nobody announced."""
    problems: tuple[str, ...] = ()
    outcomes: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def rules(self) -> set[str]:
        """The checks that failed, whosever container it was, and what changed."""
        return {name.partition("[")[0] for name in (*self.failed, *self.changed)}


def verify(lab: Lab, node: str, *words: str | Path) -> Session:
    """Prove a node."""
    done = lab.migrator("verify", "--node", node, "-o", "json", *words, lab.inventory)
    try:
        (entry,) = json.loads(done.stdout)["nodes"]
    except ValueError:
        raise AssertionError(done.stdout + done.stderr) from None
    if not entry["verdicts"]:
        return Session(done.returncode, problems=(entry["problem"],))
    (verdict,) = entry["verdicts"]
    return Session(
        done.returncode,
        failed={check["id"]: check["found"] for check in verdict["checks"] if check["outcome"] == "failed"},
        changed=tuple(entry["what"] for entry in verdict["differences"] if not entry["announced"]),
        problems=tuple(verdict["problems"]),
        outcomes=Counter(check["outcome"] for check in verdict["checks"]),
        seconds=verdict["seconds"],
    )


def healthy(lab: Lab, node: str, *words: str | Path) -> Session:
    """Prove a node that must be good, and say what that came to."""
    found = verify(lab, node, *words)
    print(f"{node}: {dict(found.outcomes)} in {found.seconds:.0f} s")
    assert (found.exit_code, found.failed, found.problems) == (0, {}, ()), found
    assert found.outcomes["passed"] > 200
    return found


def migrate(lab: Lab, node: str, folder: Path, proof: str = "none") -> subprocess.CompletedProcess[str]:
    """Have a node on containerd, proved so much on the way."""
    inventory = lab.configured(folder / f"{node}.yml", proof=proof)
    done = lab.migrator("apply", "--node", node, "--yes", *CONSENT, inventory)
    assert done.returncode == 0, done.stderr
    lab.all_available()
    return done
