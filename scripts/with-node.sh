#!/bin/sh
# Runs a script of this folder under the pinned Node, installing the npm packages first where they are missing or stale.
set -eu
cd "$(dirname "$0")/.."
stamp=node_modules/.varve-lock
if [ ! -x node_modules/.bin/node ] || ! cmp -s package-lock.json "$stamp"; then
  npm install --no-save --no-fund --no-audit --loglevel=error
  cp package-lock.json "$stamp"
fi
PATH="$PWD/node_modules/.bin:$PATH"
export PATH
exec node "$@"
