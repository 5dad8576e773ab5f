"""Session authentication for APIs, on Django's own session framework."""

__version__ = "0.1.0"
