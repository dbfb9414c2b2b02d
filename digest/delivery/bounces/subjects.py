"""What sender names, subjects and first lines say of a mail: from a server, undelivered, late, or an automatic reply.

Regular expressions for any case, bounded like those in `phrases`.
"""

# The names under which servers write.
SERVER = (
    r"mail(?:er)?[-_. ]?daemon",
    r"post[-_. ]?master",
    r"mail ?delivery",
    r"delivery (?:sub)?system",
    r"mail[-_ ](?:system|administrator|router|server|gateway|transfer|filter)",
    r"system ?administrator",
    r"daemon@",
    r"mail ?(?:system|router|marshal)",
    r"non-?delivery",
    r"bounce[sd]?@",
    r"delivery-?(?:status|report)",
    r"\bm[dt]a@",
    r"microsoftexchange[0-9a-f]{8,40}@",
)

# At the start of a subject: mail that did not arrive, or not yet.
UNDELIVERED = (
    r"un-?deliver",
    r"delivery (?:status|fail|has|report|notif|problem|error|unsuc|delay|incomplete|could|was|is|unable)",
    r"returned? (?:mail|to|message|e-?mail)",
    r"failure notice",
    r"(?:e-?mail|message|mail|message delivery|mail delivery|delivery)(?: \S+){0,2} (?:fail|error|problem|status|delay"
    r"|subsystem|could not|couldn't|cannot|not delivered|unsuccessful|returned|undeliver|blocked|rejected|notification"
    r"|bounce)",
    r"mail(?: system)? error",
    r"mail failure",
    r"(?:notice: )?mail delivery status",
    r"non-?deliver",
    r"warning: (?:could|message|mail)",
    r"not delivered",
    r"could not (?:be )?(?:deliver|send|sent)",
    r"(?:unable to|cannot|can't|couldn't|failed to) (?:be )?(?:deliver|send|sent)",
    r"delayed (?:mail|message|delivery)",
    r"rejected",
    r"sorry, your message",
    r"(?:your )?(?:message|mail|e-?mail) (?:you sent )?(?:could not|was not|has not|cannot|couldn't|wasn't|not|was blocked)",
    r"permanent (?:delivery )?(?:failure|error)",
    r"temporary (?:delivery )?(?:failure|error)",
    r"delivery",
    r"error (?:sending|delivering)",
    r"bounce",
    r"postmaster notify",
    r"error report",
    r"(?:your )?(?:request|posting|post|submission) (?:to|from|for) .{1,100} (?:rejected|refused|denied)",
    r"you are not (?:a )?(?:member|allowed|subscribed)",
    r"unzustellbar|nicht zugestellt|nicht zustellbar|zustell\w* ?(?:fehl|gescheit|nicht|verz)|zustellungsfehler",
    r"non remis|non d[ée]livr|[ée]chec (?:de|d'|dans)|message non (?:remis|distribu|d[ée]livr)|retour [àa] l|notification d'[ée]tat",
    r"no se (?:ha )?(?:pud|pued|entreg)|no entregad|mensaje no|correo (?:no|devuelto)|error (?:de|en) (?:la )?entrega",
    r"n[ãa]o (?:entreg|[ée] poss|foi poss|foi ent)|mensagem n[ãa]o|falha na entrega|erro (?:de|na) entrega",
    r"non recapit|recapito|mancata consegna|messaggio non|errore di consegna|notifica (?:di )?(?:mancat|stato)",
    r"onbestel|niet (?:be|af)(?:zorgd|geleverd)|bezorging|bericht niet",
    r"olevererbar|det gick inte att leverera|ej levere|kunne ikke leve|kan ikke leve|ikke leve|uleverbar|ei voi(?:tu)? toimit"
    r"|toimit\w* ep[äa]onnist|viesti[äa] ei",
    r"niedostarcz|nie (?:mo[żz]na )?dostarcz|zwrot|nedoru[čc]|nelze doru|nie je mo[žz]n|k[ée]zbes[ií]t|teslim edil|iletilemedi"
    r"|nelivr|neisporu|ne mo[žz]e",
    r"не ?(?:удалось |удаётся |может быть )?доставл|недоставл|не удалось доставить|ошибка доставки|сбой доставки|возврат"
    r"|невдал|не вдалося|не може",
    r"không (?:gửi|thể)|ไม่สามารถ|gagal|tidak (?:dapat|terkirim)",
    r"μη παραδ|αποτυχία παράδοσης|לא ניתן|כשל|تعذر|غير قابل",
    r"配信|送信|配送|不達|届け|メール(?:システム|が|を|配)|未配|エラー|退信|退回|投递|投遞|未送达|未傳遞|無法傳|无法(?:投|送|传|发)"
    r"|发送失败|系统退|배달|전달|반송|전송",
)

