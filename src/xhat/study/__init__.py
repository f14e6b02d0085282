"""Composes tasks, methods and seeds; the only room that knows all others."""
