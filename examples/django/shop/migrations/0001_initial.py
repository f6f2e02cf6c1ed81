"""The shop's tables."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """As `makemigrations` wrote it."""

    initial = True
    dependencies = ()
    operations = (
        migrations.CreateModel(
            name="Member",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100)),
                ("address", models.EmailField(max_length=254, unique=True)),
            ],
        ),
    )
