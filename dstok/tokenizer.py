"""The tokenizer: joins added tokens, automaton, BPE and decoding behind one object.

Nothing below imports this module. A `Tokenizer` is immutable after load: any number of threads may use one
object at once (each call works in a workspace of its own), it survives a fork, and it pickles.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, NoReturn, overload

from dstok.base.ids import listed
from dstok.base.lazy import lazy
from dstok.base.texts import Errors, Text, plain, replaces, utf8
from dstok.calls import budget as _budget
from dstok.calls.growing import GrowingText, NormalizedGrowingText
from dstok.calls.offsets import Encoding, Piece, char_spans, original_pieces, pieces_of, token_spans
from dstok.calls.streams import DecodeStream, EncodeStream, NormalizedStream
from dstok.core._batch import Batch
from dstok.core._decode import Decoder
from dstok.core._encode import LineEncoder
from dstok.core._scan import Scanner, pack_edges
from dstok.errors import (
    DecodeError,
    DstokError,
    ImageError,
    PatternError,
    PickleError,
    UnknownIdError,
    UnknownTokenError,
    UnsupportedError,
)
from dstok.file_formats import FileFormats
from dstok.formats.columns import pack_added
from dstok.formats.description import AddedToken, ModelDescription, spelling
from dstok.formats.image import Image, StrPath, image_bytes, open_image, write_at_once
from dstok.formats.upstream import NEWEST
from dstok.tables.build import (
    Tables,
    build_tables,
    check_program,
    compile_program,
    make_bpe,
    make_encoder,
    tables_from_image,
)
from dstok.text.added_tokens import AddedTokens, Special

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dstok.calls.parts import NormalizedParts
    from dstok.chat.encoding import ChatSpecial
    from dstok.core._normalize import Normalizer
    from dstok.core._policy import Policy
    from dstok.pattern.collapse import Program
    from dstok.text.normalizers import View

__all__ = ["Tokenizer"]

Binary = bytes | bytearray | memoryview
Side = Literal["right", "left"]


class Tokenizer(LineEncoder, FileFormats):
    """An exact tokenizer. Made by `dstok.load`, `Tokenizer.from_file`, `from_str`, `from_tiktoken`, `from_gguf`
    or `open`.

    Keywords of every encoding call: `special` says which added tokens are matched in the text: "all"
    (upstream's behaviour), "none" (all text is plain), "raise" (`SpecialTokenError` if the text holds one), or a
    set of their texts; `errors="replace"` puts U+FFFD for invalid UTF-8 and lone surrogates instead of raising
    `TextError`; `add_bos`, `add_eos` put those ids around the text's: around each text of a batch, around each part of
    `chunk`, and at the ends of a stream. A text that grows has no end, so `growing` takes no `add_eos`.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> tok.encode("Hello world")
    [19923, 2058]
    >>> tok.decode([19923, 2058])
    'Hello world'
    """

    def __init__(
        self, tables: Tables, added: tuple[AddedToken, ...], bos_id: int | None, eos_id: int | None, name: str = "",
    ) -> None:
        self._tables, self.name, self.bos_id, self.eos_id = tables, name, bos_id, eos_id
        self.unicode_version: str = tables.description["unicode_version"]
        self._bpe = make_bpe(tables)
        self._normalizer = _normalizer(tables)
        self._added = AddedTokens(added, self.unicode_version, self._normalizer)
        self.vocab_size = max([self._bpe.size, *(token.id + 1 for token in added)])
        self._encoder = make_encoder(tables, self._bpe, self.vocab_size, self._normalizer)

    # Loading

    @classmethod
    def from_file(cls, path: StrPath, config: StrPath | None = None, *, upstream: str = NEWEST) -> Tokenizer:
        """The tokenizer of a tokenizer.json file.

        BOS and EOS are read from `config`, or from a tokenizer_config.json beside the file if there is one.
        `upstream`, such as "tokenizers-0.21.1", is the version of upstream whose Unicode tables decide.
        Raises `UnsupportedError` for what cannot be done exactly, `TokenizerFileError` for what is broken or another
        kind of file (both with the file's name and the JSON path), and `OSError`.
        """
        from dstok.formats.files import JSON, LOOK, about_file, refuse_other

        beside = os.path.join(os.path.dirname(path), "tokenizer_config.json")
        if config is None and os.path.basename(path) == "tokenizer.json" and os.path.exists(beside):
            config = beside
        with about_file(path):
            data = _contents(path)
            refuse_other(data[:LOOK], JSON, "a tokenizer.json")
            return cls.from_str(data, None if config is None else _contents(config), upstream=upstream)

    @classmethod
    def from_str(cls, json: str | bytes, config: str | bytes | None = None, *, upstream: str = NEWEST) -> Tokenizer:
        """The tokenizer of the text of a tokenizer.json (and of a tokenizer_config.json). Raises as `from_file`."""
        from dstok.formats.tokenizer_json import read_tokenizer_json

        return cls.from_description(read_tokenizer_json(json, config, upstream))

    @classmethod
    def from_description(cls, model: ModelDescription) -> Tokenizer:
        """The tokenizer of a description that a file format's reader made."""
        return cls(build_tables(model), model.added_tokens, model.bos_id, model.eos_id)

    @classmethod
    def open(cls, path: StrPath, *, verify: bool = True) -> Tokenizer:
        """The tokenizer that `save` wrote to `path`: the file is mapped, not read, and shared between processes.

        `verify` compares the file's checksum. What the tables hold is checked in any case, so that no file can
        make a call crash. Replace a file that is in use by another (as `save` does); do not write into it.
        Raises `ImageError` for what is no such file, damaged, or of another version, and `OSError`.
        """
        return cls.from_image(open_image(path, verify))

    @classmethod
    def from_image(cls, image: Image) -> Tokenizer:
        """The tokenizer of an image, whose tables are checked. Raises `ImageError`."""
        from dstok.tables.image_checks import check_image, tokenizer_parts  # not needed for built-in models

        check_image(image)
        added, bos_id, eos_id, name = tokenizer_parts(image)
        try:
            return cls(tables_from_image(image), added, bos_id, eos_id, name)
        except (UnsupportedError, PatternError) as error:
            raise ImageError(f"{image.path}: {error}") from None

    def save(self, path: StrPath) -> None:
        """Writes the tokenizer to a file for `Tokenizer.open`, at once or not at all. Raises `OSError`.

        The same tokenizer gives the same bytes. The file is for this version of dstok: keep the tokenizer.json.
        """
        write_at_once(path, self.image_bytes())

    def image_bytes(self) -> bytes:
        """What `save` writes."""
        own = {"added": pack_added(self._added.tokens), "bos_id": self.bos_id, "eos_id": self.eos_id,
               "name": self.name}
        sections = {name: bytes(data) for name, data in self._tables.sections.items()}
        return image_bytes(self._tables.description, sections, own)

    # Encoding

    def encode_batch(
        self, texts: Iterable[Text], *, threads: int = 1, special: Special = "all", add_bos: bool = False,
        add_eos: bool = False, errors: Errors = "strict",
    ) -> list[list[int]]:
        """The ids of each of `texts`, as lists. `threads` share the work, without the GIL. Other keywords as `encode`.

        An error of a text says which one it is of; of several that of the first.

        >>> import dstok
        >>> dstok.load("deepseek-v3").encode_batch(["Hello", "Hello world"])
        [[19923], [19923, 2058]]
        """
        lists = self._batch(texts, threads, special, errors).lists()
        return [self._framed(row, add_bos, add_eos) for row in lists] if add_bos or add_eos else lists

    def encode_batch_arrays(
        self, texts: Iterable[Text], *, threads: int = 1, special: Special = "all", add_bos: bool = False,
        add_eos: bool = False, errors: Errors = "strict",
    ) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
        """(ids uint32[n], offsets int64[len(texts) + 1]): text i has `ids[offsets[i]:offsets[i + 1]]`.

        Keywords as `encode_batch`.

        >>> import dstok
        >>> dstok.load("deepseek-v3").encode_batch_arrays(["Hello", "Hello world"])
        (array([19923, 19923,  2058], dtype=uint32), array([0, 1, 3]))
        """
        import numpy as np

        flat, lengths = self._batch(texts, threads, special, errors).arrays()
        offsets = np.zeros(len(lengths) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        before, after = self._bos(add_bos), self._eos(add_eos)
        if before or after:
            offsets += np.arange(len(offsets)) * (len(before) + len(after))
            plain, framed = np.ones(int(offsets[-1]), np.bool_), np.empty(int(offsets[-1]), np.uint32)
            for places, frame in ((offsets[:-1], before), (offsets[1:] - 1, after)):
                if frame:
                    framed[places], plain[places] = frame[0], False
            framed[plain] = flat
            flat = framed
        return flat, offsets

    def encode_with_offsets(
        self, text: Text, *, special: Special = "all", add_bos: bool = False, add_eos: bool = False,
        errors: Errors = "strict",
    ) -> Encoding:
        """Ids with their spans in bytes and code points, piece numbers, and which are added tokens.

        Keywords as `encode`. Spans are of the text as it was given; with errors="replace" of that with U+FFFD put in.

        >>> import dstok
        >>> dstok.load("deepseek-v3").encode_with_offsets("né").char_spans.tolist()
        [[0, 2]]
        """
        import numpy as np

        before, after = self._bos(add_bos), self._eos(add_eos)
        data, policy = utf8(text, replaces(errors)), self._added.policy(special)
        ids, marks, _ = self._encoder.encode_marked(data, policy, False, _empty_ids)
        view = self._view(data, policy)
        seen = data if view is None else view.text
        runs = [(piece[0], piece[1]) for piece in self._pieces(seen, marks)]
        spans = token_spans(ids, marks, runs, self._decoder)
        chars, pieces = char_spans(spans, seen), pieces_of(spans, runs)
        flags = np.zeros(len(ids), np.bool_)
        flags[[index for index, _, _ in marks]] = True
        if view is not None:
            spans, chars = view.byte_spans(spans, chars), view.char_spans(chars)
        found = Encoding(ids, spans, chars, pieces, flags)
        return found.framed(before, after, (len(data), len(data.decode()))) if before or after else found

    def count_batch(
        self, texts: Iterable[Text], *, threads: int = 1, special: Special = "all", add_bos: bool = False,
        add_eos: bool = False, errors: Errors = "strict",
    ) -> list[int]:
        """The number of ids of each of `texts`, without making them. Keywords as `encode_batch`.

        >>> import dstok
        >>> dstok.load("deepseek-v3").count_batch(["Hello", b"Hello world"], add_bos=True)
        [2, 3]
        """
        extra = self._extra(add_bos, add_eos)
        lengths = self._batch(texts, threads, special, errors).lengths()
        return [length + extra for length in lengths] if extra else lengths

    def encode_stream(
        self, *, special: Special = "all", add_bos: bool = False, add_eos: bool = False, errors: Errors = "strict",
    ) -> EncodeStream:
        """A stream that encodes a text that comes in parts. Keywords as `encode`.

        Raises `UnsupportedError` for a model whose normalizer may look at the whole text (Prepend, Replace, Strip).
        """
        replaces(errors)
        policy, edges = self._added.policy(special), (self._bos(add_bos), self._eos(add_eos))
        if self._normalizer is None:
            return EncodeStream(self._encoder, policy, errors, *edges)
        return NormalizedStream(self._parts(policy, True), self._encoder, policy, errors, *edges)

    def growing(self, *, special: Special = "all", add_bos: bool = False, errors: Errors = "strict") -> GrowingText:
        """A text that grows at its end, as a conversation does; it is empty at first.

        What is appended costs its own length and that of the last piece before it, however long the text is. There is
        no `add_eos`: such a text has no end. Other keywords as `encode`.
        Raises `UnsupportedError` as `encode_stream`.

        >>> import dstok
        >>> tok = dstok.load("deepseek-v3")
        >>> talk = tok.growing(add_bos=True)
        >>> cache = talk.ids
        >>> for part in ["<｜User｜>Is it ", "so?<｜Assis", "tant｜>"]:
        ...     kept, new = talk.append(part)
        ...     cache[kept:] = new
        >>> cache == talk.ids == tok.encode("<｜User｜>Is it so?<｜Assistant｜>", add_bos=True)
        True
        """
        policy, replace = self._added.policy(special), replaces(errors)
        if self._normalizer is None:
            return GrowingText(self._encoder, policy, replace, self._bos(add_bos))
        return NormalizedGrowingText(self._parts(policy, False), self._encoder, policy, replace, self._bos(add_bos))

    def pretokenize(self, text: Text, *, special: Special = "all", errors: Errors = "strict") -> list[Piece]:
        """The pieces of `text` with their spans and the alternative that matched; added tokens among them.

        Keywords as `encode`.

        >>> import dstok
        >>> [(piece.text, piece.step, piece.alternative) for piece in dstok.load("deepseek-v3").pretokenize("it 42")]
        [('it', 2, 1), (' ', 2, 4), ('42', 0, 0)]
        """
        data, policy = utf8(text, replaces(errors)), self._added.policy(special)
        ids, marks, _ = self._encoder.encode_marked(data, policy, False, _empty_ids)
        view = self._view(data, policy)
        seen = data if view is None else view.text
        found, at, chars = [], 0, 0
        for start, end, tag, index in self._pieces(seen, marks):
            chars += len(seen[at:start].decode())
            shown = seen[start:end].decode()
            why = self.program.tags[tag]
            token_id = None if index is None else int(ids[index])
            found.append(Piece(shown, start, end, chars, chars + len(shown), why.step, why.alternative, token_id))
            at, chars = end, chars + len(shown)
        return found if view is None else original_pieces(view, found)

    def apply_chat_template(
        self, conversation: Any, tools: Any = None, documents: None = None, chat_template: str | None = None,
        add_generation_prompt: bool = False, continue_final_message: bool = False, tokenize: bool = True, *,
        return_dict: bool = False, return_assistant_tokens_mask: bool = False, special: ChatSpecial = "template",
        **options: Any,
    ) -> Any:
        """The ids (or with `tokenize=False` the text) of a conversation, as transformers' method of that name.

        `chat_template`: a version of `dstok.chat`; without it the one that is published with the built-in model.
        `special="all"` gives transformers' ids also where a message holds the text of an added token; the default keeps
        it text. `options`: the version's. `return_dict`: input_ids and attention_mask, with
        `return_assistant_tokens_mask` assistant_masks, too. Of a list of conversations a list. Raises `ChatError`.

        >>> import dstok
        >>> tok = dstok.load("deepseek-v3.1")
        >>> tok.apply_chat_template([{"role": "user", "content": "Hi"}], add_generation_prompt=True, thinking=True)
        [0, 128803, 23166, 128804, 128798]
        """
        from dstok.chat.transformers_call import apply  # conversations are not needed by all

        arguments = {"tools": tools, "add_generation_prompt": add_generation_prompt,
                     "continue_final_message": continue_final_message, **options}
        return apply(self, conversation, chat_template, documents, arguments, special, tokenize, return_dict,
                     return_assistant_tokens_mask)

    # Budgets

    def count_up_to(
        self, text: Text, limit: int, *, special: Special = "all", add_bos: bool = False, add_eos: bool = False,
        errors: Errors = "strict",
    ) -> int:
        """The number of ids of `text` if it is at most `limit`, else `limit + 1`; stops early. Keywords as `encode`.

        >>> import dstok
        >>> dstok.load("deepseek-v3").count_up_to("Hello wide world", 2)
        3
        """
        extra = self._extra(add_bos, add_eos)
        return _budget.count_up_to(self, text, limit, extra, special, replaces(errors))

    @overload
    def truncate(
        self, text: str, budget: int, *, side: Side = "right", special: Special = "all", add_bos: bool = False,
        add_eos: bool = False, errors: Errors = "strict",
    ) -> str: ...
    @overload
    def truncate(
        self, text: Binary, budget: int, *, side: Side = "right", special: Special = "all", add_bos: bool = False,
        add_eos: bool = False, errors: Errors = "strict",
    ) -> bytes: ...
    def truncate(
        self, text: Text, budget: int, *, side: Side = "right", special: Special = "all", add_bos: bool = False,
        add_eos: bool = False, errors: Errors = "strict",
    ) -> str | bytes:
        """`text` without its end (side="right") or start ("left"), so that it encodes to at most `budget` ids.

        It is cut between characters; of bytes it is bytes. With `add_bos` and `add_eos` these ids count, too.
        Other keywords as `encode`. Raises `ValueError` if the budget is below 0, or too small for BOS and EOS.

        >>> import dstok
        >>> tok = dstok.load("deepseek-v3")
        >>> tok.truncate("Hello wide world", 2), tok.truncate(b"Hello wide world", 2, add_bos=True)
        ('Hello wide', b'Hello')
        """
        extra = self._extra(add_bos, add_eos)
        return _budget.truncate(self, text, budget, extra, side, special, replaces(errors))

    @overload
    def chunk(
        self, text: str, budget: int, *, overlap: int = 0, special: Special = "all", add_bos: bool = False,
        add_eos: bool = False, errors: Errors = "strict",
    ) -> Iterator[str]: ...
    @overload
    def chunk(
        self, text: Binary, budget: int, *, overlap: int = 0, special: Special = "all", add_bos: bool = False,
        add_eos: bool = False, errors: Errors = "strict",
    ) -> Iterator[bytes]: ...
    def chunk(
        self, text: Text, budget: int, *, overlap: int = 0, special: Special = "all", add_bos: bool = False,
        add_eos: bool = False, errors: Errors = "strict",
    ) -> Iterator[str] | Iterator[bytes]:
        """Parts of `text`, in order, of at most `budget` ids each; without overlap they join to `text`.

        Each begins at most `overlap` ids before the end of the last one; with `add_bos` and `add_eos` these ids count
        in each part. Other keywords as `encode`. Raises `ValueError` for a budget that leaves no id for text, or not
        more than `overlap`; and, when it comes to it, for a character that has more ids.

        >>> import dstok
        >>> list(dstok.load("deepseek-v3").chunk("Hello wide world", 2))
        ['Hello wide', ' world']
        """
        extra = self._extra(add_bos, add_eos)
        return _budget.chunk(self, text, budget, extra, overlap, special, replaces(errors))

    # Decoding

    def decode(self, ids: Iterable[int], *, skip_special: bool = False, errors: Errors = "replace") -> str:
        """The text of `ids`: of a list, an array, or what else gives ints.

        Bytes that are not UTF-8 become U+FFFD, or with errors="strict" a `DecodeError`. `skip_special` leaves out the
        tokens that the model marks as special, as upstream does. These are not all added tokens: of V3's,
        `<｜begin▁of▁sentence｜>` is one, while `<｜User｜>` and `<think>` stay. Raises `UnknownIdError` with the id and
        its index, and `TypeError`.

        >>> import dstok
        >>> tok = dstok.load("deepseek-v3")
        >>> tok.decode(tok.encode("<｜begin▁of▁sentence｜><｜User｜>hi"), skip_special=True)
        '<｜User｜>hi'
        """
        replaces(errors)
        data = self.decode_bytes(ids, skip_special=skip_special)
        try:
            return data.decode("utf-8", errors)
        except UnicodeDecodeError as error:
            raise DecodeError(f"expected ids of whole characters, found byte 0x{data[error.start]:02x} "
                              f"at byte offset {error.start}") from None

    def decode_bytes(self, ids: Iterable[int], *, skip_special: bool = False) -> bytes:
        """The bytes of `ids`, as they are. `skip_special`, and errors, as `decode`.

        >>> import dstok
        >>> dstok.load("deepseek-v3").decode_bytes([19923, 2058])
        b'Hello world'
        """
        return self._decoder.decode(listed(ids), skip_special)

    def decode_batch(
        self, batch: Iterable[Iterable[int]], *, skip_special: bool = False, errors: Errors = "replace",
    ) -> list[str]:
        """`decode` of each of `batch`; errors say which list they are of.

        >>> import dstok
        >>> dstok.load("deepseek-v3").decode_batch([[19923], [19923, 2058]])
        ['Hello', 'Hello world']
        """
        texts = []
        for number, ids in enumerate(batch):
            with _of_list(number):
                texts.append(self.decode(ids, skip_special=skip_special, errors=errors))
        return texts

    def decode_stream(self, *, skip_special: bool = False, errors: Errors = "replace") -> DecodeStream:
        """A stream that decodes ids as they come. Keywords as `decode`."""
        replaces(errors)
        return DecodeStream(self._decoder, skip_special, errors)

    # The vocabulary

    def token_bytes(self, id: int) -> bytes:
        """The bytes of a token, as `decode_bytes` gives them. Raises `UnknownIdError`."""
        return self._decoder.token(id)

    def id_to_token(self, id: int) -> str:
        """A token as tokenizer.json spells it: bytes in the byte-level alphabet, added tokens as they are matched."""
        data = self._decoder.token(id)
        added = self._added_texts.get(id)
        if added is not None:
            return added
        return data.decode() if id in self._raw_ids else spelling(data)

    def token_to_id(self, token: Text) -> int:
        """The id of a token, given as tokenizer.json spells it, or as its bytes.

        Raises `UnknownTokenError`, and `TypeError` for what is neither `str` nor bytes.
        """
        token = plain(token, "token")
        found = (self._ids_by_bytes if isinstance(token, bytes) else self._ids_by_token).get(token)  # type: ignore
        if found is None:
            raise UnknownTokenError(f"no token is {token!r}")
        return int(found)

    @property
    def special_tokens(self) -> dict[str, int]:
        """The added tokens: text to id, in the order of the model's file."""
        return {token.content: token.id for token in self._added.tokens}

    @property
    def encodes_text_as_it_is(self) -> bool:
        """Whether the model has no normalizer: it encodes the text that it is given, and `decode` gives it back."""
        return self._normalizer is None

    @lazy
    def fingerprint(self) -> str:
        """A hash (SHA-256, hex) of all that decides what encode and decode give; stable across versions."""
        from hashlib import sha256

        part = self._tables.description
        whole = sha256()
        for name in ("starts", "blob", "merges"):
            whole.update(bytes(self._tables.sections[name]))
        whole.update(self._tables.merged)
        splits = [(s.pattern, s.behavior, s.invert, *([s.unicode_version] if s.unicode_version else []))
                  for s in self._tables.splits]
        rest = (splits, part["unicode_version"], part["ignore_merges"], part["raw_ids"], self.bos_id, self.eos_id,
                [_told(token) for token in self._added.tokens])
        whole.update(repr(rest).encode())
        for step in self._tables.normalizer:
            whole.update(repr([value for name, value in vars(step).items() if name != "where"]).encode())
        return whole.hexdigest()

    @lazy
    def program(self) -> Program:
        """The one automaton that the splits compile to."""
        program = compile_program(self._tables.splits, self.unicode_version)
        check_program(self._tables, program)
        return program

    def __repr__(self) -> str:
        return f"<dstok.Tokenizer {self.name or 'unnamed'}: {self.vocab_size} ids>"

    def __reduce__(self) -> tuple[Any, ...]:
        """What pickle keeps of a tokenizer.

        Of a built-in model its name, of one that was opened from a file the file's place, if it still is what it was;
        of another one all its tables. Loading one raises `PickleError` if it is of another format, damaged, or if the
        model or file is not there or not the same.
        """
        from dstok.pickles import reduced

        return reduced(self)

    def __copy__(self) -> Tokenizer:
        """Another object with the same tables, which never change."""
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._encoder, other._added = self._encoder, self._added
        return other

    def __deepcopy__(self, memo: dict[int, Any]) -> Tokenizer:
        return self.__copy__()

    # Inside

    def _view(self, text: str | bytes, policy: Policy) -> View | None:
        """The text as the model sees it; None if that is the text itself."""
        if self._normalizer is None or self._normalizer.is_normalized(text):
            return None
        from dstok.text.normalizers import view_of

        return view_of(self._normalizer, text if isinstance(text, bytes) else text.encode(), policy)

    def _parts(self, policy: Policy, patient: bool) -> NormalizedParts:
        from dstok.calls.parts import NormalizedParts

        assert self._normalizer is not None
        return NormalizedParts(self._encoder, self._normalizer, policy, patient)

    def _framed(self, ids: list[int], add_bos: bool, add_eos: bool) -> list[int]:
        return [*self._bos(add_bos), *ids, *self._eos(add_eos)]

    def _bos(self, wanted: bool) -> list[int]:
        return self._frame_id(self.bos_id, "bos") if wanted else []

    def _eos(self, wanted: bool) -> list[int]:
        return self._frame_id(self.eos_id, "eos") if wanted else []

    def _extra(self, add_bos: bool, add_eos: bool) -> int:
        """How many ids stand around a text."""
        return len(self._bos(add_bos)) + len(self._eos(add_eos))

    def _frame_id(self, id: int | None, kind: str) -> list[int]:
        if id is None:
            raise DstokError(f"add_{kind} was asked for, but the model names no {kind} token")
        return [id]

    def _batch(self, texts: Iterable[Text], threads: int, special: Special, errors: Errors) -> Batch:
        if isinstance(texts, str | bytes | bytearray | memoryview):
            raise TypeError("expected a list of texts, found one text")
        if not isinstance(texts, Iterable):
            raise TypeError(f"expected a list of texts, found {type(texts).__name__}")
        if threads < 1:
            raise ValueError(f"expected at least 1 thread, found {threads}")
        return Batch(self._encoder, list(texts), self._added.policy(special), replaces(errors), threads)

    def _pieces(
        self, data: bytes, marks: Sequence[tuple[int, int, int]]
    ) -> Iterator[tuple[int, int, int, int | None]]:
        """(start, end, tag, None) of each piece kept, (start, end, 0, index of the id) of each added token."""
        at = 0
        for index, start, end in [*marks, (-1, len(data), len(data))]:
            for first, last, tag in self._scanner.spans(data[at:start]):
                if not self.program.tags[tag].dropped:
                    yield at + first, at + last, tag, None
            if index >= 0:
                yield start, end, 0, index
            at = end

    @lazy
    def _decoder(self) -> Decoder:
        sections = self._tables.sections
        return Decoder(sections["starts"], sections["blob"], self.vocab_size, self._added.decodings())

    @lazy
    def _scanner(self) -> Scanner:
        """The automaton that also tells alternatives apart; the encoder's own does not need to."""
        pages, page_numbers = self.program.alphabet.pages()
        return Scanner(pages, page_numbers, pack_edges(self.program.dfa.edges, pages[:128]), self.program.dfa.symbols)

    @lazy
    def _raw_ids(self) -> frozenset[int]:
        """Ids of the vocabulary whose token is spelled as its text, not in the byte-level alphabet."""
        return frozenset(self._tables.description["raw_ids"])

    @lazy
    def _added_texts(self) -> dict[int, str]:
        """The texts that added tokens are matched by."""
        return {token.id: self._added.seen(token).decode() for token in self._added.tokens}

    @lazy
    def _ids_by_bytes(self) -> dict[bytes, int]:
        ids = (i for i in range(self.vocab_size) if self._decoder.has(i))
        plain = self._raw_ids | self._added_texts.keys()
        return {self._decoder.token(i): i for i in sorted(ids, key=plain.__contains__, reverse=True)}

    @lazy
    def _ids_by_token(self) -> dict[str, int]:
        own = self._added_texts.keys()
        ids = {self.id_to_token(i): i for i in range(self.vocab_size) if self._decoder.has(i) and i not in own}
        return {**ids, **{token.content: token.id for token in self._added.tokens}}

    def _prefix(
        self, text: Text, limit: int, special: Special, replace: bool
    ) -> tuple[npt.NDArray[np.uint32], list[tuple[int, int, int]], int]:
        """At least `limit` ids of the start of `text` (or all), the marks, and where they end, in bytes."""
        return self._encoder.encode_marked(text, self._added.policy(special), replace, _empty_ids, max(limit, 0))

    def _limited_spans(self, text: str, limit: int, special: Special) -> tuple[npt.NDArray[np.uint32], list[int]]:
        """At least `limit` ids of the start of `text` (or all), and where each ends, in whole code points."""
        ids, marks, end = self._prefix(text, limit, special, False)
        view = self._view(text, self._added.policy(special))
        data = (text.encode("utf-8", "surrogatepass") if view is None else view.text)[:end]  # no surrogate before `end`
        runs = [(piece[0], piece[1]) for piece in self._pieces(data, marks)]
        spans = char_spans(token_spans(ids, marks, runs, self._decoder), data)
        ends = spans[:, 1]
        if view is not None:
            return ids, view.cuts(ends, len(text)).tolist()
        inside = ends[:-1] > spans[1:, 0]  # the next token begins in the same character
        ends[:-1] -= inside
        return ids, ends.tolist()


def _normalizer(tables: Tables) -> Normalizer | None:
    if not tables.normalizer:
        return None
    from dstok.text.normalizers import make_normalizer  # needed by few models

    return make_normalizer(tables.normalizer, tables.description["unicode_version"])


def _contents(path: StrPath) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _empty_ids(count: int) -> npt.NDArray[np.uint32]:
    import numpy as np

    return np.empty(count, np.uint32)


def _told(token: AddedToken) -> tuple[Any, ...]:
    """What the fingerprint takes of an added token: what later versions know of it only where it is so."""
    *old, literal = vars(token).values()
    return (*old, *([literal] if literal else []))


@contextmanager
def _of_list(number: int) -> Iterator[None]:
    """Errors of decoding say that they are of the list `number` of a batch."""
    try:
        yield
    except UnknownIdError as error:
        raise UnknownIdError(error.id, error.index, error.vocab_size, number) from None
    except DecodeError as error:
        raise DecodeError(f"{error} of list {number}") from None
    except TypeError as error:
        raise TypeError(f"list {number}: {error}") from None


def _rebuild(*parts: Any) -> NoReturn:
    """What the first pickles call, which had no format number, and whose tables nothing can tell apart."""
    raise PickleError("expected a pickle of a tokenizer with a format number, found one without: make the pickle again "
                      "with this version of dstok")


_load_same = _rebuild
