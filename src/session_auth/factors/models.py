"""The tables of the factors: what users prove who they are with, beside their password."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from session_auth.models import DigestField

NAME_CHARACTERS = 100

APP = "session_auth_factors"
"""Said by each model: else it would join ``session_auth`` where this app is not installed."""


class Kind(models.TextChoices):
    """The kinds of factors, the best first, by the names that sessions and clients know."""

    PASSKEY = "passkey", _("passkey")
    TOTP = "totp", _("authenticator app")
    RECOVERY = "recovery", _("recovery code")


class Factor(models.Model):
    """A passkey, an authenticator app, or a recovery code of a user.

    ``id`` is a digest: of the id of a passkey; of a recovery code and its user; of the user alone
    for an authenticator app, so that nobody has two.
    """

    id = DigestField(_("id"), max_length=43, primary_key=True)
    # Like sessions, factors may live in another database than users.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        db_constraint=False,
        on_delete=models.DO_NOTHING,  # a receiver removes them, even in another database
        related_name="+",
    )
    kind = models.CharField(_("kind"), max_length=16, choices=Kind.choices)
    name = models.CharField(_("name"), max_length=NAME_CHARACTERS, blank=True)
    material = models.TextField(blank=True)
    """The public key of a passkey; encrypted, the secret of an authenticator app, or a recovery
    code that was taken over from another package."""

    counter = models.BigIntegerField(default=0)
    """The last step of time whose code was accepted, or the sign count of a passkey."""

    details = models.TextField(default="{}")
    """What else is known of a passkey, as JSON."""

    created_at = models.DateTimeField(_("created at"))
    last_used_at = models.DateTimeField(_("last used at"), null=True, blank=True)

    class Meta:
        app_label = APP
        verbose_name = _("factor")
        verbose_name_plural = _("factors")

    def __str__(self) -> str:
        return self.id


class TakenOver(models.Model):
    """A factor of another package that was taken over: it is not again, whatever became of it.

    Else a recovery code that was used since, or a passkey that was removed, would come back.
    ``id`` is a digest of its table and its primary key there.
    """

    id = DigestField(max_length=43, primary_key=True)

    class Meta:
        app_label = APP
        verbose_name = _("factor that was taken over")
        verbose_name_plural = _("factors that were taken over")

    def __str__(self) -> str:
        return self.id


class UserHandle(models.Model):
    """What passkeys know a user by: 32 random bytes, from which nobody learns who it is."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        primary_key=True,
        db_constraint=False,
        on_delete=models.DO_NOTHING,
        related_name="+",
    )
    handle = DigestField(max_length=43, unique=True)

    class Meta:
        app_label = APP
        verbose_name = _("handle of a user")
        verbose_name_plural = _("handles of users")

    def __str__(self) -> str:
        return self.handle


class Challenge(models.Model):
    """What one browser is to answer, once and soon.

    ``id`` is a digest of the challenge and of the cookie of the browser that has asked for it.
    """

    id = DigestField(max_length=43, primary_key=True)
    purpose = models.CharField(max_length=16)
    user_id = models.CharField(max_length=255, blank=True)
    """The primary key of the user who was logged in, of any user model; "" for a visitor."""

    material = models.TextField(blank=True)
    """The encrypted secret of an authenticator app that is being set up."""

    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        app_label = APP
        verbose_name = _("challenge")
        verbose_name_plural = _("challenges")

    def __str__(self) -> str:
        return self.id
