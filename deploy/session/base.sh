#!/bin/sh
# Makes debian:bookworm-slim in the local Docker engine: pulled where a registry answers, else by debootstrap (about
# 50 s, as root, from any Debian mirror). The result is kept as a tar in CACHE, so that it is made once per machine.
#
#   CACHE=folder  DEBIAN_MIRROR=url  deploy/session/base.sh
set -eu

IMAGE=debian:bookworm-slim
CACHE=${CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/tiercel}
TAR=$CACHE/debian-bookworm-slim.tar

say() { printf '%s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }
import() { docker import --change 'CMD ["bash"]' "$TAR" "$IMAGE" >/dev/null; }

if docker image inspect "$IMAGE" >/dev/null 2>&1; then
    say "$IMAGE is there"
    exit 0
fi
if [ -f "$TAR" ]; then
    say "importing $IMAGE from the cache"
    import
    exit 0
fi
say "pulling $IMAGE"
if timeout 120 docker pull --quiet "$IMAGE" >/dev/null 2>&1; then
    exit 0
fi

command -v debootstrap >/dev/null || fail "No registry answers and debootstrap is missing: apt install debootstrap, or load $IMAGE yourself (docker load)."
[ "$(id -u)" = 0 ] || fail "No registry answers, and debootstrap needs root: run this script once as root, or load $IMAGE yourself (docker load)."

mkdir -p "$CACHE"
root=$(mktemp -d "$CACHE/debootstrap.XXXXXX")
trap 'rm -rf "$root" "$TAR.new"' EXIT
say "no registry answers: making $IMAGE with debootstrap"
# shellcheck disable=SC2086  # an empty mirror must be no argument, so that debootstrap takes its own
debootstrap --variant=minbase bookworm "$root" ${DEBIAN_MIRROR:-} >"$CACHE/debootstrap.log" 2>&1 ||
    fail "debootstrap failed: $(tail -n 3 "$CACHE/debootstrap.log")"

# What the official slim image has and debootstrap does not: without it, every later package costs many times its size.
cat >"$root/etc/apt/apt.conf.d/slim" <<'END'
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb || true"; };
APT::Install-Recommends "false";
Acquire::Languages "none";
END
cat >"$root/etc/dpkg/dpkg.cfg.d/slim" <<'END'
path-exclude /usr/share/doc/*
path-exclude /usr/share/info/*
path-exclude /usr/share/man/*
path-exclude /usr/share/locale/*
END
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
# Companies that re-sign TLS: `apt-get install ca-certificates` in a Dockerfile then trusts what this machine trusts.
mkdir -p "$root/usr/local/share/ca-certificates"
cp /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/" 2>/dev/null || true
rm -rf "$root"/usr/share/doc/* "$root"/usr/share/info/* "$root"/usr/share/man/* "$root"/usr/share/locale/* \
    "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* \
    "$root/etc/resolv.conf" "$root/etc/hostname"

tar -C "$root" --numeric-owner -cf "$TAR.new" .
mv "$TAR.new" "$TAR"
import
say "made $IMAGE"
