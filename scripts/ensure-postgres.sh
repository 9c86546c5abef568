#!/bin/sh
# Make sure there is a PostgreSQL server program: the slow tests start one of their own on loopback.
# Elsewhere than on Debian as root they skip, and say so.
set -eu

for program in /usr/lib/postgresql/*/bin/initdb; do
    if [ -x "$program" ]; then
        exit 0
    fi
done
if command -v initdb >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1 || [ "$(id -u)" != 0 ]; then
    exit 0
fi
# No cluster of Debian's own: nothing is started, no port is taken.
mkdir -p /etc/postgresql-common
[ -e /etc/postgresql-common/createcluster.conf ] ||
    echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql; } >/dev/null; then
    echo "PostgreSQL can't be installed: the tests that need it will skip" >&2
fi
