"""The words that the checks look for, by language.

What belongs here: word lists and patterns. What does not: what is found by them (`tone.py`, `leaks.py`, `promises.py`, `support.py`).
"""

import re
from typing import Final

_I: Final = re.IGNORECASE

NEGATIONS: Final = re.compile(
    r"\b(?:not|no|never|none|neither|nor|without|cannot|can['’]?t|unable|impossible|exclud\w*|except|forbidden|prohibited|refuse[sd]?"
    r"|\w+n['’]t|nicht|kein\w*|nie|niemals|ohne|unmöglich|ausgeschlossen|ausgenommen|verboten|ne|n['’](?=\w)|sans|jamais|impossible|exclu\w*|interdit\w*"
    r"|nunca|sin|ningun[oa]?|ningún|imposible|excluid\w*|prohibid\w*)\b|\bnon[- ]?(?=\w{5})|(?<!\w)n['’](?=\w)"
    r"|\b(?:un(?=available|supported|affected|paid|opened|used)|in(?=valid|eligible|cluso\b))",
    _I,
)
# they hold a negation and deny nothing
NOT_DENYING: Final = re.compile(
    r"\b(?:not only|not just|no (?:later|more|longer|fewer|less|earlier) than|not (?:until|before)|no matter|nicht nur|nicht (?:vor|mehr als|länger als)"
    r"|non seulement|ne\b[^.]{1,40}?\bque\b|pas plus|no s[óo]lo|no m[áa]s (?:de|tarde)|why not|no\.\s*\d|if not|wenn nicht|unless)\b",
    _I,
)
# pairs of which one says the opposite of the other
OPPOSITES: Final = tuple(
    (re.compile(rf"\b(?:{a})\b", _I), re.compile(rf"\b(?:{b})\b", _I))
    for a, b in (
        (r"at least|minimum|mindestens|au moins|minimum|al menos|como mínimo|more than|mehr als|plus de|más de|or more",
         (r"at most|up to|maximum|within|no more than|no later than|less than|fewer than|höchstens|bis zu|maximal|innerhalb|binnen|weniger als|au plus|jusqu['’]à|maximum|moins de"
         r"|como máximo|hasta|menos de|or less")),
        (r"before|prior to|earlier than|vor|bevor|avant|antes", r"after|later than|following|once|nach|nachdem|après|después|tras"),
        (r"all|every|any|always|each|alle|jede[rsn]?|immer|tous|toutes|toujours|chaque|todos|todas|siempre|cada",
         (r"some|usually|often|sometimes|certain|only|selected|einige|manche|meist|nur|manchmal|certains|certaines|souvent|seulement|uniquement"
         r"|algunos|algunas|solo|sólo|únicamente")),
        (r"free|free of charge|kostenlos|kostenfrei|gratuite?s?|gratuitement|gratis|gratuit[oa]s?", r"fee|costs?|charged?|gebühr|kostet|kosten|kostenpflichtig|frais|coûte|payante?|cuesta|cargo|de pago"),
        (r"enable[sd]?|turn(?:ed)? on|switch(?:ed)? on|einschalten|aktivieren|activez|activar|active", r"disable[sd]?|turn(?:ed)? off|switch(?:ed)? off|ausschalten|deaktivieren|désactivez|desactivar|desactive"),
        (r"increases?|raises?|higher|erhöht|steigt|augmente|aumenta", r"decreases?|lowers?|lower|senkt|sinkt|diminue|baisse|reduce|disminuye"),
        (r"automatically|automatisch|automatiquement|automáticamente", r"manually|by hand|on request|manuell|auf antrag|manuellement|sur demande|manualmente"),
        (r"required|must|mandatory|muss|müssen|obligatoire|doit|obligatorio|debe", r"optional|voluntary|freiwillig|facultatif|opcional|voluntario"),
        (r"one[- ]way|einfache", r"return|hin- und rück\w*"),
        (r"open(?:ed)?|geöffnet\w*|ouverts?|abiert[oa]s?", r"unopened|sealed|closed|ungeöffnet\w*|verschlossen\w*|fermés?|cerrad[oa]s?"),
        (r"cold|kalt\w*|froid\w*|frí[oa]s?", r"hot|warm|heiß\w*|chaud\w*|caliente"),
        (r"left|links|gauche|izquierd[oa]", r"right|rechts|droite|derech[oa]"),
        (r"you pay|customer pays?|at your (?:own )?(?:cost|expense)|you cover|zahlen sie|tragen sie|à votre charge|a su cargo|you bear", r"we pay|we cover|we bear|zahlen wir|tragen wir|übernehmen wir|à notre charge|a nuestro cargo|nous prenons"),
    )
)  # fmt: skip
STRONG: Final = re.compile(
    r"\b(?:guarantee[ds]?|instantly|immediately|unlimited|lifetime|forever|absolutely|as often as|as much as you (?:like|want)|100 ?% sure|risk[- ]free|always|never|garantier\w*|sofort|unbegrenzt|lebenslang|für immer|immer|niemals"
    r"|garanti\w*|immédiatement|illimité\w*|à vie|toujours|jamais|garantiz\w*|inmediatamente|ilimitad\w*|de por vida|siempre|nunca)\b",
    _I,
)
# what is done for a customer, and by whom: (kind, what says it)
PROMISES: Final = tuple(
    (kind, re.compile(pattern, _I))
    for kind, pattern in (
        ("refund", r"\b(?:refund\w*|money back|reimburs\w*|pay(?:ing)? you back|erstatt\w*|zurückzahl\w*|zurücküberweis\w*|geld zurück|rembours\w*|reembols\w*|devolv\w*|devoluci\w*)"),
        ("credit", r"\b(?:credit(?:ed)? (?:your|you|of)|(?:a|your) credit|voucher\w*|free months?|gutschr\w*|gutschein\w*|créditer\w*|créditons|bon d['’]achat|avoir de|abonar\w*|vale de|un vale)"),
        ("compensation", r"\b(?:compensat\w*|make (?:it|this) up to you|entschädig\w*|schadenersatz|schadensersatz|dédommag\w*|indemnis\w*|compensa\w*|indemniza\w*)"),
        ("exception", r"\b(?:exception for you|make an exception|just for you|waive\w*|as a favou?r|ausnahme|erlassen|kulanz\w*|une exception|exceptionnellement|una excepción|excepcionalmente)"),
        ("discount", r"\b(?:discount\w*|rabatt\w*|nachlass|remise|réduction|descuento\w*)"),
        ("date", (r"\b(?:(?:will|shall) be (?:fixed|resolved|solved|restored|delivered|repaired|done|back)|we(?:['’]ll| will) (?:fix|resolve|solve|restore|deliver|repair|call|visit|send)"
                 r"|wird\b.{0,40}\b(?:behoben|gelöst|geliefert|repariert)|wir (?:werden|beheben|rufen|liefern)|sera\b.{0,30}\b(?:réparé|résolu|livré|rétabli)\w*|nous (?:réparerons|résoudrons|livrerons|rappellerons)"
                 r"|será (?:reparad|resuelt|entregad)\w*|(?:repararemos|resolveremos|entregaremos|llamaremos))")),
    )
)  # fmt: skip
# an act that no drafter can have done
DONE: Final = re.compile(
    r"\b(?:(?:I|we)(?:['’]ve| have) (?:already |now |just )*(?:refunded|credited|cancelled|canceled|issued|processed|escalated|transferred|waived|extended|upgraded|booked|arranged|sent|changed|applied|added|fixed|ordered)"
    r"|(?:I|we)(?:['’]ll| will| am going to| are going to) (?:personally|refund|credit|waive|compensate|cancel|upgrade|extend|make an exception)"
    r"|(?:ich|wir) haben? (?:ihnen |ihren? |ihr |den |die |das |bereits |schon )+.{0,50}?\b(?:erstattet|gutgeschrieben|storniert|veranlasst|gekündigt|überwiesen|verlängert|gebucht)"
    r"|(?:j['’]ai|nous avons) (?:déjà )?(?:remboursé|crédité|annulé|effectué|prolongé|envoyé|appliqué)"
    r"|(?:he|hemos) (?:ya )?(?:reembolsado|abonado|cancelado|devuelto|ampliado|enviado|aplicado))\b",
    _I,
)
WE: Final = re.compile(r"\b(?:we|our|us|I|wir|uns|ich|unser\w*|nous|on|je|notre|nos|nosotros|nuestr\w*|le (?:reembols|devolv|abon|compens)\w*)\b", _I)  # fmt: skip
TOPICS: Final = tuple(
    (topic, re.compile(pattern, _I))
    for topic, pattern in (
        ("legal", r"\b(?:lawsuit|sue|lawyer|attorney|legal(?:ly)? (?:liable|advice|claim|action)|liable|liability|negligen\w*|anwalt\w*|klage|haftbar|haften|haftung|rechtlich\w*|avocat|tribunal|responsabilité|juridique\w*|abogado|demanda judicial)\b"),
        ("medical", r"\b(?:diagnos\w*|dosage|medication|prescri\w*|symptoms? (?:of|indicate)|you should take|ibuprofen|paracetamol|antibioti\w*|medikament\w*|dosis|arznei\w*|médicament\w*|ordonnance|medicamento\w*)\b"),
        ("financial", r"\b(?:invest(?:ment)? (?:advice|in)|buy (?:shares|stocks|bitcoin)|tax advice|steuerberat\w*|anlageempfehl\w*|conseil fiscal|invertir en)\b"),
        ("politics", r"\b(?:vote for|election|elections|political party|wahlempfehl\w*|élection\w*|elecciones)\b"),
        ("security", r"\b(?:send (?:us )?your (?:password|pin|cvv|card number|one-time)|tell us your (?:password|pin)|(?:ihr|ihre[ns]?) (?:passwort|pin|kartennummer) (?:mit|per|an)|votre (?:mot de passe|code pin) par|su (?:contraseña|pin) por)\b"),
    )
)  # fmt: skip
INSULTS: Final = re.compile(
    r"\b(?:idiot\w*|stupid\w*|moron\w*|dumb|pathetic|ridiculous|nonsense|shut up|crap|damn|hell|dummkopf|dumm\w*|blöd\w*|unsinn|lächerlich\w*|quatsch|stupide\w*|imbécile\w*|ridicule\w*|bête|absurde|tont[oa]s?|estúpid\w*|ridícul\w*)\b",
    _I,
)
BLAME: Final = re.compile(
    r"\b(?:your (?:own )?(?:fault|mistake|problem)|you should have (?:read|known|thought)|you (?:obviously|clearly) (?:did|do|have|can)|as any(?:one|body) (?:knows|can see)|you failed to|if you had (?:bothered|read|paid)|oh great|congratulations on breaking"
    r"|as usual|genius|well done, you|ihre? (?:eigene )?schuld|selbst schuld|sie hätten .{0,30}(?:lesen|wissen) (?:sollen|müssen|können)|offensichtlich haben sie|wie jeder weiß|votre faute|vous auriez dû|bravo à vous|comme tout le monde sait"
    r"|su culpa|debería haber leído|debió leer|como todo el mundo sabe)",
    _I,
)
# words addressed to a machine
COMMANDS: Final = re.compile(
    r"(?:\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:instruction|prompt|rule|previous|above|polic|guideline)\w*|\byou are now\b|\bact as\b|\b(?:system|assistant|developer)\s*:|\bsystem (?:prompt|message|override)|\bnew instructions?\b"
    r"|\b(?:reply|respond|answer|say|write|output|print)\b.{0,20}\b(?:exactly|only with|the following|verbatim)|\b(?:note|message|instructions?|attention|hinweis|anweisung|note|mensaje|instrucción)\b.{0,20}\b(?:to|for|an|an die|für|pour|para|à)\b.{0,12}\b(?:ai|bot|assistant|model|ki|ia|assistent|asistente|modell|modèle|modelo)\b"
    r"|\b(?:ai|llm|chatbot|bot|assistant|model)\b[,:]\s*(?:please\s+)?\b(?:tell|confirm|approve|grant|offer|add|include|send|write|say|state)\b|\btell the customer\b|\breveal\b.{0,30}\b(?:prompt|instructions|password|secret|key)"
    r"|\b(?:ignorier\w*|vergiss|missacht\w*)\b.{0,40}\b(?:anweisung|regel|vorherig|bisherig)\w*|\b(?:ignor|oubli)\w*\b.{0,30}\b(?:instructions?|consignes|règles|précédent)\w*|\b(?:ignora|olvida)\w*\b.{0,30}\b(?:instrucciones|reglas|anterior)\w*"
    r"|\bdu bist (?:jetzt|nun)\b|\btu es (?:maintenant|désormais)\b|\bahora eres\b|<\|?(?:im_start|system|endoftext)|\[/?INST\]|###\s*(?:system|instruction))",
    _I,
)
MACHINE: Final = re.compile(
    r"\b(?:as an? (?:ai|artificial|language model)|language model|system prompt|my (?:instructions|prompt|training data|guidelines) (?:say|are|is|tell|state)|i was (?:instructed|told|trained) to|als ki\b|sprachmodell|meine anweisungen|en tant qu['’](?:ia|intelligence)"
    r"|modèle de langage|mes instructions|como (?:ia|modelo)|modelo de lenguaje|mis instrucciones|use only the (?:passages|sources)|answer only from|according to (?:source|passage) \d|the (?:passages?|sources?|context) (?:provided|above|given)|knowledge cutoff)\b",
    _I,
)
INTERNAL: Final = re.compile(
    r"\b(?:internal (?:note|only|use|comment|memo)|not for customers?|do not (?:share|forward|tell the customer)|confidential|agents? only|churn (?:risk|score|probability)|lifetime value|risk score|interne notiz|nur intern|vertraulich|nicht weitergeben"
    r"|kündigungsrisiko|note interne|usage interne|confidentiel\w*|ne pas communiquer|nota interna|uso interno|confidencial)\b",
    _I,
)
PLACEHOLDERS: Final = re.compile(
    r"\{\{?[^{}\n]{0,60}\}?\}|\[[A-ZÄÖÜÉ][A-ZÄÖÜÉ -]*(?: \d+)?\]|\[(?:insert|your|name|customer|date|amount|kunde|betrag|nom|nombre|fecha)[^\]\n]{0,40}\]|<(?:name|customer|date|amount|order|kunde|nom|nombre)[^>\n]{0,30}>|\b(?:TODO|TBD|FIXME|XXX+|lorem ipsum)\b|\$\{[^}]*\}|%\(\w+\)s|__\w+__|_{4,}"
)
SECRETS: Final = re.compile(
    r"\bsk-[\w-]{12,}|\bAKIA[0-9A-Z]{12,}|\bgh[pousr]_\w{16,}|-----BEGIN|\bxox[bap]-[\w-]{8,}|\beyJ[\w-]{10,}\.[\w-]{6,}|\b(?:password|passwort|mot de passe|contraseña|api[_ -]?key|secret|token|bearer)\b\s*(?:is|ist|est|es|=|:)\s*[\"'`]?(?=\S*[\d_!#$%&*-])\S{6,}",
    _I,
)
ACCOUNTS: Final = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b|\b(?:\d[ -]?){13,19}\b")
HIDDEN: Final = re.compile(
    "[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad\U000e0000-\U000e007f\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
)
MARKUP: Final = re.compile(r"<\s*/?\s*(?:script|iframe|img|object|embed|style|form|svg|a\s+href|meta|link)\b|javascript:|data:text/html|\bon(?:error|load|click)\s*=|!\[[^\]]*\]\(|\]\(\s*https?:", _I)  # fmt: skip
QUOTING: Final = re.compile(
    r"\b(?:you (?:wrote|write|mention(?:ed)?|report(?:ed)?|said|say|describe[d]?|told|asked)|your (?:message|ticket|question|request|report)|sie (?:schreiben|schrieben|berichten|erwähn\w*|fragen)|ihre (?:nachricht|frage|anfrage|meldung)"
    r"|vous (?:écrivez|mentionnez|signalez|indiquez|dites|demandez)|votre (?:message|demande|question)|usted (?:escrib|mencion|indic|pregunt)\w*|su (?:mensaje|consulta|pregunta|solicitud))\b",
    _I,
)
FUNCTION_WORDS: Final = {
    "en": "also just only please however therefore then here there may might must shall within after before during until once more most less least each every some same such both either other another "
    "very too still already again yes no not never all none nothing about above below over under out off up down between through while because since although unless whether get gets got make makes let need needs want"
    " take takes give gives come go thing things case cases way note mean means simply always usually need like able first next follow",
    "de": "sie ihr ihre ihren ihrem ihrer ihres sich dass wenn falls aber nur noch auch bitte hier dort dann danach davor werden wurde wird sein sind haben hat kann können müssen muss soll sollen darf dürfen möchten möchte vom zum zur bis nach vor über unter durch"
    " ohne gegen um so sehr mehr weniger alle alles jede jeder jedes jeden keine kein keinen nie immer schon bereits dies diese dieser dieses diesem diesen man unser unsere unseren einfach zudem außerdem dabei dafür damit also innerhalb sowie eines einer dazu dort fall gilt",
    "fr": "votre vos notre nos cela ceci cette dès lors si aussi encore seulement veuillez peut peuvent pouvez doit devez être avoir avez été fait faire ainsi donc mais car quand après avant pendant sous sans plus moins tout tous toute toutes chaque aucun aucune jamais"
    " toujours déjà très ici là y leur leurs même autre autres afin elle ils elles nous vous ont sera seront cas puis qu'il qu'elle c'est n'est l'on",
    "es": "usted ustedes su sus nuestro nuestra esto este esta estos estas ese esa eso si también todavía sólo solo puede pueden podrá debe deben ser estar ha han sido hacer así entonces pero porque cuando después antes durante dentro sin más menos todo todos toda todas"
    " cada ningún ninguna nunca siempre ya muy aquí ahí hasta desde sobre entre está están tiene tienen hay le les nos caso bien",
}  # fmt: skip
