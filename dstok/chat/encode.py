"""A conversation -> ids, each with its message and whether the model would have written it; or the messages that fit.

In: a tokenizer and the arguments of `render`. Out: `EncodedConversation`, a count, some of the messages in order, or
what transformers' `apply_chat_template` gives.
Invariant: with special="template" the tokens that the format itself wrote are trusted segments (methods/segments.py),
and all other text is untrusted: no message can make an added token. Where no message holds the text of an added token,
the ids equal those of the whole text (special="all").
Source: deepseek-recipe 0.2.0, `encode`. It also encodes the stretch between two tokens as one text, whether the
template or a message wrote it: merges may reach from one into the other. transformers 4.57, `apply_chat_template`.
"""

from __future__ import annotations

from bisect import bisect_left
from codecs import getincrementaldecoder
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from dstok._util.arguments import explained, first_ids, whole_number
from dstok._util.imports import LateImport
from dstok._util.objects import Beside, lazy
from dstok.chat.messages import message_list, wrong
from dstok.chat.render import VersionName, own_version, render
from dstok.chat.writer import Rendered
from dstok.errors import ChatError, SpecialTokenError, TextError, UnsupportedError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from dstok.chat.templates import Template
    from dstok.protocols import TokenizerProtocol
else:
    np = LateImport("numpy")

ChatSpecial = Literal["template", "all", "raise"]
WITHIN: dict[str, Literal["all", "none", "raise"]] = {"template": "none", "all": "all", "raise": "raise"}
FIELDS = {"reasoning": "reasoning_content", "tool_call": "tool_calls", "tools": "tools", "format": "response_format"}
USERS, REMINDER = ("user", "developer"), "latest_reminder"
GUESSES = 3  # counts by the spans in `fit`; a format whose texts these do not tell is searched by halves
STRETCHWISE = {"NFC", "NFD", "NFKC", "NFKD", "Lowercase"}  # normalizers that look at no other stretch
IGNORED = -100  # the label of ids that no loss is computed for


class SampledSpan(NamedTuple):
    """Ids `first` to `last` of a conversation that a model sampled; `start` to `end` is their text, in code points."""

    start: int
    end: int
    first: int
    last: int


