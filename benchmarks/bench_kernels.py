"""Every kernel against the memory's bandwidth, PyTorch and CV-CUDA, on one GPU.

    python benchmarks/bench_kernels.py --results benchmarks/results

Needs PyTorch with CUDA and torchvision; CV-CUDA (cvcuda-cu12 or -cu13) where it is installed. Each
result is compared with the host's before it is timed. A time is that of a CUDA graph of many
launches, over their number; the buffers change from launch to launch, so that what is read does
not lie in the cache. "floor" is the bytes that must move over the bandwidth of a copy in the same
run, "of floor" how much of that bandwidth a kernel reaches; "a copy" is what a copy of so few bytes
takes. "over empty" is what a call takes more than launches that do nothing.
"""

import argparse
import functools
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
import torchvision

from edgert import _core, ops
from edgert.devices import context, device_array

import gpu_rivals as rivals
from gpu_timing import DEVICE, bandwidth, empty_us, measured, set_count
from timing import environment

MEAN = torch.tensor(ops.IMAGENET_MEAN).view(1, 3, 1, 1)
STD = torch.tensor(ops.IMAGENET_STD).view(1, 3, 1, 1)
LAYOUT = _core.PixelLayout("bgr", "bt601", False)


def check(what, found, expected, tolerance):
    gap = np.abs(np.asarray(found, np.float64) - np.asarray(expected, np.float64)).max(initial=0)
    if not gap <= tolerance:
        raise SystemExit(f"{what}: differs by {gap:.3g}, allowed {tolerance:.3g}")


def half_result(tensor):
    return tensor.float().cpu().numpy()


def bench_letterbox(gpu, height=1080, width=1920, size=(640, 640)):
    rng = np.random.default_rng(0)
    host = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    expected, to_frame = ops.letterbox(host, size)
    shown = (round(height / to_frame[1, 1]), round(width / to_frame[0, 0]))
    left, top = (round(-to_frame[i, 2] / to_frame[i, i]) for i in (0, 1))
    rows = min(height, 2 * shown[0])  # two of the source for each that is written
    moved = rows * width * 3 + 3 * size[0] * size[1] * 2
    images = [torch.tensor(host, device=DEVICE) for _ in range(set_count(moved))]
    outputs = [torch.empty(1, 3, *size, dtype=torch.half, device=DEVICE) for _ in images]
    sources = [device_array(image, gpu) for image in images]
    targets = [device_array(output, gpu) for output in outputs]
    normalization = _core.Normalization((0.0,) * 3, (1.0,) * 3, 114)

    def edgert(i, stream):
        gpu.letterbox(sources[i], LAYOUT, targets[i], normalization, stream)

    def with_torch(i):
        return rivals.letterbox(images[i], size, shown, top, left)

    edgert(0, 0)
    torch.cuda.synchronize()
    check("letterbox", half_result(outputs[0]), expected.astype(np.float16), 0)
    check("letterbox in PyTorch", half_result(with_torch(0)), expected, 2e-3)
    name = f"letterbox {width}x{height} to {size[1]}x{size[0]}, half"
    others = rivals.cvcuda_letterbox(images, size, shown, top, left)
    return measured(name, moved, edgert, with_torch, cvcuda=others)


def bench_crops(gpu, dtype, people=16, height=1080, width=1920, size=(384, 288)):
    rng = np.random.default_rng(1)
    host = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    corner = rng.uniform((0, 0), (width - 160, height - 360), (people, 2))
    boxes = np.hstack([corner, corner + rng.uniform((60, 150), (160, 360), (people, 2))])
    boxes = boxes.astype(np.float32)
    expected, to_frame = ops.crop_people(host, boxes, size)
    shown = np.array([m[[1, 0], [1, 0]] * size for m in to_frame])
    source = min(int(3 * shown.prod(axis=1).sum()), host.nbytes)
    moved = source + people * 3 * size[0] * size[1] * dtype.itemsize
    images = [torch.tensor(host, device=DEVICE) for _ in range(set_count(moved))]
    outputs = [torch.empty(people, 3, *size, dtype=dtype, device=DEVICE) for _ in images]
    sources = [device_array(image, gpu) for image in images]
    targets = [device_array(output, gpu) for output in outputs]
    corners = device_array(torch.tensor(boxes, device=DEVICE), gpu)
    normalization = _core.Normalization(ops.IMAGENET_MEAN, ops.IMAGENET_STD, 0.0)
    # From [-1, 1] over the crop to [-1, 1] over the frame.
    scale = np.stack([shown[:, 1] / width, shown[:, 0] / height], axis=1)
    centre = to_frame[:, :, 2] + shown[:, ::-1] / 2
    shift = 2 * centre / (width, height) - 1
    theta = np.zeros((people, 2, 3))
    theta[:, [0, 1], [0, 1]], theta[:, :, 2] = scale, shift
    theta = torch.tensor(theta, dtype=torch.float32, device=DEVICE)
    mean, std = MEAN.to(DEVICE), STD.to(DEVICE)

    def edgert(i, stream):
        gpu.crop_people(sources[i], LAYOUT, corners, targets[i], normalization, 1.25, stream)

    def with_torch(i):
        return rivals.crops(images[i], theta, size, mean, std).to(dtype)

    edgert(0, 0)
    torch.cuda.synchronize()
    wanted = expected.astype(np.float16) if dtype is torch.half else expected
    check("crops", half_result(outputs[0]), wanted, 0)
    # PyTorch's coordinates are rounded on their way through [-1, 1], and the source is noise.
    check("crops in PyTorch", half_result(with_torch(0)), expected, 0.02)
    kind = "half" if dtype is torch.half else "float"
    name = f"{people} crops {size[0]}x{size[1]} from {width}x{height}, {kind}"
    return measured(name, moved, edgert, with_torch)


