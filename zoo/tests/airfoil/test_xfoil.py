import os
import time

import pytest
import torch

from xhat_zoo.airfoil import Condition, XFoil, XFoilMissingError, catalogue, installed
from xhat_zoo.airfoil.xfoil import Polar

NACA = catalogue().of("naca0012")[0]
AT = [Condition(1e6, 5.0)]
needs_xfoil = pytest.mark.skipif(not installed(), reason="XFoil is not installed")


def program(tmp_path, text):
    """Return a stand-in for XFoil: a shell script that reads its keys and does ``text``."""
    path = tmp_path / "xfoil"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


ROW = "  5.000   0.5560   0.00854   0.00177   0.0021   0.1453   0.9858"
BROKEN, ELSEWHERE = ROW.replace("0.00854", "NaN"), ROW.replace("5.000", "4.000")


@needs_xfoil
def test_naca_0012_is_as_published():
    """Lift slope and drag as in the manual of XFoil and Abbott, von Doenhoff at a million."""
    polar = XFoil(timeout=120)(NACA, [*AT, Condition(1e6, 0.0), Condition(1e6, 4.0, lift=0.5)])
    assert polar.converged.all()
    assert polar.why == ("converged",) * 3
    assert float(polar.lift[0]) == pytest.approx(0.558, abs=0.01)
    assert float(polar.drag[1]) == pytest.approx(0.0054, abs=0.0003)
    assert float(polar.lift[1]) == pytest.approx(0.0, abs=0.01)
    assert float(polar.lift[2]) == pytest.approx(0.5, abs=0.002)
    assert 4.0 < float(polar.angle[2]) < 5.0
    assert abs(float(polar.moment[0])) < 0.02


@needs_xfoil
def test_what_does_not_converge_is_nan_and_says_why():
    polar = XFoil(iterations=1, panels=100, timeout=120)(NACA, [Condition(1e6, 25.0)])
    assert isinstance(polar, Polar)
    assert not polar.converged.any()
    assert polar.drag.isnan().all()
    assert "did not converge in 1 iteration" in polar.why[0]


def test_a_hanging_program_is_killed_in_time(tmp_path):
    hangs = program(tmp_path, f"echo $$ > {tmp_path}/pid; sleep 600 & wait")
    began = time.perf_counter()
    polar = XFoil(hangs, timeout=3)(NACA, AT)
    assert time.perf_counter() - began < 300
    assert polar.why == ("XFoil was killed after 3 s",)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kill -SEGV $$", "crashed (SIGSEGV)"),
        ("kill -FPE $$", "this build stops at floating-point exceptions"),
        ("exit 3", "crashed (exit code 3)"),
        ("cat > /dev/null", "did not converge in 100 iterations"),
        ("cat > /dev/null; echo garbage 1 2 > polar.txt", "did not converge"),
        (
            f"cat > /dev/null; echo '{ROW.replace('0.00854', 'NaN')}' > polar.txt",
            "did not converge",
        ),
        (f"cat > /dev/null; echo '{ROW.replace('5.000', '4.000', 1)}' > polar.txt", "did not conv"),
    ],
)
def test_a_crash_is_recorded_and_not_fatal(tmp_path, text, said):
    polar = XFoil(program(tmp_path, text), timeout=60)(NACA, AT)
    assert polar.drag.isnan().all()
    assert said in polar.why[0]


def test_a_polar_that_was_written_is_read(tmp_path):
    writes = program(tmp_path, f"cat > keys; echo '{ROW}' > polar.txt; cp keys {tmp_path}/keys")
    polar = XFoil(writes, n_crit=7.0, panels=160)(NACA, AT)
    assert (float(polar.lift[0]), float(polar.drag[0])) == (0.556, 0.00854)
    assert (float(polar.moment[0]), float(polar.lower_transition[0])) == (0.0021, 0.9858)
    keys = (tmp_path / "keys").read_text().split("\n")
    assert {"n 160", "n 7", "visc 1000000", "alfa 5", "g f"} <= set(keys)


ONLY = "cat > keys; if {when}; then echo '{row}' > polar.txt; fi; echo $(cat keys) >> {folder}/all"


def asked_when(tmp_path, when):
    """Return what XFoil says that converges only so, and the keys of all runs."""
    row = "  4.700   0.5000   0.00854   0.00177   0.0021   0.1453   0.9858"
    only = program(tmp_path, ONLY.format(when=when, row=row, folder=tmp_path))
    polar = XFoil(only, timeout=60)(NACA, [Condition(1e6, 4.0, lift=0.5)])
    return polar, (tmp_path / "all").read_text().splitlines()


def test_what_does_not_converge_at_once_is_approached_from_afar(tmp_path):
    polar, runs = asked_when(tmp_path, "grep -q 'cl 0.525' keys")
    assert polar.why == ("converged",)
    assert len(runs) == 4
    at_once, from_zero, below, above = (run.split("visc 1000000 ")[1] for run in runs)
    assert at_once.split()[:4] == ["alfa", "4", "pacc", "polar.txt"]
    assert from_zero.startswith("alfa 0 alfa 0.5 alfa 1 ")
    assert below.startswith("alfa 1 cl 0.2 cl 0.225 ")
    assert "cl 0.475 pacc polar.txt cl 0.5 pacc" in below
    assert above.startswith("alfa 7 cl 0.8 cl 0.775 ")


def test_fewer_panels_come_last_and_are_named(tmp_path):
    polar, runs = asked_when(tmp_path, "grep -q '^n 200' keys")
    assert polar.why == ("converged on 200 panels",)
    assert [run.split("ppar n ")[1].split()[0] for run in runs] == ["279"] * 4 + ["240"] * 4 + [
        "200"
    ]
    assert float(polar.drag[0]) == 0.00854


def test_where_nothing_helps_the_first_reason_is_told(tmp_path):
    polar, runs = asked_when(tmp_path, "false")
    assert polar.why == ("XFoil did not converge in 100 iterations",)
    assert len(runs) == 16
    assert polar.drag.isnan().all()
    (tmp_path / "all").unlink()
    XFoil(str(tmp_path / "xfoil"), attempts=2)(NACA, AT)
    assert len((tmp_path / "all").read_text().splitlines()) == 2


def test_a_program_that_is_not_there_is_told_how_to_install():
    assert not installed("no-such-program")
    with pytest.raises(XFoilMissingError, match="apt install xfoil"):
        XFoil("no-such-program")(NACA, AT)


def test_bad_airfoils_are_refused_before_anything_runs():
    crossed = NACA.clone()
    crossed[8:16] = 0.5
    never = XFoil("no-such-program")
    with pytest.raises(ValueError, match="surfaces cross"):
        never(crossed, AT)
    with pytest.raises(ValueError, match=r"must have shape \(n, 18\)"):
        never(NACA[:12], AT)
    with pytest.raises(ValueError, match="one condition or more"):
        never(NACA, [])
    with pytest.raises(ValueError, match="must be finite"):
        never(torch.full((18,), torch.nan), AT)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: XFoil(timeout=0), "timeout must be above 0"),
        (lambda: XFoil(panels=500), "panels must be from 20 to 300"),
        (lambda: XFoil(attempts=0), "attempts must be"),
        (lambda: XFoil(iterations=0), "iterations must be a whole number"),
        (lambda: Condition(-1.0, 0.0), "Reynolds number must be above 0"),
        (lambda: Condition(1e6, float("nan")), "angle must be finite"),
    ],
)
def test_bad_settings_are_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()
