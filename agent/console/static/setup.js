// A pairing token may come in the address, behind the #: it is not sent to anybody before somebody taps "Connect".
"use strict";
(() => {  // a new shop's time zone is most likely the phone's
  const zone = document.getElementById("timezone"), shop = document.querySelector("input[name=shop]");
  if (!zone || zone.value !== "" || !shop || shop.value !== "new") return;
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if ([...zone.options].some((each) => each.value === here)) zone.value = here;
})();
(() => {
  const found = /[#&]pair=(SAP1\.[A-Za-z0-9_-]+)/.exec(location.hash);
  const field = document.getElementById("token");
  if (!found || !field) return;
  field.value = found[1];
  history.replaceState(null, "", location.pathname);
  document.getElementById("step-cloud").scrollIntoView();
})();
