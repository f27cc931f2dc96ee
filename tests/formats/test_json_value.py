"""JSON is read as strictly as upstream reads it, in bounded time, and faults are named with their place."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from dstok._util.json_value import Value, join_path, load_json, shown
from dstok.errors import TokenizerFileError, UnsupportedError

UPSTREAM = '{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [], "foo": %s}}'


def is_read_upstream(value: str) -> bool:
    """Does upstream take this text as the value of a key that it passes over?"""
    try:
        Tokenizer.from_str(UPSTREAM % value)
    except Exception:
        return False
    return True


GOOD = [
    "0", "-0", "-1", "1.5", "1e2", "1E-3", "1e308", "1" + "0" * 300, "true", "false", "null", '""', '"\x7f"',
    '"/"', '"\\/"', r'"\u0000"', r'"\ud83d\ude00"', r'"\\ud800"', '"\U0001f600"', "[]", "{}",
    "\r\n\t[ 1 , 2 ] ", "[" * 100 + "]" * 100,
]
BAD = [
    "NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1" + "0" * 400, "01", "+1", ".5", "1.", "1e", "0x1",
    "-", "--1", "tru", "True", "'x'", '"', '"\\x41"', '"\n"', '"\0"', '"\x1f"', r'"\u12"', r'"\ud800"',
    r'"\udc00\ud800"', r'{"\udfff": 1}', r'["\ud800x"]', "[1,]", "[,1]", '{"a":1,}', "{a:1}", '{"a" 1}',
    "[1 2]", "{1:2}", "/*c*/1", "1 //c", "\v1", "\xa01", "",
]


@pytest.mark.parametrize("value", GOOD)
def test_what_upstream_reads(value: str) -> None:
    assert is_read_upstream(value)
    text = f'{{"foo": {value}}}'
    assert load_json(text) == load_json(text.encode()) == Value(json.loads(text, parse_int=float), "$")


@pytest.mark.parametrize("value", BAD)
def test_what_upstream_refuses(value: str) -> None:
    assert not is_read_upstream(value)
    with pytest.raises(TokenizerFileError) as caught:
        load_json(f'{{"foo": {value}}}')
    assert caught.value.where


@pytest.mark.parametrize(("data", "where", "message"), [
    ("", "line 1 column 1 (character 0)", "not JSON: expecting value"),
    (b"", "line 1 column 1 (character 0)", "not JSON: expecting value"),
    (" \n ", "line 2 column 2 (character 3)", "not JSON: expecting value"),
    ("{}\n {}", "line 2 column 2 (character 4)", "not JSON: extra data"),
    ("\ufeff{}", "line 1 column 1 (character 0)", "not JSON: a byte order mark"),
    (b"\xef\xbb\xbf{}", "line 1 column 1 (character 0)", "not JSON: a byte order mark"),
    (b'{"a": "\xff"}', "byte 7", "not UTF-8: invalid start byte"),
    ('{"a": "\ud800"}', "character 7", "not text: a lone surrogate"),
    ('{"a": [0, NaN]}', "$.a[1]", "expected a number within the range of floats, found NaN"),
    (r'{"a": {"b": "\ud800"}}', "$.a.b", r"a lone surrogate in '\ud800'"),
    (r'{"a": {"\udc00": 1}}', "$.a", r"a lone surrogate in '\udc00'"),
    ('{"a": [{"b": 1, "c": 2, "b": 1}]}', "$.a[0]", "the key 'b' occurs twice"),
    ('{"a": {"b": 1, "b": 1}, "a": 1}', "$", "the key 'a' occurs twice"),
    ("[]", "$", "expected an object, found an array of 0"),
    ("null", "$", "expected an object, found null"),
    ("3", "$", "expected an object, found the number 3"),
    ('"x"', "$", "expected an object, found the string 'x'"),
])
def test_faults_are_named(data: str | bytes, where: str, message: str) -> None:
    with pytest.raises(TokenizerFileError) as caught:
        load_json(data)
    assert (caught.value.message, caught.value.where) == (message, where)


@pytest.mark.parametrize("data", [None, 1, {}, bytearray(b"{}"), memoryview(b"{}")])
def test_data_that_is_no_text(data: Any) -> None:
    with pytest.raises(TypeError, match="expected str or bytes"):
        load_json(data)


@pytest.mark.parametrize("data", [
    "[" * 10**6, '{"a":' * 10**6, '{"a": ' + "9" * 10**6 + "}", '{"a": ' + "1" * 10**6 + ".5}",
    '{"a": 1e' + "9" * 10**6 + "}", '{"a": "' + r"\ud83d\ude00" * 10**5 + r'\ud800"}',
    "\n" * 10**6, "\0" * 10**6,
    '{"a": [' + "{}," * 10**5 + '{"b": 1, "b": 1}]}', "{" + '"a": 1,' * 10**5 + '"b": 1}',
    '{"' + "a" * 10**6 + '": 1, "b" 2}',
], ids=range(11))
def test_time_and_message_are_bounded(data: str) -> None:
    start = time.perf_counter()
    with pytest.raises(TokenizerFileError) as caught:
        load_json(data)
    assert time.perf_counter() - start < 5
    assert len(str(caught.value)) < 300


def test_a_deep_value_that_is_passed_over_is_no_fault() -> None:
    assert load_json('{"a": ' + "[" * 200 + r'"\ud83d\ude00"' + "]" * 200 + "}").need("a").path == "$.a"


@pytest.mark.parametrize(("look", "message"), [
    (lambda v: v.need("a").object(), "expected an object, found an array of 2 - at $.a"),
    (lambda v: v.need("b").array(), "expected an array, found an object of 0 - at $.b"),
    (lambda v: v.need("a").text(), "expected a string, found an array of 2 - at $.a"),
    (lambda v: v.need("a").array()[1].boolean(), "expected true or false, found the number 2.5 - at $.a[1]"),
    (lambda v: v.need("c").integer(9), "expected an integer from 0 to 9, found true - at $.c"),
    (lambda v: v.need("n").integer(9), "expected an integer from 0 to 9, found null - at $.n"),
    (lambda v: v.member("x").text(), "expected a string, found null - at $.x"),
    (lambda v: v.need("x"), "expected the key 'x', found none - at $"),
])
def test_a_look_at_the_wrong_type(look: Callable[[Value], object], message: str) -> None:
    with pytest.raises(TokenizerFileError) as caught:
        look(load_json('{"a": [1, 2.5], "b": {}, "c": true, "n": null}'))
    assert str(caught.value) == message


def test_looks() -> None:
    value = load_json('{"a": [1, 2.5], "b": {"c": "d"}, "n": null}')
    assert [item.path for item in value.need("a").array()] == ["$.a[0]", "$.a[1]"]
    assert (value.need("b").need("c").text(), value.get("n"), value.get("x")) == ("d", None, None)
    assert value.get("a") == value.member("a")
    with pytest.raises(UnsupportedError, match=r"no - at \$.n"):
        value.need("n").unsupported("no")


@given(st.text(), st.integers(0, 9))
def test_paths_are_short_and_plain(key: str, index: int) -> None:
    path = join_path(join_path("$", key), index)
    assert path.isascii()
    assert len(path) < 100
    assert path.startswith("$")
    assert len(shown(key * 100)) <= 80


FLOATS = st.floats(allow_nan=False, allow_infinity=False)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(-(10**18), 10**18), FLOATS, st.text())


@given(st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)), st.booleans())
def test_all_of_json_is_read(value: Any, ascii: bool) -> None:
    assert load_json(json.dumps({"a": value}, ensure_ascii=ascii)).need("a").value == value
