#!/usr/bin/env bash
# The README's installation, followed on a machine where nothing was before: a
# fresh Debian made by debootstrap, Debian's own apache2, and one folder below
# /var/www that becomes an endpoint by its .htaccess alone.  What is written into
# files is taken from README.md: the .htaccess and the AllowOverride line.
#
# usage: install.test.sh       as root; needs debootstrap, unshare, a network
#   SUITE=bookworm  MIRROR=... (default: this machine's own)
#   KEEP=1          leave the new root where it is
set -eu
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(dirname "$(dirname "$here")")
suite=${SUITE:-bookworm}

say() { printf '%s\n' "--- $*"; }
die() {
    printf 'install.test: %s\n' "$*" >&2
    exit 1
}

[ "$(id -u)" = 0 ] || die "debootstrap and chroot need root"
for tool in debootstrap unshare chroot curl tar; do
    PATH=$PATH:/usr/sbin:/sbin command -v $tool >/dev/null ||
        die "$tool is not installed"
done
PATH=$PATH:/usr/sbin:/sbin
# In namespaces of its own nothing stays mounted or running afterwards.
if [ -z "${CU_INSTALL_INSIDE:-}" ]; then
    CU_INSTALL_INSIDE=1 exec unshare --mount --pid --fork --kill-child \
        bash "${BASH_SOURCE[0]}" "$@"
fi

# ------------------------------------------------------------ a new machine

