"""Methods that are imported when they are first asked for: whoever looks finds what an import at the top would give.

Each test is a process of its own, in which none has been asked for yet.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

THREADS = """
import threading
names = [name for name, value in vars(T).items() if type(value).__module__ == "dstok._util.imports" and name != "__getattr__"]
together, found = threading.Barrier(8), []
def ask():
    together.wait()
    found.append(tuple(getattr(T, name) for name in names))
threads = [threading.Thread(target=ask) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(found), len(set(found)), len(names) > 12)
"""
MOCKED = """
from unittest import mock
with mock.patch.object(T, "encode_batch", autospec=True, return_value=5):
    print(tok.encode_batch(["a"]), T.encode_batch.call_args == mock.call(tok, ["a"]))
    try: tok.encode_batch(no_parameter=5)
    except TypeError: print("TypeError")
print(tok.encode_batch(["a"]))
"""
MOCKED_MEANWHILE = """
from unittest import mock
late = vars(T)["encode_batch"]  # as a thread has it that is importing its module
with mock.patch.object(T, "encode_batch", return_value=5):
    print(late.__get__(tok, T)(["a"]), tok.encode_batch(["a"]))
print(tok.encode_batch(["a"]))
"""
TAKEN_OUT = """
import inspect
method = vars(T)["decode_batch"]
assert type(method).__module__ == "dstok._util.imports"
print(inspect.isfunction(method), inspect.signature(method) == inspect.signature(T.decode_batch))
print(inspect.getdoc(method) == inspect.getdoc(T.decode_batch), method.__module__, method(tok, [[67]]))
"""
PICKLED = """
import copy, pickle
for call in (pickle.loads(pickle.dumps(tok.encode_batch)), copy.deepcopy(tok).encode_batch, pickle.loads(pickle.dumps(tok)).encode_batch):
    print(call(["a"]), end=" ")
"""
HELP = """
import pydoc
text = pydoc.render_doc(T, renderer=pydoc.plaintext)
print("LateMethod" in text, " |  encode_batch(" in text, text.count("LateModule"))
"""


@pytest.mark.parametrize(("code", "printed"), [
    (THREADS, "8 1 True\n"),
    (MOCKED, "5 True\nTypeError\n[[67]]\n"),
    (MOCKED_MEANWHILE, "[[67]] 5\n[[67]]\n"),
    (TAKEN_OUT, "True True\nTrue dstok.methods.decoding ['a']\n"),
    (PICKLED, "[[67]] [[67]] [[67]] "),
    (HELP, "False True 0\n"),
])
def test_as_if_imported_at_the_top(code: str, printed: str) -> None:
    begin = "import dstok\nT, tok = dstok.Tokenizer, dstok.load('deepseek-v3')\n"
    done = subprocess.run([sys.executable, "-W", "error", "-X", "dev", "-c", begin + code], cwd="/", capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, printed, "")
