"""The conformance kit in another project: `pytest examples/conformance`."""

import my_tokenizer

from dstok.conformance import conformance

test_conformance = conformance(my_tokenizer.MyTokenizer(), model="deepseek-v3", seconds=5)
