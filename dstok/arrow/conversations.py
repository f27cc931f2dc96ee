"""Conversations -> a table for training: ids, labels, the message of each id.

In: conversations, as a list or an Arrow array of lists of messages, or of JSON. Out: a `pyarrow.Table`, with a row
for each.
Invariant: a row holds the result of `dstok.chat.encode` for the conversation; a null row is null. In Arrow every
message has every field that any message has. So a null field counts as missing, except `content`: formats tell a
missing content from None, and null is None.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dstok.arrow.columns import pieces_of
from dstok.arrow.soundness import check
from dstok.base.arguments import explained
from dstok.chat import EncodedConversation, encode
from dstok.errors import ArgumentError, ChatError

if TYPE_CHECKING:
    from dstok.chat import Template, VersionName
    from dstok.tokenizer import Tokenizer

__all__ = ["conversations"]

SCHEMA = pa.schema([("input_ids", pa.large_list(pa.uint32())), ("labels", pa.large_list(pa.int64())),
                    ("message_index", pa.large_list(pa.int32()))])


@explained
def conversations(tok: Tokenizer, talks: Any, version: VersionName | Template, **arguments: Any) -> Any:
    """The ids of conversations for training, as a `pyarrow.Table` of three columns, a row a conversation.

    `input_ids`: uint32. `labels`: int64, the id where the model would have written it, else -100. `message_index`:
    int32, the message of each id, -1 for none. `talks`: lists of messages, or an Arrow array of lists of structs or
    of JSON texts; a null row stays null. `arguments` as for `dstok.chat.encode`. Raises `ChatError`, which names the
    row, and `TextError` for a broken array.

    >>> import dstok
    >>> from dstok import arrow
    >>> talk = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}]
    >>> table = arrow.conversations(dstok.load("deepseek-v3"), [talk, None], "v3")
    >>> table["input_ids"].to_pylist(), table["labels"].to_pylist()
    ([[0, 128803, 19923, 128804, 23166, 1], None], [[-100, -100, -100, -100, 23166, 1], None])
    """
    rows = [None if talk is None else _encoded(tok, talk, row, version, arguments)
            for row, talk in enumerate(_rows(talks))]
    columns = ([None if row is None else row.array() for row in rows],
               [None if row is None else row.labels for row in rows],
               [None if row is None else row.message_index for row in rows])
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, SCHEMA)], SCHEMA)


def _rows(talks: Any) -> Iterable[Any]:
    """The conversations as Python objects."""
    if isinstance(talks, pa.Array | pa.ChunkedArray):
        check(pieces_of(talks)[0], whole=True)
        return map(_of_arrow, talks)
    return talks if isinstance(talks, Iterable) else [talks]


def _of_arrow(value: Any) -> Any:
    try:
        return _present(value.as_py())
    except ValueError as error:  # a struct with two fields of one name
        raise ArgumentError(f"expected structs with a message's fields, found {value.type}: {error}", "talks") from None


def _present(value: Any) -> Any:
    """Removes the fields that a struct has only because another message has them."""
    if isinstance(value, list):
        return [_present(item) for item in value]
    if isinstance(value, dict):
        return {key: _present(item) for key, item in value.items() if item is not None or key == "content"}
    return value


def _encoded(
    tok: Tokenizer, talk: Any, row: int, version: VersionName | Template, arguments: dict[str, Any],
) -> EncodedConversation:
    try:
        messages = json.loads(talk) if isinstance(talk, str | bytes) else talk
        return encode(tok, messages, version, **arguments)
    except ChatError as error:
        raise ChatError(f"row {row}: {error.message}", error.index, error.field, error.reference) from None
    except (ValueError, RecursionError) as error:
        raise ChatError(f"row {row}: expected JSON: {error}") from None
