#!/usr/bin/env bash
# What Gradescope runs once, to build the image: a virtual environment in /autograder/env, a grading key, and a trial.
# May run again. Any failure ends the build with a last line that says what to do.
#
#   TORCH_INDEX  where the CPU build of PyTorch comes from; empty: from pip's own index
#   PYTHON       the interpreter to use, 3.11 or newer and readable by every user; empty: the first that fits
#   INITHW_KEY   the grading key; empty: a random one, made once
set -euo pipefail
TORCH_INDEX="${TORCH_INDEX-https://download.pytorch.org/whl/cpu}"
PYTHON="${PYTHON:-}"
export DEBIAN_FRONTEND=noninteractive PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
umask 022
source_dir="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
root="$(dirname "$source_dir")"
env="$root/env"
step="starting"
advice="Read the lines above; then build again."

fail() {
    echo "setup.sh: FAILED while $step. $advice"
    exit 1
} >&2
trap fail ERR

say() {
    step="$1"
    advice="Read the lines above; then build again."
    echo "setup.sh: $step ..."
}

install() { # of the system; the package lists may be missing, or old
    apt-get install -qq -y --no-install-recommends "$@" >/dev/null 2>&1 ||
        { apt-get update -qq && apt-get install -qq -y --no-install-recommends "$@" >/dev/null; }
}

fits() { # 3.11 or newer, able to make environments, and not hidden in a closed home folder
    "$1" -I -c '
import ensurepip, os, sys, venv
path = os.path.realpath(sys.executable)
while path != "/":
    path = os.path.dirname(path)
    sys.version_info >= (3, 11) and os.stat(path).st_mode & 0o001 or sys.exit(1)
' 2>/dev/null
}

find_python() {
    local candidate
    # shellcheck disable=SC2086  # several names
    for candidate in $(type -aP ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}); do
        if fits "$candidate"; then
            PYTHON="$candidate"
            return 0
        fi
    done
    return 1
}

say "looking for Python 3.11 or newer"
if ! find_python; then
    advice="This image has no Python 3.11 or newer, and apt offers none: on Gradescope, choose Ubuntu 22.04 or newer as base image."
    install python3 python3-venv || true # Ubuntu 24.04, Debian 12 and newer
    find_python || install python3.11 python3.11-venv || true # Ubuntu 22.04 has it beside its own 3.10
    find_python
fi
echo "setup.sh: using $PYTHON ($("$PYTHON" -I -c 'import platform; print(platform.python_version())'))"

say "installing the system's libseccomp and certificates"
advice="apt could not install them: see above, and build again later if the package server was down."
ldconfig -p | grep libseccomp.so.2 >/dev/null || install libseccomp2
[ -e /etc/ssl/certs/ca-certificates.crt ] || install ca-certificates

say "making the virtual environment $env"
"$PYTHON" -m venv --clear "$env"

say "installing PyTorch for CPUs"
advice="Is ${TORCH_INDEX:-the package index} reachable? TORCH_INDEX at the top of setup.sh names another."
torch="$(grep '^torch==' "$source_dir/requirements.txt")"
"$env/bin/pip" install --quiet --no-cache-dir --no-deps --only-binary :all: ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$torch"
# 145 MB for building extensions and for testing PyTorch itself; the rest it looks for when it is imported.
rm -rf "$env"/lib/python3.*/site-packages/torch/{include,test}

say "installing the other packages"
advice="Is the package index reachable? requirements.txt in the zip names every version."
grep -v '^torch==' "$source_dir/requirements.txt" |
    "$env/bin/pip" install --quiet --no-cache-dir --no-deps --only-binary :all: -r /dev/stdin
"$env/bin/pip" install --quiet --no-index --no-deps --force-reinstall "$source_dir"/inithw-*.whl

say "making the grading key"
key="$source_dir/inithw.key"
if [ -n "${INITHW_KEY:-}" ]; then
    (umask 077 && printf '%s\n' "$INITHW_KEY" >"$key")
elif [ ! -s "$key" ]; then
    (umask 077 && "$env/bin/python" -I -c 'import secrets; print(secrets.token_hex(32))' >"$key")
fi
chmod 600 "$key"

say "grading a trial submission"
advice="The environment is installed but does not grade: see the message above, and docs/gradescope.md."
trial="$(mktemp -d)"
echo 'import torch, numpy, matplotlib.pyplot' >"$trial/trial.py"
# Here and not in production: does Python find all it needs, and do the walls stand in this image?
record="$(cd "$source_dir" && "$env/bin/inithw" grade --json "$trial/trial.py")" || { echo "$record" && false; }
rm -rf "$trial"

trap - ERR
packages="$("$env/bin/python" -I -c 'from importlib.metadata import distributions; print(len({d.name for d in distributions()}))')"
echo "setup.sh: done: $packages packages, $(du -sm "$env" | cut -f1) MB in $env, $SECONDS seconds"
