"""dstok: the exact tokenizer for the DeepSeek family, on a pre-tokenization regex engine of its own.

>>> import dstok
>>> tok = dstok.load("deepseek-v3")
>>> tok.encode("Hello world")
[19923, 2058]
"""

import os
import sys


def _without_interrupts(hook: "Any") -> "Any":
    """A hook for exceptions that nobody catches. For Ctrl-C it ends the process at once, without a traceback."""
    def called(found: "Any", *rest: "Any") -> None:
        if issubclass(getattr(found, "exc_type", found), KeyboardInterrupt):
            os._exit(130)
        hook(found, *rest)

    return called


if "".join(sys.argv[:1]).endswith(("-m", "dstok", "dstok.exe", "dstok-script.py")):
    # This process is the command, whose imports are most of its start: `cli.app` catches Ctrl-C after them.
    sys.excepthook, sys.unraisablehook = _without_interrupts(sys.excepthook), _without_interrupts(sys.unraisablehook)

from typing import TYPE_CHECKING, Any  # noqa: E402  # takes a millisecond

try:
    from dstok import errors
    from dstok._util.imports import late_names
    from dstok.errors import (
        DstokError,
        PatternError,
        SpecialTokenError,
        TextError,
        TokenizerFileError,
        UnsupportedError,
    )
    from dstok.loading import load
    from dstok.models import ModelInfo, model_info, models
    from dstok.tokenizer import Tokenizer
except ModuleNotFoundError as error:
    if error.name is None or not error.name.startswith("dstok.core."):
        raise
    from dstok._util.imports import unbuilt

    raise unbuilt(error.name) from None

if TYPE_CHECKING:
    from dstok import arrow, chat, conformance, corpus, padding, protocols, sampling, training, unicode  # noqa: F401
    from dstok.methods.decoding import DecodeStream
    from dstok.methods.incremental import EncodeStream, IncrementalEncoding
    from dstok.methods.offsets import Encoding, Piece
    from dstok.pretokenizer.splitter import Splitter
    from dstok.regex import Split

__version__ = "0.1.0"

__all__ = [
    "DecodeStream", "DstokError", "EncodeStream", "Encoding", "IncrementalEncoding", "ModelInfo", "PatternError",
    "Piece", "SpecialTokenError", "Split", "Splitter", "TextError", "Tokenizer", "TokenizerFileError",
    "UnsupportedError", "errors", "load", "model_info", "models",
]
_HINTS = ("AutoTokenizer", "encoding_for_model", "from_pretrained", "get_encoding")  # newcomers type these

_late, _names = late_names(globals(), {  # not needed to load a built-in model and to encode; rooms are none of `*`
    **{room: f"dstok.{room}" for room in (
        "arrow", "chat", "conformance", "corpus", "padding", "protocols", "sampling", "training", "unicode")},
    "DecodeStream": "dstok.methods.decoding",
    "EncodeStream": "dstok.methods.incremental",
    "Encoding": "dstok.methods.offsets",
    "IncrementalEncoding": "dstok.methods.incremental",
    "Piece": "dstok.methods.offsets",
    "Split": "dstok.regex",
    "Splitter": "dstok.pretokenizer.splitter",
})


if not TYPE_CHECKING:
    def __getattr__(name: str) -> Any:
        if name in _HINTS:
            raise AttributeError(f"dstok has no {name}, as other libraries have: use dstok.load(name or path)")
        return _late(name)


def __dir__() -> list[str]:
    """The public names; `arrow` only where pyarrow is: `help(dstok)` asks for the value of each."""
    from importlib.util import find_spec

    return [name for name in _names() if name != "arrow" or find_spec("pyarrow") is not None]
