#!/usr/bin/env bash
# A private httpd with the module, and one real upload that is interrupted on
# the way: what `make -f Makefile.apxs demo` runs.  Wants bash, curl and what
# every system has.
#
# usage: demo.sh start|config|stop
#   PORT=8080     the port on 127.0.0.1
#   DETACH=1      return and leave the server running
#   CU_BUILD=...  the build directory; HTTPD=... the server's program
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${CU_BUILD:-$(dirname "$(dirname "$here")")/build}
port=${PORT:-8080}
detach=${DETACH:-}
httpd=${HTTPD:-}
module=$build/mod_chunked_upload.so
# The directory of the last demo, for `stop` and for gdb.
pointer=$build/demo.dir
mib=$((1024 * 1024))
size=$((64 * mib))
chunk=$((4 * mib))
dir=

say() { printf '%s\n' "$*"; }
die() {
    printf 'demo: %s\n' "$*" >&2
    exit 1
}

# ------------------------------------------------------------ the server

find_httpd() {
    local name
    [ -z "$httpd" ] || return 0
    for name in apache2 httpd /usr/sbin/apache2 /usr/sbin/httpd; do
        httpd=$(command -v "$name") && return 0
    done
    die "no httpd was found: name it with HTTPD=/path/to/httpd"
}

# The command line of a process; small systems have no ps.
command_of() {
    if [ -r "/proc/$1/cmdline" ]; then
        tr '\0' ' ' <"/proc/$1/cmdline"
    else
        ps -o args= -p "$1"
    fi 2>/dev/null
}

# The pid of the server in $1, if it is alive and really that one.
running_in() {
    local pid
    pid=$(cat "$1/httpd.pid" 2>/dev/null) || return 1
    kill -0 "$pid" 2>/dev/null || return 1
    command_of "$pid" | grep -qF -- "$1/httpd.conf" || return 1
    echo "$pid"
}

stop_in() {
    local pid n
    pid=$(running_in "$1") || return 1
    kill -TERM "$pid"
    for ((n = 0; n < 100; n++)); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL "$pid"
}

# Whom the children run as when we are root: the first of these that exists.
web_user() {
    local user
    for user in www-data apache http wwwrun nobody; do
        if id "$user" >/dev/null 2>&1; then
            echo "$user"
            return 0
        fi
    done
    die "no unprivileged user (www-data, apache, http, nobody) exists"
}

as_user() { # USER COMMAND...
    local user=$1
    shift
    if command -v runuser >/dev/null; then
        runuser -u "$user" -- "$@"
    elif command -v setpriv >/dev/null; then
        setpriv --reuid "$user" --clear-groups "$@"
    else
        su -s /bin/sh "$user" -c '"$0" "$@"' -- "$@"
    fi
}

make_dir() {
    dir=$build/demo
    # What httpd made belongs to its user, but it lies below a directory of ours.
    rm -rf "$dir" || die "cannot remove $dir"
    mkdir -p "$dir" || die "cannot make $dir"
    chmod 755 "$dir"
    if [ -n "$user" ] && ! as_user "$user" test -x "$dir" 2>/dev/null; then
        dir=$(mktemp -d "${TMPDIR:-/tmp}/chunked-upload-demo.XXXXXX") ||
            die "cannot make a temporary directory"
        chmod 755 "$dir"
        say "The user $user cannot enter $build;"
        say "this demo's files are in $dir instead."
    fi
    printf '%s\n' "$dir" >"$pointer"
}

# LoadModule lines for what is not built in; $1 the `httpd -l` list.
load_modules() {
    local built_in=$1 libexec name
    libexec=$(apxs -q LIBEXECDIR 2>/dev/null || apxs2 -q LIBEXECDIR \
        2>/dev/null)
    for name in $libexec /usr/lib/apache2/modules /usr/lib64/httpd/modules \
        /usr/lib/httpd/modules /usr/libexec/apache2; do
        libexec=$name
        [ ! -f "$name/mod_mime.so" ] || break
    done
    case $built_in in
    *event.c* | *worker.c* | *prefork.c*) ;;
    *)
        for name in event worker prefork; do
            if [ -f "$libexec/mod_mpm_$name.so" ]; then
                say "LoadModule mpm_${name}_module $libexec/mod_mpm_$name.so"
                break
            fi
        done ;;
    esac
    for name in unixd authz_core mime dir log_config; do
        case $built_in in
        *mod_$name.c*) ;;
        *)
            [ -f "$libexec/mod_$name.so" ] ||
                die "$libexec/mod_$name.so is missing" >&2
            say "LoadModule ${name}_module $libexec/mod_$name.so" ;;
        esac
    done
}

