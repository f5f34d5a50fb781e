#!/bin/sh
# Stands before the compiler when the targets are built for libFuzzer: gives what decodes, and
# nothing else, coverage counters and traced comparisons. Instrumenting all of it, with the generated
# messages and the cryptography, takes hours to build and shows libFuzzer paths of no use.
case " $* " in
*" --crate-name ferromesh_proto "*) exec "$@" ;;
*" --crate-name ferromesh_"* | *" --crate-name fuzz_libfuzzer "* | \
    *" --crate-name httparse "* | *" --crate-name hickory_proto "* | \
    *" --crate-name saphyr_parser "*)
    exec "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
        -Cllvm-args=-sanitizer-coverage-pc-table \
        -Cllvm-args=-sanitizer-coverage-trace-compares
    ;;
*) exec "$@" ;;
esac