mirror_of_this_machine() {
    local found
    found=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list \
        2>/dev/null | sed -n 's|^deb  *\(\[[^]]*\]  *\)\{0,1\}\(https*://[^ ]*debian/*\) .*|\2|p' |
        head -n 1)
    [ -n "$found" ] || found=$(cat /etc/apt/sources.list.d/*.sources \
        2>/dev/null | sed -n 's|^URIs: *\(https*://[^ ]*debian/*\) *$|\1|p' |
        head -n 1)
    echo "${found:-http://deb.debian.org/debian}"
}

root=$(mktemp -d "${TMPDIR:-/tmp}/chunked-upload-install.XXXXXX")
chmod 755 "$root"
cleanup() {
    umount "$root/proc" 2>/dev/null || :
    if [ -n "${KEEP:-}" ]; then
        say "kept $root"
    else
        rm -rf --one-file-system "$root"
    fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM

in_root() {
    chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive \
        ${http_proxy:+http_proxy="$http_proxy"} "$@"
}

mirror=${MIRROR:-$(mirror_of_this_machine)}
say "debootstrap $suite from $mirror"
debootstrap --variant=minbase "$suite" "$root" "$mirror" \
    >"$root.log" 2>&1 || {
    tail -n 20 "$root.log" >&2
    die "debootstrap failed"
}
rm -f "$root.log"
mount -t proc proc "$root/proc"
[ ! -e /etc/resolv.conf ] || cp -L /etc/resolv.conf "$root/etc/resolv.conf"
# Nothing starts by itself in here.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"

say "the source, as a clone would have it"
mkdir "$root/root/mod_chunked_upload"
if git -C "$top" rev-parse HEAD >/dev/null 2>&1; then
    git -C "$top" ls-files -z --cached --others --exclude-standard |
        (cd "$top" && while IFS= read -r -d '' f; do
            [ ! -e "$f" ] || printf '%s\0' "$f"
        done | tar -c --null -T -)
else
    tar -C "$top" -c --exclude=./build --exclude=node_modules .
fi | tar -C "$root/root/mod_chunked_upload" -x --no-same-owner
step() {
    say "$*"
    in_root sh -c "cd /root/mod_chunked_upload && $*" >"$root/step.log" 2>&1 ||
        {
            tail -n 40 "$root/step.log" >&2
            die "failed: $*"
        }
}

# ------------------------------------------------------------ what README says

# The first .htaccess of the README, without its indentation.
htaccess=$(awk '/^ *SetHandler chunked-upload *$/ { on = 1 }
    on && !/^ *[A-Z][A-Za-z]+ / { exit }
    on { sub(/^ +/, ""); print }' "$top/README.md")
# The lines for the site's configuration.
allow=$(awk '/^ *<Directory \/var\/www>/ { on = 1 } on { sub(/^    /, ""); print }
    on && /<\/Directory>/ { exit }' "$top/README.md")
[ -n "$htaccess" ] || die "README.md shows no .htaccess"
case $allow in
*AllowOverride*) ;;
*) die "README.md shows no AllowOverride line for the site" ;;
esac

step "sh .ci/deps.sh build"
step "apt-get -q install -y --no-install-recommends apache2 curl"
step "make -f Makefile.apxs install"

port=$(python3 -c 'import socket; s = socket.socket()
s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])' 2>/dev/null) ||
    port=$((20000 + $$ % 20000))
say "apache2 of the package starts as it is, on port $port"
sed -i "s/^Listen 80\$/Listen 127.0.0.1:$port/" "$root/etc/apache2/ports.conf"
sed -i "s/\*:80>/*:$port>/" "$root/etc/apache2/sites-available/000-default.conf"
echo "ServerName localhost" >"$root/etc/apache2/conf-enabled/name.conf"
base=http://127.0.0.1:$port
log=$root/var/log/apache2/error.log
fail() {
    tail -n 20 "$log" >&2 2>/dev/null || :
    die "$*"
}
step "apache2ctl start"
for _ in $(seq 100); do
    curl -fs -o /dev/null "$base/" && break
    sleep 0.1
done
curl -fs -o /dev/null "$base/" || fail "the packaged apache2 does not answer"

say "a fresh folder with this .htaccess:"
printf '%s\n' "$htaccess" | sed 's/^/    /'
mkdir -p "$root/var/www/html/up"
printf '%s\n' "$htaccess" >"$root/var/www/html/up/.htaccess"
echo 'a page' >"$root/var/www/html/other.html"

say "the administrator's lines in the site's configuration:"
printf '%s\n' "$allow" | sed 's/^/    /'
printf '%s\n' "$allow" >"$root/allow"
sed -i "/DocumentRoot/r $root/allow" \
    "$root/etc/apache2/sites-available/000-default.conf"
step "a2enmod chunked_upload"
step "apache2ctl configtest"
grep -q 'Syntax OK' "$root/step.log" || fail "$(cat "$root/step.log")"
step "apache2ctl graceful"

# ------------------------------------------------------------ an upload

work=$root/tmp/client
mkdir "$work"
head -c 5000000 /dev/urandom >"$work/file"
split -b 2000000 -d "$work/file" "$work/chunk."
json() { sed "s/.*\"$1\": \"\{0,1\}\([^\",}]*\).*/\1/"; }

say "an upload in three chunks to $base/up/"
# The old children may still answer for an instant after the reload.
for _ in $(seq 50); do
    code=$(curl -s -o "$work/answer" -w '%{http_code}' -X OPTIONS "$base/up/")
    grep -qi allow <(curl -s -D - -o /dev/null -X OPTIONS "$base/up/") &&
        [ "$code" = 200 ] && break
    sleep 0.1
done
start=0 id=
for c in 00 01 02; do
    n=$(stat -c %s "$work/chunk.$c")
    curl -sf ${id:+-F upload_id=$id} -F "file=@$work/chunk.$c;filename=file" \
        -H "Content-Range: bytes $start-$((start + n - 1))/5000000" \
        -o "$work/answer" "$base/up/" ||
        fail "chunk $c was refused"
    start=$((start + n))
    id=$(json upload_id <"$work/answer")
    [ "$(json offset <"$work/answer")" = "$start" ] ||
        fail "wrong offset: $(cat "$work/answer")"
done
curl -sf -d "upload_id=$id" -d "md5=$(md5sum <"$work/file" | cut -c-32)" \
    -o "$work/answer" "$base/up/complete" || fail "completion was refused"
[ "$(cat "$work/answer")" = '{}' ] || fail "$(cat "$work/answer")"
curl -sf "$base/up/$id" | grep -q '"status": "complete"' ||
    fail "the upload is not complete"
stored=$(find "$root/var/lib/apache2/chunked_upload" -name "$id.part")
cmp "$stored" "$work/file" || fail "what is stored differs"
[ "$(curl -sf "$base/other.html")" = 'a page' ] || fail "other pages changed"
step "chunked-upload-ctl list"
grep -q "$id" "$root/step.log" || fail "the tool does not list the upload"
step "chunked-upload-ctl fsck"
if grep -E 'chunked_upload:(warn|error)|:crit\]|exit signal' "$log"; then
    fail "the error log complains"
fi
say "complete, byte for byte: $stored"

# ------------------------------------------------------------ what is wrong

conf=$root/etc/apache2/mods-available/chunked_upload.conf
cp "$conf" "$work/good.conf"
# explains DIRECTIVES WORD...: configtest says all of the words
explains() {
    local what=$1 word
    shift
    { cat "$work/good.conf"; printf '%s\n' "$what"; } >"$conf"
    in_root apache2ctl configtest >"$work/said" 2>&1 || :
    cp "$work/good.conf" "$conf"
    for word in "$@"; do
        grep -qF -- "$word" "$work/said" || {
            cat "$work/said" >&2
            fail "configtest of '$what' does not say '$word'"
        }
    done
    say "configtest explains: $what"
    grep -F -- "$1" "$work/said" | sed 's/^/    /' | head -n 2
}
in_root mkdir -m 700 /srv/of-root
explains "ChunkedUploadStateDir /srv/of-root" CU0153 "chown"
explains "ChunkedUploadStateDir /srv/none/such/dir" CU0157 "/srv/none/such"
explains "ChunkedUploadStateDir /etc/passwd" CU0151
explains "ChunkedUploadStateDir /root/state" CU0158 "/root"
explains "ChunkedUploadRoot /var/www/html/store" CU0155 "DocumentRoot"
explains "ChunkedUploadExpire never" "ChunkedUploadExpire"
for driver in gdbm ndbm; do
    if ls "$root"/usr/lib/*/apr-util-1/apr_dbm_$driver* >/dev/null 2>&1; then
        say "$driver is here, so nothing is to explain"
    else
        explains "ChunkedUploadDBM $driver" CU0154 "sdbm"
    fi
done

# Both names of the file, see conf/install.sh, and again what is there already.
step "make -f Makefile.apxs install"
step "a2enmod chunked_upload.load"
step "apache2ctl configtest"
grep -q 'Syntax OK' "$root/step.log" || fail "$(cat "$root/step.log")"
step "a2dismod chunked_upload && a2dismod chunked_upload.load"
ls "$root/etc/apache2/mods-enabled" | grep chunked_u &&
    fail "a2dismod left something"
step "apache2ctl stop"
say "installed, used and explained: all as README.md says"
