"""Unmodified programs under `python -m dstok.patch`, and with the .pth file: the same output and exit code as without."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from functools import cache
from pathlib import Path

import pytest
from small_models import added_token, model_json
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from dstok.patch import LIBRARIES, PTH, START

TIKTOKEN = """
import sys, tiktoken
from tiktoken import Encoding
encoding = tiktoken.get_encoding("deepseek_v3")
assert isinstance(encoding, Encoding)
print(__name__, __file__, sys.argv, encoding.encode("Hello <x> 123456"), encoding.encode_ordinary_batch(["a b", "é"]))
try:
    encoding.encode("<｜User｜>")
except ValueError as error:
    print(error)
sys.exit(3)
"""
TRANSFORMERS = """
import sys
from transformers import AutoTokenizer
for folder in sys.argv[1:]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    print(tokenizer("abab he</s>", return_offsets_mapping=True), tokenizer.decode([1, 2, 3]), type(tokenizer).__name__)
"""
LANGCHAIN = """
from langchain_text_splitters import TokenTextSplitter
print(TokenTextSplitter("deepseek_v3", chunk_size=5, chunk_overlap=1).split_text("one two three four five six seven eight"))
"""
CHILD = """
import multiprocessing, sys, tiktoken
def ids(text):
    return tiktoken.get_encoding("deepseek_v3").encode(text), "dstok" in sys.modules
if "__main__" == __name__:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(ids, ["Hello world"])[0][0])
"""


def run(*words: str, python: str = sys.executable, patched: str | None = None) -> subprocess.CompletedProcess[str]:
    """A process of Python; `patched`: the value of DSTOK_PATCH."""
    given = {key: value for key, value in os.environ.items() if key != "DSTOK_PATCH"} | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run([python, *words], text=True, capture_output=True, timeout=300, encoding="utf-8",
                          env=given | ({} if patched is None else {"DSTOK_PATCH": patched}))


@cache
def run_alone(path: str, text: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A program of this text, run without dstok.patch."""
    return run(path, *words)


@pytest.fixture(scope="module")
def of_tiktoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tiktoken") / "program.py"


def both(path: Path, text: str, *words: str, patched: str | None = None) -> list[str]:
    """The lines of dstok.patch for a program; its own output and exit code are as without."""
    path.write_text(text, encoding="utf-8")
    alone, found = run_alone(str(path), text, *words), run("-m", "dstok.patch", str(path), *words, patched=patched)
    assert (found.stdout, found.returncode) == (alone.stdout, alone.returncode), (found.stderr, alone.stderr)
    assert alone.stdout
    return [line.removeprefix("dstok.patch: ") for line in found.stderr.splitlines() if line.startswith("dstok.patch: ")]


def test_a_program_with_tiktoken(of_tiktoken: Path) -> None:
    lines = both(of_tiktoken, TIKTOKEN, "a", "-b")
    assert lines == ["tiktoken 0.14.0: deepseek_v3 runs on dstok",
                     "transformers is not patched: the program did not import it, or no tokenizers of it"]


