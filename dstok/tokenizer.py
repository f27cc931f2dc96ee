"""The tokenizer: joins the parts of a model behind one object.

In: tables from a model file or an image, and added tokens. Out: `Tokenizer`. Its calls are functions of the parts' own
modules.
Invariant: a `Tokenizer` never changes. Any number of threads may use one object at once, since each call works in a
workspace of its own. It survives a fork, and it pickles. If only some calls need a part, the first of these calls
imports its module and makes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dstok.base.arguments import explained
from dstok.base.ids import Ends
from dstok.base.late import LateModule
from dstok.base.lazy import lazy
from dstok.base.paths import StrPath, write_at_once
from dstok.core.run._line import LineEncoder
from dstok.core.split._scan import Scanner, pack_edges
from dstok.errors import ImageError, PatternError, UnsupportedError
from dstok.from_files import FromFiles
from dstok.tables.flat import Image, Tables, tables_from_image
from dstok.tables.objects import check_program, make_bpe, make_encoder
from dstok.text.added_tokens import AddedTokens

if TYPE_CHECKING:
    from typing_extensions import Self

    from dstok import names_of_others
    from dstok.calls import (
        batches,
        budget,
        canonical,
        decode_streams,
        decoding,
        growing,
        healing,
        offsets,
        streams,
        writing,
    )
    from dstok.calls.places import Places
    from dstok.core.run._decode import Decoder
    from dstok.core.text._normalize import Normalizer
    from dstok.formats.added_token import AddedToken
    from dstok.formats.description import ModelDescription, TokenizerConfig
    from dstok.inspection.inspection import Inspection
    from dstok.pattern.cascade import Program
    from dstok.text.sorted_tokens import SortedTokens
    from dstok.text.vocabulary import Vocabulary
    from dstok.view import call
    from dstok.vocabularies import extending, renewing, trimming
else:  # a method's module is imported when the method is first asked for
    names_of_others, call = LateModule("dstok.names_of_others"), LateModule("dstok.view.call")
    batches, budget, decoding = map(LateModule, ("dstok.calls.batches", "dstok.calls.budget", "dstok.calls.decoding"))
    growing, offsets = LateModule("dstok.calls.growing"), LateModule("dstok.calls.offsets")
    canonical, healing = LateModule("dstok.calls.canonical"), LateModule("dstok.calls.healing")
    decode_streams = LateModule("dstok.calls.decode_streams")
    extending, trimming = LateModule("dstok.vocabularies.extending"), LateModule("dstok.vocabularies.trimming")
    renewing = LateModule("dstok.vocabularies.renewing")
    streams, writing = LateModule("dstok.calls.streams"), LateModule("dstok.calls.writing")

__all__ = ["Tokenizer", "describe", "tokenizer_of", "tokenizer_of_description"]

UNCHANGED: Any = type("_Unchanged", (), {"__repr__": lambda self: "UNCHANGED"})()  # for `replace`


class _Class(type):
    """The metaclass: for a name of other libraries, such as `Tokenizer.from_pretrained`, it names dstok's call."""

    if not TYPE_CHECKING:
        __getattr__ = names_of_others.raise_no_attribute


