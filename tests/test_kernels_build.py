"""kernels/compile.py: what it writes, and what it refuses."""

import importlib.util
import re
from pathlib import Path

import pytest

from edgert.devices import KERNELS

ROOT = Path(__file__).parent.parent

LOG = """\
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'select_f32' for 'sm_87'
ptxas info    : Function properties for select_f32
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 40 registers, used 1 barriers, 3072 bytes smem, 424 bytes cmem[0]
ptxas info    : Compiling entry function 'joints_f16' for 'sm_87'
ptxas info    : Function properties for joints_f16
    {stack} bytes stack frame, {stores} bytes spill stores, 8 bytes spill loads
ptxas info    : Used 32 registers, 424 bytes cmem[0]
"""


@pytest.fixture(scope="module")
def compiler():
    spec = importlib.util.spec_from_file_location("compile_kernels", ROOT / "kernels/compile.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def names_of_kernels():
    """As tests/fake emulates them."""
    text = (ROOT / "tests" / "fake" / "emulated.cpp").read_text()
    names = set(re.findall(r"EDGERT_EMULATED\((\w+)\)", text)) - {"name"}
    formats = re.findall(r"EDGERT_EMULATED_WARP\((\w+)\),", text)
    types = [f"{op}_{{}}_{out}" for op in ("letterbox", "crops") for out in ("f32", "f16", "s8")]
    return {n for n in names if "#" not in n and not n.endswith("_")} | {
        name.format(format) for name in types for format in formats
    }


def test_every_kernel_is_in_every_image():
    images = sorted(KERNELS.glob("edgert.*"))
    if not images:
        pytest.skip("this build carries no kernels")
    assert {image.suffix for image in images} == {".cubin", ".ptx"}
    names = names_of_kernels()
    assert len(names) == 31
    for image in images:
        content = image.read_bytes()
        assert [name for name in sorted(names) if name.encode() not in content] == [], image.name


def test_a_compilation_gives_the_same_bytes_again(compiler):
    try:
        compiler.library()
    except RuntimeError as error:
        pytest.skip(str(error))
    image, log = compiler.Compiler().compile("sm_87")
    again, _ = compiler.Compiler().compile("sm_87")
    assert image == again
    compiler.refuse_local_memory("sm_87", log)
    assert {row[0] for row in compiler.figures(log)} == names_of_kernels()


def test_kernels_that_keep_variables_in_memory_are_refused(compiler):
    clean = LOG.format(stack=0, stores=0).replace("8 bytes spill loads", "0 bytes spill loads")
    assert compiler.figures(clean) == [
        ("joints_f16", 32, 0, 0, 0),
        ("select_f32", 40, 3072, 0, 0),
    ]
    compiler.refuse_local_memory("sm_87", clean)
    with pytest.raises(RuntimeError, match=r"sm_87: stack or spills in joints_f16 \(16 \+ 12 b"):
        compiler.refuse_local_memory("sm_87", LOG.format(stack=16, stores=4))
    with pytest.raises(RuntimeError, match="no figures of any kernel"):
        compiler.figures("ptxas says something else")


def test_the_table_has_a_row_a_kernel_and_says_where_architectures_differ(compiler):
    logs = {"sm_87": LOG.format(stack=0, stores=0), "sm_90": LOG.format(stack=16, stores=4)}
    assert compiler.table(logs).splitlines()[-2:] == [
        "| joints_f16 | 32 | 0 | 0 16 | 8 12 |",
        "| select_f32 | 40 | 3072 | 0 | 0 |",
    ]


def test_the_published_table_is_of_these_kernels():
    text = (ROOT / "benchmarks" / "results" / "kernel_registers.md").read_text()
    rows = [line.split(" | ") for line in text.splitlines() if "_" in line and line[0] == "|"]
    assert {row[0].removeprefix("| ") for row in rows} == names_of_kernels()
    assert {(row[3], row[4]) for row in rows} == {("0", "0 |")}


def test_errors_are_the_compilers(compiler, tmp_path, monkeypatch):
    try:
        compiler.library()
    except RuntimeError as error:
        pytest.skip(str(error))
    (tmp_path / "edgert.cu").write_text('extern "C" __global__ void broken() { missing(); }')
    monkeypatch.setattr(compiler, "HERE", tmp_path)
    with pytest.raises(RuntimeError, match=r'sm_90:(.|\n)*identifier "missing" is undefined'):
        compiler.Compiler().compile("sm_90")


def test_without_nvrtc_it_says_what_to_install(compiler, monkeypatch):
    monkeypatch.setattr(compiler.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RuntimeError, match=r"pip install 'nvidia-cuda-nvrtc-cu12==12\.6"):
        compiler.library()
