"""`edgert export`: from a checkpoint to an ONNX file."""

from __future__ import annotations

import argparse
import json
from contextlib import ExitStack
from pathlib import Path

from edgert.cli.output import open_output
from edgert.errors import UnavailableError

__all__ = ["add_parser", "run"]

_EXAMPLE = """example:
  edgert export hrnet_w32 --weights pose_hrnet_w32_384x288.pth --size 384x288 -o hrnet_w32.onnx
  edgert export yolov8s --weights yolov8s_state.pt
  edgert export yolov8n --random 0 -o speed_only.onnx

A checkpoint is a state dict with the names of the original. The file has opset 17, an open batch,
and outputs that were compared with PyTorch's. Needs PyTorch: pip install 'edgert[export]'
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `export` to the subcommands of edgert."""
    from edgert.architectures.catalogue import ARCHITECTURES

    parser = subparsers.add_parser(
        "export",
        help="write a YOLOv8 or HRNet checkpoint as ONNX",
        description="Write a network with the weights of a checkpoint as ONNX, and verify it.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("name", metavar="NAME", choices=tuple(ARCHITECTURES), help=", ".join(ARCHITECTURES))
    weights = parser.add_mutually_exclusive_group(required=True)
    weights.add_argument("--weights", metavar="FILE", help="the checkpoint")
    weights.add_argument(
        "--random", metavar="SEED", type=int, help="random weights instead: for speed alone"
    )
    add("--size", metavar="HxW", help="input size in pixels (default: the network's usual one)")
    add("--names", metavar="NAME", nargs="+", help="a detector's classes (default: COCO's)")
    add("-o", "--output", metavar="OUT", help="the ONNX file (default: NAME.onnx)")
    add("--json-report", metavar="PATH", help="write the report as JSON; - for standard output")
    add("--quiet", action="store_true", help="print nothing")
    parser.set_defaults(run=run, usage_error=parser.error)


def run(args: argparse.Namespace) -> int:
    """Run `edgert export`; 0 when the file is there and verified."""
    size = _size(args)
    if args.names and not args.weights:
        args.usage_error("--names: goes with --weights")
    target = args.output or f"{args.name}.onnx"
    if not Path(target).parent.is_dir():
        args.usage_error(f"-o {target}: there is no folder {Path(target).parent}")
    try:
        from edgert.architectures import weights
        from edgert.architectures.catalogue import ARCHITECTURES
        from edgert.architectures.export import export
    except ModuleNotFoundError as error:
        raise UnavailableError(
            f"edgert export: package {error.name} is not installed; pip install 'edgert[export]'"
        ) from error
    with ExitStack() as stack:
        output = open_output(args.json_report or None, stack)
        if args.weights:
            network = weights.load(args.name, args.weights, args.names)
        else:
            network = weights.make(ARCHITECTURES[args.name], seed=args.random)
        made = export(network, target, size=size)
        if output is not None:
            output.write((json.dumps(made.to_dict(), indent=2) + "\n").encode())
    if not args.quiet and args.json_report != "-":
        print(
            f"{args.name}: {made.cost.parameters / 1e6:.1f} M parameters, "
            f"{made.cost.multiply_adds / 1e9:.1f} G multiply-adds, output {made.output}, within "
            f"{made.difference:.1e} of PyTorch\n{made.path}"
        )
    return 0


def _size(args: argparse.Namespace) -> tuple[int, int] | None:
    if args.size is None:
        return None
    height, _, width = args.size.partition("x")
    if not (height.isdigit() and width.isdigit()):
        args.usage_error(f"--size {args.size}: expected HxW, as in 384x288")
    return int(height), int(width)
