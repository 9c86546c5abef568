#!/bin/sh
# Make sure there is a Chromium or Chrome with its driver; Selenium Manager finds a driver for an
# installed Chrome by itself, so only the browser has to be there outside Debian.
set -eu

for browser in chromium chromium-browser google-chrome google-chrome-stable chrome; do
    if command -v "$browser" >/dev/null 2>&1; then
        exit 0
    fi
done
for browser in "/Applications/Google Chrome.app" "/Applications/Chromium.app"; do
    if [ -e "$browser" ]; then
        exit 0
    fi
done

if command -v apt-get >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ]; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium chromium-driver >/dev/null
        exit 0
    fi
    echo "No Chromium or Chrome was found. Install one with:" >&2
    echo "  sudo apt-get update && sudo apt-get install -y chromium chromium-driver" >&2
elif command -v brew >/dev/null 2>&1; then
    echo "No Chromium or Chrome was found. Install one with:  brew install --cask google-chrome" >&2
else
    echo "No Chromium or Chrome was found. Install Google Chrome or Chromium with your system's package manager." >&2
fi
exit 1
