// Late orders: choose all, and how many are chosen.
"use strict";
(() => {
  const picks = (form) => [...form.querySelectorAll("input[name=pick]")];
  const count = () => {
    for (const form of document.querySelectorAll("form.decide")) {
      const all = picks(form), chosen = all.filter((box) => box.checked).length;
      for (const place of form.querySelectorAll(".count")) place.textContent = chosen ? ` (${chosen})` : "";
      const every = form.querySelector(".every");
      if (every) {
        every.checked = chosen > 0 && chosen === all.length;
        every.indeterminate = chosen > 0 && chosen < all.length;
      }
    }
  };
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form.decide");
    if (!form) return;
    if (event.target.matches(".every")) for (const box of picks(form)) box.checked = event.target.checked;
    count();
  });
  document.addEventListener("htmx:after:swap", count);
  count();
})();
