#!/bin/sh
# Holds the dependencies to deny.toml.
#
#   audit.sh CARGO_DENY
#
# Licences, versions and sources need no more than the crates themselves. Advisories need a database
# from the network: where that cannot be fetched they are not checked, and the end says so. With
# ADVISORIES=required that is a failure.
set -eu

deny=${1:?"usage: audit.sh CARGO_DENY"}

"$deny" --locked check bans licenses sources

fetched=$(mktemp)
trap 'rm -f "$fetched"' EXIT
if ! "$deny" --locked fetch db >"$fetched" 2>&1; then
    echo "advisories: NOT CHECKED: their database could not be fetched:" >&2
    sed 's/^/    /' "$fetched" >&2
    [ "${ADVISORIES-}" != required ] || exit 1
    exit 0
fi
"$deny" --locked check --disable-fetch advisories
