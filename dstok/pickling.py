"""Pickles of tokenizers: references to built-in models and to files; for other tokenizers an image.

In: a tokenizer. Out: the function for pickle to call, and its arguments; from these the tokenizer again, or
`PickleError`. Invariant: the format number of a pickle is checked first. The tables pass the checks of an image that is
opened before any of them is used. A reference leads to the same tokenizer as before: a built-in model with the same
fingerprint and settings, or a file with the same checksum. It is short, and processes share its tables; in return, the
file has to be there where the pickle is loaded.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from dstok.compiled.image import image_of, settings_hash
from dstok.compiled.image_file import checksum, image_bytes, open_image, own_part, read_image, same_file, sha256_digest
from dstok.errors import ImageError, ModelNotFoundError, PickleError
from dstok.models import built_in, is_built_in
from dstok.models.names import find, not_found

if TYPE_CHECKING:
    from dstok.tokenizer import Tokenizer

PICKLE_FORMAT = 1
_AGAIN = "make the pickle again with this version of dstok"


def reduced(tok: Tokenizer) -> tuple[Any, ...]:
    """The result of `Tokenizer.__reduce__`."""
    tables, added, config = tok._tables, tok._added.tokens, tok.config
    image = tables.image
    if is_built_in(tok.name, tables, added, config):
        settings = settings_hash(tables, config)
        return restored, (PICKLE_FORMAT, type(tok), "built-in", tok.name, tok.fingerprint, settings)
    if image is not None and image.tokenizer is not None:
        own, file = own_part(added, config, ""), image.tokenizer  # BOS and EOS may differ: they are pickled
        if all(file.get(key) == own.get(key) for key in ("added", "config")) and same_file(image):
            path, ends = os.path.abspath(os.fspath(image.path)), (tok.bos_id, tok.eos_id)
            return restored, (PICKLE_FORMAT, type(tok), "file", path, checksum(image), *ends, tok.name)
    return restored, (PICKLE_FORMAT, type(tok), "image", bytes(image_bytes(image_of(tables, added, config, tok.name))))


def restored(format: Any, *parts: Any) -> Any:
    """The tokenizer of a result of `reduced`. Raises `PickleError`."""
    if format != PICKLE_FORMAT:
        raise PickleError(f"expected a pickle of a tokenizer of format {PICKLE_FORMAT}, found {format!r}: {_AGAIN}")
    cls, kind, *rest = parts
    try:
        if kind == "built-in":
            name, fingerprint, settings = rest
            if find(name) != name:
                raise not_found(name)
            tables, *others = built_in(name)
            tok = cls._of_tables(tables, *others)
            if tok.fingerprint != fingerprint:
                raise PickleError(f"expected the built-in model {name!r} of the fingerprint {fingerprint}, found "
                                  f"another version of it, {tok.fingerprint}: {_AGAIN}")
            if settings_hash(tables, tok.config) != settings:
                raise PickleError(f"expected the built-in model {name!r} as it was, found another version of it, with "
                                  f"other settings (of pairs, padding, chats or spans): {_AGAIN}")
            return tok
        if kind == "file":
            path, expected, bos_id, eos_id, name = rest
            image = open_image(path, verify=True)
            if checksum(image) != expected:
                raise PickleError(f"{path!r}: expected the image of the checksum {expected.hex()}, found another, "
                                  f"{checksum(image).hex()}: the file has changed since the pickle was made")
            return cls._of_image(image).replace(bos_id=bos_id, eos_id=eos_id, name=name)
        return cls._of_image(read_image("the pickle", memoryview(*rest), sha256_digest))
    except (ImageError, ModelNotFoundError) as error:
        raise PickleError(str(error)) from None
    except OSError as error:
        if kind != "file":
            raise
        raise PickleError(f"{rest[0]!r}: expected the image that the tokenizer was opened from, found none: "
                          f"{error.strerror}") from None
