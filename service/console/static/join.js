// The invitation's code stands behind the # of the link: take it into the form, and out of the address and the history.
const code = document.getElementById("code");
if (location.hash.length > 1) {
  code.value = decodeURIComponent(location.hash.slice(1));
  history.replaceState(null, "", location.pathname);
  document.querySelector("#join button").focus();
}
