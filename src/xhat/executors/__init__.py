"""Executors: where long work is done. In this process, in others, on a Dask or a Ray cluster.

One noun, ``Workers``, with one method: it takes tasks, one after the other, asks a function about
each, and gives the replies in the order in which they get done. Everything of the library that is
worth more than one processor goes through it: shards of a search, calls of a simulator, the members
of a jury, the cells of a study.

But for this process, a task always runs in a *child*: a process of its own, which imports what the
task needs and nothing more, has its share of the machine's threads and one of its GPUs, and is
killed, with all that it started, when it takes too long or nobody waits for it any longer. On a
cluster a worker of Dask or Ray keeps such a child; so a function that crashes takes no worker
along, and one that holds the interpreter does not make its worker look dead.

================  ===============================================================================
``None``, ``1``   this process
``4``, ``-1``     so many processes of this machine, or one for each core (extra ``scale``)
``Dask(...)``     the workers of a Dask cluster (extra ``dask``)
``Ray(...)``      the workers of a Ray cluster (extra ``ray``)
================  ===============================================================================

Functions are sent with cloudpickle: lambdas, closures and models that were made in a notebook can
be. What cannot be sent are locks, open files, sockets and database connections, generators, and
objects of a C library that knows no pickle: make them inside the function.
"""

from xhat.executors.base import Here, Reply, Task, Workers, as_workers, each, told
from xhat.executors.on_dask import Dask
from xhat.executors.on_ray import Ray
from xhat.executors.processes import Processes, cores
from xhat.executors.sending import fingerprint

__all__ = [
    "Dask",
    "Here",
    "Processes",
    "Ray",
    "Reply",
    "Task",
    "Workers",
    "as_workers",
    "cores",
    "each",
    "fingerprint",
    "told",
]
