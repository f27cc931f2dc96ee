"""What release/ says of dstok is what pyproject.toml says; what it finds wrong with a wheel; what the workflow runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
RELEASE = CHECKOUT / "release"
WORKFLOW = CHECKOUT / ".github" / "workflows" / "release.yml"
if not RELEASE.is_dir():
    pytest.skip("not a checkout", allow_module_level=True)
PROJECT = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")


def listed(name: str) -> list[str]:
    """A list of pyproject.toml that stands on one line."""
    found = re.search(rf"^{name} = \[(.*)\]$", PROJECT, re.M)
    assert found, name
    return re.findall(r'"([^"]+)"', found[1])


def of_recipe(section: str) -> set[str]:
    """What conda's recipe needs, without spaces, but for what is conda's own."""
    recipe = (RELEASE / "conda" / "meta.yaml").read_text(encoding="utf-8")
    body = re.search(rf"^  {section}:\n((?:    - .*\n)+)", recipe, re.M)
    assert body
    return {line.strip("- ").replace(" ", "") for line in body[1].splitlines()} - {"python", "pip"}


def test_conda() -> None:
    assert of_recipe("run") == set(listed("dependencies"))
    assert of_recipe("host") == set(listed("requires"))


def test_one_place_for_the_version() -> None:
    check = checker()
    assert 'dynamic = ["urls", "version"]' in PROJECT and not re.search(r"^version = \"", PROJECT, re.M)
    import dstok

    assert check.version() == dstok.__version__


def test_what_the_owner_has_not_set_is_told() -> None:
    """release/README.md lists each setting; the README says that one is unset while one is."""
    owner = tomllib.loads((RELEASE / "owner.toml").read_text(encoding="utf-8"))
    page = (RELEASE / "README.md").read_text(encoding="utf-8")
    settings = {**owner["urls"], "contact": owner["security"]["contact"]}
    assert all(f"`{name}`" in page for name in settings)
    assert all(value == "" or value.startswith("https://") or (name == "contact" and "@" in value)
               for name, value in settings.items())
    told = "release/owner.toml" in (CHECKOUT / "README.md").read_text(encoding="utf-8")
    assert told == (not all(settings.values()))
    contact = settings["contact"]
    assert contact in (CHECKOUT / "SECURITY.md").read_text(encoding="utf-8")


def test_the_tests_that_wheels_pass_are_there() -> None:
    """Those that cibuildwheel runs are those of release/installed, which is tried here."""
    def named(text: str) -> set[str]:
        return set(re.findall(r"tests/\w+/\w+\.py", text))

    installed = named((RELEASE / "installed").read_text(encoding="utf-8"))
    here, *_ = re.findall(r"^test-command = .*$", PROJECT, re.M)
    assert named(here) == installed and all((CHECKOUT / path).is_file() for path in installed)


@pytest.mark.skipif(not WORKFLOW.is_file(), reason="the source archive has no workflow")
def test_what_the_workflow_runs_cannot_change() -> None:
    """Each action of others is named by a commit; a tag or a branch could be moved under a release's feet."""
    used = re.findall(r"uses: (.*)", WORKFLOW.read_text(encoding="utf-8"))
    assert used and all(re.match(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line) for line in used), used


def test_the_source_archive_has_what_tests_its_wheels() -> None:
    """Wheels are built and tested from the archive alone: it has the tests of wheels, and what checks these."""
    grafted = set(re.findall(r"^graft (\S+)$", (CHECKOUT / "MANIFEST.in").read_text(encoding="utf-8"), re.M))
    assert {"release", *listed("test-sources")} - {"pyproject.toml"} <= grafted


def checker() -> ModuleType:
    sys.path.insert(0, str(RELEASE))
    try:
        import check_wheel
    finally:
        sys.path.remove(str(RELEASE))
    found: ModuleType = check_wheel
    return found


