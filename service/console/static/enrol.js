// Takes the code out of the address, where it would stay in the history, and asks for what this code needs besides.
// It sends nothing by itself: programs that try every link before its reader does must not use the code up.
"use strict";
const code = document.getElementById("code");
if (location.hash.length > 1) {
  code.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname);
}
if (code.value) {
  const label = document.querySelector("#second-field label");
  const second = document.getElementById("second");
  const asked = label.dataset[code.value[0]];
  document.getElementById("code-field").hidden = true;
  document.getElementById("second-field").hidden = !asked;
  second.required = Boolean(asked);
  if (asked) label.textContent = asked;
}
