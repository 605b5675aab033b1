#!/bin/bash
# Run COMMAND on the Docker engine of another Debian release, without a network: tests/soak/other_engine.sh trixie BUNDLE COMMAND…
# BUNDLE brings the images (servicelab bundle save). Linux, as root, with mmdebstrap; in the activated environment.
# The engine has a root file system, a mount and a network namespace of its own. A chroot will not do: runc's `exec` leaves it.
set -euo pipefail
suite=$1 bundle=$(realpath "$2")
shift 2

if [ -z "${INSIDE:-}" ]; then
    root=$(mktemp -d /tmp/engine-XXXX)  # a short path: a socket is deep in it
    trap 'rm -rf --one-file-system "$root"' EXIT
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    mirror=$(python -c "import sys; from servicelab.images.recipes import debian_mirror; print(debian_mirror(sys.argv[1]))" "$codename")
    mmdebstrap --quiet --variant=minbase --include=docker.io,iptables,ca-certificates "$suite" "$root" $mirror
    INSIDE=$root unshare --net --mount "$0" "$suite" "$bundle" "$@"
    exit
fi

ip link set lo up
mkdir -p "$INSIDE/old" "$INSIDE/run/engine"
unshare --mount bash -euc '
    mount --make-rprivate /
    mount --bind "$0" "$0"
    mount -t proc proc "$0/proc"; mount --rbind /sys "$0/sys"; mount --rbind /dev "$0/dev"
    cd "$0"; pivot_root . old; cd /; umount -l /old
    exec dockerd --host unix:///run/engine/docker.sock --pidfile /run/engine/pid --exec-root /run/engine/exec
' "$INSIDE" >"$INSIDE/dockerd.log" 2>&1 &
engine=$!
trap 'kill $engine; wait $engine || true' EXIT
export DOCKER_HOST=unix://$INSIDE/run/engine/docker.sock
until docker version --format '{{.Server.Version}}' 2>/dev/null; do
    kill -0 $engine || { cat "$INSIDE/dockerd.log"; exit 1; }
    sleep 0.2
done
servicelab bundle load "$bundle"
"$@"
