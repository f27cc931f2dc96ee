"""The view's server: who is not meant is refused, what is asked is answered as the library says, and nothing leaks."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from time import sleep
from typing import Any
from urllib.parse import urlsplit

import pytest
from cli_process import fails, ok, run, tiny_model
from real_models import V3
from view_server import served, started

from dstok import chat
from dstok.viewer import Sheet, read
from dstok.viewer.html import page_of
from dstok.viewer.server import MAX_BODY, MAX_RESULTS, Asked, GoneError, Requests, ViewServer

TEXT = "Hello 🦙 <｜User｜> naïve\n"
SETTINGS = {"model": "deepseek-v3", "other": "", "special": "all", "kind": "", "bos": False, "eos": False}


class Client:
    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        assert parts.port
        self.port, self.key = parts.port, parts.path.strip("/")

    def raw(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, Any, bytes]:
        """Status, headers, body of a request to a path, just as it is written."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            given = {"Host": f"127.0.0.1:{self.port}", **({"Content-Length": str(len(body))} if body is not None else {}), **(headers or {})}
            for name, value in given.items():
                if value:
                    connection.putheader(name, value)
            connection.endheaders(body)
            reply = connection.getresponse()
            return reply.status, reply.headers, reply.read()
        finally:
            connection.close()

    def get(self, name: str, **headers: str) -> tuple[int, Any, bytes]:
        return self.raw("GET", f"/{self.key}/{name}", headers=headers)

    def encode(self, text: str | None, **settings: Any) -> tuple[int, Any]:
        body = json.dumps({"text": text, **SETTINGS, **settings}).encode()
        status, _, data = self.raw("POST", f"/{self.key}/encode", body)
        return status, json.loads(data)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    file = tmp_path_factory.mktemp("view") / "text"
    file.write_text(TEXT, encoding="utf-8")
    with served(file) as address:
        yield Client(address)


def test_what_is_asked_is_answered(client: Client) -> None:
    status, headers, data = client.get("")
    assert status == 200 and b"<title>dstok view</title>" in data
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert (headers["Cache-Control"], headers["X-Content-Type-Options"], headers["Server"]) == ("no-store", "nosniff", "dstok")
    for name in ("base.css", "view.css", "data.js", "rows.js", "details.js", "view.js"):
        assert client.get(name)[0] == 200
    start = json.loads(client.get("start")[2])
    assert start["text"] == TEXT and start["models"][0] == "deepseek-v3" and start["versions"]["v3.2"] == "deepseek-v3.2"
    status, made = client.encode(None)
    assert status == 200 and made["first"]["tokens"][0]["ids"] == V3.encode(TEXT)
    result = made["result"]
    assert json.loads(client.get(f"section?result={result}&number=0")[2]) == made["first"]
    assert json.loads(client.get(f"export?result={result}")[2])["text"] == TEXT
    assert client.get(f"page?result={result}")[2].decode() == page_of(Sheet([read(V3, TEXT)]))
    assert json.loads(client.get(f"piece?result={result}&side=0&number=0")[2])["hex"] == b"Hello".hex()


def test_lone_surrogates_come_and_go(client: Client) -> None:
    status, made = client.encode("a\ud800")
    assert status == 200 and made["header"]["models"][0]["notes"] == ["1 lone surrogate became U+FFFD"]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost", "[::1]:{port}", "127.0.0.1:{port}.evil.example", ""])
def test_another_host(client: Client, host: str) -> None:
    """As a page elsewhere would send it, whose name leads to this machine."""
    status, _, data = client.get("start", Host=host.format(port=client.port))
    assert status == 403 and TEXT[:5].encode() not in data


def test_localhost_is_this_machine(client: Client) -> None:
    assert client.get("start", Host=f"localhost:{client.port}")[0] == 200


def test_a_page_from_elsewhere(client: Client) -> None:
    assert client.get("start", Origin="https://evil.example")[0] == 403
    assert client.get("start", Origin="null")[0] == 403
    assert client.get("start", Origin=f"http://127.0.0.1:{client.port}")[0] == 200


@pytest.mark.parametrize("path", ["/", "/start", "/{wrong}/start", "/{key}", "/{key}x/start", "/{key}/../start",
                                  "/{key}/../../etc/passwd", "/{key}/files/base.css", "/{key}/%2e%2e/%2e%2e/etc/passwd",
                                  "/{key}//etc/passwd", "/{key}/view.py", "/{key}/editor.html", "*", "http://evil.example/{wrong}/"])
