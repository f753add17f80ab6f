#!/bin/sh
# Finds what is missing to build, try or test the module, and installs it.
#
#   .ci/deps.sh [--list] SET...    sets: build demo test fuzz valgrind browser
#                                  install lint    (default: build)
#
# On Debian and Ubuntu it installs through apt-get, with sudo unless root.
# Elsewhere it prints the command to type and exits 1 if something is missing.
# Everything is looked for by command, header or pkg-config, so that what was
# installed by hand counts.  The package "apache2" is never installed: it
# would start a server on port 80; "apache2-bin" has all that is needed.
set -u
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH

list_only=no
sets=
for arg in "$@"; do
    case $arg in
    --list) list_only=yes ;;
    build | demo | test | fuzz | valgrind | browser | install | lint)
        sets="$sets $arg" ;;
    *)
        echo "deps.sh: unknown set '$arg'" \
             "(build demo test fuzz valgrind browser install lint)" >&2
        exit 2 ;;
    esac
done
[ -n "$sets" ] || sets=build

has() {
    command -v "$1" >/dev/null 2>&1
}

compiler() {
    for c in "${CC:-}" gcc cc clang; do
        [ -n "$c" ] && has "$c" && { echo "$c"; return 0; }
    done
    return 1
}

# has_lib PKGCONFIG-NAME HEADER
has_lib() {
    has pkg-config && pkg-config --exists "$1" 2>/dev/null && return 0
    c=$(compiler) || return 1
    printf '#include <stdarg.h>\n#include <stddef.h>\n#include <stdint.h>
#include <setjmp.h>\n#include <%s>\n' "$2" | $c -E -x c - >/dev/null 2>&1
}

has_httpd() {
    has apache2 || has httpd || has httpd2 || [ -x /usr/sbin/apache2 ]
}

# Old nodes lack node:test or its reporters; the tests ask for 18.19 or newer.
has_node() {
    has node && node -e '
        const [a, b] = process.versions.node.split(".").map(Number);
        process.exit(a > 18 || (a === 18 && b >= 19) ? 0 : 1)' 2>/dev/null
}

# clang alone does not bring the fuzzer's run time on Debian.
has_libfuzzer() {
    has clang || return 1
    t=$(mktemp -d) || return 1
    printf '#include <stddef.h>\n#include <stdint.h>
int LLVMFuzzerTestOneInput(const uint8_t *, size_t);
int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n)
{ (void)d; (void)n; return 0; }\n' >"$t/f.c"
    clang -fsanitize=fuzzer,address "$t/f.c" -o "$t/f" >/dev/null 2>&1
    rc=$?
    rm -rf "$t"
    return $rc
}

has_chromium() {
    has chromium || has chromium-browser || has google-chrome
}

missing=        # names of the rows below
# need NAME TEST...: note NAME unless the test succeeds
need() {
    name=$1
    shift
    "$@" || case " $missing " in
            *" $name "*) ;;
            *) missing="$missing $name" ;;
            esac
}

for set in $sets; do
    case $set in
    build)
        need gcc compiler >/dev/null
        need make has make
        need pkg-config has pkg-config
        need apxs eval 'has apxs || has apxs2'
        need httpd has_httpd
        need apr has apr-1-config
        need apr-util has apu-1-config
        need openssl-dev has_lib libcrypto openssl/evp.h
        need jansson has_lib jansson jansson.h
        ;;
    demo)
        need httpd has_httpd
        need curl has curl
        need bash has bash
        ;;
    test)
        need httpd has_httpd
        need cmocka has_lib cmocka cmocka.h
        need curl has curl
        need bash has bash
        need openssl has openssl
        need node has_node
        need npm has npm
        [ "$(uname -s)" != Linux ] || need strace has strace
        ;;
    fuzz) need clang has_libfuzzer ;;
    valgrind) need valgrind has valgrind ;;
    browser) need chromium has_chromium ;;
    install)
        need debootstrap has debootstrap
        need curl has curl
        ;;
    lint)
        need clang-tidy has clang-tidy
        need clang-format has clang-format
        ;;
    esac
done

if [ -z "$missing" ]; then
    [ "$list_only" = no ] || echo "nothing is missing for:$sets"
    exit 0
fi

