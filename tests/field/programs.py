"""Programs that were built elsewhere, for guests to fetch."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import network, waiting
from lab.settings import GATEWAY, Settings

_PORT = 8099


@contextmanager
def served(settings: Settings, *programs: Path) -> Iterator[str]:
    """Serve files to the guests; give the address in front of their names."""
    with tempfile.TemporaryDirectory() as folder:
        for program in programs:
            shutil.copy2(program, folder)
        words = ["python3", "-m", "http.server", "--bind", GATEWAY, "--directory", folder, str(_PORT)]
        server = network.start(settings, words, log=Path(folder, "log"))
        address = f"http://{GATEWAY}:{_PORT}"
        try:
            answers = network.inside(settings, ["curl", "-sSf", "-o", "/dev/null", address])
            waiting.until(lambda: waiting.succeeds(answers, seconds=5), f"{address} answers", seconds=30)
            yield address
        finally:
            server.kill()
            server.wait()
