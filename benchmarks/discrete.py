"""Whole numbers and categories with constraints: how often the optimum is found, and at what cost.

    python benchmarks/discrete.py [--seed 0]

Forty problems of eight families (``discrete_problems``), each of at most 1e5 combinations and with
its optimum by enumeration, from one start each; and substitutions of at most 3 of 30 tokens that
change the answer of a small network. A problem is solved when its constraints hold, what is whole
or one-hot is so to the bit, and the loss is within 1e-4 of the optimum (relative, absolute where it
is below 1; 1e-3 where features are continuous beside). Evaluations are passes through the
objective; a gradient, there and back, is one. Random sampling is given as many.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import torch
from discrete_problems import FAMILIES, Question
from record import RESULTS, provenance, table, write
from torch import Tensor, nn

from xhat import MaxEvaluations, Problem, TargetReached, solve
from xhat.engine.neighbours import Neighbours
from xhat.objectives import Margin
from xhat.spaces import OneHot, Sparse

EACH = 5  # problems of a family
LENGTH, TOKENS, CHANGES, SEQUENCES = 30, 20, 3, 200
BUDGET = 3 * LENGTH * (TOKENS - 1) // 10  # a tenth of what greedy search may need

Searched = tuple[Tensor, float]  # x (1, *x_shape), evaluations


def search(question: Question, **options: Any) -> Searched:
    """Search as a user would who gives nothing but the problem."""
    found = solve(
        Problem(question.loss, question.space, question.constraints), question.x0, **options
    )
    return found.x, float(found.evaluations)


def without_finish(question: Question) -> Searched:
    """Search by gradients alone."""
    with patch.object(Neighbours, "improve", lambda *_: None):
        return search(question)


def sampled(question: Question, evaluations: float, seed: int) -> Searched:
    """Take the best of as many feasible inputs, drawn at random."""
    if question.continuous:
        return question.x0, evaluations
    holds = torch.cat([question.holds(x) for x in question.inputs.split(20_000)])
    feasible = question.inputs[holds]
    generator = torch.Generator().manual_seed(seed)
    drawn = feasible[torch.randint(len(feasible), (int(evaluations),), generator=generator)]
    with torch.no_grad():
        return drawn[question.loss(drawn).argmin()][None], evaluations


def judged(question: Question, x: Tensor, optimum: float) -> tuple[bool, bool]:
    """Return whether all holds, and whether it is the optimum too."""
    feasible = bool(question.holds(x)[0]) and float(question.space.violation(x)) == 0.0
    with torch.no_grad():
        gap = float(question.loss(x)[0]) - optimum
    close = 1e-3 if question.continuous else 1e-4
    return feasible, feasible and gap <= close * max(1.0, abs(optimum))


def problems(seed: int) -> list[dict[str, Any]]:
    """Measure every method on every problem."""
    rows = list[dict[str, Any]]()
    for family, make in FAMILIES.items():
        for number in range(EACH):
            question = make(1000 * seed + 10 * number)
            optimum = question.optimum()
            cost = 0.0
            methods: dict[str, Callable[[], Searched]] = {
                "gradients alone": lambda: without_finish(question),  # noqa: B023
                "xhat": lambda: search(question),  # noqa: B023
                "random": lambda: sampled(question, cost, seed),  # noqa: B023
            }
            for method, run in methods.items():
                began = time.process_time()
                x, evaluations = run()
                cost = evaluations if method == "xhat" else cost
                feasible, optimal = judged(question, x, optimum)
                rows.append(
                    {
                        "family": family, "problem": number, "method": method,
                        "combinations": len(question.inputs), "feasible": feasible,
                        "optimal": optimal, "evaluations": evaluations,
                        "seconds": time.process_time() - began,
                    }
                )  # fmt: skip
    return rows


def _problem_tables(rows: list[dict[str, Any]]) -> str:
    methods = list(dict.fromkeys(row["method"] for row in rows))
    head = ["problems", "combinations", *(f"optimal: {method}" for method in methods)]
    lines = list[list[object]]()
    for family in (*FAMILIES, None):
        some = [row for row in rows if family in (None, row["family"])]
        count = len({(row["family"], row["problem"]) for row in some})
        line: list[object] = [family or "all", some[0]["combinations"] if family else ""]
        for method in methods:
            won = [row["optimal"] for row in some if row["method"] == method]
            line.append("–" if method == "random" and family and "mixed" in family else
                        f"{sum(won)} of {count}")  # fmt: skip
        lines.append(line)
    means = list[list[object]]()
    for method in methods:
        some = [row for row in rows if row["method"] == method]
        feasible = sum(row["feasible"] for row in some) / len(some)
        passes, seconds = (sum(row[k] for row in some) / len(some) for k in _COSTS)
        means.append([method, f"{feasible:.0%}", f"{passes:.0f}", f"{seconds:.2f}"])
    costs = table(["method", "feasible", "evaluations", "processor seconds"], means)
    return table(head, lines) + "\n" + costs


_COSTS = ("evaluations", "seconds")


class Reader(nn.Module):
    """A small network over one-hot tokens: embedding, convolution, the largest of each feature."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Linear(TOKENS, 16, bias=False)
        self.body = nn.Conv1d(16, 32, 5, padding=2)
        self.head = nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits ``(n, 4)`` of ``(n, 30, 20)`` one-hot tokens."""
        seen = torch.relu(self.body(self.embedding(x).transpose(1, 2)))
        return self.head(seen.amax(dim=2))


def _sequences(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Random tokens with some copies of a motif of their class among them."""
    motifs = torch.tensor([[1, 4, 9, 2], [7, 7, 3, 12], [15, 0, 11, 5], [18, 6, 13, 8]])
    tokens = torch.randint(TOKENS, (count, LENGTH), generator=generator)
    labels = torch.randint(4, (count,), generator=generator)
    for row, label in zip(tokens, labels.tolist(), strict=True):
        for start in torch.randperm(LENGTH // 5, generator=generator)[:2].tolist():
            row[5 * start : 5 * start + 4] = motifs[label]
    return nn.functional.one_hot(tokens, TOKENS).float(), labels


def _trained(seed: int) -> tuple[Reader, Tensor, Tensor]:
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    net, (x, y) = Reader(), _sequences(4000, generator)
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    for _ in range(12):
        for some in torch.randperm(len(x), generator=generator).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[some]), y[some]).backward()
            optimizer.step()
    return net.eval(), *_sequences(SEQUENCES, generator)