# package MANAGER NAME: what NAME is called there
package() {
    case $1:$2 in
    *:make | *:bash | *:curl | *:valgrind | *:strace | *:chromium | \
        *:debootstrap | brew:gcc)
        echo "$2" ;;
    apt:gcc) echo "gcc libc6-dev" ;;
    apk:gcc) echo "gcc musl-dev" ;;
    *:gcc) echo gcc ;;
    apt:pkg-config) echo pkg-config ;;
    dnf:pkg-config) echo pkgconf-pkg-config ;;
    *:pkg-config) echo pkgconf ;;
    apt:apxs) echo apache2-dev ;;
    dnf:apxs) echo "httpd-devel redhat-rpm-config" ;;
    apk:apxs) echo apache2-dev ;;
    pacman:apxs | pacman:httpd) echo apache ;;
    brew:apxs | brew:httpd) echo httpd ;;
    apt:httpd) echo apache2-bin ;;
    dnf:httpd) echo httpd ;;
    apk:httpd) echo apache2 ;;
    apt:apr) echo libapr1-dev ;;
    dnf:apr) echo apr-devel ;;
    apk:apr) echo apr-dev ;;
    *:apr) echo apr ;;
    apt:apr-util) echo libaprutil1-dev ;;
    dnf:apr-util) echo "apr-util-devel apr-util-bdb" ;;
    apk:apr-util) echo "apr-util-dev apr-util-dbm_db" ;;
    *:apr-util) echo apr-util ;;
    apt:openssl-dev) echo libssl-dev ;;
    dnf:openssl-dev) echo openssl-devel ;;
    apk:openssl-dev) echo openssl-dev ;;
    brew:openssl-dev | brew:openssl) echo openssl@3 ;;
    *:openssl-dev | *:openssl) echo openssl ;;
    apt:jansson) echo libjansson-dev ;;
    dnf:jansson) echo jansson-devel ;;
    apk:jansson) echo jansson-dev ;;
    *:jansson) echo jansson ;;
    apt:cmocka) echo libcmocka-dev ;;
    dnf:cmocka) echo libcmocka-devel ;;
    apk:cmocka) echo cmocka-dev ;;
    *:cmocka) echo cmocka ;;
    apt:node | dnf:node | apk:node | pacman:node) echo nodejs ;;
    brew:node | brew:npm) echo node ;;
    *:npm) echo npm ;;
    apt:clang) echo "clang libclang-rt-dev" ;;
    dnf:clang) echo "clang compiler-rt" ;;
    apk:clang) echo "clang compiler-rt" ;;
    pacman:clang) echo "clang compiler-rt" ;;
    brew:clang | brew:clang-tidy | brew:clang-format) echo llvm ;;
    apt:clang-*) echo "$2" ;;
    *:clang-*) echo clang-tools-extra ;;
    esac
}

packages() {
    for name in $missing; do
        package "$1" "$name"
    done | tr ' ' '\n' | sort -u | tr '\n' ' ' | sed 's/ $//'
}

if ! has apt-get; then
    echo "Missing for$sets:$missing"
    echo "Install it and run the command again:"
    found=no
    # Only the manager of this system, or all four when none is known.
    for m in dnf apk pacman brew; do
        has $m && found=yes
    done
    for m in dnf apk pacman brew; do
        [ $found = no ] || has $m || continue
        case $m in
        dnf) echo "  dnf install $(packages dnf)" ;;
        apk) echo "  apk add $(packages apk)" ;;
        pacman) echo "  pacman -S --needed $(packages pacman)" ;;
        brew) echo "  brew install $(packages brew)" ;;
        esac
    done
    exit 1
fi

want=$(packages apt)
if [ $list_only = yes ]; then
    echo "missing for$sets:$missing"
    echo "apt-get install $want"
    exit 1
fi

sudo=
if [ "$(id -u)" != 0 ]; then
    if ! has sudo; then
        echo "Missing for$sets:$missing" >&2
        echo "Run as root: apt-get install $want" >&2
        exit 1
    fi
    sudo=sudo
fi
$sudo apt-get -q update || echo "deps.sh: apt-get update failed;" \
    "trying with the lists that are here" >&2
# Releases before Debian 12 have the run time only under a versioned name.
case " $want " in
*" libclang-rt-dev "*)
    if [ -z "$(apt-cache show libclang-rt-dev 2>/dev/null)" ]; then
        rt=$(apt-cache search '^libclang-rt-[0-9]+-dev$' 2>/dev/null |
            awk '{ print $1 }' | sort -V | tail -n 1)
        [ -z "$rt" ] || want=$(echo "$want" | sed "s/libclang-rt-dev/$rt/")
    fi ;;
esac
echo "installing for$sets: $want"
# shellcheck disable=SC2086
$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q install -y \
    --no-install-recommends $want || {
    echo "deps.sh: apt-get could not install: $want" >&2
    exit 1
}
case " $missing " in
*" node "*)
    has_node || {
        echo "deps.sh: this release's nodejs is older than 18.19, which the" \
             "tests need; install a newer node by hand" >&2
        exit 1
    } ;;
esac
exit 0