def test_a_program_by_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python makes `__file__` absolute, and puts the folder that a symbolic link leads to first on its path."""
    (tmp_path / "code").mkdir()
    (tmp_path / "link.py").symlink_to("code/program.py")
    monkeypatch.chdir(tmp_path)
    for name in ("code/program.py", "link.py"):
        both(Path(name), "import sys; print(__file__, sys.argv, sys.path[0], (lambda: 0).__code__.co_filename)", "a")


def test_a_program_with_langchain(tmp_path: Path) -> None:
    pytest.importorskip("langchain_text_splitters")
    assert "tiktoken 0.14.0: deepseek_v3 runs on dstok" in both(tmp_path / "program.py", LANGCHAIN)


def test_a_program_with_transformers(tmp_path: Path) -> None:
    """One tokenizer that dstok does, and one that it does not."""
    file = Tokenizer.from_str(model_json([(b"a", b"b"), (b"h", b"e")], [added_token("</s>", special=True)]))
    PreTrainedTokenizerFast(tokenizer_object=file, eos_token="</s>").save_pretrained(tmp_path / "ours")
    words = Tokenizer(models.WordLevel({"x": 0, "a": 1, "b": 2, "c": 3, "</s>": 4}, unk_token="x"))
    PreTrainedTokenizerFast(tokenizer_object=words, eos_token="</s>").save_pretrained(tmp_path / "theirs")
    folders = str(tmp_path / "ours"), str(tmp_path / "theirs")
    first, second = both(tmp_path / "program.py", TRANSFORMERS, *folders, patched="transformers")
    assert first.startswith("transformers ") and first.endswith(f"{folders[0]} runs on dstok")
    assert f"{folders[1]} stays as it is: " in second and "WordLevel" in second


def test_only_the_libraries_that_are_named(of_tiktoken: Path) -> None:
    lines = both(of_tiktoken, TIKTOKEN, "a", "-b", patched="transformers, numpy")
    assert lines == ["'numpy' is none of the libraries that can be patched: tiktoken, transformers",
                     "transformers is not patched: the program did not import it, or no tokenizers of it"]


def test_a_library_that_cannot_be_patched_stays(tmp_path: Path) -> None:
    """Here one of that name lies beside the program."""
    (tmp_path / "tiktoken.py").write_text("def get_encoding(name):\n    return name\n")
    [line, _] = both(tmp_path / "program.py", "import tiktoken\nprint(tiktoken.get_encoding('x'))\n")
    assert line.startswith("tiktoken stays as it is: ")


def test_modules_and_what_is_no_program(tmp_path: Path) -> None:
    package = tmp_path / "some"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("from . import __name__ as name\nimport sys\nprint(name, __package__, __spec__.name, sys.argv)\n")
    for words in (["some", "x"], ["some.__main__"]):
        alone, found = (subprocess.run([sys.executable, *some, "-m", *words], text=True, capture_output=True, cwd=tmp_path,
                                       env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}) for some in ([], ["-m", "dstok.patch"]))
        assert (alone.stdout, alone.returncode) == (found.stdout, found.returncode), found.stderr
    (tmp_path / "binary").write_bytes(b"\x7fELF\0")
    for words in ([str(tmp_path / "binary")], [str(tmp_path / "none.py")], ["-m", "none.there"]):
        found = run("-m", "dstok.patch", *words)
        assert found.returncode == 2 and "expected a Python program" in found.stderr, words
    assert run("-m", "dstok.patch").returncode == run("-m", "dstok.patch", "--other").returncode == 2
    assert all(name in run("-m", "dstok.patch", "--help").stdout for name in LIBRARIES)


def test_the_file_of_python_s_start(tmp_path: Path) -> None:
    """It is there only after --install-pth, and does nothing without DSTOK_PATCH; with it, in child processes, too."""
    venv.create(tmp_path / "env", symlinks=True)
    python, program = str(tmp_path / "env" / "bin" / "python"), tmp_path / "program.py"
    program.write_text(CHILD, encoding="utf-8")
    installed = run("-m", "dstok.patch", "--install-pth", python=python)
    path = Path(installed.stdout.strip())
    assert path.name == PTH and path.read_text() == START and tmp_path in path.parents
    loaded = "import sys; print(any(name.startswith('dstok') for name in sys.modules))"
    assert run("-c", loaded, python=python).stdout == "False\n"
    alone, found = run(str(program), python=python), run(str(program), python=python, patched="tiktoken")
    assert json.loads(alone.stdout) == json.loads(found.stdout) == [19923, 2058]
    assert "dstok.patch" not in alone.stderr and "deepseek_v3 runs on dstok" in found.stderr
    assert "deepseek_v3 runs on dstok" in run("-m", "dstok.patch", str(program), python=python).stderr
    assert run("-m", "dstok.patch", "--remove-pth", python=python).returncode == 0 and not path.exists()
    assert "dstok.patch" not in run(str(program), python=python, patched="tiktoken").stderr
