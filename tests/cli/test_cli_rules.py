"""The manners of the command: usage, exit codes, closed pipes, full disks, interrupts, a quick start."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from cli_process import DSTOK, MANY, TEXT, fails, file, ok, run

import dstok
from dstok import chat
from dstok.cli import app, convert
from dstok.cli.arguments import COMMANDS
from dstok.corpus.settings import FORMATS
from dstok.io import text_files as inputs
from dstok.io.id_files import ID_FORMATS


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("words", "message"), [
    (["nope"], "nope"),
    (["count", "--nope"], "--nope"),
    (["count", "a", "--nope", "b"], "--nope"),
    (["models", "nope"], "nope"),
    (["encode", "--format", "text"], "--format"),
    (["count", "--max-tokens", "-1"], "'-1'"),
    (["count", "--max-tokens", "1e3"], "'1e3'"),
    (["count", "none"], "none: no such file or directory"),
    (["dump", "."], ".: is a directory: name its files, ./*, or all below it by find"),
    (["encode", "-o", "no/file", "."], "no/file: no such file or directory"),
    (["decode", "--jsonl", "--format", "u32"], "--jsonl"),
    (["chunk"], "--max-tokens"),
    (["truncate", "--max-tokens", "5", ".", "."], "one file (--json takes several)"),
])
def test_bad_usage(words: list[str], message: str) -> None:
    done = run(*words)
    assert done.stdout == b"" and message in fails(*words)


NASTY = "a\x1b[2J\nb\x9b\u202ec"
MISSING = ["count X", "encode X", "decode X", "dump X", "pieces X", "show X", "truncate --max-tokens 5 X", "chunk --max-tokens 5 X", "view X",
           "count -m X", "info -m X", "prove X", "verify X", "verify tokenizers:X", "fetch X", "convert X X.json", "convert deepseek-v3 X", "splitter show X",
           "splitter diff X X", "splitter show regex:X(", "explain -m X", "chat render --version v3 X",
           "corpus X --out o", "corpus info X", "corpus verify X", "corpus stats X", "corpus merge X --out o", "train X --out o", "train report X -m deepseek-v3",
           "train count X --out o", "train merge X --out o", "count --upstream X", "encode --special X .", "count --jsonl --field X text", "X", "count --X", "encode -o X/o text",
           "pieces --count --splitter X text", "view --compare X text", "view --compare MODULE:X text", "count --max-tokens X"]


@pytest.mark.parametrize("words", MISSING)
def test_errors_are_short_and_can_be_printed(words: str) -> None:
    """No name of a user moves the terminal's cursor, begins a line or fills the screen. A pattern's place has two lines more."""
    file("text", b'{"text": "a"}\n')
    for name in (NASTY, NASTY + 4_000 * "n\x1b", os.fsdecode(b"\xff\x9b")):
        if sys.platform.startswith("linux") or name.isascii():
            done = run(*(word.replace("X", name) for word in words.split()))
            error = done.stderr.decode()
            assert done.returncode == 2 and error.startswith("dstok: ") and len(error) < 5_000
            assert error.count("\n") == (3 if "regex:" in words else 1) and error.replace("\n", "").isprintable()


@pytest.mark.parametrize("words", ["count X X", "count --max-tokens 0 X X", "dump --format table X X", "pieces --format table X X", "show X X", "corpus X --out Y", "corpus info Y",
                                   "train count X --out Y.counts", "train report X -m deepseek-v3", "info -m Y.image", "chat count --version v3 Z Z"])
def test_names_of_files_can_be_printed(words: str) -> None:
    """In what is for people, each in one line. JSON has them as they are."""
    names = {"X": f"{NASTY}.txt", "Y": f"y{NASTY}", "Z": f"{NASTY}.json"}
    file(names["X"], b"some text")
    file(names["Z"], b"[]")
    if "info Y" in words:
        ok("corpus", names["X"], "--out", names["Y"])
    if ".image" in words:
        dstok.load("deepseek-v3").to_image(f"{names['Y']}.image")
    done = run(*(names.get(word[:1], word[:1]) + word[1:] for word in words.split()))
    found = (done.stdout + done.stderr).decode()
    assert done.returncode in (0, 1) and found.replace("\n", "").replace("\t", "").isprintable(), found
    assert not any(line.startswith("b\\x9b") for line in found.split("\n")), found


@pytest.mark.parametrize("command", ["count --jsonl X", "corpus X --out o", "train X --out o", "chat count --version v3 --jsonl X"])
def test_an_error_does_not_repeat_a_record(command: str) -> None:
    file("x.jsonl", b'{"%s\\n": 1}\n' % (b"key" * 400_000))
    assert len(fails(*command.replace("X", "x.jsonl").split())) < 2_000


@pytest.mark.parametrize(("words", "message"), [
    ("cuont a", "no command 'cuont'; did you mean count? (see dstok --help)"),
    ("chat rendr a", "no action 'rendr'; did you mean render? (see dstok chat --help)"),
    ("qqq", "no command 'qqq' (see dstok --help)"),
    ("corpus inof", "inof: no such file or directory; did you mean dstok corpus info?"),
    ("train mrege a.counts --out b", "mrege: no such file or directory; did you mean dstok train merge?"),
    ("--vresion", "no option --vresion; did you mean --version? (see dstok --help)"),
    ("count --modle x", "no option --modle; did you mean --model? (see dstok count --help)"),
    ("count -json", "no option -json; did you mean --json? (see dstok count --help)"),
    ("chat encode --lables", "no option --lables; did you mean --labels? (see dstok chat encode --help)"),
    ("truncate --max-token 5", "no option --max-token; did you mean --max-tokens? (see dstok truncate --help)"),
    ("count --text -x", "expected a value after --text, found an option: --text=-x is a value (see dstok count --help)"),
    ("count Hello world", "Hello: no such file or directory (--text 'Hello world' reads words as a text; so does standard input)"),
    ("decode 1 x", "1: no such file or directory (ids themselves are words: dstok decode 19923 2058)"),
    ("decode --format u32 19923", "19923: no such file or directory (ids themselves are words: dstok decode 19923 2058)"),
])
def test_errors_name_what_was_meant(words: str, message: str) -> None:
    assert fails(*words.split()) == f"dstok: {message}\n"


@pytest.mark.parametrize(("command", "option", "known"), [
    ("encode", "--format", ID_FORMATS), ("decode", "--format", ID_FORMATS), ("convert", "--to", convert.FORMATS.values()),
    ("view", "--chat", [version.name for version in chat.versions()]), ("chat render", "--version", [version.name for version in chat.versions()]),
    ("corpus", "--format", FORMATS)])
def test_the_table_of_commands_has_the_choices_of_the_library(command: str, option: str, known: list[str]) -> None:
    parser = dict(app.commands())[f"dstok {command}"]
    assert sorted(parser._option_string_actions[option].choices or ()) == sorted(known)


def test_the_table_of_commands_names_functions() -> None:
    for words, command in COMMANDS.items():
        module, _, function = command.run.partition(".")
        assert not function or callable(getattr(import_module(f"dstok.cli.{module}"), function)), words


def test_options_after_two_dashes_are_files() -> None:
    file("--nope", b"Hi")
    assert ok("count", "--", "--nope") == b"1\n"


def test_every_command_for_data_has_json() -> None:
    without = {name.removeprefix("dstok ") for name, parser in app.commands() if not re.search(r"--json\s", parser.format_help())}
    assert not without


def test_the_bare_command_prints_its_help() -> None:
    assert ok() == ok("--help") != b""


@pytest.mark.parametrize("command", ["count", "encode", "decode", "dump", "pieces", "chunk --max-tokens 9"])
def test_a_field_without_json_lines_is_refused(command: str) -> None:
    """It would do nothing. Nothing is written then, and an old file stays."""
    output = file("old", b"old")
    assert "--field is for JSON lines (--jsonl)" in fails(*command.split(), "--field", "text", "-o", output)
    assert Path(output).read_bytes() == b"old"


def test_help() -> None:
    assert ok("-V") == ok("--version") == f"dstok {dstok.__version__}\n".encode()
    commands = ["encode", "decode", "count", "truncate", "chunk", "dump", "pieces", "explain", "info", "models"]
    text = ok("--help").decode()
    for command in commands:
        assert f"\n    {command} " in text
        assert f"dstok {command}" in ok(command, "--help").decode().split("example:")[1]


@pytest.mark.parametrize("words", [["--help"], ["count", "--help"], ["corpus", "merge", "--help"]])
def test_help_has_no_colours(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Since Python 3.14 argparse's own has, on a terminal and for FORCE_COLOR; its lines then break elsewhere, too."""
    monkeypatch.setenv("NO_COLOR", "1")
    plain = ok(*words)
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert ok(*words) == plain and b"\x1b" not in plain


