"""vLLM and SGLang: the calls that they make of a tokenizer, of an accelerated one and of the original.

Both are too large to be installed here. What is made again, by file:
- vLLM 0.33.0: `vllm/tokenizers/hf.py` (a copy with a class made for it, a pool of deep copies),
  `vllm/v1/engine/detokenizer.py` (DecodeStream on the backend), `vllm/tokenizers/detokenizer_utils.py` (by windows);
- SGLang 0.5.23: `sglang/srt/managers/detokenizer_manager.py` (by windows, from 246 on), `sglang/srt/plugins`.

With DSTOK_VLLM=FOLDER, where the wheel of vLLM was unpacked, vLLM's own modules run: by hand.
"""

from __future__ import annotations

import copy
import os
import pickle
import random
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from runpy import run_path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import tokenizers
import transformers
from kept import kept
from real_models import real
from shares import chance_of_today, seeds
from small_models import added_token, model_json
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from dstok.errors import UnsupportedError
from dstok.integrations import sglang, vllm
from dstok.integrations.prompt_stream import PromptStream, Upstream
from dstok.integrations.transformers import accelerate, uninstall

TEXT = "ok 日本語 🚀 end<think>\n naïve  𓀀</think><｜User｜>hi<｜end▁of▁sentence｜> (a , b)."
FLAGS = [(skip, spaces) for skip in (False, True) for spaces in (False, True)]


def plain() -> Any:
    return PreTrainedTokenizerFast(tokenizer_object=real("deepseek-r1"), eos_token="<｜end▁of▁sentence｜>",
                                   bos_token="<｜begin▁of▁sentence｜>", clean_up_tokenization_spaces=False)


@kept()
def both() -> tuple[Any, Any]:
    """The original, and one that is accelerated."""
    return plain(), accelerate(plain(), strict=True)


def some_ids(rng: random.Random, count: int) -> list[int]:
    """Ids of texts, of parts of characters, of added tokens."""
    original, _ = both()
    known = original.encode(TEXT, add_special_tokens=False)
    return [rng.choice([rng.choice(known), rng.randrange(128815), rng.randrange(128793, 128815)]) for _ in range(count)]


# Plug-ins


@pytest.fixture
def small(tmp_path: Path) -> str:
    """The folder of a small model, which is loaded quickly."""
    file = model_json([(b"a", b"b"), (b"h", b"e")], [added_token("</s>", special=True)])
    PreTrainedTokenizerFast(tokenizer_object=tokenizers.Tokenizer.from_str(file), eos_token="</s>").save_pretrained(tmp_path)
    return str(tmp_path)


@pytest.mark.parametrize(("plugin", "variable", "value", "accelerated"), [
    (vllm, "VLLM_PLUGINS", None, False), (vllm, "VLLM_PLUGINS", "other,dstok", True),
    (sglang, "SGLANG_PLUGINS", "other", False), (sglang, "SGLANG_PLUGINS", "dstok", True)])
def test_plugins_do_what_they_are_asked_for(plugin: Any, variable: str, value: str | None, accelerated: bool, small: str,
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizers.decoders, "DecodeStream", Upstream)  # vLLM's plug-in sets it
    monkeypatch.delenv(variable, raising=False)
    if value is not None:
        monkeypatch.setenv(variable, value)
    try:
        plugin.register()
        plugin.register()
        loaded = AutoTokenizer.from_pretrained(small)
    finally:
        uninstall()
    assert (tokenizers.decoders.DecodeStream is PromptStream) == (plugin is vllm and accelerated)
    assert hasattr(loaded, "dstok") == accelerated and type(loaded).__name__ == type(plain()).__name__
    assert loaded.encode(TEXT) == AutoTokenizer.from_pretrained(small).encode(TEXT)


def test_entry_points() -> None:
    """What pyproject.toml names is there."""
    text = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    found = dict(re.findall(r'(?m)^\[project\.entry-points\."([\w.]+)"\]\ndstok = "([\w.]+:\w+)"$', text))
    assert set(found) == {"vllm.general_plugins", "sglang.srt.plugins"}
    for value in found.values():
        module, _, name = value.partition(":")
        assert callable(getattr(import_module(module), name))


# Windows of ids


