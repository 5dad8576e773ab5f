"""The tables: sessions, logins on their way, stamps, guesses, known devices, mails to be sent."""

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    _CharField = models.CharField[str, str]
else:
    _CharField = models.CharField


class KeyField(_CharField):
    """Text that is looked up as a whole, never by how it begins.

    For columns that PostgreSQL calls "varchar", Django adds a second index, for LIKE. By the other
    name of the same type, there is none: it would be as large as the first, and written as often.
    """

    def db_type(self, connection: Any) -> str | None:
        name = super().db_type(connection)
        if connection.vendor == "postgresql" and name is not None:
            return name.replace("varchar", "character varying")
        return name


class DigestField(KeyField):
    """Text in base64url, where "a" and "A" differ.

    In MySQL and MariaDB, they are equal unless a column says otherwise.
    """

    def db_parameters(self, connection: Any) -> Any:
        collation = "utf8mb4_bin" if connection.vendor == "mysql" else None
        return super().db_parameters(connection) | {"collation": collation}


class Session(models.Model):
    """A session at rest. The secret that opens it is in the cookie alone: ``id`` is its digest."""

    id = DigestField(_("session id"), max_length=43, primary_key=True)
    # Sessions may live in another database than users; an id without a user is anonymous.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,  # see Meta.indexes
        on_delete=models.DO_NOTHING,  # a receiver ends them, even in another database
        related_name="+",
    )
    data = models.TextField(_("data"))
    version = models.PositiveIntegerField(_("version"), default=0)
    created_at = models.DateTimeField(_("created at"))
    authenticated_at = models.DateTimeField(_("authenticated at"), null=True, blank=True)
    methods = models.TextField(_("methods"), default="{}")
    last_seen_at = models.DateTimeField(_("last seen at"))
    expires_at = models.DateTimeField(_("expires at"), db_index=True)

    ip = models.CharField(_("IP address"), max_length=45, blank=True)
    user_agent = models.CharField(_("user agent"), max_length=300, blank=True)
    # Not in last_seen_at: the idle timeout runs from there.
    passive_seen_at = models.DateTimeField(_("passively seen at"), null=True, blank=True)

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        indexes = [  # noqa: RUF012 # as Django writes it
            models.Index(fields=["user", "created_at"], name="session_auth_of_user")
        ]

    def __str__(self) -> str:
        return f"{self.id[:8]}…"


class LoginAttempt(models.Model):
    """A login whose credentials were right, and that is not complete. It is no session.

    The secret is in a cookie of its own: ``id`` is its digest.
    """

    id = DigestField(max_length=43, primary_key=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        db_constraint=False,
        db_index=False,
        on_delete=models.DO_NOTHING,  # a login of a user who is not there goes no further
        related_name="+",
    )
    state = models.TextField()
    """What was proven, passed, and noted, as JSON."""

    version = models.PositiveIntegerField(default=0)
    began_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = _("login on its way")
        verbose_name_plural = _("logins on their way")

    def __str__(self) -> str:
        return self.id


class UserStamp(models.Model):
    """When all sessions of a user were ended: whatever they have proven before is void."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        primary_key=True,
        db_constraint=False,
        on_delete=models.DO_NOTHING,
        related_name="+",
    )
    ended_before = models.DateTimeField(_("ended before"), db_index=True)

    class Meta:
        verbose_name = _("stamp of a user")
        verbose_name_plural = _("stamps of users")

    def __str__(self) -> str:
        return str(self.user_id)


class Tombstone(models.Model):
    """A session that has ended, for an engine whose store may forget that: see ``tombstones``."""

    session_id = DigestField(max_length=43, primary_key=True)
    successor = DigestField(max_length=43, blank=True)
    """The id under which it goes on, with a new key; "" if it does not."""

    until = models.DateTimeField(db_index=True)
    """From then on, it would have ended by itself."""

    class Meta:
        verbose_name = _("trace of an ended session")
        verbose_name_plural = _("traces of ended sessions")

    def __str__(self) -> str:
        return self.session_id


class AdoptedSession(models.Model):
    """A session of another engine that was taken over; it never will be again. See ``adoption``."""

    session_id = DigestField(max_length=43, primary_key=True)
    old_key = models.CharField(max_length=40, blank=True)
    """The key of its row in the table of Django's engine; "" if that is not in a database."""

    class Meta:
        verbose_name = _("adopted session")
        verbose_name_plural = _("adopted sessions")

    def __str__(self) -> str:
        return self.session_id


