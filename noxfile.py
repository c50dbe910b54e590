"""Sessions for every supported Python: `nox -s tests-3.10`."""

import nox

nox.options.sessions = ["lint", "tests"]
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
# Without what it depends on: TensorRT itself.
STUBS = ("--no-deps", "tensorrt-stubs==10.13.0.35.1")


@nox.session
def lint(session: nox.Session) -> None:
    """Style and types."""
    session.install(".[test]")
    session.install(*nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), "lint"))
    session.install(*STUBS)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("python", "tests/tensorrt_stubs.py", "build/stubs")
    session.run("mypy")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The test suite on the installed package."""
    session.install(".[test]")
    session.install(*STUBS)
    session.run("pytest", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Every stage against the pure-Python path."""
    session.install(".[bench]")
    session.run("python", "benchmarks/bench_stages.py", *session.posargs)