def test_another_key_or_a_path_outside(client: Client, path: str) -> None:
    status, _, data = client.raw("GET", path.format(key=client.key, wrong="x" * len(client.key)))
    assert status == 404 and json.loads(data) == {"error": "no such page"}


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "HEAD", "TRACE"])
def test_other_methods(client: Client, method: str) -> None:
    assert client.raw(method, f"/{client.key}/start")[0] == 501


@pytest.mark.parametrize("length", [str(MAX_BODY + 1), "1" * 5000], ids=["one byte", "5000 digits"])
def test_a_body_that_is_too_large_is_not_read(client: Client, length: str) -> None:
    status, _, data = client.raw("POST", f"/{client.key}/encode", headers={"Content-Length": length})
    assert status == 413 and b"at most 64 MB" in data


@pytest.mark.parametrize("length", ["-1", "x", "1_0", "", "²"])
def test_a_body_of_no_length(client: Client, length: str) -> None:
    with socket.create_connection(("127.0.0.1", client.port), 60) as connection:
        head = f"POST /{client.key}/encode HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\n" + (f"Content-Length: {length}\r\n" if length else "")
        connection.sendall(f"{head}\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 411 ")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"\xff", b"[" * 100_000, b'{"text": 7}', b"{}"])
def test_a_body_that_is_no_text(client: Client, body: bytes) -> None:
    status, _, data = client.raw("POST", f"/{client.key}/encode", body)
    assert status in (400, 422) and "expected" in json.loads(data)["error"]


@pytest.mark.parametrize("settings", [{"model": "/etc/passwd"}, {"model": "./tokenizer.json"}, {"other": "tokenizers:/etc/passwd"},
                                      {"model": ""}, {"special": "some"}, {"bos": 1}, {"kind": "v9"}, {"kind": "v3"}, {"model": None}])
def test_settings_that_the_page_does_not_offer(client: Client, settings: dict[str, Any]) -> None:
    """No request opens a file."""
    status, found = client.encode("x", **settings)
    assert status == 422 and found["error"] and "passwd" not in found["error"]


def test_places_that_are_none(client: Client) -> None:
    result = client.encode("x")[1]["result"]
    for query in ("section?result={}&number=1", "section?result={}&number=-1", "piece?result={}&side=1&number=0", "piece?result={}&side=0&number=9"):
        assert client.get(query.format(result))[0] == 404
    for query in ("section?result={}&number=x", "section?result={}", "piece?result={}&side=0"):
        assert client.get(query.format(result))[0] == 422
    assert client.get("section?result=none&number=0")[0] == 410


def test_few_results_are_kept(client: Client) -> None:
    first = client.encode("first")[1]["result"]
    for number in range(MAX_RESULTS):
        client.encode(str(number))
    status, _, data = client.get(f"section?result={first}&number=0")
    assert status == 410 and "no longer kept" in json.loads(data)["error"]


