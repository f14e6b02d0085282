"""Optional packages: imported where they are used, and named with their extra where missing."""

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["MissingExtraError", "extra"]


class MissingExtraError(ModuleNotFoundError):
    """Something needs a package that an extra of this library brings, and it is not installed."""


@contextmanager
def extra(name: str, what: str) -> Iterator[None]:
    """Import optional packages in this block; say how to install what is missing.

    Args:
        name: of the extra.
        what: needs them, with its verb: it begins the sentence.

    Raises:
        MissingExtraError: a package that is imported in the block is not installed.

    Example:
        >>> with extra("report", "pages need"):
        ...     import no_such_package
        Traceback (most recent call last):
        ...
        xhat.core.extras.MissingExtraError: pages need no_such_package, which is not installed; \
install it with: pip install 'xhat[report]'.
    """
    try:
        yield
    except ImportError as error:
        package = (error.name or str(error)).partition(".")[0]
        raise MissingExtraError(
            f"{what} {package}, which is not installed; install it with: pip install "
            f"'xhat[{name}]'.",
            name=package,
        ) from error
