#!/bin/sh
# Installs the OpenID provider that the tests log in at. $1 is a Python with pip.
set -eu
python="$(cd "$(dirname "$1")" && pwd)/$(basename "$1")"
cd "$(dirname "$0")"
tests="$(dirname "$PWD")"
. ../node.sh
install_packages "the OpenID provider" oidc-provider
