#!/usr/bin/env bash
# What test_aarch64.sh runs within the arm64 userland: inside_aarch64.sh WHEEL [pytest's arguments].
set -euo pipefail
cd "$(dirname "$0")/../.."
wheel=$1
shift
python3 -m venv /venv
install=(/venv/bin/pip install --quiet --no-index --find-links /packages)
"${install[@]}" --upgrade pip
"${install[@]}" --no-deps --force-reinstall "$wheel"
"${install[@]}" "edgert[test]" pytest-xdist
uname -m
/venv/bin/edgert doctor | grep -F "host stages"
/venv/bin/python tools/wheels/digest.py
tools/wheels/hidden_tensorrt.sh "$wheel" /packages
# qemu keeps a quarter of a megabyte of every thread that has ended (600 that do nothing: 150 MB), so
# what a closed pipeline gives back cannot be seen here; nor can how few milliseconds a write takes.
# One run of YOLOv8n is half a minute: few cases of what runs such networks, and none of the demo's
# accuracy, for which two streets and a calibration go through its networks.
EDGERT_TEST_CASES=few exec /venv/bin/python -m pytest --numprocesses "$(nproc)" --dist worksteal \
  --deselect tests/test_memory.py::test_closed_pipelines_give_their_memory_back \
  --deselect tests/test_serve_watchers.py::test_ten_watchers_one_of_them_stuck \
  --deselect tests/test_demo_accuracy.py "$@"
