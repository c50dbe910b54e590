"""Plan: which layers of a model are quantized, and why the others are not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edgert.errors import ModelError
from edgert.quant.model.graph import Graph
from edgert.quant.model.naming import matching, some
from edgert.quant.model.values import root, roots
from edgert.quant.rewrite.chains import chain
from edgert.quant.rewrite.placement import Layer, is_quantized, place
from edgert.quant.thresholds.scales import Scales, levels

__all__ = ["PROFILES", "Plan", "Step", "group_scale"]

PROFILES = ("tensorrt", "portable", "onnxruntime")


@dataclass(frozen=True, slots=True)
class Step:
    """One state of `search`.

    Attributes:
        kept: The layers in float.
        score: The metric in this state.
        drop: The float network's metric minus the score; for "sqnr" the noise power as a share of
            the signal's.
        sqnr: Signal to noise of the outputs in dB.
    """

    kept: tuple[str, ...]
    score: float
    drop: float
    sqnr: float


@dataclass(frozen=True)
class Plan:
    """Which layers run in INT8.

    Attributes:
        profile: What the written model is for: "tensorrt" (INT8 and FP16, strongly typed),
            "portable" (INT8 and FP32, signed: weakly typed TensorRT 10 and ONNX Runtime) or
            "onnxruntime" (INT8 and FP32 for ONNX Runtime's CPU kernels).
        layers: Every layer of the model, in the order of execution.
        groups: By tensor that gets a pair: the tensors whose histograms set its scale together.
        unsigned: Tensors that are never negative and get 255 levels ("onnxruntime" only).
        bounds: Tensors whose threshold follows from their operator: a sigmoid ends at 1.
        kept: Layers that could be quantized but stay in float, with the reason.
        steps: The states of the `search` that chose them; empty where none did.
    """

    profile: str
    layers: tuple[Layer, ...]
    groups: Mapping[str, tuple[str, ...]]
    unsigned: frozenset[str] = frozenset()
    bounds: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    kept: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    steps: tuple[Step, ...] = ()

    @classmethod
    def default(
        cls, model: str | Path | Graph, profile: str = "tensorrt", *, share_concat: bool = True
    ) -> Plan:
        """The plan of the placement rules: every layer that can run in INT8 does.

        Args:
            model: The float model.
            profile: See `Plan`.
            share_concat: One scale for all inputs of a concatenation, so that TensorRT need not
                requantize them; "onnxruntime" requantizes without loss of time and never shares.

        Raises:
            ModelError: The model cannot be read, is quantized already, or has no layer that can be.
            ValueError: There is no such profile.
        """
        if profile not in PROFILES:
            raise ValueError(f"profile is {profile!r}, expected one of {', '.join(PROFILES)}")
        graph = model if isinstance(model, Graph) else Graph.load(model)
        if is_quantized(graph):
            raise ModelError(
                f"{graph.path}: the model is quantized already; give the float model that it was "
                f"made from"
            )
        layers = place(graph)
        if all(layer.reason for layer in layers):
            reasons = "; ".join(f"{layer.name}: {layer.reason}" for layer in layers[:3])
            raise ModelError(
                f"{graph.path}: no layer can be quantized"
                f" ({reasons or 'it has no Conv, ConvTranspose, Gemm or MatMul'})"
            )
        if profile != "onnxruntime":
            return cls(profile, layers, _groups(graph, layers, share_concat))
        layers, unsigned, bounds = chain(graph, layers)
        return cls(profile, layers, _groups(graph, layers, False), unsigned, bounds)

    @property
    def quantized(self) -> tuple[Layer, ...]:
        """The layers that run in INT8."""
        return tuple(la for la in self.layers if not la.reason and la.name not in self.kept)

    @property
    def candidates(self) -> tuple[Layer, ...]:
        """The layers that the rules let run in INT8."""
        return tuple(layer for layer in self.layers if not layer.reason)

    @property
    def tensors(self) -> tuple[str, ...]:
        """The tensors whose histograms are needed, sorted."""
        wanted = {name for group in self.groups.values() for name in group}
        return tuple(sorted(wanted - set(self.bounds)))

    @property
    def unsigned_sources(self) -> frozenset[str]:
        """What the never negative tensors hold the values of: before a Split, their histogram's."""
        return frozenset(name for tensor in self.unsigned for name in self.groups[tensor])

    def keep(self, layers: str | Collection[str], reason: str = "asked for") -> Plan:
        """A plan with more layers in float.

        Args:
            layers: Names, or one regular expression that is searched for in the names.
            reason: What the report says.

        Raises:
            ValueError: A name is not that of a layer that can be quantized.
        """
        known = [layer.name for layer in self.candidates]
        if isinstance(layers, str):
            names = matching(layers, known, "no quantizable layer")
        else:
            names = list(layers)
            for name in names:
                if name not in known:
                    raise ValueError(f"{name!r} is no quantizable layer; there are {some(known)}")
        added = {name: reason for name in names if name not in self.kept}
        return replace(self, kept=MappingProxyType({**self.kept, **added}))

    def to_dict(self) -> dict[str, Any]:
        """What a report says of each layer: name, op, precision, reason."""
        return {
            "profile": self.profile,
            "layers": [
                {
                    "layer": layer.name,
                    "op": layer.op,
                    "precision": "float" if layer.reason or layer.name in self.kept else "int8",
                    "reason": layer.reason or self.kept.get(layer.name, ""),
                }
                for layer in self.layers
            ],
        }


def group_scale(plan: Plan, scales: Scales, tensor: str) -> float:
    """The step between two levels of a tensor with a pair: the largest of its group's."""
    unsigned = tensor in plan.unsigned
    if tensor in plan.bounds:
        return plan.bounds[tensor] / levels(unsigned)
    return max(scales.scale(name, unsigned=unsigned) for name in plan.groups[tensor])


def _groups(
    graph: Graph, layers: tuple[Layer, ...], share_concat: bool
) -> Mapping[str, tuple[str, ...]]:
    """By tensor with a pair: the roots that share its scale, merged where two sets touch."""
    tensors = [
        tensor
        for layer in layers
        if not layer.reason
        for tensor in (*(pair.tensor for pair in layer.pairs), *layer.outputs)
    ]
    sources = {t: roots(graph, t) if share_concat else (root(graph, t),) for t in tensors}
    leader: dict[str, str] = {}

    def find(name: str) -> str:
        while leader.setdefault(name, name) != name:
            name = leader[name]
        return name

    for names in sources.values():
        for name in names[1:]:
            leader[find(name)] = find(names[0])
    members: dict[str, list[str]] = {}
    for name in sorted(leader):
        members.setdefault(find(name), []).append(name)
    for names in sources.values():
        members.setdefault(find(names[0]), [names[0]])
    return MappingProxyType({t: tuple(members[find(names[0])]) for t, names in sources.items()})
