"""The double of TensorRT's classes has the names and signatures of the true ones."""

from __future__ import annotations

import enum
import inspect
import re

import pytest

import tensorrt_runtime_double as doubles

TRUE = {
    "tensorrt_rtx_bindings": "pip install 'edgert[audit]'",
    "tensorrt_lean_bindings": "pip install tensorrt-lean-cu13-bindings tensorrt-lean-cu13-libs",
}
# What TensorRT-RTX alone has. The double of its classes stands for it, none for TensorRT.
RTX_ONLY = {
    "RtxRuntime",
    "RtxEngine",
    "EngineValidity",
    "EngineInvalidityDiagnostics",
    "DynamicShapesKernelSpecializationStrategy",
    "CudaGraphStrategy",
    "IRuntimeConfig",
    "IRuntimeCache",
}
CLASSES = {
    "Runtime": "Runtime",
    "RtxRuntime": "Runtime",
    "ICudaEngine": "ICudaEngine",
    "RtxEngine": "ICudaEngine",
    "IExecutionContext": "IExecutionContext",
    "IRuntimeConfig": "IRuntimeConfig",
    "IRuntimeCache": "IRuntimeCache",
    "EngineInspector": "EngineInspector",
}
ENUMS = [name for name, kind in vars(doubles).items() if isinstance(kind, enum.EnumMeta)]


@pytest.fixture(params=TRUE)
def api(request):
    return pytest.importorskip(request.param, reason=TRUE[request.param])


# The lean runtime of TensorRT has none.
NOT_LEAN = {"EngineInspector"}


def applies(api, name: str) -> bool:
    lacking = NOT_LEAN if "lean" in api.__name__ else set()
    return name not in (lacking if "rtx" in api.__name__ else lacking | RTX_ONLY)


def true_parameters(method) -> list[list[str]]:
    """Of each overload, from what pybind11 writes into the docstring."""
    found = []
    for line in method.__doc__.splitlines():
        signature = re.match(rf"(?:\d+\. )?{method.__name__}\((self: .*)\) -> ", line)
        if signature:
            found.append(re.findall(r"(?:^|, )(\w+): ", signature[1])[1:])
    return found


def own_members(kind: type) -> dict[str, object]:
    """Of the class and of what it has from the doubles before it."""
    members = {}
    for base in reversed(kind.__mro__[:-1]):
        members.update({k: v for k, v in vars(base).items() if not k.startswith("_")})
    return members


@pytest.mark.parametrize("name", CLASSES)
def test_methods_are_called_as_the_true_ones(api, name):
    if not applies(api, name):
        pytest.skip(f"{api.__name__} has none")
    true = getattr(api, CLASSES[name])
    for member, value in own_members(getattr(doubles, name)).items():
        assert hasattr(true, member), f"{CLASSES[name]} has no {member}"
        if inspect.isfunction(value):
            mine = list(inspect.signature(value).parameters)[1:]
            assert mine in true_parameters(getattr(true, member)), member


@pytest.mark.parametrize("name", [name for name in ENUMS if name != "Severity"])
def test_enums_have_the_true_members(api, name):
    if not applies(api, name):
        pytest.skip(f"{api.__name__} has none")
    true = getattr(api, name).__members__
    for member in getattr(doubles, name):
        assert member.name in true
        if isinstance(member, enum.IntEnum):
            assert int(true[member.name]) == int(member)


def test_logger(api):
    assert {member.name for member in doubles.Severity} == set(api.ILogger.Severity.__members__)
    said = []

    class Logger(api.ILogger):
        def __init__(self) -> None:
            api.ILogger.__init__(self)

        def log(self, severity, msg) -> None:
            said.append((severity.name, msg))

    Logger().log(api.ILogger.Severity.ERROR, "text")
    assert said == [("ERROR", "text")]
