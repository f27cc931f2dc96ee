"""Scripts, script extensions and binary properties: of upstream at 16.0, of the `regex` module at 17.0, of Perl at the
version that the installed one has, such as 15.0."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import regex
from shares import seeds, share
from tokenizers import Regex, pre_tokenizers

from dstok.errors import UnsupportedError
from dstok.unicode.code_point_set import CodePointSet
from dstok.unicode.properties import (
    UnknownPropertyError,
    binary_properties,
    binary_property,
    further_names,
    general_categories,
    general_category,
    named_set,
    posix_set,
    script,
    script_extensions,
    scripts,
    versions,
)

DEEP = os.environ.get("DSTOK_PROFILE") == "deep"
TABLES = Path(__file__).resolve().parents[2] / "unicode_tables"
SURROGATES = CodePointSet.from_ranges([(0xD800, 0xDFFF)])
TEXT = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)]))
POSIX = "alnum alpha ascii blank cntrl digit graph lower print punct space upper word xdigit".split()


def today(names: Iterable[str], daily: int) -> list[str]:
    """Some of the names, others each day; in the deep profile all."""
    every = [*names]
    return [every[number] for number in seeds(len(every), daily)]


def by_upstream(item: str) -> CodePointSet:
    """All code points that upstream matches."""
    splitter = pre_tokenizers.Split(Regex(f"{item}+"), "removed", True)
    spans = [span for _, span in splitter.pre_tokenize_str(TEXT)]
    points = [(start, end - 1) for start, end in spans]
    return CodePointSet.from_ranges(
        (ord(TEXT[a]), ord(TEXT[b])) for first, last in points
        for a, b in ([(first, 0xD7FF), (0xD800, last)] if first < 0xD800 <= last else [(first, last)]))


def by_regex(item: str) -> CodePointSet:
    return CodePointSet.from_ranges(
        (ord(TEXT[a]), ord(TEXT[b])) for match in regex.finditer(f"{item}+", TEXT) for first, last in [match.span()]
        for a, b in ([(first, 0xD7FF), (0xD800, last - 1)] if first < 0xD800 < last else [(first, last - 1)]))


@pytest.mark.parametrize("name", today(scripts("16.0"), 2))
def test_a_script_is_upstreams(name: str) -> None:
    assert by_upstream(rf"\p{{{name}}}") == script(name, "16.0") - SURROGATES


@pytest.mark.parametrize("name", today(scripts("17.0"), 3))
def test_a_script_and_its_extensions_are_those_of_regex(name: str) -> None:
    assigned = ~general_category("Cn", "17.0")  # the module knows later versions, too
    if name != "Unknown":
        assert by_regex(rf"\p{{Script={name}}}") & assigned == script(name, "17.0")
    if DEEP and name not in ("Unknown", "Common", "Inherited"):
        assert by_regex(rf"\p{{Script_Extensions={name}}}") & assigned == script_extensions(name, "17.0")


@pytest.mark.parametrize("name", today(binary_properties("16.0"), 1))
def test_a_binary_property_is_upstreams(name: str) -> None:
    assert by_upstream(rf"\p{{{name}}}") == binary_property(name, "16.0") - SURROGATES


@pytest.mark.parametrize("name", today(POSIX, 1))
def test_a_class_of_posix_is_upstreams(name: str) -> None:
    posix = posix_set(name, "16.0")
    assert posix is not None
    assert by_upstream(f"[[:{name}:]]") == posix - SURROGATES
    assert by_upstream(rf"\p{{{name}}}") == named_set(name, "16.0") - SURROGATES


@pytest.mark.parametrize("version", versions())
def test_each_code_point_has_one_script(version: str) -> None:
    members = [script(name, version) for name in scripts(version)]
    assert sum(map(len, members)) == len(CodePointSet.all())


def input_sets(version: str, file: str) -> dict[str, CodePointSet]:
    """The sets that a pinned input holds, read without the generator."""
    rows = [line.split(";") for line in (TABLES / "properties" / version / file).read_text("utf-8").splitlines()]
    spans = {name: [span.split("-") for span in ranges.split()] for name, _, ranges in rows}
    return {name: CodePointSet.from_ranges((int(ends[0], 16), int(ends[-1], 16)) for ends in found)
            for name, found in spans.items()}


@pytest.mark.parametrize("version", versions())
def test_each_version_has_the_sets_of_its_inputs(version: str) -> None:
    assert {name: script(name, version) for name in scripts(version)} == input_sets(version, "scripts.txt")
    extensions = {name: script_extensions(name, version) for name in scripts(version)}
    assert extensions == input_sets(version, "script_extensions.txt")
    binary = {name: binary_property(name, version) for name in binary_properties(version)}
    of_other_tables = {name: binary[name] for name in ("Alphabetic", "White_Space")}
    assert binary == input_sets(version, "binary.txt") | of_other_tables


@pytest.mark.parametrize("version", versions())
def test_each_version_has_the_further_names_of_its_inputs(version: str) -> None:
    rows = [line.split(";") for line in (TABLES / "properties" / version / "scripts.txt").read_text("utf-8").splitlines()]
    assert further_names(version) == {name: further for name, further, _ in rows if further}


def test_unknown_names() -> None:
    for call in (script, script_extensions, binary_property, named_set):
        with pytest.raises(UnknownPropertyError, match="found 'Klingon'"):
            call("Klingon")
    with pytest.raises(UnsupportedError, match=r"13\.0"):
        script("Han", "13.0")


# Perl: for each property of standard input, the code points where it begins and ends, from 0 on.
PERL = r"""
while (my $name = <STDIN>) {
    chomp $name;
    my ($in, @edges) = (0);
    for my $code (0 .. 0x110000) {
        my $found = $code < 0x110000 && chr($code) =~ /\p{$name}/ ? 1 : 0;
        ($in, @edges) = ($found, @edges, $code) if $found != $in;
    }
    print join(" ", @edges), "\n";
}
"""


def perl(program: str, text: str = "") -> str:
    done = subprocess.run(["perl", "-X", "-e", program], input=text, capture_output=True, text=True, check=True)
    return done.stdout


def properties(version: str) -> Iterator[tuple[str, CodePointSet]]:
    """All that Perl knows: Grapheme_Link, which is deprecated, it does not."""
    for name in scripts(version):
        yield f"Script={name}", script(name, version)
        if name != "Unknown":
            yield f"Script_Extensions={name}", script_extensions(name, version)
    yield from ((name, binary_property(name, version)) for name in binary_properties(version) if name != "Grapheme_Link")
    yield from ((f"gc={name}", general_category(name, version)) for name in general_categories(version))


def test_perl_has_the_same() -> None:
    if shutil.which("perl") is None:
        pytest.skip("no perl")
    version = perl("use Unicode::UCD; print Unicode::UCD::UnicodeVersion()").removesuffix(".0")
    if version not in versions():
        pytest.skip(f"perl has the tables of Unicode {version}")
    asked = dict(share(properties(version), 250))
    for name, line in zip(asked, perl(PERL, "\n".join([*asked, ""])).splitlines(), strict=True):
        edges = list(map(int, line.split()))
        found = CodePointSet(tuple((first, last - 1) for first, last in zip(edges[::2], edges[1::2])))
        assert found == asked[name], name
