"""An explorer that is set up in seconds: fewer real digits and judges than the shipped one."""

import functools

from xhat_zoo.digits.methods import Known

from xhat.judges import Judge, Jury, Neighbours
from xhat.surrogates import Exemplars
from xhat_zoo import digits
from xhat_zoo.digits.exploring import Explorer

MEMBERS = ("judge-mlp", "judge-cnn")


@functools.cache
def judge() -> Judge:
    held = digits.split("calibration")
    x, labels = held.images, held.labels
    axes = (Neighbours("distance in pixels", x[:1500], labels=labels[:1500]),)
    jury = Jury(tuple(digits.judge(name) for name in MEMBERS), MEMBERS, digits.CLASSES)
    known, rest = (x[:1500], labels[:1500]), (x[1500:1900], labels[1500:1900])
    return Judge.assemble(jury, axes, known, rest)


@functools.cache
def known() -> Known:
    held = digits.split("calibration")
    real = Exemplars(held.images[2000:], held.labels[2000:]).first(60)
    return Known(real, (digits.surrogate("robust"),), digits.vae().encode)


@functools.cache
def explorer() -> Explorer:
    made = Explorer(judge, known)
    made.warm()
    return made
