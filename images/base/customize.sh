#!/bin/sh
# mmdebstrap runs this once the packages are in; $1 is the root of the new system.
set -eu
root=$1

# pip, from the wheel that python3-venv brings.
wheel=$(cd "$root" && echo usr/share/python-wheels/pip-*.whl)
chroot "$root" python3 "/$wheel/pip" install --quiet --no-index --no-deps --root-user-action=ignore "/$wheel"
ln -s /usr/bin/python3 "$root/usr/local/bin/python"

# A container starts no services, and keeps no downloaded packages.
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
cat > "$root/etc/apt/apt.conf.d/docker-clean" <<'EOF'
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb || true"; };
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Acquire::Languages "none";
EOF
rm -rf "$root"/var/cache/debconf/*-old "$root"/var/log/*.log "$root"/var/log/apt "$root"/var/cache/apt/*.bin
