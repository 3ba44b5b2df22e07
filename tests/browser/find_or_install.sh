#!/bin/sh
# Finds a Chromium-family browser for the browser tests, or installs Debian's with apt, or says how to get one.
set -eu

for name in chromium chromium-browser google-chrome google-chrome-stable microsoft-edge brave-browser; do
  if command -v "$name" >/dev/null 2>&1; then
    exit 0
  fi
done
for path in "/Applications/Google Chrome.app" "/Applications/Chromium.app" "/Applications/Microsoft Edge.app"; do
  [ -d "$path" ] && exit 0
done

if command -v apt-get >/dev/null 2>&1; then
  as_root=""
  if [ "$(id -u)" != 0 ]; then
    as_root="sudo -n"
    sudo -n true 2>/dev/null || as_root="none"
  fi
  if [ "$as_root" != "none" ]; then
    echo "==> Installing Chromium for the browser tests with apt (once; a few minutes)"
    $as_root apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends chromium >/dev/null
    exit 0
  fi
fi

echo "The browser tests need a Chromium-family browser, and none was found." >&2
echo "Install one (Debian, Ubuntu: sudo apt-get install chromium; macOS: Google Chrome), then run make test again." >&2
exit 1
