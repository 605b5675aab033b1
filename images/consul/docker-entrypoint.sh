#!/bin/sh
# The contract of the official image's entry point: CONSUL_LOCAL_CONFIG becomes a configuration file, `agent` gets its folders,
# any command of Consul may be given without its name, and Consul runs as the user consul.
set -e
data=${CONSUL_DATA_DIR:-/consul/data}
config=${CONSUL_CONFIG_DIR:-/consul/config}
if [ -n "$CONSUL_LOCAL_CONFIG" ]; then
    echo "$CONSUL_LOCAL_CONFIG" > "$config/local.json"
fi

case $1 in
    -*) set -- consul "$@" ;;
    agent) shift; set -- consul agent -data-dir="$data" -config-dir="$config" "$@" ;;
    consul) ;;
    *) if ! command -v "$1" > /dev/null; then set -- consul "$@"; fi ;;
esac

if [ "$1" = consul ] && [ "$(id -u)" = 0 ]; then
    chown consul:consul "$data" "$config"
    set -- setpriv --reuid consul --regid consul --init-groups "$@"
fi
exec "$@"
