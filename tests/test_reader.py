"""Reading ahead: order, loss, errors and ends, under any schedule."""

import gc
import itertools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgert.errors import SourceError
from edgert.io import Frame, Reader, Source, open_source
from edgert.io.many import ManySource

PIXEL = np.zeros((1, 1, 3), np.uint8)


class Fake(Source):
    """`count` frames (None: no end), each after `pause(index)` seconds."""

    def __init__(
        self,
        count: int | None,
        *,
        live: bool = False,
        pause: Callable[[int], float] = lambda index: 0,
        error: Exception | None = None,
    ) -> None:
        super().__init__("fake", live=live, frame_count=count)
        self._pause = pause
        self._error = error
        self.produced = 0
        self.released = threading.Event()

    def _frames(self) -> Iterator[Frame]:
        for index in itertools.count() if self.frame_count is None else range(self.frame_count):
            if self._closed.wait(self._pause(index)):
                return
            self.produced += 1
            yield Frame(PIXEL, index, index / 30, self.name)
        if self._error is not None:
            raise self._error

    def _release(self) -> None:
        self.released.set()


@pytest.fixture(autouse=True)
def no_thread_is_left_behind() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    gc.collect()
    deadline = time.monotonic() + 2
    while (left := set(threading.enumerate()) - before) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not left


@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    counts=st.lists(st.integers(0, 12), min_size=1, max_size=4),
    capacity=st.integers(1, 5),
    pauses=st.lists(st.sampled_from([0, 0, 0.0005, 0.002]), min_size=1, max_size=7),
    work=st.lists(st.sampled_from([0, 0, 0.0005, 0.002]), min_size=1, max_size=5),
)
def test_files_lose_nothing_and_take_turns_under_any_schedule(
    counts: list[int], capacity: int, pauses: list[float], work: list[float]
) -> None:
    sources = [
        Fake(count, pause=lambda index, k=k: pauses[(index + k) % len(pauses)])
        for k, count in enumerate(counts)
    ]
    seen = []
    with Reader(ManySource(sources), capacity) as reader:
        for frame, seconds in zip(reader, itertools.cycle(work), strict=False):
            time.sleep(seconds)
            seen.append((frame.index, frame.stream))
    # Turns: the k-th frames of all sources that have one, in the order of the list.
    expected = [(k, stream) for stream, count in enumerate(counts) for k in range(count)]
    assert seen == sorted(expected)
    assert reader.dropped == 0
    assert all(source.released.is_set() for source in sources)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(
    count=st.integers(0, 40),
    capacity=st.integers(1, 5),
    pauses=st.lists(st.sampled_from([0, 0, 0.0005, 0.001]), min_size=1, max_size=7),
    work=st.lists(st.sampled_from([0, 0.0005, 0.003]), min_size=1, max_size=5),
)
def test_live_frames_are_seen_in_order_or_counted_as_dropped(
    count: int, capacity: int, pauses: list[float], work: list[float]
) -> None:
    source = Fake(count, live=True, pause=lambda index: pauses[index % len(pauses)])
    seen = []
    with Reader(source, capacity) as reader:
        for frame, seconds in zip(reader, itertools.cycle(work), strict=False):
            time.sleep(seconds)
            seen.append(frame.index)
    assert seen == sorted(set(seen))
    assert len(seen) + source.dropped == count
    # The newest frames are the ones that stay.
    assert seen[-min(capacity, count) :] == list(range(max(0, count - capacity), count))


