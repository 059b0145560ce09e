"""One self-contained HTML page from a plan, and one from a scan: no script, no request to anywhere, readable on paper and on a phone.

Rules kept here: every figure is computed from the plan's rows; text from logs is cleaned (`text.py`) and escaped by the
template; the style sheet is allowed by its hash and nothing else is, so that text that slips through can do nothing.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, Template
from markupsafe import Markup

from fairlead.core.moves import Plan, plan_from_json
from fairlead.core.telling import headline, lede, span_words
from fairlead.edge.report.first import FirstPage, PageBill, PageWorkload, context
from fairlead.edge.report.page import decided, gaps, method, rows, scale, sections, totals
from fairlead.edge.report.text import shown

__all__ = ["FirstPage", "PageBill", "PageWorkload", "render", "render_first"]


def render(
    plan: Plan | Mapping[str, Any],
    *,
    org: str = "Your organisation",
    simulated: bool | None = None,
    truth: Mapping[str, str] | None = None,
    version: str = "",
) -> str:
    """The report of a plan, or of a plan's stored record, as one HTML page.

    `truth` gives the demo's true difference by workload id, in words; `simulated` overrides the plan's own flag.
    """
    record = plan if isinstance(plan, Plan) else plan_from_json(plan)
    css = Markup(_read("style.css").strip())  # noqa: S704 - our own file
    shared = scale(record)
    return _template("report.html.j2").render(
        css=css,
        css_hash=_hash(css),
        version=version,
        org=shown(org),
        span=span_words(record.span),
        simulated=record.simulated if simulated is None else simulated,
        headline=headline(record),
        lede=[shown(sentence, longest=400) for sentence in lede(record)],
        rows=rows(record, shared, truth or {}),
        rounded=not record.span_unknown,
        truth=bool(truth),
        total=totals(record),
        marks=shared.marks,
        margin=shared.margin,
        sections=sections(record),
        decided=decided(record),
        method=method(record),
        gaps=gaps(record),
        made_at=f"{record.made_at:%Y-%m-%d %H:%M} UTC",
    )


def render_first(page: FirstPage) -> str:
    """The first page of a scan as one HTML page."""
    css = Markup(_read("style.css").strip() + "\n" + _read("first.css").strip())  # noqa: S704 - our own files
    return _template("first.html.j2").render(css=css, css_hash=_hash(css), **context(page))


@cache
def _template(name: str) -> Template:
    environment = Environment(
        loader=FunctionLoader(_read), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(name)


def _read(name: str) -> str:
    return files("fairlead.edge.report").joinpath(name).read_text("utf-8")


def _hash(css: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
