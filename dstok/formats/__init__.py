"""Model files -> `ModelDescription`: one module for each file format. None of them knows the engine.

description.py is the form of every format; reading.py finds a file's kind and what stands beside it. Our own format,
the image, holds tables: `compiled/image_file.py`.
"""

IMAGE_MAGIC, GGUF_MAGIC = b"dstokimg", b"GGUF"  # the first bytes

NEWEST_UPSTREAM = "tokenizers-0.23.3"  # the default version of upstream; see upstream.py
