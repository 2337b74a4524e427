#!/bin/sh
# Once, when the dev container is made: a .env to fill in, read by every new shell, so that a
# worker typed by hand knows the model's key as ./run.sh does.
set -eu

if [ ! -e .env ]; then
    cp .env.example .env
    chmod 600 .env
    echo "made .env: put your OPENAI_API_KEY there, or leave it and the local reader answers"
fi
line='if [ -r /srv/full-rag/.env ]; then set -a; . /srv/full-rag/.env; set +a; fi'
grep -qxF "$line" "$HOME/.bashrc" || printf '%s\n' "$line" >>"$HOME/.bashrc"
