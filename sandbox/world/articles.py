"""The pretend telecom's Help Center: what it tells its customers, as its editors wrote it in HTML.

What belongs here: the texts. What does not: their vendor's shape (`sandbox/zendesk/help_center.py`).

There is deliberately nothing on complaints, and little on cancelling: the gaps that a knowledge base has.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class WrittenArticle:
    """One article. `age_days` before the world's clock starts it was last edited."""

    title: str
    body: str
    locale: str = "en-us"
    labels: tuple[str, ...] = ()
    age_days: int = 100
    draft: bool = False


ARTICLES: Final = (
    WrittenArticle(
        "Why is my bill higher than usual?",
        "<p>A bill is higher in a month with charges outside your plan.</p><h2>Find the charge</h2><ol><li>Open <b>My account &gt; Bills"
        "</b>.</li><li>Choose the month and open the statement.</li><li>Compare it with the month before: what is new is marked.</li>"
        "</ol><h2>Common reasons</h2><ul><li>Calls or data abroad</li><li>Premium numbers, listed as &quot;other services&quot;</li>"
        "<li>A discount that ended</li><li>A plan change in the middle of a month, which is charged by the day</li></ul>",
        labels=("billing",), age_days=41,
    ),
    WrittenArticle(
        "I was charged twice",
        "<p>Two amounts in one month are mostly a reservation and the payment itself. The reservation disappears within five working "
        "days.</p><h2>If both were collected</h2><p>If your bank shows two collected direct debits for the same invoice, we pay one back. "
        "Send us both dates and amounts; the refund is on your account within ten working days.</p>",
        labels=("billing", "refund"), age_days=77,
    ),
    WrittenArticle(
        "Download an invoice as PDF",
        "<p>Invoices of the last 24 months are under <b>My account &gt; Bills &gt; Download</b>. An empty PDF means that the invoice is "
        "still being made; try again the next day. Older invoices are sent on request.</p>",
        labels=("billing",), age_days=300,
    ),
    WrittenArticle(
        "Pay a bill late, or in parts",
        "<p>Ask for a payment plan before the due date. Two to six parts are possible, without interest. A reminder costs 4 euros; your "
        "line is suspended 30 days after the second reminder.</p>",
        labels=("billing",), age_days=160,
    ),
    WrittenArticle(
        "No network: first steps",
        "<p>When calls and mobile data do not work:</p><ol><li>Switch flight mode on for ten seconds, then off.</li><li>Take the SIM card "
        "out and put it back.</li><li>Choose the network by hand under <b>Settings &gt; Network operators</b>.</li><li>Try the SIM card in "
        "another phone.</li></ol><h2>Is there an outage?</h2><p>The outage map shows known failures and maintenance work by city. Where "
        "neighbours have no coverage either, it is almost always an outage, and nothing on your phone helps.</p>",
        labels=("outage",), age_days=12,
    ),
    WrittenArticle(
        "Slow internet at home",
        "<p>Measure with a cable, not over Wi-Fi. Restart the router, wait five minutes, and measure three times at different hours. If the "
        "speed stays below 60% of what your contract says, report the fault with the three values.</p>",
        labels=("outage", "product:home_internet"), age_days=58,
    ),
    WrittenArticle(
        "Credit for an outage",
        "<p>An outage of more than 24 hours gives a credit of one day's fee for each day. It is on the next bill by itself; there is no "
        "form.</p>",
        labels=("outage", "billing"), age_days=90,
    ),
    WrittenArticle(
        "Switch roaming on before a trip",
        "<p>Roaming is off on new lines. Switch it on in the app under <b>Plan &gt; Abroad</b>, and on the phone under <b>Mobile data &gt; "
        "Data roaming</b>. It can take two hours. If the phone finds no partner network after landing, choose one by hand.</p>",
        labels=("roaming",), age_days=33,
    ),
    WrittenArticle(
        "Prices and zones abroad",
        "<table><tr><th>Zone</th><th>Data</th><th>Calls a minute</th></tr><tr><td>Zone 1: EU, Norway, Iceland</td><td>as at home</td>"
        "<td>as at home</td></tr><tr><td>Zone 2: Switzerland, UK, Turkey</td><td>travel pass, 5 euros a day</td><td>0.49 euros</td></tr>"
        "<tr><td>Zone 3: all others</td><td>travel pass, 9 euros a day</td><td>1.99 euros</td></tr></table><h2>Ships and planes</h2>"
        "<p>Networks on board belong to no zone and no pass holds there. Data is blocked at 50 euros a month everywhere, unless you lift "
        "the cap.</p>",
        labels=("roaming",), age_days=20,
    ),
    WrittenArticle(
        "A travel pass is not active",
        "<p>A pass starts with the first data used in its zone, not on the day it was bought. A used-up pass ends with a text message; a new "
        "one can be bought in the app over Wi-Fi.</p>",
        labels=("roaming",), age_days=140,
    ),
    WrittenArticle(
        "Bring your number to us",
        "<p>You need your number, the old carrier's name and your <b>porting PIN</b>, which the old carrier must give you within one day. A "
        "port takes one to three working days. Do not cancel the old contract yourself: we do that, and a cancelled number can't be moved.</p>"
        "<h2>Why ports are rejected</h2><ul><li>Name or birth date differ from those at the old carrier</li><li>The PIN has expired: it is "
        "valid for 30 days</li><li>The number was ported less than 60 days ago</li></ul>",
        labels=("porting",), age_days=66,
    ),
    WrittenArticle(
        "Take your number to another carrier",
        "<p>Ask for the porting PIN in the app under <b>Plan &gt; Number</b>. Leaving with a number costs nothing. Your contract ends on its "
        "own date; the number can go earlier.</p>",
        labels=("porting", "cancellation"), age_days=210,
    ),
    WrittenArticle(
        "Phone repair and warranty",
        "<p>Phones bought from us have a warranty of 24 months. Broken displays and water are not covered, except with device insurance. "
        "Back up and erase the phone before you send it in; a repair takes about seven working days.</p>",
        labels=("device",), age_days=51,
    ),
    WrittenArticle(
        "Router: lights and what they mean",
        "<ul><li><b>Green:</b> all is well.</li><li><b>Blinking orange:</b> it searches for the line; wait ten minutes.</li><li><b>Red:</b> "
        "no line. Check the cable to the wall socket, then report a fault.</li></ul><h2>Factory reset</h2><p>Hold the small button for 12 "
        "seconds. Wi-Fi name and password are then those on the sticker.</p>",
        labels=("device", "product:home_internet"), age_days=88,
    ),
    WrittenArticle(
        "Cancel a contract",
        "<p>The notice period is one month to the end of the term. After the first term every contract can be ended monthly. Cancel in the "
        "app or in writing; we confirm within two days.</p>",
        labels=("cancellation",), age_days=400,
    ),
    WrittenArticle(
        "My SIM was swapped, or my account taken over",
        "<p><b>Act at once.</b> Call the fraud line, day and night. We block the line and the account and issue no new SIM without your "
        "passport. Tell your bank: codes by text message may be read by others.</p><h2>Messages that pretend to be from us</h2><p>We never "
        "ask for a PIN, password or card number by text message, e-mail or phone. Forward such a message to 7726 and delete it.</p>",
        labels=("fraud",), age_days=9,
    ),
    WrittenArticle(
        "An order that I did not place",
        "<p>Report an unknown device or contract on your account within 14 days. Refuse the parcel. We freeze the order and nothing is "
        "collected while it is looked into.</p>",
        labels=("fraud",), age_days=120,
    ),
    WrittenArticle(
        "Activate a SIM card",
        "<p>Put the card in, restart the phone, and enter the card number at <b>Activate</b> in the app. Activation takes up to four hours; "
        "until then the phone says &quot;not registered on network&quot;. The PIN is in the welcome e-mail and under the scratch field.</p>",
        labels=("activation",), age_days=30,
    ),
    WrittenArticle(
        "Set up an eSIM",
        "<p>Scan the QR code with the phone's camera, over Wi-Fi. Each code works once. If the code is invalid or was already used, ask for a "
        "new one in the app under <b>SIM &gt; New eSIM</b>; the old one stops at that moment.</p>",
        labels=("activation", "esim"), age_days=15,
    ),
    WrittenArticle(
        "Identity check fails",
        "<p>Use a passport or identity card that has not expired, in daylight, without reflections. After three failures the check is closed "
        "for a day; it can be done in any shop as well.</p>",
        labels=("activation",), age_days=130,
    ),
    WrittenArticle(
        "Change to a larger or smaller plan",
        "<p>A larger plan starts at once and is charged by the day. A smaller one starts with the next month, and at the earliest after the "
        "first term. Add-ons for data end with the month.</p>",
        labels=("plan_change",), age_days=70,
    ),
    WrittenArticle(
        "Add a second line or a family member",
        "<p>Up to five lines share one contract. Each further line is 10 euros less a month. The contract's owner adds it in the app; the new "
        "card comes by post within three days.</p>",
        labels=("plan_change", "activation"), age_days=180,
    ),
    WrittenArticle(
        "Rechnung verstehen",
        "<p>Ihre Rechnung finden Sie unter <b>Mein Konto &gt; Rechnungen</b>. Ist sie höher als sonst, vergleichen Sie sie mit der vom Monat "
        "davor: Neue Posten sind markiert. Häufig sind es Daten im Ausland oder ein Rabatt, der ausgelaufen ist.</p>",
        locale="de", labels=("billing",), age_days=60,
    ),
    WrittenArticle(
        "Kein Netz: erste Schritte",
        "<p>Schalten Sie den Flugmodus für zehn Sekunden ein und wieder aus. Nehmen Sie die SIM-Karte heraus und setzen Sie sie wieder ein. "
        "Auf der Störungskarte sehen Sie, ob es in Ihrer Stadt eine Störung gibt.</p>",
        locale="de", labels=("outage",), age_days=45,
    ),
    WrittenArticle(
        "Activar el roaming antes de un viaje",
        "<p>El roaming está apagado en las líneas nuevas. Actívelo en la aplicación, en <b>Tarifa &gt; Extranjero</b>, y en el teléfono. Puede "
        "tardar dos horas.</p>",
        locale="es", labels=("roaming",), age_days=75,
    ),
    WrittenArticle(
        "Garder son numéro",
        "<p>Pour garder votre numéro, il vous faut le code de portabilité de votre ancien opérateur. Le transfert prend un à trois jours "
        "ouvrables. Ne résiliez pas l'ancien contrat vous-même.</p>",
        locale="fr", labels=("porting",), age_days=95,
    ),
    WrittenArticle(
        "Prices from next summer", "<p>Prices that are not decided yet.</p>", labels=("billing",), age_days=5, draft=True
    ),
)  # fmt: skip
