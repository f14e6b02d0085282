"""Can a model's probabilities be taken at their word, and do scores tell two sets apart?

Of a classifier's logits and the right classes:

- ``nll``: the mean negative log-probability of the right class; 0 is perfect, ``log K`` knows
  nothing.
- ``brier``: the mean squared error of the distribution, from 0 to 2.
- ``expected_calibration_error``: how far confidence and accuracy lie apart. A model that is right
  in 80 of 100 cases should say 80 %. It is a mean over bins, and so biased upwards for few samples;
  compare at equal ``n`` and ``bins``.

The first two are proper scores: nothing but the true probabilities makes them least. The third is
not (a constant model can be perfectly calibrated), so read it beside one of them.

Of scores that should be higher for one set than for another:

- ``auroc``: the probability that a positive scores above a negative.
- ``fpr_at_tpr``: the share of negatives that pass a threshold which 95 % of positives pass.

Source: Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", ICML 2017; Brier,
"Verification of Forecasts Expressed in Terms of Probability", 1950; Hanley, McNeil, "The Meaning
and Use of the Area under a Receiver Operating Characteristic (ROC) Curve", 1982; Hendrycks, Gimpel,
"A Baseline for Detecting Misclassified and Out-of-Distribution Examples", ICLR 2017.
"""

import math

import torch
from scipy.stats import rankdata
from torch import Tensor
from torch.nn import functional as F

from xhat.core import check_count, check_fraction, check_range, check_tensor

__all__ = ["auroc", "brier", "expected_calibration_error", "fpr_at_tpr", "nll"]


def nll(logits: Tensor, labels: Tensor) -> float:
    """Return the mean of ``-log softmax(logits)[label]``, in nats.

    Args:
        logits: ``(n, classes)``, of two classes or more.
        labels: ``(n,)`` right classes.

    Raises:
        TypeError: logits that are not floating point, or labels that are no integers.
        ValueError: shapes that do not fit, a class out of range, or values not finite.

    Example:
        >>> round(nll(torch.zeros(3, 4), torch.tensor([0, 1, 2])), 4)  # log 4
        1.3863
    """
    logits, labels = _checked(logits, labels)
    return float(F.cross_entropy(logits, labels))


def brier(logits: Tensor, labels: Tensor) -> float:
    """Return the mean of ``sum_k (p_k - [k is the label])^2``, in [0, 2].

    Args:
        logits: ``(n, classes)``, of two classes or more.
        labels: ``(n,)`` right classes.

    Raises:
        TypeError: logits that are not floating point, or labels that are no integers.
        ValueError: shapes that do not fit, a class out of range, or values not finite.

    Example:
        >>> brier(torch.tensor([[99.0, 0.0], [99.0, 0.0]]), torch.tensor([0, 1]))  # one of two
        1.0
    """
    logits, labels = _checked(logits, labels)
    right = F.one_hot(labels, logits.shape[1])
    return float((logits.softmax(dim=1) - right).square().sum(dim=1).mean())


def expected_calibration_error(logits: Tensor, labels: Tensor, bins: int = 15) -> float:
    """Return ``sum_b (n_b / n) |accuracy_b - confidence_b|`` over bins of equal width, in [0, 1].

    The confidence is the probability of the likeliest class. The bins are ``(b / bins,
    (b + 1) / bins]``, as in Guo et al., 2017.

    Args:
        logits: ``(n, classes)``, of two classes or more.
        labels: ``(n,)`` right classes.
        bins: how many; 15 is the field's custom.

    Raises:
        TypeError: logits that are not floating point, or labels that are no integers.
        ValueError: shapes that do not fit, a class out of range, values not finite, or no bin.

    Example:
        >>> sure = torch.tensor([[99.0, 0.0]]).repeat(4, 1)
        >>> expected_calibration_error(sure, torch.tensor([0, 0, 0, 1]))  # right in 3 of 4
        0.25
    """
    check_count("bins", bins)
    logits, labels = _checked(logits, labels)
    confidence, said = logits.softmax(dim=1).max(dim=1)
    place = ((confidence * bins).ceil().long() - 1).clamp(0, bins - 1)
    gaps = logits.new_zeros(bins).index_add(0, place, (said == labels).double() - confidence)
    return float(gaps.abs().sum()) / len(labels)


def auroc(positive_scores: Tensor, negative_scores: Tensor) -> float:
    """Return the probability that a positive scores above a negative; ties count half.

    That is the area under the receiver operating characteristic: 1 for two sets that a threshold
    tells apart, 0.5 for equal ones.

    Args:
        positive_scores: ``(n,)``, which should be the higher ones; they may be infinite.
        negative_scores: ``(m,)``.

    Raises:
        TypeError: not floating point.
        ValueError: empty, not one axis, or NaN among them.

    Example:
        >>> auroc(torch.tensor([2.0, 3.0]), torch.tensor([1.0, 2.0]))  # 3 of 4 pairs, and a tie
        0.875
    """
    positive, negative = _scores(positive_scores, negative_scores)
    n, m = len(positive), len(negative)
    ranks = rankdata(torch.cat((positive, negative)).numpy())
    return (float(ranks[:n].sum()) - n * (n + 1) / 2) / (n * m)


def fpr_at_tpr(positive_scores: Tensor, negative_scores: Tensor, tpr: float = 0.95) -> float:
    """Return the share of negatives that score at least as high as ``tpr`` of the positives do.

    The threshold is the highest that ``tpr`` of the positives reach or pass.

    Args:
        positive_scores: ``(n,)``, which should be the higher ones; they may be infinite.
        negative_scores: ``(m,)``.
        tpr: the share of positives that must pass, in (0, 1).

    Raises:
        TypeError: not floating point.
        ValueError: empty, not one axis, NaN among them, or a share out of range.

    Example:
        >>> positive = torch.arange(1.0, 101.0)  # 95 of them are at least 6
        >>> fpr_at_tpr(positive, torch.tensor([0.0, 5.9, 6.0, 50.0]))
        0.5
    """
    positive, negative = _scores(positive_scores, negative_scores)
    passing = math.ceil(check_fraction("tpr", tpr) * len(positive) - 1e-9)  # 0.95 * 100 > 95
    threshold = positive.sort(descending=True).values[passing - 1]
    return float((negative >= threshold).double().mean())


def _checked(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    logits = check_tensor("the logits", logits, ndim=2).detach().double()
    labels = check_tensor("the labels", labels, ndim=1, floating=False).to(logits.device)
    if labels.dtype.is_floating_point or labels.dtype.is_complex or labels.dtype == torch.bool:
        raise TypeError(f"the labels must be class indices, not {str(labels.dtype)[6:]}.")
    if len(labels) != len(logits):
        raise ValueError(
            f"there must be one label for each row of logits, but {len(labels)} came for "
            f"{len(logits)}."
        )
    if logits.shape[1] < 2:
        raise ValueError("the logits must be of at least 2 classes, but are of 1.")
    check_range("the labels", labels, 0, logits.shape[1] - 1)
    return logits, labels.long()


def _scores(positive: Tensor, negative: Tensor) -> tuple[Tensor, Tensor]:
    return _ranked("the positive scores", positive), _ranked("the negative scores", negative)


def _ranked(name: str, scores: Tensor) -> Tensor:
    if isinstance(scores, Tensor) and scores.is_floating_point():
        most = torch.finfo(torch.float64).max  # infinities have a rank too; NaN has none
        scores = scores.detach().cpu().double().clamp(-most, most)
    return check_tensor(name, scores, ndim=1).double()