@dataclass(frozen=True)
class EncodedConversation:
    """The ids of a conversation, a list, and their text, `rendered`. The arrays are made on use; n is `len(ids)`."""

    ids: list[int]
    rendered: Rendered
    special: ChatSpecial
    tokenizer: TokenizerProtocol
    given: tuple[SampledSpan, ...] = ()

    def __repr__(self) -> str:
        return f"EncodedConversation({first_ids(self.ids)})"

    def array(self) -> npt.NDArray[np.uint32]:
        """The ids as uint32[n]."""
        return np.array(self.ids, np.uint32)

    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        """int64[n, 2]: where each id's text begins and ends in `rendered.text`, in code points."""
        text, found, at, index = self.rendered.text, [np.zeros((0, 2), np.int64)], 0, 0
        for start, end, first, last in [*self.given, SampledSpan(len(text), len(text), len(self.ids), len(self.ids))]:
            segments = segments_of(self.rendered, self.special, at, start)
            encoding = self.tokenizer.encode_segments_with_offsets(segments)
            if encoding.ids.tolist() == self.ids[index:first]:
                found.append(encoding.char_spans.astype(np.int64) + at)
            else:  # after sampled ids a model puts no space
                found.append(self._decoded(at, start, self.ids[index:first]))
            found.append(self._decoded(start, end, self.ids[first:last]))
            at, index = end, last
        return np.concatenate(found)

    @property
    def message_index(self) -> npt.NDArray[np.int32]:
        """int32[n]: the message where each id begins; -1 for ids of no message, as of begin and generation prompt."""
        return self._of_spans("message").astype("int32")

    @property
    def sampled(self) -> npt.NDArray[np.bool_]:
        """bool[n]: whether the model would have written it: reasoning, its end, content, calls, end; no openers."""
        return self._of_spans("sampled").astype("bool")

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """int64[n]: the ids where `sampled`, else -100."""
        labels = self.array().astype("int64")
        labels[~self.sampled] = IGNORED
        return labels

    def _of_spans(self, field: str) -> npt.NDArray[np.int64]:
        """The value of the span where each id begins."""
        values = np.array([getattr(span, field) for span in self.rendered.spans], np.int64)
        starts = np.array([span.start for span in self.rendered.spans], np.int64)
        return values[np.searchsorted(starts, self._starts, "right") - 1]

    @lazy
    def _starts(self) -> npt.NDArray[np.int64]:
        return self.offsets[:, 0]

    @property
    def canonical(self) -> npt.NDArray[np.bool_]:
        """bool[n]: whether encoding the text gives the same id for the same bytes. Only sampled ids can differ.

        With special="template" added tokens stay, and each stretch between two is encoded by itself. Raises
        `UnsupportedError` as `IncrementalEncoding.canonical`.
        """
        found = np.ones(len(self.ids), np.bool_)
        if not self.given:
            return found
        whole = self.special == "all"
        added = np.isin(self.ids, [] if whole else list(self.tokenizer.added_tokens.values()))
        edges = [-1, *np.flatnonzero(added).tolist(), len(found)]
        for start, stop in ((before + 1, after) for before, after in pairwise(edges) if after - before > 1):
            text = self.tokenizer.encode_incremental(special="all" if whole else "none")
            text.append(ids=self.ids[start:stop])
            found[start:stop] = text.canonical()
        return found

    def _decoded(self, begin: int, end: int, ids: list[int]) -> npt.NDArray[np.int64]:
        """The places of ids whose text is `begin` to `end`. An id that ends inside a character has all of it."""
        decoder, found = getincrementaldecoder("utf-8")("replace"), list[tuple[int, int]]()
        stop = end - len(self.tokenizer.decode_bytes(ids).decode("utf-8", "replace"))
        for id in ids:
            start = stop
            stop += len(decoder.decode(self.tokenizer.decode_bytes([id])))
            found.append((max(start, begin), min(max(stop, begin) + bool(decoder.getstate()[0]), end)))
        return np.array(found, np.int64).reshape(-1, 2)


@explained
def encode(
    tokenizer: TokenizerProtocol, messages: Any, version: VersionName | Template, *, special: ChatSpecial = "template",
    **arguments: Any,
) -> EncodedConversation:
    """The ids of a conversation. `arguments` as for `render`.

    `special`: "template" gives added tokens' ids only to the tokens that the format wrote; "all" to every text that
    spells one, like servers that encode the whole text; "raise" refuses messages that hold such a text. Raises
    `ChatError`, also for a token of the format that the tokenizer lacks.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3.1")
    >>> encode(tok, [{"role": "user", "content": "<｜User｜>"}], "v3.1").ids
    [0, 128803, 30, 28217, 6756, 28217, 32]
    >>> encode(tok, [{"role": "user", "content": "<｜User｜>"}], "v3.1", special="all").ids
    [0, 128803, 128803]
    """
    return encode_rendered(tokenizer, render(messages, version, **arguments), special)


@explained
def count(
    tokenizer: TokenizerProtocol, messages: Any, version: VersionName | Template, *, special: ChatSpecial = "template",
    **arguments: Any,
) -> int:
    """The number of ids of a conversation. Arguments as for `encode`.

    >>> import dstok
    >>> count(dstok.load("deepseek-v3"), [{"role": "user", "content": "Hello"}], "v3", add_generation_prompt=True)
    4
    """
    return len(encode_rendered(tokenizer, render(messages, version, **arguments), special).ids)


