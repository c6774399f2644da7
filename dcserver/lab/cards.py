"""The boxes in which a lesson speaks: plain text for terminals and tests, HTML for every viewer.

Styles stand inline and use only what sanitisers of static viewers let through; the text keeps the theme's
colour and the background is a tint, so that a card reads the same in light and dark.
"""

from html import escape

from dcserver.lab.style import dollars_apart

# Okabe-Ito, each with its own sign and word: colour is never alone.
TONES = {
    "ask": ("#0072B2", "?"),
    "open": ("#999999", "\u25cb"),
    "right": ("#009E73", "\u2713"),
    "wrong": ("#D55E00", "\u21ba"),
    "note": ("#0072B2", "\u2192"),
}
_TINT = {"ask": "0,114,178", "open": "153,153,153", "right": "0,158,115", "wrong": "213,94,0", "note": "0,114,178"}


def span(text: str) -> str:
    """Text as HTML: escaped, `code` in backquotes and **bold** kept."""
    html = dollars_apart(escape(text, quote=False))
    for mark, tag in (("`", "code"), ("**", "strong")):
        pieces = html.split(mark)
        if len(pieces) % 2:  # every opening mark has its closing one
            html = "".join(p if i % 2 == 0 else f"<{tag}>{p}</{tag}>" for i, p in enumerate(pieces))
    return html


def plain(text: str) -> str:
    """Text without its marks."""
    return text.replace("**", "").replace("`", "")


def card(tone: str, title: str, body: str, live: bool = False) -> str:
    """One box: a coloured edge, a sign, a bold title, and HTML below it.

    live: a screen reader says it when it appears (an answer to what the learner just did).
    """
    colour, sign = TONES[tone]
    announce = ' role="alert" aria-live="polite"' if live else ""
    return (
        f'<div{announce} style="border-left: 4px solid {colour}; background-color: rgba({_TINT[tone]},0.08); '
        f'padding: 8px 14px; margin: 4px 0; max-width: 860px; font-size: 14px; line-height: 1.5;">'
        f'<div><span aria-hidden="true" style="color: {colour}; font-weight: bold;">{sign}</span> '
        f"<strong>{span(title)}</strong></div>{body}</div>"
    )


def paragraphs(*texts: str) -> str:
    """HTML paragraphs of the texts that are not empty."""
    return "".join(f'<div style="margin-top: 4px;">{span(t)}</div>' for t in texts if t)


def table(head: list[str], rows: list[list[str]]) -> str:
    """An HTML table with a header row."""
    cells = "".join(f'<th scope="col" style="text-align: left; padding: 2px 16px 2px 0;">{span(h)}</th>' for h in head)
    body = "".join(
        "<tr>"
        + "".join(f'<td style="text-align: left; padding: 2px 16px 2px 0;">{span(c)}</td>' for c in row)
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


def text_table(head: list[str], rows: list[list[str]]) -> str:
    """The same table in fixed-width text."""
    widths = [max(len(plain(r[i])) for r in [head, *rows]) for i in range(len(head))]
    lines = ["  ".join(plain(c).ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in [head, *rows]]
    return "\n".join([lines[0], "  ".join("-" * w for w in widths), *lines[1:]])
