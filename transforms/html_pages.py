"""How pages are made: one self-contained HTML file each, with every value escaped."""

from __future__ import annotations

import jinja2


def page_environment() -> jinja2.Environment:
    """The templates of ``transforms/templates``, with autoescape on and missing names refused."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("transforms", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
