"""`dstok chat`: conversations -> text, ids, counts; completions -> messages.

In: files, each with a conversation or, with --jsonl, one on each line: an array of messages, or the body of a request
to OpenAI's or DeepSeek's API. Out: a text, or for each conversation a line of JSON or a number. The exit code is 1 if
one has more tokens than --max-tokens. Invariant: the output equals that of `dstok.chat` with the same arguments. Only
the parts of a body that concern the text are read, and those that the version has no text for are refused. `show`
writes for people: each token that the format wrote stands between guillemets, and those in messages do not; nothing
else is added to the text, except that control characters are shown as escapes.
"""

from __future__ import annotations

import json
import re
import sys
from argparse import Namespace
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from dstok import chat
from dstok._util.arguments import lone_surrogate
from dstok._util.files import visible
from dstok.cli import arguments as options
from dstok.cli.arguments import Command, load_model, model_of, refuse_unless
from dstok.cli.output import CommandError, about_input, colours_wanted, complain, json_bytes
from dstok.io.id_files import Output
from dstok.io.text_files import json_of, open_source, text_of
from dstok.tokenizer import Tokenizer

TOKEN, SAMPLED, HEAD, OFF = "\x1b[35m", "\x1b[32m", "\x1b[1m", "\x1b[0m"
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class InputConversation(NamedTuple):
    """A conversation of a file: the input's name for errors, messages, the arguments of `render`."""

    name: str
    messages: Any
    arguments: dict[str, Any]


def run_render(arguments: Namespace) -> None:
    def text(conversation: InputConversation) -> bytes:
        rendered = chat.render(conversation.messages, arguments.version, **conversation.arguments)
        if not (arguments.json or arguments.jsonl):
            return _utf8(rendered.text)
        return json_bytes(_rendered(rendered))

    _write(arguments, text)


def _rendered(rendered: chat.Rendered) -> dict[str, Any]:
    return {"text": rendered.text, "special_ranges": rendered.special_ranges,
            "spans": [span._asdict() for span in rendered.spans]}


def run_encode(arguments: Namespace) -> None:
    tokenizer = _tokenizer(arguments)

    def ids(conversation: InputConversation) -> bytes:
        encoded = _encoded(arguments, tokenizer, conversation)
        labels = {"labels": encoded.labels.tolist(), "message_index": encoded.message_index.tolist()}
        return json_bytes({"input_ids": encoded.ids, **(labels if arguments.labels else {})})

    _write(arguments, ids)


def run_count(arguments: Namespace) -> int:
    tokenizer, limit, over = _tokenizer(arguments), arguments.max_tokens, []

    def number(conversation: InputConversation) -> bytes:
        count = chat.count(tokenizer, conversation.messages, arguments.version, special=arguments.special,
                           **conversation.arguments)
        if limit is not None and count > limit:
            over.append(conversation.name)
            complain(f"{conversation.name}: {count} tokens, {count - limit} over --max-tokens {limit}")
        if arguments.json:
            return json_bytes({"name": conversation.name, "tokens": count})
        label = f"\t{visible(conversation.name)}" if len(arguments.files) > 1 and not arguments.jsonl else ""
        return f"{count}{label}\n".encode()

    _write(arguments, number)
    return options.OVER_BUDGET if over else 0


def run_show(arguments: Namespace) -> None:
    tokenizer = _tokenizer(arguments)
    colours = colours_wanted(arguments.output is None and sys.stdout is not None and sys.stdout.isatty())

    def conversation_shown(conversation: InputConversation) -> bytes:
        encoded = _encoded(arguments, tokenizer, conversation)
        if not arguments.json:
            return _utf8(shown(encoded, conversation.messages, colours))
        columns = {name: getattr(encoded, name).tolist() for name in ("offsets", "message_index", "sampled")}
        return json_bytes({"input_ids": encoded.ids, **columns, **_rendered(encoded.rendered)})

    _write(arguments, conversation_shown)


def _tokenizer(arguments: Namespace) -> Tokenizer:
    return load_model(model_of(arguments.version) if arguments.model is None else arguments.model, arguments.upstream)


