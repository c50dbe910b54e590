"""What is in an engine file: by itself, by what stands beside it, and by TensorRT where it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from edgert.availability import choose
from edgert.builds.manifest import Manifest, manifest_of
from edgert.builds.source import read
from edgert.engines.plan_file import PlanFile, read_plan_file
from edgert.engines.tensorrt_network import TensorRtNetwork
from edgert.errors import ModelError, UnavailableError
from edgert.inspection.inspection import Inspection
from edgert.inspection.onnx_file import inspect_onnx

__all__ = ["inspect_engine"]


def inspect_engine(path: Path) -> Inspection:
    """Look into an engine.

    Raises:
        ModelError: It is no engine, or damaged.
    """
    file = read_plan_file(path)
    found = Inspection(
        path=file.path,
        format=file.runtime,
        file_bytes=file.offset + file.plan_bytes,
        facts=_facts(file),
        metadata=file.metadata,
    )
    manifest = None
    try:
        manifest = manifest_of(path, found.file_bytes)
    except ModelError as error:
        found = replace(found, remarks=(str(error),))
    if manifest is not None:
        found = _with_manifest(found, manifest)
    try:
        choose(file.runtime, "cuda:0")
        network = TensorRtNetwork(path)
    except (ModelError, UnavailableError) as error:
        found = replace(found, remarks=(*found.remarks, f"not loaded: {error}"))
        return found if manifest is None else _with_model(found, manifest)
    return _with_network(found, network)


def _facts(file: PlanFile) -> dict[str, str]:
    facts = {"built with": file.builder}
    if file.compute_capabilities:
        facts["compute capability"] = ", ".join(file.compute_capabilities)
    facts["header"] = f"Ultralytics', {file.offset} bytes" if file.offset else "none"
    return facts


def _with_manifest(found: Inspection, manifest: Manifest) -> Inspection:
    capability = manifest.key.environment.get("compute_capability")
    facts = {
        **found.facts,
        **({"compute capability": capability} if capability else {}),
        "model": manifest.model,
        "built": f"{manifest.built_at}, in {manifest.seconds:.1f} s",
        "versions": ", ".join(f"{k} {v}" for k, v in manifest.versions.items() if v),
        **({"fallback": manifest.fallback} if manifest.fallback else {}),
    }
    return replace(
        found,
        precision=manifest.precision,
        layers=manifest.layers,
        layers_from="its manifest" if manifest.layers else "",
        profiles=tuple(f"batch {size}" for size in manifest.batches),
        facts=facts,
        metadata=found.metadata or manifest.metadata,
        remarks=(*found.remarks, *(f"the builder: {text}" for text in manifest.warnings)),
    )


def _with_network(found: Inspection, network: TensorRtNetwork) -> Inspection:
    try:
        layers = network.layers()
    except ModelError as error:
        layers = ()
        found = replace(found, remarks=(*found.remarks, str(error)))
    return replace(
        found,
        inputs=network.inputs,
        outputs=network.outputs,
        layers=layers or found.layers,
        layers_from="the engine" if layers else found.layers_from,
        profiles=network.profiles,
        lane_bytes=network.context_bytes,
    )


def _with_model(found: Inspection, manifest: Manifest) -> Inspection:
    """Inputs and outputs of an engine have its model's names and types."""
    try:
        if read(manifest.model).digest != manifest.key.request.get("model"):
            return found
        known = inspect_onnx(Path(manifest.model))
    except (ModelError, UnavailableError):
        return found
    remark = f"inputs and outputs are those of its model, {manifest.model}"
    return replace(
        found,
        inputs=known.inputs,
        outputs=known.outputs,
        remarks=(*found.remarks, remark),
    )
