"""Conversations with DeepSeek's models: messages to text, text to ids, answers to messages. Docs: docs/chat.md.

    versions        the thirteen formats by name, with their references and options
    render          messages -> text, equal to the reference's, with the ranges of what the format itself wrote
    encode, count   messages -> ids, of which no message can make a token of the format; masks for training
    Conversation    a conversation that grows: the ids that stay and those that are new
    parse, Parser   completions -> messages, whole or as a stream of deltas

Formats lie in a file a family: v2, v3, v3_0324, v3_1, v3_2, v4_preview, v4, v4_1.

>>> from dstok import chat
>>> chat.render([{"role": "user", "content": "Hi"}], "v3", add_generation_prompt=True).text
'<｜begin▁of▁sentence｜><｜User｜>Hi<｜Assistant｜>'
"""

from __future__ import annotations

from dstok.chat.answers import Message
from dstok.chat.conversation import Change, Conversation
from dstok.chat.encoding import Encoded, count, encode, encode_rendered
from dstok.chat.parsing import Parser, parse
from dstok.chat.rendering import render
from dstok.chat.versions import Version, versions
from dstok.chat.writer import Rendered, Span
from dstok.errors import ChatError

__all__ = ["Change", "ChatError", "Conversation", "Encoded", "Message", "Parser", "Rendered", "Span", "Version",
           "count", "encode", "encode_rendered", "parse", "render", "versions"]
