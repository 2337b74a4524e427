#!/bin/sh
# Makes the passwords between our own services, once, and gives each service only its own.
# Runs as root in a container that has nothing but four volumes, before everything else:
#   mongo/   root-password, app-password     group 999, read by MongoDB's container
#   valkey/  valkey.conf, password           group 1000, read by Valkey's container
#   app/     mongo-url, valkey-url           group 10001, read by API, worker, maintenance
#   grafana/ password                        group 472, read by Grafana (--profile monitoring)
# A password that is there is kept; the two URLs are written anew at every start, because
# MONGO_URL or VALKEY_URL (a managed store) may have been set or taken away since.
# Files are root's and readable by one group: no capability but CHOWN is needed.
set -eu
umask 027

ROOT="${1:-/secrets}"
MONGO_GROUP="${MONGO_GROUP:-999}"
VALKEY_GROUP="${VALKEY_GROUP:-1000}"
APP_GROUP="${APP_GROUP:-10001}"
GRAFANA_GROUP="${GRAFANA_GROUP:-472}"

# write FILE GROUP: standard input becomes FILE, all of it or nothing.
write() {
    cat >"$1.new"
    chmod 0440 "$1.new"
    chgrp "$2" "$1.new"
    mv -f "$1.new" "$1"
}

# password FILE GROUP: 256 random bits in hex, safe in a URL and in a configuration file.
password() {
    if [ ! -s "$1" ]; then
        head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' | write "$1" "$2"
        echo "made $1"
    fi
}

password "$ROOT/mongo/root-password" "$MONGO_GROUP"
password "$ROOT/mongo/app-password" "$MONGO_GROUP"
password "$ROOT/valkey/password" "$VALKEY_GROUP"
password "$ROOT/grafana/password" "$GRAFANA_GROUP"

valkey_password="$(cat "$ROOT/valkey/password")"
mongo_password="$(cat "$ROOT/mongo/app-password")"

printf 'requirepass %s\n' "$valkey_password" | write "$ROOT/valkey/valkey.conf" "$VALKEY_GROUP"
printf '%s\n' "${VALKEY_URL:-redis://:${valkey_password}@valkey:6379}" | write "$ROOT/app/valkey-url" "$APP_GROUP"
printf '%s\n' \
    "${MONGO_URL:-mongodb://full_rag:${mongo_password}@mongo:27017/?authSource=admin&w=majority&journal=true}" |
    write "$ROOT/app/mongo-url" "$APP_GROUP"
echo "secrets are in place"
