"""`edgert run --serve`."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from contextlib import closing

import pytest

from edgert.io.sinks import Serve

from live_page import (
    HANGS_S,
    Watcher,
    ask,
    eventually,
    port_of,
    stats,
)
from pipeline_frames import moving_people


def edgert_run(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "edgert", "run", *map(str, arguments)]


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    import av

    path = tmp_path_factory.mktemp("video") / "walk.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width = 64, 64
        for image in moving_people(40):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    return path


def test_the_command_serves_while_it_runs(video, model, tmp_path):
    lines = tmp_path / "out.jsonl"
    process = subprocess.Popen(
        edgert_run(
            *[video] * 300,
            *("--detector", model("detector"), "--pose", model("pose"), "--serve", "0"),
            *("--json", lines),
        ),
        stderr=subprocess.PIPE,
        text=True,
    )
    said = process.stderr.readline()
    url = re.fullmatch(r"edgert: live page at (http://127\.0\.0\.1:\d+/)\n", said)[1]

    class Remote:
        pass

    remote = Remote()
    remote.url = url
    eventually(lambda: json.loads(ask(remote, "/stats.json")[2])["frames"] > 10)
    first = json.loads(ask(remote, "/stats.json")[2])
    assert first["fps"] > 0, "counted while the run is under way"
    assert first["live"]["sources"][0]["name"] == str(video)
    with closing(Watcher(remote)) as watcher:
        assert watcher.picture().size == (64, 64)
        assert watcher.picture() is not None
        assert b"edgert_frames_total" in ask(remote, "/metrics")[2]
        assert json.loads(ask(remote, "/result.json")[2])["source"] == str(video)
        process.send_signal(signal.SIGINT)
        try:
            _, error = process.communicate(timeout=HANGS_S)
        finally:
            process.kill()
        while watcher.picture() is not None:
            pass
    assert process.returncode == 130
    assert error == ""
    for line in lines.read_text().splitlines():
        json.loads(line)


def test_the_command_says_what_is_wrong_with_an_address(video, model, live):
    base = (video, "--detector", model("detector"), "--serve")
    done = subprocess.run(edgert_run(*base, "street"), capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("error:")) == (2, 1)
    assert "'street'" in done.stderr
    port = port_of(live)
    done = subprocess.run(edgert_run(*base, port), capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert f"port {port} of 127.0.0.1" in done.stderr


def test_in_a_pipe_a_port_that_was_named_is_not_said(video, model):
    with Serve("0", stats) as sink:
        port = port_of(sink)
    done = subprocess.run(
        edgert_run(video, "--detector", model("detector"), "--serve", port, "--json", "-"),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 40
