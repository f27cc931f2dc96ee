"""What a start imports: the modules that the first ids and a count need, and no others. No time is measured here.

A module costs a tenth of a millisecond, some of Python's own cost several; whoever makes the start import one more has to
put it into these lists. `python -m benchmarks.start` measures what it costs.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from small_models import model_json

import dstok
from dstok.pretokenizer.sources import preset_splits

FIRST_IDS = """
import sys
before = set(sys.modules)
import dstok
assert dstok.load("deepseek-v3").encode("Hello world") == [19923, 2058]
"""
COUNT = f"""{FIRST_IDS}
from dstok.cli.app import main
assert main(["count", sys.argv[1]]) == 0
"""
TELL = "\nprint(*sorted(set(sys.modules) - before), file=sys.stderr)"
OWN = {
    "dstok", "dstok.errors", "dstok.tokenizer", "dstok.loading", "dstok._util", "dstok._util.arguments", "dstok._util.imports", "dstok._util.objects", "dstok._util.files",
    "dstok.core", "dstok.core._shared",
    "dstok.core.encode", "dstok.core.split.finder", "dstok.core.split.piece_finder", "dstok.core.encode.sinks", "dstok.core.encode.memory",
    "dstok.core.kernels", "dstok.core.kernels.levels",
    "dstok.core.bpe", "dstok.core.bpe.merge",
    "dstok.core.encode.encoder", "dstok.core.encode.passes",
    "dstok.core.cpu", "dstok.core.cpu.level",
    "dstok.core.split", "dstok.core.split.automaton",
    "dstok.core.text", "dstok.core.text.added_tokens", "dstok.core.text.normalize", "dstok.core.text.utf8",
    "dstok.formats",
    "dstok.models", "dstok.models.names",
    "dstok.compiled", "dstok.compiled.tables", "dstok.compiled.image_file", "dstok.added_tokens",
}
OF_COUNT = {
    "dstok._util.objects", "dstok._util.columns", "dstok._util.files", "dstok.methods", "dstok.methods.incremental",
    "dstok.cli", "dstok.cli.app", "dstok.cli.arguments", "dstok.cli.encode", "dstok.cli.output", "dstok.io", "dstok.io.text_files", "dstok.io.id_files",
}
SLOW = {  # of others; where Python itself or its environment has imported one already, it costs nothing
    "ast", "asyncio", "copy", "ctypes", "dataclasses", "dis", "email", "gzip", "hashlib", "importlib.metadata",
    "importlib.resources", "inspect", "logging", "numpy", "pathlib", "pickle", "random", "shutil", "signal", "socket",
    "ssl", "subprocess", "tempfile", "threading", "tokenize", "tqdm", "urllib", "uuid", "wcwidth", "zipfile",
}
if sys.version_info >= (3, 14):
    SLOW.remove("ast")  # typing imports it for a NamedTuple, by way of annotationlib: 1.2 ms


def imported(code: str, *words: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", code + TELL, *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


def own(modules: set[str]) -> set[str]:
    return {name for name in modules if name.partition(".")[0] == "dstok"}


def test_the_first_ids() -> None:
    found = imported(FIRST_IDS)
    assert own(found) == OWN
    assert found & {*SLOW, "argparse"} == set()


def test_a_count(tmp_path: Path) -> None:
    (tmp_path / "small.txt").write_text("Hello world", encoding="utf-8")
    found = imported(COUNT, str(tmp_path / "small.txt"))
    assert own(found) == OWN | OF_COUNT
    assert found & SLOW == set()


LOADED = """
import sys
before = set(sys.modules)
import dstok
assert dstok.Tokenizer.from_json(sys.argv[1]).encode("ab") == [256]
"""
OF_OTHER_FILES = ("dstok.regex.", "dstok.unicode", "dstok.formats.tiktoken", "dstok.formats.gguf", "dstok.formats.sentencepiece",
                  "dstok.formats.llama_cpp", "dstok.compiled.image", "dstok.conformance", "dstok.inspection")


def test_a_tokenizer_json_of_a_known_pattern(tmp_path: Path) -> None:
    """No compiler of patterns, no reader of other files."""
    (tmp_path / "tokenizer.json").write_text(model_json([(b"a", b"b")], pattern=preset_splits("gpt-2")[0][0].pattern), encoding="utf-8")
    found = imported(LOADED, str(tmp_path / "tokenizer.json"))
    wrong = {name for name in own(found) if name.startswith(OF_OTHER_FILES) and name != "dstok.compiled.image_file"}
    assert wrong == set()
    assert found & SLOW == set()


def test_all_that_is_late_is_there() -> None:
    """Each public name and each method that is imported when it is asked for, in a process that has asked for none."""
    code = """
import sys
before = set()
import dstok
assert dir(dstok) == sorted({*dstok.__all__, *"arrow chat conformance corpus padding protocols sampling training unicode".split()})
assert len(dir(dstok)) == 28
for name in dir(dstok):
    getattr(dstok, name)
late = [name for name, value in vars(dstok.Tokenizer).items() if type(value).__module__ == "dstok._util.imports"]
assert len(late) >= 20, late
for name in late:
    method = getattr(dstok.Tokenizer, name)
    assert vars(dstok.Tokenizer)[name] is method and callable(method), name
"""
    assert own(imported(code)) > OWN


def test_the_package_can_be_described_without_pyarrow() -> None:
    imported("""
import sys
before = set()
sys.modules["pyarrow"] = None
import dstok, inspect
assert "arrow" not in dir(dstok) and "chat" in dict(inspect.getmembers(dstok))
try:
    dstok.arrow
except dstok.DstokError as error:
    assert 'pip install "dstok[arrow]"' in str(error)
""")


def test_late_methods_are_those_of_their_modules() -> None:
    from dstok.methods import batch as batches
    from dstok.methods import decoding
    from dstok.models import built_in

    assert dstok.Tokenizer.encode_batch is batches.encode_batch
    assert dstok.Tokenizer.get_vocab is decoding.get_vocab

    class Loud(dstok.Tokenizer):
        def decode_bytes(self, *arguments: object, **keywords: object) -> bytes:
            return super().decode_bytes(*arguments, **keywords) + b"!"  # type: ignore[arg-type]

    loud = Loud._of_tables(*built_in("deepseek-v3"))
    assert loud.decode_bytes([19923]) == b"Hello!" and len(loud.get_vocab()) == 128815
