r"""The contents of a model file, in one form for all file formats.

In: the findings of a file format's reader. Out: `ModelDescription`; the engine's tables are built from it.
Invariant: it holds everything that decides an encoding, and nothing else but places for errors. Tokens are bytes, never
spellings. For every merge, `tokens[left] + tokens[right] == tokens[merged]`. No two merges have one pair, since the
pair table has one rank for a pair. Of a model of characters, text and tokens are canonical: a space stands for U+2581,
which the files write for it. The file's token "▁the" is b" the" here, "<0xE4>" is the one byte b"\xe4".
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple, get_args

from dstok.core.text.model_json import TokenTable
from dstok.errors import UnsupportedError
from dstok.formats import AddedToken as AddedToken
from dstok.formats.byte_alphabet import BLANK as BLANK
from dstok.formats.byte_alphabet import NOT_IN_UTF_8, byte_spelling, decoded_bytes, spelling
from dstok.regex import Split

WORD_END = b"\xff"  # no text has this byte
ENDS = ("bos_id", "eos_id", "pad_id", "unk_id")  # the settings that name one token each
NORMALIZERS = ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Strip", "Prepend", "Replace")
PREFIX_SPACE = "PrefixSpace"  # a step of ours: a space before a stretch that begins with none
TEXT_SPACE = "TextSpace"  # a step of ours: the same, only at the start of the whole text
Prefix = Literal["none", "stretch", "unless-blank", "text"]
PREFIXES: tuple[Prefix, ...] = get_args(Prefix)


class CharacterShape(NamedTuple):
    """The steps of a model of characters around merging.

    prefix: where a space is put before a stretch of text between added tokens: nowhere ("none"), before each one
        ("stretch"), before each one that begins with none ("unless-blank"), or only before such a one at the start of
        the whole text ("text").
    split: is the text cut before each space?
    strip: how many spaces, 0 or 1, decoding drops at the start of a text.
    byte_ids: for each byte the id of its token, such as "<0x0A>", or -1.
    parts: the file's own normalizer, pre-tokenizer, decoder, unk_token and fuse_unk, as a JSON object. "": none, so a
        writer makes its own. They change nothing beyond the other fields.
    """

    prefix: Prefix
    split: bool
    strip: int
    byte_ids: tuple[int, ...]
    parts: str = ""

    def __eq__(self, other: object) -> bool:
        """Whether both have the same steps, whatever the file says beyond them."""
        return isinstance(other, CharacterShape) and self[:-1] == other[:-1]

    def __ne__(self, other: object) -> bool:  # a tuple has its own
        return not self == other

    def __hash__(self) -> int:
        return hash(self[:-1])


def with_word_end(token: bytes, word_end: str) -> bytes:
    """The bytes that a token decodes to."""
    ends = word_end and len(token) > 1 and token.endswith(WORD_END)
    return token[:-1] + decoded_bytes(word_end) if ends else token


def spelled(token: bytes, token_id: int, shape: CharacterShape) -> str:
    """The token as files spell it."""
    if len(token) == 1 and shape.byte_ids[token[0]] == token_id:
        return byte_spelling(token[0])
    return token.decode().replace(" ", BLANK)


class NormalizerStep(NamedTuple):
    """One step of a normalizer, by upstream's type, one of `NORMALIZERS`; sequences are unfolded.

    The last one may be `PREFIX_SPACE`: ByteLevel does this with add_prefix_space, and Metaspace. Or `TEXT_SPACE`:
    Metaspace does this with the prepend_scheme "first".
    pattern: for Replace: a regular expression if `is_regex`, else a literal text. content: the text that Replace puts
    there, or that Prepend puts before the text. left, right: the ends that Strip strips. where: the step's place, for
    errors, as its reader names it. unicode_version: of a normal form; None: 9.0, as upstream before 1.0.
    """

    type: str
    pattern: str = ""
    is_regex: bool = False
    content: str = ""
    left: bool = False
    right: bool = False
    where: str = ""
    unicode_version: str | None = None

    def stored(self) -> dict[str, Any]:
        """The fields as an image has them: images of models without a `unicode_version` have no such key."""
        return {name: value for name, value in self._asdict().items() if value is not None}


class TokenizerConfig(NamedTuple):
    """A model's settings of BOS, EOS and chats. None: its files do not say.

    pad_id: the token that fills a batch up. unk_id: the token for what no other one spells.
    add_bos, add_eos: do BOS and EOS stand around a text?
    chat_template: the jinja template, of several the one named "default"; chat_templates: all that have names.
    generation: the settings in generation_config.json, as they stand there.
    framing: the steps of tokenizer.json's post-processor that put ids around texts, as a JSON array; see components.py.
    truncation, padding: these objects of tokenizer.json, which only `dstok.padding.from_config` uses.
    """

    bos_id: int | None = None
    eos_id: int | None = None
    pad_id: int | None = None
    unk_id: int | None = None
    add_bos: bool | None = None
    add_eos: bool | None = None
    chat_template: str | None = None
    chat_templates: Mapping[str, str] = {}  # nobody changes it
    generation: Mapping[str, Any] | None = None
    framing: str | None = None
    truncation: Mapping[str, Any] | None = None
    padding: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        """The settings that the files say, long ones cut: a template alone may have thousands of characters."""
        said = {name: repr(value) for name, value in self._asdict().items() if value is not None and value != {}}
        shown = (f"{name}={text if len(text) <= 40 else f'{text[:36]} ...'}" for name, text in said.items())
        return f"TokenizerConfig({', '.join(shown)})"


class ModelDescription(NamedTuple):
    """A BPE model, of bytes or of characters.

    splits: the pre-tokenizer's steps, with ByteLevel's own regex if it is used.
    tokens: by id, the bytes of each entry of the vocabulary; None where an id has none. Added tokens above
        the vocabulary are not in here: its length is the largest id of the vocabulary + 1.
    raw_ids: ids of the vocabulary that BPE can never make, because their spelling is not in the byte-level alphabet, or
        has a space in a model of characters; their bytes are the UTF-8 of their spelling.
    merges: typecode "I", flat: left id, right id, merged id, in the order of rank. A merge with a raw id can never
        happen and is not in here.
    added_tokens: in the order of the file.
    normalizer: its steps; without steps a text is taken as it is. Of a model of characters: those of its shape.
    ignore_merges: is a piece that is a token of the vocabulary that token, whatever the merges say?
    config: BOS and EOS, and the settings of chats.
    trim_offsets: do the spans of tokens lose the white space at their ends? One of post_processors.TRIMMINGS.
    cuts_texts: does the model's own code cut long texts before it encodes them, as Kimi's does?
    characters: the shape of a model that merges characters; None: it merges bytes.
    cuts_bytes: does a step after ByteLevel cut inside characters? The merges over such cuts are not in here.
    word_end: the end_of_word_suffix. In `tokens` a byte `WORD_END` stands for it. The first merges, of any byte and
        `WORD_END`, are not in the file.
    unknown: the text of `unk_token`, and `fuse_unk`: does one such token stand for several lost bytes in a row? Of use
        only where bytes that UTF-8 has are without a token (`lost_bytes`); None: they are left out of a text.
    places: where the file has `vocab`, `merges`, `added_tokens`, or `added_tokens[3]`, for errors.

    >>> from dstok.core.text.model_json import pack_tokens
    >>> merges = array("I", [0, 1, 2])
    >>> model = ModelDescription((), pack_tokens([b"a", b"b", b"ab"]), frozenset(), merges, (), False)
    >>> [(model.tokens[left], model.tokens[right]) for left, right, merged in model.merge_rules()]
    [(b'a', b'b')]
    """

    splits: tuple[Split, ...]
    tokens: TokenTable
    raw_ids: frozenset[int]
    merges: array[int]
    added_tokens: tuple[AddedToken, ...]
    ignore_merges: bool
    unicode_version: str = "16.0"
    normalizer: tuple[NormalizerStep, ...] = ()
    config: TokenizerConfig = TokenizerConfig()
    trim_offsets: str = ""
    characters: CharacterShape | None = None
    cuts_texts: bool = False
    cuts_bytes: bool = False
    word_end: str = ""
    unknown: tuple[str, bool] | None = None
    places: Mapping[str, str] = {}  # nobody changes it

    def __eq__(self, other: object) -> bool:
        """Whether both are the same model, from whatever places in their files."""
        return isinstance(other, ModelDescription) and self[:-1] == other[:-1]

    def __ne__(self, other: object) -> bool:  # a tuple has its own
        return not self == other

    def without_places(self) -> ModelDescription:
        """The same model without the places in its file. They change no encoding."""
        splits = tuple(split._replace(where="") for split in self.splits)
        normalizer = tuple(step._replace(where="") for step in self.normalizer)
        return self._replace(splits=splits, normalizer=normalizer, places={})

    def lost_bytes(self) -> bytes:
        """The bytes that UTF-8 has, and no token spells. A model of characters has tokens for all that it needs."""
        known = {self.tokens[i] for i in self.tokens.of_length(1) if i not in self.raw_ids}
        lost = bytes(b for b in range(256) if b not in NOT_IN_UTF_8 and bytes([b]) not in known)
        return lost if self.characters is None else b""

    @contextmanager
    def naming_places(self) -> Iterator[None]:
        """An error inside names a part of the description, such as `merges`. It gets this part's place in the file."""
        try:
            yield
        except UnsupportedError as error:
            known = max((name for name in self.places if error.where.startswith(name)), key=len, default="")
            raise UnsupportedError(error.message, self.places.get(known, "") + error.where[len(known) :]) from None

    def refuse_hidden(self, format: str) -> None:
        """Refuses an added token whose id the vocabulary has for another text, which can only be a whole piece.

        Raises `UnsupportedError`: a file of a `format` that holds each token once cannot say that, nor ends of words.
        """
        if self.word_end:
            raise UnsupportedError(f"an end_of_word_suffix, which {format} cannot say")
        used = set(self.merges)
        for number, added in enumerate(self.added_tokens):
            token = self.tokens[added.id] if added.id < len(self.tokens) else None
            if (self.ignore_merges and token and added.id not in used and added.id not in self.raw_ids
                    and token != added.content.encode()):
                raise UnsupportedError(f"the added token {added.content!r}, whose id is also that of the text "
                                       f"{token.decode('utf-8', 'replace')!r}, which {format} cannot say",
                                       f"added_tokens[{number}]")

    def refuse_shared(self, format: str) -> None:
        """Refuses two added tokens with one id, which a file of a `format` cannot say. Raises `UnsupportedError`."""
        owners: dict[int, str] = {}
        for number, added in enumerate(self.added_tokens):
            if owners.setdefault(added.id, added.content) != added.content:
                raise UnsupportedError(f"the added token {added.content!r} with the id of {owners[added.id]!r}, which "
                                       f"{format} cannot say", f"added_tokens[{number}]")

    def spelling(self, token_id: int) -> str:
        """A token as a tokenizer.json spells it."""
        token = self.tokens[token_id] or b""
        if token_id in self.raw_ids:
            return token.decode()
        if self.characters is not None:
            return spelled(token, token_id, self.characters)
        return spelling(with_word_end(token, self.word_end))

    def merge_rules(self) -> list[tuple[int, int, int]]:
        """The merges as (left id, right id, merged id), in the order of rank."""
        return list(zip(self.merges[::3], self.merges[1::3], self.merges[2::3]))