class EndedSession(models.Model):
    """The record of a session that has ended, for an audit: see ``SESSION_AUTH_KEEP_ENDED``."""

    session_id = DigestField(_("session id"), max_length=43, primary_key=True)
    # No foreign key: the record outlives its user.
    user_id = KeyField(_("user id"), max_length=255, db_index=True)
    reason = models.CharField(_("reason"), max_length=32)
    methods = models.TextField(_("methods"))
    created_at = models.DateTimeField(_("created at"))
    last_seen_at = models.DateTimeField(_("last seen at"))
    ended_at = models.DateTimeField(_("ended at"), db_index=True)
    ip = models.CharField(_("IP address"), max_length=45, blank=True)
    user_agent = models.CharField(_("user agent"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("ended session")
        verbose_name_plural = _("ended sessions")

    def __str__(self) -> str:
        return f"{self.session_id[:8]}…"


class GuessCount(models.Model):
    """How many guesses were made at an account or a name, on a device, or from an address.

    Times are seconds since the epoch, so that every database can do the arithmetic.
    """

    # An HMAC of what it counts: whoever reads the table learns no name and no address.
    id = DigestField(max_length=43, primary_key=True)
    failures = models.PositiveIntegerField(_("wrong in a row"))
    """How many were wrong in a row, since the last right password."""

    excess = models.IntegerField()
    """How many were wrong in the window, minus those that are free: below zero, some are left."""

    next_at = models.BigIntegerField()
    """When the next guess is allowed."""

    window_ends_at = models.BigIntegerField()
    """When ``excess`` starts anew."""

    expires_at = models.BigIntegerField(db_index=True)
    """When the row may be deleted."""

    class Meta:
        verbose_name = _("count of guesses")
        verbose_name_plural = _("counts of guesses")

    def __str__(self) -> str:
        return self.id


class DeviceGeneration(models.Model):
    """The generation of a user's known devices: those of an older one are known no longer.

    Users who have never thrown their devices out have no row.
    """

    user_id = KeyField(max_length=255, primary_key=True)  # of any user model
    generation = models.CharField(max_length=8)

    class Meta:
        verbose_name = _("generation of devices")
        verbose_name_plural = _("generations of devices")

    def __str__(self) -> str:
        return self.user_id


class RequiredPassword(models.Model):
    """A user who must set a new password before they log in again: see ``passwords.required``."""

    user_id = KeyField(_("user id"), max_length=255, primary_key=True)
    required_at = models.DateTimeField(_("required at"))

    class Meta:
        verbose_name = _("required new password")
        verbose_name_plural = _("required new passwords")

    def __str__(self) -> str:
        return self.user_id


class HashUpgrade(models.Model):
    """The same password has got a new hash: sessions with the hash ``before`` go on.

    ``before`` and ``after`` are digests of the user and the hash: the table tells neither.
    """

    before = DigestField(max_length=43, primary_key=True)
    after = DigestField(max_length=43)
    expires_at = models.DateTimeField(db_index=True)

    class Meta:
        verbose_name = _("upgrade of a hash")
        verbose_name_plural = _("upgrades of hashes")

    def __str__(self) -> str:
        return self.before


class PendingMail(models.Model):
    """A mail to be sent: see ``later``. It holds no secret, and is deleted once it was sent."""

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=32)
    details = models.TextField()
    """What the mail is made from, as JSON."""

    posted_at = models.DateTimeField()
    due_at = models.DateTimeField(db_index=True)
    """When to send it, or to try again."""

    claimed_until = models.DateTimeField()
    """Until then, no other process sends it; a time in the past means that nobody has it."""

    claimed_by = models.CharField(max_length=150, blank=True)
    """The process that has it, by a name with which others on the same machine can look for it."""

    attempts = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = _("mail to be sent")
        verbose_name_plural = _("mails to be sent")

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"
