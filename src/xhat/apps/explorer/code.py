"""The Python code that asks the same question, for whoever wants to go on from there."""

import base64
import zlib
from collections.abc import Sequence

from xhat.apps.explorer.pictures import as_bytes
from xhat.apps.explorer.question import FREE, STRUCTURES, Question

__all__ = ["python_code"]

_WIDTH = 92  # characters of a line of encoded pixels


def python_code(question: Question, setup: str, classes: Sequence[str]) -> str:
    """Return a program that searches and judges as ``Explorer.explore`` does, and prints why.

    Args:
        question: what is asked.
        setup: lines that make ``domain``, ``model`` and the samples ``starts``.
        classes: their names.
    """
    lines, imports = _start(question, classes), ["import torch", "import xhat"]
    given = ["domain=domain"]
    changed = ", ".join(
        f"{name}={'' if isinstance(value, int | float) else 'xhat.'}{value!r}"
        for name, value in question.changed.items()
    )
    if changed:
        kind = type(question.how)
        ours = kind.__module__.startswith("xhat.methods.")
        imports.append(f"from {'xhat.methods' if ours else kind.__module__} import {kind.__name__}")
        given.append(f"method={kind.__name__}({changed})")
    else:
        given.append(f'method="{question.how.name}"')
    given += [f"{name}={value!r}" for name, value in question.options.items()]
    if question.radius is not None:
        given.append(f"constraints=[xhat.LinfBall(x0, {question.radius!r})]")
    elif question.structure != FREE:
        c, h, w = question.start.shape[1:]
        given.append(f"constraints=[{STRUCTURES[question.structure].code.format(c=c, h=h, w=w)}]")
        imports += ["import xhat.symmetry"] if question.structure == "mirror" else []
    name = classes[question.target]
    target = name if name == str(question.target) else repr(name)
    call = [f"    {each}," for each in (f"model, x0, {target}", *given)]
    if "base64" in "".join(lines):
        imports = ["import base64", "import zlib", *imports]
    lines += ["found = xhat.optimize(", *call, ")", "print(found.verdicts[0].explain())"]
    return "\n".join([*imports, *setup.strip().splitlines(), "", *lines]) + "\n"


def _start(question: Question, classes: Sequence[str]) -> list[str]:
    if question.index is not None and question.label is not None:
        comment = f"a real sample of {classes[question.label]}"
        return [f"x0 = starts[[{question.index}]]  # {comment}"]
    low, high = question.limits
    raw = as_bytes(question.start, low, high)
    text = base64.b64encode(zlib.compress(raw, 9)).decode()
    parts = [text[i : i + _WIDTH] for i in range(0, len(text), _WIDTH)]
    _, c, h, w = question.start.shape
    return [
        f"pixels = (  # what was drawn: {h} x {w} x {c} bytes",
        *(f'    "{part}"' for part in parts),
        ")",
        "x0 = torch.tensor(list(zlib.decompress(base64.b64decode(pixels))))",
        f"x0 = x0.reshape(1, {h}, {w}, {c}).movedim(-1, 1) / 255 * {high - low!r} + {low!r}",
    ]
