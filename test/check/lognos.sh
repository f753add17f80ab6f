#!/bin/sh
# Log numbers: CULOGNO(nnnn), four digits, used once, in the layer's range:
#   base, parse, digest, store, engine  0001-0099
#   dialect, serve                      0100-0149
#   httpd and the main file             0150-0249
#   cli                                 0250-0299
# and docs/logs.md has a row for each, and for no other.
set -u
files=$(find src mod_chunked_upload.c -name '*.[ch]' ! -path src/base/log.h \
    -type f | sort)
# shellcheck disable=SC2086
uses=$(grep -n -o 'CULOGNO([^)]*)' /dev/null $files)
if [ -z "$uses" ]; then
    echo "lognos: no CULOGNO found" >&2
    exit 1
fi
echo "$uses" | awk -F: '
function bad(what) { print "lognos: " $1 ":" $2 ": " what; problems++ }
{
    number = $3
    gsub(/CULOGNO\(|\)/, "", number)
    if (number !~ /^[0-9][0-9][0-9][0-9]$/) {
        bad($3 " is not CULOGNO(four digits)")
        next
    }
    if (number in seen) bad($3 " is used already at " seen[number])
    seen[number] = $1 ":" $2
    low = 1; high = 99
    if ($1 ~ /^src\/(dialect|serve)\//) { low = 100; high = 149 }
    if ($1 ~ /^src\/httpd\// || $1 ~ /^mod_/) { low = 150; high = 249 }
    if ($1 ~ /^src\/cli\//) { low = 250; high = 299 }
    if (number + 0 < low || number + 0 > high)
        bad($3 " is outside " low "-" high)
    count++
}
END {
    if (problems) exit 1
}' || exit 1

docs=docs/logs.md
in_code=$(echo "$uses" | sed 's/.*CULOGNO(\([0-9]*\)).*/CU\1/' | sort -u)
in_docs=$(sed -n 's/^| \(CU[0-9]*\) |.*/\1/p' $docs | sort)
problems=0
for number in $(printf '%s\n' "$in_docs" | uniq -d); do
    echo "lognos: $docs has $number twice" >&2
    problems=1
done
for number in $in_code; do
    echo "$in_docs" | grep -q -x "$number" || {
        echo "lognos: $docs lacks $number" >&2
        problems=1
    }
done
for number in $in_docs; do
    echo "$in_code" | grep -q -x "$number" || {
        echo "lognos: $docs: no code says $number" >&2
        problems=1
    }
done
[ $problems = 0 ] || exit 1
echo "ok   lognos: $(echo "$in_code" | wc -l) numbers, each in $docs"
