"""Change and reset passwords, for views of your own: see docs/passwords.md."""

from session_auth.passwords.flows import (
    change_password,
    reset_password,
    send_links,
    send_notice,
    user_of_link,
)
from session_auth.passwords.forms import PasswordChangeForm, PasswordResetForm
from session_auth.passwords.hashes import check_password

__all__ = [
    "PasswordChangeForm",
    "PasswordResetForm",
    "change_password",
    "check_password",
    "reset_password",
    "send_links",
    "send_notice",
    "user_of_link",
]
