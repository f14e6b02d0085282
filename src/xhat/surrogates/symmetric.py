"""Models made exactly invariant or equivariant: any model, averaged over a finite group.

    invariant     F(x) = mean_k f(g_k x)               so that F(g x) = F(x)
    equivariant   F(x) = mean_k h_k^-1 f(g_k x)        so that F(g x) = h F(x)

with ``g_k`` acting on inputs and ``h_k`` on outputs. For an exact group and a deterministic model
both hold to the last bit, and so do the symmetries of their gradients: a symmetric start of a
search stays symmetric whatever the stepper, since every feature of an orbit gets the very same
gradient. Other terms of an objective must not spoil that: those that treat every feature alike, as
``Proximity`` does, keep it; a sum over neighbours, as in ``TotalVariation``, need not in the last
bit.

The price is ``order`` evaluations of the model, and their memory where gradients are asked for.
They are made one after the other, on tensors of their own: in one large batch equal inputs might
give outputs that differ in the last bit.

Source: the mean over a group (Reynolds operator) is classical. Cohen, Welling, "Group Equivariant
Convolutional Networks", ICML 2016, build it into the layers instead; Puny, Atzmon, Smith, Misra,
Grover, Ben-Hamu, Lipman, "Frame Averaging for Invariant and Equivariant Network Design", ICLR 2022,
average over a small subset that depends on the input, which large or continuous groups need.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from xhat.symmetry import Group, average

__all__ = ["Equivariant", "Invariant"]


class Invariant(nn.Module):
    """The mean of a model's outputs over a group: ``F(g x) = F(x)``.

    For a classifier it is the logits that are averaged. A half turn makes a 6 of a 9 and a quarter
    turn a Z of an N: an invariant classifier cannot know which of two such classes it sees, so drop
    one, or give both one label.

    A group that interpolates (``exact`` false, such as ``Rotations(8)``) gives invariance under its
    quarter turns only.

    Args:
        model: ``(n, *shape) -> (n, ...)``. Dropout and other chances differ between the elements,
            and batch statistics are those of one element's images each.
        group: acts on inputs.
        shape: of one input, to check at once whether the group acts on it; None to check when the
            first input comes.

    Raises:
        TypeError: not a module, or not a group.
        ValueError: the group does not act on inputs of that shape.

    Shape:
        that of the model.

    Example:
        >>> import torch
        >>> from xhat.symmetry import Rotations
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3)).double()
        >>> invariant = Invariant(model, Rotations(4))
        >>> x = torch.rand(2, 1, 4, 4, dtype=torch.float64)
        >>> bool((invariant(x) == invariant(torch.rot90(x, 1, (2, 3)))).all())
        True
    """

    def __init__(self, model: nn.Module, group: Group, shape: Sequence[int] | None = None) -> None:
        super().__init__()
        self.model, self.group = _module(model), _group("group", group)
        if shape is not None:
            group.check(shape)

    def forward(self, x: Tensor) -> Tensor:
        """Return the mean output, of the model's shape."""
        return average([_output(self.model(image)) for image in self.group.orbit(x)])

    def extra_repr(self) -> str:
        """Name the group."""
        return str(self.group)


class Equivariant(nn.Module):
    """The mean of a model's outputs, moved back: ``F(g_k x) = h_k F(x)``.

    Args:
        model: ``(n, *shape) -> (n, *output_shape)``.
        group: acts on inputs.
        output_group: acts on outputs, element ``k`` as the group's element ``k``; so both multiply
            alike. None for the same group, where outputs have the shape of inputs.
        shape: of one input, to check at once; None to check when the first input comes.

    Raises:
        TypeError: not a module, or not a group.
        ValueError: the groups do not multiply alike, or do not act on inputs or outputs.

    Shape:
        that of the model.

    Example:
        >>> import torch
        >>> from xhat.symmetry import Mirror, Permutations
        >>> model = nn.Linear(3, 2).double()
        >>> equivariant = Equivariant(model, Mirror(), Permutations([[0, 1], [1, 0]]))
        >>> x = torch.rand(1, 3, dtype=torch.float64)
        >>> bool((equivariant(x.flip(1)) == equivariant(x).flip(1)).all())
        True
    """

    def __init__(
        self,
        model: nn.Module,
        group: Group,
        output_group: Group | None = None,
        shape: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.model, self.group = _module(model), _group("group", group)
        self.output_group = group if output_group is None else _group("output_group", output_group)
        if self.output_group.products != group.products:
            raise ValueError(
                f"output_group must multiply as group does, element by element, but "
                f"{self.output_group} ({self.output_group.order} elements) does not multiply as "
                f"{group} ({group.order}); order its elements as those of group."
            )
        if shape is not None:
            group.check(shape)

    def forward(self, x: Tensor) -> Tensor:
        """Return the mean of the outputs, each moved back by its element's inverse."""
        back = self.output_group
        outputs = [_output(self.model(image)) for image in self.group.orbit(x)]
        return average([back.act(back.inverse(k), y) for k, y in enumerate(outputs)])

    def extra_repr(self) -> str:
        """Name the groups."""
        return f"{self.group} -> {self.output_group}"


def _module(model: Any) -> nn.Module:
    if not isinstance(model, nn.Module):
        came = model.__name__ if isinstance(model, type) else type(model).__name__
        raise TypeError(f"the model must be an nn.Module, not {came}; wrap a function in one.")
    return model


def _group(name: str, value: Any) -> Group:
    if not isinstance(value, Group):
        came = value.__name__ if isinstance(value, type) else type(value).__name__
        raise TypeError(
            f"{name} must be a Group such as Rotations(4), not {came}; names are made into groups "
            f'by xhat.symmetry.group("c4").'
        )
    return value


def _output(y: Any) -> Tensor:
    if not isinstance(y, Tensor) or not y.is_floating_point():
        came = str(y.dtype) if isinstance(y, Tensor) else type(y).__name__
        raise TypeError(f"the model must return one floating-point tensor, but {came} came.")
    return y
