"""A tokenizer as an image: its content, and the checks before anything runs on it (image_file.py has the layout).

In: tables, added tokens, BOS, EOS, name, settings of chats. Out: the bytes of an image, and a fingerprint; of an image
the parts of a tokenizer, or `ImageError`.
Invariant: the same tokenizer gives the same bytes. The checks trust nothing in an image but the meaning of its tables:
with one that passes, no call crashes, whatever its origin. This module and core/check/proofs.pyx check everything that
the core relies on. A forged image may still give wrong ids: a checksum keeps accidents out, not people. Two tokenizers
with one fingerprint give the same ids, texts and errors.
"""

from __future__ import annotations

import json
import re
from array import array
from collections.abc import Callable
from hashlib import sha256
from typing import Any, get_type_hints

from dstok.compiled.character_matrix import MATRIX_HEAD
from dstok.compiled.image_file import AGAIN, FLAGS, image_bytes, own_part, unpack_added
from dstok.compiled.kernel_selection import KINDS, NONE
from dstok.compiled.tables import TABLES_FORMAT, Image, Tables, bare_bpe, tables_from_image
from dstok.core.bpe.tables import BORDER_BYTES, JOINED_BYTES, MAX_IDS, MAX_MERGES, MAX_SLOTS, all_merges, merges_of
from dstok.core.check import proofs as core
from dstok.errors import ImageError, UnsupportedError
from dstok.formats.byte_alphabet import NOT_IN_UTF_8
from dstok.formats.character_bpe import canonical_steps, check_parts
from dstok.formats.components import TRIMMINGS, check_framing, check_row_settings
from dstok.formats.description import (
    NORMALIZERS,
    PREFIX_SPACE,
    PREFIXES,
    TEXT_SPACE,
    AddedToken,
    CharacterShape,
    NormalizerStep,
    TokenizerConfig,
)
from dstok.unicode.normalization import VERSIONS

MAX_FLAGS = (1 << len(FLAGS)) - 1


SECTIONS = ("pages", "page_numbers", "edges", "starts", "blob", "merged", "pairs", "seeds", "atoms", "byte_pairs",
            "pair_ids", "direct", "joined", "borders", "windows")
MATRIX = "matrix"  # the section that follows them in a model of characters
DEAD = "dead"  # the section that follows these if there are dead merges
PAGE, ROW, MAX_ROWS, MAX_SYMBOLS = 256, 256, 1 << 16, 128  # see core/split/automaton.pyx
MAX_SEEDS = 1 << 22  # see core/bpe/tables.pyx: a fourth of MAX_MERGES
MAX_BYTE_PAIRS = 0xFFFF  # see compiled/build.py
_SURROGATE = re.compile("[\ud800-\udfff]")
CONFIG = {"pad_id": int, "unk_id": int, "add_bos": bool, "add_eos": bool, "chat_template": str, "chat_templates": dict,
          "generation": dict, "framing": str, "truncation": dict, "padding": dict}
Parts = tuple[tuple[AddedToken, ...], "int | None", "int | None", str, TokenizerConfig]


def check_image(image: Image) -> None:
    """Raises `ImageError` if the core could not run on the tables of `image`."""
    found = image.description.get("format")
    if found != TABLES_FORMAT:
        raise ImageError(f"{image.path}: expected tables of format {TABLES_FORMAT}, found {found!r}: {AGAIN}")
    for check in (_check_description, _check_sizes, _check_tables):
        _guarded(image, check)


def tokenizer_parts(image: Image) -> Parts:
    """The added tokens, BOS, EOS, name and configuration of `image`."""
    if image.tokenizer is None:
        raise ImageError(f"{image.path}: expected a tokenizer, found only the tables that built-in models share: "
                         "load one by its name")
    found: Parts = _guarded(image, _tokenizer_parts)
    return found


def _guarded(image: Image, check: Callable[[Image], Any]) -> Any:
    try:
        return check(image)
    except KeyError as error:
        raise ImageError(f"{image.path}: expected {error.args[0]!r}, found none: the image is damaged") from None
    except (ValueError, OverflowError) as error:
        raise ImageError(f"{image.path}: {error}: the image is damaged") from None


