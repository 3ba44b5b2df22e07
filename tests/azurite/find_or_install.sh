#!/bin/sh
# Installs Azurite, Microsoft's own emulator of a storage account, for the tests and for `make run STORAGE=azurite`. $1 is a
# Python with pip.
set -eu
python="$(cd "$(dirname "$1")" && pwd)/$(basename "$1")"
cd "$(dirname "$0")"
tests="$(dirname "$PWD")"
. ../node.sh
install_packages "the storage account" azurite
