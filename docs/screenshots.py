"""The README's pictures, taken from a running platform: `make screenshots` beside `make up`.

What belongs here: opening pages in Debian's Chromium and keeping small pictures. What does not: starting the platform.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path
from typing import Any

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync"]  # fmt: skip
FOLDER = Path(__file__).parent / "images"
AUTOMATION = "customer_escalations"
SECONDS = 60  # a page is waited for so long


def main() -> int:
    """Take every picture; returns the exit code."""
    options = _options()
    if (chromium := shutil.which("chromium")) is None:
        print("error: chromium is not installed; `make browser` installs it where it may", file=sys.stderr)
        return 1
    import httpx
    from playwright.sync_api import Error as PlaywrightError
    from playwright.sync_api import sync_playwright

    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1500, "height": 940})
        try:
            _dagster(page, options.dagster)
            _console(page, options.console, options.password)
        except (PlaywrightError, OSError, httpx.HTTPError) as error:
            print(f"error: {str(error).splitlines()[0]}\n`make up` starts what is pictured; is it up at {options.dagster} and"
                  f" {options.console}, and is the password of admin right?", file=sys.stderr)  # fmt: skip
            return 1
        finally:
            browser.close()
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dagster", default=os.environ.get("AIOS_DAGSTER_URL", "http://127.0.0.1:3000"))
    parser.add_argument("--console", default=os.environ.get("AIOS_GATEWAY_URL", "http://127.0.0.1:8780"))
    parser.add_argument("--password", default=os.environ.get("AIOS_ADMIN_PASSWORD", ""), help="of the account admin")
    return parser.parse_args()


def _dagster(page: Any, address: str) -> None:
    page.goto(f"{address}/assets/{AUTOMATION}/decisions?view=lineage&lineageScope=neighbors&lineageDepth=9")
    _keep(page, "asset-graph", shows="text=decisions")
    page.goto(f"{address}/assets/{AUTOMATION}/scores?view=partitions&partition={_newest_day(address)}")
    _keep(page, "scores-partitions", shows="text=scores")


def _newest_day(address: str) -> str:
    import httpx

    query = "{assetNodes {assetKey {path} assetMaterializations(limit: 1) {partition}}}"
    nodes = httpx.post(f"{address}/graphql", json={"query": query}, timeout=60).json()["data"]["assetNodes"]
    found = {n["assetKey"]["path"][-1]: n["assetMaterializations"] for n in nodes}
    return str(found["scores"][0]["partition"])


def _console(page: Any, address: str, password: str) -> None:
    page.goto(address)
    page.fill("input[name=username]", "admin")
    page.fill("input[name=password]", password)
    page.press("input[name=password]", "Enter")
    page.locator(".account, [role=alert]").first.wait_for()
    if not page.locator(".account").count():
        raise OSError(f"{address}: admin could not sign in; name the password with --password or AIOS_ADMIN_PASSWORD")
    _keep(page, "console", shows=".account")
    page.locator(".batches button").first.click()
    page.wait_for_url("**/cases/**")
    _keep(page, "review-case", shows=".knowledge")
    page.goto(f"{address}/reports")
    if (link := page.query_selector("a[href*='/reports/']")) is not None:
        page.goto(f"{address}{link.get_attribute('href')}")
        _keep(page, "drift-report", shows="body *")
    else:
        print("note: there is no drift report yet; its picture stays as it is", file=sys.stderr)


def _keep(page: Any, name: str, *, shows: str) -> None:
    """A picture with 128 colours: a quarter of the size, and a user interface loses nothing. `shows` is on the page once it stands."""
    from PIL import Image

    path = FOLDER / f"{name}.png"
    page.locator(shows).first.wait_for(timeout=SECONDS * 1000)
    path.write_bytes(_settled(page))
    Image.open(path).convert("RGB").quantize(128).save(path, optimize=True)
    print(f"{path.relative_to(FOLDER.parent.parent)}: {path.stat().st_size // 1024} kB")


def _settled(page: Any) -> bytes:
    """The page once it has stopped moving: the same picture three times in a row. What moves for good is taken as it is."""
    same, last = 0, b""
    for _ in range(SECONDS):
        page.wait_for_timeout(1_000)
        taken = page.screenshot()
        same, last = (same + 1 if taken == last else 0), taken
        if same == 2:
            break
    return last


if __name__ == "__main__":
    sys.exit(main())
