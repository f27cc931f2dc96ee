"""Conversations with DeepSeek's models: messages to text, text to ids, answers to messages. Docs: docs/chat.md.

    versions, version_of     the thirteen formats; the one of a model of the hub
    render, encode, count    messages -> text, ids, their number; no message can make a token of the format
    read_request             the body of a request to OpenAI's or DeepSeek's API -> messages and arguments
    fit, Conversation        the messages that fit a number of ids; a conversation that grows
    Template                 a loaded model's own jinja template, in place of a version (extra `dstok[chat]`)
    parse, Parser            completions -> messages, whole or as a stream of deltas

>>> from dstok import chat
>>> chat.render([{"role": "user", "content": "Hi"}], "v3", add_generation_prompt=True).text
'<｜begin▁of▁sentence｜><｜User｜>Hi<｜Assistant｜>'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dstok._util.imports import late_names
from dstok.chat.answers import Message
from dstok.chat.conversation import Change, Conversation
from dstok.chat.encode import EncodedConversation, count, encode, encode_rendered, fit
from dstok.chat.parse import Parser, parse
from dstok.chat.render import Version, VersionName, render, version_of, versions
from dstok.chat.requests import Request, read_request
from dstok.chat.writer import Rendered, Span
from dstok.errors import ChatError

if TYPE_CHECKING:
    from dstok.chat.templates import Template

__all__ = ["Change", "ChatError", "Conversation", "EncodedConversation", "Message", "Parser", "Rendered", "Request",
           "Span", "Template", "Version", "VersionName", "count", "encode", "encode_rendered", "fit", "parse",
           "read_request", "render", "version_of", "versions"]

__getattr__, __dir__ = late_names(globals(), {"Template": "dstok.chat.templates"})  # it needs jinja2
