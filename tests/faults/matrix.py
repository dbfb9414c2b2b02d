"""The faults by number, and the goals that every one of them is judged by: what each must end in, and where it is looked at."""

from __future__ import annotations

EXPECTED = {
    "F1": "kill -9 of any sender: lost 0, forbidden 0, excused at most 1 a kill, all the same bytes",
    "F2": "kill -9 of a pool process: tried again; after 3 times parked with the reason, the others go on",
    "F3": "451, 421, greylisting: all submitted, none twice, tried with back-off, no reader blamed",
    "F4": "550 5.1.1 for one in twenty: each tried once and suppressed, nobody else touched",
    "F5": "552, 554, 5.7.x for all: pauses after 20 in a row, nobody suppressed, goes on without a copy",
    "F6": "cut in the middle of DATA, or after the dot with the mail thrown away: lost 0, none twice",
    "F7": "taken, and the reply cut: lost 0, one copy for each cut reply, the same bytes",
    "F8": "a server that hangs or is slow: bounded, lost 0, forbidden 0",
    "F9": "a server that is away: all submitted once it is back, connections within the limit",
    "F10": "421 after every mail, busy: all submitted, none twice",
    "F11": "Redis flushed, killed, absent: lost 0, none twice; the web takes subscriptions",
    "F12": "database restarted or gone: workers come back, at most one excused copy a worker, web 503",
    "F13": "disk full: no mail without a row, goes on when there is room, lost 0",
    "F14": "clock moved by hours and a day: no edition twice, no lease taken over",
    "F15": "clock changes in many zones: one mail for each local date",
    "F16": "beat away for two days: one digest a reader, with what was missed",
    "F17": "two beats, every task ten times: one mail each",
    "F18": "the same list twice, late, changed: no paper twice for a reader",
    "F19": "one poison paper or reader: that one is left out, all others get mail",
    "F20": "SIGTERM in the middle: ends within 30 s, none twice, lost 0",
    "F21": "migration while mail waits, old worker then new one: the rows go",
    "F22": "leaving during the run: no mail whose RCPT began after the answer; erased rows are gone",
    "F23": "keys changed: old links work, no mail without a signature",
    "F24": "TLS broken, certificate wrong, login refused: nothing in clear, paused, lost 0",
    "F25": "sources that fail: tried again later, no half list",
    "F26": "titles of 1 MB, 1,000 papers, 5,000 readers: at most 300 MB a worker",
}

ELSEWHERE = {
    "F15": ("integration/editions/test_plan.py",),
    "F18": ("integration/papers/test_ingest.py",),
    "F21": ("integration/db/test_migrations.py",),
    "F25": ("integration/test_hostile_feeds.py", "integration/sources/test_http.py"),
}

GOALS = {  # what it is -> where: rows of the table above, or tests that `make test` runs
    "G1 lost mail: 0": ("F1", "F3", "F6", "F7", "F8", "F9", "F11", "F12", "F13", "F20", "F21"),
    "G2 forbidden copies: 0": ("F1", "F3", "F6", "F7", "F8", "F9", "F11", "F12", "F13", "F20", "F21"),
    "G3 excused copies a kill, with one connection: at most 1": ("F1",),
    "G4 copies of the same bytes: all": ("F1", "F7", "F12"),
    "G5 what a killed worker held: within two leases": ("F1",),
    "G6 every mail before an outside judge: no finding": (
        "integration/test_samples.py",
        "integration/test_hostile_papers.py",
    ),
    "G8 bytes of HTML within the budget": ("unit/rendering/test_layout.py",),
    "G9 signatures verified by another program: all": ("F23", "unit/delivery/test_dkim.py"),
    "G10 one click: 2xx, no redirect, no cookie, committed before": (
        "integration/web/test_subscriptions.py::test_it_takes_one_click_from_mail_programs",
    ),
    "G11 mails begun after leaving was confirmed: 0": ("F22", "integration/web/test_leaving_during_a_run.py"),
    "G12 a GET changes nothing": ("integration/web/test_hostile_http.py::test_it_stands_every_hostile_request",),
    "G13 addresses: every case": ("integration/web/test_hostile_http.py::test_it_gives_every_address_its_verdict",),
    "G14 records and answers of sources: every case": (
        "integration/test_hostile_papers.py",
        "integration/test_hostile_feeds.py",
    ),
    "G15 mails that a stranger causes: few": (
        "integration/subscribers/test_lifecycle.py::test_it_mails_a_mailbox_at_most_once_in_15_minutes_and_three_times_a_day",
        "integration/web/test_subscriptions.py::test_it_stops_one_client_after_twenty_addresses",
    ),
    "G16 five states of an address answered alike": (
        "integration/web/test_subscriptions.py::test_it_answers_alike_for_every_state_of_an_address",
    ),
    "G17 after a hard bounce or a complaint: no mail": (
        "F4",
        "integration/feedback/test_feedback.py::test_it_suppresses_after_the_first_hard_bounce",
        "integration/feedback/test_feedback.py::test_it_suppresses_after_a_complaint_even_a_late_one_and_writes_no_more",
    ),
    "G18 addresses, links and keys in logs: none": (
        "F2",
        "F11",
        "F12",
        "F17",
        "F20",
        "F22",
        "integration/web/test_subscriptions.py::test_it_writes_no_token_and_no_address_into_the_log",
    ),
    "G19 security headers on every answer": (
        "integration/web/test_guards.py::test_it_carries_security_headers_on_every_answer",
    ),
    "G20 pages readable, narrow and wide, light and dark": ("e2e/test_reader.py::test_it_keeps_every_page_readable",),
}
