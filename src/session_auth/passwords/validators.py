"""Validators for ``AUTH_PASSWORD_VALIDATORS``: words of the context, and leaked passwords."""

import hashlib
import logging
import os
import re
import unicodedata
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, BinaryIO
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

__all__ = ["ContextWordsValidator", "LeakedPasswordValidator"]

logger = logging.getLogger("session_auth")

TIMEOUT_SECONDS = 2
MAX_ANSWER_BYTES = 1024 * 1024
SHORTEST_WORD = 3
PREFIX_CHARACTERS = 5
"""How much of the digest of a password leaves the site: some 2,000 leaked ones share it."""

LOOKALIKES = str.maketrans("@$013457l", "asoieasti")
URL = re.compile(r"(?:https://|http://localhost[:/]).*\{prefix\}.*")
DIGEST = re.compile(rb"[0-9A-Fa-f]{40}(?::[0-9]+)?\r?\n")
ANSWER = re.compile(rb"(?:[0-9A-Fa-f]{35}:[0-9]+(?:\r?\n)?)+")


class ContextWordsValidator:
    """Refuse a password that is little else than a word of the context: "Acme2026!" at Acme.

    ``words`` are the names of the organisation, its products and places, each of three letters or
    more. Case, signs, and digits for letters do not count: "4-C-M-E" is "acme". At least
    ``min_rest`` letters and digits of the password have to be no part of them, so that a phrase may
    have one in it.
    """

    def __init__(self, words: Sequence[str], min_rest: int = 8) -> None:
        if isinstance(words, str) or any(len(_plain(word)) < SHORTEST_WORD for word in words):
            raise ImproperlyConfigured(
                f"The words of ContextWordsValidator are a list of strings, of {SHORTEST_WORD} "
                "letters or digits at least."
            )
        self.words = sorted(words, key=lambda word: len(_plain(word)), reverse=True)
        self.min_rest = min_rest

    @sensitive_variables()
    def validate(self, password: str, user: object = None) -> None:
        rest, found = _plain(password), []
        for word in self.words:
            if _plain(word) in rest:
                rest = rest.replace(_plain(word), " ")
                found.append(word)
        if found and len(rest.replace(" ", "")) < self.min_rest:
            raise ValidationError(
                _("This password is too easy to guess here: it is little else than “%(word)s”."),
                code="password_of_context",
                params={"word": found[0]},
            )

    def get_help_text(self) -> str:
        return _("Your password cannot be little else than the name of this site or its products.")


class LeakedPasswordValidator:
    """Refuse a password that stands in a list of leaked ones: a service, or a file.

    ``url`` is that of a service for ranges of SHA-1 digests, with ``{prefix}`` for the first five
    digits: nothing else of the password leaves the site, and what the service answers is compared
    here. It takes two seconds at most. If the service does not answer, the password passes, and a
    warning is logged: an outage of somebody else's keeps nobody from replacing a password.

    ``file`` is the path of a list of digests, sorted, one a line, each with ``:`` and a number
    behind it or not. It may be as large as it likes, since it is searched where it lies.
    """

    def __init__(self, *, url: str | None = None, file: str | Path | None = None) -> None:
        if (url is None) is (file is None):
            raise ImproperlyConfigured("LeakedPasswordValidator needs a url or a file, not both.")
        if url is not None and not URL.fullmatch(url):
            raise ImproperlyConfigured(
                "The url of LeakedPasswordValidator begins with https:// and has {prefix} in it."
            )
        if file is not None and not _is_list(Path(file)):
            raise ImproperlyConfigured(
                f"{file} is no list of SHA-1 digests, one a line, that LeakedPasswordValidator can "
                "read."
            )
        self.url, self.file = url, file

    @sensitive_variables()
    def validate(self, password: str, user: object = None) -> None:
        digest = hashlib.sha1(
            password.encode(errors="surrogatepass"), usedforsecurity=False
        ).hexdigest()
        if self._is_known(digest.upper().encode()):
            raise ValidationError(
                _("This password was found in a list of leaked passwords. Choose another one."),
                code="password_leaked",
            )

    def get_help_text(self) -> str:
        return _("Your password cannot be one that was found in a list of leaked passwords.")

    @sensitive_variables()
    def _is_known(self, digest: bytes) -> bool:
        if self.file is not None:
            with Path(self.file).open("rb") as file:
                return _is_in(file, digest)
        try:
            answer = self._ask(digest[:PREFIX_CHARACTERS].decode())
        except (OSError, HTTPException, ValueError) as error:
            # Not its text, which may have the prefix in it.
            logger.warning("Nobody said whether a password has leaked: %s", type(error).__name__)
            return False
        rest = digest[PREFIX_CHARACTERS:]
        lines = (line.upper().partition(b":") for line in answer.splitlines())
        # Those with a zero are there to hide how long the answer is.
        return any(each == rest and int(count) > 0 for each, _colon, count in lines)

    def _ask(self, prefix: str) -> bytes:
        """Return the answer of the service, within ``TIMEOUT_SECONDS`` for all of it.

        A thread asks, since nothing else bounds a slow name server, or an answer that trickles.
        """
        answers: SimpleQueue[bytes | Exception] = SimpleQueue()
        Thread(target=self._fetch, args=(prefix, answers), daemon=True).start()
        try:
            answer = answers.get(timeout=TIMEOUT_SECONDS)
        except Empty as error:
            raise TimeoutError from error
        if isinstance(answer, Exception):
            raise answer
        if not ANSWER.fullmatch(answer):
            raise ValueError("This is no range of digests.")
        return answer

    def _fetch(self, prefix: str, answers: "SimpleQueue[bytes | Exception]") -> None:
        headers = {"Add-Padding": "true", "User-Agent": "django-session-auth"}
        request = Request(str(self.url).replace("{prefix}", prefix), headers=headers)  # noqa: S310 # see URL
        try:
            with build_opener(_NoRedirects).open(request, timeout=TIMEOUT_SECONDS) as response:
                answers.put(response.read(MAX_ANSWER_BYTES))
        except HTTPError as error:
            error.close()
            answers.put(error)
        except (OSError, HTTPException, ValueError) as error:
            answers.put(error)


class _NoRedirects(HTTPRedirectHandler):
    """Leave a redirect an error: nobody learns of a password but the service that was named."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


def _plain(text: str) -> str:
    """Return the letters and digits of ``text``, without case, and lookalikes as one."""
    folded = unicodedata.normalize("NFKC", text).casefold().translate(LOOKALIKES)
    return "".join(character for character in folded if character.isalnum())


def _is_list(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return bool(DIGEST.fullmatch(file.readline(100)))


@sensitive_variables()
def _is_in(file: BinaryIO, digest: bytes) -> bool:
    """Say whether a line of a sorted file begins with ``digest``, by some 40 reads at most."""
    low, high = 0, file.seek(0, os.SEEK_END)
    while low < high:
        middle = (low + high) // 2
        line = _line_from(file, middle)
        if line and line < digest:
            low = middle + 1
        else:
            high = middle
    return _line_from(file, low) == digest


def _line_from(file: BinaryIO, position: int) -> bytes:
    """Return the digest in the first line that begins at ``position`` or after it."""
    file.seek(max(position - 1, 0))
    if position:
        file.readline()
    return file.readline()[:40].upper()
