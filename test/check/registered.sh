#!/bin/sh
# No test is left out: every unit file has a main, every static test function
# is registered, and make runs every test file there is.
#
# usage: registered.sh "NODE-TESTS" "UNIT-SOURCES" "FUZZ-SOURCES" (as make has)
set -u
node_tests=$1 units=$2 fuzzers=$3
problems=0
functions=0
problem() {
    echo "registered: $*" >&2
    problems=$((problems + 1))
}

for file in $units; do
    grep -q -E '^int main\(' "$file" || problem "$file has no main"
    flat=$(tr '\n' ' ' <"$file")
    # A test function takes cmocka's state, whatever its name.
    names=$(printf "%s\n" "$flat" | grep -o -E \
        'static void [a-z0-9_]+\(void \*\*[a-z_]*\)[^;{]*\{' |
        sed 's/static void //; s/(.*//')
    [ -n "$names" ] || problem "$file: no test function found"
    for name in $names; do
        functions=$((functions + 1))
        # Once where it is defined, once in a list; the compiler, which warns
        # of a static function that nobody uses, sees through any macro.
        uses=$(grep -o -w "$name" "$file" | wc -l)
        [ "$uses" -gt 1 ] || problem "$file: $name is not registered"
    done
done
[ $functions -gt 0 ] || problem "no unit test found"

# every PATTERN LIST: each file there is in make's list
every() {
    for file in $(find test -name node_modules -prune -o -name "$1" -type f \
        -print | sort); do
        case " $2 " in
        *" $file "*) ;;
        *) problem "$file is run by no target" ;;
        esac
    done
}
every '*.test.mjs' "$node_tests"
every '*.test.js' "$node_tests"
every 'test_*.c' "$units"
every 'fuzz_*.c' "$fuzzers"
[ $problems = 0 ] || exit 1
echo "ok   registered: $functions unit tests," \
    "$(echo "$node_tests" | wc -w) node files, $(echo "$fuzzers" | wc -w)" \
    "fuzz targets"
