"""Names in comments and docstrings, and in the documents, exist: files, and what is named as code.

A comment that sends its reader to a file or a function that was renamed is worse than none. Known are the files of the
repository, every identifier in the code of `dstok/`, and the words in its plain strings (keys of files, options); to
the documents, the benchmarks and what the tests share, those of tests and benchmarks, too.
"""

from __future__ import annotations

import builtins
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
SUFFIXES = (".py", ".pyi", ".pyx", ".pxd", ".h")
FOLDERS = ("dstok", "tests", "docs", "examples", "benchmarks", "unicode_tables")

# Docstrings and comments, or plain strings: whichever begins first.
PARTS = {
    "py": re.compile(r'(?ms)(?P<words>^ *r?""".*?"""|#[^\n]*)|""".*?"""|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''),
    "h": re.compile(r'(?s)(?P<words>/\*.*?\*/|//[^\n]*)|"(?:\\.|[^"\\\n])*"'),
}
FILE = re.compile(r"(?<![\w<])(?:[\w.-]+/)*\w+\.(?:pyx|pyi|py|pxd|h|md)\b")
NAME = re.compile(r"`([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?:\(\))?`"        # `name`, `module.name()`
                  r"|(?<![\w.\\/])([A-Za-z_]\w+)\(\)"                       # name()
                  r"|(?<![\w.\\/<-])(_?[A-Za-z]\w*_\w*[A-Za-z0-9]|_[a-z]\w+)\b(?![/.-])")  # two_words, _private
IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
BLOCK = re.compile(r"(?ms)^ *(```+|:::).*?^ *\1")  # of a document: code, which tests/project/test_docs.py runs
QUOTED = re.compile(r"(?<!`)`([^`\n]+)`")

# Files of other projects that a source is named by, and of examples.
OTHERS_FILES = {"encoding_dsv32.py", "encoding_dsv4.py", "tests/chat/test_recipe.py", "conversion/base.py", "docs/gguf.md",
                "notes.md", "mine.py", "tests/some/test_file.py", "test_offsets.py", "llama.h", "managers/detokenizer_manager.py",
                "v1/engine/detokenizer.py"}
# Functions and settings of other projects, of C, of the shell; names in examples.
OTHERS_NAMES = set("""
    r50k_base parse_message_from_completion_text _compile_jinja_template encode_messages DeepseekV4Encoding DeepseekV41Encoding
    render_conversation get_vocab_base get_vocab_base_pre serde_json is_numeric is_whitespace SplitDelimiterBehavior
    find_iter pre_tokenize_str tiktoken_ext openai_public mergeable_ranks pat_str o200k_harmony top_p max_examples
    EX_SOFTWARE cat wc MAPPED_FILE annotation_typing Script_Extensions WSpace Space
    my_tokenizer test_conformance call_0 num_proc Int64Array StringArray LargeStringArray
    VLLM_PLUGINS SGLANG_PLUGINS encoding_for_model CoreBPE deepseek_v3 LLTokenizer LLMatcher LLInterpreter parse_special from_huggingface TokenizerInfo
    GrammarCompiler outlines_core token_counter split_text_on_tokens langchain TokenChunker TextSplitter
    ParityBpeTrainer total_symbols set_global_tokenizer tokenizer_encoding _encode_single_piece split_by large_ NAME_text_document from_callback
    DocumentSplitter llama_model_params v3_count v3_encode v3_truncate DetokenizerManager _decode_batch_token_id_output OutputProcessor
    process_outputs FastIncrementalDetokenizer AgentLoopOutput rollout_func completion_ids env_mask PyObject_GC_NewVar ob_hash
""".split())


def sources() -> list[Path]:
    found = [path for path in (CHECKOUT / "dstok").rglob("*") if path.suffix in SUFFIXES]
    return sorted(path for path in found if not path.name.startswith(("_ucd", "_normalization")))


def split(text: str, suffix: str) -> tuple[str, str]:
    """The words of a source (docstrings and comments, each in its line), and its code."""
    words, code, at = [], [], 0
    for part in PARTS["h" if suffix == ".h" else "py"].finditer(text):
        lines = "\n" * text.count("\n", at, part.start())
        code.append(text[at:part.start()])
        words.append(lines)
        (words if part["words"] else code).append(part[0])
        at = part.end()
    return "".join(words), "".join([*code, text[at:]])


@cache
def files() -> frozenset[str]:
    """Every end of the path of every file: `compiled/kernel_selection.py` and `kernels.py`."""
    paths = [path.relative_to(CHECKOUT) for folder in FOLDERS for path in (CHECKOUT / folder).rglob("*.*")]
    paths += [path.relative_to(CHECKOUT) for path in CHECKOUT.glob("*.*")]
    return frozenset("/".join(path.parts[i:]) for path in paths for i in range(len(path.parts)))


def identifiers_of(paths: Iterable[Path]) -> frozenset[str]:
    code = "\n".join(split(path.read_text(encoding="utf-8"), path.suffix)[1] for path in paths)
    return frozenset(IDENTIFIER.findall(code))


@cache
def identifiers() -> frozenset[str]:
    stems = {path.stem for path in sources()} | {path.name for path in (CHECKOUT / "dstok").iterdir()}
    commands = (CHECKOUT / "dstok" / "cli" / "commands.txt").read_text(encoding="utf-8")
    return (identifiers_of([*sources(), CHECKOUT / "setup.py"]) | stems | set(dir(builtins)) | OTHERS_NAMES
            | set(IDENTIFIER.findall(commands)))


@cache
def identifiers_of_all() -> frozenset[str]:
    read = {path for folder in FOLDERS[1:] for path in (CHECKOUT / folder).rglob("*.py")} - {Path(__file__)}
    return identifiers() | identifiers_of(read) | {path.stem for path in read}


def stale(words: str, folder: Path, known: frozenset[str]) -> Iterator[str]:
    """The names in `words` that nothing has, each with its line; a file of another folder needs its folder's name, too."""
    for number, line in enumerate(words.splitlines(), 1):
        for file in FILE.findall(line):
            near = (folder / file).exists() or (CHECKOUT / file).exists()
            if not (near or ("/" in file and file in files()) or file in OTHERS_FILES):
                yield f"{number}: {file}"
        for found in NAME.findall(line):
            parts = "".join(found).split(".")
            if not (FILE.fullmatch(".".join(parts)) or parts[0] in sys.stdlib_module_names or known.issuperset(parts)):
                yield f"{number}: {'.'.join(parts)}"


def code_of(page: str) -> str:
    """What a document names as code outside of its blocks, each in its line: files, and names of two words or more.

    Of `core/text/utf8.pyx`, `utf8.h` the second has the first one's folder, as a reader takes it.
    """
    lines, folder = [], ""
    for line in BLOCK.sub(lambda block: "\n" * block[0].count("\n"), page).split("\n"):
        found, folder = [], ""
        for code in QUOTED.findall(line):
            if FILE.fullmatch(code):
                folder = code.rpartition("/")[0] or folder
                alone = "/" in code or not folder or (CHECKOUT / code).exists()
                found.append(code if alone else f"{folder}/{code}")
            elif re.search(r"[._(]", code):
                found.append(f"`{code.split('(')[0]}`")
        lines.append(" ".join(found))
    return "\n".join(lines)


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_names_exist(path: Path) -> None:
    words, _ = split(path.read_text(encoding="utf-8"), path.suffix)
    assert list(stale(words, path.parent, identifiers())) == []


HELPERS = [path for folder in ("benchmarks", "tests/helpers", "tests/fuzzing") for path in sorted((CHECKOUT / folder).glob("*.py"))]


@pytest.mark.parametrize("path", HELPERS, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_names_exist_in_helpers(path: Path) -> None:
    words, _ = split(path.read_text(encoding="utf-8"), path.suffix)
    assert list(stale(words, path.parent, identifiers_of_all())) == []


# What has been is told by the change log, under the names of then.
@pytest.mark.parametrize("path", sorted({*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").rglob("*.md")} - {CHECKOUT / "CHANGELOG.md"}),
                         ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_names_in_documents_exist(path: Path) -> None:
    folder = CHECKOUT / "dstok" if path.name == "layout.md" else path.parent
    assert list(stale(code_of(path.read_text(encoding="utf-8")), folder, identifiers_of_all())) == []


@pytest.mark.parametrize("line", ["# as in _gone.h", '"""See tables/_scan.pyx."""', "# what `no_such_name` gives",
                                  "# no_such_name() does", "# as in windows.py", "/* `cuttable.no_such_name`: */"])
def test_what_is_found(line: str) -> None:
    words, _ = split(f"x = 1\n{line}\n", ".h" if line[0] == "/" else ".py")
    [found] = stale(words, CHECKOUT / "dstok" / "core" / "split", identifiers())
    assert found.startswith("2: ")


@pytest.mark.parametrize("line", ["as in `core/_gone.h`", "`core/split/automaton.pyx`, `_gone.h`: what", "`dstok.no_such_name`",
                                  "what `no_such_name(text)` gives", "`tok.no_such_name` and `encode`"])
def test_what_is_found_in_a_document(line: str) -> None:
    page = f"```python\nno_such_block_name()\n```\n{line}\n"
    [found] = stale(code_of(page), CHECKOUT / "docs", identifiers_of_all())
    assert found.startswith("4: ")
