"""Model files -> `ModelDescription`: one module for each file format. None of them knows the engine.

description.py is the form of every format; reading.py finds a file's kind and what stands beside it. Our own format,
the image, holds tables: `compiled/image_file.py`.
"""

from typing import NamedTuple

IMAGE_MAGIC, GGUF_MAGIC = b"dstokimg", b"GGUF"  # the first bytes

NEWEST_UPSTREAM = "tokenizers-0.23.3"  # the default version of upstream; see upstream.py

MODEL_FILES = (  # of a folder the first counts
    "tokenizer.json", "tekken.json", "tiktoken.model", "qwen.tiktoken", "tokenizer.model")
SIDE_FILES = (  # all that are read beside one of these
    "tokenizer_config.json", "chat_template.jinja", "generation_config.json", "added_tokens.json",
    "tokenization_kimi.py", "tokenization_qwen.py")


# It stands here, since every start reads some hundred of them, and needs nothing else of this room.
class AddedToken(NamedTuple):
    """A token that is matched in the text before anything else, with upstream's flags.

    literal: does decoding give the text as it is, as tiktoken does, even if it is also a spelling in the byte-level
    alphabet? Upstream's decoder takes every such added token for a spelling; see `decoded_bytes`. With `normalized`,
    the normalized text has this very text, with a space for U+2581.
    """

    id: int
    content: str
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = False
    special: bool = False
    literal: bool = False
