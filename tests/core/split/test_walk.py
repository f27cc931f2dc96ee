"""The walk over the product of rules and automaton (core/check/proofs.pyx, dstok/compiled/kernel_selection.py): it finds no difference where rules
are used, and one wherever rules or automaton are changed."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import sysconfig
from array import array
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from types import ModuleType

import bimachines
import pytest
from core_sources import CORE
from kept import kept
from reference import DEEP
from shares import seeds, share
from upstream import model_splits

import dstok.compiled.kernel_selection
from dstok.compiled.kernel_selection import (
    CASED,
    CASELESS,
    CL100K,
    CODER,
    COMBINING,
    GPT2,
    KIMI,
    KINDS,
    LAGUNA,
    LETTER,
    LLM,
    MINICPM,
    NONE,
    ONES,
    RARE,
    SEED_CODER,
    SPARK,
    STARCODER,
    TEKKEN,
    THREES,
    TWOS,
    UFAKZEKA,
    V3,
    YOUTU,
    Kernel,
    Symbol,
    classes_of,
    find_difference,
    find_kernel,
)
from dstok.core.check import proofs
from dstok.core.check.proofs import TooLargeError
from dstok.regex import Split
from dstok.regex.cascade import Program, compile_splits
from dstok.regex.marked_language import Marked
from dstok.unicode import category_of

PAGE = Path(__file__).parents[3] / "docs" / "rules.md"
RULES = {"deepseek-v3": V3, "qwen-2.5": ONES, "qwen-3.5": ONES, "glm-4": THREES, "minimax": CASED,
         "gpt2": GPT2, "cl100k_base": CL100K, "deepseek-llm-7b-base": LLM, "deepseek-coder-33b-base": CODER,
         "tekken": TEKKEN, "kimi-k2": KIMI, "nanochat": TWOS, "starcoder": STARCODER, "seed-coder": SEED_CODER,
         "minicpm5": MINICPM, "ufakzeka": UFAKZEKA, "spark2_5": SPARK, "youtu": YOUTU, "laguna": LAGUNA}
LEFT = {"kimi-k2": 400}  # radicals
each_family = pytest.mark.parametrize("name", RULES)


@kept()
def program(name: str) -> Program:
    return compile_splits(model_splits(name))


@kept()
def known(name: str) -> Kernel:
    return find_kernel(program(name))


def changed(name: str, *changes: tuple[str, str]) -> Program:
    """A family's program with other patterns."""
    splits = list(model_splits(name))
    for old, new in changes:
        assert any(old in split.pattern for split in splits)
        splits = [split._replace(pattern=split.pattern.replace(old, new)) for split in splits]
    return compile_splits(splits)


def difference(name: str, least: int = 2, most: int = 4) -> object:
    own, kernel = program(name), known(name)
    assert own.kept
    return find_difference(kernel.rules, own.kept, classes_of(own), kernel.kinds, least, most, limit=1 << 40)


def ends(own: Program, text: str) -> list[int]:
    found, at = [], 0
    for piece, _ in own.pieces(text):
        at += len(piece)
        found.append(at)
    return found


# No difference


@each_family
def test_rules_are_found(name: str) -> None:
    assert known(name).rules == RULES[name]


@each_family
def test_few_kinds_are_left_to_the_automaton(name: str) -> None:
    """Of letters, marks and blanks, not more than a hundred characters, but for some families; numbers where digits count."""
    own = program(name)
    left = {char for members, kind in zip(own.alphabet.classes, known(name).kinds) if kind == RARE
            for first, last in members.ranges for char in map(chr, range(max(first, 0x80), last + 1))}
    letters = {char for char in left if category_of(ord(char))[0] in "LPSMZ"}
    assert len(letters) < LEFT.get(name, 100), sorted(letters)


@each_family
def test_wider_blocks(name: str) -> None:
    """The same rules decide more characters at once as they do one after the other."""
    for least, most in [(3, 4), (4, 4), (3, 5)] if DEEP else [(3, 4)]:
        assert difference(name, least, most) is None