def detector_output(candidates, anchors=8400, classes=80):
    """So many anchors over the threshold, ten a person."""
    rng = np.random.default_rng(2)
    output = np.zeros((1, 4 + classes, anchors), np.float32)
    output[0, :2] = rng.uniform(0, 640, (2, anchors))
    output[0, 2:4] = rng.uniform(20, 120, (2, anchors))
    output[0, 4:] = rng.uniform(0, 0.2, (classes, anchors))
    chosen = rng.choice(anchors, candidates, replace=False)
    people = rng.uniform(50, 590, (2, max(1, candidates // 10)))
    whose = rng.integers(0, people.shape[1], candidates)
    output[0, :2, chosen] = (people[:, whose] + rng.normal(0, 3, (2, candidates))).T
    output[0, 2:4, chosen] = rng.uniform((40, 100), (60, 140), (candidates, 2))
    output[0, 4, chosen] = rng.uniform(0.3, 1, candidates)
    return output


def bench_decode(gpu, candidates, most=300):
    host = detector_output(candidates)
    identity = np.eye(2, 3)
    expected = ops.decode_yolo(host, identity, max_detections=most)
    moved = host.nbytes + 32 * len(expected[0])
    outputs = [torch.tensor(host, device=DEVICE) for _ in range(set_count(moved))]
    heads = [device_array(output, gpu) for output in outputs]
    anchors, classes = host.shape[2], host.shape[1] - 4
    scratch = gpu.zeros([gpu.decode_scratch_bytes(anchors, most)], np.dtype(np.uint8))
    result = gpu.empty([gpu.decode_result_bytes(most, 0)], np.dtype(np.uint8))
    box_filter = ops.make_box_filter(0.25, 0.7, most, [])

    def edgert(i, stream):
        gpu.decode_boxes(heads[i], classes, box_filter, None, scratch, result, stream)

    def with_torch(i):
        return rivals.decode(outputs[i], 0.25, 0.7, most)

    boxes, scores, class_ids = ops.decode_yolo(outputs[0], identity, max_detections=most)
    for found, wanted in zip((boxes, scores, class_ids), expected, strict=True):
        check("decode", found, wanted, 0)
    theirs = with_torch(0)[0].cpu().numpy()
    check("decode in PyTorch", len(theirs), len(expected[0]), 0)
    check("decode in PyTorch", np.sort(theirs, 0), np.sort(expected[0], 0), 1e-3)
    name = f"decode + NMS of {host.shape[1:]}, {candidates} candidates, {len(boxes)} kept"
    return measured(name, moved, edgert, with_torch)


def bench_heatmaps(gpu, dtype, people=16, joints=17, height=96, width=72):
    rng = np.random.default_rng(3)
    host = rng.random((people, joints, height, width), dtype=np.float32)
    host = torch.tensor(host).to(dtype)
    to_frame = np.tile(np.eye(2, 3), (people, 1, 1))
    expected, expected_scores = ops.decode_heatmaps(host.numpy(), to_frame)
    moved = host.numel() * dtype.itemsize + 16 * people * joints
    maps = [host.to(DEVICE) for _ in range(set_count(moved))]
    arrays = [device_array(one, gpu) for one in maps]
    found = gpu.empty([people, joints, 4], np.dtype(np.float32))
    layout = _core.HeatmapLayout(4, 4, _core.Refine.quarter, _core.Cells.corner)

    def edgert(i, stream):
        gpu.decode_heatmaps(arrays[i], None, layout, found, stream)

    def with_torch(i):
        return rivals.heatmaps(maps[i])

    edgert(0, 0)
    torch.cuda.synchronize()
    check("heatmaps", found.numpy()[..., :2], expected, 0)
    check("heatmaps, scores", found.numpy()[..., 2], expected_scores, 0)
    if dtype is torch.float:  # halves have equal maxima, of which PyTorch takes any
        check("heatmaps in PyTorch", with_torch(0)[0].cpu().numpy(), expected, 1e-5)
    kind = "half" if dtype is torch.half else "float"
    name = f"heatmaps of {people} people, {joints}x{height}x{width}, {kind}"
    return measured(name, moved, edgert, with_torch)


def bench_cosine(gpu, rows=64, width=512):
    rng = np.random.default_rng(4)
    host = rng.normal(size=(2, rows, width)).astype(np.float32)
    a, b = torch.tensor(host, device=DEVICE)
    out = torch.empty(rows, rows, device=DEVICE)
    arrays = [device_array(array, gpu) for array in (a, b, out)]
    moved = host.nbytes + rows * rows * 4

    def edgert(i, stream):
        gpu.cosine_distances(*arrays, stream)

    def with_torch(i):
        return rivals.cosine_distances(a, b)

    edgert(0, 0)
    torch.cuda.synchronize()
    unit = host / np.linalg.norm(host, axis=2, keepdims=True)
    check("cosine", out.cpu().numpy(), 1 - unit[0] @ unit[1].T, 2e-6)
    check("cosine in PyTorch", with_torch(0).cpu().numpy(), 1 - unit[0] @ unit[1].T, 2e-3)
    return measured(f"cosine distances {rows}x{rows}x{width}", moved, edgert, with_torch)


def markdown(rows):
    lines = [
        "| operation | MB | floor, us | a copy, us | edgert, us | of floor | over empty, us "
        "| PyTorch, us | CV-CUDA, us |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        theirs = "" if row.torch_us is None else f"{row.torch_us:.1f}"
        theirs += "" if row.torch_graph else " (eager)"
        copy = "" if row.copy_us is None else f"{row.copy_us:.1f}"
        cvcuda = "" if row.cvcuda_us is None else f"{row.cvcuda_us:.1f}"
        lines.append(
            f"| {row.name} | {row.bytes / 1e6:.2f} | {row.floor_us:.1f} | {copy} "
            f"| {row.edgert_us:.1f} | {row.of_floor:.0%} | {row.over_empty_us:.1f} "
            f"| {theirs} | {cvcuda} |"
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"))
    args = parser.parse_args()
    gpu = context(0)
    torch.cuda.set_device(0)
    torch.backends.cuda.matmul.allow_tf32 = False
    cases = [
        bench_letterbox,
        *(functools.partial(bench_crops, dtype=dtype) for dtype in (torch.half, torch.float)),
        *(functools.partial(bench_crops, dtype=torch.half, people=n) for n in (1, 64)),
        *(functools.partial(bench_decode, candidates=n) for n in (0, 30, 100, 1000)),
        *(functools.partial(bench_heatmaps, dtype=dtype) for dtype in (torch.float, torch.half)),
        functools.partial(bench_heatmaps, dtype=torch.float, people=1),
        bench_cosine,
    ]
    rows = []
    for case in cases:
        rows.append(case(gpu))
        print(f"{rows[-1].name}: {rows[-1].edgert_us:.2f} us", flush=True)
    name = torch.cuda.get_device_name(0)
    note = (
        f"{name}; a copy moves {bandwidth() / 1e12:.2f} TB/s, an empty launch takes "
        f"{empty_us():.2f} us inside a graph; PyTorch {torch.__version__}, torchvision "
        f"{torchvision.__version__}; CUDA graphs of many launches over buffers that the cache "
        "does not hold; (eager): cannot be captured, called in turns from Python."
    )
    table = f"{markdown(rows)}\n\n{note}\n"
    print(f"\n{table}")
    args.results.mkdir(parents=True, exist_ok=True)
    (args.results / "kernels.md").write_text(table, encoding="utf-8")
    figures = {"device": name, "bandwidth_bytes_s": bandwidth(), "empty_launch_us": empty_us()}
    figures |= {"environment": environment(), "rows": [asdict(row) for row in rows]}
    text = json.dumps(figures, indent=2) + "\n"
    (args.results / "kernels.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
