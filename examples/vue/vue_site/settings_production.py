"""The same app, served to others: hardened as the demo is, and as docs/deployment.md says."""

from config.settings_production import *  # noqa: F403  # the demo, hardened

from vue_site.settings import ROOT_URLCONF, STATICFILES_DIRS, TEMPLATES  # noqa: F401  # settings
