"""What a child does: it makes the function once, and answers questions until nobody asks.

This file is run by its path, and imports nothing of this package: torch, which that would import,
takes seconds, and a simulator may need none of it.
"""

import os
import pickle
import sys
from multiprocessing import connection as connections
from typing import Any

IDLE = 600.0  # seconds without a question after which a child that was forgotten ends


def serve(connection: Any) -> None:
    """Answer what comes: first the paths and the function, then one question after the other."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, 9)  # be killed if the caller is (PR_SET_PDEATHSIG)
    try:
        sys.path[:], payload = pickle.loads(connection.recv_bytes())  # noqa: S301 - of our parent
    except EOFError:
        return
    try:
        run = pickle.loads(payload)  # noqa: S301
    except BaseException as error:  # noqa: BLE001 - of any kind, while modules are imported
        connection.send_bytes(pickle.dumps(f"{type(error).__name__}: {error}"))
        return
    connection.send_bytes(pickle.dumps(None))
    while connection.poll(IDLE):
        try:
            question = connection.recv_bytes()
        except EOFError:
            return
        connection.send_bytes(answered(run, question))


def answered(run: Any, question: bytes) -> bytes:
    """Return the reply to a question as bytes, whatever it holds."""
    try:
        asked = pickle.loads(question)  # noqa: S301
    except BaseException as error:  # noqa: BLE001 - of any kind, while modules are imported
        return pickle.dumps(("failed", None, f"the question cannot be read: {error}", 0.0))
    reply = run(asked)
    try:
        told = pickle.dumps(reply, protocol=pickle.HIGHEST_PROTOCOL)
        if reply[0] != "given":
            pickle.loads(told)  # noqa: S301 - an exception may not come back from its pickle
    except Exception as error:  # noqa: BLE001 - of any kind: pickle calls the code of others
        kind, _, reason, seconds = reply
        given = kind == "given"
        reason = f"its answer cannot be sent back: {error}" if given else reason
        return pickle.dumps(("failed" if given else kind, None, reason, seconds))
    return told


if __name__ == "__main__":
    handle = int(sys.argv[1])
    windows = os.name == "nt"
    serve((connections.PipeConnection if windows else connections.Connection)(handle))  # pyright: ignore[reportAttributeAccessIssue]
