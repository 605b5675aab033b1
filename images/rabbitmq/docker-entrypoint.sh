#!/bin/sh
# The contract of the official image's entry point: RabbitMQ's commands run as the user rabbitmq, who owns the data.
# RABBITMQ_DEFAULT_USER, _PASS and _VHOST are read by RabbitMQ itself.
set -e
case $1 in
    rabbitmq*)
        if [ "$(id -u)" = 0 ]; then
            find /var/lib/rabbitmq ! -user rabbitmq -exec chown rabbitmq:rabbitmq {} +
            set -- setpriv --reuid rabbitmq --regid rabbitmq --init-groups "$@"
        fi
        ;;
esac
exec "$@"
