"""The truth: XFoil, run as a program of its own, once for every airfoil.

XFoil couples a panel method with integral boundary layers. It may fail to converge, crash, or hang;
none of these is fatal here: the condition is NaN and its reason is recorded. Every run has a
temporary folder and a time after which it is killed. No display is needed.

Newton's method begins at the last solution, so whether it converges depends on where it came from.
The guide: "it is best to perform difficult calculations by gradually increasing alpha", boundary
layers are to be initialised anew "whenever the viscous solution blows up", and where a result is
ragged, the airfoil is to be panelled anew. A condition is asked in this order until it converges,
each time in a new program, whose boundary layers are new: at once; from an angle of 0 in steps of
half a degree; from 3 degrees below, and from 3 degrees above, in steps of a quarter (where a lift
is held, in steps of lift as large); then all of that again with 240, 200 and 160 panels, as
``Polar.why`` says then.

Source: Drela, "XFOIL: An Analysis and Design System for Low Reynolds Number Airfoils", 1989; Drela,
Youngren, "XFOIL 6.9 User Primer", 2001, sections "Numerical accuracy" and "Caveats". It is free
software under the GPL, and no part of this library.
"""

import atexit
import contextlib
import functools
import itertools
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from xhat.core import check_count, check_positive
from xhat_zoo.airfoil.geometry import check_parameters, coordinates, crossing

__all__ = ["INSTALL", "Condition", "Polar", "XFoil", "XFoilMissingError", "installed"]

INSTALL = (
    "XFoil is not installed, so nothing can be verified. On Debian and Ubuntu: apt install xfoil; "
    "elsewhere: https://web.mit.edu/drela/Public/web/xfoil/"
)
CONVERGED = "converged"
_POINTS = 120  # of each surface, given to XFoil, which puts its own panels on them
_STEP = 0.5  # degrees, in which an angle is approached from 0
_SIDES, _STEP_ASIDE, _STEPS_ASIDE = (-1, 1), 0.25, 12  # degrees from below and from above
_LIFT_A_DEGREE = 0.1
_FEWER = (240, 200, 160)  # panels, where more do not converge; the last is XFoil's own default
_NEAR_LIFT, _NEAR_ANGLE = 2e-3, 1e-2
_TRAPS = (
    "this build stops at floating-point exceptions: install a C compiler (apt install gcc), "
    "with which that is switched off"
)
_FIELDS = {"angle": 0, "lift": 1, "drag": 2, "moment": 4, "upper": 5, "lower": 6}


class XFoilMissingError(RuntimeError):
    """The program is not there; the message says how to install it."""


def installed(program: str = "xfoil") -> bool:
    """Return whether XFoil can be run."""
    return shutil.which(program) is not None


@dataclass(frozen=True)
class Condition:
    """Where an airfoil flies.

    Attributes:
        reynolds: with respect to the chord.
        angle: of attack, in degrees; where XFoil begins.
        lift: the coefficient to hold; XFoil then finds the angle itself. None to hold the angle.
    """

    reynolds: float
    angle: float
    lift: float | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_positive("the Reynolds number", self.reynolds)
        for name, value in {"angle": self.angle, "lift": self.lift or 0.0}.items():
            if not math.isfinite(value):
                raise ValueError(f"the {name} must be finite, but is {value}.")


@dataclass(frozen=True)
class Polar:
    """What XFoil says of one airfoil at ``k`` conditions; NaN where it says nothing.

    Attributes:
        angle: ``(k,)`` float64, of attack, in degrees.
        lift: ``(k,)``, CL.
        drag: ``(k,)``, CD.
        moment: ``(k,)``, CM about a quarter of the chord.
        upper_transition: ``(k,)``, in chords.
        lower_transition: ``(k,)``, in chords.
        why: per condition, ``"converged"``, also with how many panels if fewer, or a sentence.
    """

    angle: Tensor
    lift: Tensor
    drag: Tensor
    moment: Tensor
    upper_transition: Tensor
    lower_transition: Tensor
    why: tuple[str, ...]

    @property
    def converged(self) -> Tensor:
        """``(k,)`` booleans."""
        return torch.isfinite(self.drag)


