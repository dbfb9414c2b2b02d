"""The words of mail servers that say an address or its host is gone: somebody, and that he is missing, in one clause.

The same rules as in `phrases`: lower case text on one line without addresses and links, and bounded repetition.
"""

from digest.delivery.bounces import tongues


def _one_of(*phrases: str) -> str:
    return f"(?:{'|'.join(phrases)})"


# A stretch of one clause: a full stop counts only before a space, as there are some in host names.
_GAP = r"(?:[^.;!?]|\.(?=\S)){0,40}?"
_SHORT_GAP = r"(?:[^.:;!?]|\.(?=\S)){0,30}?"

_NOT = r"(?:(?:does|do|did|is|was|are|has|could)(?: ?n[o']?t| not)|can(?:'t| ?not))"
_NO_MAIL = r"accept(?:ing)? (?:any )?(?:e-?)?mail\b(?! (?:from|with|of))"

_NO_LONGER = r"no longer (?:an? |with|works?|employed|valid|exist|in (?:use|service)|active|available|here|has an|on |hosted|known)"

_WHO = _one_of(
    r"user(?: ?(?:id|name))?",
    r"account",
    r"recipient|rcpt|receiver",
    r"mail ?box|mail ?drop",
    r"address(?:ee)?",
    r"customer|subscriber|member|employee",
    r"login|alias|person",
    r"local[ -]?part",
)
_NOT_SO = rf"{_NOT}(?: (?:be|have|in|on|a|an|match|any|currently|your|[^ .]{{1,40}}\.[^ ]{{1,40}})){{0,3}}? " + _one_of(
    r"exist|found|find|recogni[sz]e|known|listed|valid|local|here|registered|present|hosted|located|resolve",
    r"account|user|alias|mailbox|use\b|service|our\b|the (?:list|directory|database)",
)
_MISSING = _one_of(
    r"un ?known|un ?recogni[sz]ed|undefined|undeliverable|unroute?able",
    r"in ?valid|illegal|wrong|incorrect|bogus",
    r"(?:non[- ]?|in)exist\w*",
    rf"{_NOT_SO}\w*",
    r"not (?:found|exist\w*|known|recogni[sz]ed|listed|valid|local|here|defined|registered|present|hosted|located|match)",
    r"not (?:a (?:valid|local|known)|in (?:our|the|use|service|list|any|directory)|on (?:this|our))",
    _NO_LONGER,
    r"obsolete|discontinued|terminated|cancell?ed|(?:deleted|removed|closed)(?! (?:for|from|the)\b)",
    r"(?:has|have) (?:left|moved|changed)|is gone",
)
_NOBODY = _one_of(
    r"un ?known|un ?recogni[sz]ed|non[- ]?exist\w*",
    r"in ?valid|illegal|incorrect|wrong|bad|bogus|obsolete",
    r"no such|no(?! (?:valid|longer|member|person)\b)|record of",
    r"not an? (?:valid|known|local|registered|existing)",
    r"unable to (?:find|locate)",
    rf"{_NOT} (?:find|locate|know|host|serve|match|have)(?: an?| any)?",
)
_OF_KIND = (
    r"(?:(?:or|the|that|this|your|an?|in|here|local|final|delivery|e-?mail|mail|destination|remote|target|virtual|smtp|internet"
    r"|matching|recipient|\w+ed) ){0,4}"
)

_WHERE = _one_of(r"host(?: ?name)?", r"(?:mail ?)?domain(?: ?name)?", r"destination|system|site|mx", r"dns(?: name)?")
_MISSING_HOST = _one_of(
    r"un ?known|non[- ]?exist\w*|unroute?able",
    rf"{_NOT}(?: be)? (?:exist|found|find|known|located|reachable|{_NO_MAIL})",
    rf"not (?:found|exist\w*|known|reachable|{_NO_MAIL})",
    rf"{_NO_LONGER}|lookup failed",
)
_NOWHERE = r"(?:un ?known|no such|non[- ]?exist\w*|unroute?able)"
_OF_WHAT = r"(?:(?:destination|mail|recipient|e-?mail|smtp|dns|remote|or) ){0,3}"