write_config() {
    local modules
    modules=$(load_modules "$("$httpd" -l 2>/dev/null)") || exit 1
    mkdir -p "$dir/htdocs/upload" "$dir/htdocs/simple"
    cat >"$dir/httpd.conf" <<EOF
# Written by test/demo/demo.sh.
ServerRoot "$dir"
ServerName localhost
Listen 127.0.0.1:$port
PidFile "$dir/httpd.pid"
DefaultRuntimeDir "$dir"
ErrorLog "$dir/error.log"
LogLevel warn chunked_upload:info
$modules
LoadModule chunked_upload_module "$module"
CustomLog "$dir/access.log" "%h %t \"%r\" %>s %b"
TypesConfig "$dir/mime.types"
${user:+User $user}
${user:+Group $(id -gn "$user")}

# What the administrator of a host would say ...
ChunkedUploadStateDir "$dir/state"
ChunkedUploadRoot "$dir/store"
DocumentRoot "$dir/htdocs"
<Directory "$dir">
    AllowOverride None
    Require all denied
</Directory>
<Directory "$dir/htdocs">
    Require all granted
    # ... and this is what a customer's .htaccess needs.
    AllowOverride FileInfo Limit
    DirectoryIndex index.html
</Directory>
EOF
    cat >"$dir/mime.types" <<'EOF'
text/html html
text/css css
text/javascript js
EOF
    cat >"$dir/htdocs/upload/.htaccess" <<'EOF'
# An endpoint with md5 at the end: this is all a folder needs.
SetHandler chunked-upload
ChunkedUploadMaxBytes 10G
EOF
    cat >"$dir/htdocs/simple/.htaccess" <<'EOF'
# For the plain page: a browser has no md5 of its own.
SetHandler chunked-upload
ChunkedUploadDigest None
ChunkedUploadMaxBytes 10G
EOF
    put_page
    chmod -R go+rX "$dir/htdocs"
}

# The page with jQuery File Upload where its packages are, or npm is there to
# bring them; else the one that needs nothing.
put_page() {
    local packages=$here/../node_modules lib=$dir/htdocs/lib file
    local files="jquery/dist/jquery.min.js spark-md5/spark-md5.min.js
        blueimp-file-upload/js/vendor/jquery.ui.widget.js
        blueimp-file-upload/js/jquery.fileupload.js"
    if [ ! -d "$packages/blueimp-file-upload" ] && command -v npm >/dev/null
    then
        (cd "$here/.." && npm ci --no-audit --no-fund --fetch-retries=0) \
            >"$build/npm.log" 2>&1 ||
            say "npm could not bring the page's packages ($build/npm.log)."
    fi
    mkdir -p "$lib"
    for file in $files; do
        if ! cp "$packages/$file" "$lib/" 2>/dev/null; then
            rm -rf "$lib"
            cp "$here/plain.html" "$dir/htdocs/index.html"
            return 0
        fi
    done
    cp "$here/index.html" "$here/upload.js" "$dir/htdocs/"
}

prepare() {
    local old
    find_httpd
    [ -f "$module" ] || die "$module is missing: build it first"
    [[ $port =~ ^[0-9]+$ ]] && ((port > 0 && port < 65536)) ||
        die "PORT=$port is not a port"
    user=
    [ "$(id -u)" != 0 ] || user=$(web_user) || exit 1
    if [ -f "$pointer" ]; then
        old=$(cat "$pointer")
        if running_in "$old" >/dev/null; then
            die "a demo is running already (in $old);" \
                "make -f Makefile.apxs demo-stop ends it"
        fi
        # An earlier directory of ours outside of build/.
        case $old in
        */chunked-upload-demo.??????) rm -rf "$old" ;;
        esac
    fi
    make_dir
    write_config
}

