"""What the built React app adds to the settings of a Django project, here of the demo."""

from pathlib import Path

from config.settings import *  # noqa: F403  # the demo
from config.settings import TEMPLATES

FRONT_END = Path(__file__).resolve().parents[1] / "dist"  # where `vite build` writes

ROOT_URLCONF = "react_site.urls"
STATICFILES_DIRS = [("react", FRONT_END)]  # below /static/react/, which is Vite's `base`
TEMPLATES[0]["DIRS"] = [FRONT_END]  # which has index.html
