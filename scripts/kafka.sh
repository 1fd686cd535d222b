#!/bin/sh
# One real Kafka broker on loopback, for tests and for `make up LOG=kafka`.
#
#   kafka.sh jars                     fetches the broker into .cache/kafka, once
#   kafka.sh run DIR PORT CONTROLLER  runs it in the foreground, data and log settings in DIR
#
# With KAFKA_SECURE_PORT set there is a second listener: TLS as localhost, login by SCRAM-SHA-512 as
# `fleet` with KAFKA_SECURE_PASSWORD; DIR/ca.pem is what signed its certificate.
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

# A key of its own, which is its own authority.
make_key() {
    [ ! -f "$1/secure.p12" ] || return 0
    store="-keystore $1/secure.p12.new -storetype PKCS12 -storepass unsealed -alias broker"
    # shellcheck disable=SC2086  # several words
    keytool -genkeypair $store -keyalg EC -groupname secp256r1 -validity 30 \
        -dname CN=localhost -ext SAN=dns:localhost -ext BC=ca:true >&2
    # shellcheck disable=SC2086
    keytool -exportcert $store -rfc -file "$1/ca.pem" >&2
    mv "$1/secure.p12.new" "$1/secure.p12"
}

# Writes $1/server.properties for ports $2 (clients) and $3 (controller).
write_properties() {
    secure='' advertised='' protocols=''
    if [ -n "${KAFKA_SECURE_PORT-}" ]; then
        make_key "$1"
        secure=,SECURE://127.0.0.1:$KAFKA_SECURE_PORT
        advertised=,SECURE://localhost:$KAFKA_SECURE_PORT
        protocols=,SECURE:SASL_SSL
    fi
    cat >"$1/server.properties" <<EOF
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:$3
listeners=PLAINTEXT://127.0.0.1:$2,CONTROLLER://127.0.0.1:$3$secure
advertised.listeners=PLAINTEXT://127.0.0.1:$2,CONTROLLER://127.0.0.1:$3$advertised
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT$protocols
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
    [ -n "$secure" ] || return 0
    cat >>"$1/server.properties" <<EOF
listener.name.secure.ssl.keystore.type=PKCS12
listener.name.secure.ssl.keystore.location=$1/secure.p12
listener.name.secure.ssl.keystore.password=unsealed
listener.name.secure.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.secure.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
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
        user=
        if [ -n "${KAFKA_SECURE_PORT-}" ]; then
            user="--add-scram SCRAM-SHA-512=[name=fleet,password=$KAFKA_SECURE_PASSWORD]"
        fi
        # shellcheck disable=SC2086  # the prefix and the user are several words
        $as java "$@" -cp "$lib/*" kafka.tools.StorageTool format --standalone \
            --ignore-formatted -t "$(cluster_id)" $user -c "$dir/server.properties"
    fi
    # shellcheck disable=SC2086  # the prefix and the heap options are several words
    exec $as java ${KAFKA_HEAP:--Xmx512m} "$@" -cp "$lib/*" kafka.Kafka "$dir/server.properties"
}

case ${1-} in
jars) fetch_jars ;;
run) shift && run "$@" ;;
*) sed -n '2,11s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
