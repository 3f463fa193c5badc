"""Data Docs that can be read offline: the page Great Expectations writes takes its style from seven hosts."""

import re
from importlib.resources import files

_STYLESHEET = "datadocs.css"
_SCRIPT = re.compile(r"<script\b.*?</script>", re.DOTALL | re.IGNORECASE)
_FETCHED = re.compile(r"<(?:link|img)\b[^>]*>", re.IGNORECASE)
_IMPORT = re.compile(r"@import[^;]*;|@font-face\s*{[^}]*}", re.IGNORECASE)
_URL = re.compile(r"""url\((["']?)(?!data:)[^)]*\1\)""", re.IGNORECASE)
_LINK_AWAY = re.compile(r"""<a\b([^>]*?)\s+href=(["'])(?!#)[^"']*\2""", re.IGNORECASE)


def make_self_contained(page: str) -> str:
    """The page without scripts, images, outside style sheets and links to other pages, and with a style of our own.

    Nothing in it reaches for a network; "show more" still opens, by CSS.
    """
    style = files(__package__).joinpath(_STYLESHEET).read_text(encoding="utf-8")
    for pattern in (_SCRIPT, _FETCHED, _IMPORT):
        page = pattern.sub("", page)
    page = _URL.sub("none", page)
    page = _LINK_AWAY.sub(r"<a\1", page)
    return page.replace("</head>", f"<style>\n{style}</style>\n</head>", 1)
