#!/usr/bin/env bash
# Within the arm64 userland: TensorRT of the system's, as JetPack installs it, and a plain virtual
# environment, which hides it. edgert doctor has to find it and name the command that opens it; the
# command has to work. (The module is a stand-in: what is tested is who sees it.)
#
#     hidden_tensorrt.sh WHEEL FOLDER_OF_PACKAGES
set -euo pipefail
wheel=$1 packages=$2
module=/usr/lib/python3/dist-packages/tensorrt
venv=/hidden
die() { echo "hidden_tensorrt.sh: $*" >&2; exit 1; }

trap 'rm -rf "$module" "$venv"' EXIT
mkdir -p "$module"
printf '__version__ = "10.3.0"\nclass ILogger:\n    pass\n' >"$module/__init__.py"
/usr/bin/python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --no-index --find-links "$packages" "$wheel"

fact() {
  "$venv/bin/edgert" doctor --quiet --json-report - | "$venv/bin/python" -c "
import json, sys
facts = [fact for section in json.load(sys.stdin)['sections'].values() for fact in section]
(fact,) = (fact for fact in facts if fact['name'] == 'TensorRT for Python')
print(fact['$1'])"
}

found=$(fact found)
case $found in "$module is there, but the virtual environment $venv hides"*) ;; *) die "said: $found" ;; esac
[ "$(fact state)" = missing ] || die "state: $(fact state)"
fix=$(fact fix)
echo "it says: $fix"
sh -c "$fix"
[ "$(fact state)" = ok ] || die "after it: $(fact state), $(fact found)"
"$venv/bin/python" -c "import tensorrt; assert tensorrt.__version__ == '10.3.0'"
echo "hidden_tensorrt.sh: found, explained, and seen after the command"