def _check_description(image: Image) -> None:
    d = image.description
    for name, kind in (("unicode_version", str), ("monotone", bool), ("ignore_merges", bool),
                       ("symbols", int), ("first", int), ("merges", int)):
        _typed(name, d[name], kind)
    for name in ("byte_ids", "raw_ids"):
        _listed(name, d[name], int)
    _ask("symbols", 2 <= d["symbols"] <= MAX_SYMBOLS, f"2 to {MAX_SYMBOLS}", d["symbols"])
    _ask("merges", 0 <= d["merges"] <= MAX_MERGES, f"0 to {MAX_MERGES}", d["merges"])
    _ask("byte_ids", len(d["byte_ids"]) == 256, 256, len(d["byte_ids"]))
    for split in _listed("splits", d["splits"], dict):
        known = {"pattern": str, "behavior": str, "where": str, "invert": bool, "unicode_version": str}
        _ask("splits", split.keys() == known.keys(), "a split", sorted(split))
        for name, value in split.items():
            if name != "unicode_version" or value is not None:
                _typed(name, value, known[name])
    for step in _listed("normalizer", d.get("normalizer", []), dict):
        _check_step(step, (*NORMALIZERS, PREFIX_SPACE, *[TEXT_SPACE] * ("characters" in d)))
    if "characters" in d:
        _check_shape(_typed("characters", d["characters"], dict), d)
    for char, ids in _typed("runs", d.get("runs", {}), dict).items():
        _ask("runs", len(char) == 1 and len(_listed("runs", ids, int)) > 0, "ids of runs of a character", char)
    _typed("cuts_texts", d.get("cuts_texts", False), bool)
    unknown = d.get("unknown", ["", False])
    _ask("unknown", list(map(type, _typed("unknown", unknown, list))) == [str, bool], "a text and a bool", unknown)
    _ask("unknown", _SURROGATE.search(unknown[0]) is None, "text", "a lone surrogate")
    trimming = d.get("trim_offsets", "")
    _ask("trim_offsets", trimming in TRIMMINGS, f"one of {list(TRIMMINGS)}", trimming)
    # The rules exist, and they know the kind of each class. The walk has proved them right.
    kernel, classes = _typed("kernel", d["kernel"], dict), d["symbols"] - 1
    rules, kinds = _typed("rules", kernel["rules"], int), _listed("kinds", kernel["kinds"], int)
    _typed("edges", kernel["edges"], str)
    _ask("rules", rules in (NONE, *KINDS), f"one of {[NONE, *KINDS]}", rules)
    if rules != NONE:
        _ask("kinds", len(kinds) == classes, f"one for each of {classes} classes", len(kinds))
        _ask("kinds", set(kinds) <= set(KINDS[rules]), f"some of {KINDS[rules]}", kinds)


def _check_step(step: dict[str, Any], known: tuple[str, ...]) -> None:
    """Check a step of the normalizer, in the form of `NormalizerStep`, of one of the `known` types."""
    kinds = get_type_hints(NormalizerStep)
    _ask("normalizer", step.keys() | {"unicode_version"} == kinds.keys(), "a step", sorted(step))
    for name in kinds.keys() - {"unicode_version"}:
        _typed(f"normalizer {name}", step[name], kinds[name])
    version = step.get("unicode_version", VERSIONS[-1])
    _ask("normalizer unicode_version", version in VERSIONS, f"one of {list(VERSIONS)}", version)
    texts = step["pattern"] + step["content"] + step["where"]
    _ask("normalizer", _SURROGATE.search(texts) is None, "text", "a lone surrogate")
    _ask("normalizer type", step["type"] in known, f"one of {', '.join(known)}", step["type"])
    _ask("normalizer pattern", step["type"] != "Replace" or step["pattern"] != "", "a pattern", "none")
    _ask("normalizer content", step["type"] != "Prepend" or step["content"] != "", "a text", "none")


