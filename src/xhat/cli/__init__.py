"""The command line: a thin shell over the library and the tasks that are installed.

Bad input ends with one sentence on standard error and exit code 2, an interrupt with 130, SIGTERM
with 143; ``--debug`` shows the traceback instead. A command imports what it works with when it
runs, so that help is there at once.
"""

import sys

from xhat.cli.stopping import SAID, Stopped, stoppable

__all__ = ["main"]


def main() -> None:
    """Run the command line; being asked to stop while it is set up is as quiet as later."""
    try:
        with stoppable():
            from xhat.cli import (  # noqa: F401 - commands join the app
                commands,
                demos,
                exchange,
                explore,
                labels,
                optimize,
                robustness,
                self_testing,
                serving,
                training,
            )
            from xhat.cli.app import app
            from xhat.cli.shell import run

            run(app)
    except Stopped as stopped:
        sys.stderr.write(f"{SAID}\n")
        sys.exit(stopped.code)
