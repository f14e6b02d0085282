"""How numbers are worded."""

__all__ = ["short"]


def short(value: float) -> str:
    """Return a number for a sentence, to three digits.

    Example:
        >>> short(1e-6), short(0.03125), short(12.0)
        ('1e-6', '0.0312', '12')
    """
    return f"{value:.3g}".replace("e-0", "e-").replace("e+0", "e+")
