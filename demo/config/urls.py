from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("api/auth/", include("session_auth.urls")),  # 4. the endpoints
    path("admin/", admin.site.urls),
    path("", include("articles.urls")),
]
