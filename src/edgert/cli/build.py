"""`edgert build`: from an ONNX file to an engine that is kept."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from edgert.cli.output import open_output
from edgert.cli.shape import add_shape, shapes_of
from edgert.work import Work

if TYPE_CHECKING:
    from edgert.builds.build import Built

__all__ = ["add_parser", "run"]

_EXAMPLE = """example:
  edgert build yolov8s.int8.onnx --fallback yolov8s.onnx
  edgert build hrnet_w32_256x192.onnx --precision fp16 --max-batch 8 --workspace 1G
  edgert build yolov8s.onnx --precision fp16 --runtime tensorrt-rtx --compute-capability 8.9 \\
      -o yolov8s.engine

Engines are kept in ~/.cache/edgert (EDGERT_CACHE, EDGERT_CACHE_LIMIT) with a manifest beside each,
and built anew where the model, an option, TensorRT, the GPU or the driver is another. Weakly typed
networks, calibration and their INT8 are TensorRT 10's alone; edgert quantize writes models that
every version builds in INT8.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `build` to the subcommands of edgert."""
    parser = subparsers.add_parser(
        "build",
        help="build an engine with TensorRT, and keep it",
        description="Build an engine of a model with TensorRT or TensorRT-RTX, or take the one "
        "that is kept.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help=".onnx file: float, FP16, or with QuantizeLinear pairs")
    add(
        "--precision",
        choices=("auto", "fp32", "fp16", "int8"),
        default="auto",
        help="auto (default): what the model says; fp16 writes a float model in FP16 first; fp32 "
        "does without TF32",
    )
    add("--runtime", choices=("auto", "tensorrt", "tensorrt-rtx"), default="auto")
    add("--device", metavar="D", default="cuda:0", help="the GPU to build on (default: cuda:0)")
    add(
        "--compute-capability",
        metavar="CC",
        help="of a GPU that is not here, such as 8.6: TensorRT-RTX builds ahead of time",
    )
    add(
        "--max-batch",
        metavar="N",
        type=int,
        help="largest batch of a model whose batch is open (default: 16 for heatmaps, else 1)",
    )
    add_shape(parser)
    add("--fallback", metavar="MODEL", help="build the FP16 engine of this float model beside it")
    _add_builder_options(parser)
    outputs = parser.add_argument_group("outputs")
    add = outputs.add_argument
    add("-o", "--output", metavar="OUT", help="the engine, instead of the cache; OUT.json beside")
    add("--cache", metavar="DIR", help="the folder of kept engines")
    add(
        "--on-mismatch",
        choices=("rebuild", "error"),
        default="rebuild",
        help="where the kept engine is another version's, GPU's or driver's (default: rebuild)",
    )
    add("--json-report", metavar="PATH", help="write the report as JSON; - for standard output")
    add("--quiet", action="store_true", help="print no report and no progress")
    parser.set_defaults(run=run, usage_error=parser.error)


def _add_builder_options(parser: argparse.ArgumentParser) -> None:
    from edgert.builds.options import COMPATIBILITY, LEVELS

    add = parser.add_argument_group("the builder").add_argument
    add("--workspace", metavar="SIZE", help="memory that a layer may take, such as 512M")
    add(
        "--optimization-level",
        metavar="N",
        type=int,
        choices=LEVELS,
        help="0 to 5: the higher, the longer it looks (default: TensorRT's 3)",
    )
    add("--dla-core", metavar="N", type=int, help="build for a DLA core, the rest for the GPU")
    add("--sparse-weights", action="store_true", help="use 2:4 sparsity of weights")
    add("--version-compatible", action="store_true", help="loads with later versions too")
    add(
        "--hardware-compatibility",
        metavar="LEVEL",
        choices=COMPATIBILITY,
        help=f"runs on other GPUs too: {' or '.join(COMPATIBILITY)}",
    )
    add("--weakly-typed", action="store_true", help="TensorRT 10: let the builder choose")
    add(
        "--calibration",
        metavar="FILE",
        help="scales for weakly typed INT8: a calibration cache, or what Scales.save wrote",
    )


def run(args: argparse.Namespace) -> int:
    """Run `edgert build`; 0 when the engine is there. Failures are exceptions of `edgert`."""
    from edgert.builds.build import build
    from edgert.builds.keep import WAITING

    workspace = _check_usage(args)
    with ExitStack() as stack:
        output = open_output(args.json_report or None, stack)
        work = stack.enter_context(Work(args.quiet))

        def show(part: str, done: int, total: int | None) -> None:
            if part == WAITING and not args.quiet:
                print(f"edgert: {args.model}: {part}", file=sys.stderr)
            work.update(part, done, total)

        built = build(
            args.model,
            precision=args.precision,
            runtime=args.runtime,
            device=args.device,
            cache=args.cache or True,
            compute_capability=args.compute_capability,
            max_batch=args.max_batch,
            shapes=shapes_of(args),
            workspace_bytes=workspace,
            optimization_level=args.optimization_level,
            dla_core=args.dla_core,
            weakly_typed=args.weakly_typed,
            calibration=args.calibration,
            sparse_weights=args.sparse_weights,
            version_compatible=args.version_compatible,
            hardware_compatibility=args.hardware_compatibility,
            output=args.output,
            fallback=args.fallback,
            on_mismatch=args.on_mismatch,
            progress=show,
        )
        if output is not None:
            output.write((json.dumps(built.to_dict(), indent=2) + "\n").encode())
    if not args.quiet and args.json_report != "-":
        for engine in (built, built.fallback):
            if engine is not None:
                print(_line(engine))
    return 0


def _check_usage(args: argparse.Namespace) -> int | None:
    """The workspace in bytes."""
    from edgert.builds.options import size_bytes

    if args.output is not None and not Path(args.output).parent.is_dir():
        args.usage_error(f"-o {args.output}: there is no folder {Path(args.output).parent}")
    try:
        return None if args.workspace is None else size_bytes(args.workspace)
    except ValueError as error:
        args.usage_error(f"--workspace: {error}")
        raise


def _line(built: Built) -> str:
    from collections import Counter

    from edgert.engines.tensorrt import TITLES

    manifest = built.manifest
    counts = Counter(layer.precision for layer in manifest.layers if layer.nodes)
    layers = ", ".join(f"{count} {precision}" for precision, count in counts.most_common())
    batches = ", ".join(map(str, manifest.batches))
    title, known = TITLES[manifest.runtime], manifest.key.environment
    how = "kept" if built.cached else f"built in {manifest.seconds:.1f} s"
    parts = [
        f"{Path(manifest.model).name}: {manifest.precision} for compute capability "
        f"{known['compute_capability']}, batch {batches}, {title} {known['version']}, {how}, "
        f"{manifest.engine_bytes / 1e6:.1f} MB",
        f"layers: {layers}" if layers else "",
        f"warnings of the builder: {len(manifest.warnings)} (in {built.path.name}.json)"
        if manifest.warnings
        else "",
    ]
    return "; ".join(filter(None, parts)) + f"\n{built.path}"