@pytest.mark.parametrize(("skip", "spaces"), [FLAGS[number] for number in seeds(len(FLAGS), 2)])
def test_every_range_is_decoded_alike(skip: bool, spaces: bool) -> None:
    """Every start and end, also inside characters: what SGLang's and vLLM's windows rest on."""
    original, ours = both()
    ids = original.encode(TEXT, add_special_tokens=False)
    ranges = [ids[start:end] for start in range(len(ids)) for end in range(start, len(ids) + 1)]
    options = {"skip_special_tokens": skip, "spaces_between_special_tokens": spaces}
    assert ours.batch_decode(ranges, **options) == original.batch_decode(ranges, **options)
    for window in ranges[::7]:
        assert ours.decode(window, **options) == original.decode(window, **options)
        tokens = original.convert_ids_to_tokens(window, skip_special_tokens=skip)
        assert ours.convert_ids_to_tokens(window, skip_special_tokens=skip) == tokens
        assert ours.convert_tokens_to_string(tokens) == original.convert_tokens_to_string(tokens)


def sglangs_stream(tokenizer: Any, parts: list[list[int]], skip: bool, spaces: bool) -> list[str]:
    """What SGLang sends for each part of a request's ids: the text of [surrogate:], less that of [surrogate:read]."""
    ids: list[int] = []
    surrogate = read = sent = 0
    whole, answers = "", []
    for part in parts:
        ids += part
        before, now = (tokenizer.batch_decode([window], skip_special_tokens=skip, spaces_between_special_tokens=spaces)[0]
                       for window in (ids[surrogate:read], ids[surrogate:]))
        new = now[len(before):]
        if new and not new.endswith("\ufffd"):
            whole, surrogate, read = whole + new, read, len(ids)
            answers.append(whole[sent:])
            sent = len(whole)
    return [*answers, tokenizer.decode(ids[read:], skip_special_tokens=skip, spaces_between_special_tokens=spaces)]


def vllms_windows(tokenizer: Any, ids: list[int], skip: bool) -> list[str]:
    """vLLM's slow detokenizer: by tokens, from a prefix on."""
    tokens: list[str] = []
    prefix = read = 0
    answers = []
    for id in ids:
        assert id < len(tokenizer) and tokenizer.is_fast
        tokens += tokenizer.convert_ids_to_tokens([id], skip_special_tokens=skip)
        before = tokenizer.convert_tokens_to_string(tokens[prefix:read])
        now = tokenizer.convert_tokens_to_string(tokens[prefix:])
        done = len(now) > len(before) and not now.endswith("\ufffd")
        answers.append(now[len(before):] if done else "")
        prefix, read = (read, len(tokens)) if done else (prefix, read)
    return answers


def decode_stream(tokenizer: Any, prompt: list[int], ids: list[int], skip: bool) -> list[Any]:
    """vLLM's fast detokenizer: upstream's stream on the backend, made anew where it fails."""
    stream = tokenizers.decoders.DecodeStream(ids=prompt, skip_special_tokens=skip)
    answers: list[Any] = []
    for id in ids:
        try:
            answers.append(stream.step(tokenizer._tokenizer, id))
        except Exception as error:
            assert str(error).startswith("Invalid prefix encountered")
            stream = tokenizers.decoders.DecodeStream(skip_special_tokens=skip)
            answers += ["reset", stream.step(tokenizer._tokenizer, id)]
    return answers


@pytest.mark.parametrize(("skip", "spaces"), FLAGS)
def test_streams_of_random_ids(skip: bool, spaces: bool) -> None:
    rng = chance_of_today(f"servers {skip} {spaces}")
    for _ in range(10):
        ids = some_ids(rng, 40)
        parts = [ids[start:start + rng.randrange(1, 4)] for start in range(0, 40, 3)]
        expected, found = ((sglangs_stream(tokenizer, parts, skip, spaces), vllms_windows(tokenizer, ids, skip),
                            decode_stream(tokenizer, ids[:5], ids[5:], skip)) for tokenizer in both())
        assert found == expected, ids


def test_a_step_of_sglang_is_two_calls() -> None:
    """The windows of a batch are decoded by one call, which `explain` counts."""
    original, _ = both()
    windows = [some_ids(chance_of_today("a step"), 5) for _ in range(64)]
    options = {"skip_special_tokens": True, "spaces_between_special_tokens": True}
    ours = accelerate(plain(), strict=True)
    assert ours.batch_decode(windows, **options) == original.batch_decode(windows, **options)
    assert ours.dstok.explain() == "dstok: decode, 1 calls"


