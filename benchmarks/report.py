"""Put the benchmarks' tables into README.md.

    python benchmarks/bench_stages.py > benchmarks/results/stages.md
    python benchmarks/report.py

Each `<!-- NAME -->` ... `<!-- /NAME -->` in README.md takes what is in benchmarks/results/NAME.md.
"""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
SECTION = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- /\2 -->)", re.DOTALL)


def filled(text):
    """README's text with every section replaced by its result."""

    def fill(match):
        result = ROOT / "benchmarks" / "results" / f"{match[2]}.md"
        return f"{match[1]}{result.read_text().strip()}\n{match[3]}"

    return SECTION.sub(fill, text)


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(filled(readme.read_text()))
