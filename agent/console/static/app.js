// What every page does: hears of changes, says when the box can't be reached, speaks, and keeps the screen on.
"use strict";
(() => {
  const zh = document.body.dataset.lang !== "en";
  const lost = document.getElementById("lost");
  const remember = (name, value) => { try { localStorage.setItem(name, value); } catch { /* a private window */ } };
  const recall = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
  let waiting = null, owed = false;

  const changed = () => {
    if (document.hidden) { owed = true; return; }
    owed = false;
    document.body.dispatchEvent(new CustomEvent("changed"));
  };

  // -- the stream: the box says every few seconds that it lives; when it does not, what stands here is old
  const OLD_MS = 12000, AGAIN_MS = 20000;
  let heard = Date.now(), stream = null, began = Date.now();
  const fresh = () => { heard = Date.now(); clearTimeout(waiting); waiting = null; stale(false); };
  const stale = (old) => { lost.hidden = !old; document.body.classList.toggle("old", old); };
  const listen = () => {
    if (stream) stream.close();
    began = Date.now();
    const mine = stream = new EventSource("/live");
    stream.addEventListener("open", fresh);
    stream.addEventListener("alive", fresh);
    stream.addEventListener("changed", (event) => {
      fresh();
      changed();
      for (const news of (JSON.parse(event.data).news || [])) say(news);
    });
    stream.addEventListener("error", () => {
      if (mine !== stream) return;
      waiting = waiting || setTimeout(() => stale(true), 3000);
      if (mine.readyState === EventSource.CLOSED) setTimeout(() => { if (mine === stream) listen(); }, 2000);
    });
  };
  if (document.querySelector("[hx-trigger*='changed']")) {
    listen();
    addEventListener("pagehide", () => stream.close(), { once: true });
    setInterval(() => {
      if (document.hidden || Date.now() - heard < OLD_MS) return;
      stale(true);
      if (Date.now() - began > AGAIN_MS) listen();
    }, 1000);
  }
  document.addEventListener("htmx:error", (event) => {  // a tap that the box did not answer is said to be lost at once
    const asked = event.detail.ctx;
    if (asked && asked.request.method !== "GET" && asked.text === undefined) stale(true);
  });
  document.addEventListener("htmx:after:request", () => { if (!stream) stale(false); });
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  document.addEventListener("visibilitychange", () => { if (!document.hidden && owed) changed(); });

  // -- the voice
  let sound = null;
  const beep = (times) => {
    try {
      sound = sound || new AudioContext();
      for (let i = 0; i < times; i++) {
        const tone = sound.createOscillator(), loud = sound.createGain();
        tone.frequency.value = 880; loud.gain.value = 0.3;
        tone.connect(loud).connect(sound.destination);
        tone.start(sound.currentTime + i * 0.35); tone.stop(sound.currentTime + i * 0.35 + 0.2);
      }
    } catch { /* no sound here */ }
  };
  const say = (news) => {
    const text = news.kind === "order"
      ? (news.what ? (zh ? `您有新订单，${news.what}号` : `New order, number ${news.what}`) : (zh ? "您有新订单" : "New order"))
      : (zh ? "注意，打印或线路有问题，请看屏幕" : "Attention, something is wrong, please look at the screen");
    document.getElementById("spoken").textContent = text;
    if (recall("voice") !== "on") return;
    beep(news.kind === "order" ? 1 : 3);
    if (window.speechSynthesis && speechSynthesis.pending === false) {
      const said = new SpeechSynthesisUtterance(text);
      said.lang = zh ? "zh-CN" : "en-GB";
      speechSynthesis.speak(said);
    }
  };
  const voice = document.getElementById("voice");
  if (voice) {
    voice.checked = recall("voice") === "on";
    voice.addEventListener("change", () => { remember("voice", voice.checked ? "on" : "off"); if (voice.checked) beep(1); });
  }

  // -- the screen
  let lock = null;
  const hold = async () => {
    const wanted = recall("awake") === "on";
    if (!navigator.wakeLock) return;
    if (wanted && !lock && !document.hidden) {
      try { lock = await navigator.wakeLock.request("screen"); lock.addEventListener("release", () => { lock = null; }); } catch { lock = null; }
    } else if (!wanted && lock) { await lock.release(); }
  };
  const awake = document.getElementById("awake");
  if (awake) {
    awake.checked = recall("awake") === "on";
    if (!navigator.wakeLock) { awake.closest("label").hidden = true; }  // browsers allow it over https and on localhost only
    awake.addEventListener("change", () => { remember("awake", awake.checked ? "on" : "off"); hold(); });
  }
  document.addEventListener("visibilitychange", hold);
  hold();

  // -- times, as the shop's paper has them
  const timeZone = (() => {
    const zone = document.body.dataset.zone || undefined;
    try { new Intl.DateTimeFormat("en", { timeZone: zone }); return zone; } catch { return undefined; }  // an old browser
  })();
  const dayOf = (at) => at.toLocaleDateString("en", { timeZone });
  const clocks = () => {
    const today = dayOf(new Date());
    for (const time of document.querySelectorAll("time[data-at]")) {
      const at = new Date(time.dataset.at);
      if (isNaN(at)) continue;
      const day = dayOf(at) === today ? {} : { month: "numeric", day: "numeric" };
      const seconds = "seconds" in time.dataset ? { second: "2-digit" } : {};
      time.textContent = at.toLocaleString(zh ? "zh-CN" : "en-GB", { timeZone, ...day, ...seconds, hour: "2-digit", minute: "2-digit" });
    }
  };
  document.addEventListener("htmx:after:swap", clocks);
  clocks();

  // -- the menu shuts when one looks elsewhere
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  });
})();
