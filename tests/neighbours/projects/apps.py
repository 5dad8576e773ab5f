from django.apps import AppConfig


class ProjectsConfig(AppConfig):
    name = "tests.neighbours.projects"
    label = "projects"
    default_auto_field = "django.db.models.BigAutoField"
