"""A GPU that no cubin is for takes the PTX, which its driver compiles, and computes the same bits.

On a real GPU the cubins that would fit are left out; the driver of tests/fake is of compute
capability 12.0 for this.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from edgert.devices import KERNELS
from fake_gpu import needs_gpu

pytestmark = needs_gpu

# Every family of kernels in every type, against the host's loops.
PROBE = """
import json, sys
from pathlib import Path
import numpy as np
from edgert import devices, ops
devices.KERNELS = Path(sys.argv[1])
gpu = devices.context(0)

def there(array):
    made = gpu.empty(array.shape, array.dtype)
    gpu.copy_from(made, np.ascontiguousarray(array))
    return made

def same(found, wanted):
    parts = zip(*(x if isinstance(x, tuple) else (x,) for x in (found, wanted)))
    back = lambda x: x if isinstance(x, np.ndarray) else x.numpy()
    return all(np.array_equal(back(a), b) for a, b in parts)

dice = np.random.default_rng(7)
image = dice.integers(0, 256, (121, 163, 3), np.uint8)
boxes = np.array([[10, 20, 60, 110], [-5, 3, 90, 70.5]], np.float32)
grid = dice.integers(0, 4096, (1, 84, 2100)).astype(np.float32) / np.float32(4096)
grid[:, :4] *= np.float32(320)
maps = dice.integers(0, 4096, (3, 17, 64, 48)).astype(np.float32) / np.float32(4096)
rows = dice.integers(1, 9, (5, 64)).astype(np.float32)
_, to_frame = ops.letterbox(image, (64, 64))
_, to_frames = ops.crop_people(image, np.repeat(boxes, 2, 0)[:3], size=(256, 192))
equal = {}
for kind in (np.float32, np.float16):
    out = lambda n, h, w: np.zeros((n, 3, h, w), kind)
    equal[f"letterbox {kind.__name__}"] = same(
        ops.letterbox(there(image), (64, 96), out=there(out(1, 64, 96))),
        ops.letterbox(image, (64, 96), out=out(1, 64, 96)))
    equal[f"crops {kind.__name__}"] = same(
        ops.crop_people(there(image), boxes, size=(64, 48), out=there(out(2, 64, 48))),
        ops.crop_people(image, boxes, size=(64, 48), out=out(2, 64, 48)))
    equal[f"boxes {kind.__name__}"] = same(
        ops.decode_yolo(there(grid.astype(kind)), to_frame, score_threshold=0.9),
        ops.decode_yolo(grid.astype(kind), to_frame, score_threshold=0.9))
    equal[f"joints {kind.__name__}"] = same(
        ops.decode_heatmaps(there(maps.astype(kind)), to_frames),
        ops.decode_heatmaps(maps.astype(kind), to_frames))
lengths = np.linalg.norm(rows, axis=1)
equal["cosine"] = np.allclose(
    ops.cosine_distances(there(rows), there(rows)).numpy(),
    1 - rows @ rows.T / np.outer(lengths, lengths), rtol=0, atol=2e-6)
equal = {name: bool(value) for name, value in equal.items()}
print(json.dumps({"capability": gpu.compute_capability, "kernels": gpu.kernels, "equal": equal}))
"""


def probe(folder) -> dict:
    environment = {**os.environ, "EDGERT_FAKE_CUDA_DEVICE": "capability=120"}
    done = subprocess.run(
        [sys.executable, "-c", PROBE, folder], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def without_cubins_that_fit(tmp_path):
    """The kernels' folder, but for the cubins of this GPU's generation."""
    generation = probe(KERNELS)["capability"] // 10  # with whatever fits it best
    for image in KERNELS.glob("edgert.*"):
        number = int(image.suffixes[0].rpartition("_")[2])
        if image.suffix == ".ptx" or number // 10 != generation:
            shutil.copy(image, tmp_path)
    assert list(tmp_path.glob("*.cubin"))
    return tmp_path


def test_ptx_where_no_cubin_matches(without_cubins_that_fit):
    found = probe(without_cubins_that_fit)
    if found["capability"] < 90:
        pytest.skip(f"the PTX is for 9.0 and later, this GPU is {found['capability'] / 10}")
    assert found["kernels"] == "edgert.compute_90.ptx"
    assert found["equal"] == dict.fromkeys(found["equal"], True)
