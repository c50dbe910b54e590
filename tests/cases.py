"""How many of its cases a test takes.

EDGERT_TEST_CASES=few leaves out most cases of the tests that take longest, and none of their kinds:
for compute-sanitizer, under which a launch takes a second, and for an emulated processor, on which
one run of YOLOv8n takes half a minute.
"""

import os

CASES = os.environ.get("EDGERT_TEST_CASES", "all")
if CASES not in ("all", "few"):
    raise ValueError(f"EDGERT_TEST_CASES: found {CASES!r}, expected all or few")


def how_many(usual: int, few: int) -> int:
    """A number of cases, or that of few."""
    return few if CASES == "few" else usual
