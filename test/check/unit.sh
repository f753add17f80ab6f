#!/bin/sh
# Runs test programs, one line each; what a failing one printed is shown.
#
# usage: unit.sh LOG-DIR WRAPPER PROGRAM...
set -u
logs=$1 wrapper=$2
shift 2
if [ $# = 0 ]; then
    echo "unit.sh: no test program" >&2
    exit 1
fi
mkdir -p "$logs"
total=0
for program in "$@"; do
    name=$(basename "$program")
    log=$logs/$name.log
    # shellcheck disable=SC2086
    $wrapper "$program" >"$log" 2>&1 </dev/null
    rc=$?
    count=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$log" |
        awk '{ n += $1 } END { print n + 0 }')
    if [ $rc != 0 ]; then
        cat "$log"
        echo "FAILED $name (exit $rc)"
        exit 1
    fi
    if [ "$count" = 0 ]; then
        cat "$log"
        echo "FAILED $name: it ran no test"
        exit 1
    fi
    # Under valgrind and the sanitizers a complaint is a failure.
    if grep -qE '^==[0-9]+==|runtime error:' "$log"; then
        cat "$log"
        echo "FAILED $name: see the report above"
        exit 1
    fi
    printf 'ok   %-28s %4d tests\n' "$name" "$count"
    sed -n 's/^figures: /     /p' "$log"
    total=$((total + count))
done
echo "$total tests in $# programs passed"
