from django.urls import include, path

from backend.views import index

urlpatterns = [
    path("", index),
    path("", include("config.urls")),  # the demo's: /api/auth/, /api/articles/, /admin/
]
