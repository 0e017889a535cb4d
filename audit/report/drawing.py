"""A drawing of matplotlib made part of a page: its colours and fonts become the page's, light or dark.

Pages permit no style in elements (Content-Security-Policy), so each style becomes attributes and classes; names of
elements become the chart's own, so that two charts on a page do not answer to one name.
"""

import re
from typing import Final
from xml.etree import ElementTree as ET

from markupsafe import Markup

SVG: Final = "{http://www.w3.org/2000/svg}"
HREF: Final = "{http://www.w3.org/1999/xlink}href"
KEPT: Final = (
    "fill",
    "stroke-width",
    "stroke-dasharray",
    "stroke-linecap",
    "stroke-linejoin",
    "text-anchor",
    "font-size",
)
CLASSES: Final = {"#00000a": "ink", "#00000b": "rule", **{f"#00000{n}": f"s{n}" for n in range(1, 6)}}
"""The colours that charts draw with, and the page's classes in their place."""
INK, RULE = "#00000a", "#00000b"
NAMED: Final = re.compile(r"(?:clipPath|path)$")


def inline(drawing: str, name: str, label: str) -> Markup:
    """Return a drawing as an element of a page.

    Args:
        drawing: The SVG as matplotlib writes it.
        name: What no other drawing of the page is called: letters, digits, hyphens.
        label: What it shows, for those who hear it.
    """
    root = ET.fromstring(drawing)  # noqa: S314 - matplotlib wrote it, with every name escaped
    for child in list(root):
        if child.tag in (f"{SVG}metadata", f"{SVG}defs"):
            if child.tag == f"{SVG}defs":
                _without_styles(child)
            else:
                root.remove(child)
    for element in root.iter():
        _restyle(element, name)
    _, _, width, height = root.attrib["viewBox"].split()
    root.attrib.update({"class": "chart", "role": "img", "aria-label": label, "width": width, "height": height})
    root.attrib.pop("version", None)
    for element in root.iter():  # HTML's own parser knows neither namespaces nor prefixes
        element.tag = element.tag.removeprefix(SVG)
    return Markup(ET.tostring(root, encoding="unicode"))  # noqa: S704 - written by the serialiser, which escapes


def _without_styles(definitions: ET.Element) -> None:
    for child in list(definitions):
        if child.tag == f"{SVG}style":
            definitions.remove(child)


def _restyle(element: ET.Element, name: str) -> None:
    """Turn an element's style into attributes and classes, and its name into the chart's."""
    own, attributes = element.attrib.pop("id", ""), element.attrib
    if own and NAMED.search(element.tag):
        attributes["id"] = f"{name}-{own}"
    elif own.startswith("series-"):
        attributes["class"] = own
    if HREF in attributes:
        attributes["href"] = f"#{name}-{attributes.pop(HREF)[1:]}"
    if "clip-path" in attributes:
        attributes["clip-path"] = attributes["clip-path"].replace("url(#", f"url(#{name}-")
    style = dict(part.split(": ", 1) for part in attributes.pop("style", "").split("; ") if ": " in part)
    classes = [
        f"{'line' if kind == 'stroke' else 'area'}-{CLASSES[style[kind]]}"
        for kind in ("stroke", "fill")
        if style.get(kind) in CLASSES
    ]
    if classes:
        attributes["class"] = " ".join(classes)
    attributes.update({key: style[key] for key in KEPT if key in style and style[key] not in CLASSES})
    if attributes.get("transform", "").startswith("rotate(-0 "):
        del attributes["transform"]
    for key in ("d", "points"):
        if key in attributes:
            attributes[key] = re.sub(r"(\.\d\d)\d+", r"\1", attributes[key]).replace("\n", "").strip()
    element.text = (element.text or "").strip() or None
    element.tail = None
