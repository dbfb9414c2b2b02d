"""The faults by number: what each must end in, and which other tests hold parts of it."""

from __future__ import annotations

EXPECTED = {
    "F1": "kill -9 of any sender: lost 0, forbidden 0, excused at most 1 a kill with one connection, all the same bytes",
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
    "F12": "database restarted or gone: workers come back, at most one excused copy a connection, web 503",
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
    "F15": "tests/faults/test_forty_days.py, tests/integration/editions/test_plan.py",
    "F18": "tests/integration/papers/test_ingest.py",
    "F25": "tests/integration/test_hostile_feeds.py, tests/integration/sources",
}
