"""`edgert build`: what it says, writes and refuses."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from edgert.builds.keep import WAITING
from edgert.builds.manifest import fallback_of
from edgert.cli import main

from tensorrt_models import needs_builder, small


@pytest.fixture
def network(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGERT_CACHE", str(tmp_path / "cache"))
    return small(tmp_path / "net.onnx", batch="n")


AHEAD = ("--compute-capability", "8.6")


@needs_builder
def test_what_is_built_is_said_in_two_lines(network, capfd):
    assert main(["build", network, *AHEAD, "--precision", "fp16", "--max-batch", "2"]) == 0
    shown = capfd.readouterr()
    assert shown.err == ""
    words, path = shown.out.splitlines()
    assert words.startswith(
        "net.onnx: fp16 for compute capability 8.6, batch 1, 2, TensorRT-RTX 1.7."
    )
    assert "built in" in words
    assert words.endswith(" fp16")
    assert "; layers: " in words
    assert Path(path).stat().st_size > 0
    assert main(["build", network, *AHEAD, "--precision", "fp16", "--max-batch", "2"]) == 0
    again = capfd.readouterr().out
    assert ", kept, " in again
    assert again.endswith(path + "\n")


@needs_builder
def test_the_report_and_the_fallback(network, capfd, tmp_path):
    other = small(tmp_path / "other.onnx", seed=1)
    out = tmp_path / "other.engine"
    arguments = ["build", other, *AHEAD, "--fallback", network, "-o", str(out)]
    assert main([*arguments, "--json-report", "-"]) == 0
    report = json.loads(capfd.readouterr().out)
    assert report["path"] == str(out)
    assert report["cached"] is False
    assert report["manifest"]["precision"] == "fp32"
    assert report["manifest"]["key"]["request"]["compute_capability"] == "8.6"
    assert report["manifest"]["fallback"] == "other.fallback.engine"
    assert report["fallback"]["manifest"]["precision"] == "fp16"
    assert fallback_of(out) == tmp_path / "other.fallback.engine"
    assert main([*arguments, "--json-report", str(tmp_path / "report.json"), "--quiet"]) == 0
    shown = capfd.readouterr()
    assert (shown.out, shown.err) == ("", "")
    assert json.loads((tmp_path / "report.json").read_text())["cached"] is True


@needs_builder
def test_options_reach_the_builder(network, capfd, tmp_path):
    folder = tmp_path / "elsewhere"
    arguments = ["--workspace", "64M", "--optimization-level", "1", "--sparse-weights"]
    arguments += ["--shape", "images=4x3x16x16", "--cache", str(folder), "--json-report", "-"]
    assert main(["build", network, *AHEAD, *arguments]) == 0
    request = json.loads(capfd.readouterr().out)["manifest"]["key"]["request"]
    assert request["workspace_bytes"] == 64 << 20
    assert request["optimization_level"] == 1
    assert request["sparse_weights"] is True
    assert request["batches"] == [4]
    assert len(list(folder.iterdir())) == 2


@needs_builder
def test_failures(network, capfd, tmp_path, monkeypatch):
    # Another test's fake driver may be in this process.
    monkeypatch.setattr("edgert.builds.environment.gpu_capability", lambda ordinal=0: None)
    assert main(["build", network, *AHEAD, "--precision", "int8"]) == 1
    assert "edgert quantize" in capfd.readouterr().err
    assert main(["build", network, "--compute-capability", "8.7"]) == 2
    assert "take 8.6 for a Jetson Orin's 8.7" in capfd.readouterr().err
    assert main(["build", network]) == 1
    assert "no GPU to build for" in capfd.readouterr().err
    assert main(["build", network, *AHEAD, "--weakly-typed", "--precision", "fp16"]) == 1
    assert "TensorRT 11 removed them" in capfd.readouterr().err
    assert main(["build", str(tmp_path / "missing.onnx"), *AHEAD]) == 1
    assert "missing.onnx: no such file" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--workspace", "much"], "--workspace: 'much' is no size"),
        (["-o", "/no/such/folder/x.engine"], "there is no folder /no/such/folder"),
        (["--shape", "1x3"], "expected NAME=NxCxHxW"),
        (["--precision", "fp8"], "invalid choice"),
        (["--optimization-level", "6"], "invalid choice"),
    ],
)
def test_wrong_use(arguments, words, network, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["build", network, *arguments])
    assert stop.value.code == 2
    assert words in capsys.readouterr().err


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["build", "--help"])
    assert stop.value.code == 0
    assert "edgert build yolov8s.int8.onnx --fallback yolov8s.onnx" in capsys.readouterr().out


@needs_builder
def test_waiting_is_said_even_in_a_pipe(network, capfd, monkeypatch):
    from edgert.builds import keep

    locked = keep.locked

    def held(engine, on_wait):
        on_wait()
        return locked(engine, on_wait)

    monkeypatch.setattr(keep, "locked", held)
    assert main(["build", network, *AHEAD]) == 0
    assert capfd.readouterr().err == f"edgert: {network}: {WAITING}\n"
    assert main(["build", network, *AHEAD, "--optimization-level", "1", "--quiet"]) == 0
    assert capfd.readouterr().err == ""


@needs_builder
def test_progress_is_shown_on_a_terminal(network):
    """And by `edgert.build` as by the command; a pipe stays silent (the tests above)."""
    program = "import edgert, sys; edgert.build(sys.argv[1], compute_capability='8.6')"
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", program, network],
        stderr=terminal,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"},
    )
    os.close(terminal)
    shown = b""
    while True:
        try:
            part = os.read(controller, 65536)
        except OSError:  # the terminal's other end is closed
            break
        shown += part
    os.close(controller)
    assert process.wait(60) == 0
    assert b"Building engine" in shown
    assert b"Timing graph nodes" in shown
