"""Which of TensorRT's names the source uses: found by following types through it, as a reader does.

From `api`, the package's module, through constructors, calls and attributes: their types are those
of the published stubs. `python tests/tensorrt_calls.py docs/tensorrt.md` writes the table there.
"""

from __future__ import annotations

import ast
import functools
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tensorrt_stubs import published

SOURCE = Path(__file__).parent.parent / "src" / "edgert"
MODULE = "tensorrt"


@dataclass
class Api:
    """The published API: by class, its members and the class of each, "" where that is none."""

    classes: dict[str, dict[str, str]] = field(default_factory=dict)

    @classmethod
    @functools.cache
    def of_stubs(cls) -> Api:
        """That of TensorRT 10."""
        tree = ast.parse(published()["tensorrt_bindings/tensorrt.pyi"])
        found = [node for node in tree.body if isinstance(node, ast.ClassDef)]
        api = cls({node.name: {} for node in found})
        for node in found:
            for base in node.bases:
                api.classes[node.name] |= api.classes.get(ast.unparse(base), {})
            for item in node.body:
                if isinstance(item, ast.FunctionDef):
                    result = "" if item.returns is None else ast.unparse(item.returns)
                    api.classes[node.name][item.name] = api.plain(result)
                elif isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                    kind = api.plain(ast.unparse(item.annotation))
                    api.classes[node.name][item.target.id] = kind
                elif isinstance(item, ast.ClassDef):
                    api.classes[node.name][item.name] = ""
        # Where the stubs say `...` for what they could not name.
        api.classes["OnnxParser"]["get_error"] = "ParserError"
        return api

    def plain(self, annotation: str) -> str:
        """The class that an annotation names, if it is one of these."""
        return annotation if annotation in self.classes else ""


@dataclass(frozen=True, order=True)
class Use:
    """One name: of a class, "" for the class itself."""

    owner: str
    member: str = ""

    def __str__(self) -> str:
        return f"{self.owner}.{self.member}" if self.member else self.owner


@dataclass
class Value:
    """What an expression is: the module, a class, an object of one, or a list of such."""

    kind: str
    name: str = ""


