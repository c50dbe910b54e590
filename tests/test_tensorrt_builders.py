"""Several builders of one engine, and builders that are stopped; with the real builder."""

from __future__ import annotations

import fcntl
import json
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

from edgert.builds import keep, shelf
from edgert.builds.progress import Monitor

from tensorrt_models import build, names, needs_builder, small

pytestmark = needs_builder


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def network(tmp_path):
    return small(tmp_path / "net.onnx")


# Several builders.

BUILDER = """
import json, sys, edgert
made = edgert.build(sys.argv[1], compute_capability="8.6", cache=sys.argv[2],
                    progress=lambda part, done, total: print(part, file=sys.stderr, flush=True))
print(json.dumps([made.cached, str(made), made.manifest.engine_sha256]))
"""


def start(network, cache, program=BUILDER):
    return subprocess.Popen(
        [sys.executable, "-c", program, str(network), str(cache)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_of_two_processes_one_builds(asset, cache):
    path = asset("models/yolov8n.onnx")
    both = [start(path, cache) for _ in range(2)]
    results = [json.loads(process.communicate(timeout=120)[0]) for process in both]
    assert sorted(cached for cached, *_ in results) == [False, True]
    assert results[0][1:] == results[1][1:]
    assert len(names(cache)) == 2


def test_the_second_builder_waits_and_says_so(network, cache):
    made = build(network, cache)
    content, manifest = made.path.read_bytes(), made.manifest
    shutil.rmtree(cache)
    with shelf.locked(made.path):
        process = start(network, cache)
        assert process.stderr.readline().strip() == keep.WAITING
        time.sleep(0.2)
        assert process.poll() is None
        shelf.store(made.path, content, manifest)
    out, err = process.communicate(timeout=60)
    assert json.loads(out)[0] is True
    assert err == ""


def test_threads_wait_too(network, cache):
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(build(network, cache))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(made.cached for made in results) == [False, True, True, True]
    assert len(names(cache)) == 2


HOLDER = """
import sys
from pathlib import Path
from edgert.builds.shelf import locked
with locked(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_the_lock_of_a_dead_process_holds_nobody(network, cache):
    path = build(network, cache).path
    shutil.rmtree(cache)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"locked\n"
    assert shelf.is_locked(path)
    process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()
    assert names(cache) == {f".{path.name}.lock"}
    assert not build(network, cache).cached
    assert names(cache) == {path.name, f"{path.name}.json"}


def test_whoever_waited_for_a_lock_that_is_removed_takes_the_new_one(tmp_path):
    """Twenty threads, one after the other, and never two."""
    inside, most, entries = [], [], []

    def work():
        with shelf.locked(tmp_path / "x.engine"):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.001)
            inside.pop()
        entries.append(1)

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(entries) == 20
    assert max(most) == 1
    assert names(tmp_path) == set()


def test_a_lock_file_that_is_removed_while_it_is_taken(tmp_path, monkeypatch):
    """Its holder removes it between our opening it and locking it: what we hold is nobody's."""
    path = tmp_path / "x.engine"
    lock, removed = fcntl.flock, []

    def flock(file, how):
        if not removed:
            removed.append(shelf._lock_path(path).unlink())
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with shelf.locked(path):
        assert shelf.is_locked(path)
    assert names(tmp_path) == set()


# Interruption.

INTERRUPTED = """
import os, signal, sys
from edgert.builds.progress import Monitor
from edgert.cli import main
step, steps = Monitor.step, []

def stepping(self, phase, number):
    steps.append(phase)
    if steps.count("Optimizing graph") == 3:
        os.kill(os.getpid(), getattr(signal, sys.argv[3]))
    return step(self, phase, number)

Monitor.step = stepping
code = main(["build", sys.argv[1], "--compute-capability", "8.6", "--cache", sys.argv[2]])
print(steps.count("Optimizing graph"), "Timing graph nodes" in steps)
sys.exit(code)
"""


@pytest.mark.parametrize(("signal_name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_ctrl_c_in_the_middle_of_a_build(network, cache, signal_name, code):
    done = interrupted(INTERRUPTED, network, cache, signal_name)
    assert (done.returncode, done.stderr) == (code, "")
    # It stopped where it was: of 30 steps a few were done, and no later phase began.
    steps, later = done.stdout.split()
    assert int(steps) == 3
    assert later == "False"
    assert names(cache) == set()


def interrupted(program, network, cache, signal_name="SIGINT"):
    return subprocess.run(
        [sys.executable, "-c", program, network, str(cache), signal_name],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


INTERRUPTED_TWICE = """
import os, signal, sys
from edgert.builds.progress import Monitor
from edgert.cli import main

def stepping(self, phase, number):
    os.kill(os.getpid(), signal.SIGINT)
    return True  # a builder that does not listen

Monitor.step = stepping
main(["build", sys.argv[1], "--compute-capability", "8.6", "--cache", sys.argv[2]])
"""


def test_a_second_ctrl_c_ends_the_process(network, cache):
    done = interrupted(INTERRUPTED_TWICE, network, cache)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
    # Its lock file is left, and holds nobody.
    (lock,) = names(cache)
    assert lock.endswith(".lock")
    assert not build(network, cache).cached
    assert len(names(cache)) == 2


INTERRUPTED_WHILE_PARSING = """
import os, signal, sys
from edgert.cli import main
from edgert.engines.tensorrt import Log
take = Log._take

def taking(self, severity, text):
    if text.startswith("Input filename"):
        os.kill(os.getpid(), signal.SIGINT)
    take(self, severity, text)

Log._take = taking
sys.exit(main(["build", sys.argv[1], "--compute-capability", "8.6", "--cache", sys.argv[2]]))
"""


def test_ctrl_c_while_the_parser_talks(network, cache):
    """The signal comes within a callback from the parser's own frames."""
    done = interrupted(INTERRUPTED_WHILE_PARSING, network, cache)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
    assert names(cache) == set()


def test_ctrl_c_from_outside(asset, cache):
    process = start(asset("models/yolov8n.onnx"), cache)
    for line in process.stderr:
        if line.strip() == "Computing profile costs":
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    assert err.strip().endswith("KeyboardInterrupt")
    assert names(cache) == set()


def test_what_the_callback_raises_stops_the_build(network, cache, monkeypatch):
    class EnoughError(Exception):
        pass

    phases = []

    def progress(part, done, total):
        phases.append(part)
        if part == "Optimizing graph":
            raise EnoughError("enough")

    begun, start_phase = [], Monitor.start
    monkeypatch.setattr(
        Monitor, "start", lambda self, phase, n: (begun.append(phase), start_phase(self, phase, n))
    )
    with pytest.raises(EnoughError, match="enough"):
        build(network, cache, progress=progress)
    assert phases[-1] == begun[-1] == "Optimizing graph"
    assert names(cache) == set()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert not build(network, cache).cached


def test_progress_tells_of_phases_and_their_steps(network, cache):
    told = []
    build(network, cache, progress=lambda *step: told.append(step))
    parts = dict.fromkeys(part for part, *_ in told)
    assert {"Building engine", "Optimizing graph", "Timing graph nodes"} <= set(parts)
    for part in parts:
        steps = [(done, total) for name, done, total in told if name == part]
        assert steps[-1][0] == steps[-1][1]
        assert all(done <= total for done, total in steps)
