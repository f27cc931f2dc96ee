"""What is said of wrong arguments: what was expected, what was found, and where; and which of a batch it is of."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dstok

TOK: Any = dstok.load("deepseek-v3")
USER = "<｜User｜>"
BATCHES = ["encode_batch", "encode_batch_arrays", "count_batch"]


@pytest.mark.parametrize(("ids", "message"), [
    ([[1, 2]], "expected an id at index 0, found list: decode_batch takes lists of ids"),
    ([5, (1, 2)], "expected an id at index 1, found tuple: decode_batch takes lists of ids"),
    (np.zeros((2, 2), int), "expected an id at index 0, found list: decode_batch takes lists of ids"),
    (np.array([1.5]), "expected an id at index 0, found float"), ([5, None], "expected an id at index 1, found NoneType"),
    (5, r"expected ids, found int: give one id as \[5\]"),
    (np.int64(5), r"expected ids, found int64: give one id as \[5\]"),
    (np.array(5), r"expected ids, found ndarray: give one id as \[5\]"),
    (None, "expected ids, found NoneType"), ("12", "expected ids, found str"), (b"12", "expected ids, found bytes"),
    (bytearray(b"12"), "expected ids, found bytearray"),
])
def test_what_are_no_ids(ids: Any, message: str) -> None:
    for call in (TOK.decode, TOK.decode_bytes):
        with pytest.raises(TypeError, match=f"^{message}$"):
            call(ids)
    with pytest.raises(TypeError, match=f"^list 1: {message}$"):
        TOK.decode_batch([[1], ids])
    if not isinstance(ids, int | np.integer):
        with pytest.raises(TypeError, match="expected"):
            TOK.decode_stream().feed(ids)


def test_ids_of_all_kinds() -> None:
    ids = TOK.encode("Hello world")
    for kind in (list, tuple, iter, np.array, dict.fromkeys, lambda ids: np.array(ids, np.uint32)[:, None][:, 0],
                 lambda ids: memoryview(np.array(ids, np.uint32).data), lambda ids: map(np.uint32, ids)):
        assert TOK.decode(kind(ids)) == TOK.decode_batch([kind(ids)])[0] == "Hello world"
        assert TOK.decode_stream().feed(kind(ids)) == "Hello world"
    assert TOK.decode_stream().feed(np.int64(ids[0])) == TOK.decode_stream().feed(ids[0]) == "Hello"


def test_errors_of_decode_batch_say_which_list() -> None:
    with pytest.raises(dstok.errors.UnknownIdError, match="id 900000 at index 1 of list 2 has no token") as caught:
        TOK.decode_batch([[1], [], [1, 900_000]])
    for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):
        assert (error.id, error.index, error.batch_index) == (900_000, 1, 2)
    with pytest.raises(dstok.errors.UnknownIdError, match="id 900000 at index 1 has no token") as alone:
        TOK.decode([1, 900_000])
    assert alone.value.batch_index is None
    half = TOK.encode("🦙")[:1]
    with pytest.raises(dstok.errors.DecodeError, match="at byte offset 0 of list 1$"):
        TOK.decode_batch([[1], half], errors="strict")


@pytest.mark.parametrize("call", BATCHES)
@pytest.mark.parametrize("threads", [1, 3])
def test_errors_of_batches_say_which_text(call: str, threads: int) -> None:
    run: Callable[..., Any] = getattr(TOK, call)
    with pytest.raises(dstok.SpecialTokenError, match=f"^text 2 holds the added token '{USER}' at byte offset 3;") as token:
        run(["a", "é", f"é {USER}", USER], num_threads=threads, special="raise")
    with pytest.raises(dstok.TextError, match="U\\+D800 at code point 1 of text 1$") as text:
        run(["a", "é\ud800", "\ud800"], num_threads=threads)
    for error, offset, number in ((token.value, 3, 2), (text.value, 1, 1)):
        again = pickle.loads(pickle.dumps(error))
        assert (again.offset, again.batch_index, str(again)) == (offset, number, str(error)) == (
            error.offset, error.batch_index, str(error))
    with pytest.raises(TypeError, match="^expected str or bytes as text 1, found float$"):
        run(["a", float("nan")], num_threads=threads)
    for wrong, found in ((None, "NoneType"), (7, "int"), ("a", "one text"), (bytearray(b"a"), "one text")):
        with pytest.raises(TypeError, match=f"^expected a list of texts, found {found}$"):
            run(wrong, num_threads=threads)


def test_errors_of_one_text_name_no_batch() -> None:
    with pytest.raises(dstok.SpecialTokenError, match="^the text holds") as token:
        TOK.encode(USER, special="raise")
    with pytest.raises(dstok.TextError, match="at code point 0$") as text:
        TOK.encode("\ud800")
    assert token.value.batch_index is text.value.batch_index is None


def test_what_is_no_token() -> None:
    for wrong in (5, None, ["a"]):
        with pytest.raises(TypeError, match=f"^expected str or bytes as token, found {type(wrong).__name__}$"):
            TOK.token_to_id(wrong)
    assert TOK.token_to_id(bytearray(b" world")) == TOK.token_to_id("Ġworld")


def test_a_number_without_digits() -> None:
    """Python writes none of a very long int."""
    for call in (TOK.decode, TOK.from_str, TOK.count_batch, lambda huge: TOK.encode("a", errors=huge), lambda huge: TOK.encode_batch("a", errors=huge),
                 lambda huge: TOK.encode_array("a", dtype=huge), TOK.inspect().token):
        with pytest.raises(dstok.errors.ArgumentError, match="found "):
            call(10**5000)


def test_a_choice_of_arrays() -> None:
    """numpy's comparison gives no truth."""
    words: Any = np.array(["strict", "replace"])
    for call in (lambda: TOK.encode("a", errors=words), lambda: TOK.decode([1], errors=words), lambda: TOK.truncate("a", 1, truncation_side=words), lambda: TOK.encode_array("a", dtype=words),
                 lambda: dstok.Splitter("a").spans("a", unit=words), lambda: dstok.Splitter("a", dialect=words)):
        with pytest.raises(dstok.errors.ArgumentError, match='^expected .* to be .*, found array'):
            call()


