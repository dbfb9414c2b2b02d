"""What a web server loads: the pages, with the settings of this process and a nudge that reaches the workers."""

from __future__ import annotations

from digest.install import Install
from digest.logs import configure
from digest.settings import load
from digest.web.app import create_app
from workers.nudge import nudger

_settings = load()
configure(_settings)
app = create_app(_settings, clock=Install.open(_settings).clock, nudge=nudger())