start_server() {
    local n
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
        die "port $port is taken by another program;" \
            "try: make -f Makefile.apxs demo PORT=$((port + 1))"
    fi
    "$httpd" -f "$dir/httpd.conf" -k start || {
        cat "$dir/error.log" 2>/dev/null
        die "httpd did not start"
    }
    for ((n = 0; n < 100; n++)); do
        if curl -fs -o "$dir/page" "http://127.0.0.1:$port/"; then
            pid=$(running_in "$dir") && return 0
        fi
        sleep 0.1
    done
    cat "$dir/error.log"
    stop_in "$dir"
    die "httpd does not answer on port $port"
}

# ------------------------------------------------------------ the upload

hash_of() { # md5|sha256 FILE
    local sum
    if sum=$(command -v "$1sum"); then
        "$sum" <"$2"
    else
        openssl dgst "-$1" <"$2" | sed 's/.*= //'
    fi | awk '{ print $1 }'
}

# The value of key $1 in the flat JSON object $2.
json() {
    printf '%s' "$2" |
        sed -n "s/.*\"$1\": *\"\{0,1\}\([^\",}]*\).*/\1/p"
}

now() { printf '%s' "${EPOCHREALTIME:-$(date +%s).0}" | tr , .; }

# On a terminal the line is drawn over; elsewhere one line a quarter will do.
bar() { # BYTES NOTE
    local width=40 full=$((40 * $1 / size)) begin='' end='\n'
    if [ -t 1 ]; then
        begin='\r' end=''
    elif (($1 % (size / 4) != 0)); then
        return 0
    fi
    printf "$begin  [%s%s] %3d %% %3d MiB %s$end" \
        "$(printf '%*s' "$full" '' | tr ' ' '#')" \
        "$(printf '%*s' $((width - full)) '')" \
        $(($1 * 100 / size)) $(($1 / mib)) "${2:-}"
}

# Leaves the line of the bar, where there is one.
bar_end() {
    [ ! -t 1 ] || printf '\n'
}

fail_upload() {
    bar_end
    say "demo: $*" >&2
    say "--- $dir/error.log" >&2
    tail -n 20 "$dir/error.log" >&2
    stop_in "$dir"
    exit 1
}

# The slice from OFFSET on, in $dir/chunk; its length in $length.
cut_chunk() {
    length=$((size - $1 < chunk ? size - $1 : chunk))
    tail -c +$(($1 + 1)) "$source" | head -c "$length" >"$dir/chunk"
}

# post_chunk OFFSET CURL-OPTION...: the answer in $answer, curl's verdict is ours
post_chunk() {
    local at=$1
    shift
    answer=$(curl -sS "$@" -w '\n%{http_code}' \
        -H "Content-Range: bytes $at-$((at + length - 1))/$size" \
        ${id:+-F "upload_id=$id"} \
        -F "file=@$dir/chunk;filename=random.bin" "$endpoint")
}

