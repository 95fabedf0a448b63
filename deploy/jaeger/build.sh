#!/bin/sh
# Build Jaeger 1.76.0 (all in one, memory storage) for the test that asks a real Jaeger for our traces.
# It is built inside its own module, so that its own go.sum pins what it is made of; SUM pins the module itself.
# usage: build.sh FILE (absolute)        about 3 minutes the first time
set -eu
module=github.com/jaegertracing/jaeger@v1.76.0
sum=h1:sWCOOF1dr+NL0PLil7mFo3BqqQL8k4WiM7aguFbc14g=
target=$1
cd / # outside any module
found=$(go mod download -json "$module")
field() { printf '%s\n' "$found" | sed -n "s/^[[:space:]]*\"$1\": \"\(.*\)\",\{0,1\}$/\1/p"; }
[ "$(field Sum)" = "$sum" ] || { echo "the module $module is not the one that was pinned: $(field Sum)" >&2; exit 1; }
CGO_ENABLED=0 go build -C "$(field Dir)" -v -mod=readonly -trimpath -ldflags "-s -w" -o "$target.$$" ./cmd/jaeger ||
    { rm -f "$target.$$"; exit 1; }
mv "$target.$$" "$target"
