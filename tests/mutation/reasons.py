"""Why mutants that no test notices do not matter: most change nothing that can be seen."""

FROZEN = "a courtesy to the reader: nothing of ours writes to the record"
TASTE = "a number that was chosen by taste; a little more or less does as well"

REASONS: dict[str, str] = {
    "engine/rows.py: @dataclass(frozen=True, eq=False) -> "
    "@dataclass(frozen=False, eq=False)": FROZEN,
    "judges/judge.py: @dataclass(frozen=True) -> @dataclass(frozen=False)": FROZEN,
    "judges/fitting.py: _STEPS = 1500 -> _STEPS = 1501": TASTE,
    "judges/fitting.py: _MOST_LIKELIHOOD = 1024 -> _MOST_LIKELIHOOD = 1025": TASTE,
    "judges/jury.py: _DRAWN = 5.0 -> _DRAWN = 10.0": TASTE,
    "engine/restoration.py: _PROBES = 32 -> _PROBES = 33": TASTE,
    "spaces/summed.py: _EDGE = 1e-09 -> _EDGE = 2e-09": TASTE,
    "judges/fitting.py: other = _none(flat, labels, max(1, len(x) // 2), generator) -> "
    "other = _none(flat, labels, max(1, len(x) * 2), generator)": (
        "how many samples of no class a training step sees: a choice, and the judge is as good"
    ),
    "judges/morphs.py: share = 0.5 + spread * (2 * torch.rand(n, generator=generator) - 1) -> "
    "share = 0.5 - spread * (2 * torch.rand(n, generator=generator) - 1)": (
        "the same distribution: the noise lies evenly on both sides"
    ),
    "spaces/nesting.py: slack = _ROUNDING * (1 + made.abs().max()) -> "
    "slack = _ROUNDING * (2 + made.abs().max())": TASTE,
    "spaces/softmax.py: shares = shares / shares.sum(dim=1, keepdim=True).clamp_min(1e-30) -> "
    "shares = shares / shares.sum(dim=1, keepdim=True).clamp_min(2e-30)": (
        "only keeps a sum of 0 from dividing"
    ),
    "spaces/symmetric.py: flat[alone] = flat.max().clamp_min(0) + 1 + torch.arange("
    "int(alone.sum())) -> flat[alone] = flat.max().clamp_min(1) + 1 + torch.arange("
    "int(alone.sum()))": ("any numbers that no other label has will do"),
    "engine/lagrangian.py: return cls(torch.zeros_like(conditions), penalty.nan_to_num(10.0)"
    ".clamp(1e-06, 10.0), scales, weight, equality, torch.full_like(loss, torch.inf)) -> return "
    "cls(torch.zeros_like(conditions), penalty.nan_to_num(20.0).clamp(1e-06, 10.0), scales, "
    "weight, equality, torch.full_like(loss, torch.inf))": "it is clamped to 10 afterwards",
    "engine/lagrangian.py: return (1 / slope.nan_to_num(1.0).clamp_min(1)).clamp_min("
    "_SMALLEST_SCALE) -> return (1 / slope.nan_to_num(1.0).clamp_min(2)).clamp_min("
    "_SMALLEST_SCALE)": "a scale of conditions: it changes the way to the optimum, not the optimum",
    "engine/rounds.py: away = ~(state.violation[live] <= _AWAY * (1 + state.first[live])) -> "
    "away = ~(state.violation[live] <= _AWAY / (1 + state.first[live]))": (
        "a safeguard far from where any tested search goes; how far is a choice"
    ),
}
