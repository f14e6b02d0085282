"""A classifier without layers: what kinds of known samples lie near, in a linear projection."""

import torch
from torch import Tensor, nn

__all__ = ["KernelClassifier"]


class KernelClassifier(nn.Module):
    """Kernel densities of the classes, estimated from known samples in a linear projection.

    With projection ``P``, known samples ``r_i`` of class ``c_i`` and ``u(x) = P x``::

        logit_c(x) = log mean over {i: c_i = c} of exp(-|u(x) - u(r_i)|^2)

    plus a learned weight per class. The width of the kernel is part of the projection, which is
    learned so that samples lie near their own kind. Nothing but nearness to known samples decides,
    so its errors are not those of a network of layers.

    Source: Goldberger, Roweis, Hinton, Salakhutdinov, "Neighbourhood Components Analysis", NIPS
    2004.

    Args:
        classes: the number of outputs.
        inputs: the number of values of one sample, whatever its shape.
        dimensions: of the projection.
        known: the number of known samples; ``remember`` puts them in place.

    Shape:
        ``(n, *shape)`` with ``inputs`` values each → logits ``(n, classes)``.

    Example:
        >>> net = KernelClassifier(classes=2, inputs=1, dimensions=1, known=4)
        >>> _ = net.projection.data.fill_(1.0)
        >>> net.remember(torch.tensor([[0.0], [0.1], [3.0], [3.1]]), torch.tensor([0, 0, 1, 1]))
        >>> net(torch.tensor([[0.2], [2.9]])).argmax(1).tolist()
        [0, 1]
    """

    places: Tensor
    labels: Tensor

    def __init__(
        self, classes: int = 10, inputs: int = 784, dimensions: int = 32, known: int = 10_000
    ) -> None:
        super().__init__()
        self.classes = classes
        self.projection = nn.Parameter(torch.randn(inputs, dimensions) / inputs**0.5)
        self.weight = nn.Parameter(torch.zeros(classes))
        self.register_buffer("places", torch.zeros(known, dimensions))
        self.register_buffer("labels", torch.zeros(known, dtype=torch.int64))

    @torch.no_grad()
    def remember(self, x: Tensor, labels: Tensor) -> None:
        """Make ``x``, ``(known, *shape)``, with ``labels``, ``(known,)``, the known samples.

        Raises:
            ValueError: another number of samples than ``known``.
        """
        if len(x) != len(self.places) or len(labels) != len(x):
            raise ValueError(
                f"the classifier remembers {len(self.places)} known samples with a label each, "
                f"but {len(x)} samples and {len(labels)} labels came."
            )
        self.places.copy_(self.project(x))
        self.labels.copy_(labels)

    def project(self, x: Tensor) -> Tensor:
        """Return ``u(x)``, ``(n, dimensions)``."""
        return x.flatten(1) @ self.projection

    def nearness(self, at: Tensor, places: Tensor, labels: Tensor) -> Tensor:
        """Return logits ``(n, classes)`` of projected samples, by known ``places``."""
        squared = torch.addmm(places.square().sum(1), at, places.T, alpha=-2)
        kernel = -(squared + at.square().sum(1, keepdim=True)).clamp_min(0)
        highest = kernel.amax(dim=1, keepdim=True).detach()
        members = nn.functional.one_hot(labels, self.classes).to(kernel)
        mean = ((kernel - highest).exp() @ members) / members.sum(dim=0).clamp_min(1)
        return mean.clamp_min(1e-30).log() + highest + self.weight

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, ``(n, classes)``."""
        return self.nearness(self.project(x), self.places, self.labels)
