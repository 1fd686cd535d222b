#!/bin/sh
# Fetches GraphiQL, the page for GraphQL queries, from npm into .cache/graphiql; says what it does.
#
#   graphiql.sh          fetches it unless it is there
#
# Its files are not part of this repository. Versions are pinned, and each file is compared with
# the sum that was taken when the version was chosen, so that nobody else decides what a browser
# with a token in it runs. GraphiQL 3 is the last that comes as one script for a plain page.
set -eu

cd "$(dirname -- "$0")/.."
to=.cache/graphiql

sums() {
    cat <<SUMS
22faab94067b695e5f7959619fbe686ebcc8955002a0c97d986bcbba4ad4bc2c  graphiql.min.js
35f4f974f4b2bcd44da73963347f8952e341f83909e4498227d4e26b98f66f0d  react-dom.production.min.js
d949f1c3687aedadcedac85261865f29b17cd273997e7f6b2bfc53b2f9d4c4dd  react.production.min.js
b1868247f8e0502cd869e581f5f3cb55b334862e7f51b1d6cbace11059b9adc2  graphiql.min.css
SUMS
}

is_whole() {
    (cd "$to" 2>/dev/null && sums | sha256sum --check --status 2>/dev/null)
}

if is_whole; then
    exit 0
fi
if ! command -v npm >/dev/null 2>&1; then
    echo "GraphiQL is not fetched since there is no npm (on Debian: apt-get install npm);" \
        "everything else works without it" >&2
    exit 0
fi

echo "fetching GraphiQL 3.8.3 and React 18.3.1 from npm into $to" >&2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
get() {
    npm pack --silent --pack-destination "$work" "$1@$2" >/dev/null &&
        tar -xzf "$work/$1-$2.tgz" -C "$work" --one-top-level="$1"
}
if ! { get graphiql 3.8.3 && get react 18.3.1 && get react-dom 18.3.1; }; then
    echo "GraphiQL could not be fetched; everything else works without it" >&2
    exit 0
fi
mkdir -p "$to"
for file in graphiql/package/graphiql.min.js graphiql/package/graphiql.min.css \
    react/package/umd/react.production.min.js react-dom/package/umd/react-dom.production.min.js; do
    cp "$work/$file" "$to/"
done
if ! is_whole; then
    rm -rf "$to"
    echo "error: what npm sent is not the GraphiQL that was chosen; it is not used" >&2
    exit 1
fi
