"""Recipes: how every model of the task digits is made.

A surrogate's recipe is composed, ``robust+outliers+noise-soft``: a base, which says architecture
and schedule, and parts, each of which adds a signal. The latent space and the judges have recipes
of their own.
"""

from collections.abc import Iterable

from xhat.core import check_choice
from xhat_zoo.digits.recipes.parts import PARTS, compose
from xhat_zoo.digits.recipes.recipe import Recipe
from xhat_zoo.digits.recipes.shipped import SHIPPED

__all__ = ["PARTS", "SHIPPED", "Recipe", "compose", "known_recipes", "recipe"]


def recipe(name: str) -> Recipe:
    """Return a recipe by name: one of ``SHIPPED``, or parts joined by ``+``.

    Raises:
        ValueError: there is no such recipe or part; the message lists those there are.

    Example:
        >>> recipe("robust+outliers").kind
        'surrogate'
    """
    if name in SHIPPED:
        return SHIPPED[name]
    if "+" not in name:
        check_choice("recipe", name, (*PARTS, *SHIPPED))
    return compose(name)


def known_recipes() -> Iterable[str]:
    """Return the names that a recipe may have or be made of."""
    return (*PARTS, *SHIPPED)
