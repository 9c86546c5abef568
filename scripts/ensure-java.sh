#!/bin/sh
# Make sure there is a Java: the slow tests start a Selenium Grid of their own on loopback.
# Elsewhere than on Debian as root they skip, and say so.
set -eu

if command -v java >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" != 0 ]; then
    exit 0
fi
if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq default-jre-headless; } >/dev/null; then
    echo "Java can't be installed: the tests that need Selenium Grid will skip" >&2
fi