def symbols(name: str) -> list[tuple[int, int, int, int]]:
    """A character of each kind and width that the rules decide; of ASCII those that any rules look at."""
    classes, kinds = classes_of(program(name)), known(name).kinds
    ascii = [(byte, 1, 0, number) for number, members in enumerate(classes) for byte in members.ascii if chr(byte) in "aB!1\t \n'/srlE"]
    return ascii + [(-1, width, kind, number) for number, (members, kind) in enumerate(zip(classes, kinds)) if kind != RARE
                    for width in members.widths]


@each_family
def test_long_blocks(name: str) -> None:
    """Runs: blocks of eleven characters of two kinds, and of eight of three."""
    kept, kernel = program(name).kept, known(name)
    assert kept
    for count, size, tried in [(2, 11, 12), (3, 8, 8)]:
        groups = list(combinations(symbols(name), count))
        for few in share(groups, len(groups) // tried):
            assert difference_in(few, kernel.rules, kept, size) is None, few


def difference_in(few: Sequence[Symbol], rules: int, kept: Marked, size: int) -> object:
    return dstok.compiled.kernel_selection._difference(rules, kept, list(few), (), size, size)


SAME = {
    "more classes": ("deepseek-v3", [("[A-Za-z]+", "(?:[A-M]|[N-Z]|[a-z])+")]),
    "more classes of digits": ("qwen-2.5", [(r"|\p{N}|", r"|(?:[0-4]|[\u0660-\u0669]|\p{N})|")]),
    "letters with marks": ("glm-4", [(r"\p{L}", r"\p{L}\p{M}"), (r"]?\p{L}\p{M}+", r"]?[\p{L}\p{M}]+")]),
}
OTHER = {
    "ASCII marks": ("deepseek-v3", [("_`{|}~]", "_`{|}]")]),
    "fours": ("glm-4", [("{1,3}", "{1,4}")]),
    "ones, but after a mark": ("qwen-2.5", [(r"|\p{N}|", r"|!\p{N}|\p{N}|")]),
    "a newline that is none": ("qwen-2.5", [(r"\r\n", r"\n")]),
    "no newlines after marks": ("glm-4", [(r"+[\r\n]*", "+")]),
    "no blank before letters": ("glm-4", [(r"[^\r\n\p{L}\p{N}]?\p{L}+", r"[^\r\n\s\p{L}\p{N}]?\p{L}+")]),
    "no look-ahead": ("glm-4", [(r"(?!\S)", r"(?!!)")]),
    "a suffix less": ("qwen-2.5", [("|'ve", "")]),
    "a suffix more": ("minimax", [("'d)?|[", "'d|'n)?|[")]),
    "four letters": ("qwen-2.5", [(r"]?\p{L}+", r"]?\p{L}{1,4}")]),
    "no slashes": ("minimax", [(r"\r\n/", r"\r\n")]),
    "a suffix where none is": ("tekken", [(r"\p{M}]+|", r"\p{M}]+(?:'s)?|")]),
    "threes where ones are": ("tekken", [(r"|\p{N}|", r"|\p{N}{1,3}|")]),
    "a letter of its own": ("glm-4", [(r"]?\p{L}+", r"]?(?:q|[^\P{L}q]+)")]),
}


@pytest.mark.parametrize("case", SAME)
def test_rules_of_patterns_that_nobody_has_seen(case: str) -> None:
    name, changes = SAME[case]
    own = changed(name, *changes)
    assert own.boundaries.edges != program(name).boundaries.edges or own.alphabet != program(name).alphabet
    assert find_kernel(own).rules == RULES[name]


# Another automaton


@pytest.mark.parametrize("case", OTHER)
def test_a_difference_is_one(case: str) -> None:
    """Another pattern is found out by ASCII alone, and what is told is a text that the two cut in two ways."""
    name, changes = OTHER[case]
    own, theirs = changed(name, *changes), program(name)
    assert own.kept
    found = find_difference(RULES[name], own.kept, [members._replace(widths=()) for members in classes_of(own)], ())
    assert found is not None
    text = "".join(chr(byte) for byte, *_ in found)
    assert ends(own, text) != ends(theirs, text), text
    assert find_kernel(own).rules != RULES[name]


@each_family
def test_every_edge_counts(name: str) -> None:
    """An automaton that lacks an edge is another one."""
    kept, kernel = program(name).kept, known(name)
    assert kept
    edges = [(state, column) for state, row in enumerate(kept.rows) for column, target in enumerate(row) if target]
    for state, column in share(edges, len(edges) // 10):
        row = list(kept.rows[state])
        row[column] = 0
        other = replace(kept, rows=(*kept.rows[:state], tuple(row), *kept.rows[state + 1 :]))
        assert find_difference(kernel.rules, other, classes_of(program(name)), kernel.kinds), (state, column)


# Cased words: a letter of no case, or a combining mark, is left to the automaton more often, and else like a small
# letter.
MORE_CAREFUL = {(LETTER, CASELESS), (LETTER, COMBINING), (CASELESS, COMBINING)}


@each_family
def test_every_kind_counts(name: str) -> None:
    """A class that is taken for what it is not is found out, unless the rules leave it to the automaton."""
    own, kernel = program(name), known(name)
    assert own.kept
    changes = [(number, kind, other) for number, kind in enumerate(kernel.kinds) if kind != RARE
               for other in sorted(set(KINDS[kernel.rules]) - {kind, RARE})]
    for number, kind, other in share(changes, 3):
        kinds = [*kernel.kinds[:number], other, *kernel.kinds[number + 1 :]]
        alike = find_difference(kernel.rules, own.kept, classes_of(own), kinds) is None
        assert not alike or (kind, other) in MORE_CAREFUL, (number, kind, other)


def test_a_walk_has_a_bound() -> None:
    own, kernel = program("minimax"), known("minimax")
    assert own.kept
    with pytest.raises(TooLargeError):
        find_difference(kernel.rules, own.kept, classes_of(own), kernel.kinds, limit=100_000)
    many = replace(own.kept, rows=own.kept.rows * 22)
    with pytest.raises(TooLargeError):
        find_difference(kernel.rules, many, classes_of(own), kernel.kinds)


def test_a_pattern_of_too_many_classes_has_no_rules() -> None:
    """More than a walk takes, each of which some piece tells apart."""
    letters = [chr(code) for code in range(33, 127) if chr(code).isalnum()] + [chr(code) for code in range(0x1000, 0x1010)]
    own = compile_splits([Split("|".join(f"{one}{two}" for one, two in zip(letters, letters[1:])))])
    assert own.kept and len(own.alphabet.classes) > 63
    assert find_kernel(own)[:2] == (NONE, ())


# What the rules could be derived from


@pytest.mark.parametrize("name", bimachines.FAMILIES)
def test_the_table_of_bimachines(name: str) -> None:
    assert bimachines.line(name) in PAGE.read_text(encoding="utf-8").splitlines()


def test_a_bimachine_of_known_size() -> None:
    """Runs of a, and of two b: from the left the beginning, a, an odd b, an even one, or another character; from the right
    the next one, or none."""
    kept = compile_splits([Split("a+|bb?")]).kept
    assert kept
    left, right = bimachines.bimachine(kept)
    assert (left.states, left.periods, right.states, right.periods) == (5, (1, 2), 4, (1,))


# Other rules

# (a header, what is written there, what instead). All are found by short blocks, but for those of LONG.
SHORT = [
    ("rules.h", "number & ~(number << 1 | s->number)", "number & ~(number << 1)"),
    ("rules.h", "s->number & number, 0", "s->number & number & 0, 0"),
    ("rules.h", "if ((number & before) == before)", "if (1)"),
    ("rules.h", "start |= 1ull << (most - s->digits)", "start |= 1ull << (most - 1 - s->digits)"),
    ("rules.h", "(most > 2 ? number << 3 : ~0ull)", "number << 3"),
    ("rules.h", "(*p == '\\n' && row->newlines != NEWLINES_FIRST)", "*p == '\\n'"),
    ("rules.h", ": before + (uint64_t)size", ": (uint64_t)size"),
    ("rules.h", "m->blank & led >> 1;", "m->blank & led >> 2;"),
    ("rules.h", "if (!m->wide_blank)", "if (1)"),
    ("rules.h", "(last >> 2 & m->three & ~m->four)", "(last >> 1 & m->three & ~m->four)"),
    ("rules.h", "(m->newline & white) << 1 | s->newline", "(m->newline & white) << 1"),
    ("rules.h", "m->blank | (x->more ? ~x->text : 0), after_newline", "m->blank, after_newline"),
    ("rules.h", "after_newline = ahead ? 0 : after_newline;", ";"),
    ("rules.h", "after_newline &= ~one;", ";"),
    ("rules.h", "white & ~(white << 1 | s->white)", "white & ~(white << 1)"),
    ("rules.h", "return bit && white & bit >> 1 ?", "return 0 ?"),
    ("rules.h", "m->size = __builtin_ctzll(bit);", "m->size = __builtin_ctzll(bit) + 1;"),
    ("rules.h", "s->punct = LAST(m->punct);", "s->punct = 0;"),
    ("rules.h", "s->space = LAST(m->space);", "s->space = LAST(m->blank);"),
    ("rules.h", "s->letter = LAST(m->letter);", "s->letter = LAST(m->letter | m->number);"),
    ("rules_words.h", "cjk << 1 | s->cjk : 0", "cjk << 1 : 0"),
    ("rules_words.h", "((m->punct & ~cjk) << 1 | s->glue)", "(m->punct << 1 | s->glue)"),
    ("rules_words.h", "((m->punct & ~cjk) << 1 | s->glue)", "((m->punct & ~cjk) << 1)"),
    ("rules_words.h", "chain & ~(chain + glued);", "glued;"),
    ("rules_words.h", "(punct_start << 1 | s->leader) & m->ascii", "(punct_start << 1) & m->ascii"),
    ("rules_words.h", "m->ascii + taken;", "m->ascii;"),
    ("rules_words.h", "(rest | s->leader) & ~m->ascii", "rest & ~m->ascii"),
    ("rules_words.h", "own->first ? m->letter | m->punct :", "0 ? 0 :"),
    ("rules_words.h", "~(first | m->line)", "~m->line"),
    ("rules_words.h", "~(first | m->line)", "~first"),
    ("rules_words.h", "~(m->line << 1 | s->absorbed)", "~(m->line << 1)"),
    ("rules_words.h", "(m->blank & ~lone) << 1", "m->blank << 1"),
    ("rules_words.h", "s->blank &= ~LAST(lone);", ";"),
    ("rules_words.h", "(s->white & ~s->glue)", "s->white"),
    ("rules_words.h", "white & (apart << 1 |", "white & ("),
    ("rules_words.h", "white_start | (cjk & edge);", "white_start;"),
    ("masks.h", "m->cjk = all.letter & all.number;", "m->cjk = 0;"),
    ("rules_words.h", "(slash & s->absorbed)", "0"),
    ("rules_words.h", "absorbed |= glued;", ""),
    ("rules_words.h", "letters_before & ~first_before & ~s->suffix", "letters_before & ~first_before"),
    ("rules_words.h", "letters_before & ~first_before & ~s->suffix", "letters_before & ~s->suffix"),
    ("rules_words.h", "& ~s->suffix : punct_start;", "& ~s->suffix : ~0ull;"),
    ("rules_words.h", "((quote << 1 & m->l) << 1 & m->l)", "((quote << 1 & m->l) << 1 & m->letter)"),
    ("rules_words.h", "suffix = brief << 1 | longer << 1;", "suffix = brief << 1;"),
    ("rules_words.h", "m->rare |= (m->rare >> 1 | m->rare >> 2) & m->quote;", ""),
    ("rules_words.h", "m->rare |= m->combining & (m->punct << 1 | s->punct);", ""),
    ("rules_words.h", "m->rare |= m->upper & caseless_before & ~edge;", ""),
    ("rules_words.h", "m->punct &= ~suffixed;", ""),
    ("rules_words.h", "grid_until(m, quote & ~(x->text >> 3));", ";"),
    ("rules_words.h", "taken = leader | s->leader;", "taken = leader;"),
    ("rules_words.h", "words_after(m, punct_start & ~first)", "words_after(m, punct_start)"),
    ("rules_words.h", "(wide & m->three & ~m->four) << 3", "(wide & m->three & ~m->four) << 2"),
    ("rules_words.h", "m->upper & (m->lower << 1 | s->lower)", "m->upper & (m->lower << 1)"),
    ("rules_words.h", "(letter_start & ~inside) | suffix | s->suffix", "(letter_start & ~inside) | suffix"),
    ("rules_words.h", "(m->punct & ~cjk) | absorbed)", "m->punct & ~cjk)"),
    ("rules_words.h", "own->tail ? m->newline | slash : 0", "m->newline | slash"),
    ("rules_words.h", "own->suffix ? m->quote : 0", "m->quote"),
    ("rules_words.h", "grid_groups(own->digits,", "grid_groups(row->digits,"),
    ("rules_words.h", "(caseless ^ caseless_before)", "0"),
    ("rules_words.h", "? LAST(apart)", "? 0"),
    ("rules_words.h", "s->suffix = suffix >> m->size & 1;", "s->suffix = 0;"),
    ("rules_words.h", "TAIL_SLASHES ? absorbed : m->line)", "TAIL_SLASHES ? 0 : m->line)"),
    ("rules_words.h", "TAIL_SLASHES ? absorbed : m->line)", "TAIL_SLASHES ? absorbed : 0)"),
    ("rules.h", "return final ? row->ends : -1;", "return final ? 0 : -1;"),
    ("rules.h", "ROWS[x->rules].ends && !x->more ? ~x->text : 0", "0"),
    ("rules_words.h", "row->lead == LEAD_SPACE ? brief | longer >> 1 : 0", "0"),
    ("rules_words.h", "row->lead == LEAD_SPACE ? m->space << 1 | s->space :", "0 ? 0 :"),
    ("rules_words.h", "if (row->lead == LEAD_ANY)", "if (row->lead != LEAD_BLANK)"),
    ("rules_words.h", "m->blank |= m->newline;", ""),
    ("rules_words.h", "own->digits   ? m->number & ~m->trail", "own->digits   ? m->number"),
    ("kernel.h", "TEKKEN,  (1, 0, LEAD_ANY,   1,    SUFFIX_NONE,", "TEKKEN,  (1, 0, LEAD_ANY,   1,    SUFFIX_WORD,"),
    ("kernel.h", "SUFFIX_SMALL ? b : small", "SUFFIX_SMALL ? small : small"),
    ("rules_runs.h", "grid_undecided(m->rare & -m->rare, m->blank)", "m->rare & -m->rare"),
    ("rules_runs.h", "return kind & ~(kind << 1 | before);", "return kind & ~(kind << 1);"),
    ("rules_runs.h", "(end & closed) != 0", "0"),
    ("rules_runs.h", "(end & closed) != 0", "1"),
    ("rules_runs.h", ": !x->more)", ": 0)"),
    ("rules_runs.h", "grid_until(m, one);", ";"),
    ("rules_runs.h", "m->letter | m->punct), wide", "m->letter), wide"),
    ("rules_runs.h", "lead | wide << 1 |", "lead |"),
    ("rules_runs.h", "(m->number & ~m->trail)", "m->number"),
    ("rules_runs.h", "m->cjk ^ (m->cjk << 1 | s->cjk)", "m->cjk ^ m->cjk << 1"),
    ("rules_runs.h", "~(m->blank << 1 | s->blank)", "~(m->blank << 1)"),
    ("rules_runs.h", "(m->letter | m->punct) & edge", "m->letter & edge"),
    ("rules_runs.h", "m->cjk & ~m->letter & ~m->punct, s->cjk", "m->cjk, s->cjk"),
    ("rules_runs.h", "s->cjk & ~s->letter & ~s->punct", "s->cjk"),
    ("rules_runs.h", "(m->ascii ^ (m->ascii << 1 | s->ascii))", "(m->ascii ^ m->ascii << 1)"),
    ("rules_runs.h", "(s->gap & ~s->blank)", "s->gap"),
    ("rules_runs.h", "lead | m->newline);", "lead);"),
    ("rules_runs.h", "s->gap = LAST(gap);", "s->gap = LAST(others);"),
]
LONG = [
    ("rules_words.h", "lone & ~(lone + begun)", "begun"),
    ("rules.h", "second | third;", "second;"),
    ("rules.h", "(third = third << most & beyond) != 0, 0", "0, 0"),
    ("rules_words.h", "LAST(punct_start | (m->ascii & ~rest))", "LAST(punct_start | taken)"),
    ("rules_words.h", "m->rare |= (brief & suffixed >> 1) >> 1 | (longer & suffixed >> 1) >> 2;", ""),
]


compiles = pytest.mark.skipif(shutil.which("cc") is None or not (CORE / "check" / "proofs.c").exists(), reason="compiles the walk")


@compiles
def test_a_state_that_has_no_room_in_a_node(tmp_path: Path) -> None:
    """One bit more than there are."""
    with pytest.raises(subprocess.CalledProcessError) as caught:
        mutated(tmp_path, "rules.h", "uint64_t ascii;", "uint64_t another, ascii;")
    assert "a node has room for the state" in caught.value.stderr


@each_family
def test_the_digits_of_a_state_are_few(name: str) -> None:
    """A number of four bytes is no four digits, for which a node has no room: then the walk would stop."""
    four = [symbol for symbol in symbols(name) if symbol[:2] == (-1, 4)]
    kept = program(name).kept
    assert kept and four and difference_in([*four, *symbols(name)[:3]], RULES[name], kept, 4) is None


@compiles
@pytest.mark.parametrize("mutation", [(SHORT + LONG)[number] for number in seeds(len(SHORT + LONG), 1)], ids=str)
def test_every_rule_counts(mutation: tuple[str, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in RULES:
        assert known(name).rules == RULES[name]  # now, and kept: the changed walk would find others, for all later tests
    monkeypatch.setitem(sys.modules, "dstok.core.check.proofs", mutated(tmp_path, *mutation))
    found = any(difference(name) for name in RULES)
    assert found == (mutation in SHORT)
    for name in [] if found else RULES:
        kept, kernel = program(name).kept, known(name)
        assert kept
        wide = [symbol for symbol in symbols(name) if symbol[2] == LETTER][:1]
        for letters, more, size in [("1a", [], 11), ("'sa", [], 8), ("!a", wide, 8), ("\na", [], 8)]:
            few = [symbol for symbol in symbols(name) if symbol[0] >= 0 and chr(symbol[0]) in letters]
            found = found or difference_in(few + more, kernel.rules, kept, size) is not None
    assert found


@compiles
def test_nodes_whose_hashes_collide_are_different_nodes(tmp_path: Path) -> None:
    """With one hash for all of them the walk meets the same nodes, and gives up at the same ones."""
    colliding = mutated(tmp_path, "walk.h", "return node * 0x9E3779B97F4A7C15ull >> 40;", "return 0;")
    for name in ("deepseek-v3", "qwen-2.5", "deepseek-llm-7b-base"):
        kept, kernel, classes = program(name).kept, known(name), classes_of(program(name))
        assert kept
        rows = memoryview(array("H", [target for row in kept.rows for target in row])).cast("B").cast(
            "H", [len(kept.rows), len(kept.rows[0])])
        every = [*dstok.compiled.kernel_selection._ascii(classes), *dstok.compiled.kernel_selection._wide(classes, kernel.kinds)]
        walks = [module.Walk(kernel.rules, every, rows, kept.end) for module in (proofs, colliding)]
        assert [walk.run(1 << 40) for walk in walks] == [None, None]
        assert walks[0].nodes == walks[1].nodes > 100
        assert walks[0].gave_up == walks[1].gave_up


def mutated(folder: Path, header: str, old: str, new: str) -> ModuleType:
    """The walk's module, compiled with another text of a header."""
    shutil.copytree(CORE, folder, ignore=lambda at, names: [name for name in names if "." in name and not name.endswith(".h")],
                    dirs_exist_ok=True)
    [changed] = folder.rglob(header)
    text = changed.read_text()
    assert old in text, old
    changed.write_text(text.replace(old, new))
    made = folder / f"proofs{sysconfig.get_config_var('EXT_SUFFIX')}"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-g0", "-w", "-fwrapv", f"-I{sysconfig.get_path('include')}",
                    f"-I{folder}", str(CORE / "check" / "proofs.c"), "-o", str(made)], check=True, stderr=subprocess.PIPE, text=True)
    spec = importlib.util.spec_from_file_location("dstok.core.check.proofs", made)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
