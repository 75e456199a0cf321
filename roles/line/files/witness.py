"""Answer what the control host asks of a node: a JSON object a line on standard input, one a line on standard output.

{"id": 1, "question": "view", "words": {"pid": 1}} → {"id": 1, "answer": {…}} or {"id": 1, "problem": "one sentence"}.
It ends with its input. The last of the witness's parts; witness_base.py says how they are put together.
"""

import contextlib
import inspect
import json
import os
import platform
import signal
import sys
import time

from witness_base import ENDINGS, QUESTIONS, WitnessError, question, read

PROGRAMS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@question
def hello(at=""):
    """Say who answers."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "hostname": platform.node(),
        "boot": (read("/proc/sys/kernel/random/boot_id", at) or "").strip(),
        "now": time.time(),
    }


def reply(line):
    """Answer one line; never raises."""
    number = None
    try:
        asked = json.loads(line.decode())
        number = asked.get("id")
        return {"id": number, "answer": _answer(asked["question"], asked.get("words") or {})}
    except WitnessError as error:
        return {"id": number, "problem": f"{asked['question']}: {error}"}
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        return {"id": number, "problem": f"this is no question: {type(error).__name__}: {error}"}


def _answer(name, words):
    if not isinstance(name, str) or name not in QUESTIONS:
        raise ValueError(f"{name!r} is unknown")
    try:
        inspect.signature(QUESTIONS[name]).bind(**words)
    except TypeError as error:
        raise WitnessError(str(error))
    try:
        return QUESTIONS[name](**words)
    except WitnessError:
        raise
    except Exception as error:
        raise WitnessError(f"{type(error).__name__}: {error}")


def serve(source, sink):
    """Answer until the input ends."""
    for line in iter(source.readline, b""):
        if line.strip():
            sink.write(json.dumps(reply(line)).encode() + b"\n")
            sink.flush()


def main():
    """Serve; whatever ends us, what we hold is given back."""
    os.environ["PATH"] = ":".join(part for part in (os.environ.get("PATH"), PROGRAMS) if part)
    os.environ["LC_ALL"] = "C"
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(1))
    # What a library prints by itself must not end up between the answers.
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        serve(sys.stdin.buffer, sink)
    except BrokenPipeError:
        pass
    finally:
        for ending in ENDINGS:
            with contextlib.suppress(OSError):
                ending()


if __name__ == "__main__":
    main()
