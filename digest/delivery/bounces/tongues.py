"""The words of mail servers in other languages than English, for lower case text.

The order within a language family is German, French, Spanish, Portuguese, Italian, Dutch, the Nordic languages,
Polish, Czech, Hungarian, Turkish, Russian and its neighbours, Greek, Hebrew, Japanese, Chinese, Korean. Words may come
without their accents, as many servers answer in ASCII.
"""

GAP = r"[^.;!?。！？]{0,60}?"

# (who, that he is missing): in either order, in one clause.
PERSON_MISSING = (
    (
        r"empf(?:ä|ae?)nger|benutzer|nutzer|adressat|postfach|teilnehmer|adresse\b|konto\b|mailbox",
        r"unbekannt|existieren? nicht|nicht (?:gefunden|bekannt|vorhanden|existent|mehr|g(?:ü|ue)ltig)"
        r"|ung(?:ü|ue?)ltig|kein\w{0,2} (?:solche|g(?:ü|ue)ltig)|gel(?:ö|oe)scht",
    ),
    (
        r"utilisateur|destinataire|bo[iî]te|compte\b|adresse\b",
        r"inconnue?|inexistante?|introuvable|invalide|n['’ ]?(?:existe|existent) (?:pas|plus)|n'a pas (?:pu )?[eê]t[eé]"
        r" trouv|aucune?\b|n'est pas valide|supprim[eé]",
    ),
    (
        r"usu[aá]ri[oa]|destinat[aá]ri[oa]|cuenta|conta\b|buz[oó]n|casilla|direcci[oó]n|endere[cç]o|caixa|utilizador|utente"
        r"|casella|indirizzo",
        r"desconocid[oa]|desconhecid[oa]|sconosciut[oa]|inexistente|inesistente|no existe|n[aã]o existe|non esiste"
        r"|no (?:se )?(?:ha |pudo |fue )?(?:podido )?encontr|n[aã]o (?:foi )?(?:p[oô]de ser )?(?:poss[ií]vel )?encontr"
        r"|non (?:[eè] stato )?trovat|impossibile trovare|inv[aá]lid[oa]|no (?:es )?v[aá]lid|non (?:[eè] )?valid"
        r"|n[aã]o [eé] v[aá]lid",
    ),
    (
        r"gebruiker|ontvanger|geadresseerde|postvak|\badres|mottagare|anv(?:ä|a)ndare|adressen|bruger|bruker|modtager"
        r"|postkasse|k(?:ä|a)ytt(?:ä|a)j(?:ä|a)|vastaanottaja|osoit",
        r"onbeken|bestaat niet|niet (?:worden )?(?:gevonden|bekend)|ongeldig|finns (?:inte|ej)|hittades inte"
        r"|(?:kunde )?inte hitta|ok(?:ä|a)nd|ogiltig|ukjent|ukendt|findes ikke|finnes ikke|eksisterer ikke"
        r"|ikke (?:funnet|fundet|finde)|blev ikke fundet|ugyldig|tuntematon|ei (?:l(?:ö|o)ydy|ole olemassa|l(?:ö|o)ytynyt)"
        r"|virheellinen",
    ),
    (
        r"u[zż]ytkownik|adresat|odbiorc|skrzynk|adres|konto\b|u[zž]ivatel|p[rř][ií]jemc|schr[aá]nk|kont[oa]\b|c[ií]mzett"
        r"|felhaszn[aá]l|postafi[oó]k|\bc[ií]m\w*|kullan[iı]c[iı]|al[iı]c[iı]|hesap",
        r"nieznan|nie istnieje|nie (?:zosta[lł] )?znalezion|nie ma takiego|nieprawid[lł]ow|neexistuj|nezn[aá]m"
        r"|nebyl\w? nalezen|nenalezen|neplatn|ismeretlen|nem (?:l[eé]tez|tal[aá]lhat)|[eé]rv[eé]nytelen"
        r"|bilinmeyen|bulunamad|mevcut de[gğ]il|ge[cç]ersiz|ne postoji|necunoscut|nu exist[aă]|nepoznat",
    ),
    (
        r"пользовател|адрес|получател|ящик|абонент|аккаунт|уч[её]тн|користувач|скриньк|потребител|χρήστη|παραλήπτη"
        r"|διεύθυνση|משתמש|נמען|כתובת|תיבת",
        r"неизвест|не существу|не (?:был )?(?:найден|обнаружен)|нет так|так\w+ \w{1,20} нет\b|несуществ|недействит|неверн|удал[её]н"
        r"|невідом|не існує|не знайден|не съществува|няма такъв|άγνωστ|δεν (?:υπάρχει|βρέθηκε)|לא (?:נמצא|קיים|ידוע)",
    ),
    (
        r"アドレス|宛先|あて先|ユーザ|受信者|受取人|メールボックス|アカウント|利用者|用户|用戶|地址|收件人|收件者|邮箱|信箱|帐号"
        r"|账号|帳號|账户|邮件地址|주소|사용자|받는 ?사람|수신자|메일함|계정",
        r"存在し(?:ない|ませ)|見つか(?:り|ら|りま)|不明|いません|ありません|ございません|登録されて|無効|不存在|找不到|未找到|无此"
        r"|無此|没有(?:找到|这个|該)|无效|無效|查无|查無|존재하지|찾을 수 없|알 수 없|없는|없습니다|유효하지",
    ),
)

# That somebody is gone, whoever is meant.
GONE = (
    r"n'existe (?:pas|plus)",
    r"existiert nicht",
    r"no existe",
    r"non esiste",
    r"não existe",
    r"не существует",
    r"нет такого",
    r"存在しない",
    r"存在しません",
    r"見つかりません",
    r"見つからない",
    r"不存在",
    r"無此",
    r"无此",
)

# The mailbox is full, or the mail is unwelcome: named beside words that would mean it is gone.
SOFT = (
    r"\b(?:über)?voll\b",
    r"speicher(?:platz)?\b",
    r"\bpleine?\b",
    r"satur[eé]",
    r"d[eé]pass[eé]",
    r"\bllen[oa]\b",
    r"\bpien[oa]\b",
    r"\bche[oi][oa]?\b",
    r"exced",
    r"superat[oa]",
    r"ocupad",
    r"\bvol\b",
    r"overschre",
    r"\bfullt?\b",
    r"täynnä",
    r"pe[lł]n[aey]\b",
    r"pln[aáeéy]\b",
    r"megtelt",
    r"\bdolu\b",
    r"переполн",
    r"заполн",
    r"превы(?:ш|си)",
    r"спам",
    r"容量",
    r"一杯",
    r"いっぱい",
    r"満杯",
    r"超(?:え|過|过)",
    r"受信拒否",
    r"拒否",
    r"迷惑",
    r"[已爆]满",
    r"已滿",
    r"垃圾",
    r"拒[绝絕]",
    r"가득",
    r"초과",
    r"스팸",
    r"거부",
)

# The other end of the line: what is said of it says nothing of the address.
SENDER = (
    r"absender|exp[eé]diteur|remitente|remetente|mittente|afzender|avs(?:ä|a)ndare|avsender|afsender|l(?:ä|a)hett(?:ä|a)j"
    r"|nadawc|odes[ií]latel|felad[oó]|g(?:ö|o)nder(?:en|ici)|отправител|відправник|αποστολ|שולח|送信者|発信者|差出人|发件人"
    r"|發件人|寄件|보낸 ?사람|발신"
)