def test_large_results_are_not_heaped_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of texts with more tokens than all results may have together, the newest is there."""
    monkeypatch.setattr("dstok.viewer.server.MAX_TOKENS", 1000)
    monkeypatch.setattr("dstok.viewer.server.MAX_TEXT", 9000)
    asked = Asked("", "mine")
    requests = Requests({"mine": lambda asked, name: read(V3, asked.text, name=name)}, asked)

    def encode(tokens: int) -> str:
        return str(requests.encode({**asked._asdict(), "text": " a" * tokens})["result"])

    names = [encode(490) for _ in range(3)]
    assert len(requests.result(names[1])) == len(requests.result(names[2])) > 0
    with pytest.raises(GoneError):
        requests.result(names[0])
    assert len(requests.result(encode(1001))) > 0
    with pytest.raises(GoneError):
        requests.result(names[2])
    with pytest.raises(ValueError, match="expected a text of at most"):
        encode(5000)


def test_two_hundred_at_once(client: Client) -> None:
    texts = [f"{TEXT}{number}" for number in range(200)]
    with ThreadPoolExecutor(200) as pool:
        found = list(pool.map(client.encode, texts))
    assert all(status == 200 and made["first"]["tokens"][0]["ids"] == V3.encode(text) for text, (status, made) in zip(texts, found))


def test_clients_that_go_away(client: Client) -> None:
    """In the middle of what they send, or before they have read the answer. `served` sees that no word is said of it."""
    body = json.dumps({"text": "word " * 200_000, **SETTINGS}).encode()
    head = f"POST /{client.key}/encode HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    for sent in (head[:40], head, head + body[:1000], head + body):
        for _ in range(3):
            connection = socket.create_connection(("127.0.0.1", client.port), 60)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing resets it
            connection.sendall(sent)
            connection.close()
    assert client.encode("fine")[0] == 200


def test_it_listens_at_this_machine_alone(client: Client) -> None:
    """Every other address of the machine refuses: on Linux it has all of 127.0.0.0/8; others if its name leads to them."""
    others = {"127.0.0.2"} if sys.platform == "linux" else set()
    with suppress(socket.gaierror):
        others |= {str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for place in others - {"127.0.0.1"}:
        with pytest.raises(OSError, match="refused|timed out|unreachable|cannot assign"):
            socket.create_connection((place, client.port), 2)


def test_two_addresses_have_two_keys(client: Client) -> None:
    with served() as address:
        assert Client(address).key != client.key


def test_ctrl_c_ends_it_while_clients_wait() -> None:
    process, address = started()
    waiting = [socket.create_connection(("127.0.0.1", Client(address).port), 60) for _ in range(5)]
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0 and process.communicate()[1].strip() == ""
    for connection in waiting:
        connection.close()


# Its limits


@contextmanager
def limited(monkeypatch: pytest.MonkeyPatch, **limits: float) -> Iterator[tuple[ViewServer, Client]]:
    """A server in this process with other limits."""
    for name, value in limits.items():
        monkeypatch.setattr(f"dstok.viewer.server.{name}", value)
    requests = Requests({"deepseek-v3": lambda asked, name: read(V3, asked.text, name=name)}, Asked("", "deepseek-v3"))
    with ViewServer(requests) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server, Client(server.address)
        finally:
            server.shutdown()
            thread.join()


def sent(client: Client, data: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", client.port), 60)
    connection.sendall(data)
    return connection


def answer(connection: socket.socket) -> tuple[int, str]:
    """Status and error of an answer, after which the server closes."""
    with connection:
        found = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    head, _, body = found.partition(b"\r\n\r\n")
    return (int(head.split()[1]), json.loads(body)["error"]) if found else (0, "")


def head(client: Client, name: str, size: int | None = None) -> bytes:
    length = "" if size is None else f"Content-Length: {size}\r\n"
    return f"{'GET' if size is None else 'POST'} /{client.key}/{name} HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\n{length}\r\n".encode()


def until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        sleep(0.01)
    raise AssertionError("it does not come to hold")


def test_too_many_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that came first are answered. A later one is told, and further ones are closed."""
    with limited(monkeypatch, MAX_CONNECTIONS=4, MAX_REFUSED=2) as (server, client):
        first = [sent(client, b"") for _ in range(4)]
        until(lambda: server.connections == 4)
        refused = sent(client, head(client, "start"))
        status, error = answer(refused)
        assert (status, error) == (503, "expected at most 4 connections, found more: try again later")
        more = [sent(client, b"") for _ in range(9)]
        until(lambda: server.connections <= 6)
        first[0].sendall(head(client, "start"))
        assert first[0].recv(100).startswith(b"HTTP/1.1 200 ")
        for connection in (*first, *more):
            connection.close()
        until(lambda: server.connections == 0)
        assert client.get("start")[0] == 200 and not server.crowded


def test_a_large_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own server takes 100 lines of 64 KB. The client gets its answer, though it sends all before it reads."""
    with limited(monkeypatch) as (_, client):
        lines = b"".join(b"X-%d: %s\r\n" % (number, b"x" * 60_000) for number in range(60))
        assert answer(sent(client, head(client, "start")[:-2] + lines)) == (431, "expected a head of at most 128 KB, found a larger one")


@pytest.mark.parametrize("part", ["head", "body"])
def test_a_slow_sender(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is silent, or goes on byte by byte."""
    with limited(monkeypatch, PATIENCE=0.3, FAREWELL=0.1) as (server, client):
        whole = head(client, "encode", 1000) + b"x" * 100
        connection = sent(client, whole[:40] if part == "head" else whole)
        assert answer(connection) == (408, "expected a request within 0.3 seconds, found a part of one")
        connection = sent(client, whole[:40] if part == "head" else whole)
        with suppress(OSError):
            until(lambda: not connection.send(b"x"))  # a send fails when the server has closed
        assert server.held == 0
        assert answer(sent(client, b"")) == (0, ""), "an idle connection is closed without a word"


