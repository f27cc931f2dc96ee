"""The errors of dstok that users may catch.

Every error that dstok raises on purpose is a `DstokError`, except for those of Python's own protocols
(`AttributeError`, a call of an object that cannot be called) and of the system (`OSError`). The same mistake has the
same class in every call: a wrong argument is an `ArgumentError`, a broken text a `TextError`, a broken file a
`TokenizerFileError`. Six are also names of `dstok` itself: a program that tokenizes is likely to catch these.
Messages are lower case and say what was expected, what was found, and where (JSON path, pattern position, byte
offset, index). A message has at most 1,000 characters, however long the texts are that it repeats.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "ArgumentError", "ChatError", "ColumnError", "DecodeError", "DstokError", "FileError", "GroupError", "ImageError",
    "ModelNotFoundError", "PatternError", "PickleError", "SettingError", "SpecialTokenError", "StreamError",
    "TextError", "TokenizerFileError", "UnknownIdError", "UnknownTokenError", "UnsupportedError",
]

MOST = 1000  # characters of a message
HUGE = 1 << 128  # messages do not write out larger numbers: Python makes no digits of very long ones


class DstokError(Exception):
    """The base of dstok's own errors. The arguments of a class's constructor are its attributes."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*(bounded(value) if isinstance(value, str) else value for value in arguments))

    def __reduce__(self) -> tuple[type, tuple[object, ...], dict[str, object]]:
        """The constructor's arguments, and the attributes: a pickled error keeps its message and its notes."""
        made = getattr(type(self).__init__, "__code__", None)
        names = made.co_varnames[1 : made.co_argcount] if made else ()
        return type(self), tuple(getattr(self, name) for name in names) or self.args, vars(self)


class _MessageError(DstokError):
    """An error whose `message` is its text, with `where`, the place, after it if there is one."""

    def __init__(self, message: str, where: str = "") -> None:
        super().__init__(f"{message} - at {where}" if where else message)
        self.message, self.where = message, where


class ArgumentError(DstokError, ValueError, TypeError):
    """An argument that a call cannot take: a number out of range, or no number. `argument` is its name.

    It is both a `ValueError` and a `TypeError`, which Python's own functions raise for the one and the other.
    """

    def __init__(self, message: str, argument: str) -> None:
        super().__init__(message)
        self.message, self.argument = message, argument


class PatternError(DstokError, ValueError):
    """A pattern is not a valid regular expression.

    `pattern` is its text, `position` the index (in code points) of the place at fault.
    """

    def __init__(self, message: str, pattern: str, position: int) -> None:
        shown = repr(pattern) if len(repr(pattern)) <= 120 else f"{repr(pattern)[:116]}...'"
        super().__init__(f"{message} at position {position} of pattern {shown}")
        self.message, self.pattern, self.position = message, pattern, position


class UnsupportedError(_MessageError):
    """Valid input that dstok cannot handle exactly, and therefore refuses.

    `where` names the place: a JSON path such as `$.normalizer.type`, or a pattern position.
    """


class TokenizerFileError(_MessageError, ValueError):
    """A tokenizer file is broken: not JSON, a wrong type, a reference to nothing, a duplicate.

    `where` is the JSON path or the file offset of the fault.
    """


class FileError(DstokError):
    """A file of texts or of ids that dstok cannot read or write, or with the wrong contents.

    The message begins with the file's name. `parameter` names the parameters of the call that may help, such as
    "field, skip" where a record has no such field; "" if none does.
    """

    def __init__(self, message: str, parameter: str = "") -> None:
        super().__init__(message)
        self.message, self.parameter = message, parameter


class ImageError(TokenizerFileError):
    """A model image is damaged, truncated, or of another format number."""


class PickleError(DstokError, ValueError):
    """A pickle that dstok cannot make or load: damaged, or of another format."""


class SettingError(DstokError, ValueError):
    """A variable of the environment has an invalid value."""


class ModelNotFoundError(DstokError, LookupError):
    """No model has this name: none is built in, of an installed package, or in the caches of the hub or of tiktoken."""


