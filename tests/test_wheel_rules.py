"""tools/wheels/inspect_wheel.py: each rule refuses a wheel that breaks it, and only then."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MACHINE = platform.machine()
NAME = f"edgert/_core.cpython-311-{MACHINE}-linux-gnu.so"
KERNELS = {"edgert/kernels/edgert.sm_87.cubin": b"machine code"}
GOOD = "void PyInit__core(void) {}"

pytest.importorskip("elftools", reason="pip install pyelftools")
if shutil.which("cc") is None:
    pytest.skip("no C compiler to make modules with", allow_module_level=True)


@pytest.fixture(scope="module")
def rules():
    path = ROOT / "tools/wheels/inspect_wheel.py"
    spec = importlib.util.spec_from_file_location("inspect_wheel", path)
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def compiled(tmp_path):
    """`compiled(source, *options)`: a shared library's bytes, which link nothing."""

    def compile_it(source: str, *options: object, name: str = "module.so") -> bytes:
        (tmp_path / "module.c").write_text(source)
        out = tmp_path / name
        command = ["cc", "-shared", "-fPIC", "-nostdlib", "-o", out, tmp_path / "module.c"]
        subprocess.run([*command, *options], check=True, capture_output=True)
        return out.read_bytes()

    return compile_it


@pytest.fixture
def made(tmp_path):
    """`made(files)`: a wheel for this machine with these files in it."""

    def make(files: dict[str, bytes], architecture: str = MACHINE) -> Path:
        path = tmp_path / f"edgert-0.1.0-cp311-cp311-manylinux_2_28_{architecture}.whl"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
            for name, content in files.items():
                wheel.writestr(name, content)
        return path

    return make


def test_a_wheel_as_it_should_be_has_no_fault(rules, compiled, made):
    wheel = rules.read_wheel(made({NAME: compiled(GOOD), **KERNELS}))
    assert rules.faults(wheel, ("/home/builder",)) == []
    assert wheel.libraries == []


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("int lost(void); int PyInit__core(void) { return lost(); }", "has lost"),
        ("void PyInit__core(void) {} void mine(void) {}", "shows others mine"),
    ],
)
def test_symbols_that_no_library_has_or_that_others_see(rules, compiled, made, source, said):
    (fault,) = rules.faults(rules.read_wheel(made({NAME: compiled(source), **KERNELS})))
    assert said in fault


def test_symbols_of_python_are_there_at_last(rules, compiled, made):
    source = "int PyList_New(void); int PyInit__core(void) { return PyList_New(); }"
    assert rules.faults(rules.read_wheel(made({NAME: compiled(source), **KERNELS}))) == []


@pytest.mark.parametrize(
    ("version", "faults"), [("2.28", []), ("2.29", ["needs glibc 2.29, expected 2.28"])]
)
def test_a_glibc_that_is_too_new(rules, compiled, made, tmp_path, version, faults):
    (tmp_path / "map").write_text(f"GLIBC_{version} {{ global: fresh; }};")
    script = f"-Wl,--version-script={tmp_path / 'map'}"
    compiled("void fresh(void) {}", "-Wl,-soname,libc.so.6", script, name="libfresh.so")
    source = "void fresh(void); void PyInit__core(void) { fresh(); }"
    module = compiled(source, f"-L{tmp_path}", "-lfresh")
    wheel = rules.read_wheel(made({NAME: module, **KERNELS}))
    assert rules.faults(wheel) == [f"{NAME}: {fault}" for fault in faults]
    assert wheel.libraries == ["libc.so.6"]


def test_a_library_that_not_everybody_has(rules, compiled, made, tmp_path):
    compiled("void cuInit(void) {}", "-Wl,-soname,libcuda.so.1", name="libcuda.so")
    source = "void cuInit(void); void PyInit__core(void) { cuInit(); }"
    module = compiled(source, f"-L{tmp_path}", "-lcuda")
    found = rules.faults(rules.read_wheel(made({NAME: module, **KERNELS})))
    assert f"{NAME}: links libcuda.so.1" in found


def test_a_path_of_the_machine_that_built_it(rules, compiled, made):
    source = 'const char* PyInit__core(void) { return "/home/builder/cpp/pipeline.cpp"; }'
    wheel = rules.read_wheel(made({NAME: compiled(source), **KERNELS}))
    assert rules.faults(wheel, ("/home/builder/",)) == [f"{NAME}: names /home/builder/"]


def test_a_module_of_another_machine(rules, compiled, made):
    other = {"x86_64": "aarch64", "aarch64": "x86_64"}[MACHINE]
    wheel = rules.read_wheel(made({NAME: compiled(GOOD), **KERNELS}, other))
    first, second = rules.faults(wheel)
    assert f"in a wheel for {other}" in first
    assert "named for another Python" in second


def test_size_and_kernels(rules, compiled, made, monkeypatch, tmp_path):
    monkeypatch.setattr(rules, "LARGEST_BYTES", 500)
    path = made({NAME: compiled(GOOD)})
    size = path.stat().st_size
    assert rules.faults(rules.read_wheel(path)) == [
        "no GPU kernels",
        f"{size} bytes, expected under 500",
    ]
    with pytest.raises(ValueError, match="no compiled module in it"):
        rules.read_wheel(made(KERNELS))


def test_wheels_with_kernels_that_differ_are_refused(rules, compiled, made, tmp_path, monkeypatch):
    paths = []
    for name, kernels in (("a", b"one"), ("b", b"two")):
        folder = tmp_path / name
        folder.mkdir()
        files = {NAME: compiled(GOOD), "edgert/kernels/edgert.sm_87.cubin": kernels}
        paths.append(str(made(files).rename(folder / made(files).name)))
    monkeypatch.setattr(sys, "argv", ["inspect_wheel.py", *paths])
    assert rules.main() == 1
    monkeypatch.setattr(sys, "argv", ["inspect_wheel.py", paths[0], paths[0]])
    assert rules.main() == 0
