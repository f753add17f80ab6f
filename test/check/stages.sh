#!/bin/sh
# Runs the stages of `check` one after another, goes on after a failure
# (only a failed build ends it), and prints what came out.
#
# usage: stages.sh LOG-DIR BUILD-COMMAND TEST-COMMAND BUILD-STAGE STAGE...
set -u
logs=$1 build=$2 run=$3 first=$4
shift 4

mkdir -p "$logs"
rm -f "$logs"/*
failed=0
: >"$logs/table"

# stage COMMAND NAME: run it, note the outcome and the time
stage() {
    echo "== $2"
    from=$(date +%s)
    # shellcheck disable=SC2086
    { $1 "$2" 2>&1; echo $? >"$logs/$2.rc"; } | tee "$logs/$2.log"
    rc=$(cat "$logs/$2.rc")
    took=$(($(date +%s) - from))
    if [ "$rc" = 0 ]; then
        printf '  %-16s ok      %4d s\n' "$2" $took >>"$logs/table"
    else
        printf '  %-16s FAILED  %4d s  (%s)\n' "$2" $took "$logs/$2.log" \
            >>"$logs/table"
        failed=$((failed + 1))
    fi
    return "$rc"
}

start=$(date +%s)
if stage "$build" "$first"; then
    for name in "$@"; do
        stage "$run" "$name" || :
    done
else
    echo "the build failed: nothing else was run"
fi

echo
echo "== check: summary after $(($(date +%s) - start)) s"
cat "$logs/table"
for name in "$@"; do
    # node's own closing lines, once more where they are easily found
    [ -f "$logs/$name.log" ] || continue
    grep -E '^[^ ]+ (tests|pass|fail|skipped|todo) [0-9]+$' "$logs/$name.log" \
        >"$logs/node" || continue
    echo "  $name: $(sed 's/^[^ ]* //' "$logs/node" | tr '\n' ' ')"
done
if [ $failed -gt 0 ]; then
    echo "check: FAILED"
    exit 1
fi
echo "check: everything passed"
