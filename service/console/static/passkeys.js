// Passkeys: asks the browser what a form's options say, and sends its answer with the form. Without this script, or
// in a browser without passkeys, the forms stay hidden and there are passwords and codes.

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (mark) => mark.charCodeAt(0));
const text = (buffer) =>
  buffer && btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

const described = (list) => (list || []).map((one) => ({ ...one, id: bytes(one.id) }));

function forBrowser(options) {
  const asked = { ...options, challenge: bytes(options.challenge) };
  if (options.user) asked.user = { ...options.user, id: bytes(options.user.id) };
  asked.excludeCredentials = described(options.excludeCredentials);
  asked.allowCredentials = described(options.allowCredentials);
  return asked;
}

function forServer(made) {
  const its = made.response;
  const response = { clientDataJSON: text(its.clientDataJSON) };
  for (const part of ["attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (its[part]) response[part] = text(its[part]);
  }
  return JSON.stringify({ id: made.id, rawId: text(made.rawId), type: made.type, response });
}

async function optionsOf(form) {
  if (form.dataset.options) return JSON.parse(form.dataset.options);
  const reply = await fetch(form.dataset.optionsFrom, {
    method: "POST",
    body: new URLSearchParams({ to: form.elements.to ? form.elements.to.value : "" }),
  });
  if (!reply.ok) throw new Error(`options: ${reply.status}`);
  return reply.json();
}

async function ask(form) {
  const problem = form.querySelector("[role=alert]");
  problem.hidden = true;
  try {
    const publicKey = forBrowser(await optionsOf(form));
    const made = await navigator.credentials[form.dataset.passkey]({ publicKey });
    form.elements.passkey.value = forServer(made);
    form.submit();
  } catch (error) {
    console.warn(error);
    problem.hidden = false;
  }
}

if (window.PublicKeyCredential) {
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    const button = form.querySelector("[data-by-passkey]");
    form.hidden = false;
    if (button) button.hidden = false;
    form.addEventListener("submit", (event) => {
      if (button && event.submitter !== button) return; // by codes
      if (button && !form.elements.password.reportValidity()) return event.preventDefault();
      event.preventDefault();
      ask(form);
    });
  }
}
