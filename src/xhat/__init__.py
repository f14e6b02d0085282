"""xhat: search a model's input by gradient descent, and know of every result if it is genuine.

    start x0 ─encode→ z ─decode→ x ─model→ y ─objective→ loss          (search)
                      ↑________ gradient step, projection ___│
    Result ─judges, truth→ Verdict                                      (trust)

The nouns live in rooms of their own: ``xhat.spaces``, ``xhat.objectives``, ``xhat.constraints``,
``xhat.problem``, ``xhat.engine``, ``xhat.result``, ``xhat.judges``, ``xhat.task``,
``xhat.surrogates``, ``xhat.report``.
"""

from importlib.metadata import version

__all__ = ["__version__"]

__version__ = version("xhat")
