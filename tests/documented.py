"""Every answer that a test sees of an endpoint is one that the OpenAPI document has."""

import re
from collections.abc import Mapping
from typing import Any

from session_auth import answers
from session_auth.http import JSONView
from session_auth.openapi import headers
from session_auth.openapi.refused import refusals_of

UNSAID = {*answers.HEADERS, "Content-Language", "Content-Length", "Content-Type"} - {
    "Cache-Control"
}
"""Headers that are for browsers and caches, or that the document tells by other words."""

OF_OTHERS = {
    *("Cross-Origin-Opener-Policy", "Strict-Transport-Security", "X-Frame-Options"),  # Django's
    *("Server-Timing", "djdt-request-id"),  # of the debug toolbar
}


def check(response: Any) -> None:
    """Fail if an endpoint of the package has answered with a status or a code without an entry."""
    method = response.wsgi_request.method
    view = _endpoint(response)
    if view is None or method.lower() not in view.operations or response.status_code == 500:
        return
    operation = view.operations[method.lower()]
    accepted = 204 if operation.answer is None else operation.status
    if response.status_code == accepted:
        check_headers(response, headers.of_answer(operation))
        return
    by_status = {each.status: each for each in refusals_of(view, method.lower())}
    told = f"{method} {response.request['PATH_INFO']}: {response.status_code} {response.content!r}"
    refused = by_status.get(response.status_code)
    assert refused is not None, f"no such status in the document: {told}"
    if response.headers["Content-Type"] != "application/json":
        return  # of another package's middleware, as axes has one
    code = response.json()["code"]
    assert refused.is_open or code in refused.codes, f"no such code in the document: {told}"
    check_headers(response, headers.of_refusal(refused.status, refused.classes))


def check_headers(response: Any, documented: Mapping[str, Any]) -> None:
    """Fail if the answer has a header that is not ``documented``, or lacks one that must be."""
    there = dict(response.headers)
    if response.cookies:
        there["Set-Cookie"] = response.cookies.output(header="")
    told = f"{response.wsgi_request.method} {response.request['PATH_INFO']}: {there}"
    assert set(there) <= {*documented, *UNSAID, *OF_OTHERS}, f"not in the document: {told}"
    for name, reference in documented.items():
        header = headers.components()[reference["$ref"].rpartition("/")[2]]
        schema = header["schema"]
        assert name in there or not header.get("required"), f"{name} is missing: {told}"
        if name not in there:
            continue
        assert there[name] in schema.get("enum", [there[name]]), told
        assert re.search(schema.get("pattern", ""), there[name]), told
        assert schema["type"] == "string" or there[name].isdigit(), told


def _endpoint(response: Any) -> JSONView | None:
    match = response.wsgi_request.resolver_match
    cls: Any = getattr(match and match.func, "view_class", type(None))
    is_ours = cls.__module__.startswith("session_auth.") and issubclass(cls, JSONView)
    return cls(**match.func.view_initkwargs) if is_ours else None
