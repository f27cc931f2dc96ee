"""`dstok chat`: conversations -> text, ids, counts; completions -> messages.

In: files, each with a conversation or, with --jsonl, one on each line: an array of messages, or the body of a request
to OpenAI's or DeepSeek's API. Out: a text, or for each conversation a line of JSON or a number. Invariant: the output
equals that of `dstok.chat` with the same arguments. Only the parts of a body that concern the text are read, and those
that the version has no text for are refused. `show` writes for people: each token that the format wrote stands between
guillemets, and those in messages do not; control characters are shown as escapes.
"""

from __future__ import annotations

import json
import re
import sys
from argparse import Namespace
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from dstok import chat
from dstok._util.arguments import lone_surrogate
from dstok._util.files import visible
from dstok.cli.arguments import OVER_BUDGET, load_model, model_of, refuse_unless
from dstok.cli.output import CommandError, about_input, colours_wanted, complain, json_bytes
from dstok.io.id_files import Output
from dstok.io.text_files import json_of, open_source, text_of
from dstok.tokenizer import Tokenizer

TOKEN, SAMPLED, HEAD, OFF = "\x1b[35m", "\x1b[32m", "\x1b[1m", "\x1b[0m"
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


Options = dict[str, Any]  # the keywords of `render`


def run_render(arguments: Namespace) -> None:
    def text(_: str, messages: Any, given: Options) -> bytes:
        rendered = chat.render(messages, arguments.version, **given)
        return json_bytes(_rendered(rendered)) if arguments.json or arguments.jsonl else _utf8(rendered.text)

    _write(arguments, text)


def _rendered(rendered: chat.Rendered) -> dict[str, Any]:
    return {"text": rendered.text, "special_ranges": rendered.special_ranges,
            "spans": [span._asdict() for span in rendered.spans]}


def run_encode(arguments: Namespace) -> None:
    tokenizer = _tokenizer(arguments)

    def ids(_: str, messages: Any, given: Options) -> bytes:
        encoded = _encoded(arguments, tokenizer, messages, given)
        labels = {"labels": encoded.labels.tolist(), "message_index": encoded.message_index.tolist()}
        return json_bytes({"input_ids": encoded.ids, **(labels if arguments.labels else {})})

    _write(arguments, ids)


def run_count(arguments: Namespace) -> int:
    tokenizer, limit, over = _tokenizer(arguments), arguments.max_tokens, []

    def number(name: str, messages: Any, given: Options) -> bytes:
        count = chat.count(tokenizer, messages, arguments.version, special=arguments.special, **given)
        if limit is not None and count > limit:
            over.append(name)
            complain(f"{name}: {count} tokens, {count - limit} over --max-tokens {limit}")
        if arguments.json:
            return json_bytes({"name": name, "tokens": count})
        label = f"\t{visible(name)}" if len(arguments.files) > 1 and not arguments.jsonl else ""
        return f"{count}{label}\n".encode()

    _write(arguments, number)
    return OVER_BUDGET if over else 0


def run_show(arguments: Namespace) -> None:
    tokenizer = _tokenizer(arguments)
    colours = colours_wanted(arguments.output is None and sys.stdout is not None and sys.stdout.isatty())

    def as_shown(_: str, messages: Any, given: Options) -> bytes:
        encoded = _encoded(arguments, tokenizer, messages, given)
        if not arguments.json:
            return _utf8(shown(encoded, messages, colours))
        columns = {name: getattr(encoded, name).tolist() for name in ("offsets", "message_index", "sampled")}
        return json_bytes({"input_ids": encoded.ids, **columns, **_rendered(encoded.rendered)})

    _write(arguments, as_shown)


def _tokenizer(arguments: Namespace) -> Tokenizer:
    return load_model(model_of(arguments.version) if arguments.model is None else arguments.model, arguments.upstream)


def _encoded(arguments: Namespace, tokenizer: Tokenizer, messages: Any, given: Options) -> chat.EncodedConversation:
    return chat.encode(tokenizer, messages, arguments.version, special=arguments.special, **given)


def _write(arguments: Namespace, make: Callable[[str, Any, Options], bytes]) -> None:
    """Writes the result of `make` for each conversation: of its name, messages and options. Errors name it."""
    given = _options(arguments)
    with Output(arguments.output) as output:
        for name, text in _texts(arguments):
            messages, options = _json(name, text), given
            with about_input(name):
                if isinstance(messages, dict) or arguments.check:  # a body; the command line takes precedence over it
                    body = messages if isinstance(messages, dict) else {"messages": messages}
                    request = chat.read_request(body, check=arguments.check)
                    messages, options = request.messages, {**request.arguments, **given}
                data = make(name, messages, options)
            output.write(data)


def run_parse(arguments: Namespace) -> None:
    thinking = True if arguments.thinking is None else arguments.thinking
    with Output(arguments.output) as output:
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


def _options(arguments: Namespace) -> Options:
    """The options on the command line."""
    given: Options = {}
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