class Tokenizer(LineEncoder, FromFiles, metaclass=_Class):
    """An exact tokenizer.

    `dstok.load`, `Tokenizer.from_json`, `from_str`, `from_tiktoken`, `from_sentencepiece`, `from_gguf` and `from_image`
    make one; `to_json`, `to_tiktoken`, `to_gguf` and `to_image` write such files.

    Every encoding call has these keywords. `special` says which added tokens are matched in the text: "all"
    (upstream's behaviour), "none" (all text is plain), "raise" (`SpecialTokenError` if the text holds one), or a
    set of their texts. With `errors="replace"`, U+FFFD stands for invalid UTF-8 and lone surrogates; otherwise they
    raise `TextError`. `add_bos` and `add_eos` put these ids around each text of a batch, around each part of `chunk`,
    and at the ends of a stream. A text that grows has no end, so `growing` takes no `add_eos`.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3")
    >>> tok.encode("Hello world")
    [19923, 2058]
    >>> tok.decode([19923, 2058])
    'Hello world'
    """

    def __init__(self, *_: Any, **__: Any) -> None:
        """Raises `TypeError`, which names the calls that make a tokenizer."""
        raise TypeError("a dstok.Tokenizer is made by dstok.load(name or path), by Tokenizer.from_json, from_str, "
                        "from_tiktoken, from_sentencepiece, from_gguf or from_image")

    @classmethod
    def _of_tables(
        cls, tables: Tables, added: tuple[AddedToken, ...], bos_id: int | None, eos_id: int | None, name: str = "",
        config: TokenizerConfig | Mapping[str, Any] | None = None,
    ) -> Self:
        """The tokenizer of tables, which are not checked. A mapping holds the fields of a `TokenizerConfig`."""
        made = cls.__new__(cls)
        made._make(tables, added, Ends(bos_id, eos_id), name, config)
        return made

    def _make(
        self, tables: Tables, added: tuple[AddedToken, ...], ends: Ends, name: str,
        config: TokenizerConfig | Mapping[str, Any] | None,
    ) -> None:
        self._tables, self._name, self._config = tables, name, config
        self._bpe = make_bpe(tables)
        self._normalizer = _normalizer(tables)
        self._size = max([self._bpe.size, *(token.id + 1 for token in added)])
        encoder = make_encoder(tables, self._bpe, self._size, self._normalizer)
        runs = tables.description.get("runs", {})
        tokens = AddedTokens(added, self._unicode_version, self._normalizer, runs)
        LineEncoder.__init__(self, encoder, tokens, ends)

    # From a model's files. `FromFiles` has the public class methods.

    @classmethod
    def _of_description(cls, model: ModelDescription) -> Self:
        """The tokenizer of a description that a file format's reader made."""
        from dstok.tables.build import build_tables

        config = model.config
        with model.naming_places():
            return cls._of_tables(build_tables(model), model.added_tokens, config.bos_id, config.eos_id, config=config)

    @classmethod
    def _of_image(cls, image: Image, upstream: str | None = None) -> Self:
        """The tokenizer of an open image, whose tables are checked. Raises `ImageError`."""
        from dstok.tables.image.checks import check_image, tokenizer_parts

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
    ) -> Self:
        r"""A copy of the tokenizer with other special ids, name or upstream. The tokenizer itself does not change.

        `upstream` names the version of upstream whose Unicode tables decide. Its tables are compiled anew. Raises
        `ArgumentError` for what is no id of the tokenizer, `UnsupportedError` for an unknown version, or one that reads
        a step of the model as dstok cannot.

        >>> import dstok
        >>> tok = dstok.load("deepseek-v3")
        >>> tok.replace(eos_id=5).encode("Hello", add_eos=True)
        [19923, 5]
        >>> tok.encode(" \u20c1"), tok.replace(upstream="tokenizers-1.0.0rc3").encode(" \u20c1")
        ([223, 23368, 226], [1327, 228, 226])
        """
        from dataclasses import replace

        from dstok.base.numbers import whole_number

        if upstream is not UNCHANGED:
            return self._of_upstream(upstream).replace(
                bos_id=bos_id, eos_id=eos_id, pad_id=pad_id, unk_id=unk_id, name=name)
        given = {"bos_id": bos_id, "eos_id": eos_id, "pad_id": pad_id, "unk_id": unk_id}
        ids: Any = {key: None if id is None else whole_number(key, id, most=self._size - 1)
                    for key, id in given.items() if id is not UNCHANGED}
        other = self.__copy__()
        ends = Ends(ids.pop("bos_id", self.bos_id), ids.pop("eos_id", self.eos_id))
        LineEncoder.__init__(other, self._encoder, self._added, ends)
        for with_ends in ("fingerprint", "_identity", "_settings"):  # they depend on BOS and EOS
            other.__dict__.pop(with_ends, None)
        if ids:
            other.__dict__["_config"] = replace(self.config, **ids)
        if name is not UNCHANGED:
            other.__dict__["_name"] = name
        return other

    def _of_upstream(self, upstream: str) -> Self:
        from dstok.formats.of_upstream import of_upstream

        model = self._describe()
        wanted = of_upstream(model, upstream)
        if wanted == model:
            return self.__copy__()
        other = self._of_description(wanted)
        other.__dict__["_name"] = self.name
        return other

    # Files

    @explained
    def to_image(self, path: StrPath) -> None:
        """Writes the tokenizer to a file for `Tokenizer.from_image`, at once or not at all. Raises `OSError`.

        The same tokenizer gives the same bytes. The file is for this version of dstok: keep the tokenizer.json.
        """
        from dstok.tables.image.parts import image_of

        write_at_once(path, image_of(self._tables, self._added.tokens, self.config, self.name))

    def _describe(self) -> ModelDescription:
        """The description of the tokenizer: readers of file formats give this form, and writers take it."""
        from dstok.tables.build import describe_tables

        return describe_tables(self._tables, self._added.tokens, self.config)

    to_tiktoken, to_gguf, to_json = writing.to_tiktoken, writing.to_gguf, writing.to_json

    # Other vocabularies: functions of dstok/vocabularies

    extend, truncated, trimmed = extending.extend, trimming.truncated, trimming.trimmed
    train_new_from_iterator = renewing.train_new_from_iterator

    # Calls: functions of dstok/calls, which use the parts that calls/interface.py names. `encode`, `encode_array` and
    # `count` are `LineEncoder`'s.

    encode_batch, encode_batch_arrays = batches.encode_batch, batches.encode_batch_arrays
    count_batch = batches.count_batch
    encode_with_offsets = offsets.encode_with_offsets
    encode_stream, growing = streams.encode_stream, growing.growing
    count_up_to, truncate, chunk = budget.count_up_to, budget.truncate, budget.chunk
    decode, decode_bytes, decode_batch = decoding.decode, decoding.decode_bytes, decoding.decode_batch
    decode_stream, decode_streams = decoding.decode_stream, decode_streams.decode_streams
    canonical, is_canonical, first_noncanonical, first_noncanonical_batch = (
        canonical.canonical, canonical.is_canonical, canonical.first_noncanonical, canonical.first_noncanonical_batch)
    unsettled, continuations = healing.unsettled, healing.continuations
    id_to_token, token_to_id = decoding.id_to_token, decoding.token_to_id
    vocabulary, get_vocab, __len__ = decoding.vocabulary, decoding.get_vocab, decoding.number_of_tokens
    __bool__ = decoding.has_tokens

    apply_chat_template = names_of_others.apply_chat_template
    if not TYPE_CHECKING:  # a type checker finds by itself that a tokenizer has no such names
        __call__, __getattr__ = names_of_others.raise_not_callable, names_of_others.raise_no_attribute

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
    def pad_id(self) -> int | None:
        """The id of the token that fills a batch up; None if the model names none. `replace` sets another one."""
        return self.config.pad_id

    @property
    def unk_id(self) -> int | None:
        """The id of the token for what no other one spells; None if the model names none. `replace` sets another one.

        Texts need it only in a model that loses bytes: `Inspection.lost_bytes`.
        """
        return self.config.unk_id

    @property
    def vocab_size(self) -> int:
        """One more than the largest id, added tokens included."""
        return self._size

    @property
    def config(self) -> TokenizerConfig:
        """The settings of the model's files: BOS, EOS, padding, chats."""
        return self._settings

    @property
    def special_tokens(self) -> dict[str, int]:
        """The added tokens: text to id, in the order of the model's file."""
        return {token.content: token.id for token in self._added.tokens}

    @lazy
    def fingerprint(self) -> str:
        """A hash (SHA-256, hex) of everything that decides results of encode and decode; stable across versions."""
        from dstok.tables.fingerprint import fingerprint

        return fingerprint(self._tables, self._added.tokens, self.bos_id, self.eos_id)

    def inspect(self) -> Inspection:
        """The tokenizer's parts, to look at: automaton, pieces, merges, added tokens, tables.

        >>> import dstok
        >>> dstok.load("deepseek-v3").inspect().merge(b" tokenization")
        [17840, 1878]
        """
        from dstok.inspection.inspection import Inspection

        return Inspection(self._tables, self._bpe, self._encoder, self._decoder, self._added, self._normalizer,
                          lambda: self._program, lambda: self._scanner, lambda: self._places)

    view = call.view

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
        from dstok.pickles import reduced

        return reduced(self, self._tables, self._added.tokens)

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
        from dstok.tables.fingerprint import settings_hash

        return self.fingerprint, settings_hash(self._tables, self.config)

    @property
    def _unicode_version(self) -> str:
        return str(self._tables.description["unicode_version"])

    @lazy
    def _settings(self) -> TokenizerConfig:
        from dataclasses import replace

        from dstok.formats.description import TokenizerConfig

        config = self._config if isinstance(self._config, TokenizerConfig) else TokenizerConfig(**self._config or {})
        return replace(config, bos_id=self.bos_id, eos_id=self.eos_id)

    @lazy
    def _decoder(self) -> Decoder:
        from dstok.core.run._decode import Decoder  # not needed to encode

        sections, shape = self._tables.sections, self._tables.characters
        added = self._added.decodings(shape is not None)
        byte_ids = () if shape is None else [i for i in shape.byte_ids if i >= 0]
        strip = shape is not None and bool(shape.strip)
        return Decoder(sections["starts"], sections["blob"], self.vocab_size, added, byte_ids, strip)

    @lazy
    def _sorted_tokens(self) -> SortedTokens:
        from dstok.text.sorted_tokens import SortedTokens

        return SortedTokens(self._decoder)

    @lazy
    def _vocabulary(self) -> Vocabulary:
        from dstok.text.vocabulary import Vocabulary

        raw_ids = frozenset(self._tables.description["raw_ids"])
        return Vocabulary(self._decoder, self._added, raw_ids, self._tables.characters)

    @lazy
    def _program(self) -> Program:
        """The one automaton that the splits compile to."""
        from dstok.pattern.cascade import compile_splits

        program = compile_splits(self._tables.splits, self._unicode_version)
        check_program(self._tables, program)
        return program

    @lazy
    def _scanner(self) -> Scanner:
        """The automaton that also tells alternatives apart. The encoder's automaton does not."""
        pages, page_numbers = self._program.alphabet.pages()
        return Scanner(pages, page_numbers, pack_edges(self._program.dfa.edges, pages[:128]), self._program.dfa.symbols)

    @lazy
    def _places(self) -> Places:
        from dstok.calls.places import Places
        from dstok.calls.trimming import Trimmer

        trimming, shape = self._tables.description.get("trim_offsets", ""), self._tables.characters
        trimmer = Trimmer(trimming, self._unicode_version, self._bpe, shape, self._added.tokens) if trimming else None
        return Places(self._encoder, self._normalizer, lambda: (self._scanner, self._program.tags), trimmer)


