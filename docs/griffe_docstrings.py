"""Small differences between how docstrings are written here and what the site's parser reads."""

import re

import griffe


class HouseStyle(griffe.Extension):
    """Turn ``text::`` into ``text:``, ``Example:`` into ``Examples:`` and roles into plain code."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Rewrite the docstring of every object that has one."""
        if obj.docstring is not None:
            text = re.sub(r"::\n(?=\n    )", ":\n", obj.docstring.value)
            text = re.sub(r":(?:class|func|data|meth):(?=`)", "", text)
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", text, flags=re.MULTILINE)
