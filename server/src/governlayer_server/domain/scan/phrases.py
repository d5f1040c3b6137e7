"""Phrases that override orders, leak the prompt, carry data out, feign a voice; ``PHRASES`` has them all."""

from governlayer_server.domain.scan.languages import OTHER_LANGUAGES
from governlayer_server.domain.scan.personas import PERSONAS
from governlayer_server.domain.scan.phrase import phrase, words

_MODEL = r"(?:ai|llm|language model|chatbot|ai (?:assistant|agent|model)s?|gpt|chatgpt|assistant)\b"
_IGNORE = (
    r"\b(?:ignor(?:e|ing)|disregard(?:ing)?|forget(?:ting)?|pay no attention to"
    r"|(?:do not|don'?t|stop|never) (?:follow(?:ing)?|obey(?:ing)?|listen(?:ing)? to))\s+"
)
_BREAK = r"\b(?:overrid(?:e|ing)|bypass(?:ing)?|neglect|discard|abandon|drop|erase|violate)\s+"
_EARLIER = r"(?:previous|prior|preceding|above|earlier|initial|original|existing|former|foregoing|past)"
_SYSTEM = r"(?:all|your|my|every|system|safety|developer)"
_LOOSE = r"(?:any|the|these|those|other|old)"
_ORDERS = (
    r"(?:instructions?|prompts?|rules?|directions?|directives?|guidelines?|commands?|orders|constraints?|context"
    r"|restrictions?|polic(?:y|ies)|programming|safeguards?|guardrails?|assignments?|tasks?|system message)\b"
)
_REVEAL = r"\b(?:reveal|show|print|display|output|repeat|recite|tell|leak|dump|expose|disclose"
_REVEAL_WIDELY = (
    _REVEAL + r"|give|share|write(?: out| down)?|copy|spell(?: out)?|summari[sz]e|return|echo|translate)\s+"
)
_WHOLE = r"(?:entire|full|complete|exact|whole|current|above|previous)"
_OWN = r"(?:system|initial|original|hidden|secret|internal|full|entire|exact|own|developer|your|above|previous)"
_PROMPT = r"(?:prompts?|instructions?|system message|guidelines|rules|configuration|directives|prompt texts?)\b"
_SECRETS = (
    r"(?:passwords?|credentials?|api[ _-]?keys?|secrets?|tokens?|(?:chat|conversation) history|conversations?"
    r"|private keys?|environment variables|cookies?|emails?|contacts"
    r"|(?:customer|user|personal|private|confidential|sensitive) \w+)"
)

_OVERRIDE = (
    phrase(
        "override.orders",
        4,
        _IGNORE + words(2) + rf"(?:{_EARLIER}|{_SYSTEM}|{_LOOSE})\s+" + words(3) + _ORDERS,
        _BREAK + words(2) + rf"(?:{_EARLIER}|{_SYSTEM})\s+" + words(3) + _ORDERS,
    ),
    phrase(
        "override.everything",
        4,
        _IGNORE
        + r"(?:everything|anything|all(?: of)?(?: that| this)?|what(?:ever)?|the above|that|this)\s+"
        + r"(?:(?:that|which|(?:i|you|we|they)(?:'ve)?|was|were|is|has|have|had|been|from)\s+){0,4}"
        + r"(?:above|before|said|told|instructed|given|written|talked|discussed|learned|prior|previously"
        + r"|so far|and (?:instead|say|print|output|write|just|do|tell))",
        r"\bigmre\s+what",
        r"\bignore the above\b",
    ),
    phrase(
        "override.new_orders",
        3,
        r"\b(?:new|updated|revised|real|actual) (?:instructions?|directives?|orders|rules|task)"
        r"(?: (?:are|is|for you))?\s*:",
        r"\bhere (?:are|is) your new (?:instructions|task|rules)",
    ),
    phrase(
        "override.new_task",
        3,
        r"\b(?:now|instead),? (?:focus|concentrate) on (?:your|the) (?:new|next) task",
        r"\b(?:now )?(?:come|follow)s? (?:your )?new (?:tasks|instructions|challenges)",
        r"\byour (?:new|real|true|actual|only) (?:task|goal|objective|purpose|role|job) is\b",
    ),
    phrase(
        "override.adhere",
        4,
        r"\byou must (?:strictly )?(?:adhere to|follow|obey|comply with) the following "
        r"(?:instructions?|orders?|commands?|rules)",
    ),
    phrase(
        "override.first",
        3,
        r"\bbefore you (?:can|could|may) (?:solve|complete|do|answer|continue|proceed)\b[^\[\]]{0,80}"
        r"\byou (?:must|need to|have to|should)",
        r"\bplease do the following first\b",
    ),
    phrase(
        "override.answer",
        2,
        r"\bdo ?n[o']t answer (?:this|the|that|any) question[^\[\]]{0,60}\b(?:but|just|only|instead)\b",
        r"\bstop the current task\b",
        r"\bonly (?:output|say|print|respond with|reply with) [\"'“]",
    ),
)

_LEAK = (
    phrase(
        "reveal.prompt",
        4,
        _REVEAL_WIDELY
        + words(5)
        + r"(?:system|initial|original|hidden|secret|internal|developer|prompt)\s+"
        + words(3)
        + _PROMPT,
    ),
    phrase(
        "reveal.yours",
        4,
        _REVEAL
        + r")\s+(?:me\s+|us\s+)?(?:all\s+|of\s+){0,2}(?:your\s+|the\s+"
        + _WHOLE
        + r"\s+)(?:"
        + _WHOLE
        + r"\s+)?"
        r"(?:prompts?|instructions|guidelines|prompt texts?)\b",
    ),
    phrase(
        "reveal.what",
        3,
        r"\bwhat (?:are|is|was|were|does) (?:in )?your (?:" + _OWN + r"\s+)*" + _PROMPT,
        r"\bwhat was (?:written|said) (?:at the (?:beginning|start|top)|above)",
        r"\bat the beginning of (?:this|the|your) prompt",
    ),
    phrase(
        "reveal.above",
        3,
        r"\b(?:repeat|print|output|copy|show|echo|spell-? ?check)\s+"
        + words(5)
        + r"(?:words|text|everything|content|sentences|lines|all)\s+(?:from\s+|of\s+)?(?:the\s+)?(?:text\s+)?"
        + r"(?:above|before this|prior to this|preceding)",
    ),
)

