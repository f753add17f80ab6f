#!/bin/sh
# What `make -f Makefile.apxs install` does; run by it, with these variables:
# DESTDIR INSTALL MODULE TOOL libexecdir sysconfdir sbindir docdir mandir.
#
# The module goes where apxs says, the tool into sbindir, documentation and
# examples into docdir.  Where Debian's mods-available exists, a2enmod is given
# chunked_upload.load and .conf (and a second name for them, see below); a .conf
# that differs is never overwritten.
set -eu
DESTDIR=${DESTDIR:-}
INSTALL=${INSTALL:-install}
here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")

put() { # MODE DIRECTORY FILE...
    mode=$1 dir=$DESTDIR$2
    shift 2
    $INSTALL -d -m 755 "$dir"
    for file in "$@"; do
        [ -f "$file" ] || continue
        $INSTALL -m "$mode" "$file" "$dir/"
        echo "installed $dir/$(basename "$file")"
    done
}

[ -n "$libexecdir" ] || { echo "apxs tells no LIBEXECDIR" >&2; exit 1; }
put 644 "$libexecdir" "$MODULE"
put 755 "$sbindir" "$TOOL"
put 644 "${mandir:-/usr/local/share/man}/man8" "$top"/docs/*.8
put 644 "$docdir" "$top/README.md" "$top/LICENSE" "$top"/docs/*.md
put 644 "$docdir/examples" "$here"/*.conf "$here"/example.htaccess

mods=$sysconfdir/mods-available
if [ ! -d "$DESTDIR$mods" ] && [ ! -d "$mods" ]; then
    echo "load it with:"
    echo "  LoadModule chunked_upload_module" \
        "$libexecdir/$(basename "$MODULE")"
    exit 0
fi

$INSTALL -d -m 755 "$DESTDIR$mods"
load=$DESTDIR$mods/chunked_upload.load
sed "s|[^ ]*/mod_chunked_upload.so|$libexecdir/mod_chunked_upload.so|" \
    "$here/chunked_upload.load" >"$load.tmp"
chmod 644 "$load.tmp"
mv -f "$load.tmp" "$load"
echo "installed $load"

ours=$here/chunked_upload.conf
theirs=$DESTDIR$mods/chunked_upload.conf
if [ ! -f "$ours" ]; then
    :
elif [ ! -f "$theirs" ] || cmp -s "$ours" "$theirs"; then
    $INSTALL -m 644 "$ours" "$theirs"
    echo "installed $theirs"
    rm -f "$theirs.new"
else
    $INSTALL -m 644 "$ours" "$theirs.new"
    echo "kept $theirs, which differs from ours: ours is $theirs.new"
fi

# a2enmod takes the suffix ".load" off its argument by a pattern whose dot is
# any character: of "chunked_upload" it leaves "chunked_u", and looks for that.
for suffix in load conf; do
    ln -sf "chunked_upload.$suffix" "$DESTDIR$mods/chunked_u.$suffix"
done
echo "enable it with:  a2enmod chunked_upload  and reload apache2"
