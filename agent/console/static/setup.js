// A pairing token may come in the address, behind the #: it is not sent to anybody before somebody taps "Connect".
"use strict";
(() => {
  const found = /[#&]pair=(SAP1\.[A-Za-z0-9_-]+)/.exec(location.hash);
  const field = document.getElementById("token");
  if (!found || !field) return;
  field.value = found[1];
  history.replaceState(null, "", location.pathname);
  document.getElementById("step-cloud").scrollIntoView();
})();
