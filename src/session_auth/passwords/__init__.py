"""Change and reset passwords, for views of your own: see docs/passwords.md."""

from session_auth.later import send_mail
from session_auth.passwords.flows import change_password, reset_password, user_of_link
from session_auth.passwords.forms import PasswordChangeForm, PasswordResetForm
from session_auth.passwords.hashes import check_password
from session_auth.passwords.mail import post_links, send_links, send_notice
from session_auth.passwords.required import require_new_password

__all__ = [
    "PasswordChangeForm",
    "PasswordResetForm",
    "change_password",
    "check_password",
    "post_links",
    "require_new_password",
    "reset_password",
    "send_links",
    "send_mail",
    "send_notice",
    "user_of_link",
]
