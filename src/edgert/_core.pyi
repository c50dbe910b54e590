from collections.abc import Sequence
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__version__: str

class Normalization:
    def __init__(self, mean: Sequence[float], std: Sequence[float], fill: float) -> None: ...
    @property
    def gain(self) -> list[float]: ...
    @property
    def bias(self) -> list[float]: ...
    @property
    def fill(self) -> list[float]: ...

class BoxFilter:
    def __init__(
        self,
        score_threshold: float,
        nms_threshold: float,
        max_detections: int,
        wanted_classes: list[int],
    ) -> None: ...

class Refine(Enum):
    none = ...
    quarter = ...
    dark = ...

class Cells(Enum):
    corner = ...
    center = ...

class OffsetLayout:
    def __init__(self, x_first: bool, interleaved: bool, cells_per_unit: float) -> None: ...

class HeatmapLayout:
    def __init__(
        self,
        stride_x: float,
        stride_y: float,
        refine: Refine,
        cells: Cells,
        blur_kernel: int = 11,
        offsets: OffsetLayout = ...,
    ) -> None: ...

class Tracks:
    @property
    def ids(self) -> NDArray[np.int64]: ...
    @property
    def boxes(self) -> NDArray[np.float64]: ...
    @property
    def scores(self) -> NDArray[np.float64]: ...
    @property
    def detection_indices(self) -> NDArray[np.int32]: ...
    @property
    def class_ids(self) -> NDArray[np.int32]: ...
    @property
    def dropped(self) -> int: ...
    def __len__(self) -> int: ...

class ByteTrack:
    def __init__(
        self,
        *,
        track_high_thresh: float = 0.5,
        track_low_thresh: float = 0.1,
        new_track_thresh: float | None = None,
        match_thresh: float = 0.8,
        track_buffer: float = 30,
        frame_rate: float = 30,
        fuse_score: bool = True,
        class_aware: bool = False,
        min_hits: int = 1,
        history: int = 0,
        appearance_thresh: float = 0.25,
        proximity_thresh: float = 0.5,
        feature_momentum: float = 0.9,
    ) -> None: ...
    def update(
        self,
        boxes: ArrayLike,
        scores: ArrayLike,
        class_ids: ArrayLike | None = None,
        features: ArrayLike | None = None,
        *,
        timestamp: float | None = None,
        warp: ArrayLike | None = None,
    ) -> Tracks: ...
    def history(self, track_id: int) -> NDArray[np.float64]: ...
    def reset(self) -> None: ...

class Pipeline:
    def __init__(
        self,
        detector: Any,
        reid: Any | None,
        tracker: ByteTrack | None,
        pose: Any | None,
        untracked: bool,
        lanes: int,
        context: CudaContext | None = None,
        graphs: bool = True,
    ) -> None: ...
    def submit(
        self, image: NDArray[np.uint8] | DeviceArray, tag: Any, stream: int, time_s: float
    ) -> bool: ...
    def why_not_recorded(self) -> str: ...
    def collect(self) -> tuple[Any, ...] | None: ...
    def stop(self) -> None: ...
    def resume(self) -> None: ...
    def reset(self) -> None: ...
    def clear_times(self) -> None: ...
    def close(self) -> None: ...
    def stages(self) -> dict[str, dict[str, float]]: ...
    @property
    def in_flight(self) -> int: ...

class DeviceArray:
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def device(self) -> str: ...
    @property
    def __cuda_array_interface__(self) -> dict[str, Any]: ...
    def __dlpack__(self, stream: int | None = None, **unused: Any) -> Any: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...
    def numpy(self) -> NDArray[Any]: ...
    def __len__(self) -> int: ...

