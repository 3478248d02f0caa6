// Brings what is live up to date while somebody looks, and not under their hands.
"use strict";
const live = document.querySelector("main[data-live]");
const touched = () => {
  const fields = [...live.querySelectorAll("input:not([type=hidden]), select, textarea")];
  // What somebody unfolded stays so.
  if (live.querySelector("details[open]")) return true;
  return fields.some((field) => field === document.activeElement
    || (field.type === "checkbox" || field.type === "radio" ? field.checked !== field.defaultChecked
      : field.type !== undefined && "defaultValue" in field && field.value !== field.defaultValue));
};
const refresh = async () => {
  if (document.hidden || touched() || !getSelection().isCollapsed) return;
  try {
    const address = new URL(location.href);
    address.searchParams.delete("done");
    const answer = await fetch(address, { credentials: "same-origin" });
    if (!answer.ok) throw new Error(answer.status);
    const text = await answer.text();
    if (touched()) return;
    const fresh = new DOMParser().parseFromString(text, "text/html");
    live.replaceChildren(...fresh.querySelector("main").childNodes);
    live.removeAttribute("aria-busy");
  } catch {
    live.setAttribute("aria-busy", "true");
  }
};
if (live) setInterval(refresh, 5000);
