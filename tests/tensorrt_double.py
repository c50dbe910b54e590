"""A double of TensorRT's builder: what the code says to TensorRT 10 and 11, on any machine.

It takes what the true classes take and remembers it; `tests/test_tensorrt_api.py` holds its classes
against the published ones. An engine of it is a few bytes that no true TensorRT would load.
"""

from __future__ import annotations

import enum
import json
from types import ModuleType

PHASES = (("Building Engine", 2), ("Timing graph nodes", 3))


def members(name: str, words: str) -> type[enum.IntEnum]:
    return enum.IntEnum(name, {word: value for value, word in enumerate(words.split())})


class Dims(tuple):
    pass


class ILogger:
    Severity = members("Severity", "INTERNAL_ERROR ERROR WARNING INFO VERBOSE")


class IProgressMonitor:
    pass


class IHostMemory(bytes):
    @property
    def nbytes(self) -> int:
        return len(self)


class ITensor:
    def __init__(self, name, shape):
        self.name, self.shape = name, Dims(shape)


class INetworkDefinition:
    def __init__(self, flags):
        self.flags, self.inputs = flags, []

    @property
    def num_inputs(self):
        return len(self.inputs)

    def get_input(self, index):
        return self.inputs[index]


class ITimingCache:
    def __init__(self, content):
        self.content = content

    def serialize(self):
        return IHostMemory(self.content or b"measured")


class IOptimizationProfile:
    def __init__(self):
        self.shapes = {}

    def set_shape(self, input, min, opt, max):
        self.shapes[input] = (min, opt, max)


class IBuilderConfig:
    def __init__(self):
        self.told, self.profiles, self.pools, self.cache = set(), [], {}, None
        self.cleared = set()
        self.DLA_core = -1
        self.default_device_type = None
        self.hardware_compatibility_level = None
        self.int8_calibrator = None
        self.builder_optimization_level = 3
        self.profiling_verbosity = None
        self.progress_monitor = None

    def set_flag(self, flag):
        self.told.add(flag.name)

    def clear_flag(self, flag):
        self.cleared.add(flag.name)

    def set_memory_pool_limit(self, pool, pool_size):
        self.pools[pool.name] = pool_size

    def add_optimization_profile(self, profile):
        self.profiles.append(profile)
        return len(self.profiles) - 1

    def create_timing_cache(self, serialized_timing_cache):
        return ITimingCache(bytes(serialized_timing_cache))

    def set_timing_cache(self, cache, ignore_mismatch):
        if cache.content == b"of another GPU":
            return False
        self.cache = cache
        return True


class EngineInspector:
    def __init__(self, engine):
        self._engine = engine

    def get_engine_information(self, format):
        tensor = {"Name": "x", "Dimensions": [1, 3, 8, 8], "Format/Datatype": "Row major FP16"}
        layer = {"Name": "conv", "LayerType": "CaskConvolution", "Inputs": [tensor]}
        return json.dumps({"Layers": [{**layer, "Metadata": "[ONNX Layer: /a/Conv]"}]})


class ICudaEngine:
    def create_engine_inspector(self):
        return EngineInspector(self)


class Runtime:
    def __init__(self, logger):
        self.engine_host_code_allowed = False

    def deserialize_cuda_engine(self, serialized_engine):
        return ICudaEngine()


class OnnxParser:
    def __init__(self, network, logger):
        self._network, self.parser_flags = network, set()
        self.num_errors = 0

    def set_flag(self, flag):
        self.parser_flags.add(flag.name)
        self._network.parser_flags = self.parser_flags

    def parse_from_file(self, model):
        import onnx

        for value in onnx.load(model).graph.input:
            sizes = [size.dim_value or -1 for size in value.type.tensor_type.shape.dim]
            self._network.inputs.append(ITensor(value.name, sizes))
        return True


FLAGS_11 = "SPARSE_WEIGHTS VERSION_COMPATIBLE GPU_FALLBACK TF32"
OF_EVERY_VERSION = (
    ILogger, IProgressMonitor, IHostMemory, ITensor, INetworkDefinition, ITimingCache,
    IOptimizationProfile, IBuilderConfig, EngineInspector, ICudaEngine, Runtime, OnnxParser,
)  # fmt: skip


def tensorrt(version: str, *, dla_cores: int = 0, words: str = "", starts: bool = True):
    """A module that passes for the package; `built` holds (network, config) of each build.

    `words`: what the builder logs as an error when it fails; "" lets it succeed.
    """
    module = ModuleType("tensorrt")
    old = version.startswith("10.")
    module.__version__ = version
    module.built = []
    for item in OF_EVERY_VERSION:
        setattr(module, item.__name__, item)

    class Builder:
        def __init__(self, logger):
            if not starts:
                logger.log(ILogger.Severity.ERROR, words)
                raise TypeError("pybind11::init(): factory function returned nullptr")
            self._logger = logger
            self.num_DLA_cores = dla_cores

        def create_network(self, flags=0):
            return INetworkDefinition(flags)

        def create_builder_config(self):
            return IBuilderConfig()

        def create_optimization_profile(self):
            return IOptimizationProfile()

        def build_serialized_network(self, network, config):
            module.built.append((network, config))
            for phase, steps in PHASES:
                config.progress_monitor.phase_start(phase, None, steps)
                for step in range(steps):
                    if not config.progress_monitor.step_complete(phase, step):
                        self._logger.log(ILogger.Severity.ERROR, "BuildCanceled")
                        return None
                config.progress_monitor.phase_finish(phase)
            if words:
                self._logger.log(ILogger.Severity.ERROR, words)
                return None
            self._logger.log(ILogger.Severity.WARNING, "a word of warning")
            return IHostMemory(b"an engine")

    module.Builder = Builder
    if old:
        module.IInt8EntropyCalibrator2 = type("IInt8EntropyCalibrator2", (), {})
    flags = f"{FLAGS_11} FP16 INT8" if old else FLAGS_11
    module.BuilderFlag = members("BuilderFlag", flags)
    module.OnnxParserFlag = members(
        "OnnxParserFlag", "NATIVE_INSTANCENORM" if old else "NATIVE_INSTANCENORM ADJUST_FOR_DLA"
    )
    module.NetworkDefinitionCreationFlag = members(
        "NetworkDefinitionCreationFlag", "EXPLICIT_BATCH STRONGLY_TYPED"
    )
    module.ProfilingVerbosity = members("ProfilingVerbosity", "LAYER_NAMES_ONLY DETAILED NONE")
    module.MemoryPoolType = members("MemoryPoolType", "WORKSPACE DLA_MANAGED_SRAM")
    module.DeviceType = members("DeviceType", "GPU DLA")
    module.LayerInformationFormat = members("LayerInformationFormat", "ONELINE JSON")
    levels = "NONE AMPERE_PLUS" if version.startswith("10.3") else (
        "NONE AMPERE_PLUS SAME_COMPUTE_CAPABILITY"
    )  # fmt: skip
    module.HardwareCompatibilityLevel = members("HardwareCompatibilityLevel", levels)
    return module
