"""A tokenizer as an image: its content, and the checks before anything runs on it (image_file.py has the layout).

In: tables, added tokens, BOS, EOS, name, settings of chats. Out: the bytes of an image, and a fingerprint; of an image
the parts of a tokenizer, or `ImageError`.
Invariant: the same tokenizer gives the same bytes. The checks trust nothing in an image but the meaning of its tables:
with one that passes, no call crashes, whatever its origin. This module and core/check/proofs.pyx check everything that
the core relies on: types by `HEADER` and `TOKENIZER`, then conditions, each only if those before it hold. A forged
image may still give wrong ids: a checksum keeps accidents out, not people. Two tokenizers with one fingerprint give the
same ids, texts and errors.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from dstok.compiled.image_file import AGAIN, FLAGS, image_parts, own_part, unpack_added
from dstok.compiled.kernel_selection import KINDS, NONE
from dstok.compiled.programs import check_program
from dstok.compiled.tables import MATRIX_HEAD, TABLES_FORMAT, Buffer, Image, Tables, bare_bpe, tables_from_image
from dstok.core.bpe.facts import BORDER_BYTES, JOINED_BYTES, joined_characters
from dstok.core.bpe.tables import MAX_IDS, MAX_MERGES, MAX_SLOTS
from dstok.core.check import proofs as core
from dstok.errors import ImageError, UnsupportedError
from dstok.formats.byte_alphabet import NOT_IN_UTF_8

if TYPE_CHECKING:
    from dstok.formats.description import AddedToken, TokenizerConfig

SECTIONS = ("pages", "page_numbers", "edges", "starts", "blob", "merged", "pairs", "seeds", "atoms", "byte_pairs",
            "pair_ids", "direct", "joined", "borders", "shuffles")
MATRIX = "matrix"  # the section that follows them in a model of characters
DEAD = "dead"  # the section that follows these if there are dead merges
PAGE, ROW, MAX_ROWS, MAX_SYMBOLS = 256, 256, 1 << 16, 128  # see core/split/automaton.pyx
MAX_SEEDS = 1 << 22  # see core/bpe/tables.pyx: a fourth of MAX_MERGES
NO_PAIR = 0xFFFF  # pairs of bytes have lower numbers: core/bpe/merge_loops.h
_ID = (int, type(None))
# Types from JSON: [int] is a list of ints, {...} an object with these keys; those with a "?" may be missing. TEXT is a
# str without lone surrogates.
TEXT = "text"
SPLIT = {"pattern": str, "behavior": str, "where": str, "invert": bool, "unicode_version": (str, type(None))}
STEP = {"type": str, "pattern": TEXT, "is_regex": bool, "content": TEXT, "left": bool, "right": bool, "where": TEXT,
        "unicode_version?": str}
SHAPE = {"prefix": str, "split": bool, "strip": int, "byte_ids": [int], "parts": TEXT}
HEADER = {
    "format": int, "unicode_version": str, "monotone": bool, "ignore_merges": bool, "symbols": int, "first": int,
    "merges": int, "byte_ids": [int], "raw_ids": [int], "splits": [SPLIT],
    "kernel": {"rules": int, "kinds": [int], "edges": str}, "normalizer?": [STEP], "characters?": SHAPE, "runs?": dict,
    "cuts_texts?": bool, "cuts_bytes?": bool, "word_end?": str, "unknown?": list, "trim_offsets?": str, "lost?": list,
}
CONFIG = {"pad_id?": int, "unk_id?": int, "add_bos?": bool, "add_eos?": bool, "chat_template?": str,
          "chat_templates?": dict, "generation?": dict, "framing?": str, "truncation?": dict, "padding?": dict}
TOKENIZER = {"added": {"id": [int], "content": [TEXT], "flags": [int]}, "bos_id": _ID, "eos_id": _ID, "name": str,
             "config?": CONFIG, "source?": str}
Conditions = Iterator[tuple[str, object, object, object]]  # (what, does it hold, expected, found)
Parts = tuple["tuple[AddedToken, ...]", "int | None", "int | None", str, dict[str, Any]]


def check_image(image: Image) -> None:
    """Raises `ImageError` if the core could not run on the tables of `image`."""
    found = image.header.get("format")
    if found != TABLES_FORMAT:
        raise ImageError(f"{image.path}: expected tables of format {TABLES_FORMAT}, found {found!r}: {AGAIN}")
    for conditions in (_of_header, _of_sizes, _of_tables):
        _check(image, conditions)


def tokenizer_parts(image: Image) -> Parts:
    """The added tokens, BOS, EOS, name and configuration of `image`: the fields of a `TokenizerConfig`."""
    part = image.tokenizer
    if part is None:
        raise ImageError(f"{image.path}: expected a tokenizer, found only the tables that built-in models share: "
                         "load one by its name")
    _check(image, _of_tokenizer)
    return unpack_added(part["added"]), part["bos_id"], part["eos_id"], part["name"], part.get("config", {})


def _check(image: Image, conditions: Callable[[Image], Conditions]) -> None:
    try:
        for what, holds, expected, found in conditions(image):
            if not holds:
                text = found if isinstance(found, str) else repr(found)
                raise ValueError(f"{what}{': ' if what else ''}expected {expected}, "
                                 f"found {text if len(text) <= 120 else f'{text[:117]}...'}")
    except (ValueError, OverflowError) as error:
        raise ImageError(f"{image.path}: {error}: the image is damaged") from None


def _types(what: str, value: Any, kind: Any) -> Conditions:
    """Is the type from JSON of `value` `kind`? A bool is no int here."""
    plain = str if kind == TEXT else kind if isinstance(kind, (type, tuple)) else type(kind)
    known = plain if isinstance(plain, tuple) else (plain,)
    yield what, type(value) in known, " or ".join(each.__name__ for each in known), value
    if kind == TEXT:
        yield what, value.isascii() or value == value.encode("utf-8", "ignore").decode(), "text", "a lone surrogate"
    elif isinstance(kind, dict):
        inner = {key.rstrip("?"): each for key, each in kind.items()}
        for key in kind.keys() - value.keys():
            yield what, key.endswith("?"), repr(key), "none"
        yield what, value.keys() <= inner.keys(), f"the keys {', '.join(inner)}", sorted(value)
        for key in value:
            yield from _types(f"{what} {key}".lstrip(), value[key], inner[key])
    elif isinstance(kind, list) and isinstance(kind[0], dict):
        for each in value:
            yield from _types(what, each, kind[0])
    elif isinstance(kind, list):
        kinds, item = set(map(type, value)), str if kind[0] == TEXT else kind[0]
        yield what, kinds <= {item}, f"only {item.__name__}", sorted(each.__name__ for each in kinds)
        if kind[0] == TEXT:
            yield from _types(what, "".join(value), TEXT)


def _of_header(image: Image) -> Conditions:
    d = image.header
    yield from _types("", d, HEADER)
    yield "symbols", 2 <= d["symbols"] <= MAX_SYMBOLS, f"2 to {MAX_SYMBOLS}", d["symbols"]
    yield "merges", 0 <= d["merges"] <= MAX_MERGES, f"0 to {MAX_MERGES}", d["merges"]
    yield "byte_ids", len(d["byte_ids"]) == 256, 256, len(d["byte_ids"])
    for step in d.get("normalizer", ()):
        yield from _of_step(step, "characters" in d)
    if "characters" in d:
        yield from _of_shape(image)
    for char, ids in d.get("runs", {}).items():
        yield from _types("runs", ids, [int])
        yield "runs", len(char) == 1 and ids, "ids of runs of a character", char
    unknown, lost = d.get("unknown", ["", False]), d.get("lost", [[], -1])
    yield "unknown", list(map(type, unknown)) == [str, bool], "a text and a bool", unknown
    yield from _types("unknown", unknown[0], TEXT)
    yield "lost", len(lost) == 2, "bytes and an id", lost
    yield from _types("unknown token", lost[1], int)
    yield from _types("lost", lost[0], [int])
    if d.get("trim_offsets"):
        from dstok.formats.components import TRIMMINGS  # needed by few models, as all that are imported below

        yield "trim_offsets", d["trim_offsets"] in TRIMMINGS, f"one of {list(TRIMMINGS)}", d["trim_offsets"]
    # The rules exist, and they know the kind of each class. The walk has proved them right.
    rules, kinds, classes = d["kernel"]["rules"], d["kernel"]["kinds"], d["symbols"] - 1
    yield "rules", rules in (NONE, *KINDS), f"one of {[NONE, *KINDS]}", rules
    if rules != NONE:
        yield "kinds", len(kinds) == classes, f"one for each of {classes} classes", len(kinds)
        yield "kinds", set(kinds) <= set(KINDS[rules]), f"some of {KINDS[rules]}", kinds


def _of_step(step: dict[str, Any], characters: bool) -> Conditions:
    """Of a step of the normalizer, in a model of characters or another."""
    from dstok.formats.description import NORMALIZERS, PREFIX_SPACE, TEXT_SPACE
    from dstok.unicode.normalization import VERSIONS

    known = (*NORMALIZERS, PREFIX_SPACE, *[TEXT_SPACE] * characters)
    version = step.get("unicode_version", VERSIONS[-1])
    yield "normalizer unicode_version", version in VERSIONS, f"one of {list(VERSIONS)}", version
    yield "normalizer type", step["type"] in known, f"one of {', '.join(known)}", step["type"]
    yield "normalizer pattern", step["type"] != "Replace" or step["pattern"], "a pattern", "none"
    yield "normalizer content", step["type"] != "Prepend" or step["content"], "a text", "none"


def _of_shape(image: Image) -> Conditions:
    """Of the shape of a model of characters, whose steps the normalizer has."""
    from dstok.formats.character_bpe import canonical_steps, check_parts
    from dstok.formats.description import PREFIXES

    shape = image.header["characters"]
    yield "prefix", shape["prefix"] in PREFIXES, f"one of {list(PREFIXES)}", shape["prefix"]
    yield "strip", shape["strip"] in (0, 1), "0 or 1", shape["strip"]
    yield "byte_ids", len(shape["byte_ids"]) == 256, 256, len(shape["byte_ids"])
    found = tables_from_image(image).characters
    assert found is not None
    steps = [{**step, "where": ""} for step in image.header.get("normalizer", ())]
    expected = [step.stored() for step in canonical_steps(found)]
    yield "normalizer", steps == expected, f"the steps {expected}", steps
    if found.parts:
        check_parts(found)


def _of_tokenizer(image: Image) -> Conditions:
    part = image.tokenizer or {}
    yield from _types("", part, TOKENIZER)
    ids, contents, flags = (part["added"][name] for name in ("id", "content", "flags"))
    lengths = [len(ids), len(contents), len(flags)]
    yield "added", len(set(lengths)) == 1, "columns of one length", lengths
    yield "content", len(set(contents)) == len(contents), "each added token once", "one twice"
    yield "content", all(contents), "added tokens of at least one character", "an empty one"
    most_id = MAX_IDS + len(ids)  # they follow the vocabulary
    for name, values, most in (("flags", flags, (1 << len(FLAGS)) - 1), ("id", ids, most_id)):
        for value in (min(values, default=0), max(values, default=0)):
            yield name, 0 <= value <= most, f"0 to {most}", value
    size = max(len(image.section("starts")) // 4 - 1, 1 + max(ids, default=0))
    config = part.get("config", {})
    for name, of in (("bos_id", part), ("eos_id", part), ("pad_id", config), ("unk_id", config)):
        yield name, of.get(name) is None or 0 <= of[name] < size, f"an id below {size}", of.get(name)
    yield from _types("config chat_templates", [*config.get("chat_templates", {}).values()], [str])
    if config.keys() & {"framing", "truncation", "padding"}:
        from dstok.formats.components import check_framing, check_row_settings

        if "framing" in config:
            check_framing(config["framing"])
        check_row_settings(config.get("truncation"), config.get("padding"))


def _of_sizes(image: Image) -> Conditions:
    characters = "characters" in image.header
    needed = (*SECTIONS, MATRIX) if characters else SECTIONS
    yield "sections", tuple(image.places) in (needed, (*needed, DEAD)), " ".join(needed), " ".join(image.places)
    size = {name: length for name, (_, length) in image.places.items()}
    both = not size["edges"] and not characters and image.header["kernel"]["rules"] == NONE
    ids, merges = size["starts"] // 4 - 1, image.header["merges"]
    least_ids = 1 if "lost" in image.header else 256 - len(NOT_IN_UTF_8)
    salts = 2 if size["seeds"] % 4 else 4  # bytes of one salt, or two, after the seeds
    if characters:
        pages = size[MATRIX] - MATRIX_HEAD - 2 * 0x1100
        yield ("section matrix", pages % PAGE == 0 and PAGE <= pages <= 0x1100 * PAGE, f"pages of {PAGE} bytes", pages)
    for name, unit, least, most in (
        ("pages", PAGE, 1, 0x1100), ("page_numbers", 2 * 0x1100, 1, 1),
        ("edges", 4 * ROW, *((0, 0) if both else (2, MAX_ROWS))), ("starts", 4, least_ids + 1, MAX_IDS + 1),
        ("pair_ids", 4, 0, NO_PAIR), ("merged", 4 * merges or 1, 0, merges > 0), ("direct", (ids + 7) // 8, 1, 1),
        ("pairs", _table_size(8, size["pairs"], MAX_SLOTS), 1, 1), ("byte_pairs", 8 << 16, 1, 1),
        ("seeds", _table_size(2, size["seeds"], MAX_SEEDS) + salts, 1, 1), ("borders", BORDER_BYTES, 0, 1),
        ("atoms", 4 << 16, not characters, not characters), ("joined", JOINED_BYTES, characters, 1),
        *([(DEAD, 16, 1, MAX_MERGES - merges)] if DEAD in size else []),
    ):
        yield (f"section {name}", size[name] % unit == 0 and least <= size[name] // unit <= most,
               f"{unit} bytes" if most == 1 else f"{least:d} to {most:d} times {unit} bytes", f"{size[name]} bytes")


def _table_size(unit: int, size: int, most: int) -> int:
    """The bytes of the largest table not above `size`: `unit` times 16, 32, 64 and so on, to `most` times `unit`."""
    return unit * min(most, 1 << max(4, (size // unit).bit_length() - 1))


def _of_tables(image: Image) -> Conditions:
    """Of the tables, each against the others; their sizes are right."""
    tables = tables_from_image(image)
    header, s = tables.header, tables.sections
    check_program(s, header.symbols)
    if header.kernel.rules != NONE:
        expected, edges = header.kernel.edges, sha256(s["edges"]).hexdigest()
        yield "section edges", edges == expected, f"the automaton that the rules stand for, SHA-256 {expected}", edges
    # The bytes whose ids are not those of their tokens: lost ones, and in a model that has such those of no text.
    lost = {*header.lost[0], *(NOT_IN_UTF_8 if header.lost[0] else ())}
    core.check_tokens(s["starts"], len(s["blob"]), [i for byte, i in enumerate(header.byte_ids) if byte not in lost])
    yield from _of_ids(tables, lost)
    bpe = bare_bpe(tables)
    live = core.check_merges(bpe, s["pairs"], header.merges)
    if header.characters is None:
        core.check_atoms(bpe, s["atoms"])
    else:
        joined = joined_characters(live, memoryview(s["starts"]).cast("B").cast("I"), s["blob"])
        core.check_matrix(s[MATRIX], s["joined"], header.characters["split"], joined)
    core.check_byte_pairs(bpe, s["byte_pairs"], s["pair_ids"])
    core.check_direct(bpe, s["direct"])
    if DEAD in s:
        core.check_dead(bpe, s[DEAD], header.merges)


def _of_ids(tables: Tables, lost: set[int]) -> Conditions:
    """Of the ids in the header, against the vocabulary."""
    header, blob = tables.header, tables.sections["blob"]
    starts = memoryview(tables.sections["starts"]).cast("B").cast("I")
    for i in header.raw_ids:
        yield "raw_ids", 0 <= i < len(starts) - 1, f"ids below {len(starts) - 1}", i
        token = bytes(blob[starts[i] : starts[i + 1]])
        yield "raw_ids", token.decode("utf-8", "replace").encode() == token, "tokens that are text", token
    if header.characters is not None:
        for byte, i in enumerate(header.characters["byte_ids"]):
            yield ("byte_ids", i == -1 or (0 <= i < len(starts) - 1 and starts[i + 1] - starts[i] == 1
                                           and blob[starts[i]] == byte), f"the id of byte {byte}", i)
        core.check_texts(starts, blob, set(header.characters["byte_ids"]))
    for byte, i in enumerate(header.byte_ids):
        yield ("byte_ids", byte in lost or blob[starts[i]] == byte or (byte in NOT_IN_UTF_8 and blob[starts[i]] == 0),
               f"the id of byte {byte}", i)
    if lost:  # those that the vocabulary lacks; the token that stands for them is no side of a merge
        from dstok.compiled.build import describe_tables, unknown_id
        from dstok.formats.description import TokenizerConfig

        model = describe_tables(tables, (), TokenizerConfig())
        try:
            expected = [[*model.lost_bytes()], unknown_id(model)]
        except UnsupportedError as error:
            raise ValueError(str(error)) from None
        yield "lost", header.lost == expected, expected, header.lost
        yield "section joined", not len(tables.sections["joined"]), "no cuts in a model that loses bytes", "cuts"


def image_of(
    tables: Tables, added: tuple[AddedToken, ...], config: TokenizerConfig, name: str, source: str = "",
) -> list[Buffer]:
    """The image of a tokenizer, in parts. source: the file that it was made of, in an image of the cache."""
    own = own_part(added, config, name) | ({"source": source} if source else {})
    return image_parts(tables.header.stored(), tables.sections, own)


def fingerprint(tables: Tables, added: tuple[AddedToken, ...], bos_id: int | None, eos_id: int | None) -> str:
    """The hash of everything that decides ids, texts and errors: SHA-256, hex; the same in each version of dstok.

    So a field that a later version adds to a split, a step or a token is hashed only where its value differs from the
    behaviour of the versions without it.
    """
    header, merges = tables.header, tables.merges
    pairs = merges[: len(merges) // 3 * 2]
    pairs[::2], pairs[1::2] = merges[::3], merges[1::3]
    whole = sha256()
    for data in (tables.sections["starts"], tables.sections["blob"], pairs, merges[2::3]):
        whole.update(data)
    splits = [(s.pattern, s.behavior, s.invert, *([s.unicode_version] if s.unicode_version else []))
              for s in tables.splits]
    tokens = [tuple(token) if token.literal else tuple(token)[:-1] for token in added]
    rest = (splits, header.unicode_version, header.ignore_merges, header.raw_ids, bos_id, eos_id, tokens)
    whole.update(repr(rest).encode())
    for step in tables.normalizer:
        whole.update(repr([value for name, value in step.stored().items() if name != "where"]).encode())
    shape = tables.characters
    if shape is not None:
        whole.update(repr((shape.prefix, shape.split, shape.strip, shape.byte_ids)).encode())
    if header.lost[0]:
        whole.update(repr((header.lost, header.unknown and header.unknown[1])).encode())
    if header.cuts_texts:
        whole.update(b"cuts texts")
    return whole.hexdigest()


def settings_hash(tables: Tables, config: TokenizerConfig) -> bytes:
    """Hash of the settings outside the fingerprint: pairs, padding, chats, trimmed spans."""
    said = [own_part((), config, ""), tables.header.trim_offsets]
    return sha256(json.dumps(said, sort_keys=True).encode()).digest()
