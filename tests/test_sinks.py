"""The sinks: what they write is read back, also after a kill, a full disk or a lost reader."""

import itertools
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.errors import SinkError
from edgert.io.sinks import Coco, JsonLines, Mot, Video, Window, WindowClosed, encoder, video
from edgert.io.sinks import window as window_module
from edgert.io.sinks.base import OutputFile, Splitter
from edgert.io.sinks.encoder import TICKS_PER_SECOND, FrameClock
from edgert.result import Result

TEXT_SINKS = [JsonLines, Mot, Coco]
SINKS = [*TEXT_SINKS, Video]
NAMES = {JsonLines: "out.jsonl", Mot: "out.txt", Coco: "out.json", Video: "out.mp4"}


def make(index=0, n=2, size=(48, 64), source="street.mp4", time_s=None):
    rng = np.random.default_rng(index)
    corner = rng.uniform(0, 20, (n, 2))
    return Result(
        boxes=np.hstack([corner, corner + 20]).astype(np.float32),
        scores=rng.random(n).astype(np.float32),
        class_ids=np.zeros(n, np.int32),
        ids=np.arange(1, n + 1, dtype=np.int64),
        keypoints=rng.uniform(0, 40, (n, 17, 2)).astype(np.float32),
        keypoint_scores=rng.random((n, 17)).astype(np.float32),
        frame_index=index,
        time_s=index / 25 if time_s is None else time_s,
        size=size,
        source=source,
    )


def frame(size=(48, 64), colour=(200, 60, 30)):
    return np.full((*size, 3), colour, np.uint8)


def decode(path):
    with av.open(str(path)) as container:
        return [(f.time, f.to_ndarray(format="bgr24")) for f in container.decode(video=0)]


def run_python(code, **options):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, timeout=300, **options
    )


# What a child process needs to write some results.
CHILD = f"""
import os, sys, time
import numpy as np
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_sinks import *
"""


# --- JSON lines -----------------------------------------------------------------------------------


def test_json_lines_hold_the_results_in_order(tmp_path):
    results = [make(i, n=i % 3, source=f"s{i % 2}.mp4") for i in range(7)]
    with JsonLines(tmp_path / "out.jsonl") as sink:
        for result in results:
            sink.write(result, None)
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [r.to_dict() for r in results]


@pytest.mark.parametrize("kind", TEXT_SINKS)
def test_a_frame_is_on_disk_when_write_returns(kind, tmp_path):
    path = tmp_path / "out"
    sink = kind(path)
    sizes = []
    for i in range(4):
        sink.write(make(i))
        sizes.append(path.stat().st_size)
    sink.close()
    assert sizes == sorted(set(sizes))
    assert path.stat().st_size == sizes[-1], "nothing was kept back for close()"


def test_standard_output_takes_lines_among_prints():
    done = run_python(
        CHILD + "print('before')\nsink = JsonLines('-')\nsink.write(make(0))\n"
        "sink.close()\nprint('after')"
    )
    before, line, after = done.stdout.decode().splitlines()
    assert (before, after, done.stderr) == ("before", "after", b"")
    assert json.loads(line) == make(0).to_dict()


# --- MOT ------------------------------------------------------------------------------------------


def test_mot_rows_are_read_back(tmp_path):
    results = [make(i, n=3) for i in range(5)]
    with Mot(tmp_path / "out.txt") as sink:
        for result in results:
            sink.write(result)
    rows = np.loadtxt(tmp_path / "out.txt", delimiter=",")
    np.testing.assert_allclose(rows, np.vstack([r.to_mot() for r in results]), atol=0.0051)
    first = (tmp_path / "out.txt").read_text().splitlines()[0].split(",")
    assert first[:2] == ["1", "1"]
    assert first[7:] == ["-1", "-1", "-1"]


@pytest.mark.parametrize("kind", [Mot, Coco, Video])
def test_each_source_has_its_own_file(kind, tmp_path):
    sources = ["a/x.mp4", "rtsp://cam:554/live?id=2", "b/x.mp4", "x.mp4", "a/x.mp4"]
    name = Path(NAMES[kind])
    with kind(tmp_path / name) as sink:
        for i, source in enumerate(sources):
            sink.write(make(i, source=source), frame())
    expected = {f"{name.stem}{part}{name.suffix}" for part in ("", ".live_id_2", ".x", ".x-2")}
    assert {p.name for p in tmp_path.iterdir()} == expected
    if kind is Video:
        frames = {n: len(decode(tmp_path / n)) for n in expected}
        assert frames == {n: 2 if n == name.name else 1 for n in expected}


def test_images_of_a_folder_are_one_source():
    splitter = Splitter("out.txt")
    assert splitter.path_of("in/000001.jpg") == Path("out.txt")
    assert splitter.path_of("in/000002.PNG") == Path("out.txt")
    assert splitter.path_of("other/000001.jpg") == Path("out.other.txt")


