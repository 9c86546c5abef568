#!/bin/sh
# scripts/test-installed.sh PYTHON [pytest's arguments]: test the packages that PYTHON has installed.
# It runs in an empty folder, so that nothing of this checkout can be imported but the tests.
# TESTS: files and folders to test, relative to the checkout; by default all tests.
set -eu

checkout=$(cd "$(dirname "$0")/.." && pwd)
python=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
shift
for test in ${TESTS:-tests}; do
    set -- "$@" "$checkout/$test"
done
elsewhere=$(mktemp -d)
trap 'rm -rf "$elsewhere"' EXIT
cd "$elsewhere"
unset PYTHONPATH
export PYTHONSAFEPATH=1 BODYSHOP_TEST_INSTALLED=1 COVERAGE_FILE="$checkout/.coverage"
"$python" -m pytest -c "$checkout/pyproject.toml" --rootdir "$checkout" "$@"
