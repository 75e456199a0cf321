"""An HTTP server on loopback that answers as API servers do, and notes what is asked."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Served:
    """The answers of the API server by method and path, and the requests that came."""

    def __init__(self) -> None:
        """Know nothing."""
        self.answers: dict[str, tuple[int, Any]] = {}
        self.pages: dict[str, Callable[[str], tuple[int, Any]]] = {}
        self.other: Callable[[str, str, dict[str, str], Any], tuple[int, Any]] | None = None
        """What answers everything instead, given method, path, query and body."""
        self.requests: list[tuple[str, dict[str, list[str]], Any]] = []
        self.types: list[str] = []
        """Content-Type of each request."""

    def answer(self, request: str, status: int, body: Any) -> None:
        """Answer a request, such as "GET /api", from now on; a text goes out as it is."""
        self.answers[request] = (status, body)

    def page(self, request: str, give: Callable[[str], tuple[int, Any]]) -> None:
        """Answer a request for a list by the mark of its page, with a status; the first has none."""
        self.pages[request] = give


@contextlib.contextmanager
def serving() -> Iterator[ThreadingHTTPServer]:
    """Listen on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            served: Served = self.server.served  # type: ignore[attr-defined]
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            key = f"{self.command} {parts.path}"
            served.types.append(str(self.headers.get("Content-Type")))
            query = parse_qs(parts.query)
            asked = json.loads(body) if body else None
            served.requests.append((key, query, asked))
            status, answer = served.answers.get(key, (404, {"reason": "NotFound", "message": f"no {parts.path}"}))
            if key in served.pages:
                status, answer = served.pages[key](query.get("continue", [""])[0])
            if served.other:
                one = {name: words[0] for name, words in query.items()}
                status, answer = served.other(self.command, parts.path, one, asked)
            data = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _serve  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}).start()
        try:
            yield listening
        finally:
            listening.shutdown()


def kubeconfig(folder: Path, port: int) -> str:
    """Write a kubeconfig for a server on loopback."""
    content = {
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "users": [{"name": "c", "user": {"token": "t"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(content))
    return str(path)