send_until() { # LIMIT: chunks from $offset on, up to LIMIT
    local from status spent
    while ((offset < $1)); do
        cut_chunk "$offset"
        from=$(now)
        post_chunk "$offset" || fail_upload "curl failed"
        spent=$(now)
        status=${answer##*$'\n'}
        answer=${answer%$'\n'*}
        [ "$status" = 200 ] || fail_upload "answer $status: $answer"
        elapsed=$(awk "BEGIN { print $elapsed + $spent - $from }")
        sent=$((sent + length))
        id=$(json upload_id "$answer")
        offset=$(json offset "$answer")
        [[ $offset =~ ^[0-9]+$ ]] || fail_upload "no offset in: $answer"
        bar "$offset"
    done
}

# One chunk, sent slowly, whose sender dies half way through.
send_and_cut() {
    local curl_pid status
    cut_chunk "$offset"
    curl -sS --limit-rate 1M -o /dev/null \
        -H "Content-Range: bytes $offset-$((offset + length - 1))/$size" \
        -F "upload_id=$id" -F "file=@$dir/chunk;filename=random.bin" \
        "$endpoint" 2>/dev/null &
    curl_pid=$!
    sleep 2
    kill -0 $curl_pid 2>/dev/null ||
        fail_upload "the slow chunk ended before it could be cut"
    # Braces keep the shell's own remark about a killed job away.
    {
        kill -KILL $curl_pid
        wait $curl_pid
        status=$?
    } 2>/dev/null
    bar "$offset" "connection cut"
    bar_end
    say "  curl was killed within the chunk at $((offset / mib)) MiB" \
        "(its exit status: $status)."
}

upload() {
    local sums sha answer id='' offset=0 sent=0 elapsed=0 length
    local endpoint=http://127.0.0.1:$port/upload/ source=$dir/random.bin
    say "Making a random file of $((size / mib)) MiB ..."
    head -c $size /dev/urandom >"$source"
    sums=$(hash_of md5 "$source")
    sha=$(hash_of sha256 "$source")

    say "Uploading it to $endpoint in chunks of $((chunk / mib)) MiB:"
    bar 0
    send_until $((size / 2))
    send_and_cut
    answer=$(curl -sS "$endpoint?upload_id=$id") ||
        fail_upload "the state could not be asked"
    say "  Where to go on?  GET $endpoint?upload_id=$id"
    say "    $answer"
    offset=$(json offset "$answer")
    [[ $offset =~ ^[0-9]+$ ]] || fail_upload "no offset in: $answer"
    say "  Going on at byte $offset:"
    send_until $size
    bar_end

    answer=$(curl -sS -w '\n%{http_code}' -d "upload_id=$id&md5=$sums" \
        "${endpoint}complete")
    [ "${answer##*$'\n'}" = 200 ] || fail_upload "completion: $answer"
    say "Completed with md5 $sums: ${answer%$'\n'*}"
    answer=$(curl -sS "$endpoint?upload_id=$id")
    say "  Its state now: $answer"

    stored=$(find "$dir/store" -type f -name "$id.part")
    [ -n "$stored" ] || fail_upload "the stored file was not found"
    [ "$(hash_of sha256 "$stored")" = "$sha" ] ||
        fail_upload "sha256 differs: $stored"
    say "Stored as $stored"
    say "  sha256 $sha, the same as the source's."
    say "  $((sent / mib)) MiB in $(awk "BEGIN { printf \"%.2f s, %.0f MiB/s\",
        $elapsed, $sent / $mib / $elapsed }")" \
        "(curl and this script included, the cut chunk not)."
}

by_hand() {
    cat <<EOF

Try it:
  A page to drop files on:   http://127.0.0.1:$port/
  By hand:
    printf 'hello ' >a; printf 'world' >b
    curl -H 'Content-Range: bytes 0-5/11'  -F file=@a http://127.0.0.1:$port/upload/
    curl -H 'Content-Range: bytes 6-10/11' -F upload_id=ID -F file=@b http://127.0.0.1:$port/upload/
    curl 'http://127.0.0.1:$port/upload/?upload_id=ID'
    curl -d upload_id=ID -d md5=\$(cat a b | md5sum | cut -c-32) http://127.0.0.1:$port/upload/complete
  The endpoints are folders with an .htaccess:  $dir/htdocs/upload/.htaccess
  Stored files: $dir/store   Log: $dir/error.log
EOF
}

case ${1:-start} in
start)
    prepare
    start_server
    say "$("$httpd" -v | sed -n 's/^Server version: //p') is up," \
        "pid $pid${user:+, its children run as $user}."
    trap 'printf "\n"; stop_in "$dir"; say "Stopped."; exit 130' INT TERM
    upload
    by_hand
    if [ -n "$detach" ]; then
        say ""
        say "The server runs on (pid $pid);" \
            "make -f Makefile.apxs demo-stop ends it."
        exit 0
    fi
    trap 'printf "\n"; stop_in "$dir"; say "Stopped."; exit 0' INT TERM
    say ""
    say "The server runs until Ctrl-C."
    while kill -0 "$pid" 2>/dev/null; do
        sleep 1
    done
    say "The server was ended."
    ;;
config)
    prepare
    ;;
stop)
    if [ -f "$pointer" ] && stop_in "$(cat "$pointer")"; then
        say "The demo's server is stopped."
    else
        say "No demo is running."
    fi
    ;;
*)
    die "usage: demo.sh start|config|stop"
    ;;
esac
