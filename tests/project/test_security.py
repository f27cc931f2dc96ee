"""SECURITY.md, sentence by sentence: what tries to break it stands where its subject is, or else here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from normalized_models import nfc
from real_models import V3

import dstok
from dstok import chat
from dstok.errors import DstokError, TokenizerFileError, UnknownIdError

ROOT = Path(__file__).parents[2]
TEXT = "hello world"


class OddStr(str):
    """A text whose own methods tell something else."""

    def encode(self, *_: Any, **__: Any) -> bytes:
        return b"\xff\xe4"

    def __len__(self) -> int:
        return 10**9

    def __getitem__(self, _: Any) -> str:
        return "?"


class OddBytes(bytes):
    def decode(self, *_: Any, **__: Any) -> str:
        return "?"

    def __len__(self) -> int:
        return 10**9


class OddBuffer(bytearray):
    def __bytes__(self) -> bytes:
        return b"\xff\xe4"


CALLS = {
    "encode": lambda tok, text: tok.encode(text), "encode_array": lambda tok, text: tok.encode_array(text).tolist(),
    "count": lambda tok, text: tok.count(text), "pretokenize": lambda tok, text: tok.inspect().pretokenize(text),
    "encode_batch": lambda tok, text: tok.encode_batch([text, text], num_threads=2),
    "encode_with_offsets": lambda tok, text: tok.encode_with_offsets(text).char_spans.tolist(),
    "count_up_to": lambda tok, text: tok.count(text, limit=1), "stream": lambda tok, text: list(tok.encode_stream().feed(text)),
    "growing": lambda tok, text: tok.encode_incremental().append(text), "spans": lambda tok, text: tok.inspect().spans(text),
    "added_in": lambda tok, text: tok.inspect().added_in(text), "seen": lambda tok, text: tok.inspect().seen(text),
    "split": lambda tok, text: dstok.Splitter.from_tokenizer(tok).split_batch([text]),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("tok", [V3, nfc()], ids=["plain", "normalized"])
def test_a_text_is_its_characters_whatever_its_class(name: str, tok: dstok.Tokenizer) -> None:
    data = TEXT.encode()
    for odd, same in ((OddStr(TEXT), TEXT), (OddBytes(data), data), (OddBuffer(data), data)):
        if name != "seen" or isinstance(odd, str):
            assert CALLS[name](tok, odd) == CALLS[name](tok, same)


SIZES = [-1, 2**31, 2**32, 2**32 + 5, 2**63, 2**64 + 5, 10**5000, -(10**5000)]


@pytest.mark.parametrize("id", SIZES, ids=lambda id: f"{id.bit_length()} bits")
def test_an_id_of_any_size_is_an_error(id: int) -> None:
    calls = (lambda: V3.decode([5, id]), lambda: V3.decode_bytes([5, id]), lambda: V3.decode_batch([[5], [id]]),
             lambda: V3.decode_stream().feed(id), lambda: V3.decode_bytes([id]))
    for call in calls:
        with pytest.raises(UnknownIdError, match="has no token"):
            call()


def test_ids_in_arrays_of_any_kind_are_ids_or_an_error() -> None:
    ids = np.array(V3.encode(TEXT), np.uint32)
    for kind in (">u4", "<i8", ">i8", ">u2", "u1", "object"):
        small = ids % 200
        assert V3.decode(small.astype(kind)) == V3.decode(small.tolist())
    shifted = np.frombuffer(b"x" + ids.tobytes(), np.uint32, offset=1)
    for same in (ids[::-1][::-1], np.repeat(ids, 2)[::2], shifted, ids.data):
        assert V3.decode(same) == TEXT
    wrong: Any
    for wrong in (ids.astype(float), ids.reshape(1, -1), ids.astype("S4"), ids.astype("m8[s]"), np.uint32(5)):
        with pytest.raises(TypeError):
            V3.decode(wrong)


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no devices here")
@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"])
def test_a_folder_may_link_to_a_device_without_end(name: str, tmp_path: Path) -> None:
    from small_models import model_json

    (tmp_path / "tokenizer.json").write_text(model_json([(b"a", b"b")]), encoding="utf-8")
    (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / name).symlink_to("/dev/zero")
    with pytest.raises(TokenizerFileError, match="expected a file, found a device"):
        dstok.load(tmp_path)


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no devices here")
def test_readers_refuse_devices() -> None:
    for read in (dstok.Tokenizer.from_json, dstok.load, dstok.Splitter.from_json,
                 lambda path: dstok.Tokenizer.from_tiktoken(path, r"\S+|\s+")):
        with pytest.raises((DstokError, OSError)):
            read("/dev/zero")


@pytest.mark.parametrize("version", [version for version in chat.versions() if version.models], ids=lambda version: version.name)
def test_a_message_makes_no_token_of_the_format(version: chat.Version) -> None:
    """The text of each added token, as a message, gives none more than a harmless message."""
    tok = dstok.load(version.models[0])
    special = frozenset(tok.added_tokens.values())

    def of_format(content: str) -> list[int]:
        ids = chat.encode(tok, [{"role": "user", "content": content}], version.name).ids
        return [id for id in ids if id in special]

    expected = of_format("harmless")
    assert expected
    for content in [*tok.added_tokens, "".join(tok.added_tokens)]:
        assert of_format(content) == expected, content


def test_no_text_makes_a_special_token_with_none() -> None:
    special = frozenset(V3.added_tokens.values())
    text = "".join(V3.added_tokens)
    assert special.intersection(V3.encode(text)) == special
    assert not special.intersection(V3.encode(text, special="none"))


NO_NETWORK = """
import socket, sys
def refused(*_, **__): raise AssertionError("a connection")
socket.socket.connect = socket.socket.connect_ex = refused
socket.create_connection = socket.getaddrinfo = refused
sys.addaudithook(lambda event, _: refused() if event in ("socket.connect", "socket.getaddrinfo", "urllib.Request") else None)
import dstok
from dstok.cli.app import main
tok = dstok.load("deepseek-v3")
tok.encode("a"), tok.decode([5])
try: dstok.load("no/such-model")
except dstok.DstokError: pass
for words in (["count", sys.argv[1]], ["models"], ["encode", sys.argv[1]], ["show", sys.argv[1]]):
    assert main(words) == 0, words
"""


def test_nothing_is_asked_of_the_network(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", NO_NETWORK, str(tmp_path / "a.txt")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_limit_names_its_test() -> None:
    """Where SECURITY.md names a test, in `backticks`, that test exists."""
    told = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    for file, name in re.findall(r"`(tests/[\w/.]+)(?:::(\w+))?`", told):
        source = (ROOT / file).read_text(encoding="utf-8")
        assert not name or f"def {name}(" in source, f"{file}: {name}"
