"""Embeddings: small spaces in which samples of one kind lie together.

A search in a small space that real samples fill finds real samples; one in a large and empty space
finds what no process makes. What an embedding is good for as a place to search is said by how well
it rebuilds, how much room it needs (``latent_box``) and who shares a place in it
(``classes_per_place``).
"""

from xhat_zoo.digits.embeddings.boxes import classes_per_place, latent_box
from xhat_zoo.digits.embeddings.kinds import EMBEDDINGS, Embedding, embedding, train_embedding

__all__ = [
    "EMBEDDINGS",
    "Embedding",
    "classes_per_place",
    "embedding",
    "latent_box",
    "train_embedding",
]
