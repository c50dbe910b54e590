"""What others make of the same model and the same images, each tool in a process of its own.

    python benchmarks/quant_baselines.py onnxruntime JOB.json
    MODELOPT_PYTHON benchmarks/quant_baselines.py modelopt JOB.json

A job names a model, a .npy of (N, 3, H, W) feeds, a calibration method and a folder; the files go
there, and tool.json with CPU seconds, peak memory and versions. `bench_quant_accuracy.py` writes
the jobs. This file imports nothing of edgert, so that any Python with the tool can run it.
"""

import importlib
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np

# Images whose activations quantize_static's histogram methods hold at once: it holds those of all
# images otherwise, which is 5 GB for 40 images of 640x640. The histograms are merged in between.
CHUNK = 4

METHODS = {"onnxruntime": ("MinMax", "Entropy", "Percentile"), "modelopt": ("max", "entropy")}

ROWS = {
    "onnxruntime": (
        "all operators, defaults",
        "all operators, uint8, per channel",
        "convolutions, uint8, per channel",
        "convolutions, TensorRT's rules",
    ),
    "modelopt": ("defaults",),
}


def onnxruntime_settings():
    """quantize_static's arguments, in the order of the rows, after its own pre-processing.

    The defaults; what its documentation advises for x86 with VNNI (uint8 activations, weights per
    channel); the same for convolutions only; and what TensorRT takes (symmetric int8, inputs of
    convolutions only, bias in float).
    """
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

    every_type = sorted({*QDQRegistry, *QLinearOpsRegistry})
    advised = {"activation_type": QuantType.QUInt8, "per_channel": True}
    symmetric = {
        "ActivationSymmetric": True,
        "QuantizeBias": False,
        "OpTypesToExcludeOutputQuantization": every_type,
    }
    convolutions = {"op_types_to_quantize": ["Conv"]}
    rules = {"per_channel": True, **convolutions, "extra_options": symmetric}
    return {}, advised, {**advised, **convolutions}, rules


def file_name(row):
    """A row's file in the folder of its job."""
    return "".join(c if c.isalnum() else "_" for c in row) + ".onnx"


def _reader(feeds, name):
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.set_range(0, len(feeds))

        def __len__(self):
            # quantize_static insists on whole chunks; the last may bring less.
            return -(-len(feeds) // CHUNK) * CHUNK

        def set_range(self, start_index, end_index):
            rows = range(start_index, min(end_index, len(feeds)))
            self._rows = iter([{name: feeds[i : i + 1]} for i in rows])

        def get_next(self):
            return next(self._rows, None)

    return Reader()


def _input_name(model):
    import onnx

    graph = onnx.load(model, load_external_data=False).graph
    weights = {tensor.name for tensor in graph.initializer}
    return next(value.name for value in graph.input if value.name not in weights)


def run_onnxruntime(job, feeds):
    """All rows of one method from one calibration, which quantize_static caches itself."""
    from onnxruntime.quantization import CalibrationMethod, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    folder, start = Path(job["folder"]), time.process_time()
    prepared, ranges = folder / "prepared.onnx", folder / "ranges.json"
    ranges.unlink(missing_ok=True)  # of a run that was interrupted: time would not be counted
    quant_pre_process(job["model"], prepared, skip_symbolic_shape=True)
    seconds = None
    for row, settings in zip(ROWS["onnxruntime"], onnxruntime_settings(), strict=True):
        options = {"CalibStridedMinMax": CHUNK, **settings.get("extra_options", {})}
        quantize_static(
            prepared,
            folder / file_name(row),
            _reader(feeds, _input_name(job["model"])),
            calibrate_method=CalibrationMethod[job["method"]],
            calibration_cache_path=ranges,
            **{**settings, "extra_options": options},
        )
        seconds = seconds or time.process_time() - start
    return seconds


def run_modelopt(job, feeds):
    """One image at a time, float32 where it does not quantize; all else its defaults."""
    from modelopt.onnx.quantization import quantize

    start, name = time.process_time(), _input_name(job["model"])
    quantize(
        job["model"],
        quantize_mode="int8",
        calibration_data={name: feeds},
        calibration_method=job["method"],
        calibration_shapes=f"{name}:1x" + "x".join(map(str, feeds.shape[1:])),
        calibration_eps=["cpu"],
        high_precision_dtype="fp32",
        output_path=str(Path(job["folder"]) / file_name(*ROWS["modelopt"])),
        log_level="WARNING",
    )
    return time.process_time() - start


TOOLS = {
    "onnxruntime": (run_onnxruntime, ("onnxruntime", "onnx")),
    "modelopt": (run_modelopt, ("modelopt", "onnxruntime", "onnx")),
}


def main(tool, job_path):
    job = json.loads(Path(job_path).read_text(encoding="utf-8"))
    run, packages = TOOLS[tool]
    seconds = run(job, np.load(job["feeds"]))
    figures = {
        "cpu_seconds": seconds,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "images": len(np.load(job["feeds"], mmap_mode="r")),
        "versions": {name: importlib.import_module(name).__version__ for name in packages},
    }
    (Path(job["folder"]) / "tool.json").write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
