// The editor of templates: a fault leads to its line, and what is not saved is not lost by a tap.
"use strict";
(() => {
  const text = document.getElementById("text");
  let saved = text.value;
  document.addEventListener("click", (event) => {
    const wanted = event.target.closest("[data-line]");
    if (!wanted) return;
    const lines = text.value.split("\n"), at = Number(wanted.dataset.line) - 1;
    const start = lines.slice(0, at).join("\n").length + (at > 0 ? 1 : 0);
    text.focus();
    text.setSelectionRange(start, start + (lines[at] || "").length);
    text.scrollTop = text.scrollHeight * Math.max(0, at - 3) / lines.length;
  });
  const said = document.getElementById("said"), verdict = document.getElementById("verdict");
  document.addEventListener("htmx:after:swap", () => {
    if (said.querySelector("[data-saved]")) saved = text.value;
    if (said.querySelector(".bad")) verdict.replaceChildren();
  });
  text.addEventListener("input", () => said.replaceChildren());  // it was said of another text
  addEventListener("beforeunload", (event) => { if (text.value !== saved) event.preventDefault(); });
})();
