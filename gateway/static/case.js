// A case after the other without loading a page: the next one is fetched ahead, and shown once the verdict on this one is written.
// The case is kept by a heart-beat while somebody is there, and given back when the page is left.
// Without this script every step is a form that leads to the next page.
(() => {
  "use strict";
  const STALE = 120_000; // ms after which what was fetched ahead is fetched anew
  const PATIENCE = 1_000; // ms that a step waits for what is being fetched ahead: both ask for the next case, and must get the same
  const JSON_TYPE = "application/json";
  let here = null; // the case on the screen
  let ahead = null; // { at, page }: the case that comes next; `page` is a promise of its document, or of null
  let moving = false; // a form was sent: what follows keeps the case, or gives it back itself
  let beaten = 0;

  const parse = (text) => new DOMParser().parseFromString(text, "text/html");
  const told = (words) => (document.getElementById("said").textContent = words);
  const caseOf = (page) => page && page.querySelector("[data-case]");
  const idOf = (path) => decodeURIComponent(path.replace(/^\/cases\//, ""));
  const post = (path, fields) =>
    fetch(path, { method: "POST", body: new URLSearchParams({ token: here.dataset.token, ...fields }) });

  // the next case

  async function fetchAhead() {
    const from = here;
    if (!from || !from.isConnected || !from.hasAttribute("data-more") || !from.hasAttribute("data-mine")) return;
    const page = post(`${from.dataset.case}/ahead`, {})
      .then(async (answer) => (answer.status === 200 && !answer.redirected ? parse(await answer.text()) : null))
      .catch(() => null);
    ahead = { at: Date.now(), page, id: "", until: "" };
    const mine = ahead;
    const found = caseOf(await page);
    if (!found) return;
    mine.id = idOf(found.dataset.case);
    mine.until = found.dataset.until || "";
    performance.mark("fetched ahead");
  }

  async function pageOf(path, query) {
    const fetched = ahead;
    ahead = null;
    if (fetched && Date.now() - fetched.at < STALE) {
      const page = await fetched.page;
      if (page && caseOf(page) && caseOf(page).dataset.case === path) {
        const left = page.querySelector("[data-left]");
        if (left && query) left.textContent = (left.dataset.left - 1).toLocaleString("en"); // it was counted before this verdict
        return page;
      }
    }
    const answer = await fetch(path + query);
    return answer.ok && !answer.redirected ? parse(await answer.text()) : null;
  }

  function show(page, { address = null, toast = "" } = {}) {
    const main = document.importNode(page.getElementById("main"), true);
    document.getElementById("main").replaceWith(main);
    const keys = page.getElementById("help");
    if (keys && !document.getElementById("help")) document.body.append(document.importNode(keys, true));
    document.title = page.title;
    if (address) history.pushState(null, "", address);
    const slot = main.querySelector("[data-toast]");
    if (slot && toast) slot.innerHTML = toast;
    window.scrollTo(0, 0);
    window.aios.prepare(main);
    main.focus({ preventScroll: true });
    begin();
    fetchAhead();
    const subject = document.getElementById("subject");
    told([toast && slot ? slot.innerText.replace(/Undo.*/s, "") : "", page.title, subject ? subject.innerText : ""].join(". "));
  }

  // steps

  document.addEventListener("submit", async (event) => {
    if (event.target.method === "dialog" || event.defaultPrevented) return;
    const form = event.target.closest("form[data-step]");
    if (!form) {
      moving = true;
      return;
    }
    event.preventDefault();
    const started = event.timeStamp;
    const body = new URLSearchParams(new FormData(form, event.submitter));
    const beside = event.submitter && document.getElementById(event.submitter.dataset.with || "");
    if (beside) body.set(beside.name, beside.value);
    if (ahead) await Promise.race([ahead.page, new Promise((resolve) => setTimeout(resolve, PATIENCE))]);
    let answer;
    try {
      answer = await fetch(form.getAttribute("action"), { method: "POST", body, headers: { accept: JSON_TYPE } });
    } catch {
      return refused("There is no answer from the console: this was probably not recorded. Send it again; the same verdict twice is one.");
    }
    if (answer.redirected) return leave(answer.url); // the session has ended
    if (answer.status >= 500) return refused("The console can't take this just now. Send it again; the same verdict twice is one.");
    try {
      if (answer.ok && answer.headers.get("content-type") === JSON_TYPE) await onward(await answer.json(), started);
      else settled(parse(await answer.text()));
    } catch {
      leave(location.pathname); // it is recorded or not: the page says how the case stands
    }
  });

  async function onward({ next, query, toast }, started) {
    const page = next.startsWith("/cases/") ? await pageOf(next, query) : null;
    if (page === null) return leave(next + query);
    settled(page, { address: next + query, toast });
    requestAnimationFrame(() => setTimeout(() => performance.measure("next case", { start: started })));
  }

  function settled(page, more) {
    show(page, more);
    window.aios.settle();
  }

  function leave(address) {
    moving = true;
    location.assign(address);
  }

  function refused(words) {
    const old = document.getElementById("unsent");
    const note = old || document.createElement("p");
    note.id = "unsent";
    note.className = "notice bad";
    note.setAttribute("role", "alert");
    note.textContent = words;
    if (!old) document.querySelector(".verdict, #main").prepend(note);
    window.aios.settle();
  }

  // keeping the case, and giving it back

  async function beat({ now = false } = {}) {
    const every = Number(here.dataset.lease) * 333; // a third of the lease, in ms
    if (!now && Date.now() - beaten < every) return;
    beaten = Date.now();
    const asked = here;
    const fetched = ahead;
    let answer;
    try {
      answer = await post(`${asked.dataset.case}/heartbeat`, { ahead: fetched ? fetched.id : "" });
    } catch {
      return; // the next sign of life tries again
    }
    if (!asked.isConnected || answer.redirected) return;
    const line = asked.querySelector("[data-lease-said]");
    if (answer.ok) {
      asked.setAttribute("data-mine", "");
      asked.dataset.until = (await answer.json()).until;
      if (fetched) fetched.until = asked.dataset.until;
      line.textContent = `Yours until ${new Date(asked.dataset.until).toISOString().slice(11, 16)} UTC.`;
    } else if (answer.status === 409) {
      asked.removeAttribute("data-mine");
      line.className = "notice bad";
      line.setAttribute("role", "alert");
      line.textContent = `This case is no longer in your hands: ${(await answer.json()).message}`;
    }
  }

  for (const sign of ["keydown", "pointerdown", "pointermove", "scroll", "input"]) {
    document.addEventListener(sign, () => here && here.hasAttribute("data-mine") && beat(), { passive: true, capture: true });
  }

  window.addEventListener("pagehide", () => {
    if (moving || !here || !here.hasAttribute("data-mine")) return;
    const until = [here.dataset.until, ahead ? ahead.until : ""].sort().pop(); // a lease renewed since is another page's
    const fields = new URLSearchParams({ token: here.dataset.token, ahead: ahead ? ahead.id : "", until });
    navigator.sendBeacon(`${here.dataset.case}/give-back`, fields);
  });
  if (window.navigation) {
    window.navigation.addEventListener("navigate", (event) => {
      if (event.navigationType === "reload") moving = true;
    });
  }
  window.addEventListener("pageshow", (event) => {
    moving = false;
    if (event.persisted) location.reload(); // what it shows was given back when it was left
  });
  window.addEventListener("popstate", () => {
    if (!here || location.pathname !== here.dataset.case) location.reload(); // back to another case, not to a place on this one
  });

  function begin() {
    here = caseOf(document);
    beaten = Date.now();
  }
  begin();
  const [arrival] = performance.getEntriesByType("navigation");
  if (arrival && arrival.type === "reload" && here && here.hasAttribute("data-more")) {
    beat({ now: true }).then(fetchAhead); // a browser that could not tell a reload from leaving has given the case back
  } else fetchAhead();
})();