def _encoded(arguments: Namespace, tokenizer: Tokenizer, conversation: InputConversation) -> chat.EncodedConversation:
    return chat.encode(tokenizer, conversation.messages, arguments.version, special=arguments.special,
                       **conversation.arguments)


def _write(arguments: Namespace, make: Callable[[InputConversation], bytes]) -> None:
    """Writes the result of `make` for each conversation; errors name it."""
    given = _options(arguments)
    with Output(arguments.output, arguments.files) as output:
        for name, text in _texts(arguments):
            value = _json(name, text)
            with about_input(name):
                conversation = InputConversation(name, value, given)
                if isinstance(value, dict) or arguments.check:  # a body; the command line takes precedence over it
                    body = value if isinstance(value, dict) else {"messages": value}
                    request = chat.read_request(body, check=arguments.check)
                    conversation = InputConversation(name, request.messages, {**request.arguments, **given})
                data = make(conversation)
            output.write(data)


def run_parse(arguments: Namespace) -> None:
    thinking = True if arguments.thinking is None else arguments.thinking
    with Output(arguments.output, arguments.files) as output:
        for name, text in _texts(arguments):
            completion = _json(name, text) if arguments.jsonl else text
            if not isinstance(completion, str):
                raise CommandError(f"{name}: expected a JSON string")
            with about_input(name):
                message = chat.parse(completion, arguments.version, thinking=thinking, tools=not arguments.no_tools,
                                     continues=arguments.continues, json_output=arguments.json_output,
                                     mode=arguments.mode)
            output.write(json_bytes(message.as_dict()))


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise lone_surrogate(text[error.start], error.start,
                             " of the rendered conversation (--json escapes it)") from None


def _options(arguments: Namespace) -> dict[str, Any]:
    """The options on the command line."""
    given: dict[str, Any] = {}
    for word in arguments.set:
        name, separator, given[name] = word.partition("=")
        if not separator:
            raise CommandError(f"--set: expected NAME=VALUE, found {word!r}")
        with suppress(ValueError, RecursionError):  # no JSON: it is the text itself
            given[name] = json.loads(given[name])
    for key in ("thinking", "add_generation_prompt", "continue_final_message"):
        value = getattr(arguments, key)
        given |= {} if value is None or (key[0] == "c" and not value) else {key: value}
    if arguments.tools is not None:
        refuse_unless(arguments.tools != "-" or "-" not in arguments.files, "--tools -", "conversations in files")
        with open_source(arguments.tools) as source:
            given["tools"] = _json(arguments.tools, _decoded(arguments.tools, source.read_all()))
    return given


def _texts(arguments: Namespace) -> Iterator[tuple[str, str]]:
    """Name and text of each file, or of each line that is not blank."""
    for path in arguments.files:
        with open_source(path) as source:
            if not arguments.jsonl:
                yield source.name, _decoded(source.name, source.read_all())
                continue
            for number, line in enumerate(source.lines(), 1):
                if line.strip():
                    yield f"{source.name}: line {number}", _decoded(f"{source.name}: line {number}", line)


def _decoded(name: str, data: bytes) -> str:
    return text_of(name, data).removeprefix("\ufeff")


def _json(name: str, text: str) -> Any:
    return json_of(name, text, "line {0.lineno} column {0.colno}")


