"""The tokenizer: joins the parts of a model behind one object.

In: tables from a model file or an image, and added tokens. Out: `Tokenizer`. Its calls are functions of the parts' own
modules.
Invariant: a `Tokenizer` never changes. Any number of threads may use one object at once, since each call works in a
run of its own. It survives a fork, and it pickles. If only some calls need a part, or the reader of a file, the
first of these calls imports its module and makes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from dstok._util.arguments import Ends, explained, whole_number
from dstok._util.files import StrPath, write_at_once
from dstok._util.imports import LateModule
from dstok._util.objects import lazy
from dstok.added_tokens import AddedTokens
from dstok.compiled.tables import Image, Tables, make_bpe, make_encoder, tables_from_image
from dstok.core.encode.encoder import LineEncoder
from dstok.errors import ArgumentError, ImageError, PatternError, UnsupportedError
from dstok.formats import NEWEST_UPSTREAM as NEWEST

if TYPE_CHECKING:
    from typing import Self

    from dstok.chat.encode import apply_chat_template as apply_chat
    from dstok.core.bpe.merge import BPE
    from dstok.core.encode.decode import Decoder
    from dstok.core.split.automaton import Scanner
    from dstok.core.split.two_sided import TwoSided
    from dstok.core.text.normalize import Normalizer
    from dstok.formats.description import AddedToken, ModelDescription, TokenizerConfig
    from dstok.inspection.inspection import Inspection
    from dstok.methods import batch, budget, decoding, export, incremental, offsets, segments
    from dstok.methods.offsets import Places
    from dstok.pretokenizer.splitter import Splitter
    from dstok.regex.cascade import Cascade
    from dstok.viewer import notebook
    from dstok.vocabulary import SortedTokens, Vocabulary
else:  # a method's module is imported when the method is first asked for
    batch, budget, decoding, export, incremental, offsets, segments = (
        LateModule(f"dstok.methods.{name}")
        for name in ("batch", "budget", "decoding", "export", "incremental", "offsets", "segments"))
    apply_chat, notebook = LateModule("dstok.chat.encode").apply_chat_template, LateModule("dstok.viewer.notebook")

UNCHANGED: Any = type("_Unchanged", (), {"__repr__": lambda self: "UNCHANGED"})()  # for `replace`

HINTS = {  # the names that newcomers type; docs/migration_names.md has all
    "save_pretrained": "to_json(path), or to_image(path)",
    "encode_ordinary": 'encode(text, special="none")',
    "encode_plus": "encode(text)",
    "batch_encode_plus": "encode_batch(texts)",
    "batch_decode": "decode_batch(batch)",
    "tokenize": "[tok.id_to_token(id) for id in tok.encode(text)]",
    "convert_ids_to_tokens": "[tok.id_to_token(id) for id in ids]",
    "convert_tokens_to_ids": "[tok.token_to_id(token) for token in tokens]",
    "num_tokens": "count(text)",
    "get_vocab_size": "len(tok.get_vocab())",
    "n_vocab": "vocab_size",
    "eos_token_id": "eos_id",
    "pad_token_id": "config.pad_id",
    "model_max_length": "truncate(text, max_tokens): a tokenizer sets no limit",
}


class Tokenizer(LineEncoder):
    """An exact tokenizer.

    `dstok.load` makes one from a name or a file of any kind, `from_json`, `from_str` and `from_tiktoken` from one kind;
    `to_json`, `to_tiktoken`, `to_gguf` and `to_image` write such files.

    Every encoding call has these keywords. `special` says which added tokens are matched in the text: "all"
    (upstream's behaviour), "none" (all text is plain), "raise" (`SpecialTokenError` if the text holds one), or a
    set of their texts. With `errors="replace"`, U+FFFD stands for invalid UTF-8 and lone surrogates; otherwise they
    raise `TextError`. `add_bos` and `add_eos` put these ids around each text of a batch, around each part of `chunk`,
    and at the ends of a stream. A text that grows has no end, so `encode_incremental` takes no `add_eos`.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> tok.encode("Hello world")
    [19923, 2058]
    >>> tok.decode([19923, 2058])
    'Hello world'
    """

    _tables: Tables
    _name: str
    _config: TokenizerConfig | Mapping[str, Any] | None
    _bpe: BPE
    _normalizer: Normalizer | None
    _size: int

    def __init__(self, *_: Any, **__: Any) -> None:
        """Raises `TypeError`, which names the calls that make a tokenizer."""
        raise TypeError("a dstok.Tokenizer is made by dstok.load(name or path), by Tokenizer.from_json, from_str or "
                        "from_tiktoken")

    @classmethod
    def _of_tables(
        cls, tables: Tables, added: tuple[AddedToken, ...], bos_id: int | None, eos_id: int | None, name: str = "",
        config: TokenizerConfig | Mapping[str, Any] | None = None,
    ) -> Self:
        """The tokenizer of tables, which are not checked. A mapping holds the fields of a `TokenizerConfig`."""
        self = cls.__new__(cls)
        self._tables, self._name, self._config, normalizer, header = tables, name, config, None, tables.header
        if tables.normalizer:
            from dstok.normalizers import make_normalizer  # needed by few models

            normalizer = make_normalizer(tables.normalizer, header.unicode_version, tables.characters)
        self._bpe, self._normalizer = make_bpe(tables), normalizer
        self._size = max([self._bpe.size, *(token.id + 1 for token in added)])
        encoder = make_encoder(tables, self._bpe, self._size, normalizer)
        tokens = AddedTokens(added, header.unicode_version, normalizer, header.runs)
        LineEncoder.__init__(self, encoder, tokens, Ends(bos_id, eos_id))
        return self

    # Files

    @classmethod
    @explained
    def from_json(cls, path: StrPath, config: StrPath | None = None, *, upstream: str = NEWEST) -> Self:
        """The tokenizer of a tokenizer.json file.

        BOS and EOS, padding and the chat template are read from `config`, or else from a tokenizer_config.json beside
        the file. A chat_template.jinja and a generation_config.json are read there, too.
        `upstream`, such as "tokenizers-0.21.1", is the version of upstream whose Unicode tables decide.
        Raises `UnsupportedError` for a model that dstok cannot do exactly, `TokenizerFileError` for a broken file or
        another kind of file (both with the file's name and the JSON path), and `OSError`.
        """
        from dstok.formats.reading import about_file, describe_json_file

        with about_file(path):
            return cls._of_description(describe_json_file(path, config, upstream))

    @classmethod
    @explained
    def from_str(cls, json: str | bytes, config: str | bytes | None = None, *, upstream: str = NEWEST) -> Self:
        """The tokenizer of the text of a tokenizer.json (and of a tokenizer_config.json). Raises as `from_json`."""
        from dstok.formats.tokenizer_json import read_tokenizer_json

        return cls._of_description(read_tokenizer_json(json, config, upstream))

    @classmethod
    @explained
    def from_tiktoken(
        cls, ranks: StrPath | Mapping[bytes, int], pattern: str | None = None,
        special_tokens: Mapping[str, int] | None = None,
    ) -> Self:
        r"""The tokenizer of `tiktoken.Encoding(..., pat_str=pattern, mergeable_ranks=ranks, special_tokens=...)`.

        `ranks` is a mapping from bytes to ids, or the path of a rank file. `pattern` is in tiktoken's dialect, or the
        name of one of its encodings: gpt2, r50k_base, p50k_base, p50k_edit, cl100k_base, o200k_base, o200k_harmony.
        With a name, `special_tokens` defaults to the encoding's own. A rank file that tiktoken publishes needs no
        `pattern`; nor does one in a folder of Kimi or the first Qwen, whose other files lie beside it.
        `encode` is tiktoken's with `allowed_special="all"`, and `special="none"` its `encode_ordinary`. Raises
        `UnsupportedError`, `PatternError`, `TokenizerFileError` (with line and file offset), and `OSError`.

        >>> import dstok
        >>> ranks = {bytes([b]): b for b in range(256)} | {b"ab": 256}
        >>> tok = dstok.Tokenizer.from_tiktoken(ranks, r"\S++|\s++", {"<end>": 257})
        >>> tok.encode("abba ab<end>")
        [256, 98, 97, 32, 256, 257]
        """
        from dstok.formats.reading import about_file, describe_ranks

        with nullcontext() if isinstance(ranks, Mapping) else about_file(ranks):
            return cls._of_description(describe_ranks(ranks, pattern, special_tokens))

    @classmethod
    def _of_description(cls, model: ModelDescription) -> Self:
        """The tokenizer of a description that a file format's reader made."""
        from dstok.compiled.build import build_tables

        config = model.config
        with model.naming_places():
            return cls._of_tables(build_tables(model), model.added_tokens, config.bos_id, config.eos_id, config=config)

    @classmethod
    def _of_image(cls, image: Image, upstream: str | None = None) -> Self:
        """The tokenizer of an open image, whose tables are checked. Raises `ImageError`."""
        from dstok.compiled.image import check_image, tokenizer_parts

        check_image(image)
        try:
            made = cls._of_tables(tables_from_image(image), *tokenizer_parts(image))
        except (UnsupportedError, PatternError) as error:
            raise ImageError(f"{image.path}: {error}") from None
        return made if upstream is None else made.replace(upstream=upstream)

    @explained
    def replace(
        self, *, bos_id: int | None = UNCHANGED, eos_id: int | None = UNCHANGED, pad_id: int | None = UNCHANGED,
        unk_id: int | None = UNCHANGED, name: str = UNCHANGED, upstream: str = UNCHANGED,
        pre_tokenizer: Splitter = UNCHANGED,
    ) -> Self:
        r"""A copy of the tokenizer with other special ids, name, upstream or pieces. The tokenizer itself stays.

        `upstream` names the version of upstream whose Unicode tables decide. `pre_tokenizer` cuts the texts in place of
        the model's own steps; ids and merges stay. Its tables are compiled anew. Raises `ArgumentError` for what is no
        id of the tokenizer, and for a splitter of another Unicode; `UnsupportedError` for an unknown version, or one
        that reads a step of the model as dstok cannot, and for pieces of a model that merges characters.

        >>> import dstok
        >>> tok = dstok.load("deepseek-v3")
        >>> tok.replace(eos_id=5).encode("Hello", add_eos=True)
        [19923, 5]
        >>> tok.encode(" \u20c1"), tok.replace(upstream="tokenizers-1.0.0rc3").encode(" \u20c1")
        ([223, 23368, 226], [1327, 228, 226])
        >>> len(tok.encode("to be")), len(tok.replace(pre_tokenizer=dstok.Splitter(".")).encode("to be"))
        (2, 5)
        """
        if upstream is not UNCHANGED or pre_tokenizer is not UNCHANGED:
            from dstok.formats.upstream import of_upstream

            model = wanted = self._describe()
            if pre_tokenizer is not UNCHANGED:
                if model.characters is not None or model.cuts_bytes:
                    raise UnsupportedError("other pieces of a model of characters, or that cuts digits after ByteLevel")
                if pre_tokenizer.unicode_version != model.unicode_version:
                    raise ArgumentError(f"expected a splitter of Unicode {model.unicode_version}, found one of "
                                        f"{pre_tokenizer.unicode_version}", "pre_tokenizer")
                wanted = wanted._replace(splits=pre_tokenizer.splits)
            wanted = wanted if upstream is UNCHANGED else of_upstream(wanted, upstream)
            moved = self if wanted == model else self._of_description(wanted)
            return moved.replace(bos_id=bos_id, eos_id=eos_id, pad_id=pad_id, unk_id=unk_id,
                                 name=self.name if name is UNCHANGED else name)
        given = {"bos_id": bos_id, "eos_id": eos_id, "pad_id": pad_id, "unk_id": unk_id}
        ids: Any = {key: None if id is None else whole_number(key, id, most=self._size - 1)
                    for key, id in given.items() if id is not UNCHANGED}
        other = self.__copy__()
        ends = Ends(ids.pop("bos_id", self.bos_id), ids.pop("eos_id", self.eos_id))
        LineEncoder.__init__(other, self._encoder, self._added, ends)
        for with_ends in ("fingerprint", "_identity", "_settings"):  # they depend on BOS and EOS
            other.__dict__.pop(with_ends, None)
        if ids:
            other.__dict__["_config"] = self.config._replace(**ids)
        if name is not UNCHANGED:
            other.__dict__["_name"] = name
        return other

    @explained
    def to_image(self, path: StrPath) -> None:
        """Writes the tokenizer to a file for `dstok.load`, at once or not at all. Raises `OSError`.

        The same tokenizer gives the same bytes. The file is for this version of dstok: keep the tokenizer.json.
        """
        write_at_once(path, self._image())

    def _image(self) -> bytearray:
        from dstok.compiled.image_file import image_bytes

        return image_bytes(self._image_parts())

    def _image_parts(self, source: str = "") -> list[bytes | bytearray | memoryview]:
        from dstok.compiled.image import image_of

        return image_of(self._tables, self._added.tokens, self.config, self.name, source)

    def _describe(self) -> ModelDescription:
        """The description of the tokenizer: readers of file formats give this form, and writers take it."""
        from dstok.compiled.build import describe_tables

        return describe_tables(self._tables, self._added.tokens, self.config)

    to_tiktoken, to_gguf, to_json = export.to_tiktoken, export.to_gguf, export.to_json

    # Calls: functions that use the parts that protocols.py names. `LineEncoder` has `encode`, `encode_array`, `count`.

    encode_batch, encode_batch_arrays, count_batch = batch.encode_batch, batch.encode_batch_arrays, batch.count_batch
    encode_with_offsets = offsets.encode_with_offsets
    encode_segments, encode_segments_batch = segments.encode_segments, segments.encode_segments_batch
    encode_segments_with_offsets = segments.encode_segments_with_offsets
    encode_stream, encode_incremental = incremental.encode_stream, incremental.encode_incremental
    truncate, chunk = budget.truncate, budget.chunk
    decode, decode_bytes, decode_stream = decoding.decode, decoding.decode_bytes, decoding.decode_stream
    decode_batch = decoding.decode_batch  # type: ignore[has-type]
    id_to_token, token_to_id, get_vocab = decoding.id_to_token, decoding.token_to_id, decoding.get_vocab
    view = notebook.view  # type: ignore[has-type]
    apply_chat_template = apply_chat

    if not TYPE_CHECKING:  # a type checker finds by itself that a tokenizer has no such names
        def __getattr__(self, name: str) -> Any:
            own = HINTS.get(name)
            if own is None:
                raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}", name=name, obj=self)
            # With an object but no name, Python suggests no other name ("Did you mean: 'encode_array'?").
            raise AttributeError(f"Tokenizer has no {name}, as other libraries have: use {own}", obj=self)

        def __call__(self, *_: Any, **__: Any) -> Any:
            raise TypeError("a dstok.Tokenizer is not called: use tok.encode(text), tok.encode_batch(texts) or, for "
                            "numpy arrays, tok.encode_array(text)")

    # The model

    @property
    def name(self) -> str:
        """The name of a built-in model, or what `replace` set; "" for others."""
        return self._name

    @property
    def bos_id(self) -> int | None:
        """The id of the token that begins a text; None if the model names none. `replace` sets another one."""
        return self._ends.bos_id

    @property
    def eos_id(self) -> int | None:
        """The id of the token that ends a text; None if the model names none. `replace` sets another one."""
        return self._ends.eos_id

    @property
    def vocab_size(self) -> int:
        """One more than the largest id, added tokens included."""
        return self._size

    @property
    def config(self) -> TokenizerConfig:
        """The settings of the model's files: BOS, EOS, padding, chats."""
        return self._settings

    @property
    def added_tokens(self) -> dict[str, int]:
        """The added tokens: text to id, in the order of the model's file."""
        return {token.content: token.id for token in self._added.tokens}

    @lazy
    def fingerprint(self) -> str:
        """A hash (SHA-256, hex) of everything that decides results of encode and decode; stable across versions."""
        from dstok.compiled.image import fingerprint

        return fingerprint(self._tables, self._added.tokens, self.bos_id, self.eos_id)

    def inspect(self) -> Inspection:
        """The tokenizer's parts, to look at: automaton, pieces, merges, added tokens, tables.

        >>> import dstok
        >>> dstok.load("deepseek-v3").inspect().merge(b" tokenization")
        [17840, 1878]
        """
        from dstok.inspection.inspection import Inspection

        return Inspection(self)

    # As an object

    def __eq__(self, other: object) -> bool:
        """Whether both give the same: equal fingerprints, and equal settings for pairs, padding, chats and spans.

        >>> import dstok
        >>> v3 = dstok.load("deepseek-v3")
        >>> v3 == dstok.load("deepseek-v3"), v3 == dstok.load("deepseek-r1")
        (True, False)
        """
        if self is other:
            return True
        return self._identity == other._identity if isinstance(other, Tokenizer) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._identity)

    def __repr__(self) -> str:
        return f"<dstok.Tokenizer {self.name or 'unnamed'}: {self.vocab_size} ids>"

    def __reduce__(self) -> tuple[Any, ...]:
        """The content of a pickle of the tokenizer.

        A built-in model is pickled by its name. A tokenizer that was opened from an image is pickled by the file's
        path, if the file has not changed. Other tokenizers are pickled with all their tables. Loading raises
        `PickleError` if the pickle has another format or is damaged, or if the model or file is missing or differs.
        """
        from dstok.pickling import reduced

        return reduced(self)

    def __copy__(self) -> Self:
        """Another object with the same tables: they never change."""
        other = type(self).__new__(type(self))
        LineEncoder.__init__(other, self._encoder, self._added, self._ends)
        other.__dict__.update(self.__dict__)
        return other

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.__copy__()

    # Parts that are made when they are first needed

    @lazy
    def _identity(self) -> tuple[str, bytes]:
        """The key that equal tokenizers share."""
        from dstok.compiled.image import settings_hash

        return self.fingerprint, settings_hash(self._tables, self.config)

    @lazy
    def _settings(self) -> TokenizerConfig:
        from dstok.formats.description import TokenizerConfig

        config = self._config if isinstance(self._config, TokenizerConfig) else TokenizerConfig(**self._config or {})
        return config._replace(bos_id=self.bos_id, eos_id=self.eos_id)

    @lazy
    def _decoder(self) -> Decoder:
        from dstok.core.encode.decode import Decoder  # not needed to encode

        sections, shape, word_end = self._tables.sections, self._tables.characters, self._tables.header.word_end
        added = self._added.decodings(shape is not None)
        byte_ids = () if shape is None else [i for i in shape.byte_ids if i >= 0]
        strip = shape is not None and bool(shape.strip)
        if word_end:
            from dstok.core.text.model_json import pack_tokens
            from dstok.formats.description import with_word_end

            tokens = pack_tokens([token and with_word_end(token, word_end) for token in self._describe().tokens])
            return Decoder(tokens.starts.tobytes(), tokens.blob, self.vocab_size, added, byte_ids, strip)
        return Decoder(sections["starts"], sections["blob"], self.vocab_size, added, byte_ids, strip)

    @lazy
    def _sorted_tokens(self) -> SortedTokens:
        from dstok.vocabulary import SortedTokens

        return SortedTokens(self._decoder)

    @lazy
    def _vocabulary(self) -> Vocabulary:
        from dstok.vocabulary import Vocabulary

        return Vocabulary(self)

    @lazy
    def _program(self) -> Cascade:
        """The automaton of the splits; a `Program` if it reads a text from the left alone."""
        from dstok.compiled.programs import check_compiled
        from dstok.regex.cascade import compile_cascade

        cascade = compile_cascade(self._tables.splits, self._tables.header.unicode_version)
        check_compiled(self._tables, cascade)
        return cascade

    @lazy
    def _tagger(self) -> Scanner | TwoSided:
        """The automaton that also tells alternatives apart. The encoder's automaton does not."""
        from dstok.compiled.programs import make_tagger

        return make_tagger(self._program)

    @lazy
    def _places(self) -> Places:
        from dstok.methods.offsets import Places

        return Places(self)


# For the rooms that make tables or descriptions, and those that read them:
tokenizer_of, tokenizer_of_description, tokenizer_of_image, describe, image_parts_of = (
    Tokenizer._of_tables, Tokenizer._of_description, Tokenizer._of_image, Tokenizer._describe, Tokenizer._image_parts)
