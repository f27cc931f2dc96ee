"""Models of the hub and encodings of tiktoken by name: from their caches, and downloaded where that is asked for."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cli_process import DSTOK, fails
from judges import rank_file
from small_models import model_json

import dstok
from dstok.errors import ArgumentError, ModelNotFoundError
from dstok.models import caches as hub
from dstok.models import caches as tiktoken_cache

COMMIT, OLD = "a" * 40, "b" * 40
FILES = {"tokenizer.json": model_json([(b"a", b"b")]), "tokenizer_config.json": json.dumps({"chat_template": "T"})}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def put(cache: Path, files: dict[str, str], commit: str = COMMIT, ref: str = "main") -> Path:
    """A model in the cache as huggingface_hub lays it out: blobs, snapshots with links to them, refs."""
    folder = cache / "models--org--name"
    snapshot = folder / "snapshots" / commit
    for place in (folder / "blobs", folder / "refs", snapshot):
        place.mkdir(parents=True, exist_ok=True)
    if ref:
        (folder / "refs" / ref).write_text(commit, encoding="utf-8")
    for name, text in files.items():
        digest = hashlib.sha1(text.encode()).hexdigest()
        (folder / "blobs" / digest).write_text(text, encoding="utf-8")
        (snapshot / name).symlink_to(f"../../blobs/{digest}")
    return snapshot


def test_a_model_in_the_hubs_cache(cache: Path) -> None:
    put(cache, FILES)
    put(cache, {"tokenizer.json": model_json([])}, OLD, "v1")
    tok = dstok.load("org/name")
    assert tok.encode("ab") == [256] and tok.config.chat_template == "T"
    for revision in ("v1", OLD):
        assert dstok.load("org/name", revision=revision).encode("ab") == [97, 98]
    assert dstok.load("org/name", revision=COMMIT).fingerprint == tok.fingerprint


def test_where_something_is_missing(cache: Path) -> None:
    """The error says what was looked for, and where."""
    with pytest.raises(ModelNotFoundError, match=rf"^org/name: not in the hub's cache: .*{cache}/models--org--name, found "
                                                 r"none; load\(\.\.\., download=True\) or `dstok fetch org/name`"):
        dstok.load("org/name")
    snapshot = put(cache, {"tokenizer_config.json": "{}"})
    with pytest.raises(ModelNotFoundError, match=rf"only a part of this model: expected tokenizer.json, tekken.* in {snapshot}, found"):
        dstok.load("org/name")
    with pytest.raises(ModelNotFoundError, match="the revision v9 is not in the hub's cache: expected .*/refs/v9 or the fol"):
        dstok.load("org/name", revision="v9")
    marks = cache / "models--org--name" / ".no_exist" / COMMIT
    marks.mkdir(parents=True)
    (marks / "tokenizer.json").touch()
    with pytest.raises(ModelNotFoundError, match="this model has no tokenizer.json, as .*models--org--name says, and its cache no tekken"):
        dstok.load("org/name")


def test_a_file_of_another_kind(cache: Path) -> None:
    """The files that `load` reads in a folder: here one whose Python file is missing."""
    snapshot = put(cache, {"tiktoken.model": "".join(f"{b64encode(bytes([byte])).decode()} {byte}\n" for byte in range(256))})
    assert hub.hub_file("org/name", None, False) == str(snapshot / "tiktoken.model")
    with pytest.raises(dstok.errors.UnsupportedError, match=r"without the tokenization_kimi\.py of its model"):
        dstok.load("org/name")


@pytest.mark.parametrize("name", list(FILES))
def test_a_link_to_no_file(cache: Path, name: str) -> None:
    snapshot = put(cache, FILES)
    (snapshot / name).resolve().unlink()
    with pytest.raises(ModelNotFoundError, match=f"only a part of this model: .*{name}"):
        dstok.load("org/name")


def test_a_broken_file_in_the_cache(cache: Path) -> None:
    put(cache, {**FILES, "tokenizer.json": FILES["tokenizer.json"][:100]})
    with pytest.raises(dstok.errors.TokenizerFileError, match=r"tokenizer\.json"):
        dstok.load("org/name")


@pytest.mark.parametrize("name", ["a/b/c", "org/..", "org/na--me", "o rg/name", "org/", "org/name\n", "org/n\0me", "org\\x/name"])
def test_names_that_are_none_of_the_hubs(cache: Path, name: str) -> None:
    put(cache, FILES)
    assert not hub.is_hub_name(name)
    with pytest.raises(ModelNotFoundError, match="^no built-in model"):
        dstok.load(name)


@pytest.mark.parametrize("revision", ["..", "../main", "refs/../main", "/etc", "", "a\0", "-x", 5, "x" * 200])
def test_revisions_that_are_none(cache: Path, revision: Any) -> None:
    put(cache, FILES)
    with pytest.raises(ArgumentError, match="expected a branch, tag or commit"):
        dstok.load("org/name", revision=revision)


def test_built_in_names_and_paths_have_no_revision(tmp_path: Path) -> None:
    assert dstok.load("deepseek-ai/DeepSeek-V3", download=True).name == "deepseek-v3"
    for name, what in (("deepseek-ai/DeepSeek-V3", "the built-in deepseek-v3"), (tmp_path, "a path"),
                       ("o200k_base", "tiktoken's o200k_base")):
        with pytest.raises(ArgumentError, match=f"^expected a revision of a model of the hub, found one of {what}$"):
            dstok.load(name, revision="main")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "find_spec", lambda name: None)
    with pytest.raises(ModelNotFoundError, match=r'^org/name: models of the hub need .*: pip install "dstok\[hub\]"$'):
        dstok.load("org/name")


class Hub(BaseHTTPRequestHandler):
    """The answers of a hub with one model."""

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        path = self.path.partition("?")[0]
        if path in ("/api/models/org/name", "/api/models/org/name/revision/main"):
            siblings = [{"rfilename": name} for name in [*FILES, "model.safetensors"]]
            data = json.dumps({"id": "org/name", "sha": COMMIT, "siblings": siblings}).encode()
        elif path == "/api/models/org/name/tree/main" or path == f"/api/models/org/name/tree/{COMMIT}":
            data = json.dumps([{"type": "file", "path": name, "size": len(text.encode()), "oid": name}
                               for name, text in FILES.items()]).encode()
        elif path.startswith(f"/org/name/resolve/{COMMIT}/") and path.rpartition("/")[2] in FILES:
            data = FILES[path.rpartition("/")[2]].encode()
        else:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, *arguments: Any) -> None:
        """Says nothing."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def surroundings(home: Path, endpoint: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING", "TIKTOKEN", "DATA_GYM"))}
    return {**kept, "HF_HOME": str(home), "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_TELEMETRY": "1", "NO_PROXY": "127.0.0.1"}


