"""The Ray engine on a cluster of two nodes on the loopback: the bytes of the local run, after a node and a driver died.

Ray is large, so the tests do without it where it is not installed: pip install "dstok[ray]".
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from corpora_made import checksums, json_lines, many

import dstok.corpus
import dstok.training
from dstok.errors import FileError

pytestmark = pytest.mark.skipif(
    "CI" in os.environ, reason="Ray's processes take more memory than the tests may have: run by hand")

RUN = ("import dstok.corpus, ray, sys; ray.init(address=sys.argv[1], log_to_driver=False); "
       "dstok.corpus.tokenize('in', 'out', engine='ray', shard_bytes=3000)")
COUNT = ("import dstok.corpus, ray, sys; ray.init(address=sys.argv[1], log_to_driver=False); "
         "dstok.training.count('in', 'out.counts', like='gpt-2', engine='ray', shard_bytes=3000)")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head with one CPU and a node with two."""
    pytest.importorskip("ray")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    made.worker = made.add_node(num_cpus=2)
    yield made
    made.shutdown()


@pytest.fixture(autouse=True)
def _inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    json_lines(Path("in/a.jsonl"), many(2000))
    json_lines(Path("in/b/c.jsonl"), many(1000)[::-1])
    dstok.corpus.tokenize("in", "one", shard_bytes=3000, workers=1)


def driver(cluster: Any, words: str = RUN) -> subprocess.Popen[bytes]:
    folder = str(Path(dstok.__file__).parents[1])
    return subprocess.Popen([sys.executable, "-c", words, cluster.address], stderr=subprocess.PIPE,
                            env={**os.environ, "PYTHONPATH": folder})


def until_done(shards: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until so many shards are done."""
    limit = time.monotonic() + 60
    while len([*Path("out").glob("__dstok__/manifests/**/*.json")]) < shards and time.monotonic() < limit:
        assert process.poll() is None
        time.sleep(0.01)


def test_the_bytes_of_the_local_run_though_driver_and_node_die(cluster: Any) -> None:
    first = driver(cluster)
    until_done(5, first)
    first.send_signal(signal.SIGKILL)
    first.wait()
    half = len([*Path("out").glob("__dstok__/manifests/**/*.json")])
    second = driver(cluster)
    until_done(half + 5, second)
    cluster.remove_node(cluster.worker, allow_graceful=False)
    _, error = second.communicate(timeout=120)
    cluster.worker = cluster.add_node(num_cpus=2)
    assert second.returncode == 0, error.decode()
    assert checksums(Path("out")) == checksums(Path("one"))
    assert not [*Path("out").glob("__dstok__/.*.tmp")]


def test_as_many_workers_as_there_are_cpus_and_bad_documents(cluster: Any) -> None:
    """No hang; and the error of a task is that of the document."""
    ray = pytest.importorskip("ray")
    ray.init(address=cluster.address, log_to_driver=False,
             runtime_env={"env_vars": {"PYTHONPATH": str(Path(dstok.__file__).parents[1])}})
    try:
        reports = list[dstok.corpus.ShardReport]()
        done = dstok.corpus.tokenize("in", "out", shard_bytes=3000, engine="ray", workers=3, progress=reports.append)
        assert checksums(Path("out")) == checksums(Path("one")) and len(reports) == done.shards
        Path("in/bad.jsonl").write_bytes(b"{\n")
        with pytest.raises(FileError, match="bad.jsonl: line 1: expected JSON"):
            dstok.corpus.tokenize("in/bad.jsonl", "other", engine="ray")
    finally:
        ray.shutdown()


def test_counts_of_the_local_run_though_a_driver_dies(cluster: Any) -> None:
    expected = dstok.training.count("in", "one.counts", like="gpt-2", shard_bytes=3000, workers=1)
    first, limit = driver(cluster, COUNT), time.monotonic() + 60
    while len([*Path("out.counts.work").glob("work/*.json")]) < 6 and time.monotonic() < limit:
        assert first.poll() is None
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert not Path("out.counts").exists()
    second = driver(cluster, COUNT)
    _, error = second.communicate(timeout=120)
    assert second.returncode == 0, error.decode()
    assert Path("out.counts").read_bytes() == Path(expected.path).read_bytes()
    assert not Path("out.counts.work").exists()
