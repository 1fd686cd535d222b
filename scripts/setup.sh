#!/bin/sh
# Checks that everything that a target needs is there and installs what is missing.
#
#   setup.sh run     what `make up` needs
#   setup.sh test    what `make test` needs
#
# Does nothing, quickly and without a network, when nothing is missing. Uses apt-get, as root or
# through sudo; where that is not possible it says what to install and ends with status 1.
set -eu

scripts=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
missing=
reasons=

have() {
    command -v "$1" >/dev/null 2>&1
}

# want PACKAGE REASON: remembers a package to install.
want() {
    missing="$missing $1"
    reasons="$reasons
    $1: $2"
}

has_postgres() {
    for initdb in /usr/lib/postgresql/*/bin/initdb; do
        [ ! -x "$initdb" ] || return 0
    done
    return 1
}

# JDK 17 or newer: `java -version` says `openjdk version "17.0.15"`.
has_java() {
    have java || return 1
    version=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
    [ "${version:-0}" -ge 17 ]
}

# Python with what it needs to make environments of its own.
has_venv() {
    have python3 && python3 -c "import venv, ensurepip" 2>/dev/null
}

has_header() {
    have pkg-config && pkg-config --exists "$1"
}

check_build() {
    have gcc || want gcc "builds the Kafka client"
    have g++ || want g++ "builds the Kafka client"
    have make || want make "builds the Kafka client"
    have pkg-config || want pkg-config "finds the libraries to link with"
    has_header libssl || want libssl-dev "TLS of the Kafka client"
    [ -e /etc/ssl/certs/ca-certificates.crt ] ||
        want ca-certificates "tells whom packages and crates come from"
    has_header zlib || want zlib1g-dev "compression of the Kafka client"
}

check_run() {
    has_postgres || want postgresql "the store; AeroStream runs a private server from it"
    have setpriv || want util-linux "runs servers as an unprivileged user"
}

check_test() {
    has_java || want default-jre-headless "runs the Kafka broker"
    have mvn || want maven "fetches the Kafka broker"
    has_venv || want python3-venv "runs the readers that tests compare ours with"
}

check_rust() {
    if have cargo; then
        return
    fi
    echo "error: cargo is not on the PATH. Install Rust, then start again:" >&2
    echo "    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh" >&2
    echo "The pinned version is in rust-toolchain.toml; rustup fetches it by itself." >&2
    exit 1
}

install_missing() {
    if [ -z "$missing" ]; then
        return
    fi
    echo "missing on this machine:$reasons" >&2
    as=
    if [ "$(id -u)" != 0 ]; then
        as="sudo"
    fi
    # A debconf question would wait for an answer that nobody gives.
    install="$as env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends"
    if ! have apt-get || { [ -n "$as" ] && ! have sudo; }; then
        echo "error: install these and start again (on Debian: apt-get install$missing)" >&2
        exit 1
    fi
    echo "installing:$missing" >&2
    # shellcheck disable=SC2086  # both are lists of words
    if ! { $as apt-get update --quiet=2 && $install --quiet=2 $missing; } </dev/null >&2; then
        echo "error: could not install; do it by hand: apt-get install$missing" >&2
        exit 1
    fi
}

for_what=${1-}
case $for_what in
run) check_build && check_run ;;
test) check_build && check_run && check_test ;;
*) sed -n '2,8s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
install_missing
check_rust
if [ "$for_what" = test ]; then
    "$scripts/kafka.sh" jars
    "$scripts/python.sh" venv
fi
