"""Completions -> messages, whole or as a stream; the parser of versions up to V3.2-Exp, whose calls stand in tokens.

In: a completion as text or ids, or parts of one; its version. Out: a `Message`, and deltas in OpenAI's form.
Invariant: any cutting into parts gives the same message. Where ids of DSML are read leniently, only the format's own
ids delimit: a `</think>` or `｜DSML｜` that the model spelled with ordinary tokens is text, and the id of the end token
ends the completion. Otherwise ids are read as the text that they decode to.
Source: DeepSeek has no parser for versions up to V3.2-Exp. Their templates give the shape of a call, and the lenient
rules are those of the parsers of vLLM and SGLang: for R1 all text is reasoning if `</think>` is missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex

from dstok._util.arguments import explained
from dstok.chat.answers import EXCERPT, Answer, Direct, Message, State, StateParser, delimiters
from dstok.chat.parse_dsml import LenientParser, StrictParser
from dstok.chat.render import VersionName, find_version
from dstok.chat.v2_v3 import CALL_BEGIN, CALL_END, CALLS_BEGIN, CALLS_END, SEP
from dstok.chat.writer import CLOSE, DIALECTS, DSML, EOS, OPEN
from dstok.errors import ArgumentError, ChatError

if TYPE_CHECKING:
    from dstok.protocols import TokenizerProtocol

Mode = Literal["strict", "lenient"]
THINKING = ("r1", "r1-0528", "r1-distill", "v3.1", "v3.2-exp", *DIALECTS)  # versions that can
NAMED = ("v3.1", "v3.2-exp")
# These stand for the format's tokens in the text of ids. No decoder gives their first characters; `feed` sees the last.
STAND_INS = {CLOSE: "\udc00<", DSML: "\udc01｜", EOS: "\udc02<"}
FENCE, FENCE_END = "\n```json\n", "\n```"  # around arguments


class ToolTokenParser(StateParser):
    """`feed` parts, then `finish`. `typed`: whether calls have a type and a block of JSON, as up to R1-0528.

    Lenient: what is no call between the tokens is skipped, and reasoning need not end. Strict: all is as the format
    writes it, including the end token.
    """

    def __init__(self, answer: Answer, thinking: bool, tools: bool, continues: bool, typed: bool, strict: bool) -> None:
        ends = () if strict else (EOS,)  # leniently, a completion may end anywhere
        super().__init__(answer, self._reasoning if thinking else self._content, {
            self._reasoning: delimiters(CLOSE, *ends), self._content: delimiters(EOS, *[CALLS_BEGIN] * tools),
            self._between: delimiters(CALL_BEGIN, CALLS_END, *ends), self._call: delimiters(CALL_END, *ends),
            self._end: delimiters(EOS)}, (self._call, *[self._between] * strict))
        self.typed, self.strict = typed, strict
        # The start of the reasoning, which may be `<think>`.
        self.begin: str | None = "" if thinking and not continues else None
        self.calls, self.ended = 0, False

    def finish(self) -> None:
        rest = self.reader.rest()
        if self.state == self._end and not rest:
            return
        if self.strict:
            raise self.error("expected the end token, found the end or other text")
        if self.state in (self._reasoning, self._content):
            (self._think if self.state == self._reasoning else self.answer.say)(rest)

    def direct(self) -> Direct | None:
        states: dict[State, Direct] = {self._reasoning: self.answer.thinks, self._content: self.answer.says}
        return states.get(self.state) if self.begin is None else None

    def _reasoning(self, before: str, delimiter: str) -> None:
        self._think(before)
        if delimiter:
            self.state = self._content if delimiter == CLOSE else self._end

    def _think(self, text: str) -> None:
        """Adds reasoning, without `<think>` at its start."""
        if self.begin is not None:
            text, self.begin = self.begin + text, None
            if OPEN.startswith(text) and text != OPEN:
                self.begin = text
                return
            text = text.removeprefix(OPEN)
        self.answer.think(text)

    def _content(self, before: str, delimiter: str) -> None:
        self.answer.say(before)
        if delimiter:
            self.ended = delimiter == EOS
            self.state = self._end if self.ended else self._between

    def _between(self, before: str, delimiter: str) -> None:
        """Takes nothing, or a newline, between two calls."""
        wanted = "\n" if self.typed and self.calls and delimiter == CALL_BEGIN else ""
        if self.strict and before != wanted:
            raise self.error(f"expected a call, found {before[:EXCERPT]!r}")
        if delimiter:
            self.state = self._call if delimiter == CALL_BEGIN else self._end

    def _call(self, text: str, delimiter: str) -> None:
        self.state = self._end if delimiter == EOS else self._between
        if delimiter == EOS:
            return
        # The first separator divides the name from what is before or after it. A block of arguments begins at the
        # first fence and ends where the call does: if that is too early for the first fence, it is for later ones.
        name, is_call, arguments = text.partition(SEP)
        if self.typed:
            name, fence, arguments = arguments.partition(FENCE)
            is_call = fence if arguments.endswith(FENCE_END) else ""
            arguments = arguments.removesuffix(FENCE_END)
        if is_call:
            self.calls += 1
            self.answer.call(name)
            self.answer.argue(arguments)
        elif self.strict:
            raise self.error(f"expected a call with a name and arguments, found {text[:EXCERPT]!r}")

    def _end(self, before: str, delimiter: str) -> None:
        """Takes the text after the end token, or after the calls, which the end token may follow."""
        if self.strict and (before or (delimiter and self.ended)):
            raise self.error(f"expected nothing after the end, found {(before or delimiter)[:EXCERPT]!r}")
        self.ended = self.ended or bool(delimiter)


class Parser:
    """Reads a completion in parts. Arguments as for `parse`.

    >>> parser = Parser("v3.1")
    >>> parser.feed("It is su"), parser.feed("nny.</thi"), parser.feed("nk>Sunny")
    ([{'reasoning_content': 'It is su'}], [{'reasoning_content': 'nny.'}], [{'content': 'Sunny'}])
    >>> parser.finish(), parser.message.content
    ([], 'Sunny')
    """

    @explained
    def __init__(
        self, version: VersionName, *, tokenizer: TokenizerProtocol | None = None, thinking: bool = True,
        tools: bool = True, continues: bool = False, json_output: bool = False, mode: Mode = "lenient",
    ) -> None:
        name = find_version(version).name
        if mode not in ("strict", "lenient"):
            raise ChatError(f'expected "strict" or "lenient", found {mode!r}', field="mode")
        strict, dialect = mode == "strict", DIALECTS.get(name)
        if json_output and (strict or dialect is None):
            raise ChatError(f"only the lenient parser of {', '.join(DIALECTS)} looks for JSON output, found mode "
                            f"{mode!r} of {name}", field="json_output")
        thinks = thinking and name in THINKING
        self._answer = answer = Answer(thinks)
        by_id = tokenizer is not None and not strict and dialect is not None
        self._tokenizer, self._over = tokenizer, ""  # `_over`: the call or error that ended the completion
        if tokenizer is not None:
            self._stream, added = tokenizer.decode_stream(), tokenizer.added_tokens if by_id else {}
            self._stand_ins = {added[token]: text for token, text in STAND_INS.items() if token in added}
            self._ended = False
        self._reads: ToolTokenParser | StrictParser | LenientParser
        if dialect is None:
            self._reads = ToolTokenParser(answer, thinks, tools and name != "v2", continues, name not in NAMED, strict)
        elif strict:
            raises = "AssertionError" if name == "v3.2" else "ValueError"
            self._reads = StrictParser(answer, thinks, tools, dialect, raises)
        else:
            blocks = ("function_calls",) if name == "v3.2" else ("tool_calls", " calls")
            marks = (STAND_INS[CLOSE], STAND_INS[DSML], STAND_INS[EOS]) if by_id else (CLOSE, DSML, EOS)
            self._reads = LenientParser(answer, thinks, tools, continues, json_output, blocks, marks)
        self._direct: Direct | None = None

    @property
    def message(self) -> Message:
        """The message so far, composed again on each access."""
        return self._answer.message()

    def feed(self, part: str | int | Iterable[int]) -> list[dict[str, Any]]:
        """Adds a part of the completion: text, an id, or ids. Returns the deltas that are sure now.

        Raises `ChatError` for input that the mode refuses: earlier deltas are void then, and nothing more is read.
        """
        text = part if self._tokenizer is None and isinstance(part, str) else self._text(part)
        if self._direct is None or "<" in text or "\n" in text or "｜" in text:
            self._read(text)
            return self._answer.taken()
        self._reads.reader.fed += len(text)
        return self._direct(text) if text else []

    def finish(self) -> list[dict[str, Any]]:
        """Ends the completion. Returns the last deltas. Raises `ChatError` if it may not end here."""
        if self._over != "finish":
            self._read("" if self._tokenizer is None else self._stream.finish())
            self._direct, self._over = None, "finish"
            self._reads.finish()
        return self._answer.taken()

    def _read(self, text: str) -> None:
        if self._over:
            raise ChatError(f"expected no more after {self._over}, found more of the completion, or its end")
        try:
            self._reads.feed(text)
        except ChatError:
            self._direct, self._over = None, "an error"
            raise
        self._direct = None if self._reads.reader.ahead(1) else self._reads.direct()

    def _text(self, part: str | int | Iterable[int]) -> str:
        """The text of ids, up to the end token."""
        if isinstance(part, str):
            raise ChatError("expected ids, as there is a tokenizer, found text")
        if isinstance(part, (bytes, bytearray, memoryview)) or not isinstance(part, (Iterable, SupportsIndex)):
            raise ArgumentError(f"expected text or ids, found {type(part).__name__}", "part")
        if self._tokenizer is None:
            raise ChatError("expected text, or a tokenizer for ids, found ids")
        ids: Any = part if isinstance(part, Iterable) else [part]
        texts = list[str]()
        for id in ids:
            if self._ended:
                break
            if id not in self._stand_ins:
                texts.append(self._stream.feed(id))
                continue
            texts += [self._stream.finish(), self._stand_ins[id]]
            self._stream, self._ended = self._tokenizer.decode_stream(), texts[-1] == STAND_INS[EOS]
        return "".join(texts)


@explained
def parse(
    completion: str | Iterable[int], version: VersionName, *, tokenizer: TokenizerProtocol | None = None,
    thinking: bool = True, tools: bool = True, continues: bool = False, json_output: bool = False,
    mode: Mode = "lenient",
) -> Message:
    r"""Returns the message that a completion holds.

    `completion`: the text or, with `tokenizer`, the ids that the model wrote after the prompt, up to the end token if
    there is one. `thinking`: whether it begins in reasoning; versions that cannot think have none. `tools`: whether
    there may be calls. `continues`: whether the prompt ended inside the reasoning or the content, as with
    `continue_final_message`; then leading line breaks belong to the text. `json_output`: whether the content is JSON
    (V3.2 and later, lenient): fences around it go, and other text before or after it becomes a blank. `mode`: "lenient"
    takes whatever it understands, as deepseek-recipe does (V3.2 and later); "strict" accepts only exactly the format,
    with the end token, as the scripts do. Raises `ChatError`, `UnknownIdError`; `ArgumentError` for other types.

    >>> parse("Hm</think>Hi", "v3.2")
    Message(content='Hi', reasoning_content='Hm', tool_calls=[])
    >>> parse("\n\nand more", "v3.2", thinking=False, continues=True).content
    '\n\nand more'
    >>> parse('Hm</think>Here:\n```json\n{"a": 1}\n```', "v4.1", json_output=True).content
    ' {"a": 1}'
    """
    parser = Parser(version, tokenizer=tokenizer, thinking=thinking, tools=tools, continues=continues,
                    json_output=json_output, mode=mode)
    parser.feed(completion)
    parser.finish()
    return parser.message
