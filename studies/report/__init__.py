"""The page of a study and the pictures that only studies draw.

A ``StudyPage`` (``records``) holds a question, what was fixed before the run, and the arms and
claims with their 95 % intervals over seeds; from it come a figure (``intervals``), a page and a
document (``page``). A ``LatentMap`` holds a latent space of two dimensions, a ``Film`` one kind of
path from starts to ends, frame by frame; ``planes`` and ``frontier`` are drawn from plain numbers.
Answers have colours of their own (``ANSWERS``).
"""
