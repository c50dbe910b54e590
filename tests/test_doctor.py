"""`edgert doctor`: what it says of machines on paper, and that no machine makes it fail."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

import paper_machines
from edgert.cli.doctor import show
from edgert.doctor import Fact, Machine, examine
from edgert.doctor.machine import Driver, Interpreter, run_command

GOLDEN = Path(__file__).parent / "golden" / "doctor"


def text_of(found, width=80, terminal=False) -> str:
    out = io.StringIO()
    console = Console(
        file=out, width=width, force_terminal=terminal, color_system=None, soft_wrap=True
    )
    show(found, console)
    return out.getvalue()


def facts_of(machine) -> dict[str, Fact]:
    sections = examine(machine).sections
    return {fact.name: fact for facts in sections.values() for fact in facts}


# What changes with the build that is tested, not with the machine.
@pytest.fixture(autouse=True)
def same_build(monkeypatch):
    import edgert

    monkeypatch.setattr(edgert, "__version__", "0.1.0")
    monkeypatch.setattr(edgert, "num_threads", lambda: 4)


@pytest.mark.parametrize("name", paper_machines.MACHINES)
def test_says_of_a_machine_what_it_said_before(name, tmp_path):
    """Read the golden file as a user would; write it anew with python tests/test_doctor.py."""
    found = examine(paper_machines.MACHINES[name](tmp_path))
    text = text_of(found).replace(str(tmp_path), "")
    assert text == (GOLDEN / f"{name}.txt").read_text()


def test_json_says_the_same(tmp_path):
    found = examine(paper_machines.orin_nano(tmp_path), require=["tensorrt", "cuda"])
    report = json.loads(json.dumps(found.to_dict()))
    assert report["can_run"]
    assert list(report["lacking"]) == ["tensorrt"]
    facts = {fact["name"]: fact for facts in report["sections"].values() for fact in facts}
    assert facts["power mode"] == {
        "name": "power mode",
        "found": "15W (mode 0); MAXN_SUPER is the fastest",
        "state": "warning",
        "fix": "sudo nvpmodel -m 2",
    }


def test_what_is_asked_for_by_a_wrong_name_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="'tensorflow', expected of onnxruntime, cuda, "):
        examine(paper_machines.rtx(tmp_path), require=["tensorflow"])


def test_terminal_lines_are_no_wider_than_it_but_fixes_stay_whole(tmp_path):
    found = examine(paper_machines.orin_nano(tmp_path))
    for width in (80, 120):
        lines = text_of(found, width, terminal=True).splitlines()
        fixes = {fact.fix for fact in found.to_do if fact.fix}
        assert fixes <= {line.strip() for line in lines}
        assert all(len(line) <= width for line in lines if line.strip() not in fixes)


@pytest.mark.parametrize(
    ("python", "said", "fix"),
    [
        (
            Interpreter((3, 10), "/venv/bin/python", "/venv", False),
            "the virtual environment /venv hides",
            "/venv/pyvenv.cfg",
        ),
        (
            Interpreter((3, 12), "/venv/bin/python", "/venv", False),
            "is for Python 3.10, this is Python 3.12",
            "/usr/bin/python3.10 -m venv --system-site-packages",
        ),
        (
            Interpreter((3, 10), "/opt/conda/bin/python", "", False),
            "/opt/conda/bin/python does not look there",
            "/usr/bin/python3 -m venv --system-site-packages",
        ),
    ],
)
def test_tensorrt_out_of_sight(tmp_path, python, said, fix):
    machine = replace(paper_machines.orin_nano(tmp_path), python=python)
    fact = facts_of(machine)["TensorRT for Python"]
    assert fact.state == "missing"
    assert said in fact.found
    assert fix in fact.fix


def test_tensorrt_of_whichever_python_the_system_has(tmp_path):
    machine = paper_machines.rtx(tmp_path)
    (tmp_path / "usr/lib/python3/dist-packages/tensorrt").mkdir(parents=True)
    fact = facts_of(machine)["TensorRT for Python"]
    assert "/home/user/.venv hides the system's packages" in fact.found


def test_command_for_a_hiding_environment_opens_it(tmp_path):
    """The sed of the fix, on the file that venv writes."""
    folder = tmp_path / "venv"
    folder.mkdir()
    (folder / "pyvenv.cfg").write_text("home = /usr\ninclude-system-site-packages = false\n")
    python = Interpreter((3, 10), f"{folder}/bin/python", str(folder), False)
    machine = replace(paper_machines.orin_nano(tmp_path / "root"), python=python)
    subprocess.run(facts_of(machine)["TensorRT for Python"].fix, shell=True, check=True)
    text = (folder / "pyvenv.cfg").read_text()
    assert text == "home = /usr\ninclude-system-site-packages = true\n"


@pytest.mark.parametrize(
    ("release", "said", "state"),
    [
        ("# R36 (release), REVISION: 4.0, GCID: 1", "6.1 (L4T 36.4.0)", "ok"),
        ("# R36 (release), REVISION: 4.7, GCID: 1", "6.2.1 (L4T 36.4.7)", "ok"),
        ("# R36 (release), REVISION: 5.0, GCID: 1", "6.2.2 (L4T 36.5.0)", "ok"),
        ("# R36 (release), REVISION: 3.0, GCID: 1", "6.0 (L4T 36.3.0)", "warning"),
        ("# R38 (release), REVISION: 2.1, GCID: 1", "7.0 (L4T 38.2.1)", "ok"),
        ("# R39 (release), REVISION: 2.1, GCID: 1", "7.2.1 (L4T 39.2.1)", "ok"),
        ("# R32 (release), REVISION: 7.4, GCID: 1", "before 5 (L4T 32.7.4)", "warning"),
        ("# something else", "not known", "warning"),
    ],
)
def test_jetpack_by_its_release(tmp_path, release, said, state):
    machine = paper_machines.orin_nano(tmp_path)
    (tmp_path / "etc/nv_tegra_release").write_text(release)
    fact = facts_of(machine)["JetPack"]
    assert fact.found.startswith(said)
    assert fact.state == state


@pytest.mark.parametrize(
    ("answer", "status", "said", "state"),
    [
        ("NV Power Mode: MAXN_SUPER\n2\n", None, "MAXN_SUPER (mode 2)", "ok"),
        (
            "NVPM WARN: fan mode is not set!\nNV Power Mode: 25W\n1\n",
            None,
            "25W (mode 1);",
            "warning",
        ),
        ("nonsense", "pmode:0002 fmode:quiet", "MAXN_SUPER (mode 2)", "ok"),
        (None, "pmode:0000", "15W (mode 0);", "warning"),
        (None, None, "not known: there is no command nvpmodel", "warning"),
    ],
)
def test_power_mode(tmp_path, answer, status, said, state):
    known = {} if answer is None else {"nvpmodel -q": answer}
    machine = replace(paper_machines.orin_nano(tmp_path), run=paper_machines.answers(known))
    if status is not None:
        (tmp_path / "var/lib/nvpmodel").mkdir(parents=True)
        (tmp_path / "var/lib/nvpmodel/status").write_text(status)
    fact = facts_of(machine)["power mode"]
    assert fact.found.startswith(said)
    assert fact.state == state


def test_cores_that_a_power_mode_switches_off(tmp_path):
    machine = paper_machines.orin_nano(tmp_path)
    (tmp_path / "sys/devices/system/cpu/online").write_text("0-2,5\n")
    fact = facts_of(machine)["processor"]
    assert "4 of 6 cores are on" in fact.found
    assert fact.state == "warning"


def test_memory_that_a_build_would_not_survive(tmp_path):
    machine = paper_machines.orin_nano(tmp_path)
    meminfo = tmp_path / "proc/meminfo"
    meminfo.write_text(paper_machines.meminfo(7802880, 900_000, 3901440, 3_000_000))
    assert facts_of(machine)["memory"].state == "ok"  # there is swap
    meminfo.write_text(paper_machines.meminfo(7802880, 900_000, 3901440, 1_000_000))
    fact = facts_of(machine)["memory"]
    assert fact.state == "warning"
    assert "0.9 available, with swap 1.8: little for a TensorRT build" in fact.found
    assert "swapon" in fact.fix


def test_a_containers_limit(tmp_path):
    machine = paper_machines.no_gpu(tmp_path)
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("max\n")
    assert "memory limit" not in facts_of(machine)
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("4294967296\n")
    assert facts_of(machine)["memory limit"].found == "4.0 GiB for this control group"


def test_a_hot_zone_is_told_by_its_own_limit(tmp_path):
    machine = paper_machines.orin_nano(tmp_path)
    assert facts_of(machine)["temperature"].state == "ok"
    # 88 degrees are the hottest, but 70 are too near the second zone's limit.
    (tmp_path / "sys/class/thermal/thermal_zone0/temp").write_text("88000")
    (tmp_path / "sys/class/thermal/thermal_zone1/temp").write_text("70000")
    assert facts_of(machine)["temperature"].state == "ok"
    (tmp_path / "sys/class/thermal/thermal_zone1/trip_point_0_temp").write_text("75000")
    fact = facts_of(machine)["temperature"]
    assert fact.state == "warning"
    assert fact.found.startswith("88 °C in the hottest zone; one is 5 °C below the limit")


def test_driver_that_is_too_old(tmp_path):
    state = "driver 12.2 found, 12.6 or later expected: update NVIDIA's driver to 560 or later"
    machine = replace(paper_machines.rtx(tmp_path), driver=lambda: Driver(state))
    fact = facts_of(machine)["CUDA driver"]
    assert (fact.state, fact.found) == ("missing", f"{state}, kernel module 580.142")
    assert "ubuntu-drivers" in fact.fix


def test_two_onnxruntimes_overwrite_each_other(tmp_path):
    packages = {"onnxruntime": "1.32.0", "onnxruntime-gpu": "1.31.1"}
    machine = replace(paper_machines.rtx(tmp_path), version_of=packages.get)
    fact = facts_of(machine)["onnxruntime"]
    assert fact.state == "warning"
    assert "onnxruntime 1.32.0, onnxruntime-gpu 1.31.1" in fact.found
    removal = "pip uninstall -y onnxruntime onnxruntime-gpu; "
    assert fact.fix == f"{removal}pip install onnxruntime-gpu"
    # PyPI has none for JetPack 6.
    python = Interpreter((3, 10), "/venv/bin/python", "/venv", False)
    machine = replace(machine, architecture="aarch64", python=python)
    fix = facts_of(machine)["onnxruntime"].fix
    assert fix == f"{removal}pip install the wheel of onnxruntime-gpu that was here"


@pytest.mark.parametrize(
    ("architecture", "python", "said"),
    [
        ("x86_64", (3, 10), "pip install onnxruntime-gpu"),
        ("aarch64", (3, 12), "pip install onnxruntime-gpu"),
        (
            "aarch64",
            (3, 10),
            "PyPI has no onnxruntime-gpu for Python 3.10 on aarch64: take TensorRT",
        ),
    ],
)
def test_onnxruntime_with_cuda_is_asked_for_where_there_is_one(
    monkeypatch, architecture, python, said
):
    import onnxruntime

    from edgert.engines import onnxruntime as engine

    assert engine.cuda_package(architecture, python).startswith(said)
    monkeypatch.setattr(engine.cuda_package, "__defaults__", (architecture, python))
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    told = engine.cuda_state()
    assert f"is built without CUDA; {'PyPI' if 'PyPI' in said else 'pip uninstall'}" in told
    assert said in told
    assert "onnxruntime-gpu, then" not in told
    # Where both are here, the CPU's on top: uninstalling that alone would take files of the other.
    monkeypatch.setattr(engine, "version_of", {"onnxruntime-gpu": "1.31.1"}.get)
    both = "pip uninstall onnxruntime onnxruntime-gpu, then pip install onnxruntime-gpu"
    assert (both in engine.cuda_state()) == ("PyPI" not in said)


def test_every_failure_is_a_fact(tmp_path):
    def fail(*_):
        raise RuntimeError("it broke")

    machine = Machine(
        root=tmp_path,
        run=fail,
        version_of=fail,
        has_module=fail,
        backends=fail,
        choose=fail,
        driver=fail,
    )
    found = examine(machine, require=["tensorrt"])
    facts = {fact.name: fact for facts in found.sections.values() for fact in facts}
    for name in ("driver", "devices", "backends", "runtime", "tensorrt package", "onnxruntime"):
        assert facts[name].found == "cannot be found out: RuntimeError: it broke"
    assert facts["board"].found == "not known: no device tree, no DMI"
    assert not found.can_run
    assert found.lacking == {"tensorrt": "cannot be found out: RuntimeError: it broke"}
    assert "edgert cannot run models here" in text_of(found)


def names_of_all_files() -> list[str]:
    found = {"sys/fs/cgroup/memory.max", "var/lib/nvpmodel/status"}
    for make in paper_machines.MACHINES.values():
        with tempfile.TemporaryDirectory() as folder:
            make(Path(folder))
            found |= {str(p.relative_to(folder)) for p in Path(folder).rglob("*") if p.is_file()}
    return sorted(found)


NAMES = names_of_all_files()
JUNK = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [b"", b"\0", b"-1", b"99999999999999999999", b"[]", b"0-", b"-", b"3-1", b"{}"]
    ),
    st.sampled_from([b"# R (release), REVISION: .", b"MemTotal: kB", b"Status: installed\n\n"]),
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.dictionaries(st.sampled_from(NAMES), JUNK, max_size=len(NAMES)), st.text(max_size=30))
def test_no_file_of_any_content_is_too_much(files, said):
    with tempfile.TemporaryDirectory() as folder:
        machine = paper_machines.orin_nano(Path(folder))
        for name, content in files.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        found = examine(replace(machine, run=lambda _: said))
        names = [fact.name for facts in found.sections.values() for fact in facts]
        assert len(names) > 20
        text_of(found)
        json.dumps(found.to_dict())


def test_a_folder_where_a_file_should_be(tmp_path):
    for name in NAMES:
        (tmp_path / "root" / name).mkdir(parents=True, exist_ok=True)
    found = examine(replace(paper_machines.no_gpu(tmp_path), root=tmp_path / "root"))
    assert found.can_run


def test_commands_that_fail_say_why():
    with pytest.raises(OSError, match="there is no command not-a-command-of-anyone"):
        run_command(["not-a-command-of-anyone"])
    with pytest.raises(OSError, match=r"failed and said: .*nowhere"):
        run_command(["ls", "/nowhere/at/all"])
    with pytest.raises(OSError, match="false failed and said: nothing"):
        run_command(["false"])
    started = time.monotonic()
    with pytest.raises(OSError, match=r"sleep 20 did not answer in 0\.5 s"):
        run_command(["sleep", "20"])
    assert time.monotonic() - started < 5


def doctor(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "edgert", "doctor", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_this_machine(tmp_path):
    done = doctor("--json-report", str(tmp_path / "report.json"))
    assert done.returncode == 0, done.stderr
    assert "edgert can run models here" in done.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    facts = [fact for facts in report["sections"].values() for fact in facts]
    assert not [fact for fact in facts if "cannot be found out" in fact["found"]]
    import edgert

    assert report["backends"] == edgert.backends()


def test_exit_status():
    lacking = doctor("--require", "onnxruntime:none")
    assert lacking.returncode == 2
    assert "'onnxruntime:none', expected of" in lacking.stderr
    alone = doctor("--json-report", "-", "--require", "onnxruntime")
    assert alone.returncode == 0, alone.stderr
    assert json.loads(alone.stdout)["can_run"]
    import edgert

    for name, state in edgert.backends().items():
        assert doctor("--quiet", "--require", name).returncode == (0 if state == "ok" else 1)


if __name__ == "__main__":
    import edgert

    edgert.__version__, edgert.num_threads = "0.1.0", lambda: 4
    for machine_name, build in paper_machines.MACHINES.items():
        folder = tempfile.mkdtemp()
        told = text_of(examine(build(Path(folder)))).replace(folder, "")
        (GOLDEN / f"{machine_name}.txt").write_text(told)
