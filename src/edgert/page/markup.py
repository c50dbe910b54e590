"""The little HTML that a report is made of. All text is escaped where it becomes HTML."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = [
    "Cell",
    "Column",
    "Markup",
    "details",
    "facts",
    "join",
    "page",
    "picture",
    "section",
    "table",
    "tag",
    "tiles",
]


class Markup(str):
    """Text that is HTML already. Everything else is a user's text and gets escaped."""

    __slots__ = ()


Cell = str | None
"""What a table's cell holds; None is shown as a dash."""

# Elements that have no end tag.
_VOID = frozenset({"img", "meta", "circle", "line", "path", "polyline", "rect"})


def tag(name: str, /, *children: str, **attributes: str | float | None) -> Markup:
    """An element. An attribute's `_` is a hyphen, one at the end is dropped; None leaves it out."""
    parts = [name]
    for key, value in attributes.items():
        if value is not None:
            text = f"{value:g}" if isinstance(value, float) else str(value)
            parts.append(f'{key.rstrip("_").replace("_", "-")}="{html.escape(text)}"')
    start = f"<{' '.join(parts)}>"
    if name in _VOID and not children:
        return Markup(start[:-1] + "/>")
    return Markup(f"{start}{join(children)}</{name}>")


def join(parts: Iterable[str], between: str = "") -> Markup:
    """One after the other."""
    return Markup(_escaped(between).join(_escaped(part) for part in parts))


@dataclass(frozen=True, slots=True)
class Column:
    """A table's column: "number" is set flush right, "code" in equal widths."""

    title: str
    kind: Literal["text", "code", "number"] = "text"


def table(columns: Sequence[Column], rows: Iterable[Sequence[Cell]], caption: str = "") -> Markup:
    """A table in a box of its own, which scrolls when it is too wide for the page."""
    head = [tag("th", column.title, class_=_class(column), scope="col") for column in columns]
    body = [
        tag(
            "tr",
            *(
                tag("td", "–" if cell is None else cell, class_=_class(column))
                for column, cell in zip(columns, row, strict=True)
            ),
        )
        for row in rows
    ]
    parts = [tag("caption", caption)] if caption else []
    parts += [tag("thead", tag("tr", *head)), tag("tbody", *body)]
    return tag("div", tag("table", *parts), class_="scroll")


def facts(pairs: Iterable[tuple[str, Cell]]) -> Markup:
    """Names and what they are, one a line; what is None is left out."""
    rows = [join([tag("dt", name), tag("dd", value)]) for name, value in pairs if value is not None]
    return tag("dl", *rows)


def tiles(figures: Iterable[tuple[str, str, str]]) -> Markup:
    """The figures that matter most: (title, figure, remark) each."""
    made = [
        tag("div", tag("h3", title), tag("p", figure), tag("small", remark), class_="tile")
        for title, figure, remark in figures
    ]
    return tag("div", *made, class_="tiles")


def section(anchor: str, title: str, *parts: str, note: str = "") -> Markup:
    """A part of the page; `note` says how to read it."""
    head = [tag("h2", title)] + ([tag("p", note, class_="note")] if note else [])
    return tag("section", *head, *parts, id=anchor)


def details(summary: str, *parts: str) -> Markup:
    """What is folded until asked for."""
    return tag("details", tag("summary", summary), *parts)


def picture(jpeg: bytes, caption: str) -> Markup:
    """A picture that is in the page itself."""
    data = base64.b64encode(jpeg).decode()
    image = tag("img", src=f"data:image/jpeg;base64,{data}", alt=caption)
    return tag("figure", image, tag("figcaption", caption))


def page(title: str, lead: str, sections: Sequence[tuple[str, str, Markup]], foot: str) -> str:
    """A whole page that needs nothing but itself.

    Args:
        title: Its name.
        lead: What stands under it.
        sections: (anchor, title, content) each.
        foot: What stands at the end.
    """
    links = [tag("a", name, href=f"#{anchor}") for anchor, name, _ in sections]
    head = (
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Markup(_style())),
    )
    body = (
        tag("header", tag("h1", title), tag("p", lead), tag("nav", *links)),
        tag("main", *(content for _, _, content in sections)),
        tag("footer", foot),
    )
    return (
        "<!doctype html>\n" + tag("html", tag("head", *head), tag("body", *body), lang="en") + "\n"
    )


def _class(column: Column) -> str | None:
    return None if column.kind == "text" else column.kind


def _escaped(text: str) -> str:
    return text if isinstance(text, Markup) else html.escape(text)


def _style() -> str:
    return Path(__file__).with_name("page.css").read_text(encoding="utf-8")
