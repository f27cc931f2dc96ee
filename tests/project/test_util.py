"""The helpers of every room (dstok/_util, parts of dstok/io and dstok/regex): what they give, and how they refuse."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dstok._util import arguments, imports
from dstok._util.columns import aligned, width
from dstok._util.files import reason, visible
from dstok._util.imports import LateModule
from dstok._util.json_value import join_path, load_json, read_text, shown
from dstok._util.objects import Beside, lazy
from dstok._util.threads import map_by_threads
from dstok.errors import ArgumentError, FileError, PatternError, TokenizerFileError, UnsupportedError, bounded
from dstok.io.text_files import GivenText, open_source
from dstok.regex.alphabet import build_alphabet
from dstok.regex.compile_budget import Work, spend, stage
from dstok.regex.fancy_regex import translate
from dstok.regex.parser import alternatives, parse, parse_groups
from dstok.unicode import CodePointSet
from dstok.unicode.normalization import case_closure, full_folds, simple_fold


@pytest.mark.parametrize(("call", "message"), [
    (lambda: arguments.id_list(7), "expected ids, found int: give one id as [7]"),  # type: ignore[arg-type]
    (lambda: arguments.checked_dtype("int16"), "expected dtype to be one of uint32, int32, int64, found 'int16'"),
    (lambda: arguments.whole_number("length", -1), "expected length to be at least 0, found -1"),
    (lambda: arguments.checked_texts("ab"), "expected a list of texts, found one text"),
    (lambda: arguments.check_choice("truncation_side", "up", arguments.Side), 'expected truncation_side to be "right" or "left", found \'up\''),
    (lambda: arguments.replaces_faults("ignore"), 'expected errors to be "strict" or "replace", found \'ignore\''),
])
def test_a_wrong_argument(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ArgumentError) as error:
        call()
    assert str(error.value) == message


def test_arguments() -> None:
    assert arguments.id_list(range(3)) == [0, 1, 2] and arguments.thread_count(2) == 2
    assert arguments.first_ids([19923, 2058]) == "2 ids: 19923, 2058"
    assert arguments.common_start([1, 2, 3], [1, 2, 4, 5]) == 2
    assert list(map(len, arguments.in_lists(["a"] * 5))) == [1, 2, 2] and list(map(len, arguments.in_lists(iter("ab")))) == [1, 1]
    assert arguments.utf8("\ud800!", replace=True) == b"\xef\xbf\xbd!" and arguments.characters(b"caf\xc3\xa9", replace=False) == "café"


def test_ends_of_a_text() -> None:
    assert arguments.Ends(0, 1).around([19923, 2058], add_bos=True, add_eos=False) == [0, 19923, 2058]
    with pytest.raises(ArgumentError, match="add_eos was asked for, but the model names no eos token: name it with "):
        arguments.Ends(0, None).after(wanted=True)


def test_an_error_of_another_library_is_explained() -> None:
    @arguments.explained
    def encode_batch(texts: list[str], *, num_threads: int = 1) -> list[bytes]:
        return [text.encode() for text in texts]

    with pytest.raises(ArgumentError, match="^expected str as texts, found int: 5 at index 1$"):
        encode_batch(["a", 5])  # type: ignore[list-item]


def test_columns_and_words() -> None:
    assert list(aligned([("a", "1"), ("東\n", "2")])) == ["a     1", r"東\n  2"]
    assert (width("東京"), width("e\u0301")) == (4, 1)
    assert visible("a|\n\u202e") == r"a|\n\u202e"
    assert reason(FileNotFoundError(2, "No such file or directory", "x.txt")) == "no such file or directory"
    assert bounded("found " + 2000 * "x")[690:740] == "xxxxxxxxxx ... 1,106 characters left out ... xxxxx"


def test_imports() -> None:
    class Page:
        indented = LateModule("textwrap").indent

    assert Page.indented("a", "> ") == "> a"
    message = 'dstok.integrations.xgrammar needs xgramar, found none: pip install "dstok[xgrammar]"'
    with pytest.raises(ModuleNotFoundError) as error, imports.of_extra("xgrammar", "dstok.integrations.xgrammar"):
        __import__("xgramar")
    assert str(error.value) == message
    with pytest.raises(FileError) as refused:
        imports.needed("pyarow")
    assert str(refused.value) == 'expected the package pyarow, found none: pip install "dstok[corpus]"'
    assert str(imports.unbuilt("dstok.core.encode.encoder")).startswith("expected the compiled module dstok.core.encode.encoder, ")


def test_json() -> None:
    with pytest.raises(TokenizerFileError) as error:
        load_json('{"a": [1, true]}').need("a").array()[1].integer(5)
    assert str(error.value) == "expected an integer from 0 to 5, found true - at $.a[1]"
    assert join_path("$.model.vocab", "Ġ a") == '$.model.vocab["\\u0120 a"]' and join_path("$.added", 3) == "$.added[3]"
    assert shown("Ġ" * 1000)[-8:] == "ĠĠĠĠ...'"
    with pytest.raises(TokenizerFileError, match="^not UTF-8: unexpected end of data - at chat_template.jinja: byte 3$"):
        read_text(b"caf\xe9", "chat_template.jinja: ")


def test_what_is_made_once() -> None:
    made = []

    class Text(str):
        @lazy
        def words(self) -> list[str]:
            made.append("words")
            return self.split()

    def counted_length(text: str) -> int:
        made.append("length")
        return len(text)

    text, length = Text("a b"), Beside(counted_length)
    assert text.words is text.words and (length(text), length(text)) == (3, 3) and made == ["words", "length"]
    assert map_by_threads(len, ["a", "bc"], threads=2) == [1, 2]


def test_a_text_that_is_given() -> None:
    with open_source(GivenText("Hi")) as source:
        assert (source.name, source.read_all()) == ("the text", b"Hi")


def test_patterns() -> None:
    alphabet = build_alphabet([CodePointSet.from_chars("abc"), CodePointSet.from_chars("b")])
    assert list(map(len, alphabet.classes)) == [1112061, 2, 1]
    with stage("a test") as work:
        spend(3, cells=1)
    assert work == Work("a test", 3, 1)
    assert str(parse("a|b")).count("CodePointSet(U+0062)") == 1
    with pytest.raises(PatternError, match=r"^unclosed group at position 0 of pattern '\(a'$"):
        parse("(a")
    assert "name='n'" in str(parse_groups("a(?<n>b)"))
    assert alternatives(r"[|]|(a|b)\||c") == ("[|]", r"(a|b)\|", "c")
    assert translate(r"\pL++|\s+$") == r"\p{L}+|\s+(?![\s\S])"
    with pytest.raises(UnsupportedError, match="^a possessive quantifier before what may begin as it does cannot be "):
        translate("a++ab")


def test_case() -> None:
    assert [simple_fold(char) for char in "K\u212aẞ"] == ["k", "k", "ß"] and full_folds()["ß"] == "ss"
    assert case_closure(CodePointSet.from_chars("ks")) == CodePointSet.from_chars("kK\u212asS\u017f")
