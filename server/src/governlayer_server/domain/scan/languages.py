"""Overrides and leak requests in languages other than English."""

from governlayer_server.domain.scan.phrase import phrase, words

OTHER_LANGUAGES = (
    phrase(
        "other.german",
        4,
        r"\b(?:ignorier\w*|vergiss|vergesst|vergessen sie|missachte\w*|uberg(?:eh|ang)\w*)\s+"
        + words(5)
        + r"(?:anweisung|instruktion|angabe|befehl|aufgabe|information|regel|vorgabe|auftrag)\w*",
        r"\bvergiss\w* (?:nun |bitte )?alle",
    ),
    phrase(
        "other.german_new",
        3,
        r"\b(?:nun|jetzt|hier) (?:folgen|kommen|sind) (?:deine |ihre |die )?neue[rn]? "
        r"(?:aufgaben?|anweisungen|instruktionen|herausforderung)",
        r"\bneue (?:herausforderung|aufgabe) fur dich",
    ),
    phrase(
        "other.german_reveal",
        3,
        r"\b(?:zeig|nenn|gib|verrate)\w*\s+" + words(5) + r"(?:prompt|systemprompt|anweisung|instruktion)\w*",
    ),
    phrase(
        "other.french",
        4,
        r"\b(?:ignor(?:e|er|ez|ons)|oubli(?:e|er|ez|ons))\s+(?:toute?s? )?(?:l[ae]s?|vos|tes|ces|mes)\s+"
        + words(3)
        + r"(?:instructions?|consignes?|regles?|directives?|ordres?|politique)\b",
        r"\bignorer la politique\b",
    ),
    phrase(
        "other.spanish",
        4,
        r"\b(?:ignor|olvid|omit)\w+\s+" + words(5) + r"(?:instrucciones|reglas|ordenes|indicaciones|directrices)\b",
    ),
    phrase("other.italian", 4, r"\b(?:ignor|dimentic)\w+\s+" + words(5) + r"(?:istruzioni|regole|ordini)\b"),
    phrase("other.portuguese", 4, r"\b(?:ignor|esquec)\w+\s+" + words(5) + r"(?:instrucoes|regras|ordens)\b"),
    phrase("other.dutch", 4, r"\b(?:negeer|vergeet)\s+" + words(5) + r"(?:instructies|regels|opdrachten)\b"),
    phrase(
        "other.slavic",
        4,
        r"\b(?:zaboravi|zignoruj|zapomnij|ignorujte?|zapomen)\s+"
        + words(5)
        + r"(?:instrukc|polece|pokyn|upute|pravila|zasad)\w*",
    ),
    phrase(
        "other.russian",
        4,
        r"(?:забуд|игнорир|проигнорир)\S*\s+" + words(5) + r"(?:инструкц|указан|правил|команд)\S*",
    ),
    phrase(
        "other.chinese",
        4,
        r"(?:忽略|忘记|忘掉|无视|不要理会|忽視|無視)[^\[\]]{0,12}(?:指令|指示|提示|规则|規則|说明|命令)",
    ),
    phrase("other.japanese", 4, r"(?:指示|命令|ルール|プロンプト)[^\[\]]{0,8}(?:無視|忘れ)"),
    phrase("other.korean", 4, r"(?:지시|명령|규칙|지침|프롬프트)[^\[\]]{0,8}(?:무시|잊)"),
    phrase("other.turkish", 4, r"(?:talimat|kural|komut)\S*\s+" + words(5) + r"(?:yok say|unut|gormezden gel)"),
)