# --- COCO -----------------------------------------------------------------------------------------


def test_the_coco_array_is_whole_after_every_frame(tmp_path):
    path = tmp_path / "out.json"
    sink = Coco(path)
    expected = []
    assert json.loads(path.read_text()) == []
    for i in range(5):
        result = make(i, n=(0, 2, 0, 1, 3)[i])
        sink.write(result)
        expected += result.to_coco(i)
        assert json.loads(path.read_text()) == expected
    sink.close()
    assert json.loads(path.read_text()) == expected


@pytest.mark.parametrize(
    ("source", "number"),
    [
        ("coco/000000000790.jpg", 790),
        ("COCO_train2014_000000000009.jpg", 9),
        ("3/cat.png", 12),
        ("street_5.mp4", 12),
    ],
)
def test_coco_image_ids(tmp_path, source, number):
    with Coco(tmp_path / "out.json") as sink:
        sink.write(make(12, n=1, source=source))
    assert json.loads((tmp_path / "out.json").read_text())[0]["image_id"] == number


def test_coco_in_a_pipe_is_closed_at_the_end():
    done = run_python(
        CHILD + "with Coco('-') as sink:\n    for i in range(3): sink.write(make(i, n=1))"
    )
    assert [p["image_id"] for p in json.loads(done.stdout)] == [0, 1, 2]


# --- Faults ---------------------------------------------------------------------------------------


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


# --- Video ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "coded"),
    [
        ((48, 64), (48, 64)),
        ((47, 63), (48, 64)),
        ((1, 1), (16, 16)),
        ((20, 20000), (16, 4096)),
    ],
)
def test_video_of_any_size(tmp_path, size, coded):
    with Video(tmp_path / "out.mp4") as sink:
        for i in range(3):
            sink.write(make(i, n=0, size=size), frame(size))
    frames = decode(tmp_path / "out.mp4")
    assert len(frames) == 3
    for _, image in frames:
        assert image.shape[:2] == coded
        assert np.abs(image.astype(int) - (200, 60, 30)).max() <= 6, "colours, edges included"


def test_video_keeps_uneven_frame_times(tmp_path):
    times = np.cumsum([5.0, 0.04, 0.04, 0.5, 1001 / 30000, 2.0, 0.001])
    with Video(tmp_path / "out.mp4") as sink:
        for i, t in enumerate(times):
            sink.write(make(i, time_s=float(t)), frame())
    decoded = [t for t, _ in decode(tmp_path / "out.mp4")]
    np.testing.assert_allclose(decoded, times - times[0], atol=0.5 / TICKS_PER_SECOND + 1e-9)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(times=st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=1, max_size=20))
def test_ticks_always_grow(times):
    clock = FrameClock()
    ticks = [clock.ticks(t) for t in times]
    assert ticks[0] == 0
    assert all(b > a for a, b in itertools.pairwise(ticks))


def test_ticks_go_on_in_rhythm_when_a_camera_starts_over():
    clock = FrameClock()
    ticks = [clock.ticks(t) for t in (10.0, 10.04, 0.0, 0.5, 0.54)]
    assert ticks == [0, 2400, 4800, 34800, 37200]


def test_video_draws_the_people(tmp_path):
    result = make(n=1, size=(240, 320))
    result.boxes[0] = (60, 60, 200, 200)
    image = frame((240, 320))
    with Video(tmp_path / "out.mp4") as sink:
        sink.write(result, image)
        image[:] = 0  # the sink must have its own copy
    ((_, decoded),) = decode(tmp_path / "out.mp4")
    difference = np.abs(decoded.astype(int) - result.draw(frame((240, 320)))).mean()
    assert difference < 6
    assert (frame((240, 320)) != decoded).any()


def test_video_fits_frames_of_another_size(tmp_path):
    with Video(tmp_path / "out.mp4") as sink:
        sink.write(make(0, n=0, size=(48, 64)), frame())
        sink.write(make(1, n=0, size=(48, 31)), frame((48, 31)))
        sink.write(make(2, n=0, size=(120, 320)), frame((120, 320)))
    first, tall, wide = (image for _, image in decode(tmp_path / "out.mp4"))
    assert first.shape == tall.shape == wide.shape
    assert tall[:, :12].max() < 30, "black beside"
    assert np.abs(tall[:, 24:40].astype(int) - (200, 60, 30)).max() < 25
    assert wide[:8].max() < 30, "black above"
    assert np.abs(wide[16:32].astype(int) - (200, 60, 30)).max() < 25