class CudaContext:
    def __init__(self, ordinal: int, kernels_folder: str) -> None: ...
    @property
    def ordinal(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def compute_capability(self) -> int: ...
    @property
    def integrated(self) -> bool: ...
    @property
    def memory(self) -> tuple[int, int]: ...
    @property
    def kernels(self) -> str: ...
    @property
    def intake(self) -> int: ...
    def empty(self, shape: Sequence[int], dtype: np.dtype[Any]) -> DeviceArray: ...
    def zeros(self, shape: Sequence[int], dtype: np.dtype[Any]) -> DeviceArray: ...
    def from_dlpack(self, capsule: Any) -> DeviceArray: ...
    def from_interface(self, owner: Any) -> DeviceArray: ...
    def copy_from(self, to: DeviceArray, host: NDArray[Any]) -> None: ...
    def letterbox(
        self,
        image: DeviceArray,
        layout: PixelLayout,
        out: DeviceArray,
        normalization: Normalization,
        stream: int | None = None,
    ) -> NDArray[np.float64]: ...
    def crop_people(
        self,
        image: DeviceArray,
        layout: PixelLayout,
        boxes: DeviceArray,
        out: DeviceArray,
        normalization: Normalization,
        padding: float,
        stream: int | None = None,
    ) -> None: ...
    @staticmethod
    def decode_scratch_bytes(anchors: int, max_detections: int) -> int: ...
    @staticmethod
    def decode_result_bytes(max_detections: int, joints: int) -> int: ...
    def decode_boxes(
        self,
        output: DeviceArray,
        classes: int,
        filter: BoxFilter,
        wanted: DeviceArray | None,
        scratch: DeviceArray,
        result: DeviceArray,
        stream: int | None = None,
    ) -> None: ...
    def decode_heatmaps(
        self,
        heatmaps: DeviceArray,
        offsets: DeviceArray | None,
        layout: HeatmapLayout,
        joints: DeviceArray,
        stream: int | None = None,
    ) -> None: ...
    def cosine_distances(
        self, a: DeviceArray, b: DeviceArray, out: DeviceArray, stream: int | None = None
    ) -> None: ...

def cuda_driver_state() -> str: ...
def cuda_driver_version() -> str: ...
def cuda_devices() -> list[tuple[str, int, bool, int]]: ...

class Histograms:
    def __init__(self, size: int) -> None: ...
    def add(self, tensors: Sequence[NDArray[Any]]) -> None: ...
    @property
    def counts(self) -> NDArray[np.uint64]: ...
    @property
    def minima(self) -> NDArray[np.float32]: ...
    @property
    def maxima(self) -> NDArray[np.float32]: ...
    @property
    def nonfinite(self) -> NDArray[np.uint64]: ...

def instruction_set() -> str: ...
def num_threads() -> int: ...
def set_num_threads(count: int) -> None: ...

class PixelLayout:
    def __init__(self, format: str, matrix: str, full_range: bool) -> None: ...

def letterbox_into(
    image: NDArray[np.uint8],
    out: NDArray[Any],
    normalization: Normalization,
    layout: PixelLayout = ...,
) -> NDArray[np.float64]: ...
def crop_people_into(
    image: NDArray[np.uint8],
    boxes: NDArray[np.float32],
    out: NDArray[Any],
    normalization: Normalization,
    padding: float,
    layout: PixelLayout = ...,
) -> NDArray[np.float64]: ...
def crop_matrices(
    boxes: NDArray[np.float32], width: int, height: int, padding: float
) -> NDArray[np.float64]: ...
def measure_network(
    context: CudaContext, leg: Any, batch: int, runs: int
) -> tuple[float, bool]: ...
def decode_yolo(
    output: NDArray[Any], to_frame: NDArray[np.float64], classes: int, filter: BoxFilter
) -> tuple[
    NDArray[np.float32],
    NDArray[np.float32],
    NDArray[np.int32],
    NDArray[np.float32],
    NDArray[np.float32],
    int,
]: ...
def decode_end_to_end(
    output: NDArray[Any], to_frame: NDArray[np.float64], classes: int, filter: BoxFilter
) -> tuple[
    NDArray[np.float32],
    NDArray[np.float32],
    NDArray[np.int32],
    NDArray[np.float32],
    NDArray[np.float32],
    int,
]: ...
def decode_heatmaps(
    heatmaps: NDArray[Any],
    offsets: NDArray[Any] | None,
    to_frame: NDArray[np.float64],
    layout: HeatmapLayout,
) -> tuple[NDArray[np.float32], NDArray[np.float32], int]: ...
def draw_shapes(
    image: NDArray[np.uint8],
    outlines: NDArray[np.float32],
    strokes: NDArray[np.float32],
    labels: Sequence[
        tuple[int, int, NDArray[np.uint8], tuple[int, int, int], tuple[int, int, int]]
    ],
) -> None: ...
def draw_solids(
    image: NDArray[np.uint8],
    labels: NDArray[np.int16],
    solids: NDArray[np.float32],
    solid_labels: NDArray[np.int16],
    light: tuple[float, float, float, float, float],
    owner_count: int,
) -> tuple[NDArray[np.int32], NDArray[np.int32]]: ...
def cast_shadows(image: NDArray[np.uint8], shadows: NDArray[np.float32], strength: int) -> None: ...
def expose(
    source: NDArray[np.uint8], target: NDArray[np.uint8], taps: NDArray[np.int32]
) -> None: ...
def add_noise(
    image: NDArray[np.uint8], noise: NDArray[np.int8], row_offsets: NDArray[np.int64]
) -> None: ...
