"""From a delivery to the read that it asks for, through Dagster."""

from datetime import timedelta

from aios_assets import jobs
from aios_core.webhooks.schemes import Delivery
from resources import clock
from resources.declarations import load_declaration
from resources.webhooks import WebhookStore
from tests.aios_assets import small_desk
from tests.aios_assets.conftest import Desk
from tests.aios_assets.small_desk import MONDAY


def test_deliveries_start_one_read_which_answers_them(desk: Desk) -> None:
    platform = desk.platform
    file = desk.declared.file
    text = file.read_text(encoding="utf-8")
    assert text.count("path: ") >= 1
    file.write_text(text.replace("path: ", 'webhook: {scheme: token, secret: "${DESK_SECRET}"}\n      path: ', 1))
    declared = load_declaration(file)
    (source, *_) = declared.automation.sources_of("tickets")
    store, seconds_ago = WebhookStore(platform.database), clock.now() - timedelta(seconds=5)
    for number in range(3):
        delivery = Delivery(delivery_id=str(number), sent_at=None, payload={})
        store.take(delivery, automation=declared.automation.name, source=source, body=b"{}", now=seconds_ago)

    requests, _ = platform.tick(declared, "webhooks")
    assert len(requests) == 1
    small_desk.arrive(desk.folder, MONDAY, rows=3, first=1000)
    platform.execute(declared, jobs.INGEST)

    assert store.waiting(declared.automation.name) == []
    requests, why = platform.tick(declared, "webhooks")
    assert (requests, why) == ([], "every delivery was answered by a read")
