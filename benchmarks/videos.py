"""Frames for a benchmark, decoded before anything is timed."""

import cv2


def read_frames(path, count):
    """The first `count` frames of a video, BGR; from its start again where it is shorter."""
    frames = []
    while len(frames) < count:
        capture = cv2.VideoCapture(str(path))
        before = len(frames)
        while len(frames) < count:
            found, frame = capture.read()
            if not found:
                break
            frames.append(frame)
        capture.release()
        if len(frames) == before:
            raise SystemExit(f"{path} has no frames")
    return frames
