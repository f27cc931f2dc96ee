"""The process that renders templates: when it starts and ends, whose it is, and what is believed of its answers."""

from __future__ import annotations

import enum
import json
import math
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chat_models import ours

import dstok
from dstok import chat
from dstok.chat import templates
from dstok.chat.template_worker import LITERAL, UNKNOWN, Traced, joined, literal, parts_of

ECHO = "{{ messages | tojson }}"
TALK = [{"role": "user", "content": "Hi"}]
BEGIN = """
import os, pathlib, signal, sys, threading, time
import dstok
from dstok import chat
from dstok.chat import templates
tok = dstok.load("deepseek-v3.1")
template = chat.Template("{{ messages[0].content }}", tok)
def render(text):
    return chat.render([{"role": "user", "content": text}], template).text
def number():
    return templates._children.idle[-1].process.pid
assert render("a") == "a"
"""


def run(code: str, **options: Any) -> str:
    """The output of a program. Checks that the program ends by itself and writes nothing on standard error."""
    done = subprocess.run([sys.executable, "-X", "dev", "-c", BEGIN + code], capture_output=True, text=True, timeout=100, **options)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for_the_end_of(pid: int) -> None:
    for _ in range(600):
        if not is_there(pid) or Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":  # its parent may be init, which may be no one
            return
        time.sleep(0.1)
    pytest.fail("the process goes on")


def test_one_process_renders_one_after_the_other() -> None:
    assert run("first = number()\nfor _ in range(50): render('b')\nprint(first == number())") == "True\n"