# At the start of a subject: mail that did arrive.
DELIVERED = (
    r"(?:successful|delivered|relayed|expanded)\b",
    r"(?:your )?(?:message|mail|e-?mail) (?:was|has been|is) (?:successfully )?(?:delivered|received)",
    r"zugestellt|[üu]bermittelt|remis|distribu[ée]|entregad[oa]|consegnat[oa]|entregue|bezorgd|levererat|leveret|levert",
    r"dostarczono|doru[čc]eno|k[ée]zbes[íi]tve|teslim edildi|доставлено|配信済|已送达|已傳送|已传递|배달됨",
)

# Anywhere in the words of a server: mail that did not arrive.
FAILURE = (
    r"undeliver",
    r"not (?:be )?(?:able to )?(?:deliver|sent|send|reach|reached|accepted|transmit|relay)",
    r"deliver(?:y|ed|ing)?\b.{0,60}(?:fail|error|problem|delay|suspend|unsuc|reject|stopped)",
    r"fail\w* (?:to )?(?:be )?deliver",
    r"did not reach",
    r"(?:could|can|was|were|has|have|is|been)(?: not|n't|not) .{0,40}(?:deliver|sent|send|accept|process|found)",
    r"failed",
    r"failure",
    r"fatal error",
    r"permanent error",
    r"returned",
    r"rejected",
    r"blocked",
    r"refused",
    r"unknown",
    r"invalid",
    r"expired",
    r"still (?:being )?retr",
    r"unable",
    r"undelivered",
    r"error",
    r"exceed",
    r"full",
    r"quota",
    r"bounced",
    r"no such",
    r"deferred|queued|timed out",
    r"nicht zu(?:ge)?stell|konnte nicht|unbekannt|fehler|abgelehnt",
    r"impossible|n'a pas pu|[ée]chec|inconnu|erreur",
    r"no se (?:ha )?pu|no pudo|desconocid|n[ãa]o p[ôo]de|n[ãa]o foi|desconhecid|non [èe] stato|impossibile|sconosciut",
    r"niet (?:worden )?(?:be|af)(?:zorgd|geleverd)|kunde inte|misslyck|kunne ikke|mislyk|ei voitu|ep[äa]onnist",
    r"nie (?:mo[żz]na|powiod|uda)|nelze|nezda[rř]il|nem siker|teslim edil|başarısız",
    r"не (?:может|удалось|доставл|был)|сбой|ошибк|неизвест|не вдалося",
    r"αποτυχ|נכשל|לא ניתן|فشل|تعذر",
    r"không|ไม่|gagal|tidak",
    r"반송|존재하지|없는",
    r"ません|届|エラー|失败|失敗|退回|退信|不存在|错误|錯誤|無法|无法|하지 못|실패|오류|수 없",
)

# What is talked about; a parcel is no mail.
MAIL = (
    r"\b(?:messages?|e-?mails?|mails?|recipients?|mailbox)\b",
    r"メール|邮件|郵件|메일|메시지",
    r"письмо|письма|сообщени|nachricht|courriel|correo|mensaje|mensagem|messaggio|bericht|viesti|wiadomo|zpr[áa]v|[üu]zenet",
)

# Late, and still tried.
WARNING = (
    r"warning (?:message )?only",
    r"do not need to re-?send",
    r"no action is required",
    r"will (?:keep trying|continue (?:to try|trying)|be retried|retry|keep on trying|try again)",
    r"still (?:being retried|trying)",
    r"(?:has been|is|was) delayed",
    r"not yet been delivered",
    r"temporary failure report",
    r"keep on trying",
    r"being retried",
    r"delivery attempts will continue",
    r"noch nicht zugestellt|weitere zustellversuche|n'a pas encore|todav[íi]a no|ainda n[ãa]o|non [èe] ancora|nog niet",
)

# At the start of a subject: nobody is there to read it.
AUTOMATIC_REPLY = (
    r"auto(?:mat\w{0,8}|maat\w{0,8})?[ -]?(?:reply|response|respon\w*|antw\w*|svar|vastaus\w*|odpov\w*|odpowied\w*|v[áa]lasz|"
    r"odgovor|atsak\w*|vastus|atbilde|r[ée]ponse|risposta|beantwoord\w*)",
    r"auto:",
    r"out of (?:the )?office",
    r"ooo\b",
    r"(?:on )?vacation",
    r"away\b",
    r"on leave",
    r"abwesen|absence|afwezig|fuori (?:sede|ufficio)|fr[åa]nvaro|poissa|frav[æa]r|nieobecn|nep[řr][íi]tom|t[áa]voll[ée]t",
    r"(?:r[ée]ponse|respuesta|risposta|resposta|odpowied[źz]|r[ăa]spuns) autom",
    r"automati\w+ (?:reply|antwort|svar|antwoord|odpov\w*|v[áa]lasz|odgovor)",
    r"otomatik (?:yan[ıi]t|cevap)",
    r"автоответ|автоматическ\w+ ответ|автоматичн\w+ відпов|αυτόματη απάντηση|תשובה אוטומטית|מענה אוטומטי|رد تلقائي",
    r"自動(?:応答|返信|回[覆复])|自动(?:回复|答复)|不在|休暇|자동 ?(?:회신|응답)",
)
