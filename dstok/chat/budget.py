"""A conversation -> the messages of it that fit a number of ids.

In: the arguments of `encode`, the most ids, what always stays. Out: some of the messages, in order, as they are.
Invariant: the result has at most so many ids, counted as it is encoded, and with one group more it would have too many.
Groups go whole, the oldest first. A group is a turn: users' messages in a row, and all after them up to the next user;
of the last turn it may be a round: an answer with the results of its calls. The spans of the whole tell how many groups
must go; formats write some texts otherwise without them, so the result is counted, and again if the guess was wrong.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Literal

from dstok._util.arguments import whole_number
from dstok.chat.encode import ChatSpecial, count, encode
from dstok.chat.messages import message_list
from dstok.errors import ChatError

if TYPE_CHECKING:
    from dstok.chat.templates import Template
    from dstok.chat.versions import VersionName
    from dstok.protocols import TokenizerProtocol

USERS, REMINDER = ("user", "developer"), "latest_reminder"
GUESSES = 3  # counts by the spans; a format whose texts these do not tell is searched by halves


def fit(
    tokenizer: TokenizerProtocol, messages: Any, version: VersionName | Template, *, max_tokens: int,
    keep: Literal["turn", "user"] = "turn", special: ChatSpecial = "template", **arguments: Any,
) -> list[Any]:
    """The messages without the oldest turns, so that they have at most `max_tokens` ids.

    System messages and the last turn always stay, and turns with a message that has tools. With keep="user" only the
    last user's messages and the last round after them do: in the long turns of agents older calls go with their
    results. Other arguments as for `encode`; what they write, such as tools and the generation prompt, counts. Raises
    `ChatError` as `encode`, and if what must stay has more ids; `ArgumentError` for another `max_tokens`.

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
