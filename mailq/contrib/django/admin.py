"""Admin pages: mailings with their progress, to be paused, resumed and cancelled; and the addresses that must not be mailed.

They read through the database of Django that MAILQ names. With a door elsewhere there are none.
"""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ImproperlyConfigured
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from mailq.client import Client, Progress
from mailq.contrib.django.configuration import configured
from mailq.contrib.django.models import Books, Delivery, Mailing, Suppression
from mailq.contrib.django.sending import client
from mailq.core.delivery import State
from mailq.errors import MailqError

_TROUBLED = (State.IN_DOUBT, State.ERROR, State.DEFERRED)
_MOST_SHOWN = 50
_PARTS = ("subject", "sender", "reply_to", "text", "html")

Steer = Callable[[Client, str], Progress]


class _ReadOnly(admin.ModelAdmin):
    """Rows of one organization in mailq's database, to be looked at."""

    show_full_result_count = False
    list_per_page = 50

    def get_queryset(self, _request: HttpRequest) -> QuerySet:
        configuration = configured()
        return self.model.objects.using(configuration.books).filter(organization__name=configuration.organization)

    def has_add_permission(self, *_: Any) -> bool:
        return False

    def has_change_permission(self, *_: Any) -> bool:
        return False

    def has_delete_permission(self, *_: Any) -> bool:
        return False


class MailingAdmin(_ReadOnly):
    """Mailings, the newest first."""

    list_display = ("name", "state", "lane", "progress", "sent", "errors", "in_doubt", "created_at")
    list_filter = ("state", "lane")
    search_fields = ("name__icontains", "key__exact", "public_id__startswith")
    actions = ("pause", "resume", "cancel")
    fieldsets = (
        (None, {"fields": ("name", "public_id", "key", "state", "lane", "doubt_policy", "progress", "counters")}),
        ("Times", {"fields": ("created_at", "scheduled_at", "started_at", "finished_at", "expires_at")}),
        ("Not sent", {"fields": ("troubles",)}),
        ("Content", {"fields": ("words",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """One query for the books of a page, instead of the sum over all batches there are."""
        return super().get_queryset(request).prefetch_related("books")

    def has_steer_permission(self, request: HttpRequest) -> bool:
        """Who may pause, resume and cancel."""
        return bool(request.user.has_perm("mailq.change_mailing"))

    @admin.display(description="progress")
    def progress(self, mailing: Mailing) -> SafeString:
        """A bar, and how many recipients are settled."""
        books = _books(mailing)
        bar = '<span style="white-space: nowrap"><progress max="{}" value="{}"></progress> {} of {}</span>'
        counts = (f"{books.num_done:,}", f"{books.num_profiles:,}")
        return format_html(bar, max(books.num_profiles, 1), books.num_done, *counts)

    @admin.display(description="sent")
    def sent(self, mailing: Mailing) -> int:
        """How many were accepted."""
        return int(_books(mailing).num_sent)

    @admin.display(description="errors")
    def errors(self, mailing: Mailing) -> int:
        """How many were not, for good."""
        return int(_books(mailing).num_errors)

    @admin.display(description="in doubt")
    def in_doubt(self, mailing: Mailing) -> int:
        """Of how many nobody knows."""
        return int(_books(mailing).num_in_doubt)

    @admin.display(description="books")
    def counters(self, mailing: Mailing) -> SafeString:
        """Every counter."""
        books = _books(mailing)
        names = ("num_profiles", "num_pending", "num_deferred", "num_sent", "num_errors", "num_skipped", "num_in_doubt")
        return format_html_join("", "<div>{}: {}</div>", ((name, f"{getattr(books, name):,}") for name in names))

    @admin.display(description="deliveries")
    def troubles(self, mailing: Mailing) -> SafeString | str:
        """The first of those in doubt, failed or deferred, and what the relay said."""
        books = _books(mailing)
        if not books.num_errors + books.num_in_doubt + books.num_deferred:
            return "none"
        found = Delivery.objects.using(configured().books).filter(mailing_id=mailing.id, state__in=_TROUBLED).order_by("seq")
        rows = ((each.seq, each.address, each.state, each.reply or each.doubt or "") for each in found[:_MOST_SHOWN])
        return format_html("<table>{}</table>", format_html_join("", "<tr>" + "<td>{}</td>" * 4 + "</tr>", rows))

    @admin.display(description="words")
    def words(self, mailing: Mailing) -> SafeString | str:
        """The parts of its content, as they were given."""
        parts = ((name, mailing.content[name]) for name in _PARTS if mailing.content.get(name))
        return format_html_join("", "<h4>{}</h4><pre>{}</pre>", parts) or "each recipient has a message of his own"

    @admin.action(description="Pause", permissions=["steer"])
    def pause(self, request: HttpRequest, chosen: QuerySet) -> None:
        """Stop sending for now."""
        self._steer(request, chosen, "paused", Client.pause)

    @admin.action(description="Resume", permissions=["steer"])
    def resume(self, request: HttpRequest, chosen: QuerySet) -> None:
        """Go on."""
        self._steer(request, chosen, "resumed", Client.resume)

    @admin.action(description="Cancel for good", permissions=["steer"])
    def cancel(self, request: HttpRequest, chosen: QuerySet) -> None:
        """End it; what has not begun is skipped."""
        self._steer(request, chosen, "cancelled", Client.cancel)

    def _steer(self, request: HttpRequest, chosen: QuerySet, done: str, steer: Steer) -> None:
        for mailing in chosen:
            try:
                with client() as mailq:
                    steer(mailq, mailing.public_id)
            except MailqError as error:
                self.message_user(request, str(error), messages.ERROR)
            else:
                self.log_change(request, mailing, done)
                self.message_user(request, f"{mailing.name}: {done}", messages.SUCCESS)


class SuppressionAdmin(_ReadOnly):
    """Addresses that must not be mailed, and why."""

    list_display = ("address", "reason", "note", "created_at")
    list_filter = ("reason",)
    search_fields = ("address__startswith",)
    fields = ("address", "reason", "note", "created_at")

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> Any:
        """They are kept in lower case."""
        return super().get_search_results(request, queryset, search_term.lower())


def _books(mailing: Mailing) -> Books:
    try:
        found: Books = mailing.books
    except Books.DoesNotExist:
        # Nothing is loaded yet.
        names = ("num_profiles", "num_pending", "num_deferred", "num_sent", "num_errors", "num_skipped", "num_in_doubt")
        return Books(mailing=mailing, **dict.fromkeys(names, 0))
    return found


def register(site: admin.AdminSite) -> None:
    """Add the pages to a site, if there is anything to read them through."""
    try:
        here = configured().books is not None
    except ImproperlyConfigured:
        # The system checks say what is wrong.
        return
    if here:
        site.register(Mailing, MailingAdmin)
        site.register(Suppression, SuppressionAdmin)


register(admin.site)
