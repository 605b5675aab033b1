#!/bin/sh
# The contract of the official image's entry point: before nginx starts, environment variables are put into
# /etc/nginx/templates/*.template, and the scripts of /docker-entrypoint.d run.
set -e

if [ "$1" = nginx ] || [ "$1" = nginx-debug ]; then
    defined=$(printf '${%s} ' $(env | cut -d= -f1 | grep -E '^[A-Za-z_][A-Za-z0-9_]*$'))
    for template in /etc/nginx/templates/*.template; do
        [ -e "$template" ] || continue
        name=${template##*/}
        envsubst "$defined" < "$template" > "/etc/nginx/conf.d/${name%.template}"
    done
    for script in /docker-entrypoint.d/*; do
        case $script in
            *.envsh) [ ! -x "$script" ] || . "$script" ;;
            *.sh) [ ! -x "$script" ] || "$script" ;;
        esac
    done
fi
exec "$@"
