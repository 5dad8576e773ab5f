from django.contrib import admin
from django.urls import include, path
from django_cas_ng import views as cas

urlpatterns = [
    path("api/auth/", include("session_auth.urls")),
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
    path("cas/login/", cas.LoginView.as_view(), name="cas_ng_login"),
    path("cas/logout/", cas.LogoutView.as_view(), name="cas_ng_logout"),
]
