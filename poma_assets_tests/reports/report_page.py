"""Reads a report as a browser's parser would: tags, visible text, scripts, packed blocks."""

from __future__ import annotations

from html.parser import HTMLParser

from poma_assets.reports.packing import unpack

VOID = {"meta", "br", "input", "img", "link", "hr", "path", "use", "image", "rect"}


class Page(HTMLParser):
    """Collects tags, attributes, visible text, ids and unbalanced tags of a page."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self.blocks: dict[str, str] = {}
        self._script_id: str | None = None
        self.unbalanced: list[str] = []
        self._open: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "script":
            self._script_id = dict(attrs).get("id")

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if not self._open or self._open[-1] != tag:
            self.unbalanced.append(tag)
        else:
            self._open.pop()

    def handle_data(self, data):
        if self._open and self._open[-1] == "script":
            self.scripts.append(data)
            if self._script_id:
                self.blocks[self._script_id] = data
        elif not self._open or self._open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def attribute(self, name: str) -> list[str]:
        return [attrs[name] for _, attrs in self.tags if attrs.get(name) is not None]

    def block(self, name: str) -> dict[str, list]:
        return unpack(self.blocks[name])