def _check_shape(shape: dict[str, Any], d: dict[str, Any]) -> None:
    """The shape of a model of characters, whose steps the normalizer has."""
    needed = {"prefix", "split", "strip", "byte_ids", "parts"}
    _ask("characters", shape.keys() == needed, f"the keys {', '.join(sorted(needed))}", sorted(shape))
    _ask("prefix", shape["prefix"] in PREFIXES, f"one of {list(PREFIXES)}", shape["prefix"])
    _typed("split", shape["split"], bool)
    _ask("strip", _typed("strip", shape["strip"], int) in (0, 1), "0 or 1", shape["strip"])
    _ask("byte_ids", len(_listed("byte_ids", shape["byte_ids"], int)) == 256, 256, len(shape["byte_ids"]))
    _ask("parts", _SURROGATE.search(_typed("parts", shape["parts"], str)) is None, "text", "a lone surrogate")
    found = CharacterShape(**{**shape, "byte_ids": tuple(shape["byte_ids"])})
    steps = [{**step, "where": ""} for step in d.get("normalizer", [])]
    expected = [step.stored() for step in canonical_steps(found)]
    _ask("normalizer", steps == expected, f"the steps {expected}", steps)
    if shape["parts"]:
        check_parts(found)


def _tokenizer_parts(image: Image) -> Parts:
    part = image.tokenizer or {}
    columns = _typed("added", part["added"], dict)
    ids, contents, flags = (_listed(name, columns[name], kind)
                            for name, kind in (("id", int), ("content", str), ("flags", int)))
    lengths = [len(ids), len(contents), len(flags)]
    _ask("added", len(set(lengths)) == 1, "columns of one length", lengths)
    _ask("content", len(set(contents)) == len(contents), "each added token once", "one twice")
    _ask("content", _SURROGATE.search("".join(contents)) is None, "text", "a lone surrogate")
    _ask("content", all(contents), "added tokens of at least one character", "an empty one")
    most_id = MAX_IDS + len(ids)  # they follow the vocabulary
    for name, values, most in (("flags", flags, MAX_FLAGS), ("id", ids, most_id)):
        for value in (min(values, default=0), max(values, default=0)):
            _ask(name, 0 <= value <= most, f"0 to {most}", value)
    size = max(len(image.section("starts")) // 4 - 1, 1 + max(ids, default=0))
    for name in ("bos_id", "eos_id"):
        if part[name] is not None:
            _ask(name, 0 <= _typed(name, part[name], int) < size, f"an id below {size}", part[name])
    config = _typed("config", part.get("config", {}), dict)
    _ask("config", config.keys() <= CONFIG.keys(), f"some of {', '.join(CONFIG)}", sorted(config))
    for name, value in config.items():
        _typed(f"config {name}", value, CONFIG[name])
    for name in {"pad_id", "unk_id"} & config.keys():
        _ask(f"config {name}", 0 <= config[name] < size, f"an id below {size}", config[name])
    for template in config.get("chat_templates", {}).values():
        _typed("config chat_templates", template, str)
    if "framing" in config:
        check_framing(config["framing"])
    check_row_settings(config.get("truncation"), config.get("padding"))
    name = _typed("name", part["name"], str)
    return unpack_added(columns), part["bos_id"], part["eos_id"], name, TokenizerConfig(**config)


def _check_sizes(image: Image) -> None:
    characters = "characters" in image.description
    needed = (*SECTIONS, MATRIX) if characters else SECTIONS
    _ask("sections", tuple(image.places) in (needed, (*needed, DEAD)), " ".join(needed), " ".join(image.places))
    size = {name: length for name, (_, length) in image.places.items()}
    ids, merges = size["starts"] // 4 - 1, image.description["merges"]
    least_ids = 1 if "lost" in image.description else 256 - len(NOT_IN_UTF_8)
    for name, unit, least, most in (
        ("pages", PAGE, 1, 0x1100), ("edges", 4 * ROW, 2, MAX_ROWS), ("starts", 4, least_ids + 1, MAX_IDS + 1),
        ("pair_ids", 4, 0, MAX_BYTE_PAIRS), *([(DEAD, 16, 1, MAX_MERGES - merges)] if DEAD in size else []),
    ):
        length = size[name]
        _ask(f"section {name}", length % unit == 0 and least <= length // unit <= most,
             f"{least} to {most} times {unit} bytes", f"{length} bytes")
    salts = 2 if size["seeds"] % 4 else 4  # bytes of one salt, or two, after the seeds
    exact = {"pairs": _table_size(8, size["pairs"], MAX_SLOTS),
             "seeds": _table_size(2, size["seeds"], MAX_SEEDS) + salts,
             "page_numbers": 2 * 0x1100, "merged": 4 * merges if size["merged"] else 0,
             "atoms": 0 if characters else 4 << 16, "byte_pairs": 8 << 16,
             "direct": (ids + 7) // 8, "joined": JOINED_BYTES if size["joined"] or characters else 0,
             "borders": BORDER_BYTES if size["borders"] else 0}
    if characters:
        pages = size[MATRIX] - MATRIX_HEAD - 2 * 0x1100
        _ask("section matrix", pages % PAGE == 0 and PAGE <= pages <= 0x1100 * PAGE, f"pages of {PAGE} bytes", pages)
    for name, length in exact.items():
        _ask(f"section {name}", size[name] == length, f"{length} bytes", f"{size[name]} bytes")


def _table_size(unit: int, size: int, most: int) -> int:
    """The bytes of the largest table not above `size`: `unit` times 16, 32, 64 and so on, to `most` times `unit`."""
    count = 16
    while 2 * count * unit <= size and count < most:
        count *= 2
    return count * unit


def _check_tables(image: Image) -> None:
    """Check the tables against each other; their sizes are right."""
    tables = tables_from_image(image)
    d, s = tables.description, tables.sections
    core.check_classes(s["pages"], s["page_numbers"], d["symbols"] - 1)
    first = PAGE * int.from_bytes(s["page_numbers"][:2], "little")
    core.check_edges(s["edges"], s["pages"][first : first + 128], d["symbols"])
    if len(s["windows"]):
        core.check_windows(s["windows"])
    if d["kernel"]["rules"] != NONE:
        expected, edges = d["kernel"]["edges"], sha256(s["edges"]).hexdigest()
        _ask("section edges", edges == expected, f"the automaton that the rules stand for, SHA-256 {expected}", edges)
    lost = _lost(d)
    core.check_tokens(s["starts"], len(s["blob"]), [i for byte, i in enumerate(d["byte_ids"]) if byte not in lost])
    _check_ids(tables, lost)
    bpe = bare_bpe(tables)
    merges = merges_of(s["pairs"])
    count = len(merges) // 2
    _ask("merges", count == d["merges"], f"{d['merges']} in the pair table", count)
    if not len(s["merged"]):
        _ask("first", 0 <= d["first"] <= bpe.size - count, f"{count} ids below {bpe.size}", d["first"])
    core.check_merges(bpe, merges)
    if tables.characters is None:
        core.check_atoms(bpe, s["atoms"])
    else:
        core.check_matrix(s[MATRIX], s["joined"], tables.characters.split, bpe, merges)
    core.check_byte_pairs(bpe, s["byte_pairs"], s["pair_ids"])
    core.check_direct(bpe, s["direct"])
    if DEAD in s:
        found = max(all_merges(array("I", bytes(12 * count)), tables.dead))
        _ask("section dead", found < bpe.size, f"ids below {bpe.size}", found)


def _check_ids(tables: Tables, lost: list[int]) -> None:
    """Check the ids in the header against the vocabulary."""
    d, blob = tables.description, tables.sections["blob"]
    starts = memoryview(tables.sections["starts"]).cast("B").cast("I")
    for i in d["raw_ids"]:
        _ask("raw_ids", 0 <= i < len(starts) - 1, f"ids below {len(starts) - 1}", i)
        token = bytes(blob[starts[i] : starts[i + 1]])
        _ask("raw_ids", token.decode("utf-8", "replace").encode() == token, "tokens that are text", token)
    if tables.characters is not None:
        for byte, i in enumerate(tables.characters.byte_ids):
            _ask("byte_ids", i == -1 or (0 <= i < len(starts) - 1 and starts[i + 1] - starts[i] == 1
                                         and blob[starts[i]] == byte), f"the id of byte {byte}", i)
        core.check_texts(starts, blob, set(tables.characters.byte_ids))
    for byte, i in enumerate(d["byte_ids"]):
        _ask("byte_ids", byte in lost or blob[starts[i]] == byte or (byte in NOT_IN_UTF_8 and blob[starts[i]] == 0),
             f"the id of byte {byte}", i)
    if lost:  # those that the vocabulary lacks; the token that stands for them is no side of a merge
        from dstok.compiled.build import describe_tables, unknown_id  # they compile patterns, and few models lose bytes

        model = describe_tables(tables, (), TokenizerConfig())
        try:
            expected = [[*model.lost_bytes()], unknown_id(model)]
        except UnsupportedError as error:
            raise ValueError(str(error)) from None
        _ask("lost", d["lost"] == expected, expected, d["lost"])
        _ask("section joined", not len(tables.sections["joined"]), "no cuts in a model that loses bytes", "cuts")


def _lost(d: dict[str, Any]) -> list[int]:
    """The bytes whose ids are not those of their tokens: lost ones, and in a model that has such those of no text."""
    lost, unknown = _typed("lost", d.get("lost", [[], -1]), list)
    _typed("unknown token", unknown, int)
    return [*_listed("lost", lost, int), *(NOT_IN_UTF_8 if lost else ())]


def _ask(what: str, holds: bool, expected: Any, found: Any) -> None:
    if not holds:
        text = found if isinstance(found, str) else repr(found)
        raise ValueError(f"{what}: expected {expected}, found {text if len(text) <= 120 else f'{text[:117]}...'}")


def _typed(what: str, value: Any, kind: type) -> Any:
    """`value`, if its type from JSON is `kind`: a bool is no int here."""
    _ask(what, type(value) is kind, kind.__name__, value)
    return value


def _listed(what: str, values: Any, kind: type) -> list[Any]:
    kinds = set(map(type, _typed(what, values, list)))
    _ask(what, kinds <= {kind}, f"only {kind.__name__}", sorted(k.__name__ for k in kinds))
    return list(values)


def image_of(tables: Tables, added: tuple[AddedToken, ...], config: TokenizerConfig, name: str) -> bytes:
    """The image of a tokenizer."""
    sections = {name: bytes(data) for name, data in tables.sections.items()}
    return image_bytes(tables.description, sections, own_part(added, config, name))


def fingerprint(tables: Tables, added: tuple[AddedToken, ...], bos_id: int | None, eos_id: int | None) -> str:
    """The hash of everything that decides ids, texts and errors: SHA-256, hex; the same in each version of dstok.

    So a field that a later version adds to a split, a step or a token is hashed only where its value differs from the
    behaviour of the versions without it.
    """
    part, merges = tables.description, tables.merges
    pairs = merges[: len(merges) // 3 * 2]
    pairs[::2], pairs[1::2] = merges[::3], merges[1::3]
    whole = sha256()
    for data in (tables.sections["starts"], tables.sections["blob"], pairs, merges[2::3]):
        whole.update(data)
    splits = [(s.pattern, s.behavior, s.invert, *([s.unicode_version] if s.unicode_version else []))
              for s in tables.splits]
    tokens = [tuple(token) if token.literal else tuple(token)[:-1] for token in added]
    rest = (splits, part["unicode_version"], part["ignore_merges"], part["raw_ids"], bos_id, eos_id, tokens)
    whole.update(repr(rest).encode())
    for step in tables.normalizer:
        whole.update(repr([value for name, value in step.stored().items() if name != "where"]).encode())
    shape = tables.characters
    if shape is not None:
        whole.update(repr((shape.prefix, shape.split, shape.strip, shape.byte_ids)).encode())
    if "lost" in part:
        whole.update(repr((part["lost"], tables.unknown and tables.unknown[1])).encode())
    if part.get("cuts_texts"):
        whole.update(b"cuts texts")
    return whole.hexdigest()


def settings_hash(tables: Tables, config: TokenizerConfig) -> bytes:
    """Hash of the settings outside the fingerprint: pairs, padding, chats, trimmed spans."""
    said = [own_part((), config, ""), tables.description.get("trim_offsets", "")]
    return sha256(json.dumps(said, sort_keys=True).encode()).digest()
