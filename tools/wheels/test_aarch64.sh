#!/usr/bin/env bash
# Installs the aarch64 wheel into an arm64 Debian and runs the test suite there, through qemu.
#
#     tools/wheels/test_aarch64.sh dist/*cp311*aarch64.whl [pytest's arguments]
#
# Needs root and Debian's debootstrap, qemu-user-static, binfmt-support and g++-aarch64-linux-gnu. The
# userland is made once (six minutes) in $EDGERT_USERLAND, ~/.cache/edgert/debian-bookworm-arm64 if not
# set. QEMU_CPU is the processor: of those that qemu has, cortex-a76 is next to Orin's.
set -euo pipefail
cd "$(dirname "$0")/../.."
wheel=$(realpath "$1")
shift
userland=${EDGERT_USERLAND:-$HOME/.cache/edgert/debian-bookworm-arm64}
packages=$userland.wheels
assets=$(realpath "${EDGERT_ASSETS:-../shared/assets}" 2>/dev/null || true)
export QEMU_CPU=${QEMU_CPU:-cortex-a76}

die() { echo "test_aarch64.sh: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || die "needs root, for chroot and mounts: sudo make test-aarch64"
for program in debootstrap update-binfmts aarch64-linux-gnu-g++ cmake; do
  [ -n "$(command -v "$program")" ] || die "no $program: apt-get install debootstrap qemu-user-static" \
    "binfmt-support g++-aarch64-linux-gnu cmake"
done

registered=/proc/sys/fs/binfmt_misc
[ -e "$registered/register" ] || mount -t binfmt_misc binfmt_misc "$registered"
[ -e "$registered/qemu-aarch64" ] || update-binfmts --enable qemu-aarch64

if [ ! -d "$userland" ]; then
  echo "== userland: $userland"
  rm -rf "$userland.partial"
  mkdir -p "$(dirname "$userland")"  # for the log, too
  debootstrap --arch=arm64 --variant=minbase --include=python3,python3-venv,ca-certificates,binutils \
    bookworm "$userland.partial" http://deb.debian.org/debian >"$userland.log" ||
    die "debootstrap failed: see $userland.log"
  mv "$userland.partial" "$userland"
fi
python=$(chroot "$userland" /usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
case $wheel in *-cp"${python/./}"-*aarch64.whl) ;; *) die "$wheel: the userland has Python $python" ;; esac

echo "== what the tests need, for aarch64"
rm -f "$packages"/edgert-*.whl  # pip would ask the one of the last run what it needs
"${PYTHON:-python3}" tools/wheels/pip_for.py aarch64 download --quiet --python-version "$python" \
  --dest "$packages" "$wheel[test]" pytest-xdist pip
cp "$wheel" "$packages/"

echo "== the fake CUDA driver, for aarch64"
CXX=aarch64-linux-gnu-g++ cmake -S . -B build/aarch64 -DEDGERT_PYTHON=OFF -DEDGERT_FAKE=ON \
  -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build build/aarch64 --target fakecuda >/dev/null

# What is tested is the wheel: of the source, tests and what they read, and no native module.
source=$userland/edgert
rm -rf "$source"
mkdir -p "$source/build/fake" "$userland/assets" "$userland/packages"
git archive HEAD | tar -x -C "$source"
cp build/aarch64/libfakecuda.so "$source/build/fake/"

# qemu 7 shows this machine's processors as the userland's own, among which ONNX Runtime finds no Arm
# and crashes. What these can do it asks qemu: a Cortex-A57 promises nothing more.
for ((core = 0; core < $(nproc); ++core)); do
  printf '%s\t: %s\n' processor $core "CPU implementer" 0x41 "CPU architecture" 8 "CPU variant" 0x1 \
    "CPU part" 0xd07 "CPU revision" 0
  echo
done >"$userland.cpuinfo"

echo "== tests on $QEMU_CPU"
# The mounts go with the process.
unshare --mount --fork bash -c '
  set -euo pipefail
  userland=$1 packages=$2 assets=$3
  shift 3
  mount -t proc proc "$userland/proc"
  mount --bind "$userland.cpuinfo" "$userland/proc/cpuinfo"
  mount -t sysfs sysfs "$userland/sys"
  mount --rbind /dev "$userland/dev"
  mount --bind "$packages" "$userland/packages"
  if [ -d "$assets" ]; then mount --bind "$assets" "$userland/assets"; fi
  exec chroot "$userland" /usr/bin/env -i HOME=/root PATH=/usr/bin:/bin:/usr/sbin:/sbin LANG=C.UTF-8 \
    QEMU_CPU="$QEMU_CPU" EDGERT_ASSETS=/assets EDGERT_REQUIRE_FAKE_GPU=1 \
    /edgert/tools/wheels/inside_aarch64.sh "$@"
' tests "$userland" "$packages" "$assets" "/packages/$(basename "$wheel")" "$@"
