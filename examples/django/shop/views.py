"""Sign up, and write to everybody."""

from django.core.mail import send_mail
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from mailq import Mailing
from mailq.contrib.django import client, submit
from shop.models import Member
from shop.payment import Declined, charge


def home(request: HttpRequest) -> HttpResponse:
    """Two forms."""
    return render(request, "home.html", {"members": Member.objects.count()})


@require_POST
def sign_up(request: HttpRequest) -> HttpResponse:
    """A member and the mail to welcome them, or neither."""
    try:
        with transaction.atomic():
            member = Member.objects.create(name=request.POST["name"], address=request.POST["address"])
            send_mail("Welcome", f"Dear {member.name},\n\nwelcome to the shop.\n", None, [member.address])
            charge(request.POST["card"])
    except Declined:
        return HttpResponse("your card was declined", status=402)
    except IntegrityError:
        return HttpResponse("you are a member already", status=409)
    return redirect("home")


@require_POST
def send_newsletter(request: HttpRequest) -> HttpResponse:
    """One mailing to all members. Subject and text are templates over each member's variables."""
    newsletter = Mailing("newsletter", request.POST["subject"], "Shop <shop@mailq.example>", request.POST["text"])
    members = Member.objects.order_by("id").iterator()
    taken = submit(newsletter, ({"address": member.address, "variables": {"name": member.name}} for member in members))
    return redirect("newsletter", taken.id)


def newsletter(request: HttpRequest, mailing: str) -> HttpResponse:
    """How far it is."""
    with client() as mailq:
        return render(request, "newsletter.html", {"progress": mailq.progress(mailing)})
