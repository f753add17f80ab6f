#!/bin/sh
# Makes a store of UPLOADS uploads below DIRECTORY (removed at the end) and
# measures what it costs to live with; see million.c.
#
# usage: UPLOADS=1000000 DBM=sdbm DIRECTORY=/var/tmp BUILD=build \
#            sh test/bench/million.sh
# A million uploads take 16 GiB of disk (a state file has 12 KiB) and two
# million inodes.
set -eu
uploads=${UPLOADS:-100000} dbm=${DBM:-sdbm} build=${BUILD:-build}
dir=$(mktemp -d "${DIRECTORY:-/var/tmp}/million.XXXXXX")
trap 'rm -rf "$dir"' EXIT INT TERM
top=$(cd "$(dirname "$0")/../.." && pwd)
make="make -s -f $top/Makefile.apxs -C $top BUILD=$build"
# shellcheck disable=SC2046,SC2086
$(${make} print-CC) -O2 -I"$top/src" $(${make} print-APR_CPPFLAGS) \
    -o "$dir/million" "$top/test/bench/million.c" "$build/libcu.a" \
    $(${make} print-LIBS_OURS) $(${make} print-APR_LIBS) -pthread
echo "$uploads uploads, catalogue $dbm, in $dir"
"$dir/million" "$dir/state" "$uploads" "$dbm"
du -sh "$dir/state/state" "$dir/state/store" "$dir/state/catalogue"
