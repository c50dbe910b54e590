"""The live page over real sockets: what it answers, and where."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

import numpy as np
import pytest

import edgert
from edgert.errors import SinkError
from edgert.io.sinks import Serve
from edgert.monitor import handler

from live_page import (
    SIZE,
    Watcher,
    ask,
    frame,
    make,
    port_of,
    stats,
)
from pipeline_frames import moving_people

# --- Numbers --------------------------------------------------------------------------------------


def test_stats_are_the_pipelines_and_the_present(live):
    for index in range(3):
        live.write(make(index, n=index))
    status, headers, body = ask(live, "/stats.json")
    answer = json.loads(body)
    now = answer.pop("live")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert answer == stats()
    assert now["people"] == 2
    (source,) = now["sources"]
    assert (source["name"], source["frame"], source["people"]) == ("street.mp4", 2, 2)
    assert (source["height"], source["width"]) == SIZE
    assert abs(source["seen_unix"] - time.time()) < 60


def test_result_is_the_latest_json_line(live):
    assert ask(live, "/result.json")[0] == 503
    live.write(make(0))
    live.write(make(7, n=1))
    status, _, body = ask(live, "/result.json")
    assert status == 200
    assert body.decode() == make(7, n=1).to_json() + "\n"


def test_health_follows_the_frames(live, monkeypatch):
    assert ask(live, "/healthz")[0] == 200, "a pipeline that has just begun"
    monkeypatch.setattr(handler, "STALLED_S", 0.4)
    live.write(make())
    assert ask(live, "/healthz")[::2] == (200, b"ok\n")
    time.sleep(0.6)
    status, _, body = ask(live, "/healthz")
    assert status == 503
    assert b"no frame for" in body
    live.write(make())
    assert ask(live, "/healthz")[0] == 200


def test_a_closed_pipeline_gives_its_last_figures(model, picture):
    pipe = edgert.Pipeline(model("detector"))
    with Serve("0", pipe.stats) as sink:
        pipe(picture)
        pipe.close()
        status, _, body = ask(sink, "/stats.json")
        assert (status, json.loads(body)["frames"]) == (200, 1)
        assert ask(sink, "/metrics")[0] == 200


# --- HTTP -----------------------------------------------------------------------------------------


def test_the_page(live):
    status, headers, body = ask(live, "/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert int(headers["Content-Length"]) == len(body)
    page = body.decode()
    assert page.startswith("<!doctype html>")
    references = re.findall(r"""\b(?:src|href|action)\s*=\s*["'`]?([^"'`\s>]+)""", page)
    references += re.findall(
        r"""(?:\burl\(|@import|\bfetch\(|\bimport\()["'`\s]*([^"'`)]+)""", page
    )
    assert {reference.split(":")[0].split("?")[0] for reference in references} == {
        "data",
        "stats.json",
        "video",
    }, "the page needs nothing but this server, and works under any path of a proxy"
    named = set(re.findall(r'\bat\("([\w-]+)"\)|\bshow\("([\w-]+)"', page))
    ids = set(re.findall(r'\bid="([\w-]+)"', page))
    assert {a or b for a, b in named} <= ids


def test_the_policy_admits_the_pages_own_script_and_style_and_nothing_else(live):
    import base64
    import hashlib

    _, headers, body = ask(live, "/")
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    for tag in ("script", "style"):
        (inner,) = re.findall(rb"<%s>(.*?)</%s>" % (tag.encode(), tag.encode()), body, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inner).digest()).decode()
        assert policy[f"{tag}-src"] == f"'sha256-{digest}'"
    assert not re.search(rb"\son\w+=|\sstyle=", body), "the policy would block these"


@pytest.mark.parametrize("path", ["/", "/stats.json", "/metrics", "/healthz", "/video", "/nothing"])
def test_every_answer_stays_out_of_caches_and_other_sites(live, path):
    live.write(make())
    _, headers, body = ask(live, path, "HEAD")
    assert body == b"", "HEAD"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert not [name for name in headers if name.lower().startswith("access-control")]
    assert headers["Server"] == "edgert"


