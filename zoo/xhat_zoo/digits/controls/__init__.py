"""Planted controls: samples whose right verdict is known, to test the judges with.

Every kind is made from one half of the test images, of which the *development* half may be looked
at while the judges are built, and the *reported* half is read once.
"""

from xhat_zoo.digits.controls.kinds import GROUPS, Kind, kinds
from xhat_zoo.digits.controls.material import HALVES, Control, Material, material

__all__ = ["GROUPS", "HALVES", "Control", "Kind", "Material", "kinds", "material"]
