"""All facts of a machine, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edgert.doctor import board, choice, gpu, heat, memory, packages, power, runtimes
from edgert.doctor.fact import Fact
from edgert.doctor.machine import Machine

__all__ = ["Examination", "examine"]

Question = Callable[[Machine], Iterator[Fact]]

_SECTIONS: Mapping[str, Sequence[Question]] = {
    "machine": board.FACTS,
    "GPU": gpu.FACTS,
    "runtimes": runtimes.FACTS,
    "Python": packages.FACTS,
    "power": power.FACTS,
    "memory": memory.FACTS,
    "heat": heat.FACTS,
    "edgert uses": choice.FACTS,
}
# Short names for what is most often asked for.
_ALIASES = {"onnxruntime": "onnxruntime:cpu", "cuda": "cuda:0"}


@dataclass(frozen=True)
class Examination:
    """What was found.

    Attributes:
        sections: Facts by section, in the order in which a person reads them.
        backends: `edgert.backends()`: "ok" or the reason, by name.
        lacking: Of what was asked for, what is not there, with the reason.
    """

    sections: Mapping[str, Sequence[Fact]]
    backends: Mapping[str, str]
    lacking: Mapping[str, str]

    @property
    def can_run(self) -> bool:
        """Whether some runtime can run a model here."""
        states = self.backends
        on_gpu = states.get("cuda:0") == "ok" and "ok" in (
            states.get("tensorrt"),
            states.get("tensorrt-rtx"),
        )
        return states.get("onnxruntime:cpu") == "ok" or on_gpu

    @property
    def to_do(self) -> list[Fact]:
        """What is missing, then what there are warnings of."""
        facts = [fact for section in self.sections.values() for fact in section]
        return [f for state in ("missing", "warning") for f in facts if f.state == state]

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "can_run": self.can_run,
            "lacking": dict(self.lacking),
            "backends": dict(self.backends),
            "sections": {
                name: [asdict(fact) for fact in facts] for name, facts in self.sections.items()
            },
        }


def examine(machine: Machine | None = None, require: Sequence[str] = ()) -> Examination:
    """Ask for every fact; one that cannot be had is a fact too.

    Args:
        machine: None: this one.
        require: Names of `edgert.backends()` that must be "ok"; "onnxruntime" and "cuda" stand for
            "onnxruntime:cpu" and "cuda:0".

    Raises:
        ValueError: `require` names something else.
    """
    machine = Machine() if machine is None else machine
    try:
        states: Mapping[str, str] = machine.backend_states
        broken = ""
    except Exception as error:  # a package that breaks while it is imported
        states, broken = {}, _failure(error)
    wanted = [_ALIASES.get(name, name) for name in require]
    for name in wanted:
        if states and name not in states:
            known = ", ".join([*_ALIASES, *states])
            raise ValueError(f"require: found {name!r}, expected of {known}")
    sections = {
        name: [fact for question in questions for fact in _ask(question, machine)]
        for name, questions in _SECTIONS.items()
    }
    lacking = {name: states.get(name, broken) for name in wanted if states.get(name) != "ok"}
    return Examination(sections, states, lacking)


def _ask(question: Question, machine: Machine) -> Iterable[Fact]:
    """The facts that a question gives before it fails, and then the failure."""
    try:
        yield from question(machine)
    except Exception as error:
        yield Fact(question.__name__.replace("_", " "), _failure(error), "warning")


def _failure(error: Exception) -> str:
    return f"cannot be found out: {type(error).__name__}: {error}"
