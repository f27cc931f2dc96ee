"""dstok: the exact tokenizer for the DeepSeek family, on a pre-tokenization regex engine of its own.

>>> import dstok
>>> tok = dstok.load("deepseek-v3")
>>> tok.encode("Hello world")
[19923, 2058]
"""

from typing import TYPE_CHECKING

try:
    from dstok import errors
    from dstok.base.late import late_names
    from dstok.errors import (
        DstokError,
        PatternError,
        SpecialTokenError,
        TextError,
        TokenizerFileError,
        UnsupportedError,
    )
    from dstok.loading import load
    from dstok.models import model_info, models
    from dstok.tokenizer import Tokenizer
except ModuleNotFoundError as error:
    if error.name is None or not error.name.startswith("dstok.core."):
        raise
    from dstok.base.unbuilt import unbuilt

    raise unbuilt(error.name) from None

if TYPE_CHECKING:
    from dstok import rows
    from dstok.calls.growing import GrowingText
    from dstok.calls.spans import Encoding, Piece
    from dstok.calls.streams import DecodeStream, EncodeStream
    from dstok.models.info import ModelInfo
    from dstok.pattern.split import Split
    from dstok.splitting.splitter import Splitter
    from dstok.training.from_files import train
    from dstok.training.from_texts import train_from_iterator
    from dstok.vocabularies.trainer import BpeTrainer

__version__ = "0.1.0"

__all__ = [
    "BpeTrainer",
    "DecodeStream",
    "DstokError",
    "EncodeStream",
    "Encoding",
    "GrowingText",
    "ModelInfo",
    "PatternError",
    "Piece",
    "SpecialTokenError",
    "Split",
    "Splitter",
    "TextError",
    "Tokenizer",
    "TokenizerFileError",
    "UnsupportedError",
    "__version__",
    "errors",
    "load",
    "model_info",
    "models",
    "rows",
    "train",
    "train_from_iterator",
]


__getattr__, __dir__ = late_names(globals(), {  # not needed to load a built-in model and to encode
    "BpeTrainer": "dstok.vocabularies.trainer",
    "DecodeStream": "dstok.calls.streams",
    "EncodeStream": "dstok.calls.streams",
    "Encoding": "dstok.calls.spans",
    "GrowingText": "dstok.calls.growing",
    "ModelInfo": "dstok.models.info",
    "Piece": "dstok.calls.spans",
    "Split": "dstok.pattern.split",
    "Splitter": "dstok.splitting.splitter",
    "rows": "dstok.rows",
    "train": "dstok.training.from_files",
    "train_from_iterator": "dstok.training.from_texts",
})
