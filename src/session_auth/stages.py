"""Stages: what a login may ask for after the password, and what each proof is worth.

``SESSION_AUTH_STAGES`` lists the classes, in their order. ``session_auth.attempts`` holds a login
that is not complete; ``session_auth.flows`` runs the stages. docs/stages.md has examples.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Flag, auto
from functools import lru_cache
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from session_auth.conf import get_conf
from session_auth.exceptions import SessionAuthError

__all__ = ["Method", "Proof", "Proves", "Stage", "Unfinished"]


class Proves(Flag):
    """What a method shows about who somebody is (NIST SP 800-63B-4, 2.2)."""

    NOTHING = 0
    """It is no proof of who one is: that the terms were accepted, for example."""

    KNOWLEDGE = auto()
    """Something that the user knows, such as a password; or what another site says of them."""

    POSSESSION = auto()
    """Something that the user has, such as the phone that makes codes."""

    BOTH = KNOWLEDGE | POSSESSION
    """A passkey that has verified its user, for example: it is two factors by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A way in which a user passes a stage.

    ``form_class`` is a form of Django's: the body of ``POST login/second-factor/`` may hold the
    fields that it declares beside ``method``, and the page for the admin shows it. ``verify()`` of
    the stage gets its ``cleaned_data``. ``proves`` says what the method is worth. ``label`` is how
    the page calls it.
    """

    form_class: type[forms.Form] = forms.Form
    proves: Proves = Proves.NOTHING
    label: str | Promise = ""


class Unfinished(Protocol):
    """A login that is not complete: what a stage may know of it, and keep with it.

    It is stored by the server, 10 minutes at most; ``session_auth.attempts.Attempt`` is one.
    """

    @property
    def id(self) -> str:
        """The digest of the secret in the cookie of the attempt: bind challenges to it."""

    @property
    def proven(self) -> Mapping[str, datetime | None]:
        """What the user has proven so far, and when; ``None``: nobody knows."""

    @property
    def expires_at(self) -> datetime: ...

    @property
    def notes(self) -> dict[str, Any]:
        """What stages keep from one request to the next, as JSON, each under a key of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a client has sent to pass a stage.

    ``method`` is one that the stage has offered, and ``data`` the ``cleaned_data`` of its form.
    ``attempt`` is the login; it is ``None`` if the user is logged in and proves it again
    (``reauthenticate/``). So bind a challenge to ``attempt.id``, or to the id of the session.
    """

    method: str
    data: Mapping[str, Any] = field(repr=False)  # error reports show variables
    attempt: Unfinished | None = None


class Stage(ABC):
    """A step of a login, after the credentials: nobody is logged in before all are passed.

    Its methods are called in this order. ``is_due()`` at each login, then ``offered()`` and
    ``details()`` for the answer 401, which has ``code`` and ``message``. Then, for what the client
    sends to ``login/second-factor/``, ``verify()``, and once more ``is_due()`` of this and
    the stages after it. When none is due, the session begins, and ``completed()`` is called.

    An instance is made for each call, so it keeps nothing.
    """

    code: ClassVar[str] = "second_factor_required"
    """The code of the refusal: another one for what is no second factor, ``terms_required`` say."""

    message: ClassVar[str | Promise] = _("Confirm that it is you.")
    """The sentence for people in that refusal."""

    methods: ClassVar[Mapping[str, Method]] = MappingProxyType({})
    """All ways to pass the stage, by their names, each unique among all stages."""

    refusals: ClassVar[Collection[type[SessionAuthError]]] = ()
    """What the stage may raise beside ``InvalidCredentials``, ``InvalidRequest``,
    ``PermissionDenied`` and ``Throttled``: for the OpenAPI document."""

    covers: ClassVar[Collection[str]] = ()
    """The apps whose own second factor, or other stage, this one asks for: for the checks."""

    @abstractmethod
    def is_due(self, user: AbstractBaseUser, request: HttpRequest) -> bool:
        """Say whether ``user``, whose credentials are right, has to pass this stage now.

        ``attempts.proven(request)`` returns what they have proven so far. To refuse the login
        instead, raise a ``SessionAuthError``, such as ``PermissionDenied``. A stage that was passed
        in the same login is not asked again.
        """

    def due_from(self, user: AbstractBaseUser) -> datetime | None:
        """Return from when on the stage is due for ``user``, for ``GET user/`` to tell them before.

        ``None`` means that there is nothing to tell.
        """
        return None

    def offered(self, user: AbstractBaseUser, request: HttpRequest) -> Sequence[str]:
        """Return the names of the methods that ``user`` can use, the best one first.

        Also asked, for those that prove something, when a logged-in user has to prove who they are
        again. No others are taken from this user.
        """
        return tuple(self.methods)

    def details(self, user: AbstractBaseUser, request: HttpRequest) -> Mapping[str, Any]:
        """Return more for the body of the 401, such as the options of a passkey. No secrets."""
        return {}

    def verify(self, user: AbstractBaseUser, request: HttpRequest, proof: Proof) -> None:
        """Return if ``proof`` is right, and raise a ``SessionAuthError`` if not: never ``False``.

        A stage without ``methods``, which only refuses logins, needs none.

        ``InvalidCredentials`` is what clients expect of a wrong code. Whatever can be guessed has
        to be counted first::

            guess = throttling.reserve(request, user, proof.data["code"], purpose=proof.method)
            if not guess.accept(is_right(proof.data["code"])):
                raise InvalidCredentials

        A code that may be used once has to be used up here, by one conditional statement: two
        requests may come at the same time. Each stage that has ``methods`` needs this.
        """
        raise NotImplementedError  # of a stage without methods, which nobody calls

    def completed(  # noqa: B027 # most stages have nothing to do then
        self, user: AbstractBaseUser, request: HttpRequest, *, notes: Mapping[str, Any]
    ) -> None:
        """Do what has to wait until the login is complete, such as trusting the browser.

        ``request.session`` is the new session by then. ``attempts.on_answer(request, call)`` sets a
        cookie. ``notes`` are those of the attempt. Called for each stage in the settings, also if
        none was due.
        """


KNOWN_METHODS: Mapping[str, Proves] = MappingProxyType(
    {"password": Proves.KNOWLEDGE, "mfa": Proves.BOTH}  # RFC 8176 calls it so
)
"""What those methods prove that belong to no stage; any other counts as something known."""


def key_of(stage: Stage) -> str:
    """Return what stands for a stage in a login that is not complete."""
    return f"{type(stage).__module__}.{type(stage).__qualname__}"


def get_stages() -> tuple[Stage, ...]:
    """Return the stages of the settings, in their order."""
    paths = get_conf().STAGES
    return tuple(cls() for cls in _classes(tuple(paths))) if paths else ()


def stage_of(method: str) -> Stage | None:
    """Return the stage that has ``method``; ``None`` if none in the settings has it."""
    return next((stage for stage in get_stages() if method in stage.methods), None)


def worth(method: str) -> Proves:
    """Return what ``method`` proves, by the stages that are in the settings now."""
    stage = stage_of(method)
    if stage is not None:
        return stage.methods[method].proves
    return KNOWN_METHODS.get(method, Proves.KNOWLEDGE)


def level_of(methods: Collection[str]) -> int:
    """Return 2 if ``methods`` together show something known and something had, else 1."""
    found = Proves.NOTHING
    for method in methods:
        found |= worth(method)
    return 2 if found is Proves.BOTH else 1


@lru_cache(maxsize=1)
def _classes(paths: tuple[str, ...]) -> tuple[type[Stage], ...]:
    found = tuple(import_string(path) for path in paths)
    for path, cls in zip(paths, found, strict=True):
        if not (isinstance(cls, type) and issubclass(cls, Stage)):
            raise ImproperlyConfigured(
                f"SESSION_AUTH_STAGES names '{path}', which is no class derived from "
                f"session_auth.stages.Stage."
            )
        if cls.is_due is Stage.is_due or (cls.methods and cls.verify is Stage.verify):
            raise ImproperlyConfigured(
                f"SESSION_AUTH_STAGES names '{path}', which lacks is_due(), or has methods and no "
                f"verify()."
            )
    methods = [name for cls in found for name in cls.methods]
    if twice := [name for name in [*paths, *methods] if [*paths, *methods].count(name) > 1]:
        raise ImproperlyConfigured(
            f"SESSION_AUTH_STAGES has '{twice[0]}' twice: list each class once, and give each "
            f"method a name that no method of another class has."
        )
    return found


@receiver(setting_changed, dispatch_uid="session_auth.stages")
def _forget(*, setting: str, **kwargs: Any) -> None:
    if setting == "SESSION_AUTH_STAGES":
        _classes.cache_clear()