def wait_for(condition: Callable[[], bool], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


def test_live_drops_exactly_the_oldest_frames() -> None:
    source = Fake(10, live=True)
    reader = Reader(source, capacity=3)
    wait_for(source.released.is_set)
    assert [frame.index for frame in reader] == [7, 8, 9]
    assert source.dropped == reader.dropped == 7


def test_a_file_waits_for_its_consumer() -> None:
    source = Fake(100)
    with Reader(source, capacity=3) as reader:
        wait_for(lambda: source.produced == 4)  # three wait, one is held by the thread
        time.sleep(0.05)
        assert source.produced == 4
        frames = iter(reader)
        assert next(frames).index == 0
        wait_for(lambda: source.produced == 5)


def test_an_error_comes_after_the_frames_before_it() -> None:
    frames = iter(Reader(Fake(3, error=SourceError("gone"))))
    assert [next(frames).index for _ in range(3)] == [0, 1, 2]
    with pytest.raises(SourceError, match="gone"):
        next(frames)


def test_an_error_in_the_arrays_of_the_caller_reaches_him() -> None:
    arrays = [PIXEL, np.zeros((2, 2, 3), np.float64)]
    with pytest.raises(ValueError, match="array 1: found dtype float64"):
        list(Reader(open_source(arrays)))


@pytest.mark.parametrize("live", [False, True])
def test_close_stops_a_producer_that_waits(live: bool) -> None:
    in_put = Fake(None, live=live, pause=lambda index: 0.001)
    in_read = Fake(None, live=live, pause=lambda index: 60 if index else 0)
    for source in (in_put, in_read):
        reader = Reader(source)
        wait_for(lambda source=source: source.produced > 0)
        time.sleep(0.02)
        started = time.monotonic()
        reader.close()
        assert time.monotonic() - started < 0.5
        assert source.released.is_set()
        assert list(reader) == []
        reader.close()


class Stuck(Source):
    """A read that no one can interrupt, such as one inside a library."""

    def __init__(self, seconds: float) -> None:
        super().__init__("stuck", live=True)
        self._seconds = seconds
        self.inside = threading.Event()
        self.released_inside = False
        self.released = threading.Event()

    def _frames(self) -> Iterator[Frame]:
        self.inside.set()
        time.sleep(self._seconds)
        self.released_inside = self.released.is_set()
        yield Frame(PIXEL, 0, 0, "stuck")

    def _release(self) -> None:
        self.released.set()


def test_close_leaves_a_read_that_cannot_be_interrupted_and_frees_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edgert.io.reader._JOIN_S", 0.1)
    source = Stuck(0.6)
    reader = Reader(source)
    source.inside.wait()
    started = time.monotonic()
    reader.close()
    assert time.monotonic() - started < 0.4
    assert source.released.wait(2)
    assert not source.released_inside


def test_close_from_another_thread_ends_the_consumer() -> None:
    reader = Reader(Fake(None, pause=lambda index: 60 if index == 2 else 0))
    closer = threading.Timer(0.05, reader.close)
    closer.start()
    assert [frame.index for frame in reader] == [0, 1]
    closer.join()


def test_leaving_the_loop_closes() -> None:
    source = Fake(None)
    for frame in Reader(source):
        if frame.index == 2:
            break
    assert source.released.wait(1)


def test_an_interrupted_wait_closes() -> None:
    """Ctrl-C while the consumer waits for a frame that does not come."""
    source = Fake(None, pause=lambda index: 60)
    interrupt = threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT))
    interrupt.start()
    with pytest.raises(KeyboardInterrupt):
        next(iter(Reader(source)))
    interrupt.join()
    assert source.released.wait(1)


def test_live_sources_come_in_between_and_starve_nobody() -> None:
    files = [Fake(None), Fake(None)]
    cameras = [Fake(None, live=True, pause=lambda index: 0.001) for _ in range(3)]
    streams = []
    with Reader(ManySource([files[0], *cameras, files[1]])) as reader:
        for frame in itertools.islice(reader, 400):
            streams.append(frame.stream)
            time.sleep(0.0002)
    share = np.bincount(streams, minlength=5) / len(streams)
    assert share.min() > 0.08
    assert abs(share[0] - share[4]) < 0.01


def test_a_silent_camera_holds_up_no_file_and_a_slow_file_no_camera() -> None:
    silent = Fake(None, live=True, pause=lambda index: 60)
    with Reader(ManySource([silent, Fake(50)])) as reader:
        assert [frame.index for frame in itertools.islice(reader, 50)] == list(range(50))
    slow = Fake(None, pause=lambda index: 60)
    camera = Fake(20, live=True, pause=lambda index: 0.001)
    with Reader(ManySource([slow, camera])) as reader:
        assert len(list(itertools.islice(reader, 20 - camera.dropped))) > 0


def test_many_cameras_and_a_slow_consumer() -> None:
    """More cameras in step than a queue holds: each is still seen about as often."""
    cameras = [Fake(None, live=True, pause=lambda index: 0.002) for _ in range(8)]
    with Reader(ManySource(cameras), capacity=2) as reader:
        streams = []
        for frame in itertools.islice(reader, 160):
            streams.append(frame.stream)
            time.sleep(0.001)
    assert np.bincount(streams, minlength=8).min() >= 12
    assert reader.dropped > 0


def test_a_list_is_live_when_all_of_it_is() -> None:
    assert ManySource([Fake(1, live=True), Fake(1, live=True)]).live
    assert not ManySource([Fake(1, live=True), Fake(1)]).live


def test_a_reader_under_a_list_under_a_reader() -> None:
    """Iterating a list reads ahead too; reading that ahead again must not deadlock."""
    many = ManySource([Fake(5), Fake(5)])
    assert [(frame.index, frame.stream) for frame in many] == sorted(
        (index, stream) for index in range(5) for stream in range(2)
    )


def test_capacity_must_be_positive() -> None:
    with pytest.raises(ValueError, match="capacity: found 0"):
        Reader(Fake(1), 0)