def test_a_download(tmp_path: Path, endpoint: str) -> None:
    """Only if it is asked for, and only the files of the tokenizer; then `load` finds them without a server."""
    pytest.importorskip("huggingface_hub")
    program = "import dstok, sys; tok = dstok.load('org/name', download='get' in sys.argv); print(tok.encode('ab'), tok.config.chat_template)"

    def loaded(*words: str, endpoint: str = endpoint) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([sys.executable, "-c", program, *words], env=surroundings(tmp_path, endpoint),
                              capture_output=True, check=False)

    assert b"not in the hub's cache" in loaded().stderr and not (tmp_path / "hub").exists()
    done = loaded("get")
    assert done.stdout == b"[256] T\n", done.stderr
    snapshot = tmp_path / "hub" / "models--org--name" / "snapshots" / COMMIT
    assert sorted(path.name for path in snapshot.iterdir()) == sorted(FILES)
    dead = "http://127.0.0.1:9"
    assert loaded(endpoint=dead).stdout == b"[256] T\n"
    fetched = subprocess.run([*DSTOK, "fetch", "org/name"], env=surroundings(tmp_path / "other", endpoint), capture_output=True,
                             check=True)
    assert Path(fetched.stdout.decode().strip()).read_text(encoding="utf-8") == FILES["tokenizer.json"]
    for name, given in (("org/none", endpoint), ("org/name", dead)):
        failed = subprocess.run([*DSTOK, "fetch", name], env=surroundings(tmp_path / "third", given), capture_output=True, check=False)
        assert failed.returncode == 2 and failed.stderr.decode().startswith(f"dstok: {name}: the download failed: "), failed


def test_an_encoding_in_tiktokens_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = rank_file("cl100k_base")
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    path = tmp_path / "9b5ad71b2ce5302211f9c61530b329a4922fc6a4"  # as tiktoken calls it
    with pytest.raises(ModelNotFoundError, match=rf"^cl100k_base: not in tiktoken's cache: expected {path} with SHA-256 .*fetch"):
        dstok.load("cl100k_base")
    path.write_bytes(data[:-1])
    with pytest.raises(ModelNotFoundError, match="not in tiktoken's cache: .* with SHA-256"):
        dstok.load("cl100k_base")
    path.write_bytes(data)
    tok = dstok.load("cl100k_base")
    assert tok.encode("it is 42<|endoftext|>") == [275, 374, 220, 2983, 100257]
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR")
    monkeypatch.setenv("DATA_GYM_CACHE_DIR", str(tmp_path))
    assert dstok.load("cl100k_base", download=True).vocab_size == 100277


def test_tiktokens_cache_is_where_tiktoken_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network: each address that tiktoken itself would ask for is the one whose file is looked for."""
    public = pytest.importorskip("tiktoken_ext.openai_public")
    asked: list[tuple[str, str]] = []

    def noted(address: str, expected_hash: str) -> dict[bytes, int]:
        asked.append((address, expected_hash))
        return {}

    monkeypatch.setattr(public, "load_tiktoken_bpe", noted)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    for name in ("r50k_base", "p50k_base", "p50k_edit", "cl100k_base", "o200k_base"):
        getattr(public, name)()
        with pytest.raises(ModelNotFoundError, match=hashlib.sha1(asked[-1][0].encode()).hexdigest() + ".*" + asked[-1][1]):
            dstok.load(name)


def test_encodings_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelNotFoundError, match=r"^tiktoken has no rank file of gpt2: .*from_tiktoken takes its ranks$"):
        dstok.load("gpt2")
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    with pytest.raises(ModelNotFoundError, match="TIKTOKEN_CACHE_DIR is empty"):
        dstok.load("o200k_base")
    monkeypatch.setattr(tiktoken_cache, "find_spec", lambda name: None)
    with pytest.raises(ModelNotFoundError, match=r'pip install "dstok\[tiktoken\]"'):
        dstok.load("o200k_base", download=True)


def test_fetch_of_what_needs_none() -> None:
    assert "no built-in model 'x'" in fails("fetch", "x")
