"""A short tour: `python examples/tour.py` in the clone, after `pip install .`."""

from __future__ import annotations

from pathlib import Path

import dstok

TEXT = Path(__file__).with_name("mixed.txt").read_text(encoding="utf-8")

tok = dstok.load("deepseek-v3")
print(tok.encode("Hello world"), tok.decode([19923, 2058]))
print(f"mixed.txt: {tok.count(TEXT)} tokens, {len(tok.truncate(TEXT, 10))} characters in the first 10")
ids, offsets = tok.encode_batch_arrays(["one text", "another"], num_threads=2)
print("a batch as arrays:", ids, offsets)
print("a prompt that forges no token:", tok.encode("<｜User｜>hi", special="none"))
print("pieces:", [piece.text for piece in tok.inspect().pretokenize("naïve 🦙")])
