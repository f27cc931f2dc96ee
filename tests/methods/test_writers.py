"""Arrays that another thread writes to while a call reads them: what was checked is what is used."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import threading
import numpy as np
import dstok
from dstok.errors import UnknownIdError

tok = dstok.load("deepseek-v3")
short, long = tok.token_to_id("a"), max(range(1000, 20000), key=lambda id: len(tok.decode_bytes([id])))
ids, counts = np.full(50_000, short, np.uint32), np.full(50, 1000, np.int64)
done = threading.Event()

def write():
    while not done.is_set():
        for id in (long, short, 0xFFFFFFFF, short):
            ids[::7] = id
        counts[1::2] = 1 << 40
        counts[1::2] = 1000

writer = threading.Thread(target=write)
writer.start()
try:
    for _ in range(300):
        try:
            text, sizes, _ = tok._decoder.decode_lists(ids, counts, False)
        except (UnknownIdError, ValueError):
            continue
        assert len(text) == sum(sizes)
        assert not text.replace(tok.decode_bytes([long]), b"").strip(b"a")
finally:
    done.set()
    writer.join()
"""


def test_ids_and_lengths_that_change_while_they_are_decoded() -> None:
    """In a process of its own: memory may be damaged long before anything crashes."""
    ran = subprocess.run([sys.executable, "-c", PROGRAM], check=False, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, (ran.returncode, ran.stderr)
