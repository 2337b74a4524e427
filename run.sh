#!/usr/bin/env bash
# Full-RAG in one command: finds a Python, hands over to app/launch, which does the rest.
set -euo pipefail

root="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)"

usage() {
  cat <<'TEXT'
Usage: ./run.sh [COMMAND]

  (nothing)        run the service on port 8001: API, workers, maintenance, and the stores they need
  demo [FILE]      the same on a free port and with data of its own: upload FILE (default: a resume
                   from examples/), show the progress, print the result, stop
  cli COMMAND...   the command line: analyze FILE, watch ID, doctor, keys, ... (cli --help shows all)
  test [ARGS...]   install what the tests need and run them all (ARGS go to pytest)
  bench [ARGS...]  the benchmark suite
  chaos [ARGS...]  the fault-injection run

Everything is installed into .venv and kept under .data, both in this folder. Settings come from the
environment or from .env (see .env.example): OPENAI_API_KEY, PORT, WORKERS, MONGO_URL, VALKEY_URL, ...
TEXT
}

# Whether the environment or .env gives a setting a value.
is_set() {
  [ -n "${!1:-}" ] || grep -Eqs "^[[:space:]]*(export[[:space:]]+)?$1=[^[:space:]]" "$root/.env"
}

fits() {
  "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, int(sys.argv[1])))' "$newest" \
    >/dev/null 2>&1
}

# The embedded MongoDB-compatible store exists for Python 3.11 to 3.13; with MONGO_URL newer ones will do.
find_python() {
  local candidate
  for candidate in "$root/.venv/bin/python" python3 python3.13 python3.12 python3.11; do
    if fits "$candidate"; then
      python="$candidate"
      return
    fi
  done
  if command -v uv >/dev/null 2>&1; then
    echo "No Python 3.11 to 3.13 on the PATH: asking uv for one."
    rm -rf -- "$root/.venv"
    if uv venv --quiet --seed --python '>=3.11,<3.14' "$root/.venv"; then
      python="$root/.venv/bin/python"
      return
    fi
  fi
  cat >&2 <<'TEXT'
Full-RAG needs Python 3.11, 3.12 or 3.13, and found neither it nor uv on the PATH. Install one of them
(Debian, Ubuntu: apt-get install python3 python3-venv), or, with a newer Python, set MONGO_URL to a
MongoDB server of your own: only the embedded store is bound to these versions.
TEXT
  exit 1
}

case "${1:-run}" in
  -h | --help | help)
    usage
    exit 0
    ;;
  run)
    level=embedded
    if is_set MONGO_URL && is_set VALKEY_URL; then level=runtime; fi
    ;;
  demo) level=embedded ;;
  cli) level=runtime ;;
  test | bench | chaos) level=dev ;;
  *)
    echo "run.sh: unknown command '$1'" >&2
    usage >&2
    exit 2
    ;;
esac

newest=13
if is_set MONGO_URL; then newest=99; fi
find_python

# The program's folder and nothing else on the module path: app/queue must never shadow Python's queue.
unset PYTHONHOME
export PYTHONPATH="$root" PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1
exec "$python" -m app.launch.bootstrap "$level" "$@"