@dataclass(frozen=True)
class XFoil:
    """How XFoil is run. Calling it asks for one airfoil.

    Args:
        program: its name or path.
        timeout: seconds after which a run is killed.
        iterations: of Newton's method per condition, at most.
        panels: around the airfoil, 20 to 300. NeuralFoil was trained on runs of AeroSandbox's
            wrapper, whose 279 are the default here.
        n_crit: the amplification at which boundary layers turn turbulent.
        attempts: runs for one condition, at most; see the module. The first two are quick.

    Raises:
        ValueError: a number out of its range.

    Example:
        >>> from xhat_zoo.airfoil import catalogue
        >>> polar = XFoil()(catalogue().of("naca0012")[0], [Condition(1e6, 5.0)])  # doctest: +SKIP
        >>> round(float(polar.lift[0]), 2)  # doctest: +SKIP
        0.56
    """

    program: str = "xfoil"
    timeout: float = 60.0
    iterations: int = 100
    panels: int = 279
    n_crit: float = 9.0
    attempts: int = 16

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_positive("timeout", self.timeout)
        check_count("iterations", self.iterations)
        check_positive("n_crit", self.n_crit)
        check_count("attempts", self.attempts)
        if not 20 <= check_count("panels", self.panels) <= 300:
            raise ValueError(f"panels must be from 20 to 300, but is {self.panels}.")

    def __call__(self, parameters: Tensor, conditions: Sequence[Condition]) -> Polar:
        """Return what XFoil says of one airfoil.

        A condition that does not converge at once is asked again as the module tells.

        Args:
            parameters: ``(18,)`` Kulfan parameters.
            conditions: one or more.

        Raises:
            XFoilMissingError: the program is not there.
            TypeError: parameters that are not floating point.
            ValueError: another number of parameters, surfaces that cross, or no condition.
        """
        shape = check_parameters("the airfoil", parameters.detach().reshape(1, -1).double())
        if not conditions:
            raise ValueError("XFoil needs one condition or more.")
        if bool(crossing(shape)[0]):
            raise ValueError("the airfoil's surfaces cross, so XFoil cannot be asked of it.")
        if not installed(self.program):
            raise XFoilMissingError(INSTALL)
        return _polar([self._ask(shape, condition) for condition in conditions])

    def _ask(self, shape: Tensor, condition: Condition) -> tuple[list[float] | None, str]:
        """Return the row of one condition, or None, and why."""
        first = ""
        densities = (self.panels, *(few for few in _FEWER if few < self.panels))
        ways = itertools.product(densities, _approaches(condition))
        for panels, approach in itertools.islice(ways, self.attempts):
            row, why = self._run(shape, condition, approach, panels)
            first = first or why
            if row is not None:
                return row, why if panels == self.panels else f"{why} on {panels} panels"
            if why.startswith("XFoil was killed"):
                return None, why
        return None, first

    def _run(
        self, shape: Tensor, condition: Condition, approach: Sequence[str], panels: int
    ) -> tuple[list[float] | None, str]:
        with tempfile.TemporaryDirectory(prefix="xhat-xfoil-") as folder:
            lines = "\n".join(f"{x:.9f} {y:.9f}" for x, y in coordinates(shape, _POINTS)[0])
            Path(folder, "airfoil.dat").write_text(f"airfoil\n{lines}\n")
            ended = self._ended(folder, self._keys(condition, approach, panels))
            row = _row(Path(folder, "polar.txt"), condition)
        unfinished = f"XFoil did not converge in {self.iterations} iterations"
        return row, CONVERGED if row else ended or unfinished

    def _keys(self, condition: Condition, approach: Sequence[str], panels: int) -> str:
        keys = ["plop", "g f", "", "load airfoil.dat", "ppar", f"n {panels}", "", "", "oper"]
        keys += ["vpar", f"n {self.n_crit:g}", "", f"iter {self.iterations}"]
        keys += [f"visc {condition.reynolds:.8g}", *approach[:-1]]
        return "\n".join([*keys, "pacc", "polar.txt", "", approach[-1], "pacc", "", "quit", ""])

    def _ended(self, folder: str, keys: str) -> str:
        """Run the program, and return why it ended if not as it should, else nothing."""
        calm = _untrapped()
        process = subprocess.Popen(  # noqa: S603 - a program, no shell
            [self.program],
            cwd=folder,
            env=os.environ | ({"LD_PRELOAD": calm} if calm else {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        try:
            process.communicate(keys, timeout=self.timeout)
        except subprocess.TimeoutExpired:
            return f"XFoil was killed after {self.timeout:g} s"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # whatever it started, too
            process.wait()
        code = process.returncode
        if code == -signal.SIGFPE:
            return f"XFoil crashed (SIGFPE); {_TRAPS}"
        return f"XFoil crashed ({_name(code)})" if code else ""


@functools.cache
def _untrapped() -> str:
    """Return a library that lets XFoil divide by zero as it was written to, or nothing.

    Debian's build stops at every floating-point exception, and each viscous run has one. It asks
    for that by ``_gfortran_set_fpe``, which this library answers by doing nothing.
    """
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        return ""
    folder = Path(tempfile.mkdtemp(prefix="xhat-xfoil-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "calm.c").write_text("void _gfortran_set_fpe(int which) { (void)which; }\n")
    call = [compiler, "-shared", "-fPIC", "-o", "calm.so", "calm.c"]
    done = subprocess.run(call, cwd=folder, capture_output=True, check=False)  # noqa: S603
    return str(folder / "calm.so") if done.returncode == 0 else ""


def _approaches(condition: Condition) -> list[list[str]]:
    """Return what is asked of XFoil, one after the other; the last of each is the condition."""
    angle, lift = condition.angle, condition.lift
    wanted = f"alfa {angle:.8g}" if lift is None else f"cl {lift:.8g}"
    steps = max(1, math.ceil(abs(angle) / _STEP))
    from_zero = [f"alfa {angle * i / steps:.8g}" for i in range(steps + 1)]
    found = [[f"alfa {angle:.8g}", wanted], [*from_zero, wanted]]
    for side in _SIDES:
        away = [side * _STEP_ASIDE * i for i in range(_STEPS_ASIDE, 0, -1)]
        aside = [f"alfa {angle + by:.8g}" for by in away]
        if lift is not None:
            aside = [aside[0], *(f"cl {lift + _LIFT_A_DEGREE * by:.8g}" for by in away)]
        found.append([*aside, wanted])
    return found


def _name(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _row(path: Path, condition: Condition) -> list[float] | None:
    """Return the last row of a polar that is what the condition asked for."""
    if not path.is_file():
        return None
    rows = []
    for line in path.read_text(errors="replace").splitlines():
        try:
            numbers = [float(word) for word in line.split()]
        except ValueError:
            continue  # the head
        if len(numbers) >= len(_FIELDS) + 1 and all(map(math.isfinite, numbers)):
            rows.append(numbers)
    for row in reversed(rows):
        if condition.lift is not None:
            fits = abs(row[1] - condition.lift) <= _NEAR_LIFT
        else:
            fits = abs(row[0] - condition.angle) <= _NEAR_ANGLE
        if fits and row[2] > 0:
            return row
    return None


def _polar(asked: Sequence[tuple[Sequence[float] | None, str]]) -> Polar:
    def column(name: str) -> Tensor:
        place = _FIELDS[name]
        values = [math.nan if row is None else row[place] for row, _ in asked]
        return torch.tensor(values, dtype=torch.float64)

    return Polar(
        angle=column("angle"),
        lift=column("lift"),
        drag=column("drag"),
        moment=column("moment"),
        upper_transition=column("upper"),
        lower_transition=column("lower"),
        why=tuple(why for _, why in asked),
    )
