"""Machines that exist on paper: files as public documentation shows them, and what would answer.

Nothing here was read off a device. What the files look like is from NVIDIA's Jetson Linux guide and
release notes, from the kernel's documentation, and from logs that people have published.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from edgert.availability import Choice
from edgert.doctor import Machine
from edgert.doctor.machine import Driver, Interpreter
from edgert.engines.onnxruntime import cuda_package

Files = dict[str, str]

MODES = """< POWER_MODEL ID=0 NAME=15W >
CPU_ONLINE CORE_0 1
< POWER_MODEL ID=1 NAME=25W >
< POWER_MODEL ID=2 NAME=MAXN_SUPER >
< PM_CONFIG DEFAULT=1 >
"""
GPU_CLOCK = "sys/class/devfreq/17000000.gpu"
CPU_CLOCK = "sys/devices/system/cpu/cpu0/cpufreq"
WITHOUT_CUDA = (
    "onnxruntime 1.23.2 is built without CUDA; pip uninstall onnxruntime, "
    "then pip install onnxruntime-gpu"
)
ON_JETPACK_6 = cuda_package("aarch64", (3, 10))
WITHOUT_CUDA_ON_JETPACK_6 = f"onnxruntime 1.23.2 is built without CUDA; {ON_JETPACK_6}"


def meminfo(total: int, available: int, swap: int, swap_free: int) -> str:
    """Sizes in kB."""
    return (
        f"MemTotal:       {total} kB\nMemFree:         1000 kB\nMemAvailable:   {available} kB\n"
        f"SwapTotal:       {swap} kB\nSwapFree:        {swap_free} kB\n"
    )


def package(name: str, version: str, status: str = "install ok installed") -> str:
    return f"Package: {name}\nStatus: {status}\nArchitecture: arm64\nVersion: {version}\n\n"


def zone(number: int, kind: str, temperature: int, passive: int) -> Files:
    at = f"sys/class/thermal/thermal_zone{number}"
    return {
        f"{at}/type": f"{kind}\n",
        f"{at}/temp": f"{temperature}\n",
        f"{at}/trip_point_0_type": "passive\n",
        f"{at}/trip_point_0_temp": f"{passive}\n",
    }


def cores(count: int, line: str) -> str:
    return "".join(f"processor\t: {i}\n{line}\n\n" for i in range(count))


def answers(known: dict[str, str]) -> Callable[[Sequence[str]], str]:
    def run(command: Sequence[str]) -> str:
        if " ".join(command) not in known:
            raise FileNotFoundError(f"there is no command {command[0]}")
        return known[" ".join(command)]

    return run


def make(root: Path, files: Files, packages: dict[str, str], modules: set[str], **rest) -> Machine:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    (root / "kernels").mkdir(parents=True, exist_ok=True)
    for capability in (87, 89):
        (root / f"kernels/edgert.sm_{capability}.cubin").touch()
    return Machine(
        root=root,
        kernels=root / "kernels",
        version_of=packages.get,
        has_module=modules.__contains__,
        **{"run": answers({}), "instruction_set": "AArch64 (NEON)", **rest},
    )


ESSENTIAL = {"numpy": "2.2.6", "av": "17.1.0", "pillow": "12.0.0", "rich": "14.2.0"}


def orin_nano(root: Path) -> Machine:
    """JetPack 6.2 as flashed; edgert in a plain virtual environment."""
    files = {
        "proc/device-tree/model": "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit "
        "Super\0",
        "etc/nv_tegra_release": "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, "
        "EABI: aarch64, DATE: Wed Jan  8 01:49:37 UTC 2025\n# KERNEL_VARIANT: oot\n"
        "TARGET_USERSPACE_LIB_DIR=nvidia\n",
        "etc/os-release": 'PRETTY_NAME="Ubuntu 22.04.5 LTS"\nID=ubuntu\n',
        "proc/sys/kernel/osrelease": "5.15.148-tegra\n",
        "proc/cpuinfo": cores(6, "CPU implementer\t: 0x41\nCPU part\t: 0xd42"),
        "sys/devices/system/cpu/online": "0-5\n",
        "sys/devices/system/cpu/present": "0-5\n",
        "proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  "
        "540.4.0  Release Build  (buildbrain@mobile)  Tue Jan  7 17:35:12 PST 2025\n",
        "var/lib/dpkg/status": package("nvidia-jetpack", "6.2+b77")
        + package("libnvinfer10", "10.3.0.30-1+cuda12.5")
        + package("nvidia-l4t-core", "36.3.0", "deinstall ok config-files"),
        "usr/lib/aarch64-linux-gnu/libnvinfer.so.10.3.0": "",
        "usr/lib/aarch64-linux-gnu/libnvinfer.so.10": "",
        "usr/lib/aarch64-linux-gnu/libcudnn.so.9.3.0": "",
        "usr/lib/python3.10/dist-packages/tensorrt/__init__.py": "",
        "usr/local/cuda/version.json": '{"cuda": {"name": "CUDA SDK", "version": "12.6.11"}}',
        "etc/nvpmodel.conf": MODES,
        f"{GPU_CLOCK}/cur_freq": "306000000\n",
        f"{GPU_CLOCK}/min_freq": "306000000\n",
        f"{GPU_CLOCK}/max_freq": "612000000\n",
        "sys/class/devfreq/15340000.vic/cur_freq": "115200000\n",
        f"{CPU_CLOCK}/scaling_min_freq": "729600\n",
        f"{CPU_CLOCK}/scaling_max_freq": "1497600\n",
        f"{CPU_CLOCK}/scaling_governor": "schedutil\n",
        "proc/meminfo": meminfo(7802880, 5400000, 3901440, 3890000),
        **zone(0, "cpu-thermal", 48500, 99000),
        **zone(1, "gpu-thermal", 46250, 99000),
        "sys/class/hwmon/hwmon3/oc1_event_cnt": "0\n",
    }
    hidden = (
        "package tensorrt is not seen by this Python; it is in /usr/lib/python3.10/dist-packages"
    )
    return make(
        root,
        files,
        {**ESSENTIAL, "onnxruntime": "1.23.2"},
        {"onnxruntime"},
        run=answers({"nvpmodel -q": "NV Power Mode: 15W\n0\n"}),
        backends=lambda: {
            "onnxruntime:cpu": "ok",
            "onnxruntime:cuda": WITHOUT_CUDA_ON_JETPACK_6,
            "cuda:0": "ok",
            "tensorrt": hidden,
            "tensorrt-rtx": "package tensorrt-rtx not installed",
        },
        choose=lambda: Choice(
            "onnxruntime",
            "cpu",
            f"nothing here runs models on the GPU: {WITHOUT_CUDA_ON_JETPACK_6}",
        ),
        driver=lambda: Driver("ok", "12.6", [("Orin", 87, True, 7990145024)]),
        python=Interpreter((3, 10), "/home/user/venv/bin/python", "/home/user/venv", False),
        architecture="aarch64",
    )


def agx_orin(root: Path) -> Machine:
    """JetPack 7.2, everything as it should be."""
    files = {
        "proc/device-tree/model": "NVIDIA Jetson AGX Orin Developer Kit\0",
        "etc/nv_tegra_release": "# R39 (release), REVISION: 2.0, GCID: 45755727, BOARD: generic, "
        "EABI: aarch64\n",
        "etc/os-release": 'PRETTY_NAME="Ubuntu 24.04.4 LTS"\n',
        "proc/sys/kernel/osrelease": "6.8.12-1021-tegra\n",
        "proc/cpuinfo": cores(12, "CPU implementer\t: 0x41\nCPU part\t: 0xd42"),
        "sys/devices/system/cpu/online": "0-11\n",
        "sys/devices/system/cpu/present": "0-11\n",
        "var/lib/dpkg/status": package("nvidia-jetpack", "7.2-b187"),
        "usr/lib/aarch64-linux-gnu/libnvinfer.so.10.16.1": "",
        "usr/lib/aarch64-linux-gnu/libcudnn.so.9.20.0": "",
        "usr/lib/python3.12/dist-packages/tensorrt/__init__.py": "",
        "usr/local/cuda/version.json": '{"cuda": {"version": "13.2.1"}}',
        "etc/nvpmodel.conf": "< POWER_MODEL ID=0 NAME=MAXN >\n< POWER_MODEL ID=1 NAME=MODE_15W >\n"
        "< POWER_MODEL ID=2 NAME=MODE_30W >\n< POWER_MODEL ID=3 NAME=MODE_50W >\n",
        f"{GPU_CLOCK}/cur_freq": "1300500000\n",
        f"{GPU_CLOCK}/min_freq": "1300500000\n",
        f"{GPU_CLOCK}/max_freq": "1300500000\n",
        f"{CPU_CLOCK}/scaling_min_freq": "2201600\n",
        f"{CPU_CLOCK}/scaling_max_freq": "2201600\n",
        "proc/meminfo": meminfo(64349000, 58000000, 32174496, 32174496),
        **zone(0, "cpu-thermal", 51000, 99000),
    }
    return make(
        root,
        files,
        {**ESSENTIAL, "numpy": "2.4.6", "onnxruntime": "1.32.0", "tensorrt": "10.16.1.7"},
        {"onnxruntime", "tensorrt"},
        run=answers({"nvpmodel -q": "NV Power Mode: MAXN\n0\n"}),
        backends=lambda: {
            "onnxruntime:cpu": "ok",
            "onnxruntime:cuda": WITHOUT_CUDA,
            "cuda:0": "ok",
            "tensorrt": "ok",
            "tensorrt-rtx": "package tensorrt-rtx not installed",
        },
        choose=lambda: Choice("tensorrt", "cuda:0", "a GPU and TensorRT 10.16.1.7 are here"),
        driver=lambda: Driver("ok", "13.2", [("Orin", 87, True, 65893376000)]),
        python=Interpreter((3, 12), "/opt/edgert/bin/python", "/opt/edgert", True),
        architecture="aarch64",
    )


def rtx(root: Path) -> Machine:
    """A desktop with an RTX card, and packages for the CPU only."""
    pci = "sys/bus/pci/devices/0000:01:00.0"
    files = {
        "sys/class/dmi/id/sys_vendor": "ASUS\n",
        "sys/class/dmi/id/product_name": "PRIME B650\n",
        "etc/os-release": 'PRETTY_NAME="Ubuntu 24.04.3 LTS"\n',
        "proc/sys/kernel/osrelease": "6.14.0-37-generic\n",
        "proc/cpuinfo": cores(16, "model name\t: AMD Ryzen 7 7700X 8-Core Processor"),
        "sys/devices/system/cpu/online": "0-15\n",
        "sys/devices/system/cpu/present": "0-15\n",
        "proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  "
        "580.142  Release Build  (dvs-builder@U22)  Tue Mar  3 19:14:46 UTC 2026\n",
        f"{pci}/vendor": "0x10de\n",
        f"{pci}/class": "0x030000\n",
        f"{CPU_CLOCK}/scaling_min_freq": "400000\n",
        f"{CPU_CLOCK}/scaling_max_freq": "5573000\n",
        f"{CPU_CLOCK}/scaling_governor": "powersave\n",
        "proc/meminfo": meminfo(32000000, 24000000, 8388604, 8388604),
        "sys/class/thermal/thermal_zone0/temp": "41000\n",
    }
    return make(
        root,
        files,
        {**ESSENTIAL, "onnxruntime": "1.32.0", "opencv-python": "4.12.0.88"},
        {"onnxruntime"},
        backends=lambda: {
            "onnxruntime:cpu": "ok",
            "onnxruntime:cuda": WITHOUT_CUDA,
            "cuda:0": "ok",
            "tensorrt": "package tensorrt not installed",
            "tensorrt-rtx": "package tensorrt-rtx not installed",
        },
        choose=lambda: Choice(
            "onnxruntime", "cpu", f"nothing here runs models on the GPU: {WITHOUT_CUDA}"
        ),
        driver=lambda: Driver("ok", "13.0", [("NVIDIA GeForce RTX 4070", 89, False, 12480086016)]),
        python=Interpreter((3, 12), "/home/user/.venv/bin/python", "/home/user/.venv", False),
        architecture="x86_64",
        instruction_set="x86-64-v4 (AVX-512)",
    )


def no_gpu(root: Path) -> Machine:
    """A laptop without an NVIDIA GPU."""
    files = {
        "sys/class/dmi/id/sys_vendor": "LENOVO\n",
        "sys/class/dmi/id/product_name": "ThinkPad T14\n",
        "etc/os-release": 'PRETTY_NAME="Fedora Linux 43"\n',
        "proc/sys/kernel/osrelease": "6.17.7\n",
        "proc/cpuinfo": cores(8, "model name\t: Intel(R) Core(TM) i7-1185G7"),
        "sys/devices/system/cpu/online": "0-7\n",
        "sys/devices/system/cpu/present": "0-7\n",
        "sys/bus/pci/devices/0000:00:02.0/vendor": "0x8086\n",
        "sys/bus/pci/devices/0000:00:02.0/class": "0x030000\n",
        # An NVIDIA part that is no GPU: a network card.
        "sys/bus/pci/devices/0000:05:00.0/vendor": "0x10de\n",
        "sys/bus/pci/devices/0000:05:00.0/class": "0x020000\n",
        "proc/meminfo": meminfo(16000000, 9000000, 8388604, 8000000),
        **zone(0, "x86_pkg_temp", 93000, 100000),
        "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "12\n",
    }
    return make(
        root,
        files,
        {**ESSENTIAL, "onnxruntime": "1.32.0", "onnx": "1.15.0", "opencv-python-headless": "4.9"},
        {"onnxruntime"},
        backends=lambda: {
            "onnxruntime:cpu": "ok",
            "onnxruntime:cuda": WITHOUT_CUDA,
            "cuda:0": "libcuda.so.1 not found",
            "tensorrt": "package tensorrt not installed",
            "tensorrt-rtx": "package tensorrt-rtx not installed",
        },
        choose=lambda: Choice("onnxruntime", "cpu", "no GPU: libcuda.so.1 not found"),
        driver=lambda: Driver("libcuda.so.1 not found"),
        python=Interpreter((3, 13), "/usr/bin/python3", "", True),
        architecture="x86_64",
        instruction_set="x86-64-v3 (AVX2)",
    )


def container(root: Path) -> Machine:
    """A container on a Jetson, started without its runtime: no /sys, no driver, a memory limit."""
    files = {
        ".dockerenv": "",
        "proc/device-tree/model": "NVIDIA Jetson Orin NX Engineering Reference Developer Kit\0",
        "etc/os-release": 'PRETTY_NAME="Ubuntu 22.04.5 LTS"\n',
        "proc/sys/kernel/osrelease": "5.15.148-tegra\n",
        "proc/cpuinfo": cores(8, "CPU part\t: 0xd42"),
        "proc/meminfo": meminfo(15900000, 3000000, 0, 0),
    }
    return make(
        root,
        files,
        {"numpy": "1.21.6", "av": "14.0.1"},
        set(),
        backends=lambda: {
            "onnxruntime:cpu": "package onnxruntime not installed; pip install onnxruntime",
            "onnxruntime:cuda": f"package onnxruntime-gpu not installed; {ON_JETPACK_6}",
            "cuda:0": "libcuda.so.1 not found",
            "tensorrt": "package tensorrt not installed",
            "tensorrt-rtx": "package tensorrt-rtx not installed",
        },
        choose=lambda: Choice("onnxruntime", "cpu", "no GPU: libcuda.so.1 not found"),
        driver=lambda: Driver("libcuda.so.1 not found"),
        python=Interpreter((3, 10), "/usr/bin/python3", "", True),
        architecture="aarch64",
    )


MACHINES = {make.__name__: make for make in (orin_nano, agx_orin, rtx, no_gpu, container)}
