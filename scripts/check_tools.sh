#!/bin/sh
# Check the tools that a make target needs and name the apt package of each missing one.
# usage: check_tools.sh demo|test PYTHON
set -u
target=$1
python=$2
missing=""

need() { # need COMMAND PACKAGE
    command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}

need "$python" python3
if command -v "$python" >/dev/null 2>&1; then
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
        echo "make $target: $python is $("$python" --version 2>&1), but Python 3.11 or newer is needed" \
            "(apt package python3; or make PYTHON=python3.12 $target)" >&2
        exit 2
    }
    "$python" -c 'import venv, ensurepip' 2>/dev/null || missing="$missing python3-venv"
fi
if [ "$target" = test ]; then
    need g++ g++
    need perl perl
    need make make
    need iverilog iverilog
    [ -f /usr/include/zlib.h ] || missing="$missing zlib1g-dev"
    [ -d /usr/share/datasets/fashion-mnist ] || missing="$missing dataset-fashion-mnist"
fi
[ -z "$missing" ] && exit 0

if [ "$target" = test ] && command -v apt-get >/dev/null 2>&1; then
    sudo=""
    [ "$(id -u)" = 0 ] || sudo="sudo"
    echo "make $target: installing the missing Debian packages:$missing"
    $sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq $missing >/dev/null && exit 0
    echo "make $target: apt-get could not install:$missing" >&2
    exit 2
fi
echo "make $target: missing tools; install these packages: apt-get install$missing" >&2
command -v apt-get >/dev/null 2>&1 || echo "(there is no apt-get here: use your system's own names for them)" >&2
exit 2
