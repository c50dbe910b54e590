"""The sinks of text and the window: what they write is read back."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from edgert.errors import SinkError
from edgert.io.sinks import Coco, JsonLines, Mot, Video, Window, WindowClosed
from edgert.io.sinks import window as window_module
from edgert.io.sinks.base import Splitter

from sink_results import CHILD, NAMES, TEXT_SINKS, decode, frame, make, run_python

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