def test_it_ends_with_its_starter() -> None:
    pid = int(run("print(number())"))
    assert not is_there(pid)  # waited for, not left to init
    killed = subprocess.run([sys.executable, "-c", BEGIN + "print(number(), flush=True)\nos.kill(os.getpid(), 9)"], capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL
    wait_for_the_end_of(int(killed.stdout))


def test_after_a_fork_each_has_its_own() -> None:
    code = """
first = number()
child = os.fork()
if not child:
    assert not templates._children.all
    good = render("forked") == "forked" and number() != first
    os._exit(0 if good else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), render("b"), number() == first)
child = os.fork()
if not child:
    sys.exit(0)  # as a program does, with all that runs at the end
os.waitpid(child, 0)
print(render("c"), number() == first)
"""
    assert run(code) == "0 b True\nc True\n"


def test_threads() -> None:
    code = """
def work(name):
    for number in range(30):
        assert render(f"{name} {number}") == f"{name} {number}"
    done.append(name)
done = []
threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(done), len(templates._children.all) <= templates.MOST)
"""
    assert run(code) == "8 True\n"


def test_ctrl_c() -> None:
    """The process that was at work is given up; one that waits is not disturbed."""
    code = """
os.kill(number(), signal.SIGINT)
time.sleep(0.1)
first = number()
assert render("b") == "b" and number() == first
endless = chat.Template("{% for i in range(99999) %}{% for i in range(99999) %}{% endfor %}{% endfor %}", tok)
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    chat.render([], endless)
except KeyboardInterrupt:
    print(len(templates._children.all), render("c"), number() != first)
"""
    assert run(code) == "0 c True\n"


def test_one_that_something_else_ended_is_replaced() -> None:
    code = """
first = number()
os.kill(first, signal.SIGKILL)
while templates._children.idle[-1].process.poll() is None: time.sleep(0.01)
print(render("b"), number() != first)
"""
    assert run(code) == "b True\n"


def test_its_surroundings(tmp_path: Path) -> None:
    """A template can reach no variable of the starter, no module beside the program, and no file to write."""
    for name in ("json", "jinja2", "sitecustomize", "marshal", "traced"):
        (tmp_path / f"{name}.py").write_text("import os; os._exit(3)" if name == "jinja2" else "")
    code = """
pid = number()
variables, limits, modules = [pathlib.Path(f"/proc/{pid}/{name}").read_text() for name in ("environ", "limits", "maps")]
print("TOKEN" in variables, "numpy" in modules, "dstok" in modules, "Max core file size        0 " in limits)
print(sorted(os.readlink(f"/proc/{pid}/fd/{fd}").split(":")[0] for fd in os.listdir(f"/proc/{pid}/fd")))
"""
    if not Path("/proc/self/environ").exists():
        pytest.skip("no /proc")
    wanted = "False False False True\n['/dev/null', '/dev/null', 'socket']\n"
    environment = {**os.environ, "TOKEN": "secret", "PYTHONDONTWRITEBYTECODE": "1"}
    assert run(code, env=environment) == wanted
    beside = "import sys; sys.path = [one for one in sys.path if one]\n"
    done = subprocess.run([sys.executable, "-c", beside + BEGIN + "print(render('b'))"], capture_output=True, text=True, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("b\n", "")


def test_no_process_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates, "_children", templates._Children())
    for program in ("/bin/true", "/no/such/program", "", None):
        monkeypatch.setattr(sys, "executable", program)
        with pytest.raises(chat.ChatError, match="in a process of their own, and .* does not start one: trust the template"):
            chat.Template("x", ours("v3"))
    assert chat.render(TALK, chat.Template("x", ours("v3"), trusted=True)).text == "x"


def test_a_system_that_does_not_hold_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process looks at the memory of the other one, as on macOS."""
    children = templates._Children()
    monkeypatch.setattr(templates, "_children", children)
    monkeypatch.setattr(templates, "LOOK", 0.005)
    text = "{% set ns = namespace(l=[1]) %}{% for i in range(9999) %}{% set ns.l = ns.l + [('x' ~ i) * 9999] %}{% endfor %}"
    template = chat.Template(text, ours("v3"))
    unlimited = templates.PROGRAM.replace("template_worker.main(", "import resource\nresource.setrlimit = lambda *limits: None\n"
                                          "template_worker.main(")
    monkeypatch.setattr(templates, "PROGRAM", unlimited)
    monkeypatch.setattr(templates, "MEMORY", 30)
    children.end()
    children.idle.clear()
    with pytest.raises(chat.ChatError, match="the template needed more than 30 MB"):
        chat.render(TALK, template)
    children.end()


class Role(enum.StrEnum):
    USER = "user"


VALUES = [
    "é\ud83d\ude00\ude00\x00\U0001f600", 1 << 70, -0.0, math.inf, -math.inf, 5e-324, True, None, [], {}, {"a": {"b": [1, [2.5]]}}, "</script>",
    {"1": 1, "": "\ud800"},
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_arrive_as_they_are(value: Any) -> None:
    found = chat.render([{"role": "user", "content": value}], chat.Template("{{ messages[0].content | tojson }}|{{ x }}", ours("v3")), x=value)
    assert found.text == json.dumps(value, ensure_ascii=False) + f"|{value}"


def test_variables_of_other_kinds() -> None:
    template = chat.Template("{{ a }} {{ b }} {{ c }} {{ d + 1 }} {{ e }}", ours("v3"))
    found = chat.render(TALK, template, a=(1, (2,)), b={1: 2, None: 3}, c=Role.USER, d=np.int64(7), e=np.bool_(False))
    assert found.text == "(1, (2,)) {1: 2, None: 3} user 8 False"
    for value, place in ((b"x", "variables.a"), ({"b": [1, {2}]}, "variables.a.b[1]"), (print, "variables.a"), (np.ones(2), "variables.a")):
        with pytest.raises(chat.ChatError, match="expected what JSON has, found .*trusted=True") as caught:
            chat.render(TALK, template, a=value)
        assert f" at $.{place}: " in str(caught.value)
    with pytest.raises(chat.ChatError, match=r"at \$.messages\[1\].content\[0\].image: "):
        chat.render([*TALK, {"role": "user", "content": [{"image": b"x"}]}], template)
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(chat.ChatError, match="nested too deeply"):
        chat.render(TALK, template, a=deep)


def test_long_conversations_have_more() -> None:
    text = "é" * 40_000_000  # 80 MB in a request, and the text is there several times
    assert len(chat.render([{"role": "user", "content": text}], chat.Template("{{ messages[0].content }}", ours("v3"))).text) == len(text)


@pytest.mark.parametrize("answer", [
    b"", b"{", b"[]", b"1", b"\xff", b"{}", b'{"text": 1, "parts": []}', b'{"text": "ab", "parts": [1, 0, -1, 0]}', b'{"text": "a", "parts": {}}',
    b'{"text": "a", "parts": [1, 3, -1, 0]}', b'{"text": "a", "parts": [1, 0, 1, 0]}', b'{"text": "a", "parts": [1, 0, -2, 0]}',
    b'{"text": "a", "parts": [1, 0, -1]}', b'{"text": "a", "parts": [2, 0, -1, 0, -1, 0, -1, 0]}', b'{"text": "a", "parts": [true, 0, -1, 0]}',
    b'{"text": "a", "parts": [1.0, 0, -1, 0]}', b'{"text": "a", "parts": [1e0, 0, -1, 0]}', b'{"text": "a"}', b'{"error": "a"}',
    b'{"error": 1, "field": "", "class": ""}', b"[" * 100_000, b'{"text": "", "parts": [' + b"9" * 1_000_000 + b"]}", b'{"parts": []}',
])
def test_answers_of_another_shape(answer: bytes) -> None:
    with pytest.raises(chat.ChatError, match="the template took over the process"):
        templates._text_of(templates._read_answer(answer), 1)


def test_answers_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that sends what it likes: too long, too little, or nothing for ever."""
    children = templates._Children()
    monkeypatch.setattr(templates, "_children", children)
    monkeypatch.setattr(templates, "SECONDS", 1)
    program = templates.PROGRAM
    for code, said in (("os.write(0, bytes(17 << 20))", "needed more than 16,.* bytes of text"), ("os._exit(3)", r"ended the process .* \(exit code 3\)"),
                       ("os.write(0, b'ab'); os._exit(0)", r"ended the process .* \(exit code 0\)"),
                       ("os.write(0, b'[]\\n')", "took over the process"), ("time.sleep(99)", "needed more than 0.5 seconds"),
                       ("os.write(0, b'ab'); time.sleep(99)", "needed more than 0.5 seconds"),
                       ("while True: os.write(0, b'ab'); time.sleep(0.1)", "needed more than 0.5 seconds"),
                       ("os.close(0); time.sleep(99)", "took over the process"), ("os.kill(os.getpid(), 11)", r"\(SIGSEGV\)")):
        hostile = program.replace("template_worker.main(", f"import os, time\ntemplate_worker._answer = lambda requests: exec({code!r})\ntemplate_worker.main(")
        assert hostile != program
        monkeypatch.setattr(templates, "PROGRAM", hostile)
        monkeypatch.setattr(templates, "WALL", 0.5 if "seconds" in said else 60)  # a busy machine takes its time with the others
        with pytest.raises(chat.ChatError, match=said):
            chat.Template("x", ours("v3"))
        assert not children.all


def test_templates_are_pickled_as_what_they_are_made_of() -> None:
    for trusted in (False, True):
        template = chat.Template("{{ bos_token }}{{ messages[0].content }}", ours("v3"), trusted=trusted)
        again = pickle.loads(pickle.dumps(template))
        assert chat.render(TALK, again) == chat.render(TALK, template)
        assert again.trusted == trusted


def test_trusted_templates_need_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/program")
    monkeypatch.setattr(templates, "_children", templates._Children())
    template = chat.Template("{{ 'x' * 20000000 }}", ours("v3"), trusted=True)
    assert len(chat.render(TALK, template).text) == 20_000_000
    with pytest.raises(chat.ChatError, match="the template takes more memory than there is"):
        chat.render(TALK, chat.Template("{{ ['x'] * 999999999999999 }}", ours("v3"), trusted=True))


def test_an_old_jinja2_is_refused() -> None:
    code = ("import importlib.metadata as m; old = m.version; m.version = lambda name: {'jinja2': '3.1.5'}.get(name) or old(name)\n"
            "from dstok import chat\ntry: chat.Template\nexcept chat.ChatError as error: print(error)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == 'templates need jinja2 3.1.6 or a later one, found 3.1.5: pip install -U "dstok[chat]"\n'


def test_traced_texts() -> None:
    assert {name for name in dir(Traced) if not name.startswith("_")} == {name for name in dir(str) if not name.startswith("_")}
    assert parts_of(Traced("ab")) == ((2, UNKNOWN),) == parts_of("ab")
    assert parts_of(literal("a") + "b") == ((1, LITERAL), (1, UNKNOWN)) == parts_of(joined([literal("a"), "b"]))
    assert parts_of("b" + literal("a")) == ((1, UNKNOWN), (1, LITERAL))
    with pytest.raises(TypeError, match="expected str instance, int found"):
        joined(["a", 1])  # type: ignore[list-item]
    assert dstok.errors.ChatError is chat.ChatError
