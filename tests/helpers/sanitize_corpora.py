"""The first million bytes of each corpus through every way in, for tests/sanitize.sh; the ids must agree."""

from __future__ import annotations

from shared_data import CORPORA, corpus

import dstok

SIZE = 1_000_000


def check(tok: dstok.Tokenizer, text: str) -> None:
    data = text.encode()
    ids = tok.encode(text)
    stream = tok.encode_stream()
    streamed = [*stream.feed_list(data[: SIZE // 3]), *stream.feed_list(data[SIZE // 3 :]), *stream.finish_list()]
    lines = text.splitlines(keepends=True)
    assert ids == tok.encode(data) == tok.encode_array(text).tolist() == streamed
    assert len(ids) == tok.count(text) == tok.count(data)
    assert tok.encode_batch(lines, num_threads=5) == [tok.encode(line.encode()) for line in lines]
    assert tok.decode(ids) == text
    for end in range(1, 300):  # texts of every length, in buffers of that length
        assert tok.encode(text[:end]) == tok.encode(data[: len(text[:end].encode())])


if __name__ == "__main__":
    for name in CORPORA:
        check(dstok.load("deepseek-v3"), corpus(name).encode()[:SIZE].decode("utf-8", "ignore"))
        print(name, "agrees")
