"""The command line: a thin shell over ``xhat.study``.

Bad input ends with one sentence on standard error and exit code 2, an interrupt with 130;
``--debug`` shows the traceback instead.
"""

from xhat.cli.commands import app
from xhat.cli.shell import run

__all__ = ["main"]


def main() -> None:
    """Run the command line."""
    run(app)
