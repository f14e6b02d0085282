"""The command line: a thin shell over ``xhat.study``.

Bad input ends with one sentence on standard error and exit code 2, an interrupt with 130;
``--debug`` shows the traceback instead.
"""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; an interrupt while torch is being loaded is as quiet as a later one."""
    try:
        from xhat.cli import (  # noqa: F401 - commands join the app
            commands,
            demos,
            exchange,
            experiments,
            explore,
            labels,
            serving,
        )
        from xhat.cli.app import app
        from xhat.cli.shell import run
    except KeyboardInterrupt:
        sys.exit(130)
    run(app)
