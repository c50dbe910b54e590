# Each target sets up what it needs, in a virtual environment of its own.
PYTHON ?= python3
VENV := .venv
# Of edgert demo: --seed 7, --frames 100, --int8 (which needs the extra quant).
DEMO ?=
FAKE := build/fake/libfakecuda.so
# The types of TensorRT 10, without what it depends on: TensorRT itself, 3 GB that another index has.
STUBS := tensorrt-stubs==10.13.0.35.1
# TensorRT's Python modules, whose names the tests read: the oldest that edgert takes, the newest.
MODULES := tensorrt-cu12-bindings==10.3.0 tensorrt-cu13-bindings==11.4.0.106

.PHONY: help test demo lint native fake bench build wheels test-wheels test-aarch64 clean

help:
	@echo "make test    install into $(VENV) and run the test suite"
	@echo "make demo    a rendered street through everything: speed, accuracy, a video and a page in out/"
	@echo "make lint    ruff, mypy, clang-format"
	@echo "make native  the native tests under sanitizers"
	@echo "make fake    a CUDA driver in host memory, for EDGERT_LIBCUDA=build/fake/libfakecuda.so"
	@echo "make bench   every stage against the pure-Python path"
	@echo "make wheels  every Python's, x86_64 and aarch64, and the sdist, checked, in dist/"
	@echo "make test-wheels   installs, upgrades and extras of those; make test-aarch64: the tests on arm64"
	@echo "make build   a developer's build of the native core, for PYTHONPATH=src"

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --upgrade pip

# Always: pip and CMake find out themselves what has changed.
.PHONY: installed
installed: $(VENV)/bin/python build/tensorrt/fetched
	$(VENV)/bin/python -m pip install --quiet ".[test,audit]"
	$(VENV)/bin/python -m pip install --quiet --no-deps $(STUBS)

build/tensorrt/fetched: Makefile | $(VENV)/bin/python
	$(VENV)/bin/python -m pip download --quiet --no-deps --only-binary :all: --dest $(@D) \
	  --python-version 3.10 --platform manylinux_2_17_x86_64 --platform manylinux_2_28_x86_64 $(MODULES)
	touch $@

test: installed $(FAKE)
	$(VENV)/bin/python -m pytest $(TESTS)

demo: $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet ".[demo]"
	$(VENV)/bin/edgert demo --output out --json-report out/demo.report.json $(DEMO)

$(VENV)/lint: pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet --group lint --group native
	touch $@

lint: $(VENV)/lint installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/python tests/tensorrt_stubs.py build/stubs
	$(VENV)/bin/mypy
	git ls-files '*.hpp' '*.cpp' '*.h' '*.cu' | xargs $(VENV)/bin/clang-format --dry-run --Werror

native: $(VENV)/lint
	headers=$$(dirname $(CURDIR)/$(VENV)/lib/python*/site-packages/nvidia/*/include/cuda.h | paste -sd ";") && \
	$(VENV)/bin/cmake -S . -B build/asan -G Ninja -DCMAKE_MAKE_PROGRAM=$(CURDIR)/$(VENV)/bin/ninja \
	  -DEDGERT_PYTHON=OFF -DEDGERT_TESTS=ON -DEDGERT_SANITIZE=address,undefined \
	  -DEDGERT_CUDA_HEADERS="$$headers"
	$(VENV)/bin/cmake --build build/asan
	$(VENV)/bin/ctest --test-dir build/asan --output-on-failure
	$(VENV)/bin/cmake -S . -B build/tsan -G Ninja -DCMAKE_MAKE_PROGRAM=$(CURDIR)/$(VENV)/bin/ninja \
	  -DEDGERT_PYTHON=OFF -DEDGERT_TESTS=ON -DEDGERT_SANITIZE=thread
	$(VENV)/bin/cmake --build build/tsan --target test_parallel test_pipeline \
	  test_cuda test_cuda_graph test_cuda_driver test_cuda_errors test_cuda_fake test_cuda_device
	$(VENV)/bin/ctest --test-dir build/tsan --output-on-failure -R "parallel|pipeline|cuda"

fake: $(FAKE)

$(FAKE): $(wildcard tests/fake/* kernels/* cpp/cuda/driver.hpp) | $(VENV)/lint
	$(VENV)/bin/cmake -S . -B build/fake -G Ninja -DCMAKE_MAKE_PROGRAM=$(CURDIR)/$(VENV)/bin/ninja \
	  -DEDGERT_PYTHON=OFF -DEDGERT_FAKE=ON
	$(VENV)/bin/cmake --build build/fake --target fakecuda
	touch $@

bench: installed
	$(VENV)/bin/python benchmarks/bench_stages.py

build: $(VENV)/lint
	$(VENV)/bin/cmake -S . -B build/dev -G Ninja -DCMAKE_MAKE_PROGRAM=$(CURDIR)/$(VENV)/bin/ninja \
	  -DPython_EXECUTABLE=$(CURDIR)/$(VENV)/bin/python \
	  -Dpybind11_DIR="$$($(VENV)/bin/python -m pybind11 --cmakedir)"
	$(VENV)/bin/cmake --build build/dev

# --- wheels: tools/wheels/

$(VENV)/wheels: pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/python -m pip install --quiet --group wheels
	touch $@

wheels: $(VENV)/wheels
	rm -rf dist
	$(VENV)/bin/python tools/wheels/build_wheels.py --out dist
	$(VENV)/bin/python tools/wheels/inspect_wheel.py dist/* --no-path $(CURDIR) $(HOME)/ \
	  --markdown benchmarks/results/wheels.md

test-wheels: $(VENV)/wheels
	$(VENV)/bin/python tools/wheels/test_installs.py dist
	$(VENV)/bin/python tools/wheels/resolve_extras.py dist

test-aarch64: $(VENV)/lint
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" PYTHON=$(CURDIR)/$(VENV)/bin/python \
	  tools/wheels/test_aarch64.sh dist/edgert-*-cp311-*_aarch64.whl $(TESTS)

# ---

clean:
	rm -rf build out $(VENV)
