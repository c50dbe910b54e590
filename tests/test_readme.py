"""The README says what is so."""

from __future__ import annotations

import re
from pathlib import Path

import edgert
import report

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_tables_are_the_benchmarks_results():
    assert report.SECTION.search(README)
    assert report.filled(README) == README


def test_links_lead_somewhere():
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_example_runs_as_it_is_written(model, tmp_path, monkeypatch, capsys, picture):
    """With the small models under the names that the example uses."""
    (example,) = re.findall(r"```python\n(import edgert\n.*?)```", README, re.DOTALL)
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    (tmp_path / "street").mkdir()
    Image.fromarray(picture).save(tmp_path / "street" / "0.png")
    names = dict(re.findall(r'"([\w/.]+\.onnx)"()', example))
    assert len(names) == 2
    detector, pose = names
    (tmp_path / detector).write_bytes(model("detector").read_bytes())
    (tmp_path / pose).write_bytes(model("pose").read_bytes())
    exec(example.replace('"street.mp4"', '"street"'), {"edgert": edgert})
    assert "17" in capsys.readouterr().out


def test_commands_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