def shown(encoded: chat.EncodedConversation, messages: Any, colours: bool) -> str:
    """The conversation for people; the format's tokens and what the model would have written have two colours."""
    def coloured(text: str, colour: str) -> str:
        return f"{colour}{text}{OFF}" if colours and colour and text else text

    def safe(start: int, end: int) -> str:
        return CONTROLS.sub(lambda found: f"\\x{ord(found.group()):02x}", text[start:end])

    counts, text = Counter(encoded.message_index.tolist()), encoded.rendered.text
    lines = [f"{len(encoded.ids)} tokens, {int(encoded.sampled.sum())} of them sampled, {counts[-1]} of no message\n"]
    before, ranges = None, deque(encoded.rendered.special_ranges)
    for span in encoded.rendered.spans:
        if span.message != before:
            before = span.message
            role = messages[before].get("role") if before >= 0 and isinstance(messages[before], dict) else None
            head = f"[{before}] {role}, {counts[before]} tokens" if before >= 0 else "[format]"
            lines.append(f"\n{coloured(head, HEAD)}\n")
        at, sampled = span.start, SAMPLED if span.sampled else ""
        while ranges and ranges[0][0] < span.end:
            start, end = ranges.popleft()
            lines += [coloured(safe(at, start), sampled), coloured(f"«{text[start:end]}»", TOKEN)]
            at = end
        lines.append(coloured(safe(at, span.end), sampled))
    return "".join(lines) + "\n"


VERSIONS = [version.name for version in chat.versions()]
NOTES = """\
A conversation is a JSON array of messages, or the body of a request. The command reads its messages,
tools, tool_choice, reasoning_effort, response_format, thinking and chat_template_kwargs. Options of
the command line take precedence.

"""
COMMON = f"""{options.FILES}\
--version V {{{','.join(VERSIONS)}}} !  the format: {', '.join(VERSIONS)}
--[no-]thinking  let the model think (default: like the version's reference)
--jsonl  each line is a %s
{options.OUTPUT}"""
CONVERSATION = COMMON % "conversation" + """\
--tools FILE  tools, a JSON array of OpenAI's tool objects
--[no-]add-generation-prompt  end with the start of the answer (default: like the version's reference)
--continue-final-message  leave the last message open
--check  refuse everything that DeepSeek's API refuses, and take its defaults (v4-0731, v4.1)
--set NAME=VALUE *  another option of the version, such as reasoning_effort=max or drop_thinking=false
"""
MODEL = f"""\
-m, --model NAME|PATH  the tokenizer (default: the version's built-in model, if there is one)
{options.UPSTREAM}\
--special {{template,all,raise}} [template]  texts that become tokens: the format's own (default), all, or refuse others
 (raise)
"""
GROUP = ("conversations: text, tokens, answers",
         "Conversations with DeepSeek's models, in every version of their format.")
COMMANDS = {
    "chat render": Command(
        run_render, "turn messages into the text that a model reads", "dstok chat render --version v3.2 talk.json",
        f"{CONVERSATION}--json  a JSON object for each conversation: its text, special_ranges and spans\n", NOTES),
    "chat encode": Command(
        run_encode, "turn messages into token ids, a line of JSON each",
        "dstok chat encode --version v4-0731 --labels --jsonl talks.jsonl -o ids.jsonl", f"""{CONVERSATION}\
--labels  also labels (-100 for tokens that the model would not have written) and message_index
{MODEL}--json  a JSON object for each conversation, as always
""", NOTES),
    "chat count": Command(
        run_count, "count the tokens of a conversation",
        "dstok chat count --version v4-0731 --max-tokens 100000 request.json", f"""{CONVERSATION}\
--max-tokens N  exit with 1 if a conversation has more
{MODEL}--json  a JSON object for each conversation: its name and tokens
""", NOTES),
    "chat show": Command(
        run_show, "show a conversation with roles, tokens a message, and the format's tokens",
        "dstok chat show --version v3.1 talk.json", f"""{CONVERSATION}{MODEL}\
--json  a JSON object for each conversation: its input_ids, offsets, message_index, sampled, and what `render --json`
 prints
""", NOTES),
    "chat parse": Command(
        run_parse, "turn a completion into a message, a line of JSON each",
        "dstok chat parse --version v3.2 answer.txt", COMMON % "JSON string" + """\
--mode {lenient,strict} [lenient]  lenient takes everything that it understands (default), strict only the exact format,
 with its end token
--continues  the prompt ended inside the text that the completion begins in: keep its line breaks
--json-output  the content is JSON: leave out fences around it, and put a blank for other text (v3.2 and later, lenient)
--no-tools  the completion has no tool calls
--json  a JSON object for each completion, as always
"""),
}
