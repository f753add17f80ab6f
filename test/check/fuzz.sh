#!/bin/sh
# Replays the fuzz corpora, or lets libFuzzer look for more.
#
# usage: fuzz.sh replay BIN-DIR SOURCE...
#        fuzz.sh run BIN-DIR SECONDS SOURCE...
#
# The corpus of test/fuzz/fuzz_NAME.c is test/fuzz/corpus/NAME; an empty one
# is a failure.  New finds of `run` stay in build/fuzz/corpus/NAME.
set -u
mode=$1 bin=$2
shift 2
seconds=0
if [ "$mode" = run ]; then
    seconds=$1
    shift
fi
if [ $# = 0 ]; then
    echo "fuzz.sh: no test/fuzz/fuzz_*.c" >&2
    exit 1
fi
export UBSAN_OPTIONS=print_stacktrace=1
each=$((seconds / $#))
[ $each -gt 0 ] || each=1
for source in "$@"; do
    target=$(basename "$source" .c)
    name=${target#fuzz_}
    corpus=test/fuzz/corpus/$name
    files=$(find "$corpus" -type f 2>/dev/null | wc -l)
    if [ "$files" -eq 0 ]; then
        echo "FAILED $target: $corpus is missing or empty" >&2
        exit 1
    fi
    if [ "$mode" = replay ]; then
        # A path that holds blanks is not one of ours.
        # shellcheck disable=SC2046
        "$bin/$target" $(find "$corpus" -type f | sort) \
            >"$bin/$target.log" 2>&1 || {
            cat "$bin/$target.log"
            echo "FAILED $target"
            exit 1
        }
        printf 'ok   %-28s %4d inputs\n' "$target" "$files"
        continue
    fi
    found=$bin/corpus/$name
    mkdir -p "$found"
    dict=test/fuzz/dict/$name.dict
    echo "== $target: $each s"
    set -- -max_total_time=$each -print_final_stats=1 \
        -artifact_prefix="$found/" "$found" "$corpus"
    [ ! -f "$dict" ] || set -- -dict="$dict" "$@"
    "$bin/$target" "$@" >"$bin/$target.log" 2>&1 || {
        tail -n 60 "$bin/$target.log"
        echo "FAILED $target: the input is in $found"
        exit 1
    }
    grep -E '^(stat::|Done)' "$bin/$target.log"
done
