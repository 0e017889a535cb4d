"""Text that others wrote, made fit to be shown."""


def visible(text: str) -> str:
    r"""Return text on one line with whatever a terminal or a page would obey written out, such as \x1b or \u202e."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