PERSON = (
    rf"\b{_WHO}(?:e?s)?\b(?!['’]){_GAP}(?<!\w){_MISSING}",
    # Not in the plural: many unknown users are the complaint of a server about its visitors.
    rf"\b{_NOBODY} {_OF_KIND}(?:{_WHO}|recipients)\b",
    rf"(?:unable to|{_NOT}) (?:find|locate){_GAP}\b(?:in|on) (?:our|the|this)\b",
    *(rf"(?:{who}){tongues.GAP}(?:{missing})" for who, missing in tongues.PERSON_MISSING),
    *(rf"(?:{missing}){tongues.GAP}(?:{who})" for who, missing in tongues.PERSON_MISSING),
)
HOST = (
    rf"\b{_WHERE}s?\b{_SHORT_GAP}(?<!\w){_MISSING_HOST}",
    rf"\b{_NOWHERE} {_OF_WHAT}{_WHERE}\b",
    # A bad name alone may be the one the sender gave itself.
    rf"\b(?:bad|in ?valid|illegal) (?:destination|recipient) {_WHERE}\b",
    r"illegal host/domain name found",
)

# Other ways to say it.
IDIOMS = (
    r"nxdomain",
    r"recip(?:ient)?notfound",
    r"null ?mx",
    r"mx 0 \.",
    r"no mx\b",
    r"no (?:smtp|mail) service\b",
    rf"(?:does not|doesn't|not) {_NO_MAIL}",
    r"(?:accepts? no|no longer accepts?) (?:any )?(?:e-?)?mail\b(?! (?:from|with|of))",
    r"name or service not known",
    r"lookups? failed permanently",
    r"non-?existent hosts",
    r"couldn't find (?:any host|a mail exchanger)",
    r"malformed or unexpected name server",
    r"unrout(?:e)?able (?:mail )?(?:address|domain)",
    r"no (?:mail ?box|account|user|one|body)(?: \S{1,20}){0,3}? (?:here|by (?:that|this) name|at this address|with that name)",
    r"nobody (?:here )?by (?:that|this) name",
    r"not (?:our|an?) (?:user|customer|subscriber|receiver|local user)\b",
    r"left the (?:company|organi[sz]ation|building)",
    _NO_LONGER,
    r"no match(?:es)? (?:to|for|found)",
    r"no valid recipients for this mm",
    r"address not found",
    *tongues.GONE,
)

# What servers say of a missing address, and of a mail they do not like as well.
REFUSALS = (
    r"(?:mail ?box|account|user|address) (?:is )?(?:unavailable|not available)(?! to)",
    r"mail ?box name not allowed",
    r"(?:recipient|address|rcpt)(?: address)? (?:was |has been )?(?:rejected|refused)(?! ?:)",
    r"rejected address",
    r"recipient cannot be verified",
    r"recipient (?:is )?not (?:accepted|allowed|ok)",
)

# The other end of the line: in the same clause it is what is missing.
OTHER_END = (
    r"\bsenders?\b",
    r"\bmail ?from\b",
    r"\bfrom:? (?:address|domain|header|line)",
    r"return[- ](?:address|path)",
    r"\benvelope\b",
    r"\boriginat",
    r"\b(?:helo|ehlo|greeting)\b",
    r"\bclient\b",
    r"\byou(?: a|')re not\b",
    r"\byour (?:own |mail |sending )?(?:domain|host|server|ip|name|hostname|network|system)",
    r"\byour (?:e-?mail )?address\b(?! book)",
    r"\b(?:callout|callback)\b",
    r"\b(?:link|url|certificate|signature)\b",
    tongues.SENDER,
)