# vLLM's wrappers


def cached(tokenizer: Any) -> Any:
    """A copy whose class, made for it, keeps some properties."""
    made, vocabulary, length = copy.copy(tokenizer), tokenizer.get_vocab(), len(tokenizer)

    class Cached(type(tokenizer)):  # type: ignore[misc]
        max_token_id = property(lambda self: max(vocabulary.values()))

        def get_vocab(self) -> dict[str, int]:
            return vocabulary

        def __len__(self) -> int:
            return length

        def __reduce__(self) -> Any:
            return cached, (tokenizer,)

    made.__class__ = Cached
    return made


def test_vllms_protocol() -> None:
    """What `TokenizerLike` of vllm/tokenizers/protocol.py asks for; two of them vLLM's wrapper adds."""
    wanted = """from_pretrained num_special_tokens_to_add all_special_tokens all_special_ids bos_token_id eos_token_id pad_token_id
        is_fast vocab_size truncation_side __hash__ __len__ __call__ get_vocab get_added_vocab encode get_chat_template
        apply_chat_template convert_tokens_to_ids convert_tokens_to_string decode convert_ids_to_tokens""".split()
    original, ours = both()
    for name in wanted:
        expected = getattr(original, name)
        assert callable(getattr(ours, name)) if callable(expected) else getattr(ours, name) == expected


def test_vllms_wrapper() -> None:
    original, ours = (cached(tokenizer) for tokenizer in both())
    assert isinstance(ours, PreTrainedTokenizerFast) and hasattr(ours, "dstok")
    again = pickle.loads(pickle.dumps(ours))
    pool = [copy.deepcopy(ours) for _ in range(3)]
    for tokenizer in (ours, again, copy.copy(ours), *pool):
        assert tokenizer.encode(TEXT) == original.encode(TEXT) and len(tokenizer) == len(original)
        assert tokenizer(["a", TEXT], truncation=True, max_length=9)["input_ids"] == original(["a", TEXT], truncation=True, max_length=9)["input_ids"]
        assert tokenizer.get_added_vocab() == original.get_added_vocab()
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(lambda number: pool[number % 3].encode(TEXT * (number % 9), truncation=True, max_length=50), range(300)))
    assert found == [original.encode(TEXT * (number % 9), truncation=True, max_length=50) for number in range(300)]


def test_grammars_read_the_backend() -> None:
    assert len({len(tokenizer.encode("a")) for tokenizer in both()}) == 1  # the last call leaves its truncation there
    original, ours = (tokenizer.backend_tokenizer.to_str() for tokenizer in both())
    assert ours == original  # what llguidance, xgrammar and vLLM make their vocabularies of


# vLLM's own modules


