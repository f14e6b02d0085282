"""Which tests are about which file: first those of the file, then the laws that concern it."""

ROOMS = ("engine", "spaces", "constraints", "judges")

CAMPAIGN = "tests/fuzz/test_campaign.py"
LAWS = ("tests/laws/test_faults.py", CAMPAIGN)

OWN: dict[str, tuple[str, ...]] = {
    "spaces/box.py": (
        "tests/spaces/test_box.py",
        "tests/spaces/test_structured.py",
        "tests/spaces/test_refusals.py",
    ),
    "spaces/held.py": ("tests/spaces/test_held.py",),
    "spaces/latent.py": ("tests/spaces/test_latent.py",),
    "spaces/masked.py": ("tests/spaces/test_masked.py", "tests/spaces/test_refusals.py"),
    "spaces/warped.py": ("tests/spaces/test_warped.py",),
    "spaces": (
        "tests/spaces/test_structured.py",
        "tests/spaces/test_masked.py",
        "tests/spaces/test_refusals.py",
    ),
    "constraints/certificate.py": ("tests/constraints/test_certificate.py",),
    "constraints": ("tests/constraints", "tests/engine/test_problem.py"),
    "engine/answers.py": ("tests/engine/test_answers.py", "tests/engine/test_loop.py"),
    "attacks/gradient.py": ("tests/attacks/test_gradient.py",),
    "engine/batch.py": (
        "tests/engine/test_loop.py",
        "tests/engine/test_steppers.py",
        "tests/engine/test_stopping.py",
        "tests/engine/test_rows.py",
        "tests/engine/test_compute.py",
        "tests/engine/test_constrained.py",
    ),
    "engine/lagrangian.py": ("tests/engine/test_constrained.py",),
    "engine/files.py": ("tests/engine/test_result.py",),
    "engine/problem.py": ("tests/engine/test_problem.py", "tests/engine/test_loop.py"),
    "engine/result.py": ("tests/engine/test_result.py",),
    "engine/status.py": ("tests/engine/test_result.py",),
    "engine/restoration.py": (
        "tests/engine/test_restoration.py",
        "tests/engine/test_constrained.py",
    ),
    "engine/rounds.py": ("tests/engine/test_constrained.py", "tests/engine/test_loop.py"),
    "engine/rows.py": ("tests/engine/test_rows.py", "tests/engine/test_loop.py"),
    "engine/steppers.py": ("tests/engine/test_steppers.py", "tests/engine/test_loop.py"),
    "engine/stopping.py": ("tests/engine/test_stopping.py", "tests/engine/test_loop.py"),
    "engine/vector_adam.py": ("tests/engine/test_vector_adam.py",),
    "engine": (
        "tests/engine/test_loop.py",
        "tests/engine/test_stopping.py",
        "tests/engine/test_rows.py",
        "tests/engine/test_compute.py",
        "tests/engine/test_constrained.py",
    ),
}
JUDGES = (
    "tests/judges/test_judge.py",
    "tests/judges/test_verdict.py",
    "tests/door/test_verifying.py",
)
OF_JUDGES = {
    "statistics": ("test_judge.py", "test_fitting.py"),
    "placing": ("test_stability.py",),
    "regressors": ("test_values.py",),
    "answers": ("test_truth.py",),
    "deciding": ("test_verdict.py", "test_judge.py"),
    "inputs": ("test_judge.py", "test_validity.py"),
    "families": ("test_juries.py",),
    "judge": ("test_judge.py", "test_independence.py"),
    "lessons": ("test_juries.py",),
    "outcomes": ("test_verdict.py",),
    "simulator": ("test_simulator.py",),
    "views": ("test_juries.py",),
    "passes": ("test_nearest.py",),
    "workers": ("test_simulator.py",),
    "truth": ("test_truth.py",),
}


def stages_of(path: str) -> tuple[tuple[str, ...], ...]:
    """The tests of a file, in stages: the second is for what survives the first."""
    room, name = path.removesuffix(".py").split("/")
    if room == "judges":
        own = OF_JUDGES.get(name, (f"test_{name}.py",))
        first = tuple(f"tests/judges/{each}" for each in own)
        return first, tuple(each for each in JUDGES if each not in first)
    first = OWN.get(path, OWN[room])
    return first, LAWS if room == "engine" else (CAMPAIGN,)
