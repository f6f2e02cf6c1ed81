"""The producers' doors of web frameworks: `mailq.contrib.django`, `mailq.contrib.flask`, `mailq.contrib.fastapi`."""