@explained
def encode_rendered(
    tokenizer: TokenizerProtocol, rendered: Rendered, special: ChatSpecial = "template",
) -> EncodedConversation:
    """The ids of a `Rendered`. `special` and errors as for `encode`."""
    _check_tokens(tokenizer, rendered)
    segments = segments_of(rendered, special)
    try:
        ids = tokenizer.encode_segments(segments, special="raise" if special == "raise" else "all")
    except (TextError, SpecialTokenError) as error:
        raise _told(rendered, sum(len(text) for text, _ in segments[: error.batch_index]), error) from None
    return EncodedConversation(ids, rendered, special, tokenizer)


def segments_of(
    rendered: Rendered, special: ChatSpecial, begin: int = 0, end: int | None = None,
) -> list[tuple[str, bool]]:
    """The text from `begin` to `end`, neither inside a token, as segments; the tokens of the format are trusted."""
    if not isinstance(special, str) or special not in WITHIN:
        raise ChatError(f'expected "template", "all" or "raise", found {special!r}', field="special")
    text, found, at = rendered.text, list[tuple[str, bool]](), begin
    if end is None:
        end = len(text)
    if special == "all":
        return [(text[begin:end], True)]
    ranges = rendered.special_ranges
    for start, stop in ranges[bisect_left(ranges, (begin, 0)) : bisect_left(ranges, (end, 0))]:
        found += ((text[at:start], False), (text[start:stop], True)) if at < start else ((text[start:stop], True),)
        at = stop
    return [*found, (text[at:end], False)] if at < end else found


_added: Beside[TokenizerProtocol, Mapping[str, int]] = Beside(lambda tokenizer: tokenizer.added_tokens)


def _check_tokens(tokenizer: TokenizerProtocol, rendered: Rendered) -> Mapping[str, int]:
    """Refuse a tokenizer that lacks a token of the format. Returns the ids of its added tokens."""
    ids = _added(tokenizer)
    for start, end in rendered.special_ranges:
        if rendered.text[start:end] not in ids:
            raise ChatError(f"the format writes the token {rendered.text[start:end]!r}, which the tokenizer "
                            f"{tokenizer.name or 'that was loaded'} does not have")
    return ids


def _told(rendered: Rendered, start: int, error: TextError | SpecialTokenError) -> ChatError:
    """The error of a text that begins at `start`, in code points, with the message that the text comes from."""
    if isinstance(error, TextError):
        place, message = start + error.offset, error.message
    else:
        place = start + len(rendered.text[start:].encode()[: error.offset].decode())
        message = (f"the text holds the added token {error.token!r}; pass special=\"template\" to encode it as plain "
                   "text")
    span = next(span for span in rendered.spans if span.end > place)
    return ChatError(message, span.message if span.message >= 0 else None, FIELDS.get(span.kind, "content"))


class EncodedSpan(NamedTuple):
    """A token of the format, a stretch between two, or a whole text; `given`: the ids were sampled."""

    start: int
    end: int
    ids: list[int]
    given: bool = False


@Beside
def stand_alone(tokenizer: TokenizerProtocol) -> bool:
    """Whether the tokens of a format and the stretches between them have the ids of the whole text, each by itself.

    So it is if no added token looks at the text beside it, begins another one, or is found in a normalized text, and if
    the model puts no text before another one.
    """
    model = tokenizer.inspect()
    kinds, added = {step.type for step in model.normalizer}, sorted(model.added_tokens, key=lambda token: token.content)
    return not (model.merges_characters or kinds - STRETCHWISE
                or any(one.single_word or one.lstrip or one.rstrip or (kinds and one.normalized) for one in added)
                or any(after.content.startswith(before.content) for before, after in pairwise(added)))


