"""A model's description <-> the flat tables that the core runs on.

In: `ModelDescription`, from a file format. Out: `Tables`, with the merger made of them. Also the way back to the
description.
Invariant: the same description gives the same bytes. Nothing here is done for each token or merge: core/bpe/tables.pyx
and core/bpe/facts.pyx do that. The matrix of a model of characters has the bit of each pair that a merge joins, so no
cut is where a merge joins: core/split/matrix.h.
"""

from __future__ import annotations

from array import array
from functools import cache, partial

from dstok._util.json_value import shown
from dstok._util.threads import at_once
from dstok.compiled.kernel_selection import NONE, knows_borders
from dstok.compiled.programs import program_tables
from dstok.compiled.tables import MATRIX_HEAD, TABLES_FORMAT, Buffer, Header, Kernel, Tables, make_bpe
from dstok.core.bpe import facts
from dstok.core.bpe.merge import BPE, CharacterTable
from dstok.core.bpe.tables import MAX_IDS, MAX_MERGES, build_pairs, live_merges, merged_ids
from dstok.core.split.character_finder import ASCII_CLASSES, WIDE_LETTERS
from dstok.core.text.model_json import TokenTable
from dstok.errors import UnsupportedError
from dstok.formats.byte_alphabet import decoded_bytes, is_spelling
from dstok.formats.description import AddedToken, ModelDescription, TokenizerConfig

LONGEST = 256  # bytes of a token of a run: a file must not make `greedy_runs` take long
CLASSES = 8  # of a matrix


def build_tables(model: ModelDescription) -> Tables:
    """All tables of a model. Raises `UnsupportedError` if it is larger than the core's number formats."""
    if len(model.tokens) > MAX_IDS or len(model.merges) // 3 > MAX_MERGES:
        raise UnsupportedError(f"more than {MAX_IDS} ids or {MAX_MERGES} merges", "vocab")
    program, shape, lost = program_tables(model.splits, model.unicode_version), model.characters, model.lost_bytes()
    starts, blob, byte_ids = model.tokens.starts, model.tokens.blob or b"\0", _byte_ids(model)
    live, dead = live_merges(model.merges, starts, blob, byte_ids, CharacterTable(starts, blob) if shape else None)
    # The first task does not hold the interpreter's lock. The last result is kept for the matrix.
    table, (atoms, byte_pairs, pair_ids), joined, _ = at_once(
        partial(build_pairs, live), partial(facts.start_tables, live, starts, blob, byte_ids, shape is not None),
        *((partial(facts.joined_characters, live, starts, blob), _classes) if shape else (tuple, tuple)))
    if table is None:
        raise UnsupportedError("merges whose pairs collide in the pair table under each of its salts, as none do by "
                               "chance", "merges")
    kernel = program.kernel if shape is None else Kernel(NONE, (), program.kernel.edges)
    header = Header(
        [split._asdict() for split in model.splits], model.unicode_version, program.symbols, kernel, byte_ids,
        facts.is_monotone(live, len(model.tokens)), model.ignore_merges, sorted(model.raw_ids), len(live) // 3,
        live[2] if live else 0, TABLES_FORMAT,
        [step.stored() for step in model.normalizer], model.trim_offsets, None if shape is None else shape._asdict(),
        model.cuts_texts, model.unknown, [[*lost], unknown_id(model)] if lost else ((), -1),
        cuts_bytes=model.cuts_bytes, word_end=model.word_end)
    sections: dict[str, Buffer] = {
        "pages": program.pages, "page_numbers": program.page_numbers, "edges": program.edges,
        "starts": starts.tobytes(), "blob": blob, "merged": merged_ids(live), "pairs": table[0], "seeds": table[1],
        "atoms": atoms, "byte_pairs": byte_pairs, "pair_ids": pair_ids,
    }
    bpe = make_bpe(Tables(header, sections))
    sections["direct"], others = facts.direct_tokens(live, bpe, model.raw_ids)
    if shape is not None:
        sections |= {"joined": facts.joined_bits(joined), "borders": b"", "shuffles": b"",
                     "matrix": character_matrix(joined, shape.split)}
        header = header._replace(runs=greedy_runs(facts.longest_runs(joined, starts, blob), bpe))
    else:
        spoilers, bordered = others if model.ignore_merges else others[:0], knows_borders(kernel.rules)
        borders = facts.border_bits(spoilers, starts, blob)
        # Merging joins the bytes on both sides of lost ones: no place is a safe cut.
        no_cuts = lost or (spoilers and not bordered) or model.word_end
        sections |= {"joined": b"" if no_cuts else facts.joined_pairs(starts, blob, borders if bordered else None),
                     "borders": bytes(borders) if bordered and any(borders) else b"",
                     "shuffles": program.shuffles}
    if model.word_end:  # no piece has the bytes of its tokens
        sections["direct"] = bytes(len(sections["direct"]))
    if dead:  # images of models without dead merges have no such section
        sections["dead"] = dead.tobytes()
    return Tables(header, sections, None, bpe)


