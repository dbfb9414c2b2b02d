"""The words of mail servers: which blame anything but the address, and which say that it is gone.

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
    r"format",
    r"resent-",
    r"syntax",
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
    r"\bbusy\b",
    r"too (?:fast|frequent|quick)",
    r"later\b",
    r"not found, try again",
    r"rule imposed",
    r"sign.?up",
    r"in a few",
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
    r"cannot open",
    r"permission",
    r"lock file",
)

# The same in other languages.
TRANSLATED = (
    r"容量",
    r"一杯",
    r"いっぱい",
    r"満杯",
    r"受信拒否",
    r"迷惑",
    r"ocupad",
    r"(?:voll|plein|llen[oa]|pien[oa]|cheio)\b",
    r"переполнен",
    r"超过",
    r"已满",
)

_WHO = (
    r"(?:user|account|recipient|mail ?box|mail ?drop|address(?:ee)?|customer|userid|user ?name|login|alias|member"
    r"|person|local[ -]?part|group|e-?mail|name|employee|destinataire|empf(?:ä|ae)nger|benutzer|destinatario|usuario"
    r"|utilisateur|destinat[aá]rio|unrouteable)s?"
)
_WHERE = r"(?:host(?: ?name)?|domain(?: ?name)?|mail ?domain|destination|system|site|dns|mail ?server|mx)"

# What is missing, and that it is: in either order, for persons and for hosts.
_IS = r"\W{1,3}(?:\S{1,40} ){0,4}?(?:is |was |are |name |or domain name |has ){0,2}"
_MISSING = (
    r"(?:un ?known|not? (?:be )?(?:found|exist|known|recogni[sz]ed|listed|valid|local|here|a valid|defined|registered"
    r"|in our)|(?:does ?n[o']t|doesn't|don't|doesnt|did not) (?:\w+ )?exist|non-?exist|invalid|no longer|undeliverable"
    r"|cannot be found|could ?n[o']t be found|wasn't found|inconnu|unbekannt|desconocid|sconosciut|moved"
    r"|nicht gefunden)"
)
_NO_HOST = (
    r"(?:un ?known|not? (?:be )?(?:found|exist|reachable|valid)|(?:does ?n[o']t|doesn't) exist|invalid|non-?exist"
)
_NO = r"(?:un ?known|invalid|non-?existent|no such|not a valid|not a known|illegal|incorrect|bad|no(?! valid))"
_KIND = (
    r"(?:local |final |delivery |mail |e-?mail |or \w+ |destination |remote |target |virtual |smtp |internet "
    r"|matching |here ){0,4}"
)
_BAD_HOST = r"(?:un ?known|no such|bad|invalid|non-?existent|unroute?able) "
MISSING = (
    _WHO + _IS + _MISSING,
    _NO + " " + _KIND + _WHO + r"\b",
    _BAD_HOST + r"(?:destination |mail |recipient |e-?mail |smtp |dns |remote ){0,3}" + _WHERE,
    _WHERE
    + _IS
    + _NO_HOST
    + r"|lookup failed|could ?n[o']t be found|cannot be found|not accept(?:ing)? (?:any )?mail)",
)

# Other ways to say it.
GONE = (
    r"nxdomain",
    r"(?:account|mail ?box|user|address) (?:was |has been |is |had been )?(?:closed|deleted|removed|terminated)",
    r"(?:can't|cannot|could ?n[o']t|unable to) find (?:the |that |any |a )?(?:user|recipient|mail ?box|account)",
    r"recipient cannot be verified",
    r"no match(?:es)? (?:to|for|found)",
    r"no valid recipients for this mm",
    r"no mx\b",
    r"null mx",
    r"mx 0 \.",
    r"nullmx",
    r"does not accept (?:any )?(?:e-?)?mail",
    r"accepts? no (?:e-?)?mail",
    r"no longer accept",
    r"name or service not known",
    r"non-?existent hosts",
    r"couldn't find any host",
    r"couldn't find a mail exchanger",
    r"no such host",
    r"dns name does not",
    r"malformed or unexpected name server",
    r"unrout(?:e)?able (?:mail )?(?:address|domain)",
    r"no mail ?box here",
    r"no account (?:here )?by",
    r"not our (?:user|customer)",
    r"no such person",
    r"doesn'?t have an? \S{1,60} account",
    r"(?:isn't|not) (?:a valid|listed)",
    r"not listed in",
    r"mail ?box (?:is )?(?:unavailable|not available|name not allowed|not found)",
    r"(?:recipient|address|rcpt)(?: address)? (?:was |has been )?(?:rejected|refused)(?! ?:)",
    r"rejected address",
    r"address rejected: (?:user|address|un|no such)",
    r"recipient (?:is )?not (?:accepted|allowed|found|ok)",
    r"\bmoved to\b",
    r"has (?:changed|moved)",
    r"user not local",
    r"not in (?:the |our )?(?:directory|address book|list)",
    r"left the (?:company|organi[sz]ation)",
    r"no longer (?:with|works|employed|valid|exist|in use|active|available|on (?:this )?server)",
    r"not known here",
    r"doesn't exist",
    r"does not exist",
    r"n'existe pas",
    r"n'existe plus",
    r"existiert nicht",
    r"no existe",
    r"non esiste",
    r"não existe",
    r"не существует",
    r"нет такого",
    r"存在しない",
    r"見つかりません",
    r"見つからない",
    r"不明",
    r"ユーザーがいません",
    r"不存在",
    r"無此",
    r"无此",
    r"address not found",
    r"not found in",
    r"unknown local[ -]part",
    r"unknown to",
)

SOFT = (*FULL, *SENDER, *POLICY, *MALFORMED, *LATER, *NETWORK, *TRANSLATED)
