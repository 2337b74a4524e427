#!/bin/sh
# Starts RQ's stock worker pool. RQ reads its address from RQ_REDIS_URL only, ours may lie in a
# secret file: this hands it on without showing it on a command line.
set -eu

if [ -n "${VALKEY_URL_FILE:-}" ]; then
    VALKEY_URL="$(cat "$VALKEY_URL_FILE")"
fi
: "${VALKEY_URL:=redis://valkey:6379}"
case "$VALKEY_URL" in
    valkey://*) VALKEY_URL="redis://${VALKEY_URL#valkey://}" ;;
    valkeys://*) VALKEY_URL="rediss://${VALKEY_URL#valkeys://}" ;;
esac
export RQ_REDIS_URL="$VALKEY_URL"

exec rq worker-pool --num-workers "${WORKERS:-2}" default
