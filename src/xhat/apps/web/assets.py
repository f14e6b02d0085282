"""Static files: read once into memory, compressed once, served by exact name.

A name that was not read at the start does not exist, so no path can lead out of the folders.
"""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

__all__ = ["KINDS", "Asset", "Assets"]

KINDS: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
    ".woff2": "font/woff2",
}
"""Endings that are served, and their content types; other files are left alone."""

_WORTH = 256  # bytes, from which compressing pays


@dataclass(frozen=True)
class Asset:
    """One file: as it is, compressed, and how to tell whether a browser has it."""

    content: bytes
    packed: bytes | None
    kind: str
    tag: str

    @classmethod
    def of(cls, content: bytes, ending: str) -> "Asset":
        """Return the asset of these bytes.

        Raises:
            ValueError: an ending that is not served.
        """
        if ending not in KINDS:
            raise ValueError(f"files must end in one of {', '.join(KINDS)}, not in {ending!r}.")
        packed = gzip.compress(content, 9, mtime=0) if len(content) >= _WORTH else None
        if packed is not None and len(packed) >= len(content):
            packed = None
        tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        return cls(content, packed, KINDS[ending], tag)

    def answer(self, request: Request) -> Response:
        """Return the file, or that it is what the browser has already."""
        headers = {"etag": self.tag, "cache-control": "no-cache", "vary": "accept-encoding"}
        known = request.headers.get("if-none-match", "")
        if self.tag in (tag.strip().removeprefix("W/") for tag in known.split(",")):
            return Response(status_code=304, headers=headers)
        wanted = request.headers.get("accept-encoding", "")
        content = self.content
        if self.packed is not None and "gzip" in wanted:
            content, headers["content-encoding"] = self.packed, "gzip"
        return Response(content, headers=headers, media_type=self.kind)


class Assets:
    """All static files of the application, by name.

    Example:
        >>> assets = Assets()
        >>> assets.add_text("hello.css", "body { margin: 0; }")
        >>> assets.get("hello.css").kind, assets.get("../hello.css")
        ('text/css; charset=utf-8', None)
    """

    def __init__(self) -> None:
        self._found: dict[str, Asset] = {}

    def add_folder(self, folder: Path, prefix: str = "") -> None:
        """Read every file in the folder that is served, not those in folders within.

        Raises:
            ValueError: there is no such folder.
        """
        if not folder.is_dir():
            raise ValueError(f"{folder} must be a folder with static files, but is none.")
        for path in sorted(folder.iterdir()):
            if path.is_file() and path.suffix in KINDS:
                self._found[prefix + path.name] = Asset.of(path.read_bytes(), path.suffix)

    def add_text(self, name: str, text: str) -> None:
        """Add a file that was made rather than read."""
        self._found[name] = Asset.of(text.encode(), Path(name).suffix)

    def get(self, name: str) -> Asset | None:
        """Return the file of exactly this name; None if there is none."""
        return self._found.get(name)

    def __iter__(self):
        return iter(self._found)
