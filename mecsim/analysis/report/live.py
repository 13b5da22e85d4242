"""A page that shows the progress of a study, on this machine only, until the report replaces it."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any

ADDRESS = "127.0.0.1"
_HEARTBEAT_S = 5.0
_PATIENCE_S = 5.0


class LivePage:
    """Serves the progress of a study until it is closed.

    Parameters
    ----------
    title : str
        What is running.
    total : float
        Amount of work, in the unit of :meth:`tell`.
    """

    def __init__(self, title: str, total: float) -> None:
        self._changed = threading.Condition()
        self._version = 0
        self._state: dict[str, Any] = {
            "title": title, "total": total, "done": 0.0, "left_s": None, "message": "",
            "heads": [], "rows": [], "ended": False, "report": False, "error": "",
        }  # fmt: skip
        self._began = time.monotonic()
        self._report: Path | None = None
        self._watchers = 0
        self._server = _server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{ADDRESS}:{self._server.server_port}/"

    def tell(self, done: float, message: str = "") -> None:
        """Update the amount done, and the last message."""
        past_s = time.monotonic() - self._began
        left_s = past_s * (self._state["total"] - done) / done if done > 0 else None
        self._set(done=done, left_s=left_s, **({"message": message} if message else {}))

    def show(self, heads: list[str], rows: list[dict[str, Any]]) -> None:
        """Show a table, such as the intervals so far; a row has ``colour`` and ``texts``."""
        self._set(heads=heads, rows=rows)

    def close(self, report: Path | None = None, error: str = "") -> None:
        """Announce the end of the study, send the report to open pages, and stop."""
        self._report = report
        self._set(ended=True, report=report is not None, error=error)
        with self._changed:
            self._changed.wait_for(lambda: self._watchers == 0, timeout=_PATIENCE_S)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _set(self, **changes: Any) -> None:
        with self._changed:
            self._state |= changes
            self._version += 1
            self._changed.notify_all()

    def _next(self, seen: int) -> tuple[int, dict[str, Any]]:
        with self._changed:
            self._changed.wait_for(lambda: self._version != seen, timeout=_HEARTBEAT_S)
            return self._version, dict(self._state)

    def _watch(self, by: int) -> None:
        with self._changed:
            self._watchers += by
            self._changed.notify_all()


class _Handler(BaseHTTPRequestHandler):
    """Answers three addresses, and only requests that name this machine as host."""

    page: LivePage

    def do_GET(self) -> None:
        port = self.server.server_port  # type: ignore[attr-defined]  # a ThreadingHTTPServer
        # Another site's script must not read the page through a name that points here.
        if self.headers.get("Host") not in (f"{ADDRESS}:{port}", f"localhost:{port}"):
            self.send_error(403)
        elif self.path == "/":
            self._send("text/html; charset=utf-8", _html())
        elif self.path == "/events":
            self._events()
        elif self.path == "/report" and self.page._report is not None:
            self._send("text/html; charset=utf-8", self.page._report.read_bytes())
            self.page._watch(-1)
        else:
            self.send_error(404)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: progress is on the page."""

    def _send(self, kind: str, content: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)

    def _events(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        version, ended = -1, False
        self.page._watch(+1)
        try:
            while not ended:
                version, state = self.page._next(version)
                self.wfile.write(f"data: {json.dumps(state)}\n\n".encode())
                self.wfile.flush()
                ended = state["ended"]
        except OSError:
            self.page._watch(-1)
            return
        # A page that received the end asks for the report next, if there is one.
        if not state["report"]:
            self.page._watch(-1)


def _server(page: LivePage) -> ThreadingHTTPServer:
    # http.server makes a handler for each request, so the page is an attribute of the class.
    handler = type("PageHandler", (_Handler,), {"page": page})
    return ThreadingHTTPServer((ADDRESS, 0), handler)


def _html() -> bytes:
    return (files("mecsim.analysis.report") / "assets" / "live.html").read_bytes()
