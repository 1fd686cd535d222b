#!/usr/bin/env bash
# Runs `aerostream up`, with a broker of its own when the event log is Kafka.
#
#   up.sh BINARY embedded|kafka ARGUMENTS...
#
# KAFKA=host:port names a broker that runs already; without it one is started here, and stopped
# behind `up`. Everything that is kept is in DATA, `var` unless set.
set -euo pipefail

binary=$(realpath -- "$1")
log=$2
shift 2
cd "$(dirname -- "$0")/.."

# As root the servers run as an unprivileged user, who cannot reach a checkout in root's own home.
if [ -z "${DATA-}" ]; then
    DATA=var
    if [ "$(id -u)" = 0 ] \
        && ! setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$PWD" 2>/dev/null; then
        DATA=/var/lib/aerostream
        echo "data is kept in $DATA, since this directory is closed to unprivileged users" >&2
    fi
fi
mkdir -p "$DATA"

# The page of /graphql, if it was fetched.
if [ -d .cache/graphiql ]; then
    export AEROSTREAM_GATEWAY__GRAPHQL__GRAPHIQL_DIRECTORY=$PWD/.cache/graphiql
fi

broker=
stop_broker() {
    if [ -n "$broker" ]; then
        kill -TERM "$broker" 2>/dev/null || true
        wait "$broker" 2>/dev/null || true
    fi
}

# Starts a broker on ports that stay the same, since its data names them.
start_broker() {
    local said=$DATA/kafka.log tries=0
    scripts/setup.sh test
    # A session of its own: Ctrl-C reaches `up`, which drains while the broker still serves.
    setsid scripts/kafka.sh run "$DATA/kafka" 19092 19093 >"$said" 2>&1 </dev/null &
    broker=$!
    until grep -q "Kafka Server started" "$said"; do
        tries=$((tries + 1))
        if [ "$tries" -gt 600 ] || ! kill -0 "$broker" 2>/dev/null; then
            echo "error: the Kafka broker did not start; see $said" >&2
            exit 1
        fi
        sleep 0.1
    done
    KAFKA=127.0.0.1:19092
}

case $log in
embedded)
    exec "$binary" up --data-dir "$DATA" --log embedded "$@"
    ;;
kafka)
    trap stop_broker EXIT
    if [ -z "${KAFKA-}" ]; then
        start_broker
        # One broker cannot keep a second copy, and says so by its configuration.
        export AEROSTREAM_LOG__KAFKA__SINGLE_BROKER=true
    fi
    export AEROSTREAM_LOG__KAFKA__BOOTSTRAP_SERVERS=$KAFKA
    # The child gets the terminal's Ctrl-C too; this shell waits for it to drain.
    trap : INT TERM
    "$binary" up --data-dir "$DATA" --log kafka "$@"
    ;;
*)
    echo "error: LOG is embedded or kafka, not $log" >&2
    exit 2
    ;;
esac
