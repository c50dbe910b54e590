"""Every name of TensorRT's that the source uses, held against four published versions of it.

10.3: the names in its module. 10.13: its type stubs. 11.4: the lean runtime's real classes, and for
the builder, which they are without, the names in the module of the whole. TensorRT-RTX 1.7: its
real classes.
"""

from __future__ import annotations

import ast
import functools
import inspect
import os
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest

import tensorrt_double
import tensorrt_modules
from tensorrt_calls import SOURCE, Api, Use, uses
from tensorrt_stubs import published

START, END = "<!-- calls: written by tests/tensorrt_calls.py -->", "<!-- end of calls -->"
PAGE = Path(__file__).parent.parent / "docs" / "tensorrt.md"
TITLES = ("10.3", "10.13", "11.4", "RTX 1.7")

# What not every version has, and the words in the source that keep it from those.
GUARDS = {
    "ComputeCapability": 'runtime == "tensorrt',
    "IBuilderConfig.num_compute_capabilities": 'bound.runtime == "tensorrt-rtx"',
    "IBuilderConfig.set_compute_capability": 'bound.runtime == "tensorrt-rtx"',
    "BuilderFlag.REQUIRE_USER_ALLOCATION": 'bound.runtime == "tensorrt-rtx"',
    "BuilderFlag.FP16": "if is_weakly_typed(bound, options)",
    "BuilderFlag.INT8": "if is_weakly_typed(bound, options)",
    "IBuilderConfig.int8_calibrator": "if is_weakly_typed(bound, options)",
    "IInt8EntropyCalibrator2": "TensorRT 10: later versions have no calibrators",
    "IInt8EntropyCalibrator2.get_batch": "TensorRT 10: later versions have no calibrators",
    "IInt8EntropyCalibrator2.get_batch_size": "TensorRT 10: later versions have no calibrators",
    "IInt8EntropyCalibrator2.read_calibration_cache": "TensorRT 10: later versions have no",
    "IInt8EntropyCalibrator2.write_calibration_cache": "TensorRT 10: later versions have no",
    **dict.fromkeys(
        (
            "CudaGraphStrategy",
            "CudaGraphStrategy.DISABLED",
            "DynamicShapesKernelSpecializationStrategy",
            "DynamicShapesKernelSpecializationStrategy.EAGER",
            "IRuntimeConfig.create_runtime_cache",
            "IRuntimeConfig.cuda_graph_strategy",
            "IRuntimeConfig.dynamic_shapes_kernel_specialization_strategy",
            "IRuntimeConfig.set_runtime_cache",
            # 10.3 has no configuration of contexts yet.
            "ICudaEngine.create_runtime_config",
            "IRuntimeConfig.set_execution_context_allocation_strategy",
        ),
        'if binding.runtime == "tensorrt":\n        return Settings(strategy)',
    ),
    **dict.fromkeys(
        (
            "EngineInvalidityDiagnostics",
            "EngineValidity",
            "EngineValidity.INVALID",
            "Runtime.engine_header_size",
            "Runtime.get_engine_validity",
        ),
        'if not hasattr(runtime, "get_engine_validity"):\n        return',
    ),
    "OnnxParserFlag.ADJUST_FOR_DLA": 'hasattr(bound.api.OnnxParserFlag, "ADJUST_FOR_DLA")',
}
# Of the builder, which the lean runtime of 11.4 is without: there the whole's names are looked at.
BUILDER = {
    "Builder", "ComputeCapability", "EngineInspector", "ErrorCode", "IBuilderConfig",
    "IInt8EntropyCalibrator2", "INetworkDefinition", "ITensor", "NetworkDefinitionCreationFlag",
    "OnnxParser", "OnnxParserFlag", "ParserError",
}  # fmt: skip


def here() -> bool:
    try:
        import tensorrt_lean_bindings  # noqa: F401
        import tensorrt_rtx_bindings  # noqa: F401

        metadata.distribution("tensorrt-stubs")
    except (ImportError, metadata.PackageNotFoundError):
        return False
    return tensorrt_modules.here()


HERE = here()
needs_packages = pytest.mark.skipif(not HERE, reason="make test installs what it needs, on x86-64")


@pytest.mark.skipif(not os.environ.get("EDGERT_REQUIRE_AUDIT"), reason="set in CI only")
def test_ci_compares():
    """Where EDGERT_REQUIRE_AUDIT is set, a missing package is no reason to skip."""
    assert HERE


def has(api: Api | ModuleType, use: Use) -> bool:
    if isinstance(api, Api):
        members = api.classes.get(use.owner)
        return members is not None and (not use.member or use.member in members)
    owner = getattr(api, use.owner, None)
    return owner is not None and (not use.member or hasattr(owner, use.member))


def is_named(version: str, use: Use) -> bool:
    """Whether a module has the class's name and the member's; whose the member is, is not told."""
    names = filter(None, (use.owner, use.member))
    # Python's own, of every enumeration.
    return all(name == "name" or tensorrt_modules.has_name(version, name) for name in names)