def tokenizer_of(
    tables: Tables, added: tuple[AddedToken, ...], bos_id: int | None, eos_id: int | None, name: str = "",
    config: TokenizerConfig | Mapping[str, Any] | None = None, *, cls: type[Tokenizer] = Tokenizer,
) -> Tokenizer:
    """The tokenizer of tables, for the rooms that make them. The tables are not checked."""
    return cls._of_tables(tables, added, bos_id, eos_id, name, config)


def tokenizer_of_description(model: ModelDescription, *, cls: type[Tokenizer] = Tokenizer) -> Tokenizer:
    """The tokenizer of a description, for the rooms that make one. Raises `UnsupportedError`."""
    return cls._of_description(model)


def describe(self: Tokenizer) -> ModelDescription:
    """The description of a tokenizer: readers of file formats give this form, and writers take it."""
    return self._describe()


def _normalizer(tables: Tables) -> Normalizer | None:
    if not tables.normalizer:
        return None
    from dstok.text.normalizers import make_normalizer  # needed by few models

    return make_normalizer(tables.normalizer, tables.description["unicode_version"], tables.characters)


if TYPE_CHECKING:
    from dstok.protocol import TokenizerProtocol

    def _followed(tokenizer: Tokenizer) -> TokenizerProtocol:
        """mypy reports here a signature of `Tokenizer` that differs from the protocol's."""
        return tokenizer