def test_encodings_are_compared() -> None:
    one = TOK.encode_with_offsets("né 🦙")
    assert one == TOK.encode_with_offsets("né 🦙".encode())
    others = [TOK.encode_with_offsets(text, **keywords) for text, keywords in (
        ("né 🦙", {"add_bos": True}), ("né 🦘", {}), ("né", {}), ("", {}))]
    assert all(one != other for other in others) and others[-1] == TOK.encode_with_offsets("")
    same_ids = [TOK.encode_with_offsets(text, special=special) for text, special in (("x", "all"), ("x", "none"))]
    assert same_ids[0] == same_ids[1]
    assert one != one.ids.tolist() and one in [one] and one is not None
    for name in vars(one):
        changed = TOK.encode_with_offsets("né 🦙")
        getattr(changed, name).flat[0] ^= True
        assert changed != one, name
    with pytest.raises(TypeError, match="unhashable type: 'Encoding'"):
        hash(one)


def test_skipping_keeps_what_the_model_does_not_mark_as_special() -> None:
    r1: Any = dstok.load("deepseek-r1")
    ids = r1.encode("<｜begin▁of▁sentence｜><｜User｜>a<｜Assistant｜><think>b<｜end▁of▁sentence｜>")
    assert r1.decode(ids, skip_special_tokens=True) == "<｜User｜>a<｜Assistant｜><think>b"


LONG = "x\n" * 500_000


@pytest.mark.parametrize("call", [
    lambda: dstok.load(LONG), lambda: dstok.load("deepseek-v3", upstream=LONG), lambda: TOK.encode("a", special={LONG}), lambda: TOK.encode("a", special=LONG),
    lambda: TOK.token_to_id(LONG), lambda: TOK.decode([1], errors=LONG), lambda: TOK.truncate("a", LONG), lambda: next(dstok.Splitter("a").matcher().finditer("a")).group(LONG),
    lambda: dstok.model_info(LONG),
])
def test_messages_are_short(call: Callable[[], Any]) -> None:
    """The middle of a long text is left out. A pickled error says the same."""
    with pytest.raises(dstok.DstokError) as raised:
        call()
    message = str(raised.value)
    assert len(message) <= 1000 and "x\\nx\\n" in message.replace("\n", "\\n") and message == str(pickle.loads(pickle.dumps(raised.value)))