def found() -> dict[Use, tuple[bool, ...]]:
    """By name that is used: whether each version has it."""
    import tensorrt_lean_bindings as lean
    import tensorrt_rtx_bindings as rtx

    return {
        use: (
            is_named("10.3", use),
            has(Api.of_stubs(), use),
            is_named("11.4", use) if use.owner in BUILDER else has(lean, use),
            has(rtx, use),
        )
        for use in sorted(uses()[0])
        if not use.member.startswith("__")
    }


def table() -> str:
    """The page's table: a row a name."""
    import tensorrt_lean_bindings
    import tensorrt_rtx_bindings

    assert metadata.version("tensorrt-stubs").startswith(TITLES[1])
    assert tensorrt_lean_bindings.__version__.startswith(TITLES[2])
    assert tensorrt_rtx_bindings.__version__.startswith(TITLES[3].split()[1])
    words = {True: "yes", False: "no"}
    files = uses()[0]
    rows = ["| call | " + " | ".join(TITLES) + " | used in |", "|---" * 6 + "|"]
    for use, known in found().items():
        cells = " | ".join(words[state] for state in known)
        places = ", ".join(f"`{name}`" for name in sorted(files[use]))
        rows.append(f"| `{use}` | {cells} | {places} |")
    return "\n".join(rows) + "\n"


@needs_packages
def test_every_name_is_there_or_guarded():
    known = found()
    missing = {str(use) for use, states in known.items() if False in states}
    assert missing - set(GUARDS) == set(), "a version lacks what the source uses without a guard"
    assert set(GUARDS) - missing == set(), "a guard for what every version has, or nobody uses"


@needs_packages
def test_guards_are_in_the_source():
    files = {str(use): names for use, names in uses()[0].items()}
    for name, words in GUARDS.items():
        texts = [(SOURCE / file).read_text() for file in files[name]]
        assert all(words in text for text in texts), f"{name} is not guarded by {words!r}"


@needs_packages
def test_the_reader_follows_every_call():
    """What it does not know it must not skip: methods that only TensorRT has are known, or told."""
    known, unseen = uses()
    assert unseen == []
    names = {str(use) for use in known}
    assert {
        "Builder.build_serialized_network",
        "IBuilderConfig.set_flag",
        "IOptimizationProfile.set_shape",
        "OnnxParser.parse_from_file",
        "ParserError.node_operator",
        "IProgressMonitor.step_complete",
        "ITimingCache.serialize",
        "BuilderFlag.SPARSE_WEIGHTS",
        "ITensor.shape",
        "ILogger.log",
    } <= names
    assert len(names) > 60


@needs_packages
def test_the_reader_sees_what_is_wrong(tmp_path, monkeypatch):
    """A call that no version has, one that 11 has lost, and one that hides behind an unknown."""
    import tensorrt_calls

    (tmp_path / "builds").mkdir()
    (tmp_path / "builds" / "x.py").write_text(
        "def f(bound, config: trt.IBuilderConfig, thing):\n"
        "    config.set_flags(1)\n"
        "    config.max_workspace_size = 1\n"
        "    builder = bound.api.Builder(bound.log)\n"
        "    builder.build_cuda_engine(builder.create_network(0))\n"
        "    flag = bound.api.BuilderFlag.OBEY_PRECISION_CONSTRAINTS\n"
        "    thing.set_input_shape('x', (1,))\n"
    )
    monkeypatch.setattr(tensorrt_calls, "SOURCE", tmp_path)
    missing = {str(use): states for use, states in found().items() if False in states}
    assert missing == {
        "Builder.build_cuda_engine": (False, False, False, False),
        "BuilderFlag.OBEY_PRECISION_CONSTRAINTS": (True, True, False, False),
        "IBuilderConfig.max_workspace_size": (False, False, False, False),
        "IBuilderConfig.set_flags": (False, False, False, False),
    }
    assert uses()[1] == ["builds/x.py line 7: thing.set_input_shape"]


@needs_packages
def test_the_table_in_the_docs_is_of_this_source():
    text = PAGE.read_text()
    shown = text.partition(START)[2].partition(END)[0].strip()
    assert shown == table().strip(), "python tests/tensorrt_calls.py docs/tensorrt.md"


@functools.cache
def classes() -> dict[str, ast.ClassDef]:
    tree = ast.parse(published()["tensorrt_bindings/tensorrt.pyi"])
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


@needs_packages
@pytest.mark.parametrize("item", tensorrt_double.OF_EVERY_VERSION, ids=lambda item: item.__name__)
def test_the_double_has_the_published_signatures(item):
    stub = classes()[item.__name__]
    signatures = [
        (node.name, [argument.arg for argument in node.args.args])
        for node in stub.body
        if isinstance(node, ast.FunctionDef)
    ]
    declared = Api.of_stubs().classes[item.__name__]
    for name, member in vars(item).items():
        if name.startswith("_"):
            continue
        assert name in declared, f"{item.__name__} has no {name}"
        if inspect.isfunction(member):
            assert (name, list(inspect.signature(member).parameters)) in signatures
