"""The Python code that asks the same question, for whoever wants to go on from there."""

import base64
import zlib
from dataclasses import fields

from torch import Tensor

from xhat_zoo.digits.exploring.question import FREE, Question
from xhat_zoo.digits.exploring.settings import STRUCTURES
from xhat_zoo.digits.methods import METHODS

__all__ = ["python_code"]

_WIDTH = 92  # characters of a line of encoded pixels


def python_code(question: Question) -> str:
    """Return a program that searches and judges as ``Explorer.explore`` does, and prints why.

    Example:
        >>> print(python_code(Question.of_test_digit(0, target=2, method="plain")).splitlines()[0])
        import torch
    """
    imports, lines = ["import torch"], []
    lines += _start(question, imports)
    lines += [f"target = torch.tensor([{question.target}])", ""]
    lines += _method(question, imports)
    lines += ["model = digits.surrogate(how.surrogate)", "space = how.space_for(model, x0, target)"]
    constraints = "problem.constraints"
    if question.structure != FREE:
        expression, needs = STRUCTURES[question.structure].code
        for need in (*needs, "xhat.spaces Held"):
            room, noun = need.split()
            imports.append(f"from {room} import {noun}")
        lines += [f"holds = {expression}", "space = Held(space, holds)"]
        constraints = "(holds,)"
    confidence = f", confidence={question.confidence!r}" if "confidence" in question.weights else ""
    lines += [
        "problem = how.problem(model, x0, target, space)",
        f"result = how.search(model, x0, target, space{confidence})",
        "",
        "# The judges never saw the search; setting them up takes a minute the first time.",
        "verdicts = digits_judge().judge(",
        "    result.x,",
        "    target,",
        "    reached=result.reached | (result.confidence > 0.5),",
        f"    constraints={constraints},",
        "    searched=tuple(problem.modules()),",
        ")",
        "print(verdicts[0].explain())",
    ]
    imports += [
        "from xhat_zoo.digits.judging import digits_judge",
        "from xhat_zoo.digits.methods import METHODS",
        "from xhat_zoo import digits",
    ]
    return "\n".join((*_sorted(imports), "", *lines)) + "\n"


def _start(question: Question, imports: list[str]) -> list[str]:
    if question.index is not None:
        comment = f"a {question.label} of the test digits"
        return [f'x0 = digits.split("test").images[[{question.index}]]  # {comment}']
    imports += ["import base64", "import zlib"]
    text = _packed(question.start)
    parts = [text[i : i + _WIDTH] for i in range(0, len(text), _WIDTH)]
    return [
        "pixels = (  # what was drawn: 28 x 28 bytes",
        *(f'    "{part}"' for part in parts),
        ")",
        "x0 = torch.tensor(list(zlib.decompress(base64.b64decode(pixels))))",
        "x0 = x0.reshape(1, 1, 28, 28) / 255",
    ]


def _packed(start: Tensor) -> str:
    pixels = (255 * start).round().byte().flatten().tolist()
    return base64.b64encode(zlib.compress(bytes(pixels), 9)).decode()


def _method(question: Question, imports: list[str]) -> list[str]:
    how, own = question.how, METHODS[question.method]
    changed = [
        f"{each.name}={getattr(how, each.name)!r}"
        for each in fields(how)
        if getattr(how, each.name) != getattr(own, each.name)
    ]
    if not changed:
        return [f'how = METHODS["{question.method}"]']
    imports.append("from dataclasses import replace")
    if how.stepper != own.stepper:
        imports.append(f"from xhat.engine import {type(how.stepper).__name__}")
    return [f'how = replace(METHODS["{question.method}"], {", ".join(changed)})']


def _sorted(imports: list[str]) -> list[str]:
    """Return imports as isort orders them: of Python, of torch, of xhat."""
    own = sorted({line for line in imports if "xhat" in line})
    standard = sorted({line for line in imports if "xhat" not in line and "torch" not in line})
    standard.sort(key=lambda line: line.startswith("from"))
    return [*standard, *([""] if standard else []), "import torch", "", *own]
