// Keys for what the page already offers: every key presses a button, opens a fold or moves to a field that is there to see.
// Without this script everything works by mouse and Tab.
(() => {
  "use strict";
  let sending = false;
  const prepared = []; // what is to be done to a page, or to a part that was put into it

  const typing = (element) => element.matches("input, textarea, select, [contenteditable]");
  const withKey = (attribute, key) =>
    [...document.querySelectorAll(`[${attribute}]`)].find((e) => e.getAttribute(attribute).split(" ").includes(key));

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.key === "Escape" && typing(event.target)) return event.target.blur();
    if (typing(event.target) || document.querySelector("dialog[open]")) return;
    // A held key would run through the batch, one verdict a page.
    if (event.repeat || sending) return;
    const button = withKey("data-key", event.key);
    const field = withKey("data-focus-key", event.key);
    const fold = withKey("data-fold-key", event.key);
    if (!button && !field && !fold) return;
    event.preventDefault();
    if (button) return button.click();
    if (fold) {
      fold.open = !fold.open;
      return fold.open && fold.scrollIntoView({ block: "nearest" });
    }
    field.focus();
    if (field.select) field.select();
  });

  // One press, one verdict: a second press before the answer is dropped.
  document.addEventListener("submit", (event) => {
    if (event.target.method === "dialog") return;
    if (sending) return event.preventDefault();
    sending = true;
    document.body.setAttribute("aria-busy", "true");
  });
  const settle = () => {
    sending = false;
    document.body.removeAttribute("aria-busy");
  };
  window.addEventListener("pageshow", settle);

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    if (opener) document.getElementById(opener.dataset.opens).showModal();
    const cited = event.target.closest("[data-passage]");
    const passage = cited && document.getElementById(cited.dataset.passage);
    if (!passage) return;
    event.preventDefault();
    passage.open = true;
    passage.scrollIntoView({ block: "nearest" });
    passage.querySelector("summary").focus();
  });

  prepared.push((root) => root.querySelectorAll("[data-filter]").forEach(filter));
  function filter(box) {
    const input = box.querySelector("[data-filter-input]");
    const none = box.querySelector("[data-filter-none]");
    const buttons = [...box.querySelectorAll("button")];
    let picked = 0;

    const shown = () => buttons.filter((b) => !b.hidden);
    const mark = () => {
      const found = shown();
      picked = Math.max(0, Math.min(picked, found.length - 1));
      const active = document.activeElement === input;
      buttons.forEach((b) => b.classList.toggle("picked", active && b === found[picked]));
      if (active && found[picked]) found[picked].scrollIntoView({ block: "nearest" });
    };
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/[\s_]+/).filter(Boolean);
      buttons.forEach((b) => {
        b.hidden = !words.every((w) => b.textContent.toLowerCase().includes(w));
      });
      none.hidden = shown().length > 0;
      picked = 0;
      mark();
    });
    input.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown") picked += 1;
      else if (event.key === "ArrowUp") picked -= 1;
      else if (event.key === "Enter") {
        // Enter in a form would press its first button: the likeliest queue, which is not the one searched for.
        event.preventDefault();
        if (input.value.trim() && shown()[picked] && !event.repeat) shown()[picked].click();
        return;
      } else return;
      event.preventDefault();
      mark();
    });
    input.addEventListener("focus", mark);
    input.addEventListener("blur", mark);
  }

  // A fold that somebody opened stays open from case to case, and the other way round.
  prepared.push((root) => root.querySelectorAll("details[data-keep]").forEach(keep));
  function keep(fold) {
    const name = `fold.${fold.dataset.keep}`;
    try {
      if (localStorage.getItem(name)) fold.open = true;
    } catch {
      return; // a browser that keeps nothing
    }
    fold.querySelector("summary").addEventListener("click", () => {
      if (fold.open) localStorage.removeItem(name);
      else localStorage.setItem(name, "open");
    });
  }

  // Parts that cost something to make come after the page, once they are seen; without this script a link leads to them. A reviewer
  // who goes on to the next case within half a second asks for none.
  prepared.push((root) => root.querySelectorAll("[data-load]").forEach(lazy));
  function lazy(part) {
    const fold = part.closest("details");
    let asked = false;
    const load = async () => {
      if (asked || !part.isConnected || (fold && !fold.open)) return;
      asked = true;
      part.setAttribute("aria-busy", "true");
      try {
        const answer = await fetch(part.dataset.load);
        if (answer.ok && !answer.redirected) {
          part.innerHTML = await answer.text();
          part.dataset.loaded = "";
          prepare(part);
        }
      } catch {
        asked = false; // the link stays, and opening the fold again asks again
      }
      part.removeAttribute("aria-busy");
    };
    if (fold) fold.addEventListener("toggle", load);
    setTimeout(load, 500);
  }

  prepared.push((root) => root.querySelectorAll("time[datetime]").forEach(local));
  function local(time) {
    const moment = new Date(time.dateTime);
    if (!Number.isNaN(moment.getTime())) time.title += `\n${moment.toLocaleString()} here`;
  }

  function prepare(root) {
    prepared.forEach((work) => work(root));
  }
  prepare(document);
  window.aios = { prepare, settle };
})();