class TextError(DstokError, ValueError):
    """Input that is not text: invalid UTF-8, or a lone surrogate in a `str`.

    `offset` counts bytes for bytes input and code points for `str` input. `batch_index` is the number of the text, or
    of its pair, in its batch; None outside a batch. `pair_index` is 0 in the first text of a pair, 1 in the second;
    None outside a pair.
    """

    def __init__(
        self, message: str, offset: int, batch_index: int | None = None, pair_index: int | None = None,
    ) -> None:
        which = _which_text(batch_index, pair_index)
        super().__init__(f"{message} of {which}" if which else message)
        self.message, self.offset, self.batch_index, self.pair_index = message, offset, batch_index, pair_index


class SpecialTokenError(DstokError, ValueError):
    """`special="raise"`: the text holds the text of an added token.

    `token` is its content, `offset` its start, in bytes of the UTF-8 text; `batch_index` and `pair_index` as in
    `TextError`.
    """

    def __init__(
        self, token: str, offset: int, batch_index: int | None = None, pair_index: int | None = None,
    ) -> None:
        which = _which_text(batch_index, pair_index) or "the text"
        super().__init__(f"{which} holds the added token {token!r} at byte offset {offset}; "
                         "pass special=\"all\" to encode it as that token, or special=\"none\" as plain text")
        self.token, self.offset, self.batch_index, self.pair_index = token, offset, batch_index, pair_index


class UnknownIdError(DstokError, LookupError):
    """An id that no token has.

    `id` is the id, `index` its place in the sequence, `batch_index` the sequence's in its batch; None outside a batch.
    """

    def __init__(self, id: int, index: int, vocab_size: int, batch_index: int | None = None) -> None:
        where = "" if batch_index is None else f" of list {batch_index}"
        shown = id if abs(id) < HUGE else "of 128 bits or more"
        super().__init__(f"id {shown} at index {index}{where} has no token: ids run from 0 to {vocab_size - 1}")
        self.id, self.index, self.vocab_size, self.batch_index = id, index, vocab_size, batch_index


class UnknownTokenError(DstokError, LookupError):
    """A text that is no token of the model."""


class DecodeError(DstokError, ValueError):
    """Ids whose bytes are not valid UTF-8, decoded with `errors="strict"`.

    Of `BatchDecodeStream`: `texts` is what the call would have returned, with "" in place of text that is at fault, and
    `slots` has the numbers of the streams that have failed.
    """

    def __init__(self, message: str, texts: Sequence[str] = (), slots: Sequence[int] = ()) -> None:
        super().__init__(message)
        self.message, self.texts, self.slots = message, texts, slots


class ChatError(DstokError, ValueError):
    """A conversation that a chat format cannot express, or an invalid completion.

    `index` is the number of the message at fault and `field` its field or the option, where there is one; `reference`
    the class of the error that the format's reference raises there, such as "TypeError", or "" if it raises none.
    """

    def __init__(self, message: str, index: int | None = None, field: str = "", reference: str = "") -> None:
        where = ", ".join(filter(None, ["" if index is None else f"message {index}", field and f"field {field}"]))
        raised = f" (the reference raises {reference})" if reference else ""
        super().__init__(f"{where}: {message}{raised}" if where else f"{message}{raised}")
        self.message, self.index, self.field, self.reference = message, index, field, reference


class StreamError(DstokError, ValueError):
    """A stream was given more after its end, or a second thread used a stream or a growing text at the same time."""


class GroupError(DstokError, IndexError):
    """A match has no group of the number or the name."""


class ColumnError(DstokError, LookupError):
    """A table has no such column, or several."""


def bounded(message: str) -> str:
    """`message` without its middle, if it has more than `MOST` characters."""
    if len(message) <= MOST:
        return message
    return f"{message[:700]} ... {len(message) - 900:,} characters left out ... {message[-200:]}"


def _which_text(batch_index: int | None, pair_index: int | None) -> str:
    """The text with the error; "" for one outside batch and pair."""
    if pair_index is None:
        return "" if batch_index is None else f"text {batch_index}"
    whose = "" if batch_index is None else f" of pair {batch_index}"
    return f"the {('first', 'second')[pair_index]} text{whose}"