@pytest.mark.parametrize(
    "path", ["/nothing", "/stats.json/x", "/video/", "/../etc/passwd", "/%2e%2e/x", "*"]
)
def test_unknown_paths_are_404(live, path):
    status, headers, body = ask(live, path)
    assert status == 404
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert path.encode() not in body, "nothing is echoed"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "X"])
def test_only_get_and_head(live, method):
    status, headers, _ = ask(live, "/stats.json", method)
    assert status == 405
    assert headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "request_",
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 70000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n",
    ],
)
def test_what_is_no_request_hurts_nobody(live, request_):
    with socket.create_connection(("127.0.0.1", port_of(live)), timeout=10) as connection:
        connection.sendall(request_)
        connection.shutdown(socket.SHUT_WR)
        try:
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        except ConnectionResetError:
            answer = b""
    assert b" 200 " not in answer.split(b"\r\n")[0]
    assert ask(live, "/healthz")[0] == 200


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8", None])
def test_hosts_that_mean_this_machine(live, host):
    assert ask(live, "/stats.json", host=host)[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "localhost.evil.example"])
def test_a_website_that_points_its_name_here_reads_nothing(live, host):
    """DNS rebinding."""
    live.write(make(), frame())
    for path in ("/", "/stats.json", "/result.json", "/video", "/metrics"):
        status, _, body = ask(live, path, host=host)
        assert status == 421
        assert b"Host header" in body


def test_open_to_the_network_any_name_will_do():
    with Serve("0.0.0.0:0", stats) as sink:
        assert ask(sink, "/stats.json", host="jetson.lan")[0] == 200
        assert urlsplit(sink.url).hostname == socket.gethostname().lower()


# --- Addresses ------------------------------------------------------------------------------------


def test_a_bare_port_is_this_machine_only(live):
    assert live.url == f"http://127.0.0.1:{port_of(live)}/"
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(("127.0.0.2", port_of(live)))


def test_ipv6():
    try:
        sink = Serve("[::1]:0", stats)
    except SinkError as error:
        pytest.skip(f"this machine has no IPv6: {error}")
    with sink:
        assert sink.url == f"http://[::1]:{port_of(sink)}/"
        with socket.create_connection(("::1", port_of(sink)), timeout=10) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: [::1]\r\n\r\n")
            assert connection.recv(64).startswith(b"HTTP/1.0 200")


def test_a_port_in_use_is_named_with_the_fix(live):
    with pytest.raises(SinkError, match=rf"port {port_of(live)} of 127.0.0.1.*0 is any free one"):
        Serve(str(port_of(live)), stats)
    assert ask(live, "/healthz")[0] == 200


def test_an_address_of_another_machine():
    with pytest.raises(SinkError, match=r"192\.0\.2\.1: .*this machine has no such address"):
        Serve("192.0.2.1:0", stats)


def test_a_host_that_is_none():
    with pytest.raises(SinkError, match="no such host"):
        Serve("host.invalid:0", stats)


# --- With a pipeline ------------------------------------------------------------------------------


def test_results_are_the_same_while_watched(model):
    frames = moving_people(60)
    pipe = edgert.Pipeline(model("detector"), model("pose"))
    alone = [result.to_json() for result in pipe.run(frames)]
    kept = [image.copy() for image in frames]
    pipe.reset()
    watched = []
    with Serve("0", pipe.stats) as sink:
        watcher = None
        for image, result in pipe.run(frames, frames=True):
            sink.write(result, image)
            watched.append(result.to_json())
            if watcher is None:
                watcher = Watcher(sink)
            ask(sink, "/metrics")
        assert watcher.picture() is not None
        answer = json.loads(ask(sink, "/stats.json")[2])
        watcher.close()
    assert watched == alone
    assert answer["frames"] == 60
    assert list(answer["stages"])[-1] == "total"
    for image, before in zip(frames, kept, strict=True):
        np.testing.assert_array_equal(image, before)


def test_import_is_light():
    probe = (
        "import sys, edgert, edgert.cli.run; from edgert.io import sinks\n"
        "print([m for m in ('http.server', 'socketserver', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
