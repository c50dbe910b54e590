"""What the HTTP server answers."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import re
import select
import socket
from functools import lru_cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from edgert.monitor.feeds import STALLED_S
from edgert.monitor.mjpeg import BOUNDARY
from edgert.monitor.prometheus import CONTENT_TYPE, metrics_text

if TYPE_CHECKING:
    from edgert.monitor.feeds import Feed
    from edgert.monitor.server import MonitorServer

__all__ = ["Handler"]

_TEXT = "text/plain; charset=utf-8"
_JSON = "application/json"

# Pictures on their way wait in the kernel: no more than about one of them, or a slow watcher would
# see the past.
_SEND_BUFFER_BYTES = 1 << 17
# How often a watcher without pictures is looked at: is anybody there?
_LOOK_S = 1.0


class Handler(BaseHTTPRequestHandler):
    """One connection, one request.

    Nothing the client sends is stored, echoed or acted on but method, path and the number of a
    source.
    """

    server: MonitorServer

    # For a whole picture to go out, or a line to come in; then the client is dropped.
    timeout = 5.0
    error_content_type = _TEXT
    error_message_format = "%(code)d %(message)s: %(explain)s\n"

    def do_GET(self) -> None:
        """Answers; HEAD gets the same without the body."""
        answer = {
            "/": self._page,
            "/video": self._video,
            "/stats.json": self._stats,
            "/result.json": self._result,
            "/metrics": self._metrics,
            "/healthz": self._health,
        }.get(urlsplit(self.path).path)
        if answer is None:
            self.send_error(HTTPStatus.NOT_FOUND, explain="try /")
        elif not self._is_meant_for_us():
            self.send_error(
                HTTPStatus.MISDIRECTED_REQUEST,
                explain="this page listens on this machine only, to requests for localhost or "
                "127.0.0.1; a proxy before it must set the Host header so",
            )
        else:
            answer()

    do_HEAD = do_GET  # noqa: N815 (the name that http.server looks for)

    def parse_request(self) -> bool:
        """Refuses methods that change things."""
        if not super().parse_request():
            return False
        if self.command in ("GET", "HEAD"):
            return True
        self.send_error(HTTPStatus.METHOD_NOT_ALLOWED, explain="only GET and HEAD are answered")
        return False

    def end_headers(self) -> None:
        """Every answer is kept out of caches and out of other sites' pages."""
        for name, value in (
            ("Cache-Control", "no-store"),
            ("Content-Security-Policy", _page()[1]),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
        ):
            self.send_header(name, value)
        if self.command not in (None, "GET", "HEAD"):
            self.send_header("Allow", "GET, HEAD")
        super().end_headers()

    def version_string(self) -> str:
        """The Server header: no versions for those who look for holes."""
        return "edgert"

    def log_message(self, format: str, *args: object) -> None:
        """Standard error belongs to the pipeline."""

    def _is_meant_for_us(self) -> bool:
        """Whether the Host header is one that a page of this machine is asked for with.

        A website can let its own name point to 127.0.0.1 and would then be allowed to read what the
        camera sees (DNS rebinding); its name gives it away.
        """
        host, here = self.headers.get("Host"), str(self.server.server_address[0])
        if host is None or not ipaddress.ip_address(here.partition("%")[0]).is_loopback:
            return True
        name = re.sub(r":\d*$", "", host).strip("[]").lower().rstrip(".")
        if name == "localhost" or name.endswith(".localhost"):
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _page(self) -> None:
        self._send(_page()[0], "text/html; charset=utf-8")

    def _stats(self) -> None:
        stats = {**self.server.stats(), "live": self.server.feeds.summary()}
        self._send(json.dumps(stats).encode() + b"\n", _JSON)

    def _result(self) -> None:
        result = self.server.feeds.latest
        if result is None:
            self._send_unavailable("no frame yet")
        else:
            self._send(result.to_json().encode() + b"\n", _JSON)

    def _metrics(self) -> None:
        from edgert import __version__

        text = metrics_text(self.server.stats(), self.server.feeds.summary(), __version__)
        self._send(text.encode("utf-8", "replace"), CONTENT_TYPE)

    def _health(self) -> None:
        idle_s = self.server.feeds.idle_s()
        if idle_s < STALLED_S:
            self._send(b"ok\n", _TEXT)
        else:
            self._send_unavailable(f"no frame for {idle_s:.0f} s")

    def _video(self) -> None:
        feed = self._feed()
        if feed is None:
            self._send_unavailable("no frame yet, or not of this source")
        elif self.command == "HEAD":
            self._send_video_headers()
        elif not self.server.watchers.acquire(blocking=False):
            self._send_unavailable("too many watch already")
        else:
            try:
                self._watch(feed)
            finally:
                self.server.watchers.release()

    def _feed(self) -> Feed | None:
        asked = parse_qs(urlsplit(self.path).query).get("source", ["0"])[0]
        feeds = self.server.feeds.all()
        known = re.fullmatch(r"[0-9]{1,4}", asked) and int(asked) < len(feeds)
        return feeds[int(asked)] if known else None

    def _watch(self, feed: Feed) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
        self._send_video_headers()
        self.wfile.write(b"--%s\r\n" % BOUNDARY)
        number = feed.view.number
        while not self._is_gone():
            picture = feed.view.next(number, _LOOK_S)
            if picture is not None:
                number, part = picture
                self.wfile.write(part)

    def _is_gone(self) -> bool:
        events = select.poll()
        events.register(self.connection, select.POLLRDHUP)
        return bool(events.poll(0))

    def _send_video_headers(self) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={BOUNDARY.decode()}")
        self.end_headers()

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _send_unavailable(self, why: str) -> None:
        self.send_error(HTTPStatus.SERVICE_UNAVAILABLE, explain=why)


@lru_cache(maxsize=1)
def _page() -> tuple[bytes, str]:
    """The page, and the policy that lets a browser run what is in it and nothing else."""
    text = Path(__file__).with_name("page.html").read_text("utf-8")
    sources = {
        tag: " ".join(
            f"'sha256-{base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()}'"
            for inner in re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        )
        for tag in ("script", "style")
    }
    policy = (
        f"default-src 'none'; script-src {sources['script']}; style-src {sources['style']}; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    return text.encode(), policy
