// The kitchen's screen: cards grow older while nothing changes, and a scanner types anywhere on the page.
"use strict";
(() => {
  const zh = document.body.dataset.lang !== "en";
  let drawn = performance.now();

  const grow = () => {
    const passed = Math.floor((performance.now() - drawn) / 1000);
    for (const card of document.querySelectorAll(".dish-card")) {
      const age = Number(card.dataset.age) + passed;
      card.classList.toggle("hot", age >= Number(card.dataset.hot));
      card.classList.toggle("warm", age >= Number(card.dataset.warm) && age < Number(card.dataset.hot));
      const minutes = Math.floor(age / 60);
      const text = minutes < 100 ? `${minutes} ${zh ? "分" : "min"}` : `${Math.floor(minutes / 60)} ${zh ? "小时" : "h"}`;
      const shown = card.querySelector(".age");
      if (shown.textContent !== text) shown.textContent = text;
    }
  };
  document.addEventListener("htmx:after:swap", (event) => {
    if (event.target.id === "kitchen" || event.detail?.ctx?.target?.id === "kitchen") drawn = performance.now();
    grow();
  });
  setInterval(grow, 2000);
  grow();

  // -- what was done is said for a while
  const said = document.getElementById("kitchen-said");
  let fading = null;
  new MutationObserver(() => {
    clearTimeout(fading);
    const bad = said.querySelector(".bad");
    if (said.firstElementChild) fading = setTimeout(() => { said.textContent = ""; }, bad ? 12000 : 4000);
  }).observe(said, { childList: true });

  // -- the scanner: keys faster than fingers, and Enter behind them
  const SLOWEST_MS = 80, SHORTEST = 6;
  const form = document.getElementById("scan");
  let typed = "", last = 0;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (performance.now() - last > SLOWEST_MS) typed = "";
    last = performance.now();
    if (event.key === "Enter" || event.key === "Tab") {
      if (typed.length >= SHORTEST) {
        event.preventDefault();  // else it presses whatever button has the focus
        event.stopPropagation();
        form.elements.code.value = typed;
        form.requestSubmit();
      }
      typed = "";
    } else if (event.key.length === 1) {
      typed = (typed + event.key).slice(-60);
    }
  }, true);
})();
