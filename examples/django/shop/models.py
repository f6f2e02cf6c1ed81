"""Who the shop writes to."""

from django.db import models


class Member(models.Model):
    """Somebody who signed up."""

    name = models.CharField(max_length=100)
    address = models.EmailField(unique=True)