def test_video_with_the_encoder_of_last_resort(tmp_path, monkeypatch):
    monkeypatch.setattr(encoder, "_ENCODERS", {"no_such": {}, "mpeg4": encoder._ENCODERS["mpeg4"]})
    encoder._encoder.cache_clear()
    try:
        with Video(tmp_path / "out.mp4") as sink:
            for i in range(40):
                sink.write(make(i, n=0), frame())
        decoded = decode(tmp_path / "out.mp4")
        np.testing.assert_allclose([t for t, _ in decoded], np.arange(40) / 25, atol=1e-4)
        monkeypatch.setattr(encoder, "_ENCODERS", {"no_such": {}})
        encoder._encoder.cache_clear()
        sink = Video(tmp_path / "none.mp4")
        sink.write(make(), frame())
        with pytest.raises(SinkError, match=r"no video encoder opens.*no_such"):
            sink.close()
    finally:
        encoder._encoder.cache_clear()


@pytest.mark.parametrize(("path", "match"), [("out.avi", "name it out.mp4"), ("-", "name a file")])
def test_video_names_that_cannot_be(path, match, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SinkError, match=match):
        Video(path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("image", [None, frame((47, 64)), frame().astype(float)])
def test_video_wants_the_frame(image, tmp_path):
    with Video(tmp_path / "out.mp4") as sink, pytest.raises(ValueError, match="the video sink"):
        sink.write(make(), image)


def test_video_does_not_hold_up_the_pipeline_until_it_is_far_behind(tmp_path, monkeypatch):
    gate = threading.Event()
    monkeypatch.setattr(video, "draw_people", lambda *_, **__: gate.wait(20))
    sink = Video(tmp_path / "out.mp4")
    started = time.perf_counter()
    for i in range(8):
        sink.write(make(i), frame())
    assert time.perf_counter() - started < 5
    late = threading.Thread(target=lambda: [sink.write(make(i), frame()) for i in range(8, 12)])
    late.start()
    late.join(0.3)
    assert late.is_alive(), "the queue must be bounded"
    gate.set()
    late.join(20)
    sink.close()
    assert len(decode(tmp_path / "out.mp4")) == 12


def test_a_failed_encoder_does_not_block_the_writer(tmp_path, monkeypatch):
    gate = threading.Event()

    def fail(*_, **__):
        gate.wait(20)
        raise RuntimeError("a bug")

    monkeypatch.setattr(video, "draw_people", fail)
    sink = Video(tmp_path / "out.mp4")
    # One frame is being drawn, eight wait, and the last write waits for room.
    writer = threading.Thread(target=lambda: [sink.write(make(i), frame()) for i in range(10)])
    writer.start()
    writer.join(0.3)
    assert writer.is_alive()
    gate.set()
    writer.join(20)
    assert not writer.is_alive()
    with pytest.raises(RuntimeError, match="a bug"):
        sink.write(make(), frame())
    sink.close()


# --- Window ---------------------------------------------------------------------------------------


class FakeView:
    def __init__(self, title):
        self.shown, self.closed, self.open = [], 0, True

    def show(self, image):
        self.shown.append(image)
        return self.open

    def close(self):
        self.closed += 1


def test_the_window_shows_drawn_frames_until_the_user_closes_it(monkeypatch):
    views = []
    monkeypatch.setattr(
        window_module, "_open_view", lambda t: views.append(FakeView(t)) or views[0]
    )
    sink = Window()
    result = make()
    sink.write(result, frame())
    np.testing.assert_array_equal(views[0].shown[0], result.draw(frame()))
    views[0].open = False
    with pytest.raises(WindowClosed):
        sink.write(result, frame())
    with pytest.raises(WindowClosed):
        sink.write(result, frame())
    sink.close()
    assert views[0].closed == 1


def test_no_screen_is_named(monkeypatch):
    pytest.importorskip("tkinter")
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(SinkError, match=r"cannot open it: .*DISPLAY.*write a video instead"):
        Window()


def test_a_screen_that_does_not_answer_is_named(monkeypatch):
    pytest.importorskip("tkinter")
    monkeypatch.setenv("DISPLAY", ":987")
    with pytest.raises(SinkError, match=r"cannot open it: .*display \":987\""):
        Window()


def test_python_without_tk_is_named(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":987")
    monkeypatch.setitem(sys.modules, "tkinter", None)
    with pytest.raises(SinkError, match="apt install python3-tk"):
        Window()


@pytest.mark.skipif(not os.environ.get("DISPLAY"), reason="no screen (DISPLAY is not set)")
def test_a_real_window_opens_and_closes():
    with Window() as sink:
        for i in range(3):
            sink.write(make(i), frame())
        root = sink._view._root
        root.focus_force()
        root.update()
        root.event_generate("<Key-q>")
        with pytest.raises(WindowClosed):
            sink.write(make(3), frame())


# --- Imports --------------------------------------------------------------------------------------


def test_importing_the_sinks_is_light():
    done = run_python(
        "import sys\n"
        "import edgert.result, edgert.draw, edgert.skeleton, edgert.io.sinks\n"
        "heavy = {'av', 'PIL', 'cv2', 'supervision', 'tkinter', 'onnxruntime'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert done.stdout.decode().strip() == "[]", done.stderr.decode()
