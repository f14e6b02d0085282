"""The figure of a self-test: known kinds of samples against the outcomes that judges gave them.

Kinds stand in groups, a line each: a few of the samples, a bar of the outcomes, and the share that
came out as wanted. Its axis counts nines (``-log10(1 - share)``), since what matters in a test is
how rare the failures are: 90, 99 and 99.9 % are equally far apart. The grey zone is what was asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil, log10
from pathlib import Path

from PIL import Image, ImageDraw

from xhat.core import atomic_write
from xhat.judges.outcomes import Outcome
from xhat.report.drawing import enlarge, exact_percent, font_of, write
from xhat.report.palette import COLOURS, FAINT, INK, MARKS, MUTED, PAPER, ink_on, label, legend
from xhat_zoo.digits.report.board import Box
from xhat_zoo.digits.report.selftest import SelfTestRow

__all__ = ["save_selftest_png"]

_WIDTH, _MARGIN, _GAP = 2320, 56, 30
_ROW, _HEAD, _TILE, _TILES = 70, 74, 56, 5
_KIND, _COUNT, _AXIS, _SHARE, _ASKED = 470, 90, 340, 180, 140  # the widths of columns
_ZONE, _GRID = "#e9ebee", "#dfe2e6"
_TICKS = {0.0: "0", 0.5: "50", 0.9: "90", 0.99: "99", 0.999: "99.9 %"}
_SIGNS = {"met": "✓", "close": "~", "missed": "✗"}
_NOTES = (
    "✓ met: at least the share that was asked came out as wanted.   ~ close: fewer, but what was "
    "asked lies within the interval.   ✗ missed: fewer, beyond the interval.",
    "The axis counts nines: 90, 99 and 99.9 % are equally far apart. Dot: the share; line: its "
    "interval; grey zone: what was asked.",
)


def save_selftest_png(
    path: str | Path, rows: Sequence[SelfTestRow], *, title: str, subtitle: str = ""
) -> Path:
    """Draw the confusion of kinds and outcomes, grouped, and save it as a PNG.

    Args:
        path: where to; its folder is made if needed.
        rows: one per kind; the groups stand in the order in which they first come.
        title: the headline.
        subtitle: one line below it, such as how many samples and which judges.

    Returns:
        The path. The same rows give the same bytes.

    Raises:
        TypeError: something that is no ``SelfTestRow``.
        ValueError: no rows.
        PermissionError: the folder cannot be written to.
    """
    for row in rows:
        if not isinstance(row, SelfTestRow):
            raise TypeError(f"rows must be SelfTestRow records, not {type(row).__name__}.")
    if not rows:
        raise ValueError("rows is empty; pass the row of at least one kind.")
    image = _Board(rows, title, subtitle).draw()
    with atomic_write(path) as temporary:
        image.save(temporary, format="PNG", optimize=True)
    return Path(path)


@dataclass(frozen=True, eq=False)
class _Board:
    """Where everything lies, and how it is drawn."""

    rows: Sequence[SelfTestRow]
    title: str
    subtitle: str

    # ------------------------------------------------------------------ where everything lies

    @cached_property
    def groups(self) -> dict[str, list[SelfTestRow]]:
        """The rows of every group, in the order in which groups first come."""
        found: dict[str, list[SelfTestRow]] = {}
        for row in self.rows:
            found.setdefault(row.group, []).append(row)
        return found

    @cached_property
    def columns(self) -> dict[str, tuple[int, int]]:
        """Left and right of every column, gaps between them."""
        tiles = max(
            (min(len(r.pictures), _TILES) for r in self.rows if r.pictures is not None), default=0
        )
        widths = {"kind": _KIND, "pictures": tiles * (_TILE + 6), "bar": 0, "n": _COUNT}
        widths |= {"axis": _AXIS, "share": _SHARE, "asked": _ASKED}
        if not tiles:
            del widths["pictures"]
        room = _WIDTH - 2 * _MARGIN - (len(widths) - 1) * _GAP
        widths["bar"] = room - sum(widths.values())
        places, left = {}, _MARGIN
        for name, width in widths.items():
            places[name] = left, left + width
            left += width + _GAP
        return places

    @cached_property
    def legend_rows(self) -> list[list[tuple[str, str, str]]]:
        """The colours, marks and names of the outcomes that occur, broken into lines."""
        entries = legend(o for row in self.rows for o in row.counts)
        lines, left = [[]], 0.0
        for entry in entries:
            width = 84 + font_of(24, bold=False).getlength(entry.label)
            if left + width > _WIDTH - 2 * _MARGIN:
                lines, left = [*lines, []], 0.0
            lines[-1].append((entry.colour, entry.mark, entry.label))
            left += width
        return lines

    @cached_property
    def top(self) -> int:
        """Where the names of the columns stand."""
        return _MARGIN + 66 + (46 if self.subtitle else 0) + 14 + 46 * len(self.legend_rows) + 20

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole picture."""
        lines = len(self.groups) * _HEAD + len(self.rows) * _ROW
        return _WIDTH, self.top + 44 + lines + 40 + 36 * len(_NOTES) + _MARGIN

    def places(self) -> list[tuple[SelfTestRow, int]]:
        """Return every row with its top, in the order in which they are drawn."""
        found, y = [], self.top + 44
        for rows in self.groups.values():
            y += _HEAD
            for row in rows:
                found.append((row, y))
                y += _ROW
        return found

    # ------------------------------------------------------------------ how it is drawn

    def draw(self) -> Image.Image:
        """Return the figure."""
        image = Image.new("RGB", self.size, PAPER)
        pen = ImageDraw.Draw(image)
        self._draw_title(pen)
        self._draw_heads(pen)
        for row, y in self.places():
            pen.line((_MARGIN, y, _WIDTH - _MARGIN, y), fill=_GRID, width=1)
            self._draw_names(pen, row, y)
            self._draw_pictures(image, row, y)
            left, right = self.columns["bar"]
            self._draw_bar(pen, row, (left, y + 16, right, y + _ROW - 16))
            write(pen, (self.columns["n"][1], y + _ROW // 2), f"{row.n:,}", 24, anchor="rm")
            self._draw_share(pen, row, y)
            self._draw_asked(pen, row, y)
        for k, words in enumerate(reversed(_NOTES)):
            write(
                pen,
                (_MARGIN, self.size[1] - _MARGIN - 36 * k),
                words,
                21,
                colour=MUTED,
                anchor="ls",
            )
        return image

    def _draw_title(self, pen: ImageDraw.ImageDraw) -> None:
        room, y = _WIDTH - 2 * _MARGIN, _MARGIN
        write(pen, (_MARGIN, y), self.title, 46, bold=True, room=room)
        y += 66
        if self.subtitle:
            write(pen, (_MARGIN, y), self.subtitle, 26, colour=MUTED, room=room)
            y += 46
        for line in self.legend_rows:
            y, x = y + 14 * (line is self.legend_rows[0]), _MARGIN
            for colour, mark, name in line:
                pen.rectangle((x, y, x + 29, y + 29), fill=colour)
                write(
                    pen, (x + 15, y + 15), mark, 22, bold=True, colour=ink_on(colour), anchor="mm"
                )
                write(pen, (x + 42, y + 15), name, 24, anchor="lm")
                x += 84 + ceil(font_of(24, bold=False).getlength(name))
            y += 46

    def _draw_heads(self, pen: ImageDraw.ImageDraw) -> None:
        words = {"kind": "kind, and what is wanted", "pictures": "some of them"}
        words |= {"bar": "what the judges said", "axis": "came out as wanted", "share": "share"}
        for name, text in words.items():
            if name in self.columns:
                write(pen, (self.columns[name][0], self.top), text, 22, colour=MUTED)
        write(pen, (self.columns["n"][1], self.top), "n", 22, colour=MUTED, anchor="ra")
        write(pen, (self.columns["asked"][0], self.top), "asked", 22, colour=MUTED)
        y = self.top + 44
        for name, rows in self.groups.items():
            bottom = y + _HEAD
            pen.line((_MARGIN, y + 8, _WIDTH - _MARGIN, y + 8), fill=INK, width=2)
            room = self.columns["axis"][0] - _MARGIN - _GAP
            write(pen, (_MARGIN, bottom - 16), name, 28, bold=True, room=room, anchor="ls")
            self._draw_ticks(pen, bottom, bottom + len(rows) * _ROW)
            y = bottom + len(rows) * _ROW

    def _draw_ticks(self, pen: ImageDraw.ImageDraw, top: int, bottom: int) -> None:
        for share, words in _TICKS.items():
            x = self._place(share)
            pen.line((x, top, x, bottom), fill=_GRID, width=2)
            write(pen, (x, top - 12), words, 19, colour=MUTED, anchor="ms")

    def _draw_names(self, pen: ImageDraw.ImageDraw, row: SelfTestRow, y: int) -> None:
        left, right = self.columns["kind"]
        fits = font_of(24, bold=True).getlength(row.kind) <= right - left
        write(
            pen,
            (left, y + 31),
            row.kind,
            24 if fits else 20,
            bold=True,
            room=right - left,
            anchor="ls",
        )
        words = "wanted: " + row.wanted.replace("_", " ")
        write(pen, (left, y + 57), words, 20, colour=MUTED, room=right - left, anchor="ls")

    def _draw_pictures(self, image: Image.Image, row: SelfTestRow, y: int) -> None:
        if row.pictures is None:
            return
        h, w = row.pictures.shape[1:]
        tile = max(1, round(w * _TILE / max(h, w))), max(1, round(h * _TILE / max(h, w)))
        for k, picture in enumerate(enlarge(row.pictures[:_TILES], tile)):
            x = self.columns["pictures"][0] + k * (_TILE + 6)
            image.paste(Image.fromarray(picture), (x, y + (_ROW - tile[1]) // 2 + 1))

    def _draw_bar(self, pen: ImageDraw.ImageDraw, row: SelfTestRow, box: Box) -> None:
        left, top, _, bottom = box
        for outcome, width in _widths(row, box[2] - left).items():
            right = left + width
            pen.rectangle((left, top, right - 1, bottom - 1), fill=COLOURS[outcome])
            part, font = exact_percent(row.counts[outcome] / row.n), font_of(20, bold=True)
            for words in (
                f"{MARKS[outcome]} {label(outcome)} {part}",
                f"{MARKS[outcome]} {part}",
                MARKS[outcome],
            ):
                if font.getlength(words) + 10 <= width:
                    middle = (left + right) / 2, (top + bottom) / 2
                    pen.text(middle, words, font=font, fill=ink_on(COLOURS[outcome]), anchor="mm")
                    break
            left = right

    def _draw_share(self, pen: ImageDraw.ImageDraw, row: SelfTestRow, y: int) -> None:
        middle = y + _ROW // 2
        if row.asked is not None:
            x, end = self._place(row.asked), self.columns["axis"][1] + 8
            pen.rectangle((x, y + 8, end, y + _ROW - 8), fill=_ZONE)
            pen.line((x, y + 8, x, y + _ROW - 8), fill=MUTED, width=3)
        low, high = (self._place(v) for v in row.interval)
        pen.line((low, middle, high, middle), fill=INK, width=5)
        for x in (low, high):
            pen.line((x, middle - 9, x, middle + 9), fill=INK, width=3)
        x = self._place(row.share)
        fill = PAPER if row.met is False else INK
        pen.ellipse((x - 10, middle - 10, x + 10, middle + 10), fill=fill, outline=INK, width=4)
        left = self.columns["share"][0]
        write(pen, (left, y + 31), exact_percent(row.share, digits=1), 26, bold=True, anchor="ls")
        words = f"{100 * row.interval[0]:.1f}–{100 * row.interval[1]:.1f}"
        write(pen, (left, y + 57), words, 20, colour=MUTED, anchor="ls")

    def _draw_asked(self, pen: ImageDraw.ImageDraw, row: SelfTestRow, y: int) -> None:
        if row.asked is None:
            return
        left, state = self.columns["asked"][0], _state(row)
        words, font = f"{_SIGNS[state]} {state}", font_of(21, bold=True)
        box = left, y + 8, left + ceil(font.getlength(words)) + 20, y + 38
        fill, ink = (INK, PAPER) if state == "missed" else (PAPER, INK)
        pen.rounded_rectangle(box, 6, fill=fill, outline=FAINT if state == "met" else INK, width=2)
        pen.text((left + 10, y + 31), words, font=font, fill=ink, anchor="ls")
        write(
            pen,
            (left, y + 60),
            f"of {exact_percent(row.asked, digits=1)}",
            20,
            colour=MUTED,
            anchor="ls",
        )

    def _place(self, share: float) -> int:
        left, right = self.columns["axis"]
        return round(left + (right - left) * -log10(max(1 - share, 1e-3)) / 3)


def _state(row: SelfTestRow) -> str:
    return "met" if row.met else "close" if row.undecided else "missed"


def _widths(row: SelfTestRow, room: int) -> dict[Outcome, int]:
    """Return how wide each outcome of a bar is; what occurs at all is at least 5 pixels wide."""
    spare = room - 5 * len(row.counts)
    edges, done = [0], 0
    for count in row.counts.values():
        done += count
        edges.append(round(spare * done / row.n))
    return {o: 5 + edges[k + 1] - edges[k] for k, o in enumerate(row.counts)}
