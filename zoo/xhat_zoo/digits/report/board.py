"""The board that still and moving pictures share: where everything lies, and what never moves.

A board holds one panel per method, side by side. A panel has, from the top, the method's name with
its share of genuine results, its caption, a bar of all verdicts, the targets' names, and then one
line per start: its name, the start itself, and what was found for every target. Every picture of a
cell has a border, and around the border one gap.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil

from PIL import Image, ImageDraw, ImageFont

from xhat.judges.outcomes import Outcome
from xhat.report.drawing import enlarge, font_of, percent, shorten, wrap
from xhat.report.palette import COLOURS, FAINT, INK, MUTED, PAPER, ink_on, label, legend
from xhat_zoo.digits.report.records import MethodGrid

__all__ = ["Board", "Box", "panels_across"]

Box = tuple[int, int, int, int]  # left, top, right, bottom; the last two lie outside


@dataclass(frozen=True, eq=False)
class Board:
    """The layout and the still parts of a picture of grids side by side.

    Args:
        grids: the panels, all of one shape.
        tile: width and height in pixels at which one candidate is drawn.
        unit: the size of the text; 1 suits a picture 2400 pixels wide.
        title: the headline, or nothing.
        explain: whether the legend says what the outcomes mean.
    """

    grids: Sequence[MethodGrid]
    tile: tuple[int, int]
    unit: float
    title: str = ""
    explain: bool = True

    # ------------------------------------------------------------------ where everything lies

    @property
    def across(self) -> int:
        """The number of panels side by side."""
        return panels_across(len(self.grids))

    @cached_property
    def border(self) -> int:
        """The width of a cell's border."""
        return max(2, round(min(self.tile) / 10))

    @cached_property
    def gap(self) -> int:
        """The space between two cells."""
        return max(1, round(self.border * 0.6))

    @cached_property
    def margin(self) -> int:
        """The space around the board."""
        return self._px(56)

    @cached_property
    def pitch(self) -> tuple[int, int]:
        """How far a cell's neighbours are, to the right and below."""
        extra = 2 * self.border + self.gap
        return self.tile[0] + extra, self.tile[1] + extra

    @cached_property
    def _label_width(self) -> int:
        width = max(self._font(24, bold=True).getlength(t) for t in self.grids[0].row_labels)
        return min(ceil(width), 3 * self.pitch[0]) + self._px(14)

    @cached_property
    def _panel_width(self) -> int:
        columns = self.grids[0].shape[1] + 1  # the start's and the targets'
        return self._label_width + columns * self.pitch[0] + self._px(16) - self.gap

    @cached_property
    def _panel(self) -> tuple[int, int]:
        return self._panel_width, self._head + self.grids[0].shape[0] * self.pitch[1]

    @cached_property
    def _head(self) -> int:
        return self._bar_top + self._bar_height + self._px(14) + 2 * self._px(30)

    @cached_property
    def _bar_top(self) -> int:
        lines = max(len(self._caption_lines(grid)) for grid in self.grids)
        return self._px(48) + lines * self._px(32) + self._px(6)

    @cached_property
    def _bar_height(self) -> int:
        return max(14, self._px(30))

    def _caption_lines(self, grid: MethodGrid) -> list[str]:
        return wrap(grid.caption, self._font(22), self._panel_width, lines=2)

    @cached_property
    def _top(self) -> int:
        return self.margin + (self._px(68) + self._px(54) if self.title else 0)

    @cached_property
    def _legend_entries(self) -> list[Outcome]:
        found = {word for grid in self.grids for row in grid.outcomes for word in row}
        return [entry.outcome for entry in legend(found)]

    @cached_property
    def _legend_columns(self) -> int:
        each = self._px(1130) if self.explain else self._px(250)
        return max(1, min(len(self._legend_entries), self._width // each))

    @cached_property
    def _width(self) -> int:
        return self.across * (self._panel[0] + self._px(72)) - self._px(72)

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole picture."""
        lines = ceil(len(self._legend_entries) / self._legend_columns)
        height = self._legend_top + lines * self._px(40) + self.margin
        return self._width + 2 * self.margin, height

    @cached_property
    def _legend_top(self) -> int:
        lines = ceil(len(self.grids) / self.across)
        return self._top + lines * (self._panel[1] + self._px(64)) - self._px(20)

    def panel(self, k: int) -> Box:
        """Return the box of the panel of grid ``k``."""
        width, height = self._panel
        left = self.margin + k % self.across * (width + self._px(72))
        top = self._top + k // self.across * (height + self._px(64))
        return left, top, left + width, top + height

    def cell(self, k: int, i: int, j: int) -> Box:
        """Return the box of a cell of grid ``k``, its border included; ``j = -1`` is the start."""
        left, top, _, _ = self.panel(k)
        x = left + self._label_width + (j + 1) * self.pitch[0] + (self._px(16) if j >= 0 else 0)
        y = top + self._head + i * self.pitch[1]
        extra = 2 * self.border
        return x, y, x + self.tile[0] + extra, y + self.tile[1] + extra

    def inside(self, k: int, i: int, j: int) -> Box:
        """Return the box of the picture in a cell."""
        left, top, right, bottom = self.cell(k, i, j)
        b = self.border
        return left + b, top + b, right - b, bottom - b

    def places(self) -> Iterator[tuple[int, int, int]]:
        """Yield ``(k, i, j)`` of every cell of every grid."""
        r, c = self.grids[0].shape
        for k in range(len(self.grids)):
            for i in range(r):
                for j in range(c):
                    yield k, i, j

    # ------------------------------------------------------------------ what never moves

    def draw(self, *, verdicts: bool) -> Image.Image:
        """Return the board with the starts and no candidates; with ``verdicts``, their colours."""
        image = Image.new("RGB", self.size, PAPER)
        pen = ImageDraw.Draw(image)
        if self.title:
            self._draw_title(pen)
        for k, grid in enumerate(self.grids):
            self._draw_head(pen, k, grid, verdicts=verdicts)
            self._draw_labels(pen, k, grid)
            for i, start in enumerate(enlarge(grid.starts, self.tile)):
                pen.rectangle(_outer(self.cell(k, i, -1)), fill=FAINT)
                image.paste(Image.fromarray(start), self.inside(k, i, -1)[:2])
        for k, i, j in self.places():
            self._draw_border(pen, k, i, j, verdicts=verdicts)
        if verdicts:
            self._draw_legend(pen)
        return image

    def _draw_title(self, pen: ImageDraw.ImageDraw) -> None:
        room = self._width
        self._text(pen, (self.margin, self.margin), self.title, 46, bold=True, room=room)
        words = (
            "Each row is a start, each column a target; the border is the verdict. A thin border: "
            "start and target are of one class, not counted in the shares."
        )
        place = self.margin, self.margin + self._px(68)
        self._text(pen, place, words, 24, colour=MUTED, room=room)

    def _draw_head(
        self, pen: ImageDraw.ImageDraw, k: int, grid: MethodGrid, *, verdicts: bool
    ) -> None:
        left, top, right, _ = self.panel(k)
        taken, share = 0, grid.share(Outcome.GENUINE)
        if verdicts and share is not None:
            words = f"genuine {percent(share)}"
            taken = ceil(self._font(32, bold=True).getlength(words))
            self._text(pen, (right - taken, top), words, 32, bold=True)
            side = self._px(24)
            x, y = right - taken - side - self._px(12), top + self._px(8)
            pen.rectangle((x, y, x + side - 1, y + side - 1), fill=COLOURS[Outcome.GENUINE])
            taken += side + self._px(36)
        room = right - left - taken
        self._text(pen, (left, top), grid.method, 32, bold=True, room=room)
        for n, line in enumerate(self._caption_lines(grid)):
            self._text(pen, (left, top + self._px(46) + n * self._px(32)), line, 22, colour=MUTED)
        bar = (left, top + self._bar_top, right, top + self._bar_top + self._bar_height)
        pen.rectangle(_outer(bar), fill=FAINT)
        if verdicts:
            self._draw_bar(pen, grid, bar)

    def _draw_bar(self, pen: ImageDraw.ImageDraw, grid: MethodGrid, bar: Box) -> None:
        counts, done = grid.counts(), 0
        left, top, right, bottom = bar
        for outcome, count in counts.items():
            x0 = left + round((right - left) * done / sum(counts.values()))
            done += count
            x1 = left + round((right - left) * done / sum(counts.values()))
            if x1 > x0:
                pen.rectangle((x0, top, x1 - 1, bottom - 1), fill=COLOURS[outcome])
                self._draw_share(pen, outcome, count / sum(counts.values()), (x0, top, x1, bottom))

    def _draw_share(
        self, pen: ImageDraw.ImageDraw, outcome: Outcome, share: float, box: Box
    ) -> None:
        font, part = self._font(20, bold=True), percent(share)
        for words in (f"{label(outcome)} {part}", part):
            if font.getlength(words) + self._px(12) <= box[2] - box[0]:
                middle = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
                ink = ink_on(COLOURS[outcome])
                pen.text(middle, words, font=font, fill=ink, anchor="mm")
                return

    def _draw_labels(self, pen: ImageDraw.ImageDraw, k: int, grid: MethodGrid) -> None:
        top = self.cell(k, 0, 0)[1]
        high, low = top - 2 * self._px(30), top - self._px(32)
        left, _, right, _ = self.cell(k, 0, -1)
        self._text(pen, (left, high), "start", 20, colour=MUTED, room=self.pitch[0])
        self._text(pen, (self.cell(k, 0, 0)[0], high), "target", 20, colour=MUTED)
        for j, words in enumerate(grid.column_labels):
            left, _, right, _ = self.cell(k, 0, j)
            self._text(
                pen, ((left + right) // 2, low), words, 24, bold=True, room=right - left, anchor="m"
            )
        for i, words in enumerate(grid.row_labels):
            left, top, _, bottom = self.cell(k, i, -1)
            place = left - self._px(14), (top + bottom) // 2 - self._px(15)
            room = self._label_width - self._px(14)
            self._text(pen, place, words, 24, bold=True, room=room, anchor="r")

    def _draw_border(
        self, pen: ImageDraw.ImageDraw, k: int, i: int, j: int, *, verdicts: bool
    ) -> None:
        grid, (left, top, right, bottom) = self.grids[k], self.cell(k, i, j)
        colour = COLOURS[grid.outcome(i, j)] if verdicts else FAINT
        if grid.diagonal[i, j]:
            thin = self.border - max(1, self.border // 3)
            left, top, right, bottom = left + thin, top + thin, right - thin, bottom - thin
        pen.rectangle(_outer((left, top, right, bottom)), fill=colour)

    def _draw_legend(self, pen: ImageDraw.ImageDraw) -> None:
        each = self._width // self._legend_columns
        side = self._px(24)
        for n, outcome in enumerate(self._legend_entries):
            x = self.margin + n % self._legend_columns * each
            y = self._legend_top + n // self._legend_columns * self._px(40)
            pen.rectangle((x, y + 2, x + side - 1, y + side + 1), fill=COLOURS[outcome])
            room, x = each - side - self._px(14), x + side + self._px(14)
            self._text(pen, (x, y - self._px(2)), label(outcome), 24, bold=True, room=room)
            if self.explain:
                taken = ceil(self._font(24, bold=True).getlength(label(outcome))) + self._px(14)
                place = x + taken, y - self._px(1)
                self._text(pen, place, outcome.meaning, 22, colour=MUTED, room=room - taken)

    # ------------------------------------------------------------------ text

    def _px(self, size: float) -> int:
        return round(size * self.unit)

    def _font(self, size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
        return font_of(max(10, round(size * self.unit)), bold=bold)

    def _text(
        self,
        pen: ImageDraw.ImageDraw,
        place: tuple[int, int],
        words: str,
        size: int,
        *,
        bold: bool = False,
        colour: str = INK,
        room: int | None = None,
        anchor: str = "l",
    ) -> None:
        font = self._font(size, bold=bold)
        words = " ".join(words.split())
        if room is not None:
            words = shorten(words, font, room)
        pen.text(place, words, font=font, fill=colour, anchor=f"{anchor}a")


def panels_across(count: int) -> int:
    """Return how many of ``count`` panels stand side by side: 3 of 6 or 7, 4 of 8."""
    return count if count <= 3 else 2 if count == 4 else 3 if count <= 7 or count == 9 else 4


def _outer(box: Box) -> Box:
    return box[0], box[1], box[2] - 1, box[3] - 1  # Pillow's rectangles include their last pixel