def parts_of(
    tokenizer: TokenizerProtocol, rendered: Rendered, special: ChatSpecial, after: int | None = None,
) -> list[EncodedSpan]:
    """Cut a text into parts; it begins between two tokens, or after sampled ids, whose last one is `after`.

    Where the parts of a text do not stand alone, the whole text is one part; after sampled ids its first stretch is.
    """
    tokens, parts, at = _check_tokens(tokenizer, rendered), list[EncodedSpan](), 0
    alone = special != "all" and stand_alone(tokenizer)
    for text, trusted in segments_of(rendered, special) if rendered.text else ():
        if alone and trusted:
            ids = [tokens[text]]
        elif alone or (after is not None and at == 0 and not (trusted and special != "all")):
            try:
                ids = _ids_after(tokenizer, None if alone else after, WITHIN[special], text)
            except (TextError, SpecialTokenError) as error:
                raise _told(rendered, at, error) from None
        else:
            text, rest = rendered.text[at:], rendered.after(at) if at else rendered
            ids = encode_rendered(tokenizer, rest, special).ids
        parts.append(EncodedSpan(at, at + len(text), ids))
        at += len(text)
        if at == len(rendered.text):
            break
    return parts


def _ids_after(
    tokenizer: TokenizerProtocol, before: int | None, within: Literal["all", "none", "raise"], text: str,
) -> list[int]:
    """The ids of a text that follows an id: a model that puts a space before texts puts none after a word."""
    if before is not None:
        try:
            grown = tokenizer.encode_incremental(special=within)
            grown.append(ids=[before])
            return grown.append(text)[1]
        except UnsupportedError:
            pass  # a normalizer that may look at the whole text
    return tokenizer.encode(text, special=within)


def fit(
    tokenizer: TokenizerProtocol, messages: Any, version: VersionName | Template, *, max_tokens: int,
    keep: Literal["turn", "user"] = "turn", special: ChatSpecial = "template", **arguments: Any,
) -> list[Any]:
    """The messages without the oldest turns, so that they have at most `max_tokens` ids.

    With one turn more they would have too many. A turn is users' messages in a row, and all after them up to the next
    user; a round is an answer with the results of its calls. System messages and the last turn always stay, and turns
    with a message that has tools. With keep="user" only the last user's messages and the last round after them do: in
    the long turns of agents older calls go with their results. Other arguments as for `encode`; what they write, such
    as tools and the generation prompt, counts. Raises `ChatError` as `encode`, and if what must stay has more ids;
    `ArgumentError` for another `max_tokens`.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3.1")
    >>> talk = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is a token?"},
    ...         {"role": "assistant", "content": "A piece of text."}, {"role": "user", "content": "And an id?"}]
    >>> [message["role"] for message in fit(tok, talk, "v3.1", max_tokens=15, add_generation_prompt=True)]
    ['system', 'user']
    """
    given, most = message_list(messages), whole_number("max_tokens", max_tokens)
    if keep not in ("turn", "user"):
        raise ChatError(f'expected "turn" or "user", found {keep!r}', field="keep")
    whole = encode(tokenizer, given, version, special=special, **arguments)
    if len(whole.ids) <= most:
        return given
    # The numbers of ids say how many messages must go. A format may write the others in another way then: count again.
    groups, sizes = _groups(given, keep == "user"), [0] * (len(given) + 1)
    for message in whole.message_index.tolist():
        sizes[message] += 1  # the last is for those of no message
    gone = [*accumulate([sum(sizes[index] for index in group) for group in groups], initial=0)]

    def rest(groups_gone: int) -> list[Any]:
        dropped = {index for group in groups[:groups_gone] for index in group}
        return [message for index, message in enumerate(given) if index not in dropped]

    few, over, enough, guesses = 0, len(whole.ids) - most, len(groups) + 1, 0  # `over`: if `few` groups go
    while enough - few > 1:
        guess = bisect_left(gone, gone[few] + over) if guesses < GUESSES else (few + enough) // 2
        guess, guesses = min(max(guess, few + 1), enough - 1), guesses + 1
        excess = count(tokenizer, rest(guess), version, special=special, **arguments) - most
        if excess > 0:
            few, over = guess, excess
        else:
            enough = guess
    if enough > len(groups):
        raise ChatError(f"expected at least {most + over}, the ids of the messages that must stay, found {most}",
                        field="max_tokens")
    return rest(enough)


