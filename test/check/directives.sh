#!/bin/sh
# The command table, the reference and the shipped configuration name the same
# directives, and each has a section of its own in the reference.
set -u
table=src/httpd/directives.c
docs=README.md
conf=conf/chunked_upload.conf
problems=0
for file in $table $docs $conf; do
    if [ ! -s $file ]; then
        echo "directives: $file is missing" >&2
        exit 1
    fi
done
word='ChunkedUpload[A-Z][A-Za-z]*'
in_table=$(grep -o "\"$word\"" $table | tr -d '"' | sort -u)
in_docs=$(grep -o "$word" $docs | sort -u)
titles=$(grep '^#' $docs | grep -o "$word" | sort -u)
in_conf=$(grep -o "$word" $conf | sort -u)
if [ -z "$in_table" ]; then
    echo "directives: no directive found in $table" >&2
    exit 1
fi

# lacks LIST NAME
lacks() {
    ! echo "$1" | grep -q -x "$2"
}
problem() {
    echo "directives: $*" >&2
    problems=$((problems + 1))
}
for name in $in_table; do
    ! lacks "$titles" "$name" || problem "$docs has no section on $name"
    ! lacks "$in_conf" "$name" || problem "$conf does not show $name"
done
for name in $in_docs; do
    ! lacks "$in_table" "$name" || problem "$docs: $name does not exist"
done
for name in $in_conf; do
    ! lacks "$in_table" "$name" || problem "$conf: $name does not exist"
done
[ $problems = 0 ] || exit 1
echo "ok   directives: $(echo "$in_table" | wc -l) in the table," \
    "the reference and the configuration"
