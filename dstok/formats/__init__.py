"""Model files -> `ModelDescription`: one module a file format, none of which knows the engine.

description.py is what every format is read into; tokenizer_json.py reads upstream's tokenizer.json and
tokenizer_json_writer.py writes it; gguf.py and tiktoken.py read and write llama.cpp's and tiktoken's files; kinds.py
tells them apart; image.py is the format of our own.
"""

IMAGE_MAGIC, GGUF_MAGIC = b"dstokimg", b"GGUF"  # the first bytes

NEWEST_UPSTREAM = "tokenizers-0.23.3"  # the version of upstream that a tokenizer.json is read as; see upstream.py
