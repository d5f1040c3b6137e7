"""Jailbreaks: phrases that ask a model to play one without rules."""

from governlayer_server.domain.scan.phrase import phrase, words

_LIMITS = (
    r"(?:restrictions|limitations|limits|guidelines|filters?|rules|boundaries|constraints|ethics|morals|censorship"
    r"|polic(?:y|ies)|confines|principles)\b"
)
_WRONG = r"(?:illegal|immoral|unethical)"

PERSONAS = (
    phrase(
        "persona.dan",
        4,
        r"\bdo anything now\b",
        r"\byou are (?:now )?(?:going to be )?dan\b",
        r"\bact as (?:a )?dan\b",
        r"\b(?:stay|remain) a dan\b",
        r"\bdan mode\b",
    ),
    phrase(
        "persona.developer_mode",
        4,
        r"\b(?:developer|dev|debug|god|admin|sudo|maintenance|jailbreak|unrestricted|opposite|evil) mode "
        r"(?:is |has been |now )?(?:enabled|activated|on|output|unlocked|engaged)",
        r"\b(?:enable|enter|activate|switch to|simulate|with) (?:chatgpt with )?"
        r"(?:developer|god|jailbreak|sudo|unrestricted|evil|opposite) mode",
    ),
    phrase(
        "persona.unfiltered",
        4,
        r"\b(?:unfiltered|uncensored|amoral|unethical|immoral|unrestricted|jailbroken|rule-?less)"
        r"(?:,? and|,| &)?\s+(?:\w+[, ]+){0,3}?"
        r"(?:ai|chatbot|bot|assistant|language model|model|gpt\w*|character|persona|version|response)\b",
    ),
    phrase(
        "persona.no_limits",
        3,
        r"\b(?:no|without|free (?:of|from)|not bound by|not restricted by|ignor\w+|break free of|bypass\w*"
        r"|(?:does ?n[o']t|do not) (?:have|care about|follow)|regardless of|unbound by)\s+"
        r"(?:(?:any|all|the|its|your|his|typical|usual)\s+){0,2}"
        r"(?:(?:of|moral|ethical|legal|safety|content|openai'?s?|programmed|built-in|and|or|ethics|morals)[\s,]+){0,5}"
        + _LIMITS,
    ),
    phrase(
        "persona.never_refuse",
        3,
        r"\b(?:never|not|cannot|can'?t|can not|must not|won'?t|will not|do not|don'?t)\s+(?:ever\s+)?"
        r"(?:refuse|reject|decline|deny|say (?:that )?(?:it|you|he|she|i) can(?:'?t|not)|say (?:no|sorry)"
        r"|tell me (?:that )?(?:it|you) can(?:'?t|not)|apologi[sz]e|add (?:any )?(?:warnings?|disclaimers?)"
        r"|warn me|moral)",
    ),
    phrase(
        "persona.vendor_policy",
        3,
        r"\b(?:openai|anthropic|google)(?:'s|s)?(?: \w+){0,2} (?:content )?"
        r"(?:polic(?:y|ies)|guidelines|rules|restrictions|limitations)\b",
    ),
    phrase(
        "persona.pretend",
        2,
        r"\b(?:pretend|imagine|role-?play(?:ing)?|simulate|act)\s+(?:to be|that you|you|as)\s+"
        + words(5)
        + r"(?:without|with no|evil|hacker|criminal|malicious|unlimited|no longer|anything)\b",
    ),
    phrase(
        "persona.character",
        1,
        r"\b(?:stay|remain|always be|keep) in (?:your |the )?(?:character|role)\b",
        r"\b(?:do not|don'?t|never) break (?:the |your )?character|\b(?:breaking|break) character\b",
    ),
    phrase("persona.jailbreak", 1, r"\bjailbr(?:eak|oken)\w*\b"),
    phrase(
        "persona.two_voices",
        3,
        r"[\(\[]?[🔓🔒]\s?(?:jailbreak|classic|developer)",
        r"\[(?:gpt|classic|jailbreak|dan|developer mode output)\]",
    ),
    phrase(
        "persona.free",
        3,
        r"\b(?:broken|break|freed?|escaped?|liberated?) (?:free )?(?:of|from) the (?:typical |usual )?"
        r"(?:confines|chains|shackles|constraints|limits)\b",
        r"\bcan do anything\b",
    ),
    phrase("persona.refusal", 1, r"\bas an ai language model\b", r"\bi cannot fulfil"),
    phrase(
        "persona.obey",
        2,
        r"\b(?:start|begin) (?:your )?(?:response|answer|reply|output) with [\"'“]?"
        r"(?:sure|absolutely|yes|of course)\b",
        r"\b(?:always|unfailingly|blindly) (?:compl(?:y|ies)|obeys?|executes?|answers?) (?:with )?"
        r"(?:any|every|all)\b",
    ),
    phrase(
        "persona.wrong",
        2,
        rf"\b(?:no matter how|even if (?:it is|it's|they are)|whether it is) (?:\w+,? ){{0,3}}{_WRONG}",
        rf"\b{_WRONG},? (?:(?:and|or|and/or)\s+)?(?:{_WRONG}|harmful|offensive)\b",
    ),
)
