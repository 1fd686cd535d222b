#!/bin/sh
# One real Kafka broker on loopback, for tests and for `make up LOG=kafka`.
#
#   kafka.sh jars                     fetches the broker into .cache/kafka, once
#   kafka.sh run DIR PORT CONTROLLER  runs it in the foreground, data and log settings in DIR
#
# `run` replaces itself by the broker, so the caller's child is the broker and a signal to it
# reaches the broker. The same DIR and ports bring the same broker back.
set -eu

scripts=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cache=$scripts/../.cache/kafka
pom=$scripts/kafka/pom.xml

fetch_jars() {
    if [ -f "$cache/pom.xml" ] && cmp -s "$pom" "$cache/pom.xml"; then
        return
    fi
    echo "fetching the Kafka broker into .cache/kafka" >&2
    # Filled aside and renamed, so that a broken fetch never looks like a whole one.
    aside=$cache.$$
    rm -rf "$aside"
    mkdir -p "$aside"
    mvn --quiet --batch-mode --file "$pom" dependency:copy-dependencies \
        "-DoutputDirectory=$aside/lib" -DincludeScope=runtime </dev/null >&2
    cp "$pom" "$aside/pom.xml"
    rm -rf "$cache"
    mv "$aside" "$cache"
}

# Writes $1/server.properties for ports $2 (clients) and $3 (controller).
write_properties() {
    cat >"$1/server.properties" <<EOF
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:$3
listeners=PLAINTEXT://127.0.0.1:$2,CONTROLLER://127.0.0.1:$3
advertised.listeners=PLAINTEXT://127.0.0.1:$2,CONTROLLER://127.0.0.1:$3
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$1/data
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
log.index.size.max.bytes=1048576
EOF
}

# 128 random bits in the alphabet that Kafka uses for ids; a leading dash would look like a flag.
cluster_id() {
    id=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=')
    echo "A${id#?}"
}

run() {
    dir=$1
    mkdir -p "$dir"
    dir=$(CDPATH='' cd -- "$dir" && pwd)
    fetch_jars
    lib=$cache/lib
    config=$scripts/kafka/log4j2.properties
    as=
    if [ "$(id -u)" = 0 ]; then
        # A broker needs no privilege. The unprivileged user may not reach the checkout: copy.
        as="setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/tmp"
        [ -d "$dir/lib" ] || cp -r "$lib" "$dir/lib"
        cp "$config" "$dir/log4j2.properties"
        lib=$dir/lib
        config=$dir/log4j2.properties
    fi
    write_properties "$dir" "$2" "$3"
    [ "$(id -u)" != 0 ] || chown -R 65534:65534 "$dir"
    cd "$dir"
    set -- "-Dlog4j2.configurationFile=$config" -XX:+UseSerialGC -XX:TieredStopAtLevel=1
    if [ ! -f "$dir/data/meta.properties" ]; then
        $as java "$@" -cp "$lib/*" kafka.tools.StorageTool format --standalone \
            --ignore-formatted -t "$(cluster_id)" -c "$dir/server.properties"
    fi
    # shellcheck disable=SC2086  # the prefix and the heap options are several words
    exec $as java ${KAFKA_HEAP:--Xmx512m} "$@" -cp "$lib/*" kafka.Kafka "$dir/server.properties"
}

case ${1-} in
jars) fetch_jars ;;
run) shift && run "$@" ;;
*) sed -n '2,8s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
