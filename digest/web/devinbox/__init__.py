"""An inbox for demos and tests: a mail server that takes everything, and a page that shows it."""

from digest.web.devinbox.folder import Mail, MailFolder
from digest.web.devinbox.server import Inbox, start_inbox

__all__ = ["Inbox", "Mail", "MailFolder", "start_inbox"]
