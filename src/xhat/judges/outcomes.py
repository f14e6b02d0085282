"""The outcomes of a verdict, in the order in which they are decided.

The taxonomy follows Stutz, Hein, Schiele, "Disentangling Adversarial Robustness and
Generalization" (CVPR 2019), which separates leaving the data manifold from ordinary error, and
adds what a search can do besides: miss its target, break a constraint, or leave for elsewhere.
"""

from enum import StrEnum

__all__ = [
    "BY_DISTANCE",
    "BY_JURY",
    "BY_TRUTH",
    "BY_TRUTH_ALONE",
    "BY_VALUE",
    "FRAGILE_BY_JURY",
    "FRAGILE_BY_TRUTH",
    "RATHER",
    "STILL_BY_JURY",
    "STILL_BY_TRUTH",
    "UNASKED",
    "Outcome",
]


class Outcome(StrEnum):
    """What a candidate turned out to be; the first that applies.

    Example:
        >>> Outcome("off_manifold").meaning
        'no natural process makes such an input, though nobody denies the target'
    """

    INFEASIBLE = "infeasible"
    UNREACHED = "unreached"
    OUT_OF_DISTRIBUTION = "out_of_distribution"
    ADVERSARIAL = "adversarial"
    OFF_MANIFOLD = "off_manifold"
    MISTAKEN = "mistaken"
    AMBIGUOUS = "ambiguous"
    UNDECIDED = "undecided"
    GENUINE = "genuine"

    @property
    def meaning(self) -> str:
        """One line that says what the outcome means, whoever was asked.

        ``Verdict.meaning`` says it of one sample, by the evidence there is.
        """
        return _MEANINGS[self]


_MEANINGS = {
    Outcome.INFEASIBLE: "a declared constraint is violated",
    Outcome.UNREACHED: "the surrogate itself does not give the target",
    Outcome.OUT_OF_DISTRIBUTION: "far from every class of the reference data",
    Outcome.ADVERSARIAL: "held-out judges or the truth do not see the target, and it is off the "
    "manifold, or its answer does not survive small noise, or what the search began with is still "
    "seen: the surrogate was fooled",
    Outcome.OFF_MANIFOLD: "no natural process makes such an input, though nobody denies the target",
    Outcome.MISTAKEN: "held-out judges or the truth see something else, and nothing else is "
    "unusual: an ordinary error of the surrogate",
    Outcome.AMBIGUOUS: "on the manifold, and the held-out judges are split",
    Outcome.UNDECIDED: "nothing is unusual, but these judges cannot tell whether it is the target",
    Outcome.GENUINE: "it passed every test: it is usual among real samples, and the target is "
    "seen, as far as each was asked",
}

# The same where it is known who was asked; what is not said here is said above.
_THERE = "the target is there, but no natural process makes such an input"
_FRAGILE = "and the surrogate's answer does not survive small noise: the surrogate was fooled"
FRAGILE_BY_JURY = f"held-out judges see something else, {_FRAGILE}"
FRAGILE_BY_TRUTH = f"the truth does not confirm the target, {_FRAGILE}"
_BEGAN = "what the search began with is still seen: the surrogate was fooled"
STILL_BY_JURY = f"held-out judges see something else, and {_BEGAN}"
STILL_BY_TRUTH = f"the truth does not confirm the target, and {_BEGAN}"
RATHER = "on the manifold, and few real samples of other classes show as much of the target"
BY_DISTANCE = {
    Outcome.OFF_MANIFOLD: "no natural process makes such an input; no class was asked for",
    Outcome.GENUINE: "on the manifold; no class was asked for",
}
UNASKED = {
    Outcome.OFF_MANIFOLD: "no natural process makes such an input; nobody was asked whether the "
    "goal is met",
    Outcome.UNDECIDED: "nothing is unusual, but nobody was asked whether the goal is met",
}
BY_VALUE = {
    Outcome.ADVERSARIAL: "off the manifold, and held-out regressors predict another value: "
    "the surrogate was fooled",
    Outcome.OFF_MANIFOLD: "no natural process makes such an input, though held-out regressors do "
    "not deny the value",
    Outcome.MISTAKEN: "on the manifold, yet held-out regressors predict another value: "
    "an ordinary error of the surrogate",
    Outcome.UNDECIDED: "nothing is unusual, but held-out regressors cannot tell whether the goal "
    "is met",
    Outcome.GENUINE: "on the manifold, and held-out regressors see the goal met",
}
BY_JURY = {
    Outcome.ADVERSARIAL: "off the manifold, and held-out judges do not see the target: "
    "the surrogate was fooled",
    Outcome.OFF_MANIFOLD: _THERE,
    Outcome.MISTAKEN: "on the manifold, yet held-out judges see something else: "
    "an ordinary error of the surrogate",
    Outcome.GENUINE: "on the manifold, and held-out judges see the target",
}
BY_TRUTH = {
    Outcome.ADVERSARIAL: "off the manifold, and the truth does not confirm the target: "
    "the surrogate was fooled",
    Outcome.OFF_MANIFOLD: _THERE,
    Outcome.MISTAKEN: "on the manifold, yet the truth does not confirm the target: "
    "an ordinary error of the surrogate",
    Outcome.GENUINE: "on the manifold, and the truth confirms the target",
}
BY_TRUTH_ALONE = {
    Outcome.MISTAKEN: "the truth does not confirm the target: an error of the surrogate",
    Outcome.GENUINE: "the truth confirms the target; nobody was asked whether it is natural",
}
