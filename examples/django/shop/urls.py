"""Where everything is."""

from django.contrib import admin
from django.urls import path

from shop import views

urlpatterns = [
    path("", views.home, name="home"),
    path("sign-up", views.sign_up, name="sign_up"),
    path("newsletters", views.send_newsletter, name="send_newsletter"),
    path("newsletters/<str:mailing>", views.newsletter, name="newsletter"),
    path("admin/", admin.site.urls),
]
