"""The words of mail servers that blame anything but the address, by what they blame.

Each entry is a regular expression for lower case text on one line without addresses and links. They are bounded: no
repetition inside a repetition, so that a text of any kind is searched in linear time.
"""

# The mailbox is full, or the mail too big for it.
FULL = (
    r"quota",
    r"(?:mail ?box|inbox|account|maildrop|disk|storage|user'?s disk|file ?system) (?:size |for \S+ |space )?"
    r"(?:is |has )?(?:currently |almost |too |been )?(?:full|exceed|over|large)",
    r"full mailbox",
    r"exceed\w* .{0,40}(?:limit|size|storage|space)",
    r"(?:insufficient|not enough|out of|no|lack of) (?:system |disk |storage |more |free )*(?:space|storage|room)\b",
    r"would exceed",
    r"(?:size|storage|disk|space|allowed|allocated|message count) (?:limit|usage|allotment)",
    r"too (?:big|large|many|long|busy)",
    r"size exceed",
    r"allowed size",
    r"maximum (?:\w+ ){0,3}size",
    r"over (?:the )?(?:its )?(?:limit|allotted|storage|quota)",
    r"full\)",
)

# The sender, its host, its name or its right to send.
SENDER = (
    r"\bsender'?s?(?: e-?mail)?(?: address| domain| id| ip| host)?(?: \S{1,80})?"
    r"(?: is| was| has| has been)? ?"
    r"(?:rejected|denied|not |in ?valid|unknown|blocked|refused|verif|must|does|needs|could|un|black)",
    r"domain of sender",
    r"(?:invalid|unknown|bad|forged|unauthori[sz]ed|unresolvable) (?:return|sender|from|mail ?from|envelope)",
    r"mail ?from (?:domain|address|rejected|command rejected)",
    r"reverse[ -](?:dns|host|lookup|resol|map)",
    r"\bptr\b",
    r"\brdns\b",
    r"ip (?:address |name )?lookup",
    r"\b(?:helo|ehlo)\b",
    r"client host",
    r"(?:ip|host|client|server|connection)(?: address)?(?: \S{1,60})? "
    r"(?:is |was |has been |are )?(?:not allowed|blocked|rejected|banned|listed|refused|black|denied)",
    r"\bdmarc\b",
    r"\bspf\b",
    r"\bdkim\b",
    r"\bauthenticat",
    r"authori[sz]",
    r"permi(?:ssion|tted)",
    r"relay(?:ing)? (?:is )?(?:access )?(?:denied|not|prohib|attempt)",
    r"(?:unable|not|cannot|refus\w+|without|attempt) to relay",
    r"no relay",
    r"not relay",
    r"relaying",
    r"not a relay",
    r"not (?:allowed|permitted) to (?:send|relay|connect|post|use)",
    r"must log ?in",
    r"one of our (?:users|domains)",
    r"(?:starttls|tls) (?:required|is required|negotiation)",
    r"mail server permanently rejected",
)

# The text, or a rule of the house.
POLICY = (
    r"\bspam",
    r"unsolicited",
    r"\bjunk",
    r"\bbulk",
    r"black[ -]?list",
    r"block[ -]?list",
    r"deny ?list",
    r"(?:white|allow|safe)[ -]?list",
    r"\brbl\b",
    r"dnsbl",
    r"\bblocked\b",
    r"reputation",
    r"\bbanned\b",
    r"polic(?:y|ies)",
    r"prohibited",
    r"\bvirus",
    r"malware",
    r"phish",
    r"suspicious",
    r"\bfilter",
    r"content\b",
    r"forbidden",
    r"abuse",
    r"preferences",
    r"restricted",
    r"not accepted for",
    r"access (?:is )?denied",
    r"denied by",
    r"refused by",
    r"transaction failed",
    r"message (?:was |has been |is )?(?:rejected|refused|denied)",
    r"moderat",
)

# The form of the mail or of the dialogue.
MALFORMED = (
    r"rfc ?\d",
    r"compliant",
    r"\bheaders?\b",
    r"attachment",
    r"character",
    r"encod",
    r"8-?bit",
    r"\bmime\b",
    r"\bformat",
    r"resent-",
    r"(?<!address )syntax",
    r"not implemented",
    r"unrecogni[sz]ed command",
    r"improper",
    r"sequence of commands",
    r"bad sequence",
    r"protocol",
)

# Later perhaps.
LATER = (
    r"grey-?list",
    r"gray-?list",
    r"rate[ -]?limit",
    r"throttl",
    r"(?:try|retry) (?:again )?(?:later|in)",
    r"temporar",
    r"deferred",
    r"maintenance",
    r"\bbusy\b",
    r"too (?:fast|frequent|quick)",
    r"later\b",
    r"not found, try again",
    r"rule imposed",
    r"sign.?up",
    r"in a few",
    r"at (?:the|this) (?:moment|time)\b",
    r"right now",
    r"delayed",
    r"inactive",
    r"disabled",
    r"suspend",
    r"expired",
    r"timed? ?-?out",
    r"timeout",
    r"has been locked",
    r"overload",
)

# The way there, or a machine on it.
NETWORK = (
    r"connection (?:was )?(?:refused|reset|closed|dropped|lost|failed|terminated)",
    r"lost connection",
    r"no route",
    r"network",
    r"socket",
    r"connect to",
    r"(?:could not|couldn't|cannot|can't|unable to|failed to) (?:be )?(?:connect|contact|establish)",
    r"no answer",
    r"\bloop",
    r"hop count",
    r"hops\b",
    r"host (?:is )?(?:unreachable|not reachable|down|not responding)",
    r"handshake",
    r"lame",
    r"misconfig",
    r"configur",
    r"operating system",
    r"internal (?:server )?(?:error|problem)",
    r"local error",
    r"system (?:error|problem|failure)",
    r"i/o error",
    r"service (?:is )?(?:currently |temporarily )?(?:unavailable|not available)",
    r"mail(?:er)? error",
    r"(?:can't|cannot|couldn't|could not|unable to) (?:create|open|write|lock|execute)",
    r"permission",
    r"lock file",
)

SOFT = (*FULL, *SENDER, *POLICY, *MALFORMED, *LATER, *NETWORK)
