// Brings what is live up to date while somebody looks, and not under their hands.
"use strict";
const live = document.querySelector("main[data-live]");
const stale = document.getElementById("stale");
let seen = new Date();
const touched = () => {
  const fields = [...live.querySelectorAll("input:not([type=hidden]), select, textarea")];
  // What somebody unfolded stays so: what has an id is unfolded again.
  if (live.querySelector("details[open]:not([id])")) return true;
  return fields.some((field) => field === document.activeElement
    || (field.type === "checkbox" || field.type === "radio" ? field.checked !== field.defaultChecked
      : field.type !== undefined && "defaultValue" in field && field.value !== field.defaultValue));
};
// Nobody answers: what is shown is old, and says so.
const setStale = (isStale) => {
  if (isStale) {
    live.setAttribute("aria-busy", "true");
    document.getElementById("stale-at").textContent = `${seen.toISOString().slice(11, 19)} (UTC)`;
  } else {
    live.removeAttribute("aria-busy");
  }
  if (stale.hidden === isStale) stale.hidden = !isStale;
};
const replace = (fresh) => {
  for (const opened of live.querySelectorAll("details[id][open]")) {
    const same = fresh.getElementById(opened.id);
    if (same) same.open = true;
  }
  const focused = document.activeElement?.closest("details[id]")?.id;
  live.replaceChildren(...fresh.querySelector("main").childNodes);
  document.title = fresh.title;
  if (focused) document.getElementById(focused)?.querySelector("summary").focus();
};
const refresh = async () => {
  if (document.hidden) return;
  const isHeld = touched() || !getSelection().isCollapsed;
  try {
    const address = new URL(location.href);
    address.searchParams.delete("done");
    const answer = await fetch(address, { credentials: "same-origin" });
    if (!answer.ok) throw new Error(answer.status);
    const text = await answer.text();
    if (!isHeld && !touched()) {
      replace(new DOMParser().parseFromString(text, "text/html"));
      seen = new Date();
    }
    setStale(false);
  } catch {
    setStale(true);
  }
};
if (live) {
  setInterval(refresh, 5000);
  document.addEventListener("visibilitychange", refresh);
}
