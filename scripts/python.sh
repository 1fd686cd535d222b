#!/bin/sh
# Python with the independent readers that tests compare ours with.
#
#   python.sh venv        makes .cache/python from scripts/python/requirements.txt, once
#   python.sh run ARGS    replaces itself by its interpreter
#
# The environment is made anew when the requirements change.
set -eu

scripts=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
venv=$scripts/../.cache/python
requirements=$scripts/python/requirements.txt

is_made() {
    [ -f "$venv/requirements.txt" ] && cmp -s "$requirements" "$venv/requirements.txt"
}

make_venv() {
    if is_made; then
        return
    fi
    mkdir -p "$scripts/../.cache"
    # Two that start at once shall not fill one directory.
    exec 9>"$venv.lock"
    flock 9
    if is_made; then
        return
    fi
    echo "making the Python environment of the tests in .cache/python" >&2
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
        --requirement "$requirements" </dev/null >&2
    # Last, so that a broken installation never looks like a whole one.
    cp "$requirements" "$venv/requirements.txt"
}

case ${1-} in
venv) make_venv ;;
run) shift && make_venv && exec "$venv/bin/python" "$@" 9>&- ;;
*) sed -n '2,7s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
