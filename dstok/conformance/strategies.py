"""Strategies for hypothesis: texts that know a tokenizer's automaton, patterns, conversations.

Extra: `pip install "dstok[testing]"`. In: a tokenizer (default: deepseek-v3); a version of `dstok.chat`, and the tokens
whose texts occur in the messages. Out: strategies. Invariant: of texts, every pair and triple of classes, every added
token, every token of the vocabulary and every code point can be drawn; of patterns (Oniguruma's dialect), every
construct that dstok compiles, and some that upstream refuses; of conversations (`Drawn`), roles in any order, every
field missing, None, empty, a token's text or a part of one. Half of them are such as a server sees.

>>> from hypothesis import given, settings
>>> from dstok import chat
>>> @settings(max_examples=20, database=None)
... @given(conversations("v3.1"))
... def test(drawn):
...     try:
...         assert "<｜begin▁of▁sentence｜>" in chat.render(drawn.messages, "v3.1", **drawn.options).text
...     except chat.ChatError:
...         pass
>>> test()

>>> import dstok
>>> from hypothesis import given, settings
>>> tok = dstok.load("deepseek-v3")
>>> @settings(max_examples=20, database=None)
... @given(texts(tok))
... def test(text):
...     assert tok.decode(tok.encode(text)) == text
>>> test()
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dstok._util.imports import of_extra
from dstok.chat.render import find_version
from dstok.conformance.automaton_guide import Guide, built_in, changed, guide_of
from dstok.conformance.texts import NOT_SPACES, SPACES
from dstok.regex import BEHAVIORS, Split

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from dstok.tokenizer import Tokenizer

__all__ = [
    "LETTERS", "STRUCTURAL", "Drawn", "batches", "bytes_texts", "characters", "conversations", "fragments",
    "pattern_texts", "patterns", "special_parts", "special_texts", "split_steps", "texts", "token_ids",
]

with of_extra("testing", __name__):
    from hypothesis import strategies as st

STRUCTURAL = (
    "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>", "<｜System｜>",
    "<｜latest_reminder｜>", "<think>", "</think>", "｜DSML｜", "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>",
    "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>", "<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>",
    "<｜tool▁output▁begin｜>", "<｜tool▁output▁end｜>", "<｜tool▁sep｜>", "<｜action｜>", "<tool_result>",
    "</｜DSML｜invoke>", '">\n', "<function_results>", "{", "}", "```",
)
WORDS = ("Hello", "ok", "weather in Hangzhou", "你好", "a\n\nb", "\n", " ", "  x ", "naïve 🦙", "1", "\t", "{}", "null")
IDS = ("call_1", "call_2", "call_3", "")
OTHER = (None, 7, ["x"], {"type": "text"})  # a text field may hold these by mistake
ARGUMENTS = ("{}", '{"city": "北京", "days": 3}', '{"a": [1, 2.50, null], "b": {"c": "d"}, "e": ""}', "[1]", "",
             "no json", '{"x": 1e400}', '{"x": -0, "y": 1e-7, "z": 0.00001, "w": 1E+22}', '"text"', "null",
             '{"n": 123456789012345678901234567890}', '{"d": 1, "d": 2}', '{"s": "\\ud800"}', '{"t": true,}',
             '{"u": "\\u00e9\\n"}', '{"v": NaN}')
ROLES = ("system", "user", "assistant", "tool", "latest_reminder")
OTHER_ROLES = ("developer", "function")
TASKS = ("action", "query", "authority", "domain", "title", "read_url", "summary")
SCHEMAS: tuple[Any, ...] = (
    {"type": "object", "properties": {"city": {"type": "string", "description": "城市"}}}, {}, None,
    {"minimum": 0.00001, "maximum": 10**18, "enum": ["<｜User｜>", None, True, 1e-7, -0.0]})


@dataclass
class Drawn:
    """A conversation: the arguments of `dstok.chat.render`."""

    messages: list[dict[str, Any]]
    options: dict[str, Any] = field(default_factory=dict)


def conversations(version: str, tokens: tuple[str, ...] = STRUCTURAL) -> SearchStrategy[Drawn]:
    """Conversations and options of `version`. `tokens`: texts put, whole and in parts, into every field."""
    texts = _texts(tokens)
    strict = "tool_choice" in find_version(version).options  # deepseek-recipe's take no wrong types, and fewer roles
    wild = st.lists(_any_message(texts, strict), max_size=7)
    return st.builds(Drawn, st.one_of(wild, _dialogue(texts, version, strict)), _options(version, texts))


def _texts(tokens: tuple[str, ...]) -> SearchStrategy[str]:
    """A word, a token's text, a part of one, several joined, any characters."""
    words, whole = st.sampled_from(WORDS), st.sampled_from(tokens)
    part = st.builds(lambda token, start, size: token[start % len(token) :][: 1 + size], whole, st.integers(0, 20),
                     st.integers(0, 20))
    joined = st.lists(st.one_of(words, whole, part), min_size=2, max_size=3).map("".join)
    return _mostly(st.one_of(words, whole, joined, st.text(max_size=5)), st.just("\ud800x"), 150)


