"""Asks a Service twenty times a second until it is ended, and writes down each request that failed."""

from __future__ import annotations

import http.client
import json
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

EVERY = 0.05
SECONDS = 10.0
"""For an emulated guest's answer."""


def main() -> None:
    """Take host, port and the file for the result."""
    host, port, result = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    failed: list[tuple[float, str]] = []
    slowest = [0.0]

    def ask() -> None:
        began = time.time()
        try:
            connection = http.client.HTTPConnection(host, port, timeout=SECONDS)
            connection.request("GET", "/")
            status = connection.getresponse().status
            connection.close()
            problem = "" if status == 200 else f"status {status}"
        except (OSError, http.client.HTTPException) as error:
            problem = repr(error)
        slowest[0] = max(slowest[0], time.time() - began)
        if problem:
            failed.append((began, problem))

    count = 0
    with ThreadPoolExecutor(200) as pool:
        due = time.monotonic()
        while not ended.is_set():
            pool.submit(ask)
            count += 1
            due += EVERY
            ended.wait(max(0.0, due - time.monotonic()))
    result.write_text(json.dumps({"requests": count, "slowest": slowest[0], "failed": failed}))


if __name__ == "__main__":
    main()
