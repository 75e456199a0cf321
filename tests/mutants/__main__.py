"""`python -m tests.mutants`: mutate the code, run the tests that should notice, and say which mutants survived."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.mutants import isolation, placed
from tests.mutants.covering import BaselineError, Covering
from tests.mutants.groups import GROUPS, group_of
from tests.mutants.operators import Mutant, places
from tests.mutants.trial import Trial, Verdict


def main() -> int:
    """Do what the command line says."""
    options = _options()
    groups = options.group or list(GROUPS)
    try:
        with tempfile.TemporaryDirectory(prefix="mutants-") as scratch:
            return _try(groups, options, Path(scratch))
    except (placed.RottenError, BaselineError, isolation.IsolationError) as error:
        print(error, file=sys.stderr)
        return 2


def _try(groups: list[str], options: argparse.Namespace, scratch: Path) -> int:
    copied = isolation.copy(scratch / "copy")
    equivalents = placed.equivalents(copied)
    chosen: dict[str, list[Mutant]] = {}
    if options.directed:
        for mutant in placed.directed(copied):
            if (name := group_of(mutant.path)) in groups:
                chosen.setdefault(f"{name}, placed", []).append(mutant)
    else:
        for name in groups:
            found = sample(name, copied, options.seed)
            judged = (mutant for mutant in found if not any(entry.is_it(mutant) for entry in equivalents))
            chosen[name] = [mutant for mutant, _ in zip(judged, range(options.sample), strict=False)]
    if options.only:
        chosen = {
            name: [it for it in found if any(text in str(it) for text in options.only)]
            for name, found in chosen.items()
        }
    if options.list:
        for name, mutants in chosen.items():
            for mutant in mutants:
                print(f"{name} | {mutant}")
        return 0
    trial = Trial(copied, scratch, Covering(copied, scratch))
    alive = False
    for name, mutants in sorted(chosen.items()):
        with ThreadPoolExecutor(options.n) as pool:
            verdicts = list(pool.map(trial.of, mutants))
        alive |= _tell(name, dict(zip(mutants, verdicts, strict=True)))
    return int(alive)


def sample(group: str, tree: Path, seed: int) -> Iterator[Mutant]:
    """Give the mutants of a group in a random order, which the seed decides."""
    texts = {path: (tree / path).read_text(encoding="utf-8") for path in GROUPS[group].files(tree)}
    found = [place for path, text in texts.items() for place in places(path, text)]
    random.Random(f"{seed} {group}").shuffle(found)  # noqa: S311 - no secret
    return (mutant for place in found if (mutant := place.mutant(texts[place.path])))


def _tell(name: str, verdicts: dict[Mutant, Verdict]) -> bool:
    """Print a row of the table and the survivors below it; tell whether there are any."""
    noticed = sum(verdict.noticed for verdict in verdicts.values())
    share = f"{100 * noticed / len(verdicts):.0f} %" if verdicts else "-"
    slow = sum(verdict.slow for verdict in verdicts.values())
    by_time = f" ({slow} by a limit of time)" if slow else ""
    print(
        f"{name} | {len(verdicts)} mutants | {noticed} noticed{by_time} | {len(verdicts) - noticed} survived | {share}"
    )
    for mutant, verdict in verdicts.items():
        if not verdict.noticed:
            print(f"  {mutant}  [{verdict.how}]{_because(mutant.why)}")
    sys.stdout.flush()
    return noticed < len(verdicts)


def _because(why: str) -> str:
    return f"  {why}" if why else ""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--group", action="append", choices=list(GROUPS), help="only this group; may be repeated")
    parser.add_argument("--sample", type=int, default=40, help="so many mutants of each group (40)")
    parser.add_argument("--seed", type=int, default=1, help="another seed gives other mutants (1)")
    parser.add_argument("-n", type=int, default=2, help="so many at the same time (2)")
    parser.add_argument("--directed", action="store_true", help="those that were placed by hand, instead of a sample")
    parser.add_argument(
        "--only", action="append", help="of these only those with this text, such as file.py:12; may be repeated"
    )
    parser.add_argument("--list", action="store_true", help="only say which they are")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
