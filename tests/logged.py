"""The log of a test, and the secrets of clients and server, which must not be in it."""

import logging


class Recorder(logging.Handler):
    """Keeps the text of each record of any logger, with what a formatter could add to it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(f"{self.format(record)} {vars(record)}")


secrets: set[str] = set()
"""The cookies that this test's clients were sent."""
