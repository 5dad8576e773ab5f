"""django-otp: the devices of a user, also those of django-two-factor-auth, as a stage of our login.

For ``SESSION_AUTH_STAGES``: see docs/stages.md. Forms of these packages that have asked for a token
log in as before.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

import django_otp
from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.db import DEFAULT_DB_ALIAS, transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from session_auth import attempts, throttling
from session_auth.exceptions import InvalidCredentials, InvalidRequest, StageRequired
from session_auth.stages import Method, Proof, Proves, Stage, level_of
from session_auth.stores import Boundary

METHOD = "otp"
LONGEST_CODE = 64
SENT_FOR = timedelta(minutes=5)
"""How long a code is good that was sent to a user who is logged in, as far as clients are told."""

THROTTLING = ("throttling_failure_count", "throttling_failure_timestamp")
"""What a device keeps of wrong tokens."""

DEVICES = Boundary("devices", alias=lambda: DEFAULT_DB_ALIAS)


class TokenForm(forms.Form):
    """A token of a device. Without a token, a device that sends one sends it."""

    code = forms.CharField(
        max_length=LONGEST_CODE,
        required=False,
        label=_("Code"),
        widget=forms.TextInput({"autocomplete": "one-time-code"}),
    )
    device = forms.CharField(max_length=255, required=False, widget=forms.HiddenInput)


class SecondFactor(Stage):
    """The second factor of django-otp: a token of any confirmed device of the user.

    Due for those who have such a device. ``devices`` of the refusal has the ``id`` and the ``name``
    of each, and whether it ``sends`` its token: for that, send its ``id`` as ``device``, without a
    ``code``. Then ``otp_required`` and ``is_verified()`` know of the proof.
    """

    covers = ("django_otp",)
    refusals = (StageRequired,)
    methods: ClassVar[Mapping[str, Method]] = {
        METHOD: Method(form_class=TokenForm, proves=Proves.POSSESSION, label=_("Code"))
    }

    def is_due(self, user: AbstractBaseUser, request: HttpRequest) -> bool:
        """Say whether there is a device; not if a form of django-otp has just asked for it."""
        if level_of(attempts.proven(request)) == 2 or getattr(user, "otp_device", None):
            return False
        return bool(django_otp.user_has_device(user))

    def offered(self, user: AbstractBaseUser, request: HttpRequest) -> tuple[str, ...]:
        return (METHOD,) if django_otp.user_has_device(user) else ()

    def details(self, user: AbstractBaseUser, request: HttpRequest) -> Mapping[str, Any]:
        devices = django_otp.devices_for_user(user)
        return {
            "devices": [
                {"id": each.persistent_id, "name": each.name, "sends": each.is_interactive()}
                for each in devices
            ]
        }

    def verify(self, user: AbstractBaseUser, request: HttpRequest, proof: Proof) -> None:
        code, device_id = proof.data["code"], proof.data["device"]
        if not code:
            raise self.sent(user, request, device_id, proof)
        guess = throttling.reserve(request, user, code, purpose=METHOD)
        device = None if guess.is_above_ceiling else accepting(user, code, device_id=device_id)
        if not guess.accept(device is not None) or device is None:
            raise InvalidCredentials
        if proof.attempt is None:
            django_otp.login(request, device)
        else:
            proof.attempt.notes[METHOD] = device.persistent_id

    def completed(
        self, user: AbstractBaseUser, request: HttpRequest, *, notes: Mapping[str, Any]
    ) -> None:
        """Let django-otp know, for its own ``is_verified()``."""
        for device in django_otp.devices_for_user(user) if METHOD in notes else ():
            if device.persistent_id == notes[METHOD]:
                django_otp.login(request, device)

    def sent(
        self, user: AbstractBaseUser, request: HttpRequest, device_id: str, proof: Proof
    ) -> StageRequired:
        """Let a device send its token, and return the refusal that asks for it.

        It is counted as a mail is: whoever knows the password could have many sent.
        """
        devices = [
            each
            for each in django_otp.devices_for_user(user)
            if each.is_interactive() and device_id in ("", each.persistent_id)
        ]
        if not devices:
            raise InvalidRequest(fields={"code": [_("This field is required.")]})
        throttling.limit_requests(request, purpose=METHOD, name=user.get_username())
        devices[0].generate_challenge()
        return StageRequired(
            _("A code is on its way to you."),
            code=self.code,
            methods=self.offered(user, request),
            expires_at=proof.attempt.expires_at if proof.attempt else timezone.now() + SENT_FOR,
            details=self.details(user, request),
        )


@DEVICES.asks
def accepting(user: AbstractBaseUser, code: str, *, device_id: str) -> Any:
    """Return the device of the user that takes the token, which is used up by that, or ``None``.

    Each is tried unless ``device_id`` names one. Those that are tried in vain before the right one
    do not count that: else who uses a backup token would lock the app.
    """
    in_vain: list[tuple[Any, dict[str, Any]]] = []
    with transaction.atomic():  # the devices are locked until the end of it
        for device in django_otp.devices_for_user(user, for_verify=True):
            if device_id not in ("", device.persistent_id):
                continue
            before = {name: getattr(device, name) for name in THROTTLING if hasattr(device, name)}
            if device.verify_token(code):
                for other, values in in_vain:
                    type(other).objects.filter(pk=other.pk).update(**values)
                return device
            in_vain.append((device, before))
    return None
