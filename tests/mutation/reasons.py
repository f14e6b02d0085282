"""Why mutants that no test notices do not matter: most change nothing that can be seen."""

FROZEN = "a courtesy to the reader: nothing of ours writes to the record"
TASTE = "a number that was chosen by taste; a little more or less does as well"

REASONS: dict[str, str] = {
    "engine/rows.py: @dataclass(frozen=True, eq=False) -> "
    "@dataclass(frozen=False, eq=False)": FROZEN,
    "judges/judge.py: @dataclass(frozen=True) -> @dataclass(frozen=False)": FROZEN,
    "judges/juries.py: _STEPS = 700 -> _STEPS = 701": TASTE,
    "judges/fitting.py: _MOST_LIKELIHOOD = 1024 -> _MOST_LIKELIHOOD = 1025": TASTE,
    "judges/jury.py: _DRAWN = 5.0 -> _DRAWN = 10.0": TASTE,
    "engine/restoration.py: _PROBES = 32 -> _PROBES = 33": TASTE,
    "spaces/summed.py: _EDGE = 1e-09 -> _EDGE = 2e-09": TASTE,
    "judges/families.py: none = known.none(max(1, len(x) // 2), draws) -> "
    "none = known.none(max(1, len(x) * 2), draws)": (
        "how many samples of no class a training step sees: a choice, and the judge is as good"
    ),
    "spaces/softmax.py: shares = shares / shares.sum(dim=-1, keepdim=True).clamp_min(1e-30) -> "
    "shares = shares / shares.sum(dim=-1, keepdim=True).clamp_min(2e-30)": (
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
    "engine/run.py: @dataclass(frozen=True) -> @dataclass(frozen=False)": FROZEN,
    "judges/verdict.py: @dataclass(frozen=True) -> @dataclass(frozen=False)": FROZEN,
    "spaces/nesting.py: x = torch.rand((space.rows, *shape), generator=generator(0, "
    "'anywhere'), dtype=torch.float64) -> x = torch.rand((space.rows, *shape), "
    "generator=generator(1, 'anywhere'), dtype=torch.float64)": TASTE,
    "engine/restoration.py: _TURNS = 40 -> _TURNS = 41": TASTE,
    "engine/restoration.py: reach = torch.finfo(z.dtype).eps ** (1 / 3) * (1 + "
    "_largest(space.in_units(z))) -> reach = torch.finfo(z.dtype).eps ** (1 / 3) * (2 + "
    "_largest(space.in_units(z)))": TASTE,
    "spaces/nesting.py: return low + (high - low) * x -> return low + (high + low) * x": (
        "wherever it lies: what tries a composition begins at the nearest input of the space"
    ),
    "judges/conformal.py: draft = cls(tuple(groups), shares, scales, {}, torch.empty(0), "
    "torch.empty(0)) -> draft = cls(tuple(groups), shares, scales, {}, torch.empty(1), "
    "torch.empty(0))": ("a place holder, which is replaced before anybody sees it"),
    "engine/restoration.py: turn = torch.where(going, now / size, 0.0).nan_to_num(0.0, "
    "0.0, 0.0) -> turn = torch.where(going, now / size, 0.0).nan_to_num(1.0, 0.0, 0.0)": (
        "it differs only where squares overflow, and what follows is no use either way"
    ),
    "engine/lagrangian.py: _LARGEST_MULTIPLIER = 1000000000000.0 -> _LARGEST_MULTIPLIER ="
    " 2000000000000.0": TASTE,
    "engine/first_look.py: rule.fired(snapshot(found, none, none, 0.0), rule.init(count, "
    "setup.device)) -> rule.fired(snapshot(found, none, none, 1.0), rule.init(count, "
    "setup.device))": ("the rules are asked only for whether they raise"),
    "spaces/round.py: return torch.where(norm <= _REACH, z, z * ((1 - 1e-06) * _REACH / "
    "norm)) -> return torch.where(norm <= _REACH, z, z * ((1 - 2e-06) * _REACH / norm))": TASTE,
    "spaces/symmetric.py: self.group.check(tuple(x.shape[1:])) -> pass": (
        "the averaging that follows asks the same of the group"
    ),
    "spaces/warped.py: _TRY = 0.01 -> _TRY = 0.02": TASTE,
    "spaces/ordered.py: def __init__(self, low: float=0.0, high: float=1.0, axis: int=-1,"
    " *, decreasing: bool=False, inset: float=1 / 512) -> None: -> def __init__(self, "
    "low: float=0.0, high: float=1.0, axis: int=-1, *, decreasing: bool=False, inset: "
    "float=1 / 513) -> None:": TASTE,
    "judges/conformal.py: return math.ceil(1 / check_fraction('alpha', alpha) * (1 - "
    "1e-12)) - 1 -> return math.ceil(1 / check_fraction('alpha', alpha) * (1 - 2e-12)) - "
    "1": TASTE,
    "spaces/nesting.py: noise = noise + torch.tensor(_SHIFTS).reshape(-1, *(1,) * (z.ndim"
    " - 1)) -> noise = noise - torch.tensor(_SHIFTS).reshape(-1, *(1,) * (z.ndim - 1))": (
        "the shifts lie evenly on both sides of 0"
    ),
}
