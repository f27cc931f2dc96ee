"""A thread sanitizer shows that a batch's threads (core/encode/batch.h) see each other's writes in order.

The sanitizer follows the memory order that the C code asks for, on every processor. The order of this machine would not
do: x86 would hide an order that is too weak for ARM.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from core_sources import CORE

COMPILER = shutil.which("gcc") or shutil.which("clang")
PROGRAM = """
#include <pthread.h>
#include "encode/batch.h"
static ptrdiff_t counter, written;
static int flag;
static void *next(void *unused) { written = 7; batch_next(&counter); return unused; }
static void *publish(void *unused) { written = 7; batch_publish(&flag); return unused; }
int main(void) {
    pthread_t other;
    if (pthread_create(&other, NULL, FIRST, NULL)) return 1;
    WAIT
    ptrdiff_t seen = written;
    pthread_join(other, NULL);
    return seen != 7;
}
"""


def compile_with_sanitizer(source: Path, made: Path) -> bool:
    return COMPILER is not None and subprocess.run(
        [COMPILER, "-fsanitize=thread", "-g", "-O1", "-w", f"-I{CORE}", source, "-o", made, "-pthread"],
        check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize(("first", "wait"), [
    ("next", "while (!batch_least(&counter)) ; batch_stop(&counter, 9);"),
    ("next", "while (!batch_least(&counter)) ; batch_next(&counter);"),
    ("publish", "while (!batch_published(&flag)) ;"),
], ids=["a thread that has begun before the stop", "a part after another", "a part that is done"])
def test_what_another_thread_has_written_is_seen(first: str, wait: str, tmp_path: Path) -> None:
    empty = tmp_path / "empty.c"
    empty.write_text("int main(void) { return 0; }")
    if not compile_with_sanitizer(empty, tmp_path / "empty") or subprocess.run([tmp_path / "empty"], check=False).returncode:
        pytest.skip("no thread sanitizer that runs here")
    (tmp_path / "order.c").write_text(PROGRAM.replace("FIRST", first).replace("WAIT", wait))
    assert compile_with_sanitizer(tmp_path / "order.c", tmp_path / "order")
    ran = subprocess.run([tmp_path / "order"], check=False, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stderr