def test_options_may_stand_between_files() -> None:
    a, b = file("a", TEXT), file("b", b"b")
    assert ok("count", a, "--special", "all", b, "--add-bos", "-") == ok("count", "--add-bos", a, b, "-")


def test_two_dashes_may_be_a_value() -> None:
    assert ok("encode", "--text=--") == ok("encode", file("dashes", b"--"))
    assert "no added token '--'" in fails("encode", "--special=--", "--text", "a")
    assert "invalid choice: '--'" in fails("encode", "--errors=--", "--text", "a")


def test_an_input_is_never_overwritten() -> None:
    name = file("a", TEXT)
    for words in (["encode", name], ["encode", "-m", name, "--text", "a"], ["chat", "encode", "--version", "v3", "--tools", name, "b"]):
        assert "both input and output" in fails(*words, "-o", "./a")
    assert "both input and output" in fails("convert", name, "./a", "--to", "json")
    assert Path(name).read_bytes() == TEXT
    for _ in range(2):  # the second time there is a file of the model's name, which is no input
        ok("encode", "-m", "deepseek-v3", "--text", "Hello", "-o", "deepseek-v3")


def test_a_file_that_may_not_be_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "secret")

    file("secret", b"")
    monkeypatch.setattr(inputs, "open", refuse, raising=False)  # root may read everything
    assert app.main(["count", "secret"]) == 2
    assert capsys.readouterr().err == "dstok: secret: permission denied\n"


