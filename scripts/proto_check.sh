#!/bin/sh
# Lints proto/ and compares it with a commit, by the rules of buf.yaml.
#
#   proto_check.sh COMMIT
#
# Uses `buf` from the PATH, or makes its own with the Go toolchain, once.
set -eu

version=v1.75.0
commit=${1:?"usage: proto_check.sh COMMIT"}
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
own=$root/.cache/tools/bin/buf

if command -v buf >/dev/null 2>&1; then
    buf=buf
elif [ -x "$own" ]; then
    buf=$own
elif command -v go >/dev/null 2>&1; then
    echo "building buf $version into .cache/tools, some minutes" >&2
    GOBIN=${own%/buf} go install "github.com/bufbuild/buf/cmd/buf@$version"
    buf=$own
else
    echo "error: needs buf ($version) on the PATH, or a current Go to build it" >&2
    exit 1
fi

cd "$root"
"$buf" lint
"$buf" breaking --against ".git#ref=$(git rev-parse --verify "$commit^{commit}")"
echo "proto: lint clean, nothing broken since $commit"