@pytest.fixture
def real_vllm(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The modules of the unpacked wheel that load and stream, with stand-ins for what else they import."""
    if "DSTOK_VLLM" not in os.environ:
        pytest.skip("needs DSTOK_VLLM: the folder of vLLM's wheel, unpacked; run by hand")
    root = Path(os.environ["DSTOK_VLLM"]) / "vllm"

    def module(name: str, **members: Any) -> None:
        made = ModuleType(name)
        made.__dict__.update(members)
        if (root.parent / name.replace(".", "/")).is_dir():
            made.__path__ = [str(root.parent / name.replace(".", "/"))]
        monkeypatch.setitem(sys.modules, name, made)

    log = SimpleNamespace(warning=print, exception=print, debug=print, debug_once=print)
    module("vllm", __version__="0.33.0")
    module("vllm.logger", init_logger=lambda name: log)
    module("vllm.tokenizers", TokenizerLike=import_protocol(root))
    module("vllm.transformers_utils")
    module("vllm.transformers_utils.config", get_sentence_transformer_tokenizer_config=lambda *arguments: None)
    module("vllm.utils", length_from_prompt_token_ids_or_embeds=lambda ids, embeds: len(ids))
    module("vllm.v1")
    module("vllm.v1.engine", EngineCoreRequest=object)
    yield
    for name in [name for name in sys.modules if name.startswith("vllm.")]:
        monkeypatch.delitem(sys.modules, name, raising=False)


def import_protocol(root: Path) -> Any:
    space: dict[str, Any] = {"__name__": "protocol"}
    exec((root / "tokenizers" / "protocol.py").read_text(encoding="utf-8"), space)
    return space["TokenizerLike"]


def test_vllms_own_modules(real_vllm: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hf, detokenizer = import_module("vllm.tokenizers.hf"), import_module("vllm.v1.engine.detokenizer")
    monkeypatch.setattr(tokenizers.decoders, "DecodeStream", Upstream)
    plain().save_pretrained(tmp_path)
    original = hf.CachedHfTokenizer.from_pretrained(str(tmp_path))
    monkeypatch.setenv("VLLM_PLUGINS", "dstok")
    try:
        vllm.register()
        ours = hf.CachedHfTokenizer.from_pretrained(str(tmp_path))
    finally:
        uninstall()
    assert hasattr(ours, "dstok") and not hasattr(original, "dstok") and isinstance(ours, transformers.TokenizersBackend)
    protocol = import_protocol(Path(os.environ["DSTOK_VLLM"]) / "vllm")
    assert [name for name in dir(protocol) if not name.startswith("_") and not hasattr(ours, name)] == []
    rng = chance_of_today("vllm's own modules")
    for number in range(40):
        ids = some_ids(rng, 40)
        params = SimpleNamespace(stop=["!", "end"] * (number % 2), min_tokens=0, include_stop_str_in_output=False,
                                 skip_special_tokens=number % 3 == 0, spaces_between_special_tokens=number % 5 == 0)
        request = SimpleNamespace(sampling_params=params, prompt_token_ids=ids[:8] * (number % 2 * 20 + 1), prompt_embeds=None, request_id="1")
        for kind in (detokenizer.FastIncrementalDetokenizer, detokenizer.SlowIncrementalDetokenizer):
            found = []
            for tokenizer in (original, ours):
                monkeypatch.setattr(tokenizers.decoders, "DecodeStream", PromptStream if tokenizer is ours else Upstream)
                stream = kind(tokenizer, request)
                found.append([(stream.update([id], False), stream.get_next_output_text(False, True)) for id in ids[8:]] + [stream.output_text])
            assert found[0] == found[1], (kind, ids)
    pooled = [hf.maybe_make_thread_pool(tokenizer, 4) for tokenizer in (copy.copy(original), copy.copy(ours))]
    with ThreadPoolExecutor(16) as threads:
        found, expected = (list(threads.map(tokenizer.encode, [TEXT * (number % 9) for number in range(200)])) for tokenizer in pooled)
    assert found == expected


def test_the_mode_for_vllm(real_vllm: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/patches/vllm_mode.py: the mode has accelerated tokenizers, and refuses those that dstok cannot do."""
    registry = SimpleNamespace(modes={})
    registry.register = lambda mode, module, name: registry.modes.update({mode: (module, name)})
    module = ModuleType("vllm.tokenizers.registry")
    vars(module)["TokenizerRegistry"] = registry
    monkeypatch.setitem(sys.modules, "vllm.tokenizers.registry", module)
    monkeypatch.setattr(tokenizers.decoders, "DecodeStream", Upstream)
    mode = run_path(str(Path(__file__).parents[2] / "docs" / "patches" / "vllm_mode.py"), run_name="mode")
    mode["register"]()
    assert registry.modes == {"dstok": ("mode", "DstokTokenizer")} and tokenizers.decoders.DecodeStream is PromptStream
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"x": 0, "a": 1}, unk_token="x"))
    PreTrainedTokenizerFast(tokenizer_object=words).save_pretrained(tmp_path / "words")
    plain().save_pretrained(tmp_path / "r1")
    try:
        ours = mode["DstokTokenizer"].from_pretrained(str(tmp_path / "r1"))
        assert ours.encode(TEXT) == plain().encode(TEXT) and hasattr(ours, "dstok")
        with pytest.raises(UnsupportedError, match="words with --tokenizer-mode dstok"), pytest.warns(UserWarning, match="WordLevel"):
            mode["DstokTokenizer"].from_pretrained(str(tmp_path / "words"))
    finally:
        uninstall()