def describe_tables(tables: Tables, added: tuple[AddedToken, ...], config: TokenizerConfig) -> ModelDescription:
    """The description that `build_tables` made `tables` from, with the parts that belong to one tokenizer."""
    header, raw_ids = tables.header, frozenset(tables.header.raw_ids)
    starts, blob = array("I", bytes(tables.sections["starts"])), bytes(tables.sections["blob"])
    tokens = TokenTable(starts, blob, [i for i in raw_ids if starts[i] == starts[i + 1]])
    unknown = None if header.unknown is None else (header.unknown[0], header.unknown[1])
    return ModelDescription(tables.splits, tokens, raw_ids, tables.merges, added, header.ignore_merges,
                            header.unicode_version, tables.normalizer, config, header.trim_offsets,
                            tables.characters, header.cuts_texts, header.cuts_bytes,
                            header.word_end, unknown)


def greedy_runs(longest: dict[int, int], bpe: BPE) -> dict[str, list[int]]:
    """The characters whose runs merging takes apart as a search for the longest tokens does, with their ids by length.

    Merging gives a run of such a character, wherever it stands, the longest token as often as it fits, and then the
    token of the rest. So added tokens with these texts need no search: Gemma has those of 1 to 31 newlines. `longest`
    is the result of `longest_runs` (core/bpe/facts.pyx).

    No merge joins the character with another one, so a run is merged as a text of its own. Let n be the longest token's
    length. The runs of up to 2n characters are merged here. So merging keeps two of the longest tokens apart, and the
    longest one and each rest. Then it keeps them apart in longer runs, too: core/bpe/merge.pyx has the proof.
    """
    found = {}
    for code, most in longest.items():
        if most > LONGEST:
            continue
        runs = [bpe.merge(bytes([code]) * length) for length in range(1 + 2 * most)]
        if runs == [runs[most][:1] * (length // most) + runs[length % most][:1] for length in range(1 + 2 * most)]:
            found[chr(code)] = [ids[0] for ids in runs[1 : 1 + most]]
    return found


@cache
def _classes() -> tuple[bytes, bytes]:
    """The class of each code point to a matrix, as pages and page numbers.

    The classes may be any. These make few bits, because the trainers of such models split their texts by script, digits
    and white space: ASCII has its classes in the core; beyond it are letters and marks, and others, of class 0.
    """
    from dstok.unicode import CodePointSet, general_category  # few models need them
    from dstok.unicode.code_point_set import pages_of

    classes = [CodePointSet.from_chars("".join(chr(c) for c in range(128) if ASCII_CLASSES[c] == number))
               for number in range(CLASSES)]
    wide = (general_category("L") | general_category("M")).ranges
    classes[WIDE_LETTERS] = CodePointSet.from_ranges([(first, last) for first, last in wide if first >= 128])
    return pages_of(classes)


def character_matrix(pairs: array[int], split: bool = False) -> bytes:
    """The smallest matrix of all pairs, left << 32 | right; `split`: none joins a space with the character before it.

    8 rows of 8 bits, the joiner (core/split/matrix.h), then the class of each code point as a table of two stages, page
    numbers and pages. With the merges (" ", "t"), (" t", "he") and ("h", "e") the pairs are " t", "th" and "he". So
    "the cat" may be cut before the space only, and "!?" before the question mark.
    """
    pages, numbers = _classes()
    return facts.matrix_rows(pairs, pages, numbers, split).ljust(MATRIX_HEAD, b"\0") + numbers + pages


def unknown_id(model: ModelDescription) -> int:
    """The id of the token that stands for lost bytes; -1: they are left out."""
    if model.unknown is None:
        return -1
    text = model.unknown[0]
    spelled = decoded_bytes(text)
    ids = [i for i in model.tokens.of_length(len(spelled))
           if model.tokens[i] == spelled and (i in model.raw_ids) != is_spelling(text)]
    if not ids:
        raise UnsupportedError(f"the unk_token {shown(text)}, which is no token, for bytes without a token", "vocab")
    ranks = [side.index(ids[0]) for side in (model.merges[::3], model.merges[1::3]) if ids[0] in side]
    if ranks:
        raise UnsupportedError(f"a merge of the unk_token {shown(text)}, which stands for bytes without a token",
                               f"merges[{min(ranks)}]")
    return ids[0]


def _byte_ids(model: ModelDescription) -> list[int]:
    """The id of each byte; of characters that of the ASCII character, if it has one.

    A byte without an id is in no text, or is lost; it gets the id of the byte 0, or else of the first byte with one.
    """
    own = model.characters.byte_ids if model.characters is not None else (-1,) * 256
    single = {byte: i for byte, i in enumerate(own) if i >= 0}
    for i in model.tokens.of_length(1):
        byte, = model.tokens[i] or b""
        if i != own[byte] and i not in model.raw_ids:
            single[byte] = i
    other = single.get(0, single[min(single)] if single else 0)
    return [single.get(byte, other) for byte in range(256)]
