"""Model files -> `ModelDescription`: one module for each file format. None of them knows the engine.

description.py is the form of every format; tokenizer_json.py reads upstream's tokenizer.json and
tokenizer_json_writer.py writes it; gguf.py and tiktoken.py read and write the files of llama.cpp and tiktoken;
tekken.py reads Mistral's; kinds.py tells them apart. Our own format, the image, holds tables: `tables/image/`.
"""

IMAGE_MAGIC, GGUF_MAGIC = b"dstokimg", b"GGUF"  # the first bytes

NEWEST_UPSTREAM = "tokenizers-0.23.3"  # the default version of upstream; see upstream.py
