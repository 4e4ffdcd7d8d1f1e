"""Articles of several companies in three languages; with each, sentences that say truly what it says, and sentences that do not.

What belongs here: texts, all written for this set. What does not: putting drafts together (`drafts.py`).

The articles of one half may be looked at while checks are written; those of the other are only counted.
"""

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """`true` are its own statements in other words; `false` are (kind of fault, sentence)."""

    half: Literal["tuning", "held_back"]
    language: str
    title: str
    text: str
    asked: str
    true: tuple[str, ...]
    false: tuple[tuple[str, str], ...]


ARTICLES: Final = (
    Article(
        half="tuning",
        language="en",
        title="Paying your bill",
        text=(
            "Bills are issued on the 5th of each month and are due within 14 days. You can pay by direct debit, by card or by bank transfer. "
            "A late payment costs a fee of 4.50 EUR. If a direct debit fails, we try again after 3 working days. "
            "Paper bills cost 1.90 EUR each; bills by e-mail are free. Fees for late payment are not refundable. "
            "With the tariff Flex you can move the due date once a year in the app under Billing."
        ),
        asked="I got a late fee on my bill. When is it due and can I pay by card?",
        true=(
            "Your bill is issued on the 5th of every month and has to be paid within 14 days.",
            "You can pay it by card, by bank transfer or by direct debit.",
            "There is a fee of €4.50 when a payment is late.",
            "When a direct debit fails, we will try again three working days later.",
            "Bills by e-mail cost nothing, while each paper bill costs 1.90 EUR.",
            "Late payment fees can't be refunded.",
            "If you have the Flex tariff, you can move the due date once per year in the app, under Billing.",
            "Please note that a bill is due within 14 days.",
        ),
        false=(
            ("amount", "There is a fee of 5.50 EUR when a payment is late."),
            ("amount", "Each paper bill costs 1.09 EUR."),
            ("duration", "Your bill has to be paid within 40 days."),
            ("duration", "When a direct debit fails, we try again after 3 weeks."),
            ("date", "Your bill is issued on the 15th of every month."),
            ("negation", "Late payment fees are refundable."),
            ("negation", "Bills by e-mail are not free."),
            ("product", "If you have the Comfort tariff, you can move the due date once a year in the app."),
            ("invented", "You can also pay in any of our shops with a voucher."),
            ("invented", "Customers over 65 are exempt from the fee for late payment."),
            ("strength", "You can move the due date as often as you like with the tariff Flex."),
        ),
    ),
    Article(
        half="tuning",
        language="en",
        title="Returning a parcel",
        text=(
            "You may return most items within 30 days of delivery. Put the item in its original packaging and add the return form. "
            "Returns from Germany and Austria are free; from other countries you pay the postage. "
            "Refunds are made to the original means of payment within 7 days after we have received the item. "
            "Underwear, opened cosmetics and gift cards can't be returned. The return label is in your account under Orders. "
            "Items above 250 EUR must be sent insured."
        ),
        asked="How do I send back the shoes I ordered, and who pays?",
        true=(
            "Most items can be returned within thirty days after they were delivered.",
            "Please use the original packaging and put the return form into it.",
            "Returning is free from Austria and Germany; from any other country you pay the postage yourself.",
            "Within 7 days of receiving the item we make the refund to the means of payment that you used originally.",
            "Gift cards, underwear and opened cosmetics can not be returned.",
            "You find the return label in your account, under Orders.",
            "An item that is worth more than 250 EUR has to be sent insured.",
            "The label for your return is under Orders in your account.",
        ),
        false=(
            ("duration", "Most items can be returned within 60 days of delivery."),
            ("duration", "The refund is made within 7 weeks after we have received the item."),
            ("amount", "Items above 500 EUR must be sent insured."),
            ("negation", "Opened cosmetics can be returned."),
            ("negation", "Returns from Germany are not free."),
            ("product", "Returns from Germany and Switzerland are free."),
            ("product", "You find the return label in your account under Settings."),
            ("invented", "We send a courier to your home to collect the item."),
            ("invented", "You will also receive a voucher for your next order."),
            ("promise", "We have refunded your order today."),
            ("strength", "All items can always be returned."),
        ),
    ),
    Article(
        half="tuning",
        language="de",
        title="Vertrag kündigen",
        text=(
            "Der Vertrag kann mit einer Frist von einem Monat gekündigt werden. Die Mindestlaufzeit beträgt 24 Monate. "
            "Die Kündigung ist schriftlich, per E-Mail oder im Kundenkonto möglich. Sie erhalten innerhalb von 5 Werktagen eine Bestätigung. "
            "Der Router muss innerhalb von 14 Tagen nach Vertragsende zurückgeschickt werden, sonst berechnen wir 89 EUR. "
            "Die Rufnummer kann zu einem anderen Anbieter mitgenommen werden. Die Einrichtungsgebühr wird nicht erstattet."
        ),
        asked="Ich möchte meinen Vertrag kündigen. Was muss ich tun?",
        true=(
            "Sie können den Vertrag mit einer Frist von einem Monat kündigen.",
            "Die Mindestlaufzeit Ihres Vertrags beträgt 24 Monate.",
            "Kündigen können Sie schriftlich, im Kundenkonto oder per E-Mail.",
            "Innerhalb von fünf Werktagen erhalten Sie eine Bestätigung.",
            "Bitte schicken Sie den Router innerhalb von 14 Tagen nach Vertragsende zurück, sonst berechnen wir 89 €.",
            "Ihre Rufnummer können Sie zu einem anderen Anbieter mitnehmen.",
            "Die Einrichtungsgebühr können wir nicht erstatten.",
            "Die Frist für die Kündigung beträgt einen Monat.",
        ),
        false=(
            ("duration", "Sie können den Vertrag mit einer Frist von drei Monaten kündigen."),
            ("duration", "Die Mindestlaufzeit beträgt 12 Monate."),
            ("duration", "Innerhalb von 15 Werktagen erhalten Sie eine Bestätigung."),
            ("amount", "Ohne Rücksendung des Routers berechnen wir 98 EUR."),
            ("negation", "Die Rufnummer kann nicht mitgenommen werden."),
            ("negation", "Die Einrichtungsgebühr wird erstattet."),
            ("invented", "Eine Kündigung ist auch telefonisch bei jedem Händler möglich."),
            ("invented", "Als Dank erhalten Sie einen Gutschein für unseren Onlineshop."),
            ("promise", "Wir haben Ihnen die Einrichtungsgebühr heute gutgeschrieben."),
            ("product", "Die Kündigung ist im Kundenkonto von Teleplus möglich."),
        ),
    ),
    Article(
        half="tuning",
        language="fr",
        title="Utiliser son forfait à l'étranger",
        text=(
            "Dans l'Union européenne, les appels et les SMS sont inclus dans le forfait. Les données sont limitées à 20 Go par mois, ensuite 1,80 EUR par Go. "
            "Hors d'Europe, une journée de données coûte 9 EUR. Le roaming doit être activé dans l'espace client au moins 24 heures avant le départ. "
            "Les appels vers la messagerie vocale ne sont pas gratuits hors d'Europe. Une alerte est envoyée à 80 % de la limite."
        ),
        asked="Je pars en voyage au Canada, combien coûte Internet ?",
        true=(
            "Les appels et les SMS sont inclus dans votre forfait dans toute l'Union européenne.",
            "En Europe, les données sont limitées à 20 Go par mois, puis facturées 1,80 € par Go.",
            "Hors d'Europe, une journée de données coûte neuf euros.",
            "Le roaming doit être activé dans votre espace client au moins 24 heures avant le départ.",
            "Hors d'Europe, les appels vers la messagerie vocale ne sont pas gratuits.",
            "Vous recevez une alerte à 80 % de la limite.",
        ),
        false=(
            ("amount", "Hors d'Europe, une journée de données coûte 6 EUR."),
            ("amount", "Les données sont limitées à 30 Go par mois."),
            ("percent", "Une alerte est envoyée à 50 % de la limite."),
            ("duration", "Le roaming doit être activé au moins 2 heures avant le départ."),
            ("negation", "Hors d'Europe, les appels vers la messagerie vocale sont gratuits."),
            ("negation", "Dans l'Union européenne, les appels ne sont pas inclus."),
            ("invented", "Votre carte SIM sera remplacée gratuitement dans nos boutiques."),
            ("promise", "Nous vous avons remboursé 9 EUR aujourd'hui."),
        ),
    ),
    Article(
        half="held_back",
        language="en",
        title="Setting up the router",
        text=(
            "Connect the router Nimbus 4 to the socket with the yellow cable. After about 10 minutes the light Online turns green. "
            "The password for the wireless network is on the back of the router. You can change it at any time in the app Home. "
            "If the light stays red for more than 20 minutes, call our hotline on 0800 330 1000, free of charge from 8 a.m. to 8 p.m. "
            "A technician's visit costs 49 EUR, unless the fault is ours. Routers of other makers are not supported."
        ),
        asked="The light on my new router is red. What now?",
        true=(
            "Please connect your Nimbus 4 router to the socket using the yellow cable.",
            "The Online light turns green after roughly 10 minutes.",
            "You find the wireless password on the router's back.",
            "In the Home app you can change the password whenever you like.",
            "If the light remains red for more than twenty minutes, please call us free of charge on 0800 330 1000.",
            "The hotline can be reached from 8 a.m. to 8 p.m.",
            "A visit by a technician costs €49 unless we are at fault.",
            "We do not support routers of other makers.",
        ),
        false=(
            ("amount", "A technician's visit costs 94 EUR."),
            ("duration", "The Online light turns green after about 10 hours."),
            ("duration", "Call us if the light stays red for more than 2 minutes."),
            ("phone", "Please call our hotline on 0800 330 2000."),
            ("product", "Connect the router Stratus 4 to the socket with the yellow cable."),
            ("product", "You can change the password in the app Office."),
            ("negation", "Routers of other makers are supported."),
            ("negation", "A call to the hotline is not free of charge."),
            ("invented", "We will send you a new router by post tomorrow."),
            ("invented", "Holding the button for a minute deletes all of your settings."),
            ("strength", "A technician's visit is always free."),
        ),
    ),
    Article(
        half="held_back",
        language="en",
        title="Travel insurance claims",
        text=(
            "Report a claim within 48 hours of the event, online or by phone. You need the policy number, receipts and, after a theft, a police report. "
            "The excess is 75 EUR per claim. Lost luggage is covered up to 1,200 EUR, cameras and jewellery up to 300 EUR. "
            "Cash is not covered. We decide within 10 working days of receiving all documents. "
            "With the policy Premium there is no excess. Claims caused by alcohol are excluded."
        ),
        asked="My suitcase was stolen in Lisbon, what do you pay?",
        true=(
            "Please report the claim online or by phone within 48 hours of the event.",
            "We need your policy number, the receipts and, in the case of a theft, a police report.",
            "There is an excess of 75 EUR for each claim.",
            "Lost luggage is covered up to €1200, jewellery and cameras up to €300.",
            "Cash isn't covered.",
            "Once we have received all documents, we decide within ten working days.",
            "There's no excess with the Premium policy.",
            "Claims that were caused by alcohol are excluded.",
        ),
        false=(
            ("amount", "Lost luggage is covered up to 2,100 EUR."),
            ("amount", "The excess is 57 EUR for each claim."),
            ("duration", "Please report the claim within 48 days of the event."),
            ("duration", "We decide within 10 weeks of receiving all documents."),
            ("negation", "Cash is covered."),
            ("negation", "Claims caused by alcohol are not excluded."),
            ("product", "With the policy Economy there is no excess."),
            ("invented", "Your next holiday is insured by us for nothing."),
            ("promise", "We guarantee that your claim will be paid in full."),
            ("strength", "Cameras are covered without any limit."),
            ("invented", "A copy of your passport has to be certified by a notary."),
        ),
    ),
    Article(
        half="held_back",
        language="de",
        title="Störung im Netz",
        text=(
            "Bei einer Störung hilft oft ein Neustart des Geräts. Bekannte Störungen stehen auf der Seite Netzstatus. "
            "Dauert eine Störung länger als 2 Kalendertage, entschädigen wir Sie ab dem dritten Tag mit 5 EUR am Tag. "
            "Melden können Sie eine Störung rund um die Uhr in der App oder unter 0800 555 12 12. "
            "Ein Technikertermin findet innerhalb von 3 Werktagen statt. Für Schäden am eigenen Gerät haften wir nicht."
        ),
        asked="Seit gestern habe ich kein Netz. Bekomme ich Geld zurück?",
        true=(
            "Oft hilft es, das Gerät neu zu starten.",
            "Auf der Seite Netzstatus finden Sie bekannte Störungen.",
            "Wenn eine Störung länger als zwei Kalendertage dauert, entschädigen wir Sie ab dem dritten Tag mit 5 € am Tag.",
            "Eine Störung können Sie rund um die Uhr unter 0800 555 12 12 oder in der App melden.",
            "Der Termin mit einem Techniker findet innerhalb von drei Werktagen statt.",
            "Für Schäden an Ihrem eigenen Gerät haften wir nicht.",
        ),
        false=(
            ("amount", "Wir entschädigen Sie ab dem dritten Tag mit 15 EUR am Tag."),
            ("duration", "Dauert eine Störung länger als 12 Kalendertage, entschädigen wir Sie."),
            ("duration", "Ein Technikertermin findet innerhalb von 3 Wochen statt."),
            ("phone", "Melden können Sie eine Störung unter 0800 555 21 21."),
            ("negation", "Für Schäden am eigenen Gerät haften wir."),
            ("invented", "Sie können ein Ersatzgerät in jeder Filiale ausleihen."),
            ("promise", "Wir haben Ihnen 5 EUR gutgeschrieben."),
            ("product", "Bekannte Störungen stehen auf der Seite Kundenforum."),
        ),
    ),
    Article(
        half="held_back",
        language="fr",
        title="Résilier un abonnement",
        text=(
            "L'abonnement peut être résilié à tout moment avec un préavis de 10 jours. La demande se fait dans l'espace client ou par courrier recommandé. "
            "Les frais de résiliation s'élèvent à 25 EUR avant 12 mois. Le décodeur doit être rendu dans les 30 jours. "
            "Le numéro de téléphone peut être conservé. Les mois déjà payés ne sont pas remboursés."
        ),
        asked="Comment résilier mon abonnement ?",
        true=(
            "Vous pouvez résilier votre abonnement à tout moment avec un préavis de dix jours.",
            "La demande peut se faire par courrier recommandé ou dans votre espace client.",
            "Avant 12 mois, les frais de résiliation s'élèvent à 25 €.",
            "Le décodeur doit être rendu dans les trente jours.",
            "Vous pouvez conserver votre numéro de téléphone.",
            "Les mois que vous avez déjà payés ne sont pas remboursés.",
        ),
        false=(
            ("amount", "Les frais de résiliation s'élèvent à 52 EUR avant 12 mois."),
            ("duration", "Le préavis est de 10 semaines."),
            ("duration", "Le décodeur doit être rendu dans les 3 jours."),
            ("negation", "Les mois déjà payés sont remboursés."),
            ("negation", "Le numéro de téléphone ne peut pas être conservé."),
            ("invented", "Un technicien passera chercher le décodeur chez vous."),
            ("promise", "Nous vous avons remboursé vos frais."),
            ("strength", "La résiliation est toujours gratuite."),
        ),
    ),
)
