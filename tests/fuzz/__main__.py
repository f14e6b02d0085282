"""``python -m tests.fuzz``: many random problems, and every promise of the engine checked on each.

Prints each broken promise as a short script, made as small as it can be, and ends with 1 if there
is one. A whole campaign writes ``fuzz.json`` and ``fuzz.md`` beside the other results.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeRemainingColumn

from tests.fuzz.campaign import Record, campaign
from tests.fuzz.problems import Case, drawn
from tests.fuzz.searching import Broken, Outcome
from tests.fuzz.shrink import script, shrunk

WHOLE = 10_000
BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
PROMISES = {
    1: "the model is left as it was",
    2: "candidates are independent",
    3: "order, and no cost for who has finished",
    4: "always an answer",
    5: "every claim holds when asked again",
    6: "spaces in spaces keep the structure of both, or are refused",
    7: "a search that cannot work says so",
    8: "no global state; the same seed gives the same",
    9: "memory within the chunk, effort within reason",
    10: "bad input gets one sentence",
}


def watched(records: Iterator[Record], n: int) -> list[Record]:
    """All records, with a bar that says how many are broken."""
    found: list[Record] = []
    columns = (*Progress.get_default_columns()[:3], TimeRemainingColumn())
    told = TextColumn("{task.completed:,} of {task.total:,}, {task.fields[broken]} broken")
    with Progress(*columns, told) as bar:
        task = bar.add_task("problems", total=n, broken=0)
        for record in records:
            found.append(record)
            broken = sum(bool(each.broken) for each in found[-1:])
            bar.update(task, advance=1, broken=bar.tasks[0].fields["broken"] + broken)
    return sorted(found, key=lambda record: record.number)


def counts(cases: Sequence[Case]) -> dict[str, dict[str, int]]:
    """How often each kind of part took part."""
    found: dict[str, Counter[str]] = {
        "spaces": Counter(kind for case in cases for kind in case.kinds),
        "depth": Counter(str(len(case.space)) for case in cases),
        "objectives": Counter(part.kind for case in cases for part in case.terms),
        "constraints": Counter(part.kind for case in cases for part in case.conditions),
        "models": Counter(case.model for case in cases),
        "steppers": Counter(_called(case.stepper) for case in cases),
        "stop rules": Counter(_called(rule) for case in cases for rule in case.stop),
        "precision": Counter(case.precision for case in cases),
        "starts": Counter(case.dtype for case in cases),
        "features": Counter(_power(torch.Size(case.shape).numel()) for case in cases),
        "candidates": Counter(_power(case.n) for case in cases),
        "beside": Counter(
            word
            for case in cases
            for word, there in (
                ("restarts", case.restarts != "None"),
                ("trace", case.trace > 0),
                ("Ctrl-C", bool(case.told) or case.model == "interrupted"),
                ("starts outside", case.off),
                ("bad input", bool(case.wrong)),
            )
            if there
        ),
    }
    return {name: dict(sorted(counter.items())) for name, counter in found.items()}


def _called(source: str) -> str:
    return source.split("(")[0].removeprefix("solve.")


def _power(count: int) -> str:
    """The power of ten that is reached, as ``10 to 99``."""
    least = 10 ** (len(str(count)) - 1)
    return f"{least} to {10 * least - 1}"


def refusals(cases: Sequence[Case], records: Sequence[Record]) -> dict[str, Any]:
    """How many were refused, for which reason, and of which nested spaces."""
    pairs = list(zip(cases, records, strict=True))
    nested = Counter(
        "(".join(case.kinds) + ")" * (len(case.kinds) - 1)
        for case, record in pairs
        if record.refused and not (case.wrong or case.off) and len(case.kinds) == 2
    )
    return {
        "bad input": sum(bool(r.refused) for case, r in pairs if case.wrong),
        "starts outside": sum(bool(r.refused) for case, r in pairs if case.off),
        "nested": sum(
            bool(r.refused)
            for case, r in pairs
            if len(case.kinds) > 1 and not (case.wrong or case.off)
        ),
        "else": sum(
            bool(r.refused)
            for case, r in pairs
            if len(case.kinds) == 1 and not (case.wrong or case.off)
        ),
        "pairs": dict(sorted(nested.items())),
    }


def failures(seed: int, records: Sequence[Record], most: int) -> list[dict[str, Any]]:
    """The first broken problem of each kind, made small, with its script."""
    kinds: dict[str, list[tuple[Record, Broken]]] = {}
    for record in records:
        for broken in {each.kind: each for each in record.broken}.values():
            kinds.setdefault(broken.kind, []).append((record, broken))
    found = []
    for of_kind in sorted(kinds.values(), key=len, reverse=True):
        first, broken = of_kind[0]
        smallest = Outcome(drawn(seed, first.number), [broken])
        smallest = shrunk(smallest) if len(found) < most else smallest
        found.append(
            {
                "promise": broken.promise,
                "check": broken.check,
                "times": len(of_kind),
                "number": first.number,
                "what": str(smallest.broken[0]),
                "script": script(smallest),
            }
        )
    return found


def report(seed: int, records: Sequence[Record], shown: int) -> dict[str, Any]:
    """All that the result file says, but for where it was measured."""
    cases = [drawn(seed, record.number) for record in records]
    broken = Counter(k for record in records for k in {each.promise for each in record.broken})
    return {
        "problems": len(records),
        "searched": sum(not record.refused for record in records),
        "refused": refusals(cases, records),
        "broken": {PROMISES[k]: broken.get(k, 0) for k in PROMISES},
        "failures": failures(seed, records, shown),
        "parts": counts(cases),
        "processor seconds": round(sum(record.seconds for record in records), 1),
        "slowest": sorted((round(r.seconds, 2), r.number) for r in records)[-5:],
    }


def write(found: dict[str, Any], seed: int, folder: Path) -> None:
    """Write ``fuzz.json`` and ``fuzz.md``."""
    sys.path.insert(0, str(BENCHMARKS))
    from record import provenance, table
    from record import write as written

    rows = [(name, f"{times:,}") for name, times in found["broken"].items()]
    refused = {k: v for k, v in found["refused"].items() if k != "pairs"}
    said = ", ".join(f"{count:,} {name}" for name, count in refused.items())
    text = (
        f"{found['problems']:,} random problems, {found['searched']:,} searched; refused when made "
        f"or at the first check: {said}. {found['processor seconds']:,.0f} processor seconds.\n\n"
    )
    record = {"provenance": provenance(seed, ("xhat", "torch", "numpy")), **found}
    written("fuzz", record, text + table(("promise", "broken"), rows), folder)


def main() -> None:
    """Run a campaign."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--n", type=int, default=WHOLE, help="problems")
    parser.add_argument("--seed", type=int, default=0, help="of the campaign")
    parser.add_argument("--first", type=int, default=0, help="number of the first problem")
    parser.add_argument("--workers", type=int, default=2, choices=(1, 2), help="processes")
    parser.add_argument("--shown", type=int, default=20, help="failures that are made small")
    parser.add_argument("--out", type=Path, default=None, help="folder of the result files")
    options = parser.parse_args()
    torch.set_num_threads(1)
    console = Console(markup=False, highlight=False, soft_wrap=True)
    running = campaign(options.seed, options.n, options.first, options.workers)
    found = report(options.seed, watched(running, options.n), options.shown)
    for failure in found["failures"]:
        console.print(f"\n# {failure['times']} times\n{failure['script']}")
    if options.out is not None or options.n >= WHOLE:
        write(found, options.seed, options.out or BENCHMARKS / "results")
    total = sum(found["broken"].values())
    seconds = found["processor seconds"]
    said = f"{options.n:,} problems, {total:,} broken promises, {seconds:.0f} processor seconds"
    console.print(said)
    raise SystemExit(1 if total else 0)


if __name__ == "__main__":
    main()
