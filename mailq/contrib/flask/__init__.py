"""mailq for Flask.

mailq = Mailq(app)                      # or mailq.init_app(app)
mailq.send(Message(...))                # now, through a connection of mailq's own or over HTTP
mailq.within(db.session).send(...)      # in the transaction of that session
"""

from mailq.contrib.flask.extension import Mailq

__all__ = ["Mailq"]