_EXFILTRATE = (
    phrase(
        "exfiltrate.send",
        3,
        r"\b(?:send|forward|e-?mail|upload|post|exfiltrate|transmit|leak|submit|append|deliver|report)\s+"
        + words(5)
        + _SECRETS
        + r"\s+"
        + words(5)
        + r"(?:to|at|via|into)\s+(?:\S*@|https?://|the (?:attacker|following|external)|attacker|an external"
        + r"|my server|webhook|this (?:url|address|email))",
    ),
    phrase(
        "exfiltrate.image",
        2,
        r"!\[[^\]\n]{0,80}\]\(https?://[^)\s]{1,200}[?&]\w{1,30}="
        r"(?:\{|<|\$|%7b|\[|sys|data|secret|prompt|chat|history|[a-z0-9+/_-]{40})",
    ),
    phrase(
        "exfiltrate.covert",
        3,
        r"\b(?:do not|don'?t|never|without|avoid)\s+(?:ever\s+)?(?:mention(?:ing)?|tell(?:ing)?"
        r"|inform(?:ing)?|reveal(?:ing)?|disclos(?:e|ing)|notify(?:ing)?|alert(?:ing)?|warn(?:ing)?)\s+"
        + words(3)
        + r"(?:the |your |any ?)(?:user|human|operator|owner|customer|one)s?\b",
    ),
    phrase(
        "exfiltrate.secrets",
        3,
        r"\b(?:reveal|print|output|show|dump|leak|expose|list|display|give me|include)\s+(?:me\s+)?"
        r"(?:all\s+|any\s+|the\s+|your\s+|every\s+){0,3}(?:stored |hidden |internal |secret[- ]looking )?"
        r"(?:passwords|credentials|api[ _-]?keys|secret keys|secrets|access tokens|private keys"
        r"|environment variables|secret(?:-looking)? values)\b",
    ),
    phrase(
        "memory.poison",
        3,
        r"\b(?:remember|memori[sz]e|store|save)\s+"
        + words(3)
        + r"(?:permanently|forever|in (?:your )?(?:long-term )?memory|for all future"
        + r"|for future (?:conversations|sessions))\b",
    ),
    phrase(
        "tool.abuse",
        3,
        r"\b(?:call|invoke|use|run|execute|approve)\s+(?:the\s+)?(?:\w+[_ ])?(?:read_secrets?|get_secrets?"
        r"|next tool call|delete_all\w*|send_money|transfer_funds)\b",
        r"\bexecute the following (?:command|code|shell)",
    ),
)

_MARKER = (
    phrase(
        "marker.template",
        3,
        r"<\|(?:im_start|im_end|system|user|assistant|endoftext|start_header_id|end_header_id|eot_id)\|>",
        r"\[/?inst\]|<</?sys>>|<(?:start|end)_of_turn>",
    ),
    phrase(
        "marker.system",
        3,
        r"(?:^|\n)[ \t>#*\"'-]{0,4}[\[(<]?system[\])>]?[ ]?"
        r"(?:note|override|message|prompt|instruction|alert|update|command|admin)s?\s?[\])>]?\s?:",
        r"\](?:\s|\\n){0,4}system\s*:",
    ),
    phrase("marker.role", 1, r"(?:^|\n)[ \t#*]{0,4}(?:system|assistant|developer)\s?:"),
    phrase(
        "marker.end",
        3,
        r"\bend of (?:the )?(?:context|document|prompt|input|data|user input|instructions|system prompt)\b"
        r"[^\[\]]{0,5}(?:\n|$|[-=#*\]])",
        r"\banswer: task complete\b|\btool result: ok\b",
    ),
    phrase(
        "address.model",
        3,
        r"\b(?:note|message|instructions?|notice|attention|important|hey|dear|hello|urgent)[\s,:-]+"
        r"(?:to )?(?:the |any |all )?" + _MODEL,
    ),
    phrase(
        "address.if_you_are",
        3,
        r"\bif you(?: are|'re) (?:an? )?(?:large )?(?:" + _MODEL + r"|bot|automated)\b",
        r"\bwhen (?:an? )?(?:ai|llm|assistant|model|agent) (?:reads?|process(?:es)?|summari[sz]es?)\b",
    ),
    phrase(
        "address.while_reading",
        2,
        r"\bwhen (?:summari[sz]ing|processing|reading|analy[sz]ing|reviewing) this "
        r"(?:page|document|e-?mail|file|text|website|message)",
    ),
    phrase(
        "address.modify_answer",
        3,
        r"\b(?:modify|change|alter|append to|adjust) (?:your|the) (?:answer|response|reply|output|summary) "
        r"(?:to|by|with|so)\b",
        r"\b(?:end|begin|conclude) your (?:answer|response|reply|output|summary) (?:by|with)\b",
        r"\b(?:in|to) your (?:answer|response|reply|summary),? (?:include|add|insert|mention|promote|embed"
        r"|recommend)\b",
    ),
)

PHRASES = (*_OVERRIDE, *_LEAK, *PERSONAS, *_EXFILTRATE, *_MARKER, *OTHER_LANGUAGES)
