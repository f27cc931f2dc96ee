"""llama.cpp's own tokenizer, in a process of its own: `python llama_cpp_child.py LIBRARIES FILE.gguf`.

In: on standard input, a JSON array of [text, parse_special]. Out: on standard output, a JSON object: `ids`, the ids of
each text; `add_bos`, `bos`, `eos` and `pad` as llama.cpp understands the file; `tokens`, how many ids there are.
The process ends with 3 if llama.cpp does not load the file; what it says goes to standard error.

A process of its own, since llama.cpp's regexes recurse by character: a long run overflows the stack (here of 1 GB).
Source: llama.h of llama.cpp v0.5.0; sizeof(llama_model_params) is 80 there and `vocab_only` its byte 72.
"""

from __future__ import annotations

import ctypes
import json
import sys
import threading
from pathlib import Path
from typing import Any


class ModelParams(ctypes.Structure):
    """llama_model_params; of its fields only one matters here."""

    _fields_ = [("before", ctypes.c_uint64 * 9), ("vocab_only", ctypes.c_bool), ("after", ctypes.c_ubyte * 7)]


def load(folder: Path) -> ctypes.CDLL:
    for name in ("libggml-base.so", "libggml.v0.5.0.so"):
        ctypes.CDLL(str(folder / name), mode=ctypes.RTLD_GLOBAL)
    library = ctypes.CDLL(str(folder / "libllama.v0.5.0.so"))
    pointer, integer, boolean = ctypes.c_void_p, ctypes.c_int32, ctypes.c_bool
    for name, result, arguments in (
        ("llama_backend_init", None, []),
        ("llama_model_default_params", ModelParams, []),
        ("llama_model_load_from_file", pointer, [ctypes.c_char_p, ModelParams]),
        ("llama_model_get_vocab", pointer, [pointer]),
        ("llama_vocab_n_tokens", integer, [pointer]),
        ("llama_vocab_bos", integer, [pointer]),
        ("llama_vocab_eos", integer, [pointer]),
        ("llama_vocab_pad", integer, [pointer]),
        ("llama_vocab_get_add_bos", boolean, [pointer]),
        ("llama_tokenize", integer,
         [pointer, ctypes.c_char_p, integer, ctypes.POINTER(integer), integer, boolean, boolean]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def tokenize(library: ctypes.CDLL, vocab: int, text: str, parse_special: bool) -> list[int]:
    data = text.encode()
    room = (ctypes.c_int32 * (len(data) + 16))()
    count = library.llama_tokenize(vocab, data, len(data), room, len(room), False, parse_special)
    assert count >= 0
    return list(room[:count])


def run(answer: dict[str, Any]) -> None:
    library = load(Path(sys.argv[1]))
    library.llama_backend_init()
    params = library.llama_model_default_params()
    params.vocab_only = True
    model = library.llama_model_load_from_file(sys.argv[2].encode(), params)
    if not model:
        return
    vocab = library.llama_model_get_vocab(model)
    answer["tokens"] = library.llama_vocab_n_tokens(vocab)
    answer["add_bos"] = library.llama_vocab_get_add_bos(vocab)
    for name in ("bos", "eos", "pad"):
        answer[name] = getattr(library, f"llama_vocab_{name}")(vocab)
    answer["ids"] = [tokenize(library, vocab, text, special) for text, special in json.load(sys.stdin)]


if __name__ == "__main__":
    result: dict[str, Any] = {}
    threading.stack_size(1 << 30)
    worker = threading.Thread(target=run, args=(result,))
    worker.start()
    worker.join()
    if "ids" not in result:
        sys.exit(3)
    json.dump(result, sys.stdout)
