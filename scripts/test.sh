#!/usr/bin/env bash
# Everything that `make test` checks, in sections with their times. Goes on after a failed section,
# so that one run shows all that is wrong, and ends with the sum.
set -euo pipefail

cd "$(dirname -- "$0")/.."
: "${CARGO_FLAGS:?is set by the Makefile, the one place that decides flags}"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
began=$SECONDS
passed=0
failed=0
broken=()
failures=()

# Tests that end actors by a panic would drown what matters in backtraces.
export RUST_BACKTRACE=0

# section NAME COMMAND...: runs one section; a section of tests counts each of its tests.
section() {
    local name=$1 start=$SECONDS status=0 line
    shift
    printf '\n=== %s\n    %s\n' "$name" "$*"
    "$@" 2>&1 | tee "$log" || status=$?
    count "$status"
    if [ "$status" != 0 ]; then
        broken+=("$name")
        while read -r line; do
            failures+=("$line")
        done < <(grep -aE '^test .* FAILED$|^thread .* panicked at' -A2 "$log" | tail -n 60)
    fi
    printf -- '--- %s: %s in %d s\n' "$name" "$(verdict "$status")" "$((SECONDS - start))"
}

verdict() {
    if [ "$1" = 0 ]; then echo ok; else echo FAILED; fi
}

# Adds up lines such as "test result: ok. 4 passed; 0 failed; ..."; a section without any, or one
# that broke outside its tests, counts as one.
count() {
    local status=$1 tests=0 failures=0 line
    while read -r line; do
        [[ $line =~ ^test\ result:.*\ ([0-9]+)\ passed\;\ ([0-9]+)\ failed ]] || continue
        tests=$((tests + BASH_REMATCH[1]))
        failures=$((failures + BASH_REMATCH[2]))
    done <"$log"
    if [ "$status" != 0 ] && [ "$failures" = 0 ]; then
        failures=1
    elif [ "$status" = 0 ] && [ "$tests" = 0 ]; then
        tests=1
    fi
    passed=$((passed + tests))
    failed=$((failed + failures))
}

read -r -a flags <<<"$CARGO_FLAGS"
read -r -a test_flags <<<"${TEST_FLAGS:-}"
if [ -t 1 ]; then
    export CARGO_TERM_COLOR=always
fi

section "format" cargo fmt --all --check
section "lint" cargo clippy "${flags[@]}" --workspace --all-targets -- -D warnings
RUSTDOCFLAGS="-D warnings" section "docs" cargo doc "${flags[@]}" --workspace --no-deps
section "tests" cargo test "${flags[@]}" "${test_flags[@]}" --workspace --no-fail-fast

printf '\n=== sum, %d s\n' "$((SECONDS - began))"
for line in ${failures[@]+"${failures[@]}"}; do
    printf '    %.300s\n' "$line"
done
for name in ${broken[@]+"${broken[@]}"}; do
    printf 'failed: %s\n' "$name"
done
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
