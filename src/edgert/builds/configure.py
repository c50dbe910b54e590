"""TensorRT's builder configuration, made of options; what a version lacks is said by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgert.builds.calibrator import calibrator_of
from edgert.builds.options import BuildOptions
from edgert.engines.tensorrt import Binding
from edgert.errors import UnavailableError

if TYPE_CHECKING:
    from edgert.engines.tensorrt import trt

__all__ = ["check", "configure", "is_weakly_typed"]


def is_weakly_typed(bound: Binding, options: BuildOptions) -> bool:
    """Whether precisions are flags, as asked for; TensorRT 10's DLA knows nothing else."""
    old = bound.runtime == "tensorrt" and bound.major == 10
    return options.weakly_typed or (old and options.dla_core is not None)


def check(bound: Binding, options: BuildOptions) -> None:
    """Whether this TensorRT knows what is asked for.

    Raises:
        UnavailableError: It does not; names what does.
        ValueError: It does not build for the compute capability.
    """
    rtx = bound.runtime == "tensorrt-rtx"
    if options.weakly_typed and (rtx or bound.major != 10):
        raise UnavailableError(
            f"{bound.title} has no weakly typed networks: TensorRT 11 removed them, with FP16 and "
            f"INT8 flags and calibrators, and TensorRT-RTX never had them; write a Q/DQ model with "
            f"edgert quantize, and build that"
        )
    if rtx and options.dla_core is not None:
        raise UnavailableError(f"dla_core: {bound.title} is for RTX cards, which have no DLA")
    if rtx and (options.hardware_compatibility is not None or options.version_compatible):
        raise UnavailableError(
            f"hardware_compatibility, version_compatible: {bound.title} has neither: its engines "
            f"are finished on the GPU that runs them; name it with compute_capability"
        )
    if options.hardware_compatibility is not None:
        known = bound.api.HardwareCompatibilityLevel.__members__
        if options.hardware_compatibility not in known:
            raise UnavailableError(
                f"hardware_compatibility: {bound.title} has no {options.hardware_compatibility}, "
                f"only {', '.join(known)}"
            )
    if rtx and options.compute_capability not in bound.capabilities:
        raise ValueError(
            f"compute_capability is {options.compute_capability!r}; {bound.title} builds for "
            f"{', '.join(bound.capabilities)} (take 8.6 for a Jetson Orin's 8.7)"
        )


def configure(
    bound: Binding, builder: trt.Builder, options: BuildOptions, precision: str, monitor: Any
) -> trt.IBuilderConfig:
    """A configuration without its profiles.

    Args:
        bound: TensorRT.
        builder: Makes it.
        options: What is asked for, checked with `check`.
        precision: What a weakly typed network may be computed in besides FP32.
        monitor: Of TensorRT's class.

    Raises:
        UnavailableError: There is no such DLA core.
    """
    api = bound.api
    config = builder.create_builder_config()
    config.progress_monitor = monitor
    # Otherwise the engine cannot say what became of its layers.
    config.profiling_verbosity = api.ProfilingVerbosity.DETAILED
    if options.workspace_bytes is not None:
        config.set_memory_pool_limit(api.MemoryPoolType.WORKSPACE, options.workspace_bytes)
    if options.optimization_level is not None:
        config.builder_optimization_level = options.optimization_level
    if options.precision == "fp32":
        config.clear_flag(api.BuilderFlag.TF32)
    if options.sparse_weights:
        config.set_flag(api.BuilderFlag.SPARSE_WEIGHTS)
    if options.version_compatible:
        config.set_flag(api.BuilderFlag.VERSION_COMPATIBLE)
    if options.hardware_compatibility is not None:
        levels = api.HardwareCompatibilityLevel.__members__
        config.hardware_compatibility_level = levels[options.hardware_compatibility]
    if bound.runtime == "tensorrt-rtx":
        _build_ahead(api, config, str(options.compute_capability))
    if options.dla_core is not None:
        _use_dla(bound, builder, config, options.dla_core)
    if is_weakly_typed(bound, options):
        _allow(bound, config, options, precision)
    return config


def _build_ahead(api: Any, config: trt.IBuilderConfig, capability: str) -> None:
    members = api.ComputeCapability.__members__
    ahead: Any = config  # what TensorRT-RTX alone has, and TensorRT's stubs do not know
    ahead.num_compute_capabilities = 1
    ahead.set_compute_capability(members["SM" + capability.replace(".", "")], 0)
    # Nothing is taken while it runs: what is recorded of it stays right.
    config.set_flag(api.BuilderFlag.REQUIRE_USER_ALLOCATION)


def _use_dla(bound: Binding, builder: trt.Builder, config: trt.IBuilderConfig, core: int) -> None:
    if core >= builder.num_DLA_cores:
        raise UnavailableError(
            f"dla_core is {core}, but {bound.title} sees {builder.num_DLA_cores} DLA cores here: "
            f"AGX Orin and Orin NX have them, Orin Nano and Thor do not, and TensorRT 10.8 to "
            f"11.3 have no DLA"
        )
    config.default_device_type = bound.api.DeviceType.DLA
    config.DLA_core = core
    config.set_flag(bound.api.BuilderFlag.GPU_FALLBACK)


def _allow(
    bound: Binding, config: trt.IBuilderConfig, options: BuildOptions, precision: str
) -> None:
    """The precisions of a weakly typed network, which only TensorRT 10 has."""
    api = bound.api
    if precision in ("fp16", "int8"):
        config.set_flag(api.BuilderFlag.FP16)
    if precision == "int8":
        config.set_flag(api.BuilderFlag.INT8)
    if options.calibration is not None:
        config.int8_calibrator = calibrator_of(bound, options.calibration)
