"""The layer rules of CONTRIBUTING.md, as assertions over the source."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CPP = ROOT / "cpp"
PYTHON = ROOT / "src" / "edgert"
# What a user would write without edgert, to compare with: it has rules of its own.
BASELINE = PYTHON / "baseline"


def includes(path: Path) -> list[str]:
    return re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', path.read_text(), re.MULTILINE)


def files(folder: Path, *suffixes: str) -> list[Path]:
    found = sorted(path for path in folder.rglob("*") if path.suffix in suffixes)
    assert found, f"no {suffixes} files in {folder}: has the house moved?"
    return found


def relative(paths: list[Path]) -> set[str]:
    return {str(path.relative_to(ROOT)) for path in paths}


KERNELS = files(ROOT / "kernels", ".h", ".cu")


@pytest.mark.parametrize("path", KERNELS, ids=lambda p: p.name)
def test_kernels_include_only_each_other(path: Path) -> None:
    assert set(includes(path)) <= {neighbour.name for neighbour in KERNELS}
    if path.suffix == ".h":
        assert not [name for name in includes(path) if name.endswith(".cu")]


@pytest.mark.parametrize(
    "path",
    [
        path
        for folder in ("stages", "track", "draw")
        for path in files(CPP / folder, ".hpp", ".cpp")
    ],
    ids=lambda p: f"{p.parent.name}/{p.name}",
)
def test_stages_tracker_and_drawing_know_no_device_and_no_python(path: Path) -> None:
    for included in includes(path):
        assert not re.match(r"cpu/|cuda|backend|bindings/|pybind11|Python\.h|engine", included), (
            included
        )


def test_only_cuda_and_bindings_know_cuda() -> None:
    for path in files(CPP, ".hpp", ".cpp"):
        if path.parent not in (CPP / "cuda", CPP / "bindings"):
            assert not [name for name in includes(path) if name.startswith("cuda")], path


def test_cuda_needs_no_toolkit() -> None:
    foreign = re.compile(r"cuda[\w.]*$|nv|driver_types|pybind11|Python\.h|bindings/")
    for path in files(CPP / "cuda", ".hpp", ".cpp"):
        assert not [name for name in includes(path) if foreign.match(name)], path


def test_one_file_says_dlopen() -> None:
    users = [p for p in files(CPP, ".hpp", ".cpp") if re.search(r"\bdlopen\b", p.read_text())]
    assert relative(users) <= {"cpp/cuda/driver.cpp"}


@pytest.mark.parametrize(
    ("module", "owner"),
    [("onnxruntime", "engines/onnxruntime.py"), ("tensorrt", "engines/tensorrt.py")],
)
def test_one_file_imports_each_runtime(module: str, owner: str) -> None:
    statement = re.compile(rf"^\s*(import|from)\s+{module}\w*\b", re.MULTILINE)
    users = [p for p in files(PYTHON, ".py", ".pyx") if statement.search(p.read_text())]
    assert relative([p for p in users if p.parent != BASELINE]) <= {f"src/edgert/{owner}"}


def test_only_the_demo_knows_the_pure_python_path() -> None:
    statement = re.compile(r"^\s*(import|from)\s+edgert\.baseline\b", re.MULTILINE)
    users = [p for p in files(PYTHON, ".py") if statement.search(p.read_text())]
    homes = {p.parent for p in users} - {BASELINE}
    assert homes == {PYTHON / "demo" / "show"}


def test_only_architectures_import_pytorch() -> None:
    statement = re.compile(r"^\s*(import|from)\s+torch\b", re.MULTILINE)
    users = [p for p in files(PYTHON, ".py", ".pyx") if statement.search(p.read_text())]
    assert users, "nobody imports torch: has the house moved?"
    assert {path.parent for path in users} == {PYTHON / "architectures"}
    assert "src/edgert/architectures/catalogue.py" not in relative(users)


def test_the_library_does_not_know_its_command_line() -> None:
    statement = re.compile(r"^\s*(import|from)\s+edgert\.cli\b", re.MULTILINE)
    users = [p for p in files(PYTHON, ".py") if statement.search(p.read_text())]
    outside = relative([p for p in users if PYTHON / "cli" not in p.parents])
    assert outside == {"src/edgert/__main__.py"}


def test_only_bindings_know_python() -> None:
    users = [
        path
        for path in files(CPP, ".hpp", ".cpp")
        if any(re.match(r"pybind11|Python\.h", name) for name in includes(path))
    ]
    assert users, "nobody includes pybind11: has the house moved?"
    assert {path.parent for path in users} == {CPP / "bindings"}
    assert relative(files(PYTHON, ".pyx")) == {"src/edgert/quant/thresholds/_solvers.pyx"}


def test_the_pipeline_asks_no_device_what_it_is() -> None:
    for name in ("pipeline.cpp", "pipeline.hpp"):
        text = (CPP / name).read_text()
        assert not re.search(r"^\s*#\s*if", text, re.MULTILINE)
        assert not re.search(r"cuda|cpu", text, re.IGNORECASE)


def test_python_side_has_no_pixel_loops() -> None:
    """Arithmetic on pixels is native; what is left for cv2 is a window to show frames in."""
    statement = re.compile(r"^\s*(import|from)\s+cv2\b", re.MULTILINE)
    users = [p for p in files(PYTHON, ".py") if statement.search(p.read_text())]
    assert relative([p for p in users if p.parent != BASELINE]) <= {"src/edgert/io/sinks/window.py"}


IMPORT_PROBE = """
import sys, json
import edgert
heavy = "numpy onnxruntime av cv2 PIL rich tensorrt tensorrt_rtx torch pycocotools cuda".split()
print(json.dumps([name for name in heavy if name in sys.modules]))
"""


def test_import_loads_no_runtime_and_no_video_library() -> None:
    output = subprocess.run(
        [sys.executable, "-c", IMPORT_PROBE], capture_output=True, text=True, check=True
    ).stdout
    assert output.strip() == "[]"


def test_import_maps_no_driver() -> None:
    probe = "import edgert; print(open('/proc/self/maps').read())"
    maps = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True
    ).stdout
    assert "_core" in maps
    assert not re.search(r"libcuda|libnvinfer|libonnxruntime|libav", maps)


@pytest.mark.parametrize(
    "path", files(CPP, ".hpp", ".cpp") + files(PYTHON, ".py"), ids=lambda p: p.name
)
def test_files_stay_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 350, "would a newcomer find the room?"


def test_every_public_name_is_there() -> None:
    import edgert

    for name in edgert.__all__:
        assert getattr(edgert, name) is not None
        assert name in dir(edgert)
    with pytest.raises(AttributeError, match="has no attribute 'Pipelin'"):
        edgert.Pipelin  # noqa: B018


def test_the_native_module_shows_others_nothing_but_its_start() -> None:
    from edgert import _core

    program = shutil.which("nm")
    if program is None:
        pytest.skip("nm is not here")
    command = [program, "-D", "--defined-only", str(_core.__file__)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    kinds = {line.split()[-1]: line.split()[-2] for line in output.splitlines()}
    assert "PyInit__core" in kinds
    assert not [name for name in kinds if "edgert" in name and kinds[name] in "TWi"]
    # Of the C++ library's, as of others': one for the process, whoever brings it first.
    assert not [name for name, kind in kinds.items() if kind == "u"]


@pytest.mark.parametrize("home", ["_core", "quant.thresholds._solvers"])
def test_stub_of_a_native_module_names_what_is_there(home: str) -> None:
    import ast
    import importlib

    module = importlib.import_module(f"edgert.{home}")
    stub = ast.parse((PYTHON / f"{home.replace('.', '/')}.pyi").read_text())
    declared = {
        node.name: node for node in stub.body if isinstance(node, ast.ClassDef | ast.FunctionDef)
    }
    public = {name for name in dir(module) if not name.startswith("_")}
    assert set(declared) == public
    for name, node in declared.items():
        if isinstance(node, ast.ClassDef) and not any(b.id == "Enum" for b in node.bases):
            members = {item.name for item in node.body if isinstance(item, ast.FunctionDef)}
            found = {m for m in vars(getattr(module, name)) if not m.startswith("_")}
            assert {m for m in members if not m.startswith("_")} == found, name
