#!/bin/sh
# Build the plain Temporal server 1.32.0 from the module pinned in go.mod and go.sum. Tests that move the clock use it:
# unlike the development server of the CLI it can skip time for one workflow.
# usage: build.sh FILE (absolute)        about 4 minutes the first time
set -eu
target=$1
cd "$(dirname "$0")"
CGO_ENABLED=0 go build -v -mod=readonly -trimpath -ldflags "-s -w" \
    -o "$target.$$" go.temporal.io/server/cmd/server || { rm -f "$target.$$"; exit 1; }
mv "$target.$$" "$target"
