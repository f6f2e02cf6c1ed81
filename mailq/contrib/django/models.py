"""mailq's tables as Django may read them. Nothing here writes: what changes a mailing goes through the client.

Unmanaged: no migration of Django's touches them, and they are there once `mailqctl db upgrade` has run.
"""

from django.db import models

from mailq.contrib.django.configuration import given
from mailq.core.delivery import State as DeliveryState
from mailq.core.mailing import Lane
from mailq.core.mailing import State as MailingState
from mailq.core.suppression import Reason


def _table(name: str) -> str:
    said = given()
    schema = said.get("SCHEMA") if isinstance(said, dict) else None
    return f'"{schema}"."{name}"' if schema else name


def _one_of(values: type[MailingState | Lane | DeliveryState | Reason], **options: object) -> models.TextField:
    return models.TextField(choices=[(value.value, value.value) for value in values], **options)


class Organization(models.Model):
    """In whose name."""

    id = models.BigIntegerField(primary_key=True)
    name = models.TextField()

    class Meta:
        managed = False
        db_table = _table("organization")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.name)


class Mailing(models.Model):
    """One content, many recipients. `change` is the permission to pause, resume and cancel it."""

    id = models.BigIntegerField(primary_key=True)
    public_id = models.TextField("id")
    organization = models.ForeignKey(Organization, models.DO_NOTHING, related_name="+")
    key = models.TextField(null=True)
    name = models.TextField()
    state = _one_of(MailingState)
    lane = _one_of(Lane)
    doubt_policy = models.TextField()
    content = models.JSONField()
    created_at = models.DateTimeField("created")
    scheduled_at = models.DateTimeField("scheduled", null=True)
    started_at = models.DateTimeField("started", null=True)
    finished_at = models.DateTimeField("finished", null=True)
    expires_at = models.DateTimeField("expires", null=True)

    class Meta:
        managed = False
        db_table = _table("mailing")
        default_permissions = ("view", "change")
        ordering = ("-id",)

    def __str__(self) -> str:
        return str(self.name)


class Books(models.Model):
    """The counters of a mailing, always the sum over its batches."""

    mailing = models.OneToOneField(Mailing, models.DO_NOTHING, primary_key=True, related_name="books")
    num_profiles = models.BigIntegerField()
    num_pending = models.BigIntegerField()
    num_deferred = models.BigIntegerField()
    num_sent = models.BigIntegerField()
    num_errors = models.BigIntegerField()
    num_skipped = models.BigIntegerField()
    num_in_doubt = models.BigIntegerField()

    class Meta:
        managed = False
        db_table = _table("mailing_books")
        default_permissions = ()
        verbose_name_plural = "books"

    def __str__(self) -> str:
        return f"{self.num_done} of {self.num_profiles}"

    @property
    def num_done(self) -> int:
        """How many recipients are settled, those in doubt included."""
        return int(self.num_profiles - self.num_pending - self.num_deferred)


class Delivery(models.Model):
    """What became of one recipient."""

    pk = models.CompositePrimaryKey("mailing_id", "seq")
    mailing = models.ForeignKey(Mailing, models.DO_NOTHING, related_name="deliveries")
    seq = models.IntegerField()
    address = models.TextField()
    state = _one_of(DeliveryState)
    attempts = models.SmallIntegerField()
    reply = models.TextField(null=True)
    skip = models.TextField(null=True)
    doubt = models.TextField(null=True)
    settled_at = models.DateTimeField(null=True)

    class Meta:
        managed = False
        db_table = _table("delivery")
        default_permissions = ()
        verbose_name_plural = "deliveries"

    def __str__(self) -> str:
        return f"{self.address}: {self.state}"


class Suppression(models.Model):
    """An address that the organization must not mail. It is unique within the organization whose rows are shown."""

    address = models.TextField(primary_key=True)
    organization = models.ForeignKey(Organization, models.DO_NOTHING, related_name="+")
    reason = _one_of(Reason)
    note = models.TextField(null=True)
    created_at = models.DateTimeField("since")

    class Meta:
        managed = False
        db_table = _table("suppression")
        default_permissions = ("view",)
        ordering = ("address",)

    def __str__(self) -> str:
        return str(self.address)


class Revision(models.Model):
    """At which revision mailq's tables stand."""

    version_num = models.TextField(primary_key=True)

    class Meta:
        managed = False
        db_table = _table("schema_revision")
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.version_num)
