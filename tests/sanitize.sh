#!/bin/sh
# Builds a copy of this checkout with gcc's address and undefined behaviour sanitizers, and runs tests in it. With
# SANITIZER=thread with its thread sanitizer, and runs what works with many threads.
#
#   tests/sanitize.sh                                    the tests of the core and the fuzzer, at every level of the
#                                                        mask kernel; SECONDS_OF_FUZZING (default: 60) for each level
#   tests/sanitize.sh python tests/fuzzing/fuzz.py --seconds 600 a command in the copy instead
#
# SANITIZED: the copy's folder (default: one in $TMPDIR, removed at the end); a copy that is there is used as it is.
# PYTHON: the interpreter (default: python), with Cython and what the tests need. Linux, gcc.
# Python's own allocator is off (PYTHONMALLOC), so that reads after the end of a str or bytes are seen; so are
# huge pages, since memory from mmap has no guards. What AVX-512 gathers is not seen; the portable probe of the piece
# table, which is, reads as far after a text. With DSTOK_EMULATE=avx512 (see setup.py) the gathers are seen, too.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python}
sanitizer=${SANITIZER:-address}
case $sanitizer in
address) flags="-fsanitize=address,undefined -fno-sanitize-recover=all" libraries="libasan.so libubsan.so" ;;
thread) flags=-fsanitize=thread libraries=libtsan.so ;;
*) echo "expected SANITIZER to be address or thread, found $sanitizer" >&2 && exit 2 ;;
esac
copy=${SANITIZED:-$(mktemp -d)/dstok}
[ -n "${SANITIZED:-}" ] || trap 'rm -rf "$(dirname "$copy")"' EXIT

if [ ! -d "$copy" ]; then
    mkdir -p "$copy"
    (cd "$here" && tar -c --exclude='*.so' --exclude='*.c' --exclude=./build --exclude=./.git .) | tar -x -C "$copy"
    cd "$copy"
    sed -i 's/extra_compile_args=OPTIONS/extra_compile_args=[]/' setup.py
    grep -q 'extra_compile_args=\[\]' setup.py
    sed -i 's/^#if defined(__linux__) && defined(MADV_HUGEPAGE)$/#if 0/' dstok/core/cpu/platform.h
    CFLAGS="$flags -fno-omit-frame-pointer -g -O1 ${DSTOK_EMULATE:+-DDSTOK_EMULATE_AVX512}" \
        "$python" setup.py build_ext --inplace >build.log 2>&1 || {
        cat build.log
        exit 1
    }
fi

cd "$copy"
export PYTHONPATH="$copy" PYTHONMALLOC=malloc DSTOK_SHARED="${DSTOK_SHARED:-$here/../shared}"
export TSAN_OPTIONS=exitcode=66:report_signal_unsafe=0
# gcc before 13.3 aligns the frames that detect_stack_use_after_return makes to 32 bytes, and moves vectors of 64 bytes
# there as if they were aligned to 64 (its bug 110027).
export ASAN_OPTIONS=detect_leaks=0:abort_on_error=0:hard_rss_limit_mb=4000:detect_stack_use_after_return=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
sanitized() {
    LD_PRELOAD="$(for library in $libraries; do printf '%s ' "$(gcc -print-file-name="$library")"; done)" "$@"
}

if [ $# -gt 0 ]; then
    [ "$1" != python ] || { shift && set -- "$python" "$@"; }
    sanitized "$@"
    exit
fi

if [ "$sanitizer" = thread ]; then
    sanitized "$python" tests/helpers/many_threads.py "${SECONDS_OF_FUZZING:-60}"
    sanitized "$python" -m pytest -n 0 --capture=sys tests/processes/test_sharing.py tests/methods/test_batch.py -k "threads or slot"
    exit
fi

# These go through the levels themselves. Freed memory is kept back by the sanitizer: it cannot be measured.
sanitized "$python" -m pytest -x --capture=sys tests/core/split/test_kernel.py tests/core/split/test_grid.py tests/core/split/test_words.py tests/core/split/test_matrix.py tests/core/split/test_walk.py tests/core/split/test_linear.py tests/core/split/test_shuffles.py tests/core/split/test_two_sided.py \
    tests/normalizers/test_stretches.py tests/core/bpe/test_piece_table.py tests/core/bpe/test_borders.py \
    tests/core/bpe/test_bpe_loops.py tests/core/bpe/test_bpe_sections.py tests/fuzzing/test_fuzz.py tests/normalizers/test_normalizers.py \
    tests/formats/test_hostile_files.py tests/compiled/test_image_hostile.py -k 'not memory'
levels=$(sanitized "$python" -c 'import sys; sys.path.insert(0, "tests/helpers"); import real_models; print(*real_models.levels())')
for level in $levels; do
    echo "level $level"
    export DSTOK_SIMD=$level
    sanitized "$python" -m pytest -x --capture=sys tests/models/test_wiki.py tests/core/bpe/test_bpe.py tests/methods/test_results.py \
        tests/methods/test_batch.py tests/processes/test_sharing.py tests/methods/test_streams.py tests/methods/test_added_tokens.py \
        tests/methods/test_text_errors.py tests/methods/test_encode_property.py \
        -k 'not built_in_model_is_what_its_file_says and not short_of_memory'
    sanitized "$python" tests/helpers/sanitize_corpora.py
    sanitized "$python" tests/fuzzing/fuzz.py --seconds "${SECONDS_OF_FUZZING:-60}" --levels "$level" --subjects deepseek-v3 minimax patterns
done
