// What Python's help() says about ByteTrack and Tracks.
#pragma once

namespace edgert::bindings {

inline constexpr const char* kTracksDoc =
    R"(The people tracked in one frame, as parallel arrays of length M.

The arrays are views of this object's memory and keep it alive; later updates do not change them.)";

inline constexpr const char* kByteTrackDoc =
    R"(Multi-object tracking by ByteTrack (Zhang et al., ECCV 2022, arXiv:2110.06864).

With the default options ids, row order and detection indices equal those of the reference
implementation (github.com/ifzhang/ByteTrack, yolox/tracker), and boxes to 1e-3 px; ids count from 1
for every tracker. One tracker follows one stream, from one thread at a time.

Args:
    track_high_thresh: Detections with a score above it are matched first. In [0, 1].
    track_low_thresh: Detections with a score above it and below `track_high_thresh` are matched to the
        tracks that found no partner. In [0, 1].
    new_track_thresh: Least score that starts a track; None: `track_high_thresh` + 0.1.
    match_thresh: Largest cost of a first match, in (0, 1].
    track_buffer: How long a lost track is kept, in frames at 30 frames a second: it is removed after
        int(frame_rate / 30 * track_buffer) frames.
    frame_rate: Frames a second.
    fuse_score: The cost of a first match is 1 - IoU * score; False: 1 - IoU (the reference for MOT20).
    class_aware: Match within a class only; `update` then needs `class_ids`. Not in the reference.
    min_hits: Matches that a track needs before it is put out; 1 adds nothing to the reference's rule
        (the second sight, or the first in frame 1). As in SORT (Bewley et al., 2016).
    history: Boxes kept of each track for `history()`.
    appearance_thresh: Features count where half their cosine distance is at most this (BoT-SORT, Aharon
        et al., arXiv:2206.14651).
    proximity_thresh: Features count where 1 - IoU is at most this; 1: everywhere in the frame.
    feature_momentum: Weight of the past in a track's smoothed feature.

Raises:
    ValueError: An option is out of its range.)";

inline constexpr const char* kUpdateDoc = R"(Takes the detections of the next frame.

Call it for every frame, also for those without detections. Rows that are not finite, whose box is
narrower or lower than 1e-3 px or has a coordinate beyond 1e7 px are left out and counted in
`Tracks.dropped`. Scores equal to a threshold are ignored, as the reference does. The arrays are not
changed.

Args:
    boxes: (N, 4) x1, y1, x2, y2 in frame pixels. float32 and float64 are read in place if
        C-contiguous; anything else that NumPy can convert is copied.
    scores: (N,) in [0, 1].
    class_ids: (N,) integers, or None.
    features: (N, D) appearance vectors of any length over 0, or None: D is the same in every frame
        until `reset()`. Rows of zeros or with NaN stand for detections without a feature.
    timestamp: Seconds, rising from frame to frame; for every frame or for none. Motion and the lost
        buffer then follow the time that has passed instead of counting frames.
    warp: (2, 3) affine camera motion, from the last frame's pixels to this frame's, or None.

Returns:
    Tracks: Those seen in this frame, in the reference's order.

Raises:
    ValueError: Shapes do not fit, a score is outside [0, 1], time stands still, or the width of the
        features changed. The tracker is then unchanged.
    RuntimeError: Another thread is inside this tracker.)";

inline constexpr const char* kHistoryDoc = R"(The last boxes of a track that is tracked or lost now.

Args:
    track_id: Its id.

Returns:
    (L, 5) float64, oldest first, L at most the option `history`: the frame number from 1 (or the
    timestamp), x1, y1, x2, y2 in that frame's pixels.

Raises:
    ValueError: The id is not alive, or the option `history` is 0.)";

}  // namespace edgert::bindings
