#!/bin/sh
# Proves that dependencies point downwards only:
#   1. the include lines of every file under src/ against the table below;
#   2. the archive of the layers below httpd names no ap_ symbol, and exports
#      only names that begin with cu_;
#   3. the module exports its record and chunked_upload_* only, and the tool
#      and the archive want nothing of httpd.
#
# usage: layers.sh BUILD-DIR
set -u
b=$1
problems=0
problem() {
    echo "layers: $*" >&2
    problems=$((problems + 1))
}

sources=$(find src mod_chunked_upload.c -name '*.[ch]' -type f | sort)
if [ -z "$sources" ]; then
    echo "layers: no source found" >&2
    exit 1
fi
for layer in base parse digest store engine dialect serve httpd cli; do
    case $sources in
    *"src/$layer/"*) ;;
    *) problem "src/$layer: no source found" ;;
    esac
done

# One line per breach: file:line: what.  The table is in `allow`.
# shellcheck disable=SC2086
breaches=$(awk '
BEGIN {
    allow["base"] = "base"
    allow["parse"] = "base parse"
    allow["digest"] = "base digest"
    allow["store"] = "base store"
    allow["engine"] = "base digest store engine"
    allow["dialect"] = "base parse dialect"
    allow["serve"] = "base parse engine dialect serve"
    allow["httpd"] = "base parse digest store engine dialect serve httpd"
    allow["cli"] = "base digest store engine cli"
    shared_dialect = " dialect.h wire.h json.h "
}
function breach(what) { print FILENAME ":" FNR ": " what }
FNR == 1 {
    if (FILENAME == "mod_chunked_upload.c") layer = "httpd"
    else { split(FILENAME, p, "/"); layer = p[2] }
    base_name = FILENAME
    sub(/.*\//, "", base_name)
    stem = base_name
    sub(/\.[ch]$/, "", stem)
    if (!(layer in allow)) breach("a directory that has no layer")
}
/^[ \t]*#[ \t]*include[ \t]*"/ {
    n = $0
    sub(/^[^"]*"/, "", n)
    sub(/".*/, "", n)
    includes++
    if (n == "mod_chunked_upload.h") {
        if (layer != "httpd") breach("the public header is for httpd only")
        next
    }
    if (split(n, q, "/") != 2) {
        breach("\"" n "\": an include carries its directory")
        next
    }
    if (layer == "dialect" && n == "engine/upload.h") next
    if (index(" " allow[layer] " ", " " q[1] " ") == 0)
        breach(layer " must not include \"" n "\"")
    if (layer == "dialect" && q[1] == "dialect" && q[2] != stem ".h" &&
        index(shared_dialect, " " q[2] " ") == 0)
        breach("a dialect must not include another: \"" n "\"")
}
/^[ \t]*#[ \t]*include[ \t]*</ {
    n = $0
    sub(/^[^<]*</, "", n)
    sub(/>.*/, "", n)
    includes++
    if (layer != "httpd" &&
        n ~ /^(httpd|http_.*|ap_.*|util_.*|mod_.*|mpm_.*|scoreboard|unixd)\.h$/)
        breach(layer " must not include <" n ">")
    if (layer != "digest" && n ~ /^openssl\//)
        breach("only digest includes <" n ">")
    if (n ~ /^jansson/ && layer !~ /^(dialect|httpd|cli)$/)
        breach(layer " must not include <" n ">")
    if (layer == "parse" && n ~ /^(apr_pools|apr_file.*|apr_strings|fcntl|unistd|sys\/.*)\.h$/)
        breach("parse has no pools and does no I/O: <" n ">")
}
END { if (includes < 20) print "only " includes + 0 " include lines found" }
' $sources)
if [ -n "$breaches" ]; then
    echo "$breaches" | while read -r line; do
        echo "layers: $line" >&2
    done
    problems=$((problems + 1))
fi

# Symbols; macOS puts an underscore before each.
undefined() {
    nm -u "$1" 2>/dev/null | awk 'NF { print $NF }' | sed 's/^_//' | sort -u
}
archive=$b/libcu.a
names=$(undefined "$archive")
case $names in
*apr_*) ;;
*) problem "$archive: cannot be read, or uses no APR at all" ;;
esac
for name in $(echo "$names" | grep '^ap_'); do
    problem "$archive wants httpd's $name"
done
for name in $(nm -g --defined-only "$archive" 2>/dev/null |
    awk 'NF == 3 { print $3 }' | sed 's/^_//' |
    grep -v -E '^(cu_|_*(asan|ubsan|odr_asan))' | sort -u); do
    problem "$archive: $name has no cu_ prefix"
done
for name in $(undefined "$b/chunked-upload-ctl" | grep '^ap_'); do
    problem "chunked-upload-ctl wants httpd's $name"
done
[ -x "$b/chunked-upload-ctl" ] || problem "$b/chunked-upload-ctl is missing"

module=$b/mod_chunked_upload.so
exports=$(nm -D --defined-only "$module" 2>/dev/null | awk '{ print $NF }')
case " $(echo "$exports" | tr '\n' ' ') " in
*" chunked_upload_module "*) ;;
*) problem "$module does not export chunked_upload_module" ;;
esac
for name in $(echo "$exports" | grep -v '^chunked_upload_'); do
    problem "$module exports $name"
done
# A shared object links with names missing; httpd would find out too late.
for name in $(undefined "$module" | grep '^cu_'); do
    problem "$module lacks $name"
done

if [ $problems -gt 0 ]; then
    exit 1
fi
echo "ok   layers: $(echo "$sources" | wc -l) files," \
    "$(echo "$exports" | wc -l) exported symbol(s)"