def _mostly(usual: SearchStrategy[Any], other: SearchStrategy[Any], times: int) -> SearchStrategy[Any]:
    """`usual`, and once in about `times` `other`. `one_of` cannot weight by repeating a strategy."""
    return st.integers(0, times).flatmap(lambda drawn: other if drawn == times * 2 // 3 else usual)


def _any_message(texts: SearchStrategy[str], strict: bool) -> SearchStrategy[dict[str, Any]]:
    """A message of any role with any fields, including missing and wrong ones."""
    parts = st.lists(st.builds(lambda text: {"type": "text", "text": text}, texts), max_size=2)
    content = _mostly(texts, st.one_of(st.none(), parts, st.sampled_from(OTHER)), 40 if strict else 5)
    optional: dict[str, SearchStrategy[Any]] = {
        "tool_calls": st.one_of(st.none(), _calls(texts), _calls(texts)),
        "reasoning_content": st.one_of(st.none(), texts), "tool_call_id": st.sampled_from((None, *IDS)),
        "prefix": st.booleans(), "wo_eos": st.booleans(), "name": texts, "tools": _tools(texts),
        "task": st.sampled_from(TASKS), "response_format": st.sampled_from([None, {"type": "object"}]),
    }
    role = st.sampled_from(ROLES[:4] * 4 + ROLES * (6 if strict else 1) + OTHER_ROLES)
    fields = st.lists(st.sampled_from(["tool_calls", "reasoning_content", *optional]), max_size=3, unique=True)
    shape = fields.flatmap(lambda names: st.fixed_dictionaries({name: optional[name] for name in names}))
    with_content = st.fixed_dictionaries({"role": role, "content": content})
    bare = st.fixed_dictionaries({"role": role})
    return st.builds(lambda own, rest: {**own, **rest}, _mostly(with_content, bare, 40 if strict else 12), shape)


def _dialogue(texts: SearchStrategy[str], version: str, strict: bool = False) -> SearchStrategy[list[dict[str, Any]]]:
    """A conversation such as servers see."""
    def said(role: str, **more: SearchStrategy[Any]) -> SearchStrategy[list[dict[str, Any]]]:
        return st.fixed_dictionaries({"role": st.just(role), "content": texts}, optional=more).map(lambda one: [one])

    reasoned = {"reasoning_content": texts}
    pair = st.builds(lambda one, other: [*one, *other], said("user"), said("assistant", **reasoned))
    turns = [said("user"), said("assistant", **reasoned), _exchange(texts), pair]
    turn = st.one_of(turns if version == "v3.2" else [*turns, said("latest_reminder")])
    system = st.one_of(st.just([]), said("system", tools=_tools(texts)))
    system = system if strict else _mostly(system, said("developer"), 5)
    last = st.one_of(said("user"), said("user"), said("user", task=st.sampled_from(TASKS)), st.just([]),
                     said("assistant", prefix=st.booleans(), **reasoned))
    return st.builds(lambda first, turns, end: [*first, *(one for part in turns for one in part), *end], system,
                     st.lists(turn, max_size=4), last)


def _exchange(texts: SearchStrategy[str]) -> SearchStrategy[list[dict[str, Any]]]:
    """An assistant's calls and their results, which may come in another order."""
    def exchange(calls: list[Any], results: list[str], order: int, said: dict[str, Any]) -> list[dict[str, Any]]:
        answers = [{"role": "tool", "content": text, "tool_call_id": call["id"]} for call, text in zip(calls, results)]
        return [{"role": "assistant", **said, "tool_calls": calls}, *answers[::order]]

    good = st.builds(_call, st.sampled_from(IDS), texts, st.sampled_from(ARGUMENTS[:3]), st.just("function"))
    calls = st.lists(good, min_size=1, max_size=3, unique_by=lambda call: str(call["id"]))
    said = st.fixed_dictionaries({"content": st.one_of(st.none(), texts)}, optional={"reasoning_content": texts})
    return st.builds(exchange, calls, st.lists(texts, min_size=2, max_size=3), st.sampled_from([1, -1]), said)


def _call(call_id: str | None, name: Any, arguments: Any, kind: str) -> dict[str, Any]:
    return {"id": call_id, "type": kind, "function": {"name": name, "arguments": arguments}}


def _calls(texts: SearchStrategy[str]) -> SearchStrategy[list[Any]]:
    """Up to four calls; some lack something."""
    arguments = st.one_of(st.sampled_from(ARGUMENTS), st.sampled_from(ARGUMENTS),
                          st.dictionaries(texts, texts, max_size=2).map(json.dumps),
                          st.dictionaries(texts, texts, max_size=2))
    good = st.builds(_call, st.sampled_from(IDS), texts, arguments, st.just("function"))
    broken = st.sampled_from([{}, {"type": "function"}, {"type": "function", "function": {}},
                              {"function": {"name": "f", "arguments": "{}"}, "id": "call_1"},
                              {"type": "function", "function": {"name": "f"}, "id": "call_2"}])
    return st.lists(_mostly(good, broken, 15), max_size=4)


def _tools(texts: SearchStrategy[str]) -> SearchStrategy[list[Any]]:
    function = st.fixed_dictionaries({"name": texts}, optional={
        "description": st.one_of(st.none(), texts), "parameters": st.sampled_from(SCHEMAS), "strict": st.booleans()})
    return st.lists(st.builds(lambda function: {"type": "function", "function": function}, function), max_size=2)


def _options(version: str, texts: SearchStrategy[str]) -> SearchStrategy[dict[str, Any]]:
    """Options of the version, and the common arguments."""
    found = find_version(version)
    known: dict[str, SearchStrategy[Any]] = {
        "thinking": st.booleans(), "drop_thinking": st.booleans(), "add_default_bos_token": st.booleans(),
        "context": _mostly(st.none(), _dialogue(texts, version), 3),
        "tool_choice": st.sampled_from(["auto", "none", "required"]),
        "reasoning_effort": st.sampled_from([None, "high", "max"] if "drop_thinking" in found.options
                                            else [None, "low", "high", "xhigh", "max"]),
        "response_format": st.sampled_from([None, "text", "json_object"]),
        "response_schema": st.sampled_from([None, None, *SCHEMAS]),
        "response_regex": st.sampled_from([None, None, "a+"]),
    }
    optional = {name: known[name] for name in found.options}
    if found.takes_tools:
        optional["tools"] = _tools(texts)
    if not found.opens:
        optional["add_generation_prompt"] = st.booleans()
    return st.fixed_dictionaries({}, optional=optional)


_CHARS = ["a", "b", "c", "A", "é", "中", " ", r"\n", "1", "'", "-", "_", r"\x{61}", r"\u0062", r"\t", r"\.", r"\r", ".",
          r"\R", "s", "É"]
_SETS = [
    r"\w", r"\W", r"\s", r"\S", r"\d", r"\D", r"\h", r"\H", r"\N", r"\O", r"\p{L}", r"\p{^L}", r"\P{Lu}", r"\p{Han}",
    r"\p{Greek}", r"\p{Alpha}", r"\p{Word}", r"\p{Emoji}", "[ab]", "[^a]", "[a-c]", "[[:alpha:]]", "[[:^punct:]]",
    "[[:word:]1]", "[a&&[^b]c]", r"[\w&&[^\d]]", r"[^\s\p{L}]", "[[ab]c]", "[^[^a]b]", "[]a]", "[-a]", "[a-]",
    "[^ab&&bc]", r"[\p{L}&&[^\p{Han}]]", "[&&a]", r"[^\r\n]", r"[\]\-]",
    "[ß]", "[^s]", "[à-ü&&[^É]]",
]
_ANCHORS = ["^", "$", r"\A", r"\z", r"\Z", r"\b", r"\B", r"(?=a)", r"(?!\s)", r"(?<=b)", r"(?<!\w)"]
_QUANTIFIERS = ["*", "+", "?", "*?", "+?", "??", "*+", "++", "?+", "{2}", "{1,2}", "{,2}", "{2,}", "{1,2}?", "{2,1}",
                "{2}?", "{0,1}+"]
_GROUPS = ["(?:", "(?:", "(?:", "(", "(?<n>", "(?>", "(?i:", "(?m:", "(?x: ", "(?-i:"]
_LOOKS = ["(?=", "(?!", "(?<=", "(?<!"]
LETTERS = "abcA éÉ中\n\r1'-_.αKsSß"  # of texts for these patterns


def patterns(max_leaves: int = 6) -> SearchStrategy[str]:
    """Patterns, of about `max_leaves` characters, sets and anchors."""
    atoms = st.sampled_from(_CHARS) | st.sampled_from(_SETS)
    leaves = st.one_of(atoms, atoms, atoms, st.sampled_from(_ANCHORS))
    inner = st.recursive(leaves, _compound, max_leaves=max_leaves)
    return st.lists(inner, min_size=1, max_size=3).map("|".join)


def _compound(inner: SearchStrategy[str]) -> SearchStrategy[str]:
    several = st.lists(inner, min_size=1, max_size=3)
    in_group = st.builds("{}{})".format, st.sampled_from(_GROUPS), several.map("|".join))
    in_look = st.builds("{}{})".format, st.sampled_from(_LOOKS), several.map("|".join))
    repeated = st.builds(
        lambda item, quantifier: (item if len(item) == 1 and item not in "^$" else f"(?:{item})") + quantifier,
        inner, st.sampled_from(_QUANTIFIERS))
    return st.one_of(several.map("".join), several.map("".join), repeated, repeated, in_group, in_look)


def split_steps() -> SearchStrategy[Split]:
    """A step with a pattern, of any behaviour."""
    behaviors = st.sampled_from(["Isolated", "Isolated", *BEHAVIORS])
    return st.builds(Split, patterns(), behaviors, st.booleans())


def pattern_texts(max_size: int = 12) -> SearchStrategy[str]:
    """Texts of the characters in the patterns."""
    return st.text(LETTERS, max_size=max_size) | st.text("ab \n", max_size=max_size)


DIGITS = "0123456789\u00b2\u00bd\u0663\u3007\u2167"
EAST_ASIAN = ("\u7684\u4e00\u662f\u4e2d\u65e5\u306e\u306f\u30ab\u30fc\ud55c\uad6d"
              "\u3005\u3007\u3002\u3001\uff71\u3099\u309b")
SAYINGS = ("don't", "I'LL", "'s", "x\u0301\u0302", "\u0301", "e\u0301", "\u093e\u094d",
           "\U0001f469\u200d\U0001f469\u200d\U0001f467",
           "\r\n\r\n", "  \n  ", "!abc\u00e9")


def _guide(tokenizer: Tokenizer | None) -> Guide:
    return guide_of(built_in("deepseek-v3") if tokenizer is None else tokenizer)


def characters(tokenizer: Tokenizer | None = None) -> SearchStrategy[str]:
    """One character: of any equivalence class, from its edges, its categories and its inside."""
    members = _guide(tokenizer).members
    return st.sampled_from(range(len(members))).flatmap(lambda number: st.sampled_from(members[number]))


def special_texts(tokenizer: Tokenizer | None = None) -> SearchStrategy[str]:
    """The text of an added token; hundreds of place holders together are as likely as any other."""
    contents = list(_guide(tokenizer).tokenizer.added_tokens)
    named = [content for content in contents if "place" not in content]
    return st.one_of(st.sampled_from(named or contents), st.sampled_from(contents)) if contents else st.just("")


def special_parts(tokenizer: Tokenizer | None = None) -> SearchStrategy[str]:
    """A part of the text of an added token."""
    return st.builds(lambda content, start, size: content[start % max(len(content), 1) :][: 1 + size],
                     special_texts(tokenizer), st.integers(0, 40), st.integers(0, 40))


def fragments(tokenizer: Tokenizer | None = None) -> SearchStrategy[str]:
    """A short text of one kind: classes in turn, white space, digits, combining marks, words, added tokens, a run."""
    guide = _guide(tokenizer)
    one = characters(tokenizer)
    few = st.text(st.one_of(one, st.sampled_from("aZ09 \n.,'_-中の")), min_size=1, max_size=6)
    words = list(guide.token_texts.values())
    mixed = [word for word in words if word[:1].isascii() and word.isalpha() and not word.isascii()]  # such as "café"
    word = st.integers(0, len(words) - 1).map(words.__getitem__)
    classes = st.lists(st.sampled_from(guide.classes), min_size=2, max_size=4).map(tuple)
    return st.one_of(
        few, one, classes.map(guide.spell), classes.map(guide.spell_backward),
        st.text(st.sampled_from(SPACES), max_size=6), st.text(st.sampled_from(" \n\r\t"), max_size=8),
        st.text(st.sampled_from(NOT_SPACES + " a"), max_size=4), st.text(st.sampled_from(DIGITS), max_size=9),
        st.text(st.sampled_from(EAST_ASIAN), max_size=9), st.sampled_from(SAYINGS),
        st.sampled_from(changed()).map(chr), word,
        st.builds(lambda text, at: text[at % len(text) :], word, st.integers(0, 20)),  # half of a merge
        st.builds(str.__add__, st.sampled_from([*" !.(-'_\"\t"]), st.sampled_from(mixed or words)),
        special_texts(tokenizer), special_parts(tokenizer),
        st.builds(lambda text, times: text * times, few, st.integers(1, 80)),
    )


def texts(tokenizer: Tokenizer | None = None, max_fragments: int = 12) -> SearchStrategy[str]:
    """Texts that find differences: up to `max_fragments` fragments, joined."""
    return st.lists(fragments(tokenizer), max_size=max_fragments).map("".join)


def batches(tokenizer: Tokenizer | None = None, max_size: int = 12) -> SearchStrategy[list[str]]:
    """Lists of texts, including the empty one."""
    return st.lists(texts(tokenizer), max_size=max_size)


def bytes_texts(tokenizer: Tokenizer | None = None, *, valid: bool = True) -> SearchStrategy[bytes]:
    """Texts as UTF-8; with `valid=False` bytes are inserted, so that most are not UTF-8."""
    whole = texts(tokenizer).map(str.encode)
    if valid:
        return whole

    def broken(data: bytes, places: list[tuple[int, int]]) -> bytes:
        found = bytearray(data)
        for at, byte in places:
            found.insert(at % (len(found) + 1), byte)
        return bytes(found)

    faults = st.lists(st.tuples(st.integers(0, 1000), st.integers(0x80, 0xFF)), min_size=1, max_size=3)
    return st.builds(broken, whole, faults)


def token_ids(tokenizer: Tokenizer | None = None, max_size: int = 50) -> SearchStrategy[list[int]]:
    """Lists of ids that have a token: any, or the ids of a text."""
    tok = _guide(tokenizer).tokenizer
    known = list(tok.inspect().ids())
    any_ids = st.lists(st.integers(0, len(known) - 1).map(known.__getitem__), max_size=max_size)
    return st.one_of(any_ids, texts(tok).map(tok.encode))
