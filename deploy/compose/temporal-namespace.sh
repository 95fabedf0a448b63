#!/bin/sh
# The namespace with 90 days of histories, and our search attributes. Needs only the Temporal CLI; repeating is harmless.
set -eu
namespace=${TEMPORAL_NAMESPACE:-default}

ask() { temporal --address "$TEMPORAL_ADDRESS" --command-timeout 20s "$@"; }

tries=0
until ask operator cluster health >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || { echo "Temporal at $TEMPORAL_ADDRESS does not become healthy; see: docker compose logs temporal" >&2; exit 1; }
    sleep 1
done

if ask operator namespace describe -n "$namespace" >/dev/null 2>&1; then
    ask operator namespace update -n "$namespace" --retention 2160h >/dev/null
else
    ask operator namespace create -n "$namespace" --retention 2160h >/dev/null
fi

# The server sees a new namespace only after some seconds.
tries=0
until ask operator search-attribute create -n "$namespace" \
    --name Service --type Keyword --name Node --type Keyword --name Tier --type Int \
    --name RunState --type Keyword --name Trigger --type Keyword --name PendingApproval --type Bool; do
    tries=$((tries + 1))
    [ "$tries" -lt 30 ] || exit 1
    sleep 1
done
echo "namespace $namespace is ready"
