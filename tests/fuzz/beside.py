"""A search done again: once more as it was, and one candidate with nobody beside it."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from tests.fuzz.searching import Broken, Search, searched
from xhat.engine import Result


def again(search: Search, result: Result) -> Iterator[Broken]:
    """Promises 2 and 8: alone as in the batch, and the same once more."""
    case = search.case
    if case.repeatable and case.seed % 8 == 0:
        second = searched(case).result
        same = second is not None and second.status == result.status
        if not same or not torch.equal(second.x, result.x):
            yield Broken(8, "once more", "the same search gives something else")
    if case.comparable and _alone(search, result)[0]:
        finer = replace(case, precision="float64", dtype="float64")  # rounding is no fault
        search = searched(finer) if finer != case else search
        if search.result is None:
            return
        what, off = _alone(search, search.result)
        if what and not off <= 10 * unsteady(search, search.result):
            yield Broken(2, "independence", what)


def _alone(search: Search, result: Result) -> tuple[str, float]:
    """What differs where a candidate is searched alone, "" for nothing, and how far it is away."""
    case = search.case
    i = case.seed % len(result)
    if len(result) == 1:
        return "", 0.0
    one = searched(case, f"slice({i}, {i + 1})")
    if one.result is None:
        early = case.model in ("raises", "nan") or any(p.kind == "Network" for p in case.conditions)
        said = f"candidate {i} alone: {type(one.error).__name__}: {one.error}"
        return ("" if early else said), torch.inf
    near = 1e-6 if case.precision == "float64" else 1e-3
    off = _apart(one.result.x[0], result.x[i]) / case.top
    if not off <= near:
        both = f"{one.result.status[0]!r} and {result.status[i]!r}"
        return f"candidate {i} alone is {off:.3g} away ({both})", off
    nan = bool(one.result.loss[0].isnan()) != bool(result.loss[i].isnan())
    return (f"candidate {i} alone: the loss is NaN, or not" if nan else ""), torch.inf


def unsteady(search: Search, result: Result) -> float:
    """How far the last digits of the start alone move what is found, with nobody beside it.

    Batches of different size round differently, in the last digit; where a search makes more of
    that (equations that hardly differ, conditions on their brink), it is not others that moved it.
    """
    case = search.case
    i = case.seed % len(result)
    found: list[Tensor] = []
    for digits in (0, 1, 2, 4):
        inward = f"x0 + (0.5 * top - x0) * {digits * torch.finfo(torch.float64).eps}"
        one = searched(replace(case, start=inward), f"slice({i}, {i + 1})")
        found += [one.result.x[0]] if one.result is not None else []
    return max((_apart(found[0], other) / case.top for other in found[1:]), default=0.0)


def _apart(one: Tensor, other: Tensor) -> float:
    return float((one.double() - other.double()).abs().max())
