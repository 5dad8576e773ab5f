from django.urls import include, path, reverse_lazy

from session_auth import urls, views
from shop import accounts, api, stages
from shop import views as shop_views

auth_patterns = [
    path("csrf/", views.CsrfView.as_view()),
    path("login/", accounts.LoginView.as_view()),
    path("login/second-factor/", views.SecondFactorView.as_view()),
    path("login/second-factor/page/", views.SecondFactorPage.as_view()),
    path("openapi.json", views.OpenAPIView.as_view(is_public=True)),
    path("logout/", views.LogoutView.as_view()),
    path("password/change/", accounts.QueuedPasswordChangeView.as_view()),
    path("password/reset/", accounts.QueuedPasswordResetView.as_view()),
    path("password/reset/check/", views.PasswordResetCheckView.as_view()),
    path("password/reset/confirm/", views.PasswordResetConfirmView.as_view()),
    path("reauthenticate/", views.ReauthenticateView.as_view()),
    path("sessions/", views.SessionsView.as_view()),
    path("sessions/<str:session_id>/", views.SessionView.as_view()),
    path("user/", views.UserView.as_view()),
]

urlpatterns = [
    path("api/auth/", include(auth_patterns)),
    path("api/other/", include((urls.urlpatterns, urls.app_name))),
    path("api/ninja/", api.api.urls),
    path("api/profile/", shop_views.profile),
    path("api/profile/<int:pk>/", shop_views.profile_async),
    path("api/sign-out-elsewhere/", shop_views.sign_out_elsewhere),
    path("api/confirm/<str:password>/", shop_views.confirm),
    path("api/transfer/<int:amount>/", shop_views.transfer),
    path("api/unread/", shop_views.unread),
    path("api/orders/", shop_views.Orders.as_view()),
    path("api/sign-up/", accounts.SignUpView.as_view()),
    path("api/card/", accounts.change_card),
    path("api/close/", accounts.ClosingView.as_view()),
    path("api/passkey/", accounts.sign_in_by_passkey),
    path("api/letter/", stages.how_long),
    path("api/letter/<str:code>/", stages.go_on),
    path("api/letter-async/<str:code>/", stages.go_on_async),
    path("api/confirm-by-letter/<str:code>/", stages.confirm),
    path("api/confirm-by-letter-async/<str:code>/", stages.confirm_async),
    path("api/become/", stages.become),
    path("basket/", shop_views.Basket.as_view()),
]
LOGIN = reverse_lazy("session_auth:login")
refused = views.csrf_failure