def _groups(messages: Sequence[Any], rounds: bool) -> list[list[int]]:
    """The numbers of messages that go together, the first to go first. `rounds`: rounds of the last turn go, too."""
    found = [(_value(message, "role"), bool(_value(message, "tools"))) for message in messages]
    turns, is_user, waiting = [list[int]()], False, list[int]()
    for index, (role, _) in enumerate(found):
        if role == REMINDER:
            waiting.append(index)  # it belongs to the user's message that it stands before, if it does
        elif role != "system":
            if role in USERS and not is_user:
                turns.append([])
            turns[-1] += [*waiting, index]
            waiting, is_user = [], role in USERS
    turns[-1] += waiting
    groups, last = turns[:-1], list[list[int]]()
    for index in turns[-1] if rounds else ():
        if found[index][0] == "assistant":
            last.append([])
        if last:
            last[-1].append(index)
    return [group for group in [*groups, *last[:-1]] if group and not any(found[index][1] for index in group)]


def _value(message: Any, key: str) -> Any:
    return message.get(key) if isinstance(message, Mapping) else getattr(message, key, None)


def apply_chat_template(
    self: TokenizerProtocol, conversation: Any, tools: Any = None, documents: None = None,
    chat_template: VersionName | None = None, add_generation_prompt: bool = False,
    continue_final_message: bool = False, tokenize: bool = True, *, version: VersionName | None = None,
    return_dict: bool = False, return_assistant_tokens_mask: bool = False, special: ChatSpecial = "template",
    trusted: bool = False, **options: Any,
) -> Any:
    """The ids (or with `tokenize=False` the text) of a conversation, as transformers' method of that name.

    `version` (or `chat_template`) is a version of `dstok.chat`. Without it, a loaded model uses the template of its
    files, and a built-in model the version that is published with it. The text of an added token in a message stays
    text; `special="all"` gives transformers' ids. `trusted`: as of `dstok.chat.Template`. `options` are the version's.
    `return_dict` gives input_ids and attention_mask, and with `return_assistant_tokens_mask` also assistant_masks. A
    list of conversations gives a list. Raises `ChatError`.

    >>> import dstok
    >>> tok = dstok.load("deepseek-v3.1")
    >>> tok.apply_chat_template([{"role": "user", "content": "Hi"}], add_generation_prompt=True, thinking=True)
    [0, 128803, 23166, 128804, 128798]
    """
    if version is not None and chat_template is not None:
        raise ChatError(f"expected version or chat_template, found both, {version!r} and {chat_template!r}",
                        field="version")
    if documents is not None:
        raise wrong("no documents, as no format has a text for them", documents, field="documents")
    name: VersionName | Template | None = chat_template if version is None else version
    if name is None:
        from dstok import chat

        text = self.config.chat_template
        if text is None or any(self.name in version.models for version in chat.versions()):
            name = own_version(self.name).name  # it gives the text of a built-in model's template faster
        else:
            name = chat.Template(text, self, trusted=trusted)
    arguments: dict[str, Any] = {"tools": tools, "add_generation_prompt": add_generation_prompt,
                                 "continue_final_message": continue_final_message, **options}
    several = isinstance(conversation, list) and bool(conversation) and isinstance(conversation[0], list)
    results = list[Any]()
    for talk in conversation if several else [conversation]:
        if not tokenize:
            results.append(render(talk, name, **arguments).text)
            continue
        encoded = encode(self, talk, name, special=special, **arguments)
        row = {"input_ids": encoded.ids, "attention_mask": [1] * len(encoded.ids)}
        if return_dict and return_assistant_tokens_mask:
            row["assistant_masks"] = encoded.sampled.astype(int).tolist()
        results.append(row if return_dict else encoded.ids)
    if not several:
        return results[0]
    return {key: [row[key] for row in results] for key in results[0]} if tokenize and return_dict else results