def test_half_sent_bodies(monkeypatch: pytest.MonkeyPatch) -> None:
    """They have so much memory together. The next one is refused, until one of them goes."""
    with limited(monkeypatch, MAX_HELD=3_000_000, FAREWELL=0.1) as (server, client):
        halves = [sent(client, head(client, "encode", size) + b"x" * (size // 2)) for size in (2_000_000, 900_000)]
        until(lambda: server.held == 2_900_000)
        assert answer(sent(client, head(client, "encode", 500_000) + b"x" * 499_999)) == (503, "too many requests at one time: try again later")
        halves[0].close()
        until(lambda: server.held == 900_000)
        assert client.encode("x")[0] == 200
        halves[1].close()


def test_a_client_that_sends_all_of_a_large_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """It gets the refusal, and no broken connection."""
    with limited(monkeypatch, MAX_BODY=1 << 20) as (_, client):
        assert answer(sent(client, head(client, "encode", 20 << 20) + bytes(20 << 20)))[0] == 413


def test_answers_that_nobody_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    with limited(monkeypatch, FAREWELL=0.1) as (server, client):
        export = head(client, f"export?result={client.encode('word ' * 400_000)[1]['result']}")
        waiting = sent(client, export)
        assert waiting.recv(100).startswith(b"HTTP/1.1 200 ") and server.held
        assert answer(sent(client, export))[0] == 503
        waiting.close()
        until(lambda: server.held == 0)
        monkeypatch.setattr("dstok.viewer.server.PATIENCE", 0.3)
        with sent(client, export) as waiting:
            assert waiting.recv(100).startswith(b"HTTP/1.1 200 ")
            until(lambda: server.held == 0)  # it has waited long enough


# The command


def test_a_page_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text").write_text(TEXT, encoding="utf-8")
    assert ok("view", "--output", "page.html", "text") == b""
    page = Path("page.html").read_text(encoding="utf-8")
    assert "<title>text: tokens</title>" in page and f"deepseek-v3: {V3.count(TEXT)} tokens" in page
    assert "://" not in page and "src=" not in page and "<link" not in page
    assert ok("view", "--output", "-", "--model", "deepseek-v4", "-", stdin=TEXT.encode()).startswith(b"<!DOCTYPE html>")


@pytest.mark.skipif(sys.platform != "linux", reason="file names are Unicode here")
def test_a_file_whose_name_is_no_utf_8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name = os.fsdecode(b"n\xff")
    Path(name).write_text(TEXT, encoding="utf-8")
    ok("view", "--output", "page.html", name)
    assert "<title>n?: tokens</title>" in Path("page.html").read_text(encoding="utf-8")


def test_a_tokenizer_of_another_library_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text").write_text("ab <> c", encoding="utf-8")
    tiny = tiny_model(tmp_path / "tokenizer.json")
    ok("view", "--model", tiny, "--compare", f"tokenizers:{tiny}", "--output", "page.html", "text")
    data = json.loads(Path("page.html").read_text(encoding="utf-8").split('id="data">')[1].split("</script>")[0])
    assert data["differences"] == {"places": 0, "tokens": [0, 0], "ids": True} and data["pieces"][1] is None
    ok("view", "--compare", tiny, "--output", "other.html", "text")
    assert "command:false: RuntimeError: exit code 1" in fails("view", "--compare", "command:false", "--output", "x.html", "text")
    assert "whose bytes make up the text" in fails("view", "--compare", "command:echo 1", "--output", "x.html", "text")
    assert "text: expected a conversation as JSON: exp" in fails("view", "--chat", "v3", "--output", "x.html", "text")
    for option in ("--compare", "--model"):
        assert fails("view", option, "nobody", "--output", "x.html", "text").startswith("dstok: no built-in model 'nobody'")


def test_conversations_have_messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("talk").write_text(json.dumps([{"role": "user", "content": "<｜User｜>"}]), encoding="utf-8")
    ok("view", "--chat", "v3", "--output", "page.html", "talk")
    ok("view", "--chat", "v3.2", "--output", "other.html", "talk")  # with V3.2's model
    assert "v4.1 has no built-in model" in fails("view", "--chat", "v4.1", "--output", "x.html", "talk")
    data = json.loads(Path("page.html").read_text(encoding="utf-8").split('id="data">')[1].split("</script>")[0])
    encoded = chat.encode(V3, [{"role": "user", "content": "<｜User｜>"}], "v3")
    assert data["tokens"][0]["ids"] == encoded.ids and data["models"][0]["messages"][0] == {"role": "user", "tokens": 6}


def test_bad_usage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad").write_bytes(b"a\xff")
    assert "expected utf-8, found byte 0xff at byte offset 1" in fails("view", "bad")
    assert "--output is for a FILE" in fails("view", "--output", "x.html")
    assert "one file" in fails("view", "bad", "bad")
    assert "no-such-model" in fails("view", "--model", "no-such-model")
    assert "--port 70000: expected at most 65535" in fails("view", "--port", "70000")
    assert run("view", "--output", "x.html", "--errors", "replace", "bad").returncode == 0
    with served() as address:
        assert "address already in use" in fails("view", "--port", str(Client(address).port))
