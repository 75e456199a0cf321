# mypy: ignore-errors
# Runs on nodes, where Python may be 3.6.
"""Stand before runc or crun on a node whose machine has not CAP_SYS_RESOURCE, and take out just what needs that.

Nobody there can lower `oom_score_adj` below 0 or hold that capability; a container that asks for either would not
start. Runs on the node: `python3 without.py PROGRAM WORDS…`, Python 3.6 or later, standard library only.
"""

import json
import os
import sys

NEEDED = "CAP_SYS_RESOURCE"
REAL = "/run/lab/"


def without(process):
    """Take it out of a process as the OCI runtime specification has it."""
    if process.get("oomScoreAdj", 0) < 0:
        process["oomScoreAdj"] = 0
    for names in (process.get("capabilities") or {}).values():
        names[:] = [name for name in names if name != NEEDED]


def words_of(flag, words):
    """Give what follows a flag; "" when it is not there."""
    for place, word in enumerate(words):
        if word == flag:
            return words[place + 1]
        if word.startswith(flag + "="):
            return word[len(flag) + 1 :]
    return ""


def change(path, inner):
    """Rewrite a file of JSON."""
    with open(path) as file:
        document = json.load(file)
    without(document.get("process", {}) if inner else document)
    with open(path, "w") as file:
        json.dump(document, file)


def main():
    """Rewrite what was asked for, and become the real one."""
    program, words = sys.argv[1], sys.argv[2:]
    try:
        if "create" in words or "run" in words or "restore" in words:
            change(os.path.join(words_of("--bundle", words) or words_of("-b", words) or ".", "config.json"), True)
        elif "exec" in words and words_of("--process", words):
            change(words_of("--process", words), False)
    except (OSError, ValueError):
        pass  # the real one says it better
    os.execv(REAL + os.path.basename(program), [program] + words)


main()
