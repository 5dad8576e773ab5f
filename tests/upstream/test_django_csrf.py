from typing import ClassVar

import csrf_tests.tests as upstream

from session_auth.middleware import CsrfViewMiddleware

upstream.CsrfViewMiddleware = CsrfViewMiddleware


class CsrfViewMiddlewareTests(upstream.CsrfViewMiddlewareTests):
    DIFFERENCES: ClassVar[dict[str, str]] = {}


class CsrfViewMiddlewareUseSessionsTests(upstream.CsrfViewMiddlewareUseSessionsTests):
    DIFFERENCES: ClassVar[dict[str, str]] = {}