def test_a_fault_of_dstok_is_not_taken_for_a_full_budget(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dstok, "load", lambda name, **options: {}[name])
    assert app.main(["count", file("a", TEXT)]) == 70
    assert "internal error: KeyError" in capsys.readouterr().err
    monkeypatch.setenv("DSTOK_TRACEBACK", "1")
    with pytest.raises(KeyError):
        app.main(["count", "a"])


def test_an_error_without_a_file_is_not_standard_outputs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_socket(_: object) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("dstok.cli.models.run_models", no_socket)
    assert app.main(["models"]) == 2
    assert capsys.readouterr().err == "dstok: the system: too many open files\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", ["dump many", "encode many", "count many", "models", "--help"])
def test_a_closed_pipe_is_quiet(words: str, unbuffered: str) -> None:
    file("many", MANY)
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run([*DSTOK, *words.split()], stdout=writer, stderr=subprocess.PIPE, timeout=120,
                              env={**os.environ, "PYTHONUNBUFFERED": unbuffered})
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_reader_that_leaves_early() -> None:
    file("many", MANY)
    words = [*DSTOK, "dump", "many"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline().startswith(b"{")
        process.stdout.close()
        assert (process.stderr.read(), process.wait(120)) == (b"", 141)


def test_a_full_disk_and_closed_streams() -> None:
    for words in (["count"], ["encode", "--format", "npy"], ["encode", "-o", "/dev/full"], ["models"], ["--help"],
                  ["--version"]):
        for unbuffered in ("", "1"):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([*DSTOK, *words], input=TEXT, stdout=full, stderr=subprocess.PIPE,
                                      env={**os.environ, "PYTHONUNBUFFERED": unbuffered}, timeout=120)
            assert done.returncode == 2 and done.stderr.endswith(b": no space left on device\n")
            assert done.stderr.count(b"\n") == 1
    for words in (["count"], ["--help"]):
        done = run(*words, stdin=TEXT, preexec_fn=lambda: os.close(1))
        assert (done.returncode, done.stderr) == (2, b"dstok: standard output: it is closed\n")
    done = run("count", "none", preexec_fn=lambda: os.close(2))
    assert (done.returncode, done.stdout) == (2, b"")


def test_help_on_a_terminal_that_lacks_its_characters() -> None:
    done = subprocess.run([*DSTOK, "show", "--help"], capture_output=True, timeout=120,
                          env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, b"") and b"\\u2502" in done.stdout


def test_an_interrupt_is_quiet() -> None:
    restore = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # noqa: E731 - as in a shell's foreground
    with subprocess.Popen([*DSTOK, "encode"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, preexec_fn=restore) as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        process.stdin.write(MANY[: 1 << 20])
        process.stdin.flush()
        assert process.stdout.read(1)  # it is at work, and waits for the second block
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert (process.stderr.read(), process.wait(120)) == (b"", 130)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.parametrize("started", ["-m", "/bin/dstok"])
def test_an_interrupt_of_any_import_is_quiet(started: str) -> None:
    child = Path(__file__).parents[1] / "helpers" / "interrupted_child.py"
    done = subprocess.run([sys.executable, str(child), started, "count", "--text", "a"], capture_output=True, timeout=120)
    *interrupted, (code, error) = json.loads(done.stdout)
    assert len(interrupted) > 50 and all(found == [130, ""] for found in interrupted), interrupted
    assert (code, error) == (0, "")


def test_an_interrupt_that_a_library_takes_for_its_own_error(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """As numpy does while its parts are imported."""
    def swallow(_: object) -> int:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("a bad install") from None
        return 0

    monkeypatch.setattr(app, "_command", swallow)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert app.main(["count"]) == 130 and capfd.readouterr().err == ""
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("command", ["count", "encode"])
def test_a_quick_start_does_without_numpy(command: str) -> None:
    code = ("import sys; from dstok.cli.app import main; code = main(sys.argv[1:]); "
            "slow = {'numpy', 'shutil', 'gzip', 'dstok.cli.tokens'} & set(sys.modules); "
            "print(code, sorted(slow), file=sys.stderr)")
    words = [sys.executable, "-c", code, command, file("a", TEXT)]
    done = subprocess.run(words, capture_output=True, timeout=120)
    assert done.stderr == b"0 []\n"