@pytest.fixture
def wheel(tmp_path: Path) -> Any:
    """Writes a wheel that is right but for what is given: names of more files, names left out, bytes of each module."""
    check = checker()
    core = CHECKOUT / "dstok" / "core"
    modules = [path.relative_to(core).with_suffix("").as_posix() for path in core.rglob("*.pyx")] + ["_shared"]
    path = tmp_path / f"dstok-{check.version()}-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl"

    def write(more: tuple[str, ...] = (), without: tuple[str, ...] = (), data: bytes = b"GLIBC_2.17") -> Path:
        names = [f"dstok/core/{name}.cpython-311-x86_64-linux-gnu.so" for name in modules] + ["dstok/py.typed", "dstok/__init__.py"]
        names += [f"dstok-{check.version()}.dist-info/licenses/{name}" for name in check.LICENCES]
        with zipfile.ZipFile(path, "w") as archive:
            for name in [*names, *more]:
                if Path(name).name.split(".cpython")[0] not in without:
                    archive.writestr(name, data if name.endswith(".so") else b"")
        return path

    return write


def test_a_good_wheel(wheel: Any) -> None:
    assert list(checker().faults(wheel())) == []


@pytest.mark.parametrize(("tag", "allowed"), [
    ("manylinux2014_x86_64.manylinux_2_17_x86_64", (2, 17)), ("musllinux_1_2_aarch64", (0, 0)), ("macosx_11_0_arm64", None),
])
def test_what_a_tag_allows(tag: str, allowed: tuple[int, int] | None) -> None:
    """musl knows no symbol of glibc: a wheel for it that asks for one was made by the wrong compiler."""
    check = checker()
    assert check.allowed(f"dstok-0.1.0-cp311-cp311-{tag}.whl") == allowed
    found = list(check.faults_of_module("_bpe.so", b"\0GLIBC_2.2.5\0", allowed))
    assert bool(found) == (allowed == (0, 0)), found


def test_a_wheel_that_is_too_large(wheel: Any) -> None:
    check, path = checker(), wheel()
    data = path.read_bytes()
    for size, found in ((6_600_000, []), (6_600_001, ["expected at most 6600000 bytes, found 6600001"])):
        path.write_bytes(bytes(size - len(data)) + data)  # what stands before a zip file is no part of it
        assert list(check.faults(path)) == found


@pytest.mark.parametrize(("changes", "fault"), [
    ({"more": ("dstok/core/bpe/merge.pyx",)}, "expected no dstok/core/bpe/merge.pyx"),
    ({"more": ("tests/test_a.py",)}, "expected no tests/test_a.py"),
    ({"without": ("_shared",)}, "expected the modules"),
    ({"without": ("LICENSE-UNICODE.txt",)}, "expected py.typed and all licences, found none of ['LICENSE-UNICODE.txt']"),
    ({"without": ("py.typed",)}, "expected py.typed and all licences, found none of py.typed"),
    ({"data": b"\0__isoc23_strtol\0"}, "expected no functions of C23"),
    ({"data": b"GLIBC_2.3.4\0GLIBC_2.34\0"}, "expected symbols of glibc (2, 17) at most, found (2, 34)"),
])
def test_what_is_wrong(wheel: Any, changes: dict[str, Any], fault: str) -> None:
    found = list(checker().faults(wheel(**changes)))
    assert found and all(line.startswith(fault) for line in found)


def test_packing_a_wheel_keeps_its_files(wheel: Any, tmp_path: Path) -> None:
    """By the packer that it finds, which is here zlib's without any packing."""
    folder = tmp_path / "site" / "zopfli"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "zlib.py").write_text("from zlib import compress as zlib\n"
                                    "def compress(data, numiterations, blocksplittingmax): return zlib(data, 0)\n")
    path = wheel()
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("dstok/many.py", b"a" * 10_000)
    before = contents(path)
    done = subprocess.run([sys.executable, str(RELEASE / "pack_wheel.py"), str(path)], capture_output=True,
                          text=True, env={**os.environ, "PYTHONPATH": str(folder.parent)})
    assert done.returncode == 0 and path.name in done.stdout, done.stderr
    assert contents(path) == before and path.stat().st_size > 10_000
    assert {*tmp_path.iterdir()} == {path, folder.parent}


def contents(path: Path) -> list[tuple[str, bytes, tuple[int, ...], int]]:
    with zipfile.ZipFile(path) as archive:
        return [(info.filename, archive.read(info), info.date_time, info.external_attr) for info in archive.infolist()]
