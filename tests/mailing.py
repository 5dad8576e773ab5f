"""What tests of mails have in common."""

from django.core import mail


def addressees() -> list[str]:
    return [address for message in mail.outbox for address in message.to]
