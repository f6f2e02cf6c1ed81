"""The schema's history, as alembic runs it; shipped inside the package, so `mailqctl db upgrade` needs nothing else."""
