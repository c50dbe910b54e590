"""`edgert` as a person or a script meets it: outputs, exit status, one clear error."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

FRAMES = 12
# What takes longer has come to a halt, on an emulated processor too.
HANGS_S = 300


def edgert(*arguments: object, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edgert", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=HANGS_S,
        **options,
    )


def frame(i: int) -> np.ndarray:
    image = np.full((120, 160, 3), 10, np.uint8)
    image[40:80, 40 + i : 60 + i] = 255
    return image


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    import av

    path = tmp_path_factory.mktemp("video") / "walk.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width = 120, 160
        for i in range(FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame(i), format="bgr24")))
        container.mux(stream.encode())
    return path


@pytest.fixture
def folder(tmp_path) -> Path:
    path = tmp_path / "pictures"
    path.mkdir()
    for i in range(4):
        Image.fromarray(frame(i)).save(path / f"{i}.png")
    return path


@pytest.fixture
def base(model) -> list[object]:
    return ["--detector", model("detector")]


def error_of(done: subprocess.CompletedProcess[str], status: int) -> str:
    """The one line of an orderly failure."""
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if "error:" in line]
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_all_outputs(video, base, model, tmp_path):
    out = {kind: tmp_path / f"out.{kind}" for kind in ("jsonl", "txt", "json", "mp4", "report")}
    done = edgert(
        *(
            "run",
            video,
            *base,
            "--pose",
            model("pose"),
            "--json",
            out["jsonl"],
            "--mot",
            out["txt"],
        ),
        *("--coco", out["json"], "--video", out["mp4"], "--json-report", out["report"]),
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    lines = [json.loads(line) for line in out["jsonl"].read_text().splitlines()]
    assert [line["frame"] for line in lines] == list(range(FRAMES))
    assert lines[3]["time"] == pytest.approx(0.3)
    assert len(lines[-1]["people"][0]["keypoints"]) == 17
    assert len(out["txt"].read_text().splitlines()) == sum(len(line["people"]) for line in lines)
    assert len(json.loads(out["json"].read_text())) == sum(len(line["people"]) for line in lines)
    assert json.loads(out["report"].read_text())["frames"] == FRAMES
    import av

    with av.open(str(out["mp4"])) as container:
        assert sum(1 for _ in container.decode(video=0)) == FRAMES


def test_in_a_pipe_only_what_was_asked_for(video, base):
    done = edgert("run", video, *base, "--json", "-", "--max-frames", 5)
    assert done.returncode == 0
    assert done.stderr == ""
    assert [json.loads(line)["frame"] for line in done.stdout.splitlines()] == list(range(5))


def test_several_sources(folder, video, base):
    done = edgert("run", folder, video, *base, "--json", "-")
    sources = [json.loads(line)["source"] for line in done.stdout.splitlines()]
    assert sources.count(str(video)) == FRAMES
    assert len(sources) == FRAMES + 4


def test_reid(folder, base, model):
    done = edgert("run", folder, *base, "--reid", model("reid"), "--json", "-")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 4


def test_no_tracker(folder, base):
    done = edgert("run", folder, *base, "--tracker", "none", "--json", "-")
    people = [p for line in done.stdout.splitlines() for p in json.loads(line)["people"]]
    assert {p["id"] for p in people} == {-1}


@pytest.mark.parametrize("command", ["run", "eval"])
def test_help_has_an_example(command):
    done = edgert(command, "--help")
    assert done.returncode == 0
    assert f"edgert {command}" in done.stdout.split("example:")[1]


def test_version():
    done = edgert("--version")
    assert done.stdout.startswith("edgert ")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["walk"],
        ["run"],
        ["run", "x.mp4"],
        ["run", "x.mp4", "--detector", "d", "--lanes", "many"],
    ],
)
def test_wrong_use_is_status_2(arguments):
    assert error_of(edgert(*arguments), 2)


def test_a_value_out_of_range_is_status_2(folder, base):
    assert "lanes is 0" in error_of(edgert("run", folder, *base, "--lanes", 0), 2)
    assert "--max-frames is 0" in error_of(edgert("run", folder, *base, "--max-frames", 0), 2)
    assert "no class 'unicorn'" in error_of(edgert("run", folder, *base, "--classes", "unicorn"), 2)


def test_an_output_never_overwrites_an_input(video, base, tmp_path):
    before = video.read_bytes()
    assert "same file" in error_of(edgert("run", video, *base, "--video", video), 2)
    same = tmp_path / "out"
    assert "same file" in error_of(edgert("run", video, *base, "--json", same, "--mot", same), 2)
    assert "same file" in error_of(edgert("run", video, *base, "--json", base[1]), 2)
    assert video.read_bytes() == before


def test_what_is_not_here_says_why(folder, base):
    assert "device 'cuda:7': " in error_of(edgert("run", folder, *base, "--device", "cuda:7"), 1)
    assert "tensorrt" in error_of(edgert("run", folder, *base, "--runtime", "tensorrt"), 1)


def test_missing_source(tmp_path, base):
    assert "no such file" in error_of(edgert("run", tmp_path / "x.mp4", *base), 1)


def test_models_that_are_none(tmp_path, folder, model):
    text = tmp_path / "notes.txt"
    text.write_text("no model")
    for path, message in (
        (text, "not a model"),
        (tmp_path / "missing.onnx", "no such file"),
        (model("classifier"), "YOLOv8 head"),
    ):
        assert message in error_of(edgert("run", folder, "--detector", path), 1)
    pose = ["--pose", model("classifier")]
    assert "heatmaps" in error_of(edgert("run", folder, "--detector", model("detector"), *pose), 1)


def test_videos_that_are_none(tmp_path, base):
    empty = tmp_path / "empty.mp4"
    empty.touch()
    text = tmp_path / "text.mp4"
    text.write_text("this is no video\n" * 100)
    assert "empty" in error_of(edgert("run", empty, *base), 1)
    assert "not a video" in error_of(edgert("run", text, *base), 1)


def test_truncated_video_gives_the_frames_before_the_damage(tmp_path, base):
    import av

    whole = tmp_path / "whole.mkv"
    random = np.random.default_rng(0)
    with av.open(str(whole), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width = 120, 160
        for _ in range(60):
            picture = random.integers(0, 255, (120, 160, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode())
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    out = tmp_path / "out.jsonl"
    done = edgert("run", cut, *base, "--json", out)
    assert done.returncode == 0
    assert "warning:" in done.stderr
    assert "cut.mkv" in done.stderr
    assert 10 < len(out.read_text().splitlines()) < 60


def test_broken_image_in_a_folder_is_skipped_named_and_counted(folder, base, tmp_path):
    (folder / "2a.png").touch()
    report = tmp_path / "report.json"
    done = edgert("run", folder, *base, "--json", "-", "--json-report", report)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 4
    assert "2a.png" in done.stderr
    assert json.loads(report.read_text())["skipped_frames"] == 1


def test_output_that_is_not_finite_warns_once(folder, model):
    done = edgert("run", folder, "--detector", model("detector", poison=np.nan), "--json", "-")
    assert done.returncode == 0
    assert done.stderr.count("warning:") == 1
    assert "not finite" in done.stderr
    assert "NaN" not in done.stdout


@pytest.mark.parametrize("option", ["--json", "--mot", "--coco", "--video", "--json-report"])
def test_output_that_cannot_be_opened(folder, base, tmp_path, option):
    missing = tmp_path / "no" / "such" / "folder" / "out.mp4"
    assert "no" in error_of(edgert("run", folder, *base, option, missing), 1)


@pytest.mark.parametrize("option", ["--json", "--mot", "--coco", "--video"])
def test_full_disk(folder, base, option, tmp_path):
    """The failed file is named; the others are complete up to there."""
    other = (
        ["--mot", tmp_path / "o.txt"] if option == "--json" else ["--json", tmp_path / "o.jsonl"]
    )
    done = edgert("run", folder, *base, option, "/dev/full", *other)
    message = error_of(done, 1)
    assert "/dev/full" in message
    assert "No space left" in message
    if option != "--json":
        for line in (tmp_path / "o.jsonl").read_text().splitlines():
            json.loads(line)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted(video, base, tmp_path, number, status):
    """Files are closed properly: all that was processed is there and readable."""
    lines, mp4 = tmp_path / "out.jsonl", tmp_path / "out.mp4"
    sources = [video] * 200
    command = [sys.executable, "-m", "edgert", "run", *map(str, sources), *map(str, base)]
    command += ["--json", str(lines), "--video", str(mp4)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            deadline = time.monotonic() + HANGS_S
            while not (lines.exists() and lines.stat().st_size > 2000):
                assert time.monotonic() < deadline, "no output"
                assert process.poll() is None, process.stderr.read()
                time.sleep(0.05)
            process.send_signal(number)
            _, error = process.communicate(timeout=HANGS_S)
        finally:
            process.kill()
    assert process.returncode == status, error
    assert "Traceback" not in error
    for line in lines.read_text().splitlines():
        json.loads(line)
    import av

    with av.open(str(mp4)) as container:
        assert sum(1 for _ in container.decode(video=0)) > 0


def test_progress_on_a_terminal_and_a_summary(video, base, tmp_path):
    import pty

    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "edgert", "run", str(video), *map(str, base)],
        stderr=slave,
        stdout=subprocess.PIPE,
        env={**os.environ, "COLUMNS": "100", "TERM": "xterm"},
    )
    os.close(slave)
    shown = b""
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        shown += part
    assert process.wait(60) == 0
    os.close(master)
    assert b"FPS" in shown
    assert b"people" in shown
    assert f"{FRAMES} frames".encode() in shown
    assert process.stdout.read() == b""
    process.stdout.close()
