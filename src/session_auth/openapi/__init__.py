"""The OpenAPI 3.1 document of the endpoints, and what adds them to that of a project."""

from session_auth.openapi.document import document
from session_auth.openapi.merging import add_endpoints

__all__ = ["add_endpoints", "document"]