@dataclass
class Reader(ast.NodeVisitor):
    """Follows types through one file."""

    api: Api
    uses: dict[Use, int] = field(default_factory=dict)
    unseen: list[str] = field(default_factory=list)
    names: dict[str, Value] = field(default_factory=dict)
    results: dict[str, Value] = field(default_factory=dict)
    attributes: dict[str, Value] = field(default_factory=dict)

    def learn(self, tree: ast.Module) -> None:
        """What functions give and what dataclasses hold, which other files may use."""
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                value = self.annotated(node.returns)
                if value is not None:
                    self.results[node.name] = value
            elif isinstance(node, ast.ClassDef):
                for item in node.body:
                    if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                        value = self.annotated(item.annotation)
                        if value is not None:
                            self.attributes[item.target.id] = value

    def read(self, tree: ast.Module) -> None:
        """All uses in a file; twice, since a method may use what a later one sets."""
        for _ in range(2):
            self.names = {}
            self.unseen = []
            self.visit(tree)

    # Statements.

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for base in node.bases:
            value = self.value(base)
            if value is not None and value.kind == "class":
                members = self.api.classes.get(value.name, {})
                for item in node.body:
                    if isinstance(item, ast.FunctionDef) and item.name in members:
                        self.use(Use(value.name, item.name), item)
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        before = dict(self.names)
        arguments = node.args
        for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            value = self.annotated(argument.annotation)
            if value is None and argument.arg in CALLED and ast.unparse(argument).endswith("Any"):
                value = Value("object", CALLED[argument.arg])
            self.bind(ast.Name(argument.arg), value)
        for item in node.body:
            self.visit(item)
        self.names = before

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        value = self.value(node.value)
        for target in node.targets:
            self.bind(target, value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.generic_visit(node)
        value = self.annotated(node.annotation) or (node.value and self.value(node.value))
        self.bind(node.target, value or None)

    def visit_For(self, node: ast.For) -> None:
        self.bind(node.target, self.element(node.iter))
        self.generic_visit(node)

    def visit_ListComp(self, node: ast.ListComp | ast.GeneratorExp | ast.DictComp) -> None:
        for generator in node.generators:
            self.bind(generator.target, self.element(generator.iter))
        self.generic_visit(node)

    visit_GeneratorExp = visit_DictComp = visit_SetComp = visit_ListComp  # noqa: N815

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.generic_visit(node)
        owner = self.value(node.value)
        if owner is not None and owner.kind == "module":
            if not node.attr.startswith("__"):
                self.use(Use(node.attr), node)
        elif owner is not None and owner.kind in ("class", "object"):
            if node.attr != "__members__":
                self.use(Use(owner.name, node.attr), node)
        elif owner is None and self.is_tell_tale(node.attr):
            self.unseen.append(f"line {node.lineno}: {ast.unparse(node)}")

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        # hasattr(api.OnnxParserFlag, "ADJUST_FOR_DLA") is a use, and its own guard.
        if isinstance(node.func, ast.Name) and node.func.id in ("hasattr", "getattr"):
            owner, name = self.value(node.args[0]), node.args[1]
            if owner is not None and owner.name and isinstance(name, ast.Constant):
                self.use(Use(owner.name, str(name.value)), node)

    # Expressions.

    def value(self, node: ast.expr) -> Value | None:
        """What an expression is, where it comes of TensorRT."""
        if isinstance(node, ast.Name):
            return Value("module") if node.id == "api" else self.names.get(node.id)
        if isinstance(node, ast.Attribute):
            return self.of_attribute(node)
        if isinstance(node, ast.Call):
            return self.of_call(node)
        if isinstance(node, ast.ListComp | ast.GeneratorExp):
            for generator in node.generators:
                self.bind(generator.target, self.element(generator.iter))
            inner = self.value(node.elt)
            return Value("list", inner.name) if inner and inner.kind == "object" else None
        if isinstance(node, ast.Subscript):
            return self.element(node.value)
        if isinstance(node, ast.IfExp):
            return self.value(node.body) or self.value(node.orelse)
        return None

    def of_attribute(self, node: ast.Attribute) -> Value | None:
        if node.attr == "api":
            return Value("module")
        owner = self.value(node.value)
        if owner is None:
            return self.attributes.get(node.attr)
        if owner.kind == "module":
            return Value("class", node.attr)
        kind = self.api.classes.get(owner.name, {}).get(node.attr, "")
        return Value("object", kind) if kind and owner.kind == "object" else None

    def of_call(self, node: ast.Call) -> Value | None:
        if isinstance(node.func, ast.Name) and node.func.id in self.results:
            return self.results[node.func.id]
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("get", "pop", "setdefault"):
            return self.element(node.func.value)
        called = self.value(node.func)
        if called is not None:
            return Value("object", called.name) if called.kind in ("class", "object") else None
        if isinstance(node.func, ast.Attribute):
            return self.results.get(node.func.attr)
        return None

    def element(self, node: ast.expr) -> Value | None:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return None
        value = self.value(node)
        return Value("object", value.name) if value and value.kind == "list" else None

    def bind(self, target: ast.expr, value: Value | None) -> None:
        if isinstance(target, ast.Name):
            if value is None:
                self.names.pop(target.id, None)
            else:
                self.names[target.id] = value
        elif isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self" and value:
            self.attributes[target.attr] = value

    def annotated(self, node: ast.expr | None) -> Value | None:
        """`trt.IBuilderConfig`, or that or None; or a collection of such."""
        text = "" if node is None else ast.unparse(node)
        found = re.fullmatch(r"trt\.(\w+)(?: \| None)?", text)
        if found:
            return Value("object", found[1])
        found = re.fullmatch(r"\w+\[.*\btrt\.(\w+)(?:, \.\.\.)?\]", text)
        return Value("list", found[1]) if found else None

    def use(self, use: Use, node: ast.AST) -> None:
        self.uses.setdefault(use, node.lineno)

    def is_tell_tale(self, name: str) -> bool:
        """Whether only TensorRT calls something so."""
        return name in TELL_TALES


# Methods whose names nothing else in the source has: where one is used on what the reader does not
# know, it has missed something.
TELL_TALES = {
    "build_serialized_network", "create_network", "create_builder_config", "parse_from_file",
    "create_optimization_profile", "add_optimization_profile", "set_flag", "set_shape",
    "set_memory_pool_limit", "create_timing_cache", "set_timing_cache", "get_engine_information",
    "create_engine_inspector", "deserialize_cuda_engine", "create_execution_context",
    "execute_async_v3", "set_input_shape", "set_tensor_address", "set_optimization_profile_async",
    "get_tensor_name", "get_tensor_shape", "get_tensor_dtype", "get_tensor_mode",
    "get_tensor_profile_shape", "num_io_tensors", "num_optimization_profiles", "device_memory",
    "device_memory_size_v2", "set_device_memory", "engine_host_code_allowed", "num_dla_cores",
    "int8_calibrator", "builder_optimization_level", "profiling_verbosity", "node_operator",
    "get_device_memory_size_for_profile_v2", "update_device_memory_size_for_shapes",
    "set_compute_capability", "num_compute_capabilities", "infer_shapes", "create_runtime_config",
    "get_engine_validity", "engine_header_size", "set_runtime_cache", "create_runtime_cache",
}  # fmt: skip


# Parameters that are of a class which the stubs do not know enough of, and so are annotated as Any.
CALLED = {"runtime": "Runtime"}


def files() -> Iterator[Path]:
    """Where TensorRT's objects are handled."""
    for path in sorted(SOURCE.rglob("*.py")):
        if re.search(r"\bapi\b|\btrt\.", path.read_text()):
            yield path


def uses() -> tuple[dict[Use, set[str]], list[str]]:
    """By name, the files that use it; and what the reader could not follow."""
    reader = Reader(Api.of_stubs())
    found: dict[Use, set[str]] = {}
    unseen: list[str] = []
    trees = {str(path.relative_to(SOURCE)): ast.parse(path.read_text()) for path in files()}
    for tree in trees.values():
        reader.learn(tree)
    for name, tree in trees.items():
        reader.uses = {}
        reader.read(tree)
        for use in reader.uses:
            found.setdefault(use, set()).add(name)
        unseen += [f"{name} {entry}" for entry in reader.unseen]
    return found, unseen


if __name__ == "__main__":
    from test_tensorrt_api import END, START, table

    page = Path(sys.argv[1])
    before, _, rest = page.read_text().partition(START)
    page.write_text(f"{before}{START}\n{table()}{END}{rest.partition(END)[2]}")
