"""Sinks after a kill, on a full disk, with a lost reader: what was written stays valid."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.errors import SinkError
from edgert.io.sinks import Coco, JsonLines, Mot, Video
from edgert.io.sinks.base import OutputFile

from sink_results import CHILD, NAMES, SINKS, TEXT_SINKS, decode, frame, make, run_python


@pytest.mark.parametrize("kind", SINKS)
@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("missing/{}", "No such file or directory; create the folder first"),
        ("a_file/{}", "Not a directory"),
        ("", "Is a directory; name a file"),
        ("/proc/{}", ""),
    ],
)
def test_a_path_that_cannot_be_written_fails_at_once(kind, path, reason, tmp_path):
    (tmp_path / "a_file").write_text("")
    full = os.path.join(tmp_path, path.format(NAMES[kind])).rstrip("/")  # noqa: PTH118
    with pytest.raises(SinkError, match="cannot open it for writing") as caught:
        kind(full)
    assert full in str(caught.value)
    assert reason in str(caught.value)


@pytest.mark.parametrize("kind", SINKS)
def test_a_full_disk_is_named_and_close_is_silent_after_it(kind):
    def fill():
        sink = kind("/dev/full")
        try:
            for i in range(3000):
                sink.write(
                    make(i), np.random.default_rng(i).integers(0, 255, (48, 64, 3), np.uint8)
                )
            sink.close()
        except SinkError:
            sink.close()
            sink.close()
            raise

    with pytest.raises(
        SinkError, match=r"^/dev/full: cannot .*: No space left on device; make room"
    ):
        fill()


@pytest.mark.parametrize("kind", SINKS)
def test_what_was_written_before_the_disk_was_full_stays_valid(kind, tmp_path):
    """A limit on the file's size fails like a full disk: in the middle of a write."""
    path = tmp_path / NAMES[kind]
    limit = 10_000 if kind is not Video else 2_000_000
    done = run_python(
        CHILD
        + f"""
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
rng = np.random.default_rng(0)
size = (240, 320)
sink = {kind.__name__}({str(path)!r})
try:
    for i in range(400):
        sink.write(make(i, size=size), rng.integers(0, 255, (*size, 3), np.uint8))
except SinkError as error:
    print(i, error)
    sink.close()
"""
    )
    assert b"cannot write: File too large" in done.stdout, done.stderr.decode()
    failed = int(done.stdout.split()[0])
    if kind is JsonLines:
        lines = path.read_text().splitlines()
        assert [json.loads(line) for line in lines] == [make(i).to_dict() for i in range(failed)]
    elif kind is Mot:
        rows = np.loadtxt(path, delimiter=",")
        np.testing.assert_array_equal(rows[:, 0], np.repeat(np.arange(failed), 2) + 1)
    elif kind is Coco:
        people = [person for i in range(failed) for person in make(i).to_coco(i)]
        assert json.loads(path.read_text()) == people
    else:
        assert 20 < len(decode(path)) < failed


def test_a_disk_that_is_full_when_the_index_comes_leaves_the_frames(tmp_path):
    code = (
        CHILD
        + """
import resource
path, limit = sys.argv[1], int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
sink = Video(path)
for i in range(100):
    sink.write(make(i), frame())
try:
    sink.close()
except SinkError as error:
    print(error)
"""
    )
    path = tmp_path / "out.mp4"
    size = 2**30
    for lacking, said in ((20, b""), (20, b"cannot complete it: File too large")):
        done = subprocess.run(
            [sys.executable, "-c", code, path, str(size)], capture_output=True, timeout=60
        )
        assert said in done.stdout, done.stderr.decode()
        size = path.stat().st_size - lacking
    assert len(decode(path)) >= 90


@pytest.mark.parametrize("kind", SINKS)
def test_a_killed_process_leaves_readable_files(kind, tmp_path):
    path = tmp_path / NAMES[kind]
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            CHILD
            + f"""
sink = {kind.__name__}({str(path)!r})
for i in range(10**9):
    sink.write(make(i), frame())
    if i == 400:
        print("go", flush=True)
""",
        ],
        stdout=subprocess.PIPE,
    )
    with child:
        assert child.stdout.readline() == b"go\n"
        child.send_signal(signal.SIGKILL)
    if kind is JsonLines:
        frames = [json.loads(line)["frame"] for line in path.read_text().splitlines()]
        assert frames == list(range(len(frames)))
    elif kind is Mot:
        text = path.read_text()
        assert text.endswith("\n")
        frames = np.loadtxt(path, delimiter=",")[::2, 0].tolist()
    elif kind is Coco:
        frames = [p["image_id"] for p in json.loads(path.read_text())[::2]]
    else:
        frames = [t for t, _ in decode(path)]
        np.testing.assert_allclose(frames, np.arange(len(frames)) / 25, atol=1e-4)
    # The video may lack what waited (8), what the encoder held and the fragment begun (30).
    assert len(frames) >= (400 if kind is not Video else 300)


@pytest.mark.parametrize("kind", TEXT_SINKS)
def test_a_lost_reader_is_an_error_without_noise(kind):
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            CHILD
            + f"""
try:
    with {kind.__name__}("-") as sink:
        for i in range(10**9):
            sink.write(make(i))
except SinkError as error:
    sys.stderr.write(str(error))
""",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with child:
        child.stdout.readline()
        child.stdout.close()
        assert child.stderr.read() == (
            b"standard output: cannot write: Broken pipe; "
            b"the program that read the output has ended"
        )
        assert child.wait(10) == 0


@pytest.mark.parametrize("kind", SINKS)
def test_close_may_be_called_again_and_write_after_it_says_so(kind, tmp_path):
    sink = kind(tmp_path / NAMES[kind])
    sink.write(make(), frame())
    sink.close()
    sink.close()
    with pytest.raises(SinkError, match="it is closed"):
        sink.write(make(1), frame())


def test_the_error_that_ended_the_block_is_the_one_seen():
    def fail():
        with Video("/dev/full") as sink:
            sink.write(make(), frame())
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fail()


@settings(max_examples=30, derandomize=True, deadline=None)
@given(parts=st.lists(st.tuples(st.binary(max_size=40), st.integers(0, 5)), max_size=12))
def test_an_output_file_is_what_its_writes_say(parts, tmp_path_factory):
    path = tmp_path_factory.mktemp("file") / "out"
    expected = b""
    file = OutputFile(path)
    for data, over in parts:
        over = min(over, len(expected), len(data))
        kept = len(expected) - over
        file.write(data, over=expected[kept:])
        expected = expected[:kept] + data
        assert path.read_bytes() == expected
    file.close()