def greedy(net: nn.Module, x: Tensor, target: int) -> tuple[bool, int]:
    """Try all substitutions of a token, keep the best, three times, until it succeeds."""
    evaluations = 0
    for _ in range(CHANGES):
        tries = []
        for place in range(LENGTH):
            for token in (1 - x[place]).nonzero()[:, 0].tolist():
                other = x.clone()
                other[place] = 0.0
                other[place, token] = 1.0
                tries.append(other)
        with torch.no_grad():
            logits = net(torch.stack(tries))
        evaluations += len(tries)
        rest = logits.clone()
        rest[:, target] = -torch.inf
        best = int((logits[:, target] - rest.amax(dim=1)).argmax())
        x = tries[best]
        if int(logits[best].argmax()) == target:
            return True, evaluations
    return False, evaluations


def tokens(seed: int) -> dict[str, Any]:
    """Measure substitutions of tokens."""
    net, x, labels = _trained(seed)
    with torch.no_grad():
        said = net(x).argmax(dim=1)
    right = (said == labels).float().mean()
    target = (said + 1) % 4
    began = time.process_time()
    each = [greedy(net, row, int(wanted)) for row, wanted in zip(x, target, strict=True)]
    seconds = time.process_time() - began
    began = time.process_time()
    found = solve(
        Problem(Margin(net, target), Sparse(OneHot(), x, CHANGES)),
        x,
        stop=(TargetReached(), MaxEvaluations(BUDGET)),
        max_steps=STEPS,
    )
    ours = time.process_time() - began
    with torch.no_grad():
        fooled = net(found.x).argmax(dim=1) == target
    changed = (found.x != x).any(dim=2).sum(dim=1)
    whole = (found.x.sort(dim=2).values == torch.eye(TOKENS)[-1]).all(dim=2).all(dim=1)
    lines = [
        ["greedy", f"{sum(won for won, _ in each) / len(each):.1%}",
         f"{sum(cost for _, cost in each) / len(each):.0f}", f"{3 * LENGTH * (TOKENS - 1)}",
         f"{seconds:.1f}"],
        ["xhat", f"{float((fooled & (changed <= CHANGES) & whole).float().mean()):.1%}",
         f"{float(found.evaluations.float().mean()):.0f}", f"{int(found.evaluations.max())}",
         f"{ours:.1f}"],
    ]  # fmt: skip
    head = ["method", "success", "evaluations, mean", "most", "processor seconds"]
    rows = [dict(zip(head, line, strict=True)) for line in lines]
    return {"accuracy": float(right), "rows": rows}


def _token_table(record: dict[str, Any]) -> str:
    rows = record["rows"]
    return (
        f"\nTokens: {LENGTH} of {TOKENS}, at most {CHANGES} changed, {SEQUENCES} sequences; the "
        f"network is right on {record['accuracy']:.0%} of them.\n\n"
    ) + table(list(rows[0]), [list(row.values()) for row in rows])


STEPS = 17  # of gradients, before substitutions are tried


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=("problems", "tokens"), help="keep the other as it was")
    parser.add_argument("--dry", action="store_true", help="print, and write nothing")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    path = RESULTS / "discrete.json"
    before = json.loads(path.read_text()) if path.exists() else {}
    rows, sequences = before.get("problems", []), before.get("tokens")
    if given.only != "tokens":
        rows = problems(given.seed)
    if given.only != "problems":
        sequences = tokens(given.seed)
    text = (_problem_tables(rows) if rows else "") + (_token_table(sequences) if sequences else "")
    if given.dry:
        print(text)
        return
    record = {"provenance": provenance(given.seed, ["torch", "xhat"]), "problems": rows}
    write("discrete", record | {"tokens": sequences}, text)


if __name__ == "__main__":
    main()
