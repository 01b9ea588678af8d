// The stations' board: counts what is chosen, ticks a category's dishes with it, and drags by the grip, also by touch.
// A drop ticks the dish and presses the station's button: whoever can't drag does the same by hand.
"use strict";
(() => {
  const board = document.getElementById("board");
  const zh = document.body.dataset.lang !== "en";
  const dishes = () => [...board.querySelectorAll("input[name=dish]:not(:disabled)")];

  const count = () => {
    const chosen = board.querySelector("#chosen");
    const ticked = dishes().filter((dish) => dish.checked).length;
    if (chosen && ticked) chosen.textContent = chosen.dataset[zh ? "zh" : "en"].replace("N", ticked);
    for (const button of board.querySelectorAll("button[name=to]")) button.classList.toggle("secondary", !ticked);
  };

  board.addEventListener("change", (event) => {
    const group = event.target.closest("fieldset.dishes");
    if (event.target.name === "category") {
      for (const dish of group.querySelectorAll("input[name=dish]:not(:disabled)")) dish.checked = event.target.checked;
    } else if (event.target.name === "dish" && !event.target.checked) {
      const whole = group.querySelector("input[name=category]");
      if (whole) whole.checked = false;
    }
    count();
  });

  // -- dragging
  let drag = null;
  const target = (x, y) => {
    const under = document.elementFromPoint(x, y);
    return under && (under.closest("button[name=to]") || under.closest("section[data-station]:not([data-station=''])"));
  };
  const over = (found) => {
    for (const old of board.querySelectorAll(".over")) old.classList.remove("over");
    if (found) found.classList.add("over");
  };
  const end = () => {
    if (!drag) return;
    clearInterval(drag.scroll);
    drag.ghost.remove();
    over(null);
    drag = null;
  };

  board.addEventListener("pointerdown", (event) => {
    const grip = event.target.closest(".grip");
    if (!grip || event.button) return;
    event.preventDefault();
    const dish = grip.closest(".dish");
    const ghost = dish.cloneNode(true);
    ghost.classList.add("ghost");
    ghost.removeAttribute("for");
    document.body.append(ghost);
    drag = { dish, ghost, id: event.pointerId, x: event.clientX, y: event.clientY };
    const dock = board.querySelector(".dock");
    drag.scroll = setInterval(() => {  // near an edge the page goes along, but not under a finger that aims at a button
      const floor = dock.getBoundingClientRect().top;
      if (drag.y < 90) scrollBy(0, -12);
      else if (drag.y > floor - 50 && drag.y < floor) scrollBy(0, 12);
    }, 30);
    board.setPointerCapture(event.pointerId);
    move(event);
  });
  const move = (event) => {
    if (!drag || event.pointerId !== drag.id) return;
    drag.x = event.clientX; drag.y = event.clientY;
    drag.ghost.style.transform = `translate(${event.clientX - 20}px, ${event.clientY - 20}px)`;
    over(target(event.clientX, event.clientY));
  };
  board.addEventListener("pointermove", move);
  board.addEventListener("pointercancel", end);
  board.addEventListener("pointerup", (event) => {
    if (!drag || event.pointerId !== drag.id) return;
    const found = target(event.clientX, event.clientY), dish = drag.dish.querySelector("input");
    end();
    const station = found && (found.value || found.dataset.station);
    if (!station || found.contains(dish)) return;
    dish.checked = true;
    [...board.querySelectorAll("button[name=to]")].find((button) => button.value === station).click();
  });
  addEventListener("keydown", (event) => { if (event.key === "Escape") end(); });
  board.addEventListener("click", (event) => { if (event.target.closest(".grip")) event.preventDefault(); });

  document.addEventListener("htmx:after:swap", () => {
    const plan = document.getElementById("plan");
    if (plan) plan.focus({ preventScroll: true });
    count();
  });
  count();
})();
