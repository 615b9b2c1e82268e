"""Reads a page as a browser would: its forms with their fields, and every address it names."""

from html.parser import HTMLParser
from typing import NamedTuple


class Form(NamedTuple):
    action: str
    fields: dict[str, str]
    buttons: list[tuple[str, str]]


class Reader(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.forms: list[Form] = []
        self.labels: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attributes}
        self.tags.append((tag, found))
        if tag == "form":
            self.forms.append(Form(found.get("action", ""), {}, []))
        elif tag == "label" and "for" in found:
            self.labels.add(found["for"])
        elif tag == "input" and "name" in found and self.forms:
            if found.get("type") not in ("radio", "checkbox") or "checked" in found:
                self.forms[-1].fields.setdefault(found["name"], found.get("value", ""))
        elif tag == "button" and "name" in found:
            self.forms[-1].buttons.append((found["name"], found["value"]))

    def form(self, action: str, **fields: str) -> Form:
        """The first form that goes there and holds these values."""
        return next(it for it in self.forms if it.action == action and fields.items() <= it.fields.items())
