"""Which tests are about which file: first those of the file, then the laws that concern it."""

ROOMS = ("solve", "spaces", "constraints", "judges")

CAMPAIGN = "tests/fuzz/test_campaign.py"
LAWS = ("tests/laws/test_faults.py", CAMPAIGN)

OWN: dict[str, tuple[str, ...]] = {
    "spaces/box.py": ("tests/spaces/test_box.py", "tests/spaces/test_structured.py"),
    "spaces/held.py": ("tests/spaces/test_held.py",),
    "spaces/latent.py": ("tests/spaces/test_latent.py",),
    "spaces/masked.py": ("tests/spaces/test_masked.py",),
    "spaces/warped.py": ("tests/spaces/test_warped.py",),
    "spaces": ("tests/spaces/test_structured.py", "tests/spaces/test_masked.py"),
    "constraints/certificate.py": ("tests/constraints/test_certificate.py",),
    "constraints": ("tests/constraints", "tests/test_problem.py"),
    "solve/answers.py": ("tests/solve/test_answers.py", "tests/solve/test_loop.py"),
    "solve/attacks.py": ("tests/solve/test_attacks.py",),
    "solve/lagrangian.py": ("tests/solve/test_constrained.py",),
    "solve/restoration.py": ("tests/solve/test_restoration.py", "tests/solve/test_constrained.py"),
    "solve/rounds.py": ("tests/solve/test_constrained.py", "tests/solve/test_loop.py"),
    "solve/rows.py": ("tests/solve/test_rows.py", "tests/solve/test_loop.py"),
    "solve/steppers.py": ("tests/solve/test_steppers.py", "tests/solve/test_loop.py"),
    "solve/stopping.py": ("tests/solve/test_stopping.py", "tests/solve/test_loop.py"),
    "solve/vector_adam.py": ("tests/solve/test_vector_adam.py",),
    "solve": (
        "tests/solve/test_loop.py",
        "tests/solve/test_stopping.py",
        "tests/solve/test_rows.py",
        "tests/solve/test_compute.py",
        "tests/solve/test_constrained.py",
    ),
}
JUDGES = (
    "tests/judges/test_judge.py",
    "tests/judges/test_verdict.py",
    "tests/judges/test_verifying.py",
)
OF_JUDGES = {
    "answers": ("test_truth.py", "test_verifying.py"),
    "deciding": ("test_verdict.py", "test_judge.py"),
    "inputs": ("test_judge.py", "test_validity.py"),
    "outcomes": ("test_verdict.py",),
    "simulator": ("test_simulator.py",),
    "workers": ("test_simulator.py",),
    "truth": ("test_truth.py", "test_verifying.py"),
}


def stages_of(path: str) -> tuple[tuple[str, ...], ...]:
    """The tests of a file, in stages: the second is for what survives the first."""
    room, name = path.removesuffix(".py").split("/")
    if room == "judges":
        own = OF_JUDGES.get(name, (f"test_{name}.py",))
        first = tuple(f"tests/judges/{each}" for each in own)
        return first, tuple(each for each in JUDGES if each not in first)
    first = OWN.get(path, OWN[room])
    return first, LAWS if room == "solve" else (CAMPAIGN,)
